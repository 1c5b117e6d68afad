/* SPDX-License-Identifier: MIT */
/*
 * dom0's own connection to its XenStore: the SDK's client and the server in one image, joined by
 * two byte queues.
 *
 * A request is served in the moment its last byte is written, on the caller's thread; where it is
 * long, others have their turns between its parts, but for requests of dom0's, since the client
 * writes one after the other. The answer waits in a buffer until the client's reader takes it.
 * Nothing here can run out: no request is taken before there is room for its answer, and events
 * stay with the server (watch.c) while a few wait here. A thread of dom0 asks one thing at a time.
 */
#include "dom0/xenstore/rings.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

static struct xenstore_connection local;

static struct {
    struct xsd_sockmsg header;
    char payload[XENSTORE_PAYLOAD_MAX];
    uint32_t got;
} request;

#define MESSAGE_MAX (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)

/* One answer, and before it the last event that found it ready. */
static struct {
    char bytes[4 * MESSAGE_MAX];
    size_t begin, end;
} answers;

static size_t waiting(void)
{
    return answers.end - answers.begin;
}

static bool local_ready(struct xenstore_connection *to)
{
    return waiting() <= MESSAGE_MAX;
}

static void local_send(struct xenstore_connection *to, const struct xsd_sockmsg *header,
                       const void *payload)
{
    size_t size = sizeof(*header) + header->len;

    if (sizeof(answers.bytes) - answers.end < size) {
        memmove(answers.bytes, answers.bytes + answers.begin, waiting());
        answers.end = waiting();
        answers.begin = 0;
    }
    memcpy(answers.bytes + answers.end, header, sizeof(*header));
    memcpy(answers.bytes + answers.end + sizeof(*header), payload, header->len);
    answers.end += size;
    xs_wake();
}

static size_t local_write(void *data, const void *from, size_t length)
{
    const uint32_t head = sizeof(request.header);
    const char *bytes = from;

    /* More than an event and the answer before: the reader wakes us. */
    if (waiting() > 2 * MESSAGE_MAX) return 0;
    for (size_t i = 0; i < length; i++) {
        if (request.got < head)
            ((char *)&request.header)[request.got] = bytes[i];
        else
            request.payload[request.got - head] = bytes[i];
        request.got++;
        if (request.got == head && request.header.len > XENSTORE_PAYLOAD_MAX)
            panic("xenstore: dom0 itself sends a request of %u bytes\n", request.header.len);
        if (request.got >= head && request.got == head + request.header.len) {
            request.got = 0;
            xenstore_take(&local, &request.header, request.payload);
            while (xenstore_go_on(&local))
                thread_yield();
        }
    }
    return length;
}

static size_t local_read(void *data, void *to, size_t length)
{
    size_t size = waiting();

    if (size > length)
        size = length;
    if (size)
        memcpy(to, answers.bytes + answers.begin, size);
    answers.begin += size;
    if (size) {
        xenstore_pump(&local);
        xs_wake();
    }
    return size;
}

int xenstore_local_start(void)
{
    static const struct xs_transport transport = { .write = local_write, .read = local_read };

    local.actor = (struct tree_actor){ .domid = 0, .privileged = true };
    local.send = local_send;
    local.ready = local_ready;
    xenstore_connect(&local);
    return xs_set_transport(&transport);
}
