/* SPDX-License-Identifier: MIT */
/*
 * An attacker tries to get at frames that are not its own, the hypervisor's, dom0's and its
 * neighbour's, by every route that names a frame: page-table entries, other domains' names, pins
 * and base pointers, clear and copy, M2P updates, grants, descriptor tables, registered areas,
 * giving away what it does not own, and a reference that outlives its page. Idea: XSA-22, 32, 148,
 * 212, 252, 284, 287, 380; acceptance: "map hypervisor, dom0's or a neighbour's frames by every
 * route".
 */
#include "../lib/test.h"

#define SAMPLES 24

static uint64_t *page;
static unsigned long frames[SAMPLES + 4];
static unsigned int count;

/* Frames all over the machine that are not ours, and some that do not exist. */
static void collect(void)
{
    unsigned long last = (unsigned long)HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL);
    const unsigned long *m2p = (const unsigned long *)MACH2PHYS_VIRT_START;
    unsigned long step = last / SAMPLES + 1;

    for (unsigned long mfn = 0x100; mfn < last && count < SAMPLES; mfn += step)
        for (unsigned long at = mfn; at < mfn + step && at < last; at++) {
            uint64_t pfn;
            if (try_read64(&m2p[at], &pfn) == 0 && pfn < nr_pages && p2m[pfn] == at)
                continue;
            /* dom0 may map holes of the memory map as devices' memory; runs of foreign frames are
             * memory. */
            if (at + 1 < last && try_read64(&m2p[at + 1], &pfn) == 0 && pfn < nr_pages &&
                p2m[pfn] == at + 1)
                continue;
            if (HYPERVISOR_update_va_mapping(
                    (unsigned long)page, (uint64_t)at << PAGE_SHIFT | PROT_RO, UVMF_INVLPG) == 0) {
                CHECK(is_dom0());
                continue;
            }
            frames[count++] = at;
            break;
        }
    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)page,
                                          (uint64_t)virt_to_mfn(page) << PAGE_SHIFT | PROT_RW,
                                          UVMF_INVLPG),
             0);
    /* addresses without memory: dom0 may have them, as a device's */
    if (!is_dom0()) {
        frames[count++] = last + 0x100000;
        frames[count++] = PTE_MFN_MASK >> PAGE_SHIFT;
    }
    NEED(count > 0);
}

static void by_page_table_entry(unsigned long mfn)
{
    uint64_t at = entry_address(page, 1);
    static const uint64_t protections[] = { PROT_RO, PROT_RW, PROT_EXEC, PROT_RW | PTE_USER,
                                            PTE_PRESENT | PTE_WRITE | 0x80 };
    static const unsigned int owners[] = { 0,         1,        2,         3,
                                           DOMID_XEN, DOMID_IO, DOMID_COW, DOMID_INVALID,
                                           0x7fff };

    for (unsigned int i = 0; i < 5; i++) {
        CHECK_REFUSED(write_entry(at, (uint64_t)mfn << PAGE_SHIFT | protections[i]));
        CHECK_REFUSED(HYPERVISOR_update_va_mapping(
            (unsigned long)page, (uint64_t)mfn << PAGE_SHIFT | protections[i], UVMF_INVLPG));
        for (unsigned int j = 0; j < sizeof(owners) / sizeof(owners[0]) && !is_privileged(); j++) {
            struct mmu_update update = { .ptr = at,
                                         .val = (uint64_t)mfn << PAGE_SHIFT | protections[i] };

            if (owners[j] == own_domid())
                continue;
            CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, owners[j]));
            CHECK_REFUSED(
                HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF | (owners[j] + 1) << 16));
            CHECK_REFUSED(HYPERVISOR_update_va_mapping_otherdomain((unsigned long)page, update.val,
                                                                   UVMF_INVLPG, owners[j]));
        }
    }
    /* and as the place of an entry */
    CHECK_REFUSED(write_entry((uint64_t)mfn << PAGE_SHIFT, 0));
}

