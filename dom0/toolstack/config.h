/* SPDX-License-Identifier: MIT */
/*
 * A guest's configuration file, in the form of xl.cfg(5): `key = value` lines, where a value is a number, a quoted
 * string or a list of strings; '#' begins a comment. Pure.
 *
 * Keys: name, kernel, ramdisk, extra (or cmdline), memory (MiB), maxmem (MiB: as far as mem-set may go), vcpus, maxvcpus
 * (as far as vcpu-set may go), disk, vif, on_poweroff, on_reboot, on_crash, on_watchdog, type.
 *   disk = [ 'phy:PARTITION,xvda,w' ]          a GPT partition of the real disk; 'r' instead of 'w': read-only
 *          [ 'vdev=xvda,access=rw,target=PARTITION' ]          the same
 *   vif  = [ 'mac=00:16:3e:01:02:03,bridge=br0' ]    both parts may be missing
 *          [ 'mac=...,ip=10.0.2.30,rate=10Mb/s@50ms,spoof=1' ]         as in dom0/network/guard.h
 */
#ifndef DOM0_TOOLSTACK_CONFIG_H
#define DOM0_TOOLSTACK_CONFIG_H

#include "dom0/toolstack/vif.h"

#define CONFIG_MAX_DISKS 8u
#define CONFIG_MAX_VIFS 8u
#define CONFIG_MAX_VCPUS 32u
#define CONFIG_LEAST_WEIGHT 1u          /* As Xen's credit schedulers have it. */
#define CONFIG_MOST_WEIGHT 65535u
#define CONFIG_MOST_FRAMES 1024u        /* Of grants, and of mappings of others' grants. */
#define CONFIG_MAX_EXTRA 1000u          /* start_info's command line holds 1023 characters. */

/* What becomes of a domain that has ended in one way or another. */
enum config_action { ACTION_DESTROY, ACTION_RESTART, ACTION_PRESERVE };

struct config_disk {
    char partition[37];
    char vdev[12];                      /* "xvda" */
    unsigned number;                    /* 51712: the device number in XenStore */
    bool writable;
};

struct config_vif {
    uint8_t mac[6];                     /* All zero: to be made up. */
    char bridge[16];
    bool spoof;                         /* May send from other addresses than its own. */
    char ip[VIF_MAX_ADDRESSES * 16];    /* As written; empty: any. */
    uint32_t address[VIF_MAX_ADDRESSES];
    unsigned addresses;
    uint64_t rate_bytes;                /* Each rate_usecs; 0: no limit. */
    uint32_t rate_usecs;
};

struct config {
    char name[32];
    char kernel[100], ramdisk[100];
    char extra[CONFIG_MAX_EXTRA + 1];
    unsigned long memory_mib, maxmem_mib;
    unsigned vcpus, vcpus_at_start;     /* How many there may be, and how many the guest is to use first. */
    unsigned cpu_weight;                /* Its part of the CPU beside others'; 0: the hypervisor's default. */
    unsigned grant_frames, maptrack_frames;     /* At most; 0: what a guest usually has. */
    unsigned disk_count, vif_count;
    struct config_disk disk[CONFIG_MAX_DISKS];
    struct config_vif vif[CONFIG_MAX_VIFS];
    enum config_action on_poweroff, on_reboot, on_crash, on_watchdog;
};

/* Where and why a file is refused; or, with 0 returned, the first key that was not understood (line 0: none). */
struct config_problem {
    unsigned line;
    char text[120];
};

/* 0, or -EINVAL with the problem filled in. */
int config_parse(const char *text, size_t size, struct config *config, struct config_problem *problem);

/* One element of the lists `disk` and `vif`, which is changed. 0, or -EINVAL with the problem's text filled in. */
int config_parse_disk(char *text, struct config_disk *disk, struct config_problem *problem);
int config_parse_vif(char *text, struct config_vif *vif, struct config_problem *problem);

/* Letters, digits, '-', '_', '.': what may name a guest. */
bool config_name_valid(const char *name);

/* "xvda" to its device number, 51712. False: no such name. */
bool config_device_number(const char *vdev, unsigned *number);

/* "00:16:3e:01:02:03". False: not a station's address. */
bool config_parse_mac(const char *text, uint8_t mac[6]);

/* "256", "256m": MiB; or with k, g, or b for bytes. To KiB; false: no size, or zero. */
bool config_parse_size(const char *text, unsigned long *kib);

#endif
