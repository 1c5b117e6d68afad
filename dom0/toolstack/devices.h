/* SPDX-License-Identifier: MIT */
/*
 * A guest's disks and network cards: their nodes in XenStore, their back ends, and what they hold
 * (a partition, a place at the bridge). Called by domains.c, with the toolstack's lock held.
 */
#ifndef DOM0_TOOLSTACK_DEVICES_H
#define DOM0_TOOLSTACK_DEVICES_H

#include "dom0/toolstack/domains.h"
#include <drivers/net.h>

struct devices;

enum device_kind { DEVICE_DISK, DEVICE_VIF };

/* Once: the bridge, with the machine's card (may be NULL) as its first port. */
int devices_start(struct netport *card);

/* One more port for the bridge, for good. 0, or -ENOSPC. */
int devices_plug(struct netport *port);

/* Could these devices be had now? 0 or a negative errno and the trouble. */
int devices_check(const struct config *config, struct trouble *trouble);

/* Makes all of a configuration's devices; a vif without address gets one, in the configuration too.
 * 0 or a negative errno and the trouble; then nothing is left of them. */
int devices_attach(domid_t domid, struct config *config, struct devices **devices,
                   struct trouble *trouble);

/*
 * The back ends take nothing new from now on. True: nothing of it is in flight either, so to detach
 * them takes no time. NULL is none.
 */
bool devices_close(struct devices *devices);
bool devices_close_one(struct devices *devices, enum device_kind kind, unsigned number);

/* Ends the back ends, gives back what they held, removes the nodes. NULL is none. */
void devices_detach(struct devices *devices);

/*
 * One more device, or one less, while the guest runs. A disk's number is that of its configuration;
 * a card gets the first free number. 0 or a negative errno and the trouble.
 *
 * To remove one: ask; wait until it is removable, which is the guest's to say; then remove. Or
 * remove without asking: then the guest's next request finds nobody.
 */
int devices_add_disk(struct devices *devices, const struct config_disk *disk,
                     struct trouble *trouble);
int devices_add_vif(struct devices *devices, const char *name, struct config_vif *vif,
                    unsigned *number, struct trouble *trouble);
/* -ENODEV: no such one. */
int devices_ask_removal(struct devices *devices, enum device_kind kind, unsigned number);
bool devices_removable(struct devices *devices, enum device_kind kind, unsigned number);
void devices_remove(struct devices *devices, enum device_kind kind, unsigned number);

/* The address of a card; false: no such card. */
bool devices_vif_mac(struct devices *devices, unsigned number, uint8_t mac[6]);

/* The bridge, to look at. */
struct bridge;
const struct bridge *devices_bridge(void);

/* Their two directories in XenStore. */
void devices_for_each(struct devices *devices, enum device_kind kind,
                      void (*visit)(unsigned number, const char *front, const char *back));

#endif
