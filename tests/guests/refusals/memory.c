/* SPDX-License-Identifier: MIT */
/* memory_op and update_va_mapping with lists that are wrong, or that cannot be answered into. */
#include "refusals.h"

#include <xen/memory.h>

static long reservation(unsigned int op, xen_pfn_t *list)
{
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, list);
    return HYPERVISOR_memory_op(op, &r);
}

static long pages_now(void)
{
    domid_t us = DOMID_SELF;

    return HYPERVISOR_memory_op(XENMEM_current_reservation, &us);
}

/* The list cannot be written when the frames are there already: they are the guest's, but it does
 * not learn which. */
static void bad_reservations(void)
{
    xen_pfn_t *list = unwritable(&(xen_pfn_t){ 0 }, sizeof(*list));
    long before = pages_now();

    CHECK_IS(reservation(XENMEM_populate_physmap, NOWHERE), 0);
    CHECK_IS(last_error(), -EFAULT);
    CHECK_IS(pages_now(), before);
    CHECK_IS(reservation(XENMEM_increase_reservation, list), 0);
    CHECK_IS(last_error(), -EFAULT);
    CHECK_IS(pages_now(), before + 1);
    unwritable_end(list);
}

static void bad_exchanges(void)
{
    xen_pfn_t frame = 0, *out = unwritable(&(xen_pfn_t){ 0 }, sizeof(*out));
    struct xen_memory_exchange x = { .in.nr_extents = 512, .out.nr_extents = 1, .nr_exchanged = 1 };
    struct xen_memory_exchange *fixed;
    long before;

    x.in.domid = x.out.domid = DOMID_SELF;
    x.in.extent_start.p = x.out.extent_start.p = NOWHERE;
    x.out.extent_order = 9;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_exchange, &x), -EINVAL);       /* within an extent */
    x.nr_exchanged = 0;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_exchange, &x), -EFAULT);
    x.in.nr_extents = x.out.nr_extents = x.out.extent_order = 0;
    fixed = unwritable(&x, sizeof(x));
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_exchange, fixed), -EFAULT);    /* how much was done */
    unwritable_end(fixed);

    NEED(reservation(XENMEM_increase_reservation, &frame) == 1);        /* mapped nowhere */
    before = pages_now();
    x.in.nr_extents = x.out.nr_extents = 1;
    set_xen_guest_handle(x.in.extent_start, &frame);
    set_xen_guest_handle(x.out.extent_start, out);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_exchange, &x), -EFAULT);       /* what came instead */
    CHECK_IS(x.nr_exchanged, 0);
    CHECK_IS(pages_now(), before);
    unwritable_end(out);
}

static void bad_rest(void)
{
    static xen_pfn_t list[1];
    struct xen_machphys_mfn_list wanted = { .max_extents = 1 }, *fixed;
    char *page = alloc_zeroed_page();

    set_xen_guest_handle(wanted.extent_start, list);
    fixed = unwritable(&wanted, sizeof(wanted));
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_machphys_mfn_list, fixed), -EFAULT);
    CHECK(list[0] != 0);                    /* the list itself was written */
    unwritable_end(fixed);
    NEED(page);
    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)page,
                                          (uint64_t)virt_to_mfn(page) << PAGE_SHIFT | PROT_RW,
                                          (unsigned long)NOWHERE | UVMF_TLB_FLUSH), -EFAULT);
    free_page(page);
}

void refused_memory(void)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_max_mem, .domain = DOMID_SELF };

    op.u.max_mem.max_memkb = ((uint64_t)pages_now() + 16) * (PAGE_SIZE / 1024);
    NEED(domctl(&op) == 0);
    bad_reservations();
    bad_exchanges();
    bad_rest();
}
