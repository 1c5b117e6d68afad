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

static long answer(uint64_t to, const void *object, size_t size)
{
    return copy_to_guest(VADDR(to), object, size) != 0
               ? fail(-EFAULT, "the answer cannot be written")
               : 0;
}

static long answer_text(uint64_t to, const char *text, size_t size)
{
    char buffer[1024] = "";

    strlcpy(buffer, text, size);
    return answer(to, buffer, size);
}

static long get_features(uint64_t arg)
{
    struct xen_feature_info info;

    if (read_guest(&info, arg) != 0) return fail(-EFAULT, "the argument cannot be read");
    if (info.submap_idx != 0) return fail(-EINVAL, "there is one word of features");
    info.submap = features(current->domain);
    return answer(arg, &info, sizeof(info));
}

/* There is none; but a buffer that is no buffer is found first. */
static long build_id(uint64_t arg)
{
    xen_build_id_t id;

    if (arg && read_guest(&id, arg) != 0) return fail(-EFAULT, "the buffer cannot be read");
    if (arg && id.len == 0) return fail(-EINVAL, "a buffer of no size");
    return fail(-ENODATA, "the image has no build identifier");
}

static __attribute__((noinline)) long version_text(unsigned long op, unsigned long arg)
{
    static const struct xen_compile_info compile = { "gcc " __VERSION__, "domus", "domus", "" };
    static const struct xen_platform_parameters platform = { .virt_start = HV_START };

    switch (op) {
    CASE(XENVER_extraversion) return answer_text(arg, ".0-domus", sizeof(xen_extraversion_t));
    CASE(XENVER_compile_info) return answer(arg, &compile, sizeof(compile));
    CASE(XENVER_capabilities)
        return answer_text(arg, "xen-3.0-x86_64 ", sizeof(xen_capabilities_info_t));
    CASE(XENVER_changeset) return answer_text(arg, "domus", sizeof(xen_changeset_info_t));
    CASE(XENVER_platform_parameters) return answer(arg, &platform, sizeof(platform));
    CASE(XENVER_get_features) return get_features(arg);
    CASE(XENVER_pagesize)
        return arg ? fail(-EINVAL, "the size of a page goes nowhere but here") : (long)PAGE_SIZE;
    CASE(XENVER_guest_handle) return answer(arg, current->domain->handle, 16);
    CASE(XENVER_commandline)
        if (!current->domain->privileged) return answer_text(arg, "", sizeof(xen_commandline_t));
        return answer_text(arg, boot_info.command_line, sizeof(xen_commandline_t));
    CASE(XENVER_build_id) return build_id(arg);
    default: return fail(-ENOSYS, "not an operation of xen_version");
    }
}

/* The first one is what everybody measures a hypervisor by; it needs none of the buffers of the
 * others. */
long do_xen_version(unsigned int op, uint64_t arg)
{
    return op == OP(XENVER_version) ? VERSION : version_text(op, arg);
}
