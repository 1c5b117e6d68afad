/* SPDX-License-Identifier: MIT */
/*
 * The network back end: dom0's end of one guest's vif, a struct netport for the bridge. Frames from
 * the guest are fetched by grant copy into dom0's own pages before anything looks at them; frames
 * to the guest are put into its granted buffers by grant copy. When the guest offers no buffers its
 * frames are dropped: nothing queues without bound.
 */
#ifndef DRIVERS_NETBACK_H
#define DRIVERS_NETBACK_H

#include <drivers/backend.h>
#include <drivers/net.h>

struct netback;

struct netback *netback_create(const struct backend_store *store, domid_t domain,
                               unsigned int index, const uint8_t mac[6]);
struct netport *netback_port(struct netback *back);     /* to be plugged into a bridge */
void netback_changed(struct netback *back);
/* The port's wake and serve are as blkback's; likewise these. */
bool netback_is_broken(const struct netback *back);
void netback_service(struct netback *back);
size_t netback_bytes(void);                     /* as blkback_bytes */
void netback_destroy(struct netback *back);     /* unplug the port from the bridge first */

#endif
