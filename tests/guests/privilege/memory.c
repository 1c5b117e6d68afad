/* SPDX-License-Identifier: MIT */
/* Page tables, frames and descriptor tables: mmu_update, mmuext_op, memory_op and their kin. */
#include "privilege.h"

/* ---- entries ---- */

/* An entry of our own, naming a frame of the target's. */
static long map_by(unsigned int kind, domid_t target)
{
    unsigned long frame = frame_of(target);
    struct mmu_update update = { .ptr = entry_address(hole, 1) | kind,
                                 .val = (uint64_t)frame << PAGE_SHIFT | PROT_RO };
    long result = HYPERVISOR_mmu_update(&update, 1, NULL, target);

    CHECK_IS(write_entry(entry_address(hole, 1), 0), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    frame_done(target, frame);
    return result;
}

TRY(MMU_NORMAL_PT_UPDATE)
{
    return map_by(MMU_NORMAL_PT_UPDATE, target);
}
TRY(MMU_PT_UPDATE_PRESERVE_AD)
{
    return map_by(MMU_PT_UPDATE_PRESERVE_AD, target);
}
TRY(MMU_PT_UPDATE_NO_TRANSLATE)
{
    return map_by(MMU_PT_UPDATE_NO_TRANSLATE, target);
}

TRY(MMU_MACHPHYS_UPDATE)
{
    unsigned long frame = frame_of(target);
    struct mmu_update update = { .ptr = (uint64_t)frame << PAGE_SHIFT | MMU_MACHPHYS_UPDATE,
                                 .val = mfn_to_pfn(frame) };
    long result = HYPERVISOR_mmu_update(&update, 1, NULL, target);

    frame_done(target, frame);
    return result;
}

TRY(update_va_mapping)
{
    unsigned long frame = frame_of(DOMID_SELF);
    long result = HYPERVISOR_update_va_mapping(
        (unsigned long)hole, (uint64_t)frame << PAGE_SHIFT | PROT_RW, UVMF_INVLPG);

    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)hole, 0, UVMF_INVLPG), 0);
    frame_done(DOMID_SELF, frame);
    return result;
}

TRY(update_va_mapping_otherdomain)
{
    unsigned long frame = frame_of(target);
    uint64_t entry = (uint64_t)frame << PAGE_SHIFT | PROT_RW;
    long result = HYPERVISOR_update_va_mapping_otherdomain((unsigned long)hole, entry, UVMF_INVLPG,
                                                           target);

    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)hole, 0, UVMF_INVLPG), 0);
    frame_done(target, frame);
    return result;
}

/* ---- mmuext_op ---- */

static long mmuext(struct mmuext_op op, domid_t target)
{
    return HYPERVISOR_mmuext_op(&op, 1, NULL, target);
}

/* Pins a table of the target's, and unpins it; which of the two results is wanted? */
static long pin(unsigned int level, domid_t target, bool unpinning)
{
    unsigned long frame = table_of(target);
    long pinned = mmuext(
        (struct mmuext_op){ .cmd = MMUEXT_PIN_L1_TABLE + level - 1, .arg1.mfn = frame }, target);
    long unpinned = mmuext((struct mmuext_op){ .cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = frame },
                           target);

    table_done(target, frame);
    return unpinning ? unpinned : pinned;
}

TRY(MMUEXT_PIN_L1_TABLE)
{
    return pin(1, target, false);
}
TRY(MMUEXT_PIN_L2_TABLE)
{
    return pin(2, target, false);
}
TRY(MMUEXT_PIN_L3_TABLE)
{
    return pin(3, target, false);
}
TRY(MMUEXT_PIN_L4_TABLE)
{
    return pin(4, target, false);
}
TRY(MMUEXT_UNPIN_TABLE)
{
    return pin(1, target, true);
}

