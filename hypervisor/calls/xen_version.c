/* SPDX-License-Identifier: MIT */
/* xen_version (<xen/version.h>): who we say we are. Buffers are filled to their ends with zeros
 * (XSA-122). */
#include "machine/boot_info.h"
#include "machine/symbols.h"
#include "domain/domain.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "memory/access.h"
#include "lib/layout.h"
#include <abi/version.h>
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

static int get_features(struct domain *d, struct xen_feature_info *info)
{
    if (info->submap_idx != 0) return fail(-EINVAL, "there is one word of features");
    info->submap = features(d);
    return 0;
}

/* Its size; into a buffer also the identifier, when there is one, and behind its length. */
static int build_id(struct domain *d, uint64_t arg)
{
    const uint32_t size = sizeof(build_id_note.id);
    xen_build_id_t id;

    if (arg && read_guest(&id, arg) != 0) return fail(-EFAULT, "the buffer cannot be read");
    if (arg && id.len == 0) return fail(-EINVAL, "a buffer of no size");
    if (arg && id.len < size) return fail(-ENOBUFS, "the build identifier is longer");
    if (arg && copy_to_guest(VADDR(arg + sizeof(id)), build_id_note.id, size))
        return fail(-EFAULT, "the buffer cannot be written");
    return (int)size;
}

static int page_size(struct domain *d, uint64_t arg)
{
    return arg ? fail(-EINVAL, "the size of a page goes nowhere but here") : (int)PAGE_SIZE;
}

static int guest_handle(struct domain *d, uint64_t arg)
{
    return ANSWER(arg, &d->handle);
}

/* The machine's is the control domain's to know. */
static int command_line(struct domain *d, uint64_t arg)
{
    static const xen_commandline_t none;

    return answer_guest(arg, d->privileged ? boot_info.command_line : none, sizeof(none));
}

static const xen_extraversion_t extra_version = ".0-domus-" DOMUS_VERSION;
static const xen_compile_info_t compile_info = { "gcc " __VERSION__, "domus", "domus", "" };
static const xen_capabilities_info_t capabilities = "xen-3.0-x86_64 ";
static const xen_changeset_info_t changeset = "domus-" DOMUS_VERSION;
static const xen_platform_parameters_t parameters = { .virt_start = HV_START };

/* By number: an object that is always the same, or a function that answers. */
#define OBJECT(name, object) [OP_##name] = { &(object), sizeof(object) }
static const struct { const void *object; size_t size; } objects[] = {
    OBJECT(XENVER_extraversion, extra_version),
    OBJECT(XENVER_compile_info, compile_info),
    OBJECT(XENVER_capabilities, capabilities),
    OBJECT(XENVER_changeset, changeset),
    OBJECT(XENVER_platform_parameters, parameters),
};
static const struct operation operations[] = {
    ROW(XENVER_get_features, domain, xen_feature_info, get_features),
    ROW_AT(XENVER_pagesize, domain, page_size),
    ROW_AT(XENVER_guest_handle, domain, guest_handle),
    ROW_AT(XENVER_commandline, domain, command_line),
    ROW_AT(XENVER_build_id, domain, build_id),
};

/* All but number 0, the only one below the objects' last that is none. */
static __attribute__((noinline)) long others(unsigned int op, uint64_t arg)
{
    unsigned int row = (unsigned int)index_below(op, ARRAY_SIZE(objects));

    if (op == row) return answer_guest(arg, objects[row].object, objects[row].size);
    return operation_call(operations, ARRAY_SIZE(operations), op, current->domain, arg, NULL);
}

/* The first one is what everybody measures a hypervisor by; it needs nothing of the others. */
long do_xen_version(unsigned int op, uint64_t arg)
{
    return op == OP(XENVER_version) ? VERSION : others(op, arg);
}
