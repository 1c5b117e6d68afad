/* SPDX-License-Identifier: MIT */
/*
 * What every back end shares: its two directories in XenStore and the XenBus state machine.
 *
 *      back                front
 *      Initialising        Initialising          written by the toolstack
 *      InitWait                                  features published
 *                          Initialised           ring and event channel published
 *      Connected                                 ring mapped, event channel bound
 *                          Connected
 *      Closing/Closed      Closing/Closed        by either side; the front end may come back
 *                                                (Initialising)
 *
 * The toolstack owns one watch on "<frontend>/state" for each device and calls backend_changed()
 * when it fires; it reaches XenStore through the three functions of struct backend_store, so a back
 * end does not care whether the daemon lives in the same domain. These are called in thread context
 * with events unmasked.
 */
#ifndef DRIVERS_BACKEND_H
#define DRIVERS_BACKEND_H

#include <abi/types.h>
#include <xen/xen.h>
#include <xen/io/xenbus.h>

struct backend_store {
    /* Reads a node as a string into value[size], always terminated; its length, or a negative
     * errno. */
    int (*read)(void *context, const char *path, char *value, size_t size);
    int (*write)(void *context, const char *path, const char *value);
    void *context;
};

struct backend {
    const struct backend_store *store;
    domid_t domain;                 /* the front end's */
    char back[64];                  /* "/local/domain/0/backend/vbd/8/51712" */
    char front[64];                 /* "/local/domain/8/device/vbd/51712" */
    enum xenbus_state state;        /* ours */
    bool leaving;                   /* a disconnect has begun */
    bool over;                      /* the device is taken away: nobody connects any more */
    unsigned int failures;
    const struct backend_driver *driver;
};

struct backend_driver {
    int (*publish)(struct backend *backend);        /* write the features */
    /* read the front end's nodes, map, bind; 0 or a negative errno */
    int (*connect)(struct backend *backend);
    /*
     * undo connect; harmless when not connected. False: not yet, ask again when there is reason to:
     * nobody waits here
     */
    bool (*disconnect)(struct backend *backend);
};

/* kind: the device's in the paths of XenStore ("vbd", "vif"). Publishes the features and enters
 * InitWait. */
int backend_start(struct backend *backend, const struct backend_driver *driver,
                  const struct backend_store *store, const char *kind, domid_t domain,
                  unsigned int device);
/*
 * "<front>/state" changed, or a disconnect that has begun can go on (spurious calls are harmless).
 */
void backend_changed(struct backend *backend);
/* Disconnects, which must be possible at once, and says Closed; the domain may be dead already. */
void backend_stop(struct backend *backend);
/*
 * The front end broke the protocol: disconnect it, then say why in "<back>/error", end in Closed.
 * Thread context.
 */
void backend_fail(struct backend *backend, const char *why);

/* Nodes of the two directories. */
int backend_read_number(struct backend *backend, const char *directory, const char *key,
                        uint64_t *value);
int backend_write(struct backend *backend, const char *key, const char *value);
int backend_write_number(struct backend *backend, const char *key, uint64_t value);

#endif
