/* SPDX-License-Identifier: MIT */
/* The floods of what the hypervisor itself does: memory, page tables, vCPUs, timers. */
#include "flood.h"
#include "../lib/vcpus.h"

/* ---- memory ---- */

#define PAGES 256u

static xen_pfn_t frames[PAGES];

/* Frames of pages that are mapped nowhere. */
static void prepare_balloon(void)
{
    for (unsigned int i = 0; i < PAGES; i++) {
        void *page = alloc_page();

        NEED(page);
        frames[i] = virt_to_mfn(page);
        NEED(HYPERVISOR_update_va_mapping((unsigned long)page, 0, UVMF_INVLPG) == 0);
    }
}

/* Given back, and others asked for in their place. */
static void balloon(unsigned long id)
{
    struct xen_memory_reservation reservation = { .nr_extents = PAGES, .domid = DOMID_SELF };

    set_xen_guest_handle(reservation.extent_start, frames);
    for (;;) {
        CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation), PAGES);
        CHECK_IS(HYPERVISOR_memory_op(XENMEM_increase_reservation, &reservation), PAGES);
    }
}

void flood_balloon(void)
{
    prepare_balloon();
    balloon(0);
}

/* ---- page tables ---- */

#define ENTRIES 512u

static uint64_t *table, *page;

static void prepare_tables(void)
{
    table = new_table();
    page = new_table();
}

/* Filled while it is a table, and let go of as a whole: each entry is looked at three times. */
static void tables(unsigned long id)
{
    static mmu_update_t update[ENTRIES];

    for (;;) {
        CHECK_IS(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
        for (unsigned int present = 0; present < 2; present++) {
            for (unsigned int i = 0; i < ENTRIES; i++) {
                update[i].ptr = virt_to_machine(&table[i]) | MMU_NORMAL_PT_UPDATE;
                update[i].val = present ? virt_to_machine(page) | PROT_RO : 0;
            }
            CHECK_IS(HYPERVISOR_mmu_update(update, ENTRIES, NULL, DOMID_SELF), 0);
        }
        CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    }
}

void flood_tables(void)
{
    prepare_tables();
    tables(0);
}

/* ---- vCPUs and their timers ---- */

static int timer_port[MOST_VCPUS];

static void compute(unsigned long id)
{
    for (;;)
        asm volatile("" : : "r"(id));
}

static void prepare_ticks(unsigned int id)
{
    struct vcpu_set_periodic_timer often = { .period_ns = NS_PER_MS };

    timer_port[id] = vcpu_timer_port(id);
    NEED(timer_port[id] > 0 && HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, id, &often) == 0);
}

static void sleep_and_wake(unsigned long id)
{
    evtchn_port_t port = (evtchn_port_t)timer_port[id];

    for (;;) {
        vcpu_poll(&port, 1, 0);
        event_clear(port);
    }
}

static void bring_up(unsigned int id, void (*run)(unsigned long id))
{
    NEED(vcpu_prepare(id, run) == 0);
    NEED(HYPERVISOR_vcpu_op(VCPUOP_up, id, NULL) == 0);
}

void flood_vcpus(void)
{
    for (unsigned int i = 1; i < vcpu_count(); i++)
        bring_up(i, compute);
    compute(0);
}

void flood_timers(void)
{
    for (unsigned int i = 1; i < vcpu_count(); i++) {
        prepare_ticks(i);
        bring_up(i, sleep_and_wake);
    }
    events_mask_all();
    for (;;)
        (void)HYPERVISOR_set_timer_op((int64_t)(now_ns() + 10 * NS_PER_US));
}

/* ---- events ---- */

static evtchn_port_t channel[16];
static unsigned int channels;

static void send_all(unsigned long id)
{
    for (unsigned int i = (unsigned int)id;; i++)
        CHECK_IS(event_send(channel[i % channels]), 0);
}

void flood_events(void)
{
    static struct blkfront disk;
    static struct netfront card;
    int vdev = blkfront_first();

    NEED(vdev >= 0 && blkfront_open(&disk, (unsigned int)vdev) == 0);
    NEED(netfront_open(&card, 0) == 0);
    for (evtchn_port_t port = 1; port < 64 && channels < ARRAY_SIZE(channel); port++) {
        struct evtchn_status status = { .dom = DOMID_SELF, .port = port };

        if (HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) == 0 &&
            status.status == EVTCHNSTAT_interdomain)
            channel[channels++] = port;
    }
    NEED(channels >= 4);                /* store, console, disk, network */
    events_mask_all();
    for (unsigned int i = 1; i < vcpu_count(); i++)
        bring_up(i, send_all);
    send_all(0);
}

void flood_beside(void)
{
    for (unsigned int i = 1; i < vcpu_count(); i++) {
        if (i == 1)
            prepare_tables();
        else if (i == 2)
            prepare_balloon();
        else if (i % 2)
            prepare_ticks(i);
        bring_up(i, i == 1 ? tables : i == 2 ? balloon : i % 2 ? sleep_and_wake : compute);
    }
}
