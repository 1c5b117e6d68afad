/* SPDX-License-Identifier: MIT */
/* What the two front ends share: their half of the XenBus handshake. Thread context (XenStore calls
 * sleep). */
#ifndef DRIVERS_PV_FRONTEND_H
#define DRIVERS_PV_FRONTEND_H

#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/io/xenbus.h>

/* Reads node/backend and node/backend-id. -ENOENT: no such device. */
int frontend_find(const char *node, char *backend, size_t size, domid_t *domain);
/* Waits, ten seconds at most, until the back end is in one of the states of the mask (1u <<
 * XenbusState...). */
int frontend_wait(const char *backend, unsigned int mask);
int frontend_state(const char *node, enum xenbus_state state);
int frontend_publish(const char *node, const char *key, uint64_t value);
/* A number that the other side may or may not have written. */
uint64_t frontend_feature(const char *backend, const char *key, uint64_t missing);

#endif
