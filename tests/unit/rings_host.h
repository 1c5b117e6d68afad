/* SPDX-License-Identifier: MIT */
/*
 * Guests with rings for the tests of dom0/xenstore/rings.c: three of them, dom0 itself, and as much
 * of the SDK as that needs. Each test file has all of it to itself.
 */
#ifndef TESTS_UNIT_RINGS_HOST_H
#define TESTS_UNIT_RINGS_HOST_H

#include <pvguest/console.h>
#include <pvguest/events.h>
#include "dom0/account.h"
#include "dom0/turns.h"
#include "dom0/xenstore/rings.h"
#include "dom0/xenstore/internal.h"
#include "whole_request.h"

unsigned allocations_until_failure;
size_t __sanitizer_get_current_allocated_bytes(void);          /* ASan counts for us */

/* --- the SDK ---------------------------------------------------------------------------------- */

#define GUESTS 3                        /* domains 1 to 3; number 0 of what follows is dom0's */

static struct guest {
    struct xenstore_domain_interface ring;
    event_handler handler;
    void *data;
    bool mapped, port_masked, port_pending;
    unsigned notified, rung;
    uint32_t request;                   /* numbers its requests */
    uint32_t transaction;               /* in which they are */
    struct xsd_sockmsg header;          /* of the last message */
    char payload[XENSTORE_PAYLOAD_MAX + 1];
    unsigned events;
} guest[GUESTS + 1];

static unsigned said;
static bool refuse_map, refuse_port;

void printk(const char *format, ...)
{
    said++;
}
bool events_save(void)
{
    return false;
}
void events_restore(bool was_masked)
{
}

void *map_frames(const unsigned long *mfns, unsigned long n, uint64_t prot, domid_t owner,
                 int *errors)
{
    assert_true(n == 1 && *mfns == 100u + owner && prot == PROT_RW && !errors);
    if (refuse_map) return ERR_PTR(-22);
    guest[owner].mapped = true;
    return &guest[owner].ring;
}

void unmap_frames(void *va, unsigned long n)
{
    struct guest *of = (struct guest *)va;

    assert_true(n == 1 && of->mapped && !of->handler);
    of->mapped = false;
}

int event_bind_interdomain(domid_t remote, evtchn_t remote_port, event_handler handler, void *data)
{
    assert_int_equal(remote_port, 5);
    if (refuse_port) {
        guest[remote].handler = NULL;
        return -22;
    }
    guest[remote].handler = handler;
    guest[remote].data = data;
    guest[remote].port_masked = guest[remote].port_pending = false;
    return remote + 10;
}

void event_unbind(evtchn_t port)
{
    assert_non_null(guest[port - 10].handler);
    guest[port - 10].handler = NULL;
}

static uint32_t taken_of_others;   /* bytes of guest 3's requests when guest 1 was first notified */

void event_hold(evtchn_t port)
{
    guest[port - 10].port_masked = true;
}

void event_rearm(evtchn_t port)
{
    guest[port - 10].port_masked = false;
    guest[port - 10].port_pending = false;
}

static void (*when_told)(void);

int event_send(evtchn_t port)
{
    void (*happens)(void) = when_told;

    when_told = NULL;
    if (happens)
        happens();
    if (guest[port - 10].notified++ == 0 && port == 11)
        taken_of_others = guest[3].ring.req_cons;
    return 0;
}

static void nobody_sleeps(enum turn_lane lane)
{
}
static bool nobody_waits(void)
{
    return false;
}

static uint64_t no_time(uint16_t domid)
{
    return 0;
}

static void run(void)
{
    while (turns_take(LANE_QUICK))
        ;
}

/* --- dom0 ------------------------------------------------------------------------------------- */

static struct xenstore_connection dom0;
static char dom0_answer[XENSTORE_PAYLOAD_MAX + 1];
static unsigned dom0_events;

static void dom0_receives(struct xenstore_connection *to, const struct xsd_sockmsg *header,
                          const void *payload)
{
    dom0_events += header->type == XS_WATCH_EVENT;
    memcpy(dom0_answer, payload, header->len);
    dom0_answer[header->len] = '\0';
}

static const char *dom0_asks(uint32_t type, const char *payload, size_t size)
{
    struct xsd_sockmsg header = { .type = type, .len = (uint32_t)size };

    xenstore_handle(&dom0, &header, payload);
    return dom0_answer;
}

static const char *introduce(unsigned number)
{
    char text[32];
    int size = snprintf(text, sizeof(text), "%u%c%u%c5", number, '\0', 100 + number, '\0');

    return dom0_asks(XS_INTRODUCE, text, (size_t)size + 1);
}

