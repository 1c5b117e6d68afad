/* SPDX-License-Identifier: MIT */
/*
 * What the tests of dom0's XenStore share: clients that keep their last answer and their events,
 * one of dom0 and two of guests. Each test file has all of it to itself.
 */
#ifndef TESTS_UNIT_XENSTORE_HOST_H
#define TESTS_UNIT_XENSTORE_HOST_H

#include "dom0/xenstore/internal.h"
#include "names_host.h"
#include "whole_request.h"

/* --- a client that keeps the last answer and the events --- */

struct client {
    struct xenstore_connection connection;
    struct xsd_sockmsg answer;
    char payload[XENSTORE_PAYLOAD_MAX + 1];
    unsigned events;
    char event[512];                            /* "PATH TOKEN" of the last event. */
};

static struct client dom0, five, six;
static domid_t introduced;

static void receive(struct xenstore_connection *to, const struct xsd_sockmsg *header,
                    const void *payload)
{
    struct client *client = (struct client *)to;

    assert_true(header->len <= XENSTORE_PAYLOAD_MAX);
    if (header->type == XS_WATCH_EVENT) {
        const char *path = payload;

        client->events++;
        snprintf(client->event, sizeof(client->event), "%s %s", path, path + strlen(path) + 1);
        return;
    }
    client->answer = *header;
    memcpy(client->payload, payload, header->len);
    client->payload[header->len] = '\0';
}

static int introduce(domid_t domid, unsigned long mfn, evtchn_port_t port)
{
    introduced = domid;
    return mfn == 77 && port == 3 ? 0 : -EINVAL;
}

static int release(domid_t domid)
{
    introduced = 0;
    return 0;
}

static void client_start(struct client *client, uint16_t domid)
{
    memset(client, 0, sizeof(*client));
    client->connection.actor = (struct tree_actor){ .domid = domid, .privileged = domid == 0 };
    client->connection.send = receive;
    xenstore_connect(&client->connection);
}

/* Sends a request; true if it was not answered by an error. */
static bool ask(struct client *client, uint32_t type, uint32_t tx, const char *payload, size_t size)
{
    struct xsd_sockmsg header = { .type = type, .req_id = 42, .tx_id = tx, .len = (uint32_t)size };
    /* So that the address sanitizer sees a read beyond the payload. */
    char *exact = malloc(size ? size : 1);

    memcpy(exact, payload, size);
    memset(&client->answer, 0xff, sizeof(client->answer));
    xenstore_handle(&client->connection, &header, exact);
    free(exact);
    assert_int_equal(client->answer.req_id, 42);
    return client->answer.type != XS_ERROR;
}

/* With the last NUL. */
#define ASK(client, type, tx, text) ask(client, type, tx, text, sizeof(text))
/* Without. */
#define ASK_OPEN(client, type, tx, text) ask(client, type, tx, text, sizeof(text) - 1)
#define assert_refused(call, client, name)                                                         \
    do {                                                                                           \
        assert_false(call);                                                                        \
        assert_string_equal((client)->payload, name);                                              \
    } while (0)

static int setup(void **state)
{
    static const struct xenstore_carrier carrier = { introduce, release };

    assert_int_equal(xenstore_start(&carrier), 0);
    client_start(&dom0, 0);
    client_start(&five, 5);
    client_start(&six, 6);
    assert_true(ASK(&dom0, XS_MKDIR, 0, "/local/domain/5"));
    assert_true(ASK(&dom0, XS_SET_PERMS, 0, "/local/domain/5\0n5"));
    return 0;
}

static int teardown(void **state)
{
    xenstore_disconnect(&dom0.connection);
    xenstore_disconnect(&five.connection);
    xenstore_disconnect(&six.connection);
    (void)tree_drop_some(xenstore_tree, &(unsigned){ ~0u });
    assert_null(xenstore_connections);
    return 0;
}

static uint32_t begin(struct client *client)
{
    assert_true(ASK(client, XS_TRANSACTION_START, 0, ""));
    return (uint32_t)atoi(client->payload);
}

#endif
