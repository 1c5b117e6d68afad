/* SPDX-License-Identifier: MIT */
/*
 * memory_op: what we own is what start_info said; a frame can be given back and another had for it;
 * contiguous frames by exchange; counts, orders and progress indices near 2^64 are refused before
 * anything is touched. Idea: XSA-29 and XSA-212 (XENMEM_exchange progress), 31 and 158 (extent
 * order), 385.
 */
#include "../lib/test.h"

#include <xen/domctl.h>

/* In the number of the operation: how many extents are done. */
#define MEMOP_EXTENT_SHIFT 6

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
    /* dom0 of Xen has the machine's instead */
    if (HYPERVISOR_memory_op(XENMEM_memory_map, &memory_map) == 0) {
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
    if (on_domus())
        CHECK_IS(mfn_to_pfn(frame), ~0UL);
    CHECK_REFUSED(HYPERVISOR_update_va_mapping(
        (unsigned long)page, (uint64_t)frame << PAGE_SHIFT | PROT_RW, UVMF_INVLPG));
    CHECK(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation) <= 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), before - 1);

    frame = pfn;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation), 1);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), before);
    CHECK_IS(mfn_to_pfn(frame), pfn);
    p2m[pfn] = frame;
    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)page,
                                          (uint64_t)frame << PAGE_SHIFT | PROT_RW, UVMF_INVLPG),
             0);
    page[5] = 1;
    free_page(page);
}

static long reserved(void)
{
    domid_t self = DOMID_SELF;

    return HYPERVISOR_memory_op(XENMEM_current_reservation, &self);
}

/* Nothing is done and nothing changes. */
#define CHECK_NOTHING_DONE(op, reservation) \
    do { \
        long before_ = reserved(); \
        CHECK(HYPERVISOR_memory_op((op), (reservation)) <= 0); \
        CHECK_IS(reserved(), before_); \
    } while (0)

/* dom0's limit is raised: it is not that which refuses. */
static void may_have(long more_pages)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_max_mem, .domain = DOMID_SELF,
                             .interface_version = XEN_DOMCTL_INTERFACE_VERSION };

    op.u.max_mem.max_memkb = (uint64_t)(reserved() + more_pages) << (PAGE_SHIFT - 10);
    NEED(!is_dom0() || HYPERVISOR_domctl(&op) == 0);
}

/* What cannot be read, and what is asked for nobody, is 0 extents and no errno; so is the rest, of
 * a call that was continued. */
static void for_nobody(void)
{
    static const unsigned int ops[] = { XENMEM_increase_reservation, XENMEM_decrease_reservation,
                                        XENMEM_populate_physmap };
    static const unsigned long nowhere[] = { 0, 0x1000, 0xffff830000000000UL, 0x800000000000UL };
    xen_pfn_t frame = 0;

    for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        struct xen_memory_reservation reservation = { .nr_extents = 1, .domid = 4242 };
        long before = reserved();

        set_xen_guest_handle(reservation.extent_start, &frame);
        for (unsigned int j = 0; j < sizeof(nowhere) / sizeof(nowhere[0]); j++) {
            CHECK_IS(HYPERVISOR_memory_op(ops[i], (void *)nowhere[j]), 0);
            CHECK_IS(HYPERVISOR_memory_op(ops[i] | 5 << MEMOP_EXTENT_SHIFT, (void *)nowhere[j]), 5);
        }
        CHECK_IS(HYPERVISOR_memory_op(ops[i], &reservation), 0);
        reservation.domid = DOMID_XEN;
        CHECK_IS(HYPERVISOR_memory_op(ops[i], &reservation), 0);
        CHECK_IS(reserved(), before);
    }
}

