/* SPDX-License-Identifier: MIT */
/*
 * A guest's configuration, in the form of xl.cfg(5): what the keys mean. How the text is read is
 * settings.h; the elements of lists of devices are their kinds' (device_kind.h). Pure.
 *
 * The keys and what becomes of each stand in dom0/README.md, which a test compares with the table
 * in config.c. A value that cannot be had is refused with its line; a key that does nothing here is
 * named in a warning.
 */
#ifndef DOM0_CONFIG_CONFIG_H
#define DOM0_CONFIG_CONFIG_H

#include "dom0/config/cpus.h"
#include "dom0/config/device_kind.h"

#define CONFIG_MAX_DEVICES 8u           /* Of each kind. */
#define CONFIG_MAX_VCPUS 32u
#define CONFIG_LEAST_WEIGHT 1u          /* As Xen's credit schedulers have it. */
#define CONFIG_MOST_WEIGHT 65535u
#define CONFIG_MOST_CAP (100u * CONFIG_MAX_VCPUS)
#define CONFIG_MOST_FRAMES 1024u        /* Of grants, and of mappings of others' grants. */
#define CONFIG_MAX_NAME 63u
#define CONFIG_MAX_FILE 256u            /* A name in the boot archive. */
#define CONFIG_MAX_EXTRA 1023u          /* start_info's command line holds so many characters. */
#define CONFIG_MOST_MIB (1024ul * 1024)
#define CONFIG_USUAL_MIB 32u            /* As Xen's libxl has it. */

/* Of values that turn out to be wrong when their guest is made; a device's stands in the device. */
struct config_places { struct config_place name, uuid, kernel, ramdisk, memory, cpus; };

/* What becomes of a domain that has ended in one way or another. */
enum config_action { ACTION_DESTROY, ACTION_RESTART, ACTION_PRESERVE };

struct config_devices {
    unsigned count;
    struct config_device device[CONFIG_MAX_DEVICES];
};

struct config {
    char name[CONFIG_MAX_NAME + 1];
    char kernel[CONFIG_MAX_FILE + 1], ramdisk[CONFIG_MAX_FILE + 1];
    char extra[CONFIG_MAX_EXTRA + 1];   /* The command line: of cmdline=, root= and extra=. */
    bool has_uuid;
    uint8_t uuid[16];                   /* As it is written, from left to right. */
    struct config_places at;
    unsigned long memory_mib, maxmem_mib;
    unsigned vcpus, vcpus_at_start;     /* At most, and those that the guest is to use first. */
    unsigned cpu_weight;                /* Its part of the CPU; 0: the hypervisor's default. */
    unsigned cap;                       /* Percent of one CPU at most; 0: no limit. */
    /* Where each vCPU may run (cpus.h), and where it is rather than elsewhere; 0: not said. */
    uint64_t cpus[CONFIG_MAX_VCPUS], cpus_soft[CONFIG_MAX_VCPUS];
    unsigned grant_frames, maptrack_frames;     /* At most; 0: what a guest usually has. */
    struct config_devices devices[DEVICE_KINDS];
    enum config_action on_poweroff, on_reboot, on_crash, on_watchdog, on_soft_reset;
};

/* Sentences, a line each, about what was read and does nothing; also when there is a mistake. */
struct config_warnings {
    size_t size;
    char text[2048];
};

/*
 * A file's text, and `behind`, which has the last word: what was given behind the file's name, a
 * word a line. 0, or -EINVAL with the problem filled in. (Its work space is static: parses do not
 * overlap.)
 */
int config_parse(const char *text, size_t size, const char *behind, struct config *config,
                 struct problem *problem, struct config_warnings *warnings);

/* What may name a guest: 1 to CONFIG_MAX_NAME characters that a terminal can show. */
bool config_name_valid(const char *name);

extern const struct device_syntax *const device_syntaxes[DEVICE_KINDS];

/* The n-th key that is known here, with what it is; NULL behind the last. */
const char *config_key(unsigned n);

/* "256", "256m": MiB; or with k, g, t, or b for bytes. To KiB; false: no size, or zero. */
bool config_parse_size(const char *text, unsigned long *kib);

#endif