static long mmuext_simple(unsigned int command, domid_t target)
{
    static unsigned long first_vcpu = 1;
    struct mmuext_op op = { .cmd = command, .arg1.linear_addr = (unsigned long)hole };

    set_xen_guest_handle(op.arg2.vcpumask, &first_vcpu);
    return mmuext(op, target);
}

TRY(MMUEXT_TLB_FLUSH_LOCAL)
{
    return mmuext_simple(MMUEXT_TLB_FLUSH_LOCAL, target);
}
TRY(MMUEXT_TLB_FLUSH_MULTI)
{
    return mmuext_simple(MMUEXT_TLB_FLUSH_MULTI, target);
}
TRY(MMUEXT_TLB_FLUSH_ALL)
{
    return mmuext_simple(MMUEXT_TLB_FLUSH_ALL, target);
}
TRY(MMUEXT_INVLPG_LOCAL)
{
    return mmuext_simple(MMUEXT_INVLPG_LOCAL, target);
}
TRY(MMUEXT_INVLPG_MULTI)
{
    return mmuext_simple(MMUEXT_INVLPG_MULTI, target);
}
TRY(MMUEXT_INVLPG_ALL)
{
    return mmuext_simple(MMUEXT_INVLPG_ALL, target);
}
TRY(MMUEXT_FLUSH_CACHE)
{
    return mmuext_simple(MMUEXT_FLUSH_CACHE, DOMID_SELF);
}
TRY(MMUEXT_FLUSH_CACHE_GLOBAL)
{
    return mmuext_simple(MMUEXT_FLUSH_CACHE_GLOBAL, DOMID_SELF);
}
TRY(MMUEXT_MARK_SUPER)
{
    return mmuext_simple(MMUEXT_MARK_SUPER, DOMID_SELF);
}
TRY(MMUEXT_UNMARK_SUPER)
{
    return mmuext_simple(MMUEXT_UNMARK_SUPER, DOMID_SELF);
}

TRY(MMUEXT_NEW_BASEPTR)
{
    return mmuext((struct mmuext_op){ .cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = kernel_root_mfn },
                  target);
}

TRY(MMUEXT_NEW_USER_BASEPTR)
{
    long result = mmuext(
        (struct mmuext_op){ .cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = kernel_root_mfn }, target);

    CHECK_IS(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    return result;
}

TRY(MMUEXT_SET_LDT)
{
    uint64_t *ldt = new_table();
    long result = mmuext((struct mmuext_op){ .cmd = MMUEXT_SET_LDT,
                                             .arg1.linear_addr = (unsigned long)ldt,
                                             .arg2.nr_ents = 512 },
                         target);

    CHECK_IS(mmuext_mfn(MMUEXT_SET_LDT, 0), 0);
    table_done(DOMID_SELF, virt_to_mfn(ldt));
    return result;
}

TRY(MMUEXT_CLEAR_PAGE)
{
    unsigned long frame = frame_of(target);
    long result = mmuext((struct mmuext_op){ .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = frame }, target);

    frame_done(target, frame);
    return result;
}

TRY(MMUEXT_COPY_PAGE)
{
    unsigned long to = frame_of(target), from = frame_of(target);
    long result = mmuext(
        (struct mmuext_op){ .cmd = MMUEXT_COPY_PAGE, .arg1.mfn = to, .arg2.src_mfn = from },
        target);

    frame_done(target, to);
    frame_done(target, from);
    return result;
}

/* ---- how much memory ---- */

static long reservation(unsigned int op, domid_t target, xen_pfn_t *frame)
{
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = target };
    long done;

    set_xen_guest_handle(r.extent_start, frame);
    done = HYPERVISOR_memory_op(op, &r);
    return done == 0 ? -ENOMEM : done; /* not one extent of one: for which the call has no errno */
}

/* A page of ours that is mapped nowhere, and one that is a page again, with another frame. */
static char *unmapped_page(void)
{
    char *page = alloc_zeroed_page();

    NEED(page && HYPERVISOR_update_va_mapping((unsigned long)page, 0, UVMF_INVLPG) == 0);
    return page;
}

