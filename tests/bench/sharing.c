/* SPDX-License-Identifier: MIT */
/* Rows about events and grants: with ourselves as the other domain, so that they need no second
 * one. */
#include "bench.h"

#define BATCH 16

extern char bench_upcall[];
extern uint64_t *bench_event_word;

static int port;
static domid_t self;
static void *where;
static char *pages;
static uint64_t buffer[512] __attribute__((aligned(4096)));
static struct gnttab_map_grant_ref maps[BATCH];
static struct gnttab_unmap_grant_ref unmaps[BATCH];
static struct gnttab_copy copies[BATCH];
static grant_ref_t refs[BATCH];
static unsigned int batch;

static void send(void)
{
    struct evtchn_send op = { .port = (evtchn_port_t)port };

    (void)HYPERVISOR_event_channel_op(EVTCHNOP_send, &op);
}

static void map_unmap(void)
{
    (void)HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, maps, batch);
    for (unsigned int i = 0; i < batch; i++)
        unmaps[i].handle = maps[i].handle;
    (void)HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, unmaps, batch);
}

static void copy(void)
{
    (void)HYPERVISOR_grant_table_op(GNTTABOP_copy, copies, batch);
}

static void measure_events(void)
{
    struct callback_register callback = { .type = CALLBACKTYPE_event,
                                          .address = (unsigned long)bench_upcall };

    port = event_bind_ipi(NULL, NULL);
    must(port, "bind_ipi");
    bench_event_word = &(
        (uint64_t *)(uintptr_t)shared_info.evtchn_pending)[(unsigned int)port / 64];
    event_unmask((evtchn_t)port);
    event_clear((evtchn_t)port);
    measure("event send to self, masked", CALL, 1, NULL, send);
    event_clear((evtchn_t)port);
    events_poll();
    must(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), "event callback");
    shared_info.vcpu_info[0].evtchn_upcall_mask = 0;
    measure("event send to self, upcall, return", CALL, 1, NULL, send);
    shared_info.vcpu_info[0].evtchn_upcall_mask = 1;
    traps_init();
}

static void measure_grants(void)
{
    for (unsigned int i = 0; i < BATCH; i++) {
        int ref = grant_page(self, pages + i * PAGE_SIZE, false);

        must(ref, "grant_page");
        refs[i] = (grant_ref_t)ref;
        maps[i] = (struct gnttab_map_grant_ref){ .host_addr = (unsigned long)where + i * PAGE_SIZE,
                                                 .flags = GNTMAP_host_map,
                                                 .ref = refs[i],
                                                 .dom = self };
        unmaps[i] = (struct gnttab_unmap_grant_ref){ .host_addr = (unsigned long)where +
                                                                  i * PAGE_SIZE };
        copies[i] = (struct gnttab_copy){ .len = PAGE_SIZE, .flags = GNTCOPY_dest_gref };
        copies[i].source.u.gmfn = virt_to_mfn(buffer);
        copies[i].source.domid = DOMID_SELF;
        copies[i].dest.u.ref = refs[i];
        copies[i].dest.domid = self;
    }
    batch = 1;
    measure("grant map + unmap", CALL, 1, NULL, map_unmap);
    must(maps[0].status, "grant map");
    batch = BATCH;
    measure("grant map + unmap, batch of 16, per page", CALL, BATCH, NULL, map_unmap);
    batch = 1;
    measure("grant copy of 4096 bytes", CALL, 1, NULL, copy);
    must(copies[0].status, "grant copy");
    batch = BATCH;
    measure("grant copy of 4096 bytes, batch of 16, per page", CALL, BATCH, NULL, copy);
}

void bench_sharing(void)
{
    group("events and grants");
    self = own_domid();
    where = vspace_alloc(BATCH);
    pages = alloc_pages(4);
    if (where == NULL || pages == NULL)
        panic("benchmark failed: no memory\n");
    measure_events();
    measure_grants();
}