static const char *release(unsigned number)
{
    char text[8];
    size_t size = (size_t)snprintf(text, sizeof(text), "%u", number) + 1;

    while (!strcmp(dom0_asks(XS_RELEASE, text, size), "EAGAIN"))
        continue;
    return dom0_answer;
}

static void give_home(unsigned number)
{
    char text[64];
    int size = snprintf(text, sizeof(text), "/local/domain/%u", number);

    dom0_asks(XS_MKDIR, text, (size_t)size + 1);
    size = snprintf(text, sizeof(text), "/local/domain/%u%cn%u", number, '\0', number);
    assert_string_equal(dom0_asks(XS_SET_PERMS, text, (size_t)size + 1), "OK");
}

static void prepare(unsigned number)
{
    memset(&guest[number], 0, sizeof(guest[number]));
    give_home(number);
}

static int setup(void **state)
{
    assert_int_equal(xenstore_start(&xenstore_rings), 0);
    dom0.actor = (struct tree_actor){ .domid = 0, .privileged = true };
    dom0.send = dom0_receives;
    xenstore_connect(&dom0);
    said = 0;
    refuse_map = refuse_port = false;
    allocations_until_failure = 0;
    turns_start(nobody_sleeps, no_time, nobody_waits);
    for (unsigned i = 1; i <= GUESTS; i++) {
        prepare(i);
        assert_string_equal(introduce(i), "OK");
        assert_int_equal(guest[i].ring.server_features, XENSTORE_SERVER_FEATURE_ERROR);
    }
    run();
    return 0;
}

static int teardown(void **state)
{
    for (unsigned i = 1; i <= GUESTS; i++)
        if (guest[i].mapped)
            assert_string_equal(release(i), "OK");
    xenstore_disconnect(&dom0);
    assert_null(xenstore_connections);
    (void)tree_drop_some(xenstore_tree, &(unsigned){ ~0u });
    return 0;
}

/* --- a guest ---------------------------------------------------------------------------------- */

static void ring_bell(struct guest *from)
{
    from->port_pending = from->port_masked;
    if (from->port_masked) return;
    from->rung++;
    from->handler((evtchn_t)(from - guest) + 10, from->data);
}

/* As many bytes as fit; returns how many. */
static size_t write_some(struct guest *from, const char *bytes, size_t size)
{
    size_t i = 0;

    for (; i < size && from->ring.req_prod - from->ring.req_cons < XENSTORE_RING_SIZE; i++)
        from->ring.req[MASK_XENSTORE_IDX(from->ring.req_prod++)] = bytes[i];
    ring_bell(from);
    return i;
}

/* One whole message, if there is one; else what there is stays. False: nothing more comes. */
static bool read_message(struct guest *to)
{
    uint32_t got = 0, whole = sizeof(to->header);

    for (;;) {
        if (to->ring.rsp_cons == to->ring.rsp_prod) {
            ring_bell(to);
            run();
            if (to->ring.rsp_cons == to->ring.rsp_prod) {
                assert_int_equal(got, 0);       /* never half a message */
                return false;
            }
        }

        char byte = to->ring.rsp[MASK_XENSTORE_IDX(to->ring.rsp_cons++)];

        if (got < sizeof(to->header))
            ((char *)&to->header)[got] = byte;
        else
            to->payload[got - sizeof(to->header)] = byte;
        if (++got == sizeof(to->header)) {
            whole += to->header.len;
            assert_true(to->header.len <= XENSTORE_PAYLOAD_MAX);
        }
        if (got >= sizeof(to->header) && got == whole) {
            to->payload[to->header.len] = '\0';
            to->events += to->header.type == XS_WATCH_EVENT;
            return true;
        }
    }
}

static void put_request(struct guest *from, uint32_t type, const char *payload, size_t size,
                        size_t step)
{
    char message[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
    struct xsd_sockmsg header = { .type = type, .req_id = ++from->request,
                                  .tx_id = from->transaction, .len = (uint32_t)size };

    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), payload, size);
    for (size_t at = 0; at < sizeof(header) + size;) {
        size_t left = sizeof(header) + size - at;

        at += write_some(from, message + at, left < step ? left : step);
        run();
    }
}

/* Asks and reads until the answer comes; events on the way are counted. */
static const char *ask_in(struct guest *from, uint32_t type, const char *payload, size_t size,
                          size_t step)
{
    put_request(from, type, payload, size, step);
    do
        assert_true(read_message(from));
    while (from->header.type == XS_WATCH_EVENT);
    assert_int_equal(from->header.req_id, from->request);
    assert_int_equal(from->header.type == XS_ERROR, from->header.type != type);
    return from->payload;
}

#define ASK(from, type, text) ask_in(from, type, text, sizeof(text), 4096)
#define ASK_OPEN(from, type, text) ask_in(from, type, text, sizeof(text) - 1, 4096)

#endif
