/* SPDX-License-Identifier: MIT */
/*
 * The machine has no memory left, or only so many pages: every operation that needs some of the
 * hypervisor's own says -ENOMEM, at whichever of its steps the last page goes, and gives back what
 * it had. Each is tried with nothing free, then with a page more each time until it succeeds, so
 * that each allocation of it fails once; what is free afterwards is what was free before. Runs as
 * dom0. Idea: XSA-29 (failures in the middle), 166, 317 and others: error paths that nobody takes.
 * machine: net (a card with MSI-X)
 * on xen: SKIP
 */
#include "../lib/other.h"

#include <abi/domus.h>
#include <drivers/pci.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sysctl.h>

/* the pages given back, one by one, are of one piece, so that the heap can join them */
#define PIECE_ORDER 8
#define PIECE       (1u << PIECE_ORDER)

static xen_pfn_t piece[PIECE];
static unsigned int given;          /* of the piece's pages, are free now */
/* what we have in extents of 2 MiB, to be given back in the end: the audit needs memory */
static xen_pfn_t large[1024];
static long larges;

static long reserve(unsigned int command, xen_pfn_t *frames, unsigned long extents,
                    unsigned int order)
{
    struct xen_memory_reservation r = { .nr_extents = extents,
                                        .extent_order = order,
                                        .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, frames);
    return HYPERVISOR_memory_op(command, &r);
}

/* All of it becomes ours. The piece is what we give back page by page. */
static void take_everything(void)
{
    static xen_pfn_t frames[256];
    struct xen_domctl op = { .cmd = XEN_DOMCTL_max_mem,
                             .domain = DOMID_SELF,
                             .u.max_mem.max_memkb = 64UL << 20 };

    NEED(domctl(&op) == 0);
    NEED(reserve(XENMEM_increase_reservation, piece, 1, PIECE_ORDER) == 1);
    for (unsigned int i = 1; i < PIECE; i++)
        piece[i] = piece[0] + i;
    larges = reserve(XENMEM_increase_reservation, large, 1024, 9);
    NEED(larges > 0 && larges < 1024);
    for (int order = 6; order >= 0; order -= 3)
        while (reserve(XENMEM_increase_reservation, frames, 64, (unsigned int)order) == 64)
            ;
    CHECK_IS(reserve(XENMEM_increase_reservation, frames, 1, 0), 0);
    CHECK_IS(free_pages_of_machine(), 0);
}

static void give_one_more(void)
{
    NEED(given < PIECE && reserve(XENMEM_decrease_reservation, &piece[given], 1, 0) == 1);
    given++;
}

/* Whichever pages of the piece are free, they come back; which number each has does not matter. */
static void take_all_back(void)
{
    while (given) {
        given--;
        CHECK_IS(reserve(XENMEM_increase_reservation, &piece[given], 1, 0), 1);
    }
    CHECK_IS(free_pages_of_machine(), 0);
    for (unsigned int i = 1; i < PIECE; i++)        /* in order again, so that they can be joined */
        for (unsigned int j = i; j && piece[j] < piece[j - 1]; j--) {
            xen_pfn_t p = piece[j];

            piece[j] = piece[j - 1];
            piece[j - 1] = p;
        }
}

/* Until it works; a failure must be -ENOMEM and leave as much free as there was, unless what was
 * made stays (keeps). undo: of a success. */
static void starve(const char *what, long (*attempt)(void), void (*undo)(long result), bool keeps)
{
    long result;
    unsigned int failures = 0;

    for (;;) {
        long before = free_pages_of_machine();

        result = attempt();
        if (result != -ENOMEM)
            break;
        failures++;
        CHECK(keeps || free_pages_of_machine() == before);
        give_one_more();
    }
    printk("%s: %u failures\n", what, failures);
    CHECK(result >= 0);
    CHECK(failures);
    if (undo)
        undo(result);
    if (!keeps)
        take_all_back();
}

/* ---- domains ---- */

static domid_t there;
static struct other running;        /* one with a vCPU that has a context */

static long create(void)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain };
    long error;

    op.u.createdomain = (struct xen_domctl_createdomain){ .max_vcpus = 32,
                                                          .max_evtchn_port = 4095,
                                                          .max_grant_frames = -1,
                                                          .max_maptrack_frames = -1,
                                                          .grant_opts = XEN_DOMCTL_GRANT_version(
                                                              1) };
    error = domctl(&op);
    return error ? error : op.domain;
}

static void destroy(long id)
{
    domain_unmake((domid_t)id);
}

/* A context, even a refused one, is first read into memory of the hypervisor's. */
static long set_context(void)
{
    static vcpu_guest_context_t context;
    struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpucontext, .domain = there };
    long error;

    op.u.vcpucontext.ctxt.p = &context;
    error = domctl(&op);
    return error == -ENOMEM ? error : 0;
}

/* The same for one of our own vCPUs, which has its context already. */
static long initialise(void)
{
    static vcpu_guest_context_t context;
    long error = HYPERVISOR_vcpu_op(VCPUOP_initialise, 0, &context);

    return error == -EEXIST ? 0 : error;
}

static long get_context(void)
{
    static vcpu_guest_context_t context;
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpucontext, .domain = running.id };

    op.u.vcpucontext.ctxt.p = &context;
    return domctl(&op);
}

static long first_port(void)
{
    struct evtchn_alloc_unbound alloc = { .dom = there, .remote_dom = DOMID_SELF };

    return HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
}

/* The answer is the request's status, and so is what DOMUS_last_error tells; not the errno of the
 * helper that had no memory. */
