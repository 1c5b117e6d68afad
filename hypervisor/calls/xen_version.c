/* SPDX-License-Identifier: MIT */
/* xen_version (<xen/version.h>): who we say we are. Buffers are filled to their ends with zeros
 * (advisory 122). */
#include "machine/boot_info.h"
#include "domain/domain.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "lib/string.h"
#include "memory/access.h"
#include "lib/layout.h"
#include <xen/features.h>
#include <xen/version.h>

#define VERSION (4 << 16 | 17)      /* the ABI we keep to */

static uint32_t features(const struct domain *d)
{
    return 1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist |
           1u << XENFEAT_gnttab_map_avail_bits | 1u << XENFEAT_memory_op_vnode_supported |
           1u << XENFEAT_direct_mapped | (d->privileged ? 1u << XENFEAT_dom0 : 0) |
           (d->vm_assist & 1u << VMASST_TYPE_pae_extended_cr3 ? 1u << XENFEAT_pae_pgdir_above_4gb
                                                              : 0);
}

static long get_features(const struct domain *d, uint64_t arg)
{
    struct xen_feature_info info;

    if (read_guest(&info, arg) != 0) return fail(-EFAULT, "the argument cannot be read");
    if (info.submap_idx != 0) return fail(-EINVAL, "there is one word of features");
    info.submap = features(d);
    return ANSWER(arg, &info);
}

/* There is none; but a buffer that is no buffer is found first. */
static long build_id(const struct domain *d, uint64_t arg)
{
    xen_build_id_t id;

    if (arg && read_guest(&id, arg) != 0) return fail(-EFAULT, "the buffer cannot be read");
    if (arg && id.len == 0) return fail(-EINVAL, "a buffer of no size");
    return fail(-ENODATA, "the image has no build identifier");
}

static long page_size(const struct domain *d, uint64_t arg)
{
    return arg ? fail(-EINVAL, "the size of a page goes nowhere but here") : (long)PAGE_SIZE;
}

static long guest_handle(const struct domain *d, uint64_t arg)
{
    return ANSWER(arg, &d->handle);
}

/* The machine's is the control domain's to know. */
static long command_line(const struct domain *d, uint64_t arg)
{
    static const xen_commandline_t none;

    return answer_guest(arg, d->privileged ? boot_info.command_line : none, sizeof(none));
}

static const xen_extraversion_t extra_version = ".0-domus";
static const xen_compile_info_t compile_info = { "gcc " __VERSION__, "domus", "domus", "" };
static const xen_capabilities_info_t capabilities = "xen-3.0-x86_64 ";
static const xen_changeset_info_t changeset = "domus";
static const xen_platform_parameters_t parameters = { .virt_start = HV_START };

/* By number: an object that is always the same, or a function that answers. */
#define OBJECT(name, object) [OP_##name] = { &(object), sizeof(object), NULL }
#define ASK(name, function)  [OP_##name] = { NULL, 0, function }
static const struct {
    const void *object;
    size_t size;
    long (*ask)(const struct domain *d, uint64_t arg);
} operations[] = {
    OBJECT(XENVER_extraversion, extra_version),
    OBJECT(XENVER_compile_info, compile_info),
    OBJECT(XENVER_capabilities, capabilities),
    OBJECT(XENVER_changeset, changeset),
    OBJECT(XENVER_platform_parameters, parameters),
    ASK(XENVER_get_features, get_features),
    ASK(XENVER_pagesize, page_size),
    ASK(XENVER_guest_handle, guest_handle),
    ASK(XENVER_commandline, command_line),
    ASK(XENVER_build_id, build_id),
};

static __attribute__((noinline)) long others(unsigned int op, uint64_t arg)
{
    unsigned int row = (unsigned int)index_below(op, ARRAY_SIZE(operations));

    if (op == row && operations[row].object)
        return answer_guest(arg, operations[row].object, operations[row].size);
    if (op == row && operations[row].ask) return operations[row].ask(current->domain, arg);
    return fail(-ENOSYS, "the hypercall has no such operation");
}

/* The first one is what everybody measures a hypervisor by; it needs nothing of the others. */
long do_xen_version(unsigned int op, uint64_t arg)
{
    return op == OP(XENVER_version) ? VERSION : others(op, arg);
}
