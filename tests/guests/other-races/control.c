/* SPDX-License-Identifier: MIT */
/*
 * What only a control domain does, while the others are at work: their pages are mapped, they are
 * asked about, paused, given contexts that they cannot have any more; a mayfly is made and ended;
 * all frames are recounted. Each racer has places of its own for foreign pages. What it has mapped
 * stays as it was, also when the domain is gone.
 */
#include "neighbours.h"

#include <abi/domus.h>

#define PLACES_EACH 2

static struct { void *va; bool known; } places[RACERS][PLACES_EACH];

void control_begin(void)
{
    for (unsigned int id = 0; id < RACERS; id++)
        for (unsigned int i = 0; i < PLACES_EACH; i++) {
            places[id][i].va = vspace_alloc(1);
            NEED(places[id][i].va != NULL);
        }
}

/* ---- pages of others ---- */

/* Known is what is there only if the domain was the same all the time. */
static void map(struct racer *r)
{
    unsigned int i = any(r, PLACES_EACH);
    struct neighbour *n = &neighbours[any(r, HANDS + 1)];
    uint32_t life = n->life;
    uint64_t frame = n->other.frame[OTHER_FREE + any(r, PATTERNS)];
    unsigned long flags = UVMF_INVLPG | (any(r, 2) ? UVMF_ALL : UVMF_LOCAL);
    long error;

    places[r->id][i].known = false;
    error = HYPERVISOR_update_va_mapping_otherdomain(
        (unsigned long)places[r->id][i].va, frame << PAGE_SHIFT | (any(r, 2) ? PROT_RW : PROT_RO),
        flags, n->other.id);
    note(r, error);
    if (error == 0 && n->life == life && life % 2)
        places[r->id][i].known = true;
    else
        MUST(r, HYPERVISOR_update_va_mapping((unsigned long)places[r->id][i].va, 0, flags) == 0);
}

static void unmap(struct racer *r, unsigned int i)
{
    places[r->id][i].known = false;
    MUST(r, HYPERVISOR_update_va_mapping((unsigned long)places[r->id][i].va, 0,
                                         UVMF_INVLPG | UVMF_ALL) == 0);
}

static void look(struct racer *r)
{
    for (unsigned int i = 0; i < PLACES_EACH; i++)
        if (places[r->id][i].known)
            MUST(r, words_other_than(places[r->id][i].va, OTHER_PATTERN) == 0);
}

/* ---- domains ---- */

static void ask(struct racer *r)
{
    static struct vcpu_guest_context context[RACERS];
    static const uint32_t commands[] = { XEN_DOMCTL_getvcpucontext, XEN_DOMCTL_setvcpucontext,
                                         XEN_DOMCTL_getvcpuinfo, XEN_DOMCTL_getdomaininfo };
    struct xen_domctl op = { .cmd = commands[any(r, 4)],
                             .domain = neighbours[any(r, HANDS + 1)].other.id };

    if (op.cmd == XEN_DOMCTL_getvcpucontext || op.cmd == XEN_DOMCTL_setvcpucontext)
        set_xen_guest_handle(op.u.vcpucontext.ctxt, &context[r->id]);
    if (op.cmd != XEN_DOMCTL_setvcpucontext || on_domus())
        note(r, domctl(&op));           /* Xen takes a second context */
}

static void pause(struct racer *r)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_pausedomain,
                             .domain = neighbours[any(r, HANDS)].other.id };

    MUST(r, domctl(&op) == 0);
    linger(r, 10000);
    op.cmd = XEN_DOMCTL_unpausedomain;
    MUST(r, domctl(&op) == 0);
}

static void end_mayfly(struct racer *r)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_destroydomain, .domain = mayfly.other.id };

    mayfly.life++;
    unmap_frames(ADDRESS(mayfly.other.mailbox), 1);
    unmap_frames(mayfly.other.data, 1);
    note(r, domctl(&op));
}

/* The first racer's alone: what maps pages in the library is vCPU 0's. Its number is told when it
 * stands: one that has an old frame's number, which is a page table now, would map that before it
 * is pinned. */
static void next_mayfly(struct racer *r)
{
    static struct neighbour next;

    if (mayfly.life % 2) {
        end_mayfly(r);
        return;
    }
    next.other.program = any(r, 2) ? &worker_program : NULL;
    neighbour_begin(&next);
    mayfly.other = next.other;
    mayfly.asked = 0;
    mayfly.life++;
}

static void recount(struct racer *r)
{
    static struct domus_audit audit;

    if (on_domus())
        MUST(r, HYPERVISOR_domus_op(DOMUS_audit, &audit) == 0);
}

void control_race(struct racer *r)
{
    unsigned int kind = any(r, 12);

    if (r->id == 0 && kind < 4) {
        if (kind == 0)
            recount(r);
        else
            next_mayfly(r);
        return;
    }
    switch (kind) {
    case 0: case 1: case 2: case 3: map(r); break;
    case 4: unmap(r, any(r, PLACES_EACH)); break;
    case 5: case 6: case 7: look(r); break;
    case 8: pause(r); break;
    default: ask(r); break;
    }
}

void control_end(void)
{
    struct racer nobody = { 0 };

    if (mayfly.life % 2)
        end_mayfly(&nobody);
    for (nobody.id = 0; nobody.id < RACERS; nobody.id++)
        for (unsigned int i = 0; i < PLACES_EACH; i++)
            unmap(&nobody, i);
    CHECK_IS(nobody.wrongs, 0);
}
