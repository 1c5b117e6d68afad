/* SPDX-License-Identifier: MIT */
/*
 * The kinds of devices that a guest can have. Each is a row here, and a file that defines
 * NAME_class (device.h): what is done with such a device, and with the words about it. How its
 * elements of a configuration are read is NAME_syntax, pure.
 */
#ifndef DOM0_CONFIG_DEVICE_KIND_H
#define DOM0_CONFIG_DEVICE_KIND_H

#include "dom0/config/settings.h"

#define DEVICE_KINDS_TABLE(ROW) \
    ROW(DISK, disk)             \
    ROW(VIF, vif)

#define DEVICE_KIND(name, prefix) DEVICE_##name,
enum device_kind { DEVICE_KINDS_TABLE(DEVICE_KIND) DEVICE_KINDS };

/* A device as it is configured. */
struct config_device {
    struct config_place at;
    /* In XenStore: what its kind's parser says, or its place in the list; and from when it is made
     * on, what it has got. */
    unsigned number;
    uint64_t spec[24];                  /* A structure of its kind's. */
};

/* Its kind's structure: `config_of(struct config_disk, device)`. */
#define config_of(type, device)                                              \
    ({                                                                       \
        _Static_assert(sizeof(type) <= sizeof((device)->spec), "has room"); \
        (type *)(uintptr_t)(device)->spec;                                   \
    })

#define DEVICE_MOST_BYTES 256u          /* Of an element, with its NUL; */
#define DEVICE_TEXT_BYTES 512u          /* and of one that we write. */

struct device_syntax {
    const char *key;                    /* Of the list in a configuration. */
    const char *example;                /* An element of that. */
    bool numbered;                      /* The parser says which number it has. */
    /* 0, or -EINVAL with the problem's text filled in. */
    int (*parse)(const char *text, struct config_device *device, struct problem *problem);
    /* The element again, as `parse` takes it. */
    void (*write)(const struct config_device *device, char text[DEVICE_TEXT_BYTES]);
    /* What both would be called, if a guest cannot have them both; else NULL. May be NULL. */
    const char *(*same)(const struct config_device *one, const struct config_device *other);
    /* What of it does nothing: a sentence, or NULL. May be NULL. */
    const char *(*warning)(const struct config_device *device);
};

#define DEVICE_SYNTAX(name, prefix) extern const struct device_syntax prefix##_syntax;
DEVICE_KINDS_TABLE(DEVICE_SYNTAX)

#endif
