/* SPDX-License-Identifier: MIT */
/* See frontend.h. Looking at the store again and again is slower than a watch, but needs no thread
 * of its own. */
#include "frontend.h"
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <pvguest/xenstore.h>

#define PATIENCE (10 * NS_PER_S)
#define PAUSE    (2 * NS_PER_MS)

int frontend_find(const char *node, char *backend, size_t size, domid_t *domain)
{
    unsigned long number;
    char *path = xs_read_node(XS_NONE, node, "backend");

    if (IS_ERR(path)) return (int)PTR_ERR(path);

    size_t length = strlcpy(backend, path, size);
    int error = xs_read_ulong(XS_NONE, node, "backend-id", &number);

    free(path);
    if (error) return error;
    if (length >= size || number >= DOMID_FIRST_RESERVED) return refused(-EINVAL);
    *domain = (domid_t)number;
    return 0;
}

int frontend_wait(const char *backend, unsigned int mask)
{
    uint64_t until = now_ns() + PATIENCE;

    for (;;) {
        unsigned long state = XenbusStateUnknown;
        int error = xs_read_ulong(XS_NONE, backend, "state", &state);

        if (!error && state <= XenbusStateReconfigured && mask >> state & 1) return 0;
        if (now_ns() > until) return refused(-ETIMEDOUT);
        thread_sleep(PAUSE);
    }
}

int frontend_state(const char *node, enum xenbus_state state)
{
    return frontend_publish(node, "state", state);
}

int frontend_publish(const char *node, const char *key, uint64_t value)
{
    return xs_printf(XS_NONE, node, key, "%llu", (unsigned long long)value);
}

uint64_t frontend_feature(const char *backend, const char *key, uint64_t missing)
{
    unsigned long value;

    return xs_read_ulong(XS_NONE, backend, key, &value) ? missing : value;
}
