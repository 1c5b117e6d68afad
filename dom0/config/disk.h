/* SPDX-License-Identifier: MIT */
/*
 * One disk of a guest's configuration: what its specification says (xl-disk-configuration(5), read
 * as Xen's libxlutil reads it), and what of that can be had here. Pure.
 *
 *   insula1,raw,xvda,rw        by position: target, format, vdev, access
 *   phy:insula1,xvda,w         behind a prefix there is no format
 *   vdev=xvda, access=ro, target=insula1       by name, in any order; target= is all the rest
 *
 * Targets: insula1 or /dev/disk/by-partlabel/insula1 (a GPT partition by its name); /dev/disk0 (the
 * whole disk).
 */
#ifndef DOM0_CONFIG_DISK_H
#define DOM0_CONFIG_DISK_H

#include "dom0/config/device_kind.h"

/* What a specification says; NULL: nothing. */
struct disk_words {
    const char *target, *format, *vdev, *backend, *backendtype, *script, *specification;
    bool writable, cdrom, untrusted, no_discard;
};

struct config_disk {
    char partition[37];                 /* A partition's name, or "/dev/disk0": all of it. */
    char vdev[20];                      /* "xvda" */
    unsigned number;                    /* 51712: the device number in XenStore */
    bool writable, cdrom, untrusted;
    bool no_discard;                    /* The guest is not told that it may discard blocks. */
};

/* Takes a specification apart, in place. NULL, or why it is refused, and the wrong word. */
const char *disk_read(char *text, struct disk_words *words, const char **wrong);

/* 0, or -EINVAL with the problem's text filled in. */
int disk_parse(const char *text, struct config_disk *disk, struct problem *problem);

/* xvda (51712), xvdaa1, sdb3, hdc, d2p1, or a number: as Xen numbers them. False: no such name. */
bool disk_number(const char *vdev, unsigned *number);

#endif