static void page_again(char *page, xen_pfn_t frame)
{
    p2m[virt_to_pfn(page)] = frame;
    pt_set_m2p(frame, virt_to_pfn(page));
    pt_set_va((unsigned long)page, (uint64_t)frame << PAGE_SHIFT | PROT_RW);
    NEED(pt_flush() == 0);
    free_page(page);
}

/* A page leaves us, a frame comes instead, by any of the two calls. */
static long give_and_take(unsigned int taking, long *given)
{
    char *page = unmapped_page();
    xen_pfn_t frame = virt_to_mfn(page);
    long taken;

    *given = reservation(XENMEM_decrease_reservation, DOMID_SELF, &frame);
    NEED(*given == 1);
    frame = virt_to_pfn(page);
    taken = reservation(taking, DOMID_SELF, &frame);
    NEED(taken == 1);
    page_again(page, frame);
    return taken;
}

static long more(unsigned int op, domid_t target)
{
    xen_pfn_t pfn = 1000;
    long given;

    return target == DOMID_SELF ? give_and_take(op, &given) : reservation(op, target, &pfn);
}

TRY(XENMEM_increase_reservation)
{
    return more(XENMEM_increase_reservation, target);
}
TRY(XENMEM_populate_physmap)
{
    return more(XENMEM_populate_physmap, target);
}

TRY(XENMEM_decrease_reservation)
{
    xen_pfn_t frame;
    long given;

    if (target == DOMID_SELF) {
        give_and_take(XENMEM_populate_physmap, &given);
        return given;
    }
    frame = frame_of(target);
    return reservation(XENMEM_decrease_reservation, target, &frame);
}

TRY(XENMEM_exchange)
{
    char *page = target == DOMID_SELF ? unmapped_page() : NULL;
    xen_pfn_t in = page ? virt_to_mfn(page) : frame_of(target),
              out = page ? virt_to_pfn(page) : 1001;
    struct xen_memory_exchange exchange = { .in = { .nr_extents = 1, .domid = target },
                                            .out = { .nr_extents = 1, .domid = target } };
    long result;

    set_xen_guest_handle(exchange.in.extent_start, &in);
    set_xen_guest_handle(exchange.out.extent_start, &out);
    result = HYPERVISOR_memory_op(XENMEM_exchange, &exchange);
    if (page)
        page_again(page, result == 0 ? out : in);
    return result;
}

TRY(XENMEM_current_reservation)
{
    return HYPERVISOR_memory_op(XENMEM_current_reservation, &target);
}
TRY(XENMEM_maximum_reservation)
{
    return HYPERVISOR_memory_op(XENMEM_maximum_reservation, &target);
}
/* A number, or 0 of who said none; which, unit/test_memory_op.c looks at. */
TRY(XENMEM_maximum_gpfn)
{
    long result = HYPERVISOR_memory_op(XENMEM_maximum_gpfn, &target);

    return result > 0 ? 0 : result;
}
TRY(XENMEM_maximum_ram_page)
{
    return HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL);
}

/* ---- what memory ---- */

static long memory_map(unsigned int op)
{
    static struct { uint64_t start, size; uint32_t type; } __attribute__((packed)) entries[64];
    struct xen_memory_map map = { .nr_entries = 64 };

    set_xen_guest_handle(map.buffer, entries);
    return HYPERVISOR_memory_op(op, &map);
}

TRY(XENMEM_memory_map)
{
    return memory_map(XENMEM_memory_map);
}
TRY(XENMEM_machine_memory_map)
{
    return memory_map(XENMEM_machine_memory_map);
}

TRY(XENMEM_machphys_mapping)
{
    struct xen_machphys_mapping mapping;

    long result = HYPERVISOR_memory_op(XENMEM_machphys_mapping, &mapping);

    if (result == 0)                /* a domU may be restored on a larger machine */
        CHECK_IS(mapping.max_mfn, is_dom0()
                     ? (uint64_t)HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL) - 1
                     : MACH2PHYS_NR_ENTRIES - 1);
    return result;
}

