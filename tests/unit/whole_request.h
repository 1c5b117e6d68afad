/* SPDX-License-Identifier: MIT */
/* A request of XenStore, from its beginning to its end; what it has cost. */
#ifndef TESTS_UNIT_WHOLE_REQUEST_H
#define TESTS_UNIT_WHOLE_REQUEST_H

#include "dom0/xenstore/server.h"

static inline unsigned xenstore_handle(struct xenstore_connection *from,
                                       const struct xsd_sockmsg *header, const char *payload)
{
    unsigned cost = xenstore_take(from, header, payload), more;

    while ((more = xenstore_go_on(from)))
        cost += more;
    return cost;
}

#endif
