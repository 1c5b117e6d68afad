/* SPDX-License-Identifier: MIT */
/* Storms of XenStore's ring, the console's, and of the domain's own end. */
#include "storm.h"

#include <xen/io/console.h>

static struct xenstore_domain_interface *ring;
static uint64_t seed = 31;

static void put(const void *bytes, size_t length)
{
    uint32_t producer = ring->req_prod;

    for (size_t i = 0; i < length; i++) {
        while (producer - READ_ONCE(ring->req_cons) == XENSTORE_RING_SIZE) {
            wmb();
            WRITE_ONCE(ring->req_prod, producer);
            WRITE_ONCE(ring->rsp_cons, READ_ONCE(ring->rsp_prod));
            (void)event_send(start_info->store_evtchn);
            vcpu_yield();
        }
        ring->req[MASK_XENSTORE_IDX(producer++)] = ((const char *)bytes)[i];
    }
    wmb();
    WRITE_ONCE(ring->req_prod, producer);
    WRITE_ONCE(ring->rsp_cons, READ_ONCE(ring->rsp_prod));
    (void)event_send(start_info->store_evtchn);
}

/* Deep, wide, the quota's; some of it nobody has. */
static size_t some_path(char *path, size_t room)
{
    size_t size = (size_t)snprintf(path, room, "data");
    unsigned int depth = (unsigned int)(next_random(&seed) % 20 == 0 ? 60 : next_random(&seed) % 4);

    while (depth-- && size + 130 < room)
        size += (size_t)snprintf(path + size, room - size, "/%0*u",
                                 next_random(&seed) % 9 == 0 ? 100 : 1,
                                 (unsigned int)(next_random(&seed) % 24));
    return size + 1;
}

static size_t some_body(uint32_t type, char *body, size_t room)
{
    static const char *const perms[] = { "n0", "r0", "b1", "w2", "n32751", "r7", "b0", "n3" };
    size_t size = some_path(body, room);

    if (type == XS_TRANSACTION_START) {
        *body = '\0';
        return 1;
    }
    if (type == XS_TRANSACTION_END)
        return (size_t)snprintf(body, room, "%c", next_random(&seed) % 3 ? 'T' : 'F') + 1;
    if (type == XS_WRITE) {
        size_t value = next_random(&seed) % 20 ? next_random(&seed) % 30 : 2000;

        memset(body + size, 'v', value);
        return size + value;
    }
    if (type == XS_WATCH || type == XS_UNWATCH)
        return size + (size_t)snprintf(body + size, room - size, "%u",
                                       (unsigned int)(next_random(&seed) % 8)) + 1;
    for (uint64_t n = type == XS_SET_PERMS ? next_random(&seed) % 12 : 0; n; n--)
        size += (size_t)snprintf(body + size, room - size, "%s",
                                 perms[next_random(&seed) % ARRAY_SIZE(perms)]) + 1;
    return size;
}

void storm_store(void)
{
    static const uint8_t types[] = { XS_WRITE, XS_WRITE, XS_WRITE, XS_WRITE, XS_MKDIR, XS_RM,
                                     XS_READ, XS_DIRECTORY, XS_DIRECTORY_PART, XS_GET_PERMS,
                                     XS_SET_PERMS, XS_WATCH, XS_WATCH, XS_UNWATCH,
                                     XS_TRANSACTION_START, XS_TRANSACTION_END, XS_RESET_WATCHES };
    static char message[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];

    thread_sleep(50 * NS_PER_MS);
    events_mask_all();
    ring = pfn_to_virt(mfn_to_pfn(start_info->store_mfn));
    for (;;) {
        struct xsd_sockmsg header = { .type = types[next_random(&seed) % ARRAY_SIZE(types)],
                                      .req_id = 1,
                                      .tx_id = next_random(&seed) % 2
                                                   ? (uint32_t)(next_random(&seed) % 40) : 0 };

        if (header.type == XS_RESET_WATCHES && next_random(&seed) % 50)
            header.type = XS_WATCH;
        if (header.type == XS_TRANSACTION_START)
            header.tx_id = 0;
        header.len = (uint32_t)some_body(header.type, message + sizeof(header),
                                         XENSTORE_PAYLOAD_MAX);
        memcpy(message, &header, sizeof(header));
        put(message, sizeof(header) + header.len);
    }
}

/* --- the console --- */

static void jump(unsigned long id)
{
    struct xencons_interface *console = pfn_to_virt(mfn_to_pfn(start_info->console.domU.mfn));
    uint64_t dice = 37;

    for (unsigned int i = 0; i < sizeof(console->out); i++)
        console->out[i] = i % 3 ? (char)i : '\n';
    for (;;) {
        WRITE_ONCE(console->out_prod, READ_ONCE(console->out_cons) + next_random(&dice) % 2049);
        WRITE_ONCE(console->in_cons, console->in_prod - (uint32_t)(next_random(&dice) % 1025));
        (void)event_send(start_info->console.domU.evtchn);
    }
}

void storm_console(void)
{
    beside(jump);
    jump(0);
}

/* --- its own end --- */

/* Suspended, though nobody has asked; who asks finds that it has answered, or not. */
void storm_suspend(void)
{
    for (unsigned int round = 0;; round++) {
        xs_printf(XS_NONE, "control", "feature-suspend", "%lu", (unsigned long)strange(&seed));
        for (unsigned int n = 0; n < 100; n++) {
            xs_printf(XS_NONE, "control", "shutdown", next_random(&seed) % 2 ? "" : "suspend");
            xs_printf(XS_NONE, "device/suspend", "event-channel", "%lu",
                      (unsigned long)strange(&seed));
        }
        if (round % 4 == 3) {
            struct sched_shutdown op = { .reason = SHUTDOWN_suspend };

            (void)HYPERVISOR_sched_op(SCHEDOP_shutdown, &op);
        }
    }
}
