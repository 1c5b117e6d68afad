/* SPDX-License-Identifier: MIT */
/*
 * Two domains share a page by a grant and take turns in it by an event channel. One image, two
 * roles:
 *      extra = "role=offer peer=5"         in domain 4: grants a page to domain 5, says where in
 *                                          XenStore
 *      extra = "role=take peer=4"          in domain 5: maps it, binds the event
 * Without arguments (booted alone, as dom0) one domain plays both sides, on two threads.
 */
#include <pvguest/console.h>
#include <pvguest/grant.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

static WAIT_QUEUE(rung);
static unsigned long ref, offered;      /* what the offering side tells the other one */
static domid_t peer;

static void on_event(evtchn_t port, void *unused)
{
    wake_all(&rung);
}

/* Even turns are the offering side's, odd ones the other's. */
static void take_turns(volatile uint32_t *turn, int port, uint32_t mine)
{
    for (uint32_t next = mine; next < 1000; next += 2) {
        wait_event(rung, *turn == next);
        *turn = next + 1;
        event_send((evtchn_t)port);
    }
    printk("share: domain %u (%s) has had its 500 turns\n", own_domid(), mine ? "take" : "offer");
}

static void take(void *unused)
{
    char directory[40];
    struct grant_map map;

    snprintf(directory, sizeof(directory), "/local/domain/%u/data", peer);
    while (xs_available() && (xs_read_ulong(XS_NONE, directory, "share-ref", &ref) ||
                              xs_read_ulong(XS_NONE, directory, "share-port", &offered)))
        thread_sleep(50 * NS_PER_MS);   /* the other side is not there yet */
    if (grant_map(peer, (grant_ref_t)ref, false, &map))
        panic("share: cannot map grant %lu of domain %u\n", ref, peer);
    take_turns(map.va, event_bind_interdomain(peer, (evtchn_t)offered, on_event, NULL), 1);
    printk("share: unmapped: %s\n", errno_name(grant_unmap(&map)));
}

static void offer(void)
{
    void *page = alloc_zeroed_page();

    ref = (unsigned long)grant_page(peer, page, false);
    offered = (unsigned long)event_alloc_unbound(peer, on_event, NULL);
    if (xs_available()) {
        xs_write_for(peer, "data/share-port", "%lu", offered);
        xs_write_for(peer, "data/share-ref", "%lu", ref);
    }
    take_turns(page, (int)offered, 0);
    while (grant_end_access((grant_ref_t)ref) == -EBUSY)
        thread_sleep(10 * NS_PER_MS);   /* still mapped over there */
    printk("share: the page is ours alone again\n");
}

void guest_main(void)
{
    char role[8] = "", number[8];

    peer = command_option("peer", number, sizeof(number)) ? (domid_t)strtoul(number, NULL, 10)
                                                          : own_domid();
    command_option("role", role, sizeof(role));
    if (!*role)
        thread_create("take", take, NULL);
    if (strcmp(role, "take"))
        offer();
    else
        take(NULL);
}
