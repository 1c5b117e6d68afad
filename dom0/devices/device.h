/* SPDX-License-Identifier: MIT */
/*
 * One device of a guest, and its class: what devices.c, hotplug.c and details.c do not know of it.
 *
 * In this order: check; take, what it needs and others must not have; nodes; open, its back end.
 * Then it has turns. Whatever of that there is, destroy ends.
 */
#ifndef DOM0_DEVICES_DEVICE_H
#define DOM0_DEVICES_DEVICE_H

#include "dom0/bucket.h"
#include "dom0/devices/devices.h"
#include "dom0/turns.h"
#include <drivers/blkback.h>
#include <pvguest/time.h>
#include <pvguest/xenstore.h>

/* Those of one guest. */
struct devices {
    domid_t domid;
    struct blkback_quota quota;         /* All its disks have one. */
    struct device *first;
};

/* The beginning of its class's structure. */
struct device {
    struct device *sibling;             /* In the order of their making. */
    struct devices *guest;
    const struct device_class *class;
    enum device_kind kind;
    unsigned number;
    struct config_device config;
    bool watched;
    struct xs_watch watch;
    char front[64], back[64];
    struct turn traffic, state;
    struct bucket changes;
    /* Looks at a state that changed too often; when is 0: not set. */
    struct timer later;
};

struct writing;

/* The operator's three commands. */
struct device_verbs {
    const char *list, *list_help;
    const char *attach, *attach_words, *attach_help;
    bool attach_bare;                   /* It may be had without a word. */
    const char *detach, *detach_help;
};

/* A line of JSON: a text or a number. */
struct device_detail {
    const char *key;
    char text[40];                      /* Empty: the number. */
    unsigned number;
};
#define DEVICE_DETAILS 4u

struct device_class {
    const char *kind, *title;           /* As XenStore calls it, and the operator. */
    enum turn_kind turns;               /* Of its traffic; 0 is the real disk's. */
    size_t size;                        /* Of its structure, */
    size_t (*back_bytes)(void);         /* and of its back end. */

    /* What it is called in a problem: "disk 'data'". */
    void (*label)(const struct config_device *config, char *text, size_t size);
    /* Could it be had now? This and what follows: 0, or a negative errno and the problem. */
    int (*check)(const struct config_device *config, struct problem *problem);
    /* May fill in what the configuration leaves open. */
    int (*take)(struct device *device, const char *guest, struct problem *problem);
    void (*nodes)(struct writing *writing, const struct device *device);
    int (*open)(struct device *device, struct problem *problem);

    bool (*serve)(struct device *device, unsigned budget);      /* As turns.h has it. */
    bool (*is_due)(const struct device *device);                /* Is `changed` wanted? */
    void (*changed)(struct device *device);     /* The front end's state, or what is due. */
    bool (*idle)(const struct device *device);          /* As devices_idle(). NULL: always. */
    bool (*close)(const struct device *device);         /* As devices_close(). NULL: at once. */
    void (*destroy)(struct device *device);
    /* Also when it is not open, or not any more. */
    struct device_traffic (*traffic)(const struct device *device);

    /* For the operator: is that its name, beside its number? */
    bool (*is_called)(const struct config_device *config, const char *name);
    void (*say_attached)(const struct config_device *config, const char *guest);
    const char *heading;                /* Of a table of them; a row, but for its last column. */
    void (*row)(const struct device *device);
    const char *details;                /* JSON: the list's name, and what is in it. */
    void (*detail)(const struct config_device *config, struct device_detail detail[DEVICE_DETAILS]);
    struct device_verbs verbs;
};

#define DEVICE_CLASS(name, prefix) extern const struct device_class prefix##_class;
DEVICE_KINDS_TABLE(DEVICE_CLASS)

extern const struct device_class *const device_classes[DEVICE_KINDS];
extern const struct backend_store device_store;         /* For back ends. */

/* Writes its nodes, and where they are into `front` and `back`. 0 or a negative errno; then there
 * are none. */
int device_make_nodes(struct device *device);

/* One of them; for `nodes`. */
void device_node(struct writing *writing, const char *directory, const char *key,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A number of the front end's own writing: what is not one counts as -1, as with Xen's xl. */
long device_front_number(const struct device *device, const char *key);

#endif