TRY(XENMEM_machphys_mfn_list)
{
    xen_pfn_t first[1];
    struct xen_machphys_mfn_list list = { .max_extents = 1 };

    set_xen_guest_handle(list.extent_start, first);
    return HYPERVISOR_memory_op(XENMEM_machphys_mfn_list, &list);
}

TRY(XENMEM_add_to_physmap)
{
    struct xen_add_to_physmap op = { .domid = target, .space = XENMAPSPACE_shared_info };

    return HYPERVISOR_memory_op(XENMEM_add_to_physmap, &op);
}

TRY(XENMEM_add_to_physmap_batch)
{
    xen_ulong_t index = 0;
    xen_pfn_t pfn = 0;
    int error = 0;
    struct xen_add_to_physmap_batch op = { .domid = target,
                                           .space = XENMAPSPACE_shared_info,
                                           .size = 1 };

    set_xen_guest_handle(op.idxs, &index);
    set_xen_guest_handle(op.gpfns, &pfn);
    set_xen_guest_handle(op.errs, &error);
    return HYPERVISOR_memory_op(XENMEM_add_to_physmap_batch, &op);
}

TRY(XENMEM_remove_from_physmap)
{
    struct xen_remove_from_physmap op = { .domid = target, .gpfn = 0 };

    return HYPERVISOR_memory_op(XENMEM_remove_from_physmap, &op);
}

/* Whoever sets its own does not ask for it again. */
TRY(XENMEM_set_memory_map)
{
    static struct { uint64_t start, size; uint32_t type; } __attribute__((packed)) ram = {
        0, 64 << 20, 1
    };
    struct xen_foreign_memory_map op = { .domid = target, .map = { .nr_entries = 1 } };

    set_xen_guest_handle(op.map.buffer, &ram);
    return HYPERVISOR_memory_op(XENMEM_set_memory_map, &op);
}

TRY(XENMEM_get_sharing_freed_pages)
{
    return HYPERVISOR_memory_op(XENMEM_get_sharing_freed_pages, NULL);
}
TRY(XENMEM_get_sharing_shared_pages)
{
    return HYPERVISOR_memory_op(XENMEM_get_sharing_shared_pages, NULL);
}

TRY(XENMEM_acquire_resource)
{
    static xen_pfn_t frame;
    struct xen_mem_acquire_resource op = { .domid = target,
                                           .type = XENMEM_resource_grant_table,
                                           .nr_frames = 1 };

    set_xen_guest_handle(op.frame_list, &frame);
    return HYPERVISOR_memory_op(XENMEM_acquire_resource, &op);
}

/* None, which anybody may have. */
TRY(XENMEM_claim_pages)
{
    struct xen_memory_reservation op = { .domid = target };

    return HYPERVISOR_memory_op(XENMEM_claim_pages, &op);
}

TRY(XENMEM_get_vnumainfo)
{
    struct xen_vnuma_topology_info op = { .domid = target };

    return HYPERVISOR_memory_op(XENMEM_get_vnumainfo, &op);
}

/* ---- descriptors ---- */

TRY(set_gdt)
{
    uint64_t *gdt = new_table();
    unsigned long frame = virt_to_mfn(gdt);
    long result = HYPERVISOR_set_gdt(&frame, 512);

    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    table_done(DOMID_SELF, frame);
    return result;
}

TRY(update_descriptor)
{
    uint64_t *gdt = new_table();
    unsigned long frame = virt_to_mfn(gdt);
    long result;

    NEED(HYPERVISOR_set_gdt(&frame, 512) == 0);
    result = HYPERVISOR_update_descriptor(virt_to_machine(&gdt[5]), 0x00cff3000000ffffUL);
    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    table_done(DOMID_SELF, frame);
    return result;
}