static void absurd_requests(void)
{
    xen_pfn_t frame = 0;
    struct xen_memory_reservation reservation = { .nr_extents = 1,
                                                  .extent_order = 60,
                                                  .domid = DOMID_SELF };

    set_xen_guest_handle(reservation.extent_start, &frame);
    CHECK_NOTHING_DONE(XENMEM_populate_physmap, &reservation);
    CHECK_NOTHING_DONE(XENMEM_decrease_reservation, &reservation);
    CHECK_NOTHING_DONE(XENMEM_increase_reservation, &reservation);
    /* Xen gives a domain with devices so much in one piece */
    if (on_domus()) {
        may_have(2048);
        reservation.extent_order = 10;
        CHECK_NOTHING_DONE(XENMEM_populate_physmap, &reservation);
        CHECK_NOTHING_DONE(XENMEM_increase_reservation, &reservation);
    }
    reservation.extent_order = 64;                  /* a shift by that is none */
    CHECK_NOTHING_DONE(XENMEM_populate_physmap, &reservation);
    CHECK_NOTHING_DONE(XENMEM_increase_reservation, &reservation);
    reservation.extent_order = 0;
    reservation.nr_extents = ~0UL;
    CHECK_NOTHING_DONE(XENMEM_populate_physmap, &reservation);
    reservation.nr_extents = 1;
    reservation.domid = 4242;
    CHECK_NOTHING_DONE(XENMEM_populate_physmap, &reservation);
    reservation.domid = DOMID_SELF;
    set_xen_guest_handle(reservation.extent_start, (xen_pfn_t *)0xffff830000000000UL);
    CHECK_NOTHING_DONE(XENMEM_decrease_reservation, &reservation);
    CHECK_NOTHING_DONE(XENMEM_populate_physmap, &reservation);
    set_xen_guest_handle(reservation.extent_start, &frame);
    frame = foreign_mfn();
    CHECK_NOTHING_DONE(XENMEM_decrease_reservation, &reservation);
    frame = ~0UL >> 12;
    CHECK_NOTHING_DONE(XENMEM_decrease_reservation, &reservation);
    /* progress (in bits 6 and up) that is there already: nothing is left to do */
    frame = virt_to_mfn(start_info);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation | 1 << 6, &reservation), 1);
    CHECK_IS(is_ours(frame), true);
}

/* A table that is pinned can be given back, and stays what it is and ours until the pin goes
 * (XSA-252: giving it back is no unpinning); once more is nothing new. Then it is gone. */
static void a_pinned_table_is_given_back(void)
{
    uint64_t *table = new_table();
    unsigned long pfn = virt_to_pfn(table);
    xen_pfn_t frame = virt_to_mfn(table), given = frame;
    struct xen_memory_reservation reservation = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(reservation.extent_start, &given);
    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)table, 0, UVMF_INVLPG), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_PIN_L1_TABLE, frame), 0);
    for (unsigned int i = 0; i < 2; i++)
        CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation), 1);
    CHECK_REFUSED(HYPERVISOR_update_va_mapping(
        (unsigned long)table, (uint64_t)frame << PAGE_SHIFT | PROT_RW, UVMF_INVLPG));
    CHECK_IS(HYPERVISOR_update_va_mapping(
        (unsigned long)table, (uint64_t)frame << PAGE_SHIFT | PROT_RO, UVMF_INVLPG), 0);
    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)table, 0, UVMF_INVLPG), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, frame), 0);
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, frame));
    given = pfn;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation), 1);
    p2m[pfn] = given;
    CHECK_IS(HYPERVISOR_update_va_mapping(
        (unsigned long)table, (uint64_t)given << PAGE_SHIFT | PROT_RW, UVMF_INVLPG), 0);
    free_page(table);
}

/* ---- exchange ---- */

static struct xen_memory_exchange exchange_of(xen_pfn_t *in, unsigned int n_in,
                                              unsigned int in_order, xen_pfn_t *out,
                                              unsigned int n_out, unsigned int out_order)
{
    struct xen_memory_exchange x = {
        .in = { .nr_extents = n_in, .extent_order = in_order, .domid = DOMID_SELF },
        .out = { .nr_extents = n_out, .extent_order = out_order, .domid = DOMID_SELF }
    };

    set_xen_guest_handle(x.in.extent_start, in);
    set_xen_guest_handle(x.out.extent_start, out);
    return x;
}

