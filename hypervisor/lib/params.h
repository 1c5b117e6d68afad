/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's command line, in Xen's forms as far as there is something to be said by them
 * (hypervisor/README.md). Each value is checked; what is not understood, or cannot be had, is named
 * in a warning, and is as if it were not there.
 */
#ifndef DOMUS_LIB_PARAMS_H
#define DOMUS_LIB_PARAMS_H

#include "lib/types.h"

/* Of memory, in bytes. */
struct amount {
    uint64_t bytes;
    bool given, but;                /* but: all that is free, except so much */
};

struct params {
    struct amount dom0_size, dom0_min, dom0_max;
    uint32_t baud;
    bool no_acpi, no_svm, dom0_vcpus_pin;
    uint32_t max_cpus, dom0_max_vcpus;      /* 0: as many as there are */
};
extern struct params params;
void params_parse(const char *line);

/* What dom0 gets, in pages, of so many that are free, if `usual` is what it gets without being
 * asked; and at most, ever. */
uint64_t params_dom0_pages(uint64_t free, uint64_t usual);
uint64_t params_dom0_max_pages(uint64_t free, uint64_t pages);

#endif
