/* SPDX-License-Identifier: MIT */
/*
 * Grants, version 1, given by a domain to itself: map for reading and for writing, unmap by handle,
 * copy; a read-only grant cannot be written by any route, a mapping cannot be undone twice or as
 * something else, and end-of-access waits for the unmap. Idea: XSA-224, 227, 234, 316, 500 (status
 * signs, PTE checks, shared entries read twice).
 */
#include "../lib/test.h"

static domid_t self;
static uint64_t *page;

static int16_t map_status(grant_ref_t ref, domid_t domid, uint64_t address, unsigned int flags)
{
    struct gnttab_map_grant_ref map = {
        .host_addr = address, .flags = flags, .ref = ref, .dom = domid
    };

    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    return map.status;
}

static int16_t unmap_status(uint64_t address, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref unmap = { .host_addr = address, .handle = handle };

    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    return unmap.status;
}

static void mapped_and_unmapped(void)
{
    struct grant_map writable, readable;
    int ref = grant_page(self, page, false), ref_ro = grant_page(self, page, true);

    CHECK(ref > 0 && ref_ro > 0);
    page[1] = 0xabcd;
    CHECK_IS(grant_map(self, (grant_ref_t)ref, false, &writable), 0);
    CHECK_IS(*((uint64_t *)writable.va + 1), 0xabcd);
    *((uint64_t *)writable.va + 1) = 0x1111;
    CHECK_IS(page[1], 0x1111);
    CHECK_IS(grant_end_access((grant_ref_t)ref), -EBUSY);
    CHECK_IS(grant_map(self, (grant_ref_t)ref, true, &readable), 0);
    CHECK_IS(try_write64(readable.va, 1), -EFAULT);
    CHECK_IS(grant_unmap(&readable), 0);
    uint64_t value;
    CHECK_IS(try_read64(readable.va, &value), -EFAULT);
    CHECK_IS(grant_unmap(&writable), 0);
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);

    /* Read-only, by every route. */
    void *va = vspace_alloc(1);
    NEED(va != NULL);
    CHECK(map_status((grant_ref_t)ref_ro, self, (unsigned long)va, GNTMAP_host_map) < 0);
    CHECK(map_status((grant_ref_t)ref_ro, self, (unsigned long)va,
                     GNTMAP_host_map | GNTMAP_device_map) < 0);
    CHECK(map_status((grant_ref_t)ref_ro, self, entry_address(va, 1),
                     GNTMAP_host_map | GNTMAP_contains_pte) < 0);
    CHECK_IS(grant_map(self, (grant_ref_t)ref_ro, true, &readable), 0);
    CHECK_IS(try_write64(readable.va, 1), -EFAULT);
    CHECK_IS(grant_unmap(&readable), 0);
    vspace_free(va, 1);
    CHECK_IS(grant_end_access((grant_ref_t)ref_ro), 0);
}

static void misuse_of_maps(void)
{
    int ref = grant_page(self, page, false);
    struct grant_map map;
    void *va = vspace_alloc(1);

    NEED(ref > 0 && va != NULL);
    CHECK_IS(map_status(99999999, self, (unsigned long)va, GNTMAP_host_map), GNTST_bad_gntref);
    CHECK_IS(map_status((grant_ref_t)ref + 1, self, (unsigned long)va, GNTMAP_host_map) < 0, 1);
    CHECK_IS(map_status((grant_ref_t)ref, 4242, (unsigned long)va, GNTMAP_host_map),
             GNTST_bad_domain);
    CHECK_IS(map_status((grant_ref_t)ref, DOMID_SELF, (unsigned long)va, GNTMAP_host_map),
             GNTST_bad_domain);
    CHECK(map_status((grant_ref_t)ref, self, (unsigned long)va, 0) < 0);
    CHECK(map_status((grant_ref_t)ref, self, 0xffff830000000000UL, GNTMAP_host_map) < 0);
    CHECK(map_status((grant_ref_t)ref, self, 0x800000000000UL, GNTMAP_host_map) < 0);
    CHECK(map_status((grant_ref_t)ref, self, entry_address(va, 1) + 4,
                     GNTMAP_host_map | GNTMAP_contains_pte) < 0);
    CHECK(map_status((grant_ref_t)ref, self, virt_to_machine(page),
                     GNTMAP_host_map | GNTMAP_contains_pte) < 0);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, (void *)0x1000, 1), -EFAULT);

    CHECK_IS(grant_map(self, (grant_ref_t)ref, false, &map), 0);
    CHECK(unmap_status((unsigned long)va, map.handle) < 0);                 /* another address */
    CHECK(unmap_status((unsigned long)map.va, map.handle + 1000) < 0);      /* another handle */
    CHECK(unmap_status((unsigned long)map.va, ~0u) < 0);
    CHECK_IS(unmap_status((unsigned long)map.va, map.handle), GNTST_okay);
    CHECK(unmap_status((unsigned long)map.va, map.handle) < 0);             /* twice */
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    vspace_free(map.va, 1);
    vspace_free(va, 1);
}

/* For devices only: the machine address and no page-table entry. It is a use like any other: the
 * grant stays taken until it ends. */