static void by_mmuext(unsigned long mfn)
{
    static const unsigned int commands[] = { MMUEXT_PIN_L1_TABLE,     MMUEXT_PIN_L2_TABLE,
                                             MMUEXT_PIN_L3_TABLE,     MMUEXT_PIN_L4_TABLE,
                                             MMUEXT_UNPIN_TABLE,      MMUEXT_NEW_BASEPTR,
                                             MMUEXT_NEW_USER_BASEPTR, MMUEXT_CLEAR_PAGE,
                                             MMUEXT_COPY_PAGE };
    struct mmuext_op copy = { .cmd = MMUEXT_COPY_PAGE,
                              .arg1.mfn = virt_to_mfn(page),
                              .arg2.src_mfn = mfn };

    for (unsigned int i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        CHECK_REFUSED(mmuext_mfn(commands[i], mfn));
    CHECK_REFUSED(HYPERVISOR_mmuext_op(&copy, 1, NULL, DOMID_SELF));
    if (!is_privileged()) {
        copy.cmd = MMUEXT_PIN_L4_TABLE;
        copy.arg1.mfn = mfn;
        CHECK_REFUSED(HYPERVISOR_mmuext_op(&copy, 1, NULL, 0));
        CHECK_REFUSED(HYPERVISOR_mmuext_op(&copy, 1, NULL, DOMID_XEN));
    }
}

static void by_tables_and_areas(unsigned long mfn)
{
    struct vcpu_register_vcpu_info info = { .mfn = mfn };
    struct mmu_update update = { .ptr = (uint64_t)mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE,
                                 .val = 1 };
    struct xen_memory_reservation reservation = { .nr_extents = 1, .domid = DOMID_SELF };
    xen_pfn_t frame = mfn;

    CHECK_REFUSED(HYPERVISOR_set_gdt(&mfn, 16));
    CHECK_REFUSED(HYPERVISOR_update_descriptor((uint64_t)mfn << PAGE_SHIFT, 0));
    CHECK_REFUSED(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info));
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF));
    set_xen_guest_handle(reservation.extent_start, &frame);
    CHECK(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation) <= 0);
    /* The first argument of exchange gives frames away: not these. */
    struct xen_memory_exchange exchange = { .in = reservation, .out = reservation };
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &exchange));
}

/* Grant it to ourselves and map it, copy from it, copy into it. */
static void by_grant(unsigned long mfn)
{
    domid_t self = own_domid();
    int ref = grant_access(self, mfn, false);
    struct grant_map map;
    struct gnttab_copy op = { .len = 64 };

    NEED(ref > 0);
    CHECK_REFUSED(grant_map(self, (grant_ref_t)ref, false, &map));
    CHECK_REFUSED(grant_map(self, (grant_ref_t)ref, true, &map));
    CHECK_REFUSED(grant_copy_from(page, self, (grant_ref_t)ref, 0, 64));
    CHECK_REFUSED(grant_copy_to(self, (grant_ref_t)ref, 0, page, 64));
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);

    op.source.u.gmfn = mfn;
    op.source.domid = DOMID_SELF;
    op.dest.u.gmfn = virt_to_mfn(page);
    op.dest.domid = DOMID_SELF;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1), 0);
    CHECK(op.status < 0);
    op.source.u.gmfn = virt_to_mfn(page);
    op.dest.u.gmfn = mfn;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1), 0);
    CHECK(op.status < 0);
    if (!is_privileged()) {
        op.source.domid = 0;                        /* dom0's frame by its machine number */
        op.source.u.gmfn = mfn;
        op.dest.u.gmfn = virt_to_mfn(page);
        CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1), 0);
        CHECK(op.status < 0);
    }
}

/* Whatever references others have: nobody granted us anything. */
static void by_others_grants(void)
{
    struct grant_map map;

    for (domid_t domid = 0; domid < 5; domid++)
        for (grant_ref_t ref = 0; ref < 40 && domid != own_domid(); ref++)
            CHECK_REFUSED(grant_map(domid, ref, true, &map));
}

/* Give a page back while a mapping of it stays: it must stay ours until the mapping goes, and be
 * refused afterwards. */
static void by_a_stale_reference(void)
{
    uint64_t *given = alloc_zeroed_page();
    unsigned long pfn = virt_to_pfn(given);
    xen_pfn_t frame = virt_to_mfn(given);
    uint64_t *second = vspace_alloc(1);
    struct xen_memory_reservation reservation = { .nr_extents = 1, .domid = DOMID_SELF };

    NEED(given && second);
    set_xen_guest_handle(reservation.extent_start, &frame);
    CHECK_IS(map_page((unsigned long)second, frame, PROT_RW, DOMID_SELF), 0);
    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)given, 0, UVMF_INVLPG), 0);
    (void)HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation);
    /* ours still: nobody else may have it while this mapping lives */
    *second = 0x5a5a;
    CHECK_IS(*second, 0x5a5a);
    CHECK_IS(map_page((unsigned long)second, 0, 0, DOMID_SELF), 0);
    CHECK_REFUSED(map_page((unsigned long)second, frame, PROT_RW, DOMID_SELF));
    unsigned long old = frame;
    frame = pfn;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation), 1);
    p2m[pfn] = frame;
    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)given,
                                          (uint64_t)frame << PAGE_SHIFT | PROT_RW, UVMF_INVLPG),
             0);
    if (frame != old)
        CHECK_REFUSED(map_page((unsigned long)second, old, PROT_RO, DOMID_SELF));
    free_page(given);
}

void test_main(void)
{
    page = alloc_zeroed_page();
    NEED(page != NULL);
    collect();
    for (unsigned int i = 0; i < count; i++) {
        by_page_table_entry(frames[i]);
        by_mmuext(frames[i]);
        by_tables_and_areas(frames[i]);
        by_grant(frames[i]);
    }
    by_others_grants();
    by_a_stale_reference();
}
