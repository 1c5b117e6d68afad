/* SPDX-License-Identifier: MIT */
/* A small XenStore, for one test: reads, writes, directories, watches on single nodes; no
 * permissions. */
#ifndef STORE_H
#define STORE_H

#include <drivers/backend.h>

void store_start(void);                 /* becomes the transport of the SDK's XenStore client */
void store_write(const char *path, const char *value);
const char *store_read(const char *path);               /* NULL: no such node */
extern const struct backend_store store;                /* the same, as back ends want it */

#endif
