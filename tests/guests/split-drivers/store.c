/* SPDX-License-Identifier: MIT */
/* See store.h: nodes in a flat table; the wire protocol's messages answered as soon as they are
 * complete. */
#include "../lib/test.h"
#include "store.h"
#include <pvguest/bits.h>
#include <pvguest/xenstore.h>

static struct { char path[96], value[64]; } node[200];
static unsigned int nodes;

static struct { char path[96], token[20]; } watch[8];           /* no path: free */

static struct { struct xsd_sockmsg header; char body[1024]; } request, answer;
static size_t request_length;

/* What the client is to read: answers and events of watches. */
static char out[8192];
static size_t out_length, out_taken;

const char *store_read(const char *path)
{
    for (unsigned int i = 0; i < nodes; i++)
        if (strcmp(node[i].path, path) == 0)
            return node[i].value;
    return NULL;
}

static void send(const struct xsd_sockmsg *header, const char *body)
{
    if (out_taken == out_length)
        out_taken = out_length = 0;
    NEED(out_length + sizeof *header + header->len <= sizeof out);
    memcpy(out + out_length, header, sizeof *header);
    memcpy(out + out_length + sizeof *header, body, header->len);
    out_length += sizeof *header + header->len;
    xs_wake();
}

static void fire(unsigned int i)
{
    char body[sizeof watch[i]];
    size_t path = strlcpy(body, watch[i].path, sizeof body) + 1;
    size_t token = strlcpy(body + path, watch[i].token, sizeof body - path) + 1;
    struct xsd_sockmsg header = { .type = XS_WATCH_EVENT, .len = (uint32_t)(path + token) };

    send(&header, body);
}

static void add_watch(const char *path, const char *token)
{
    unsigned int i = 0;

    while (i < ARRAY_SIZE(watch) && watch[i].path[0])
        i++;
    NEED(i < ARRAY_SIZE(watch));
    strlcpy(watch[i].path, path, sizeof watch[i].path);
    strlcpy(watch[i].token, token, sizeof watch[i].token);
    fire(i);
}

static void remove_watch(const char *token)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(watch); i++)
        if (strcmp(watch[i].token, token) == 0)
            watch[i].path[0] = watch[i].token[0] = 0;
}

void store_write(const char *path, const char *value)
{
    unsigned int i = 0;

    while (i < nodes && strcmp(node[i].path, path) != 0)
        i++;
    if (i == nodes)
        NEED(nodes++ < ARRAY_SIZE(node));
    strlcpy(node[i].path, path, sizeof node[i].path);
    strlcpy(node[i].value, value, sizeof node[i].value);
    for (unsigned int each = 0; each < ARRAY_SIZE(watch); each++)
        if (strcmp(watch[each].path, path) == 0)
            fire(each);
}

static int backend_read(void *context, const char *path, char *value, size_t size)
{
    const char *found = store_read(path);

    return found ? (int)strlcpy(value, found, size) : -ENOENT;
}

static int backend_store_write(void *context, const char *path, const char *value)
{
    store_write(path, value);
    return 0;
}

const struct backend_store store = { .read = backend_read, .write = backend_store_write };

static void absolute(char *path, size_t size, const char *given)
{
    snprintf(path, size, "%s%s", given[0] == '/' ? "" : "/local/domain/0/", given);
}

static void list(const char *directory)
{
    size_t length = strlen(directory);

    answer.header.len = 0;
    for (unsigned int i = 0; i < nodes; i++) {
        const char *child = node[i].path + length + 1;
        size_t name = strchr(child, '/') ? (size_t)(strchr(child, '/') - child) : strlen(child);
        bool known = false;

        if (strncmp(node[i].path, directory, length) != 0 || node[i].path[length] != '/')
            continue;
        for (size_t at = 0; at < answer.header.len; at += strlen(answer.body + at) + 1)
            known |= strlen(answer.body + at) == name && memcmp(answer.body + at, child, name) == 0;
        if (!known) {
            memcpy(answer.body + answer.header.len, child, name);
            answer.body[answer.header.len + name] = 0;
            answer.header.len += (uint32_t)name + 1;
        }
    }
}

/* True: it is done, and that is the answer. */
static bool change(const char *path, const char *rest)
{
    if (request.header.type == XS_WRITE)
        store_write(path, rest);
    else if (request.header.type == XS_WATCH)
        add_watch(path, rest);
    else if (request.header.type == XS_UNWATCH)
        remove_watch(rest);
    else
        return false;
    return true;
}

static void handle(void)
{
    char path[96];

    request.body[request.header.len] = 0;
    absolute(path, sizeof path, request.body);
    answer.header = request.header;
    if (change(path, request.body + strlen(request.body) + 1)) {
        strlcpy(answer.body, "OK", sizeof answer.body);
        answer.header.len = 3;
    } else if (request.header.type == XS_DIRECTORY) {
        list(path);
    } else if (request.header.type == XS_READ && store_read(path)) {
        answer.header.len = (uint32_t)strlcpy(answer.body, store_read(path), sizeof answer.body);
    } else {
        answer.header.type = XS_ERROR;
        answer.header.len = (uint32_t)strlcpy(answer.body, "ENOENT", sizeof answer.body) + 1;
    }
    send(&answer.header, answer.body);
}

static size_t transport_write(void *data, const void *from, size_t length)
{
    size_t room = sizeof request - 1 - request_length;

    length = MIN(length, room);
    memcpy((char *)&request + request_length, from, length);
    request_length += length;
    if (request_length >= sizeof request.header &&
        request_length == sizeof request.header + request.header.len) {
        request_length = 0;
        handle();
    }
    return length;
}

static size_t transport_read(void *data, void *to, size_t length)
{
    size_t left = out_length - out_taken;

    length = MIN(length, left);
    memcpy(to, out + out_taken, length);
    out_taken += length;
    return length;
}

void store_start(void)
{
    static const struct xs_transport transport = { .write = transport_write,
                                                   .read = transport_read };

    NEED(xs_set_transport(&transport) == 0);
}
