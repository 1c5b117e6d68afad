/* SPDX-License-Identifier: MIT */
/*
 * memory_op: what we own is what start_info said; a frame can be given back and another had for it; contiguous frames by
 * exchange; counts, orders and progress indices near 2^64 are refused before anything is touched.
 * Idea: XSA-29 and XSA-212 (XENMEM_exchange progress), 31 and 158 (extent order), 385.
 */
#include "../lib/test.h"

static void what_we_own(void)
{
    domid_t self = DOMID_SELF;
    struct xen_machphys_mapping mapping;
    static struct e820entry { uint64_t addr, size; uint32_t type; } __attribute__((packed)) map[64];
    struct xen_memory_map memory_map = { .nr_entries = 64 };
    uint64_t usable = 0;

    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), start_info->nr_pages);
    CHECK(HYPERVISOR_memory_op(XENMEM_maximum_reservation, &self) >= (long)start_info->nr_pages);
    CHECK(HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL) >= (long)start_info->nr_pages);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_machphys_mapping, &mapping), 0);
    CHECK_IS(mapping.v_start, MACH2PHYS_VIRT_START);
    CHECK(mapping.v_end > mapping.v_start && mapping.max_mfn > 0);

    set_xen_guest_handle(memory_map.buffer, map);
    if (HYPERVISOR_memory_op(XENMEM_memory_map, &memory_map) == 0) {    /* dom0 of Xen has the machine's instead */
        for (unsigned int i = 0; i < memory_map.nr_entries; i++)
            usable += map[i].type == 1 ? map[i].size : 0;
        CHECK(usable >= start_info->nr_pages << PAGE_SHIFT);
    }
    self = 4242;
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_current_reservation, &self));
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, (void *)0x1000), -EFAULT);
    CHECK_IS(HYPERVISOR_memory_op(60, NULL), -ENOSYS);
}

/* Give one frame back, take one again: the reservation moves by one each time. */
static void give_and_take(void)
{
    char *page = alloc_zeroed_page();
    unsigned long pfn = virt_to_pfn(page);
    xen_pfn_t frame = pfn_to_mfn(pfn);
    domid_t self = DOMID_SELF;
    struct xen_memory_reservation reservation = { .nr_extents = 1, .domid = DOMID_SELF };
    long before = HYPERVISOR_memory_op(XENMEM_current_reservation, &self);

    NEED(page != NULL);
    set_xen_guest_handle(reservation.extent_start, &frame);
    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)page, 0, UVMF_INVLPG), 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation), 1);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), before - 1);
    /* It is not ours any more. */
    CHECK_REFUSED(HYPERVISOR_update_va_mapping((unsigned long)page, (uint64_t)frame << PAGE_SHIFT | PROT_RW, UVMF_INVLPG));
    CHECK(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation) <= 0);

    frame = pfn;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation), 1);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), before);
    CHECK_IS(mfn_to_pfn(frame), pfn);
    p2m[pfn] = frame;
    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)page, (uint64_t)frame << PAGE_SHIFT | PROT_RW, UVMF_INVLPG), 0);
    page[5] = 1;
    free_page(page);
}

static void absurd_requests(void)
{
    xen_pfn_t frame = 0;
    struct xen_memory_reservation reservation = { .nr_extents = 1, .extent_order = 60, .domid = DOMID_SELF };
    struct xen_memory_exchange exchange = { .in = { .nr_extents = 1, .domid = DOMID_SELF }, .out = { .nr_extents = 1, .domid = DOMID_SELF } };

    set_xen_guest_handle(reservation.extent_start, &frame);
    CHECK(HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation) <= 0);
    CHECK(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation) <= 0);
    CHECK(HYPERVISOR_memory_op(XENMEM_increase_reservation, &reservation) <= 0);
    reservation.extent_order = 0;
    reservation.nr_extents = ~0UL;
    CHECK(HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation) <= 0);
    reservation.nr_extents = 1;
    reservation.domid = 4242;
    CHECK(HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation) <= 0);
    reservation.domid = DOMID_SELF;
    set_xen_guest_handle(reservation.extent_start, (xen_pfn_t *)0xffff830000000000UL);
    CHECK(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation) <= 0);
    set_xen_guest_handle(reservation.extent_start, &frame);
    frame = foreign_mfn();
    CHECK(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation) <= 0);

    /* XSA-212: an index of progress that points anywhere. */
    set_xen_guest_handle(exchange.in.extent_start, &frame);
    set_xen_guest_handle(exchange.out.extent_start, &frame);
    for (int shift = 0; shift < 64; shift += 7) {
        exchange.nr_exchanged = ~0UL << shift;
        CHECK(HYPERVISOR_memory_op(XENMEM_exchange, &exchange) != 0 || exchange.nr_exchanged >= exchange.in.nr_extents);
    }
    exchange.nr_exchanged = 0;
    exchange.in.extent_order = 40;
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &exchange));
    exchange.in.extent_order = 0;
    exchange.out.nr_extents = 7;
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &exchange));
}

/* Four scattered frames become four neighbours below 4 GiB: what a device's DMA wants. */
static void contiguous_memory(void)
{
    uint64_t *area = alloc_machine_contiguous(2, 32);

    if (area == NULL)
        return;
    for (unsigned long i = 1; i < 4; i++)
        CHECK_IS(virt_to_mfn((char *)area + i * PAGE_SIZE), virt_to_mfn(area) + i);
    CHECK(virt_to_mfn(area) < 0x100000);
    CHECK_IS(area[0], 0);
    memset(area, 7, 4 * PAGE_SIZE);
    free_pages(area, 2);
}

void test_main(void)
{
    what_we_own();
    give_and_take();
    absurd_requests();
    contiguous_memory();
}