static long grant_table_frames(void)
{
    static xen_pfn_t frames[3];
    struct domus_last_error why = { 0 };
    struct gnttab_setup_table setup = { .dom = there, .nr_frames = 3 };

    set_xen_guest_handle(setup.frame_list, frames);
    if (HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1) != 0) return -EINVAL;
    if (setup.status != GNTST_general_error) return setup.status;
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_last_error, &why), 0);
    CHECK_IS(why.hypercall, __HYPERVISOR_grant_table_op);
    CHECK_IS(why.error, GNTST_general_error);
    CHECK_IS(why.about & DOMUS_ABOUT_STATUS, DOMUS_ABOUT_STATUS);
    return -ENOMEM;
}

/* Thirty-two vCPUs need several pages each and two page tables for their windows; what was made
 * stays for the next try. */
static void vcpus(domid_t id)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_max_vcpus, .domain = id, .u.max_vcpus.max = 32 };
    unsigned int failures = 0;

    while (given < PIECE && domctl(&op) == -ENOMEM) {
        failures++;
        give_one_more();
    }
    CHECK(failures > 8);
}

/* ---- memory for others' use ---- */

static long exchange_one(void)
{
    static xen_pfn_t in, out;
    void *page = alloc_page();
    struct xen_memory_exchange x = { .in = { .nr_extents = 1, .domid = DOMID_SELF },
                                     .out = { .nr_extents = 1, .domid = DOMID_SELF } };
    long error;

    NEED(page != NULL);
    in = virt_to_mfn(page);
    out = virt_to_pfn(page);
    set_xen_guest_handle(x.in.extent_start, &in);
    set_xen_guest_handle(x.out.extent_start, &out);
    /* the page is mapped: refused, once there is memory to look */
    error = HYPERVISOR_memory_op(XENMEM_exchange, &x);
    free_page(page);
    return error == -ENOMEM ? error : 0;
}

/* The first device that has MSI-X. */
static const struct pci_device *card;

static void find_card(void)
{
    NEED(pci_scan() >= 0);
    for (unsigned int i = 0; i < pci_count() && !card; i++)
        if (pci_get(i)->msix)
            card = pci_get(i);
    NEED(card);
}

static void interrupts(void)
{
    struct physdev_get_free_pirq fresh = { 0 };
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF };
    struct physdev_map_pirq gsi = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI,
                                    .index = 9, .pirq = 9 };
    struct physdev_map_pirq msi = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI, .pirq = -1,
                                    .table_base = 4096, .bus = card->bus, .devfn = card->devfn };
    long error;

    do
        error = HYPERVISOR_physdev_op(PHYSDEVOP_get_free_pirq, &fresh);
    while (error == 0);
    CHECK_IS(error, -ENOMEM);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &gsi), -ENOMEM);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &msi), -ENOMEM);
    for (unmap.pirq = 0; unmap.pirq < 1000; unmap.pirq++)
        (void)HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap);
}

/*
 * Each mapping has a handle; their pages are full one day. The control domain has some from the
 * beginning (GRANTS_CONTROL_MAPTRACK of 256): else a guest that takes the last of the machine's
 * memory would have its neighbours' disks fail, whose pages are mapped. Returns how many of `count`
 * were to be had.
 */
#define KEPT_HANDLES 2048
#define MANY_HANDLES (KEPT_HANDLES + 256)

static unsigned int handles(unsigned int count)
{
    static struct gnttab_map_grant_ref maps[MANY_HANDLES];
    static struct gnttab_unmap_grant_ref unmaps[MANY_HANDLES];
    void *page = alloc_zeroed_page();
    int ref = grant_page(0, page, false);
    unsigned int n = 0;

    NEED(page && ref >= 0);
    for (unsigned int i = 0; i < count; i++)
        maps[i] = (struct gnttab_map_grant_ref){ .flags = GNTMAP_device_map,
                                                 .ref = (grant_ref_t)ref,
                                                 .dom = 0 };
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, maps, count), 0);
    while (n < count && maps[n].status == GNTST_okay) {
        unmaps[n] = (struct gnttab_unmap_grant_ref){ .dev_bus_addr = maps[n].dev_bus_addr,
                                                     .handle = maps[n].handle };
        n++;
    }
    CHECK(n == count || maps[n].status == GNTST_no_space);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, unmaps, n), 0);
    for (unsigned int i = 0; i < n; i++)
        CHECK_IS(unmaps[i].status, GNTST_okay);
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    free_page(page);
    return n;
}

void test_main(void)
{
    long id;

    if (!on_domus())
        test_skip("what the hypervisor needs of its own memory, and when, is its own business");
    find_card();
    id = domain_make(16);
    NEED(id > 0);
    there = (domid_t)id;
    NEED((id = create()) > 0);
    other_begin(&running, OTHER_FREE);
    /* pages that are cut up for small things stay so: they are no loss */
    destroy(create());
    CHECK_IS(handles(1), 1);
    take_everything();
    CHECK_IS(handles(MANY_HANDLES), KEPT_HANDLES);
    interrupts();
    starve("createdomain", create, destroy, false);
    starve("setvcpucontext", set_context, NULL, false);
    starve("initialise", initialise, NULL, false);
    starve("getvcpucontext", get_context, NULL, false);
    starve("exchange", exchange_one, NULL, false);
    starve("alloc_unbound", first_port, NULL, true);
    starve("setup_table", grant_table_frames, NULL, true);
    vcpus((domid_t)id);
    destroy(id);
    domain_unmake(there);
    other_end(&running);
    CHECK_IS(reserve(XENMEM_decrease_reservation, large, (unsigned long)larges, 9), larges);
}
