/* SPDX-License-Identifier: MIT */
/* What both ends of a move look at (move.h). */
#include "dom0/guests/move.h"
#include "dom0/xc/control.h"

/* Of the words that say what the CPU can (<xen/arch-x86/cpufeatureset.h>: leaf 1's EDX, leaf
 * 0x80000001's ECX), what only tells how many there are: HTT, CMP_LEGACY. */
static uint32_t of_topology(unsigned word)
{
    return word == 0 ? 1u << 28 : word == 3 ? 1u << 1 : 0;
}

int move_features(struct move_hello *hello)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_get_cpu_featureset };
    int error;

    op.u.cpu_featureset.index = XEN_SYSCTL_cpu_featureset_pv;
    op.u.cpu_featureset.nr_features = MOVE_FEATURES;
    set_xen_guest_handle(op.u.cpu_featureset.features, hello->feature);
    error = control_system(&op);
    hello->features = error ? 0 : MIN(op.u.cpu_featureset.nr_features, MOVE_FEATURES);
    return error;
}

int move_fits(const struct move_hello *theirs, const struct move_hello *ours,
              struct problem *problem)
{
    for (unsigned i = 0; i < theirs->features; i++) {
        uint32_t has = i < ours->features ? ours->feature[i] : 0;
        uint32_t lacks = theirs->feature[i] & ~has & ~of_topology(i);

        if (lacks)
            return problem_set(problem, -EOPNOTSUPP, "its CPU lacks what the guest may use here "
                               "(features, word %u: %08x)", i, lacks);
    }
    return 0;
}

bool move_hello_valid(struct move_hello *hello)
{
    return !memcmp(hello->magic, MOVE_MAGIC, sizeof(hello->magic)) &&
           (hello->kind == MOVE_COMES || hello->kind == MOVE_ASKS) &&
           hello->features <= MOVE_FEATURES && memchr(hello->name, '\0', sizeof(hello->name));
}