static void for_devices_only(void)
{
    int ref = grant_page(self, page, false), ref_ro = grant_page(self, page, true);
    grant_ref_t refs[2] = { (grant_ref_t)ref, (grant_ref_t)ref_ro };
    grant_handle_t handle[2];
    unsigned long frame[2];
    int result[2];

    NEED(ref > 0 && ref_ro > 0);
    CHECK_IS(grant_map_dma(self, refs, 2, true, handle, frame, result), 0);
    CHECK(result[0] == 0 && result[1] == 0 && frame[0] == virt_to_mfn(page) &&
          frame[1] == frame[0]);
    CHECK_IS(grant_end_access(refs[0]), -EBUSY);
    /* names no half of the mapping: nothing happens */
    CHECK_IS(unmap_status(0, handle[0]), GNTST_okay);
    CHECK_IS(grant_end_access(refs[0]), -EBUSY);
    CHECK_IS(grant_unmap_dma(frame, handle, 1), 0);
    CHECK_REFUSED(grant_unmap_dma(frame, handle, 1));           /* twice */
    unsigned long other = frame[1] + 1;
    CHECK_REFUSED(grant_unmap_dma(&other, &handle[1], 1));
    CHECK_IS(grant_unmap_dma(&frame[1], &handle[1], 1), 0);
    /* the second may only be read */
    CHECK_IS(grant_map_dma(self, refs, 2, false, handle, frame, result), -EIO);
    CHECK(result[0] == 0 && result[1] != 0);
    CHECK_IS(grant_end_access(refs[0]), -EBUSY);
    CHECK_IS(grant_unmap_dma(frame, handle, 1), 0);
    CHECK_IS(grant_end_access(refs[0]), 0);
    CHECK_IS(grant_end_access(refs[1]), 0);
    ref = grant_access(self, virt_to_mfn(pt_walk((unsigned long)page, 1)), false);
    NEED(ref > 0);
    refs[0] = (grant_ref_t)ref;
    /* a page table: no device writes it (I2) */
    CHECK_REFUSED(grant_map_dma(self, refs, 1, false, handle, frame, result));
    CHECK_IS(grant_end_access(refs[0]), 0);
}

static void copies(void)
{
    static uint64_t mine[512] __attribute__((aligned(4096)));
    int ref = grant_page(self, page, false), ref_ro = grant_page(self, page, true);
    struct gnttab_copy op = { 0 };

    NEED(ref > 0 && ref_ro > 0);
    for (unsigned int i = 0; i < 512; i++)
        mine[i] = i;
    CHECK_IS(grant_copy_to(self, (grant_ref_t)ref, 0, mine, PAGE_SIZE), 0);
    CHECK_IS(memcmp(page, mine, PAGE_SIZE), 0);
    memset(mine, 0, sizeof(mine));
    CHECK_IS(grant_copy_from(mine, self, (grant_ref_t)ref_ro, 8, 16), 0);
    CHECK_IS(mine[0], 1);
    CHECK_IS(mine[1], 2);
    CHECK_IS(mine[2], 0);
    CHECK_REFUSED(grant_copy_to(self, (grant_ref_t)ref_ro, 0, mine, 8));

    /* Past the end of a page, and the zero-sized copy that is a no-op. */
    op.source.u.gmfn = virt_to_mfn(mine);
    op.source.domid = DOMID_SELF;
    op.dest.u.ref = (grant_ref_t)ref;
    op.dest.domid = self;
    op.dest.offset = 4090;
    op.len = 8;
    op.flags = GNTCOPY_dest_gref;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1), 0);
    CHECK(op.status < 0);
    op.dest.offset = 0;
    op.source.u.gmfn = foreign_mfn();
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1), 0);
    CHECK(op.status < 0);
    op.source.u.gmfn = virt_to_mfn(mine);
    op.len = 0;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1), 0);
    CHECK_IS(op.status, GNTST_okay);
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    CHECK_IS(grant_end_access((grant_ref_t)ref_ro), 0);
}

/* A page table of ours may be granted for reading; a writable mapping of it would break I2. */
static void a_page_table_is_not_granted_writable(void)
{
    int ref = grant_access(self, virt_to_mfn(pt_walk((unsigned long)page, 1)), false);
    struct grant_map map;

    NEED(ref > 0);
    CHECK_REFUSED(grant_map(self, (grant_ref_t)ref, false, &map));
    if (grant_map(self, (grant_ref_t)ref, true, &map) == 0)
        CHECK_IS(grant_unmap(&map), 0);
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    ref = grant_access(self, foreign_mfn(), false);
    CHECK_REFUSED(grant_map(self, (grant_ref_t)ref, false, &map));
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
}

static void the_table_itself(void)
{
    struct gnttab_query_size size = { .dom = DOMID_SELF };

    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_query_size, &size, 1), 0);
    CHECK_IS(size.status, GNTST_okay);
    CHECK(size.nr_frames > 0 && size.max_nr_frames >= size.nr_frames);
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = size.max_nr_frames + 1 };
    xen_pfn_t frames[1];
    set_xen_guest_handle(setup.frame_list, frames);
    (void)HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1);
    CHECK(setup.status < 0);
    CHECK_REFUSED(HYPERVISOR_grant_table_op(99, &setup, 1));
    CHECK_REFUSED(HYPERVISOR_grant_table_op(GNTTABOP_query_size, &size, 2));
}

void test_main(void)
{
    self = own_domid();
    page = alloc_zeroed_page();
    NEED(page != NULL);
    mapped_and_unmapped();
    misuse_of_maps();
    for_devices_only();
    copies();
    a_page_table_is_not_granted_writable();
    the_table_itself();
}
