/* SPDX-License-Identifier: MIT */
/*
 * The domain builder: from a kernel image to a domain that waits, paused, for its first
 * instruction.
 */
#ifndef DOM0_XC_BUILD_H
#define DOM0_XC_BUILD_H

#include "dom0/base.h"
#include <pvguest/xen.h>

struct build_request {
    const uint8_t *kernel, *ramdisk;            /* ramdisk may be NULL. */
    size_t kernel_size, ramdisk_size;
    const char *command_line;
    uint64_t pages, max_pages;                  /* At the start; at most, ever. */
    unsigned vcpus;
    unsigned grant_frames, maptrack_frames;     /* At most; 0: what a guest usually has. */
    const uint8_t *uuid;                        /* 16 bytes; NULL: one that nobody else has. */
};

struct build_result {
    domid_t domid;
    unsigned long store_mfn, console_mfn;
    evtchn_port_t store_port, console_port;     /* In the new domain, for us to bind. */
};

/* 0, or a negative errno with a sentence in why[why_size]; then nothing is left of the domain. */
int build_domain(const struct build_request *request, struct build_result *result, char *why,
                 size_t why_size);

void domain_make_uuid(xen_domain_handle_t uuid);

/* Lets us in to the two rings of a domain that somebody else has filled: as above. */
int domain_seed_grants(const struct build_result *built, char *why, size_t why_size);

#endif
