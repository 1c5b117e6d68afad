/* SPDX-License-Identifier: MIT */
/*
 * A guest's devices: their nodes in XenStore, their back ends, and what they hold (a partition, a
 * place at the bridge). Called by domains.c and hotplug.c, with the toolstack's lock held.
 */
#ifndef DOM0_DEVICES_DEVICES_H
#define DOM0_DEVICES_DEVICES_H

#include "dom0/config/config.h"
#include "dom0/config/problem.h"
#include <pvguest/xen.h>

struct device;
struct devices;

/* So far; bytes as the guest has them: those that it sent or wrote, and those that it got or
 * read. */
struct device_traffic { uint64_t out, in; };

/* Could these devices be had now? 0 or a negative errno and the problem. */
int devices_check(const struct config *config, struct problem *problem);

/* Makes all of a configuration's devices; what that leaves open (a card's address) is filled in
 * there. 0 or a negative errno and the problem; then nothing is left of them. */
int devices_attach(domid_t domid, struct config *config, struct devices **devices,
                   struct problem *problem);

/* Has all that the guest has asked of its disks been done? It comes true by itself while it does
 * not run. NULL is none. */
bool devices_idle(const struct devices *devices);

/*
 * The back ends take nothing new from now on. True: nothing of it is in flight either, so to detach
 * them takes no time. NULL is none.
 */
bool devices_close(struct devices *devices);
bool devices_close_one(struct devices *devices, enum device_kind kind, unsigned number);

/* Ends the back ends, gives back what they held, removes the nodes. NULL is none. */
void devices_detach(struct devices *devices);

/*
 * One more device, or one less, while the guest of that name runs. 0 or a negative errno and the
 * problem. Its number is filled in: where its kind has no numbers of its own, the first free one.
 *
 * To remove one: ask; wait until it is removable, which is the guest's to say; then remove. Or
 * remove without asking: then the guest's next request finds nobody.
 */
int devices_add(struct devices *devices, enum device_kind kind, const char *guest,
                struct config_device *config, struct problem *problem);
/* -ENODEV: no such one. */
int devices_ask_removal(struct devices *devices, enum device_kind kind, unsigned number);
bool devices_removable(struct devices *devices, enum device_kind kind, unsigned number);
void devices_remove(struct devices *devices, enum device_kind kind, unsigned number);

/* Of all devices of a kind that are there now. Takes no lock, and does not sleep. */
struct device_traffic devices_traffic(const struct devices *devices, enum device_kind kind);

void devices_for_each(struct devices *devices, enum device_kind kind,
                      void (*visit)(const struct device *device));

#endif