static void absurd_exchanges(void)
{
    xen_pfn_t frame = foreign_mfn(), out = 0;
    struct xen_memory_exchange good = exchange_of(&frame, 1, 0, &out, 1, 0), x;

    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &good));
    /* XSA-212: an index of progress that points anywhere. */
    for (int shift = 0; shift < 64; shift += 7) {
        x = good;
        x.nr_exchanged = ~0UL << shift;
        CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &x));
    }
    x = good, x.in.extent_order = 40;
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &x));
    x = good, x.out.nr_extents = 7;
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &x));
    x = good, x.in.nr_extents = x.out.nr_extents = ~0UL;
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &x));
    x = good, x.in.domid = 4242;
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &x));
    x = good, x.out.domid = 4242;
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &x));
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, (void *)0x1000));
}

#define AREA 4u

/* Pages with a pattern, unmapped, their frames in a list. */
static void offer(char *area, xen_pfn_t *frames)
{
    for (unsigned int i = 0; i < AREA; i++) {
        frames[i] = virt_to_mfn(area + i * PAGE_SIZE);
        memset(area + i * PAGE_SIZE, 0x99, PAGE_SIZE);
        NEED(HYPERVISOR_update_va_mapping((unsigned long)area + i * PAGE_SIZE, 0, UVMF_INVLPG) ==
             0);
    }
}

static void map_again(char *area, const xen_pfn_t *frames)
{
    unsigned long pfn = virt_to_pfn(area);

    for (unsigned int i = 0; i < AREA; i++) {
        p2m[pfn + i] = frames[i];
        CHECK_IS(mfn_to_pfn(frames[i]), pfn + i);
        CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)area + i * PAGE_SIZE,
                                              (uint64_t)frames[i] << PAGE_SHIFT | PROT_RW,
                                              UVMF_INVLPG),
                 0);
        for (unsigned int j = 0; j < PAGE_SIZE && on_domus(); j++)
            if (area[i * PAGE_SIZE + j] != 0) {
                test_failure(__FILE__, __LINE__, "a frame had in exchange is not clean");
                break;
            }
    }
}

/* Refused as a whole: what was offered is there as before, and mapped again it has its content. */
static void refused(struct xen_memory_exchange *x, char *area, const xen_pfn_t *frames)
{
    long before = reserved();

    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, x));
    CHECK_IS(x->nr_exchanged, 0);
    CHECK_IS(reserved(), before);
    for (unsigned int i = 0; i < AREA; i++) {
        CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)area + i * PAGE_SIZE,
                                              (uint64_t)frames[i] << PAGE_SHIFT | PROT_RW,
                                              UVMF_INVLPG),
                 0);
        CHECK_IS((uint8_t)area[i * PAGE_SIZE + 77], 0x99);
        NEED(HYPERVISOR_update_va_mapping((unsigned long)area + i * PAGE_SIZE, 0, UVMF_INVLPG) ==
             0);
    }
}

