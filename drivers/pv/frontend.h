/* SPDX-License-Identifier: MIT */
/*
 * What the two front ends share: their walk through XenBus's states (<pvguest/xenbus.h>), and when
 * a back end is gone. Thread context (XenStore calls sleep), and not a watch's callback, for it is
 * one that says what the back end does.
 */
#ifndef DRIVERS_PV_FRONTEND_H
#define DRIVERS_PV_FRONTEND_H

#include <abi/types.h>
#include <pvguest/xenbus.h>

/*
 * Attaches to the node, begins, and waits until the back end is ready for us: ten seconds at most,
 * as everything here waits. bus->other_changed may have been set before. 0, or -ENOENT (no such
 * device), -ETIMEDOUT...; then nothing is attached.
 */
int frontend_open(struct xenbus_device *bus, const char *node);
/*
 * Says that all is published, by that state, and waits for the back end to connect. -ETIMEDOUT, or
 * -ECONNREFUSED: it closes instead, or is gone.
 */
int frontend_connect(struct xenbus_device *bus, enum xenbus_state state);
/*
 * Walks to Closed, at the back end's pace (a back end that is gone has none), and detaches: from
 * then on the back end has nothing of ours. Nothing, if it is detached.
 */
void frontend_close(struct xenbus_device *bus);

/* Whether a back end in that state still serves who is connected to it. */
bool frontend_serves(enum xenbus_state state);

int frontend_publish(struct xenbus_device *bus, const char *key, uint64_t value);
/* A number that the other side may or may not have written. */
uint64_t frontend_feature(struct xenbus_device *bus, const char *key, uint64_t missing);

#endif
