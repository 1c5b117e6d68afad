/* SPDX-License-Identifier: MIT */
/*
 * dom0's own connection to its XenStore: the SDK's client and the server in one image, joined by two byte queues.
 *
 * A request is served in the moment its last byte is written, on the caller's thread; the answer and any watch events
 * wait in a growing buffer until the client's reader takes them. dom0 is privileged and trusted: no quotas here.
 */
#include "dom0/xenstore/rings.h"
#include <pvguest/console.h>
#include <pvguest/xenstore.h>

static struct xenstore_connection local;

static struct {
    struct xsd_sockmsg header;
    char payload[XENSTORE_PAYLOAD_MAX];
    uint32_t got;
} request;

static struct {
    char *bytes;
    size_t begin, end, room;
} answers;

static void local_send(struct xenstore_connection *to, const struct xsd_sockmsg *header, const void *payload) {
    size_t size = sizeof(*header) + header->len;

    if (answers.begin == answers.end)
        answers.begin = answers.end = 0;
    if (answers.room - answers.end < size) {
        size_t room = 2 * (answers.end + size);
        char *bigger = realloc(answers.bytes, room);

        if (!bigger)
            panic("xenstore: dom0 has no memory left for its own answers\n");
        answers.bytes = bigger;
        answers.room = room;
    }
    memcpy(answers.bytes + answers.end, header, sizeof(*header));
    memcpy(answers.bytes + answers.end + sizeof(*header), payload, header->len);
    answers.end += size;
    xs_wake();
}

static size_t local_write(void *data, const void *from, size_t length) {
    const uint32_t head = sizeof(request.header);
    const char *bytes = from;

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
            xenstore_handle(&local, &request.header, request.payload);
        }
    }
    return length;
}

static size_t local_read(void *data, void *to, size_t length) {
    size_t size = answers.end - answers.begin;

    if (size > length)
        size = length;
    if (size)
        memcpy(to, answers.bytes + answers.begin, size);
    answers.begin += size;
    return size;
}

int xenstore_local_start(void) {
    static const struct xs_transport transport = { .write = local_write, .read = local_read };

    local.actor = (struct tree_actor){ .domid = 0, .privileged = true };
    local.send = local_send;
    xenstore_connect(&local);
    return xs_set_transport(&transport);
}