/* Four singles for one of four, and back; in between the requests that may not be. */
static void exchanges(void)
{
    char *area = alloc_pages(2);
    unsigned long pfn = virt_to_pfn(area);
    xen_pfn_t in[AREA], out[AREA], singles[AREA];
    struct xen_memory_exchange x;
    long before = reserved();

    NEED(area);
    offer(area, in);
    /* One is mapped; one is offered twice; one is another's; the answer has no place. */
    NEED(HYPERVISOR_update_va_mapping((unsigned long)area, (uint64_t)in[0] << PAGE_SHIFT | PROT_RO,
                                      UVMF_INVLPG) == 0);
    out[0] = pfn;
    x = exchange_of(in, AREA, 0, out, 1, 2);
    CHECK_REFUSED(HYPERVISOR_memory_op(XENMEM_exchange, &x));
    NEED(HYPERVISOR_update_va_mapping((unsigned long)area, 0, UVMF_INVLPG) == 0);
    memcpy(singles, in, sizeof(in));
    singles[3] = in[0];
    x = exchange_of(singles, AREA, 0, out, 1, 2);
    refused(&x, area, in);
    singles[3] = foreign_mfn();
    x = exchange_of(singles, AREA, 0, out, 1, 2);
    refused(&x, area, in);
    /* more than comes back, less, and to somebody else */
    x = exchange_of(in, AREA, 0, out, 2, 0);
    refused(&x, area, in);
    x = exchange_of(in, 2, 0, singles, AREA, 0);
    refused(&x, area, in);
    x = exchange_of(in, AREA, 0, out, 1, 2);
    x.out.domid = own_domid();
    refused(&x, area, in);
    x = exchange_of((xen_pfn_t *)0xffff830000000000UL, AREA, 0, out, 1, 2);
    refused(&x, area, in);
    x = exchange_of(in, AREA, 0, (xen_pfn_t *)0xffff830000000000UL, 1, 2);
    refused(&x, area, in);

    out[0] = pfn;
    x = exchange_of(in, AREA, 0, out, 1, 2);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_exchange, &x), 0);
    CHECK_IS(x.nr_exchanged, AREA);
    CHECK_IS(reserved(), before);
    CHECK_IS(out[0] & 3, 0);
    for (unsigned int i = 0; i < AREA; i++) {
        CHECK_REFUSED(HYPERVISOR_update_va_mapping(
            (unsigned long)area, (uint64_t)in[i] << PAGE_SHIFT | PROT_RO, UVMF_INVLPG));
        singles[i] = out[0] + i;
    }
    map_again(area, singles);

    /* Back to singles, with addresses below 16 MiB wished for where there are such. */
    offer(area, in);
    for (unsigned int i = 0; i < AREA; i++)
        out[i] = pfn + i;
    x = exchange_of(in, 1, 2, out, AREA, 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_exchange, &x), 0);
    CHECK_IS(x.nr_exchanged, 1);
    CHECK_IS(reserved(), before);
    map_again(area, out);
    /* All done already: nothing happens. */
    x.nr_exchanged = 1;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_exchange, &x), 0);
    CHECK_IS(reserved(), before);
    free_pages(area, 2);
}

/* Four scattered frames become four neighbours below 4 GiB: what a device's DMA wants. */
static void contiguous_memory(void)
{
    uint64_t *area = alloc_machine_contiguous(2, 32);

    if (area == NULL && !is_dom0())
        return;                                     /* for domains with devices only */
    NEED(area != NULL);
    for (unsigned long i = 1; i < 4; i++)
        CHECK_IS(virt_to_mfn((char *)area + i * PAGE_SIZE), virt_to_mfn(area) + i);
    CHECK(virt_to_mfn(area) < 0x100000);
    CHECK_IS(area[0], 0);
    memset(area, 7, 4 * PAGE_SIZE);
    free_pages(area, 2);
    area = alloc_machine_contiguous(0, 27);
    NEED(area != NULL);
    CHECK(virt_to_mfn(area) < 1UL << (27 - PAGE_SHIFT));
    free_page(area);
    /* there is no frame below 8 KiB to be had */
    CHECK(alloc_machine_contiguous(0, 13) == NULL);
}

/* The addresses of contiguous memory lead to the new frames at once, whatever the TLB knew of
 * them. */
static void contiguous_memory_is_what_it_seems(void)
{
    char *before = alloc_pages(2), *area;
    uint64_t *seen = alloc_zeroed_page();
    struct mmuext_op copy = { .cmd = MMUEXT_COPY_PAGE };

    NEED(before && seen);
    memset(before, 1, AREA * PAGE_SIZE);
    free_pages(before, 2);
    area = alloc_machine_contiguous(2, 32);
    NEED(area == before);                               /* the pages that were let go last */
    memset(area, 7, AREA * PAGE_SIZE);
    copy.arg1.mfn = virt_to_mfn(seen);
    for (unsigned int i = 0; i < AREA; i++) {
        copy.arg2.src_mfn = virt_to_mfn(area + i * PAGE_SIZE);
        CHECK_IS(HYPERVISOR_mmuext_op(&copy, 1, NULL, DOMID_SELF), 0);
        CHECK_IS(seen[i], 0x0707070707070707UL);
        memset(seen, 0, PAGE_SIZE);
    }
    free_pages(area, 2);
    free_page(seen);
}

void test_main(void)
{
    what_we_own();
    give_and_take();
    for_nobody();
    absurd_requests();
    a_pinned_table_is_given_back();
    absurd_exchanges();
    exchanges();
    contiguous_memory();
    if (is_dom0())
        contiguous_memory_is_what_it_seems();
}
