/* SPDX-License-Identifier: MIT */
/* A guest that is restored, between read.c and read_pages.c. */
#ifndef DOM0_SAVE_RESTORER_H
#define DOM0_SAVE_RESTORER_H

#include "dom0/save/save.h"

#define MOST_VCPUS 32u
#define UNTYPED 0xffu                   /* No table's, either. */

struct vcpu_state {
    struct vcpu_guest_context *context;
    uint8_t *extended, *xsave;
    size_t xsave_size;
    xen_domctl_vcpu_msr_t *msrs;
    unsigned msr_count;
};

struct restorer {
    struct guest *guest;
    struct tape *tape;
    struct problem *problem;
    uint64_t pages;                     /* Pfns: 0 to this. */
    unsigned long *p2m;
    uint8_t *type;                      /* Of each pfn that has come: the highest four bits. */
    uint64_t *list;                     /* The pfns of the p2m's own frames. */
    unsigned list_count;
    struct shared_info *shared;
    struct vcpu_state vcpu[MOST_VCPUS];
    bool has_info, ended;
    /* Bytes that it may still have: its pages come SAVE_TIMES at most, so a tape that says the same
     * again and again is not heard to its end. */
    uint64_t left;
    uint64_t buffer[ENTRIES], word[PAGE_MOST];
};

#define failed(restorer, error, ...) problem_set((restorer)->problem, (error), __VA_ARGS__)
#define bad(restorer, ...) failed(restorer, -EINVAL, "no saved guest that can be had: " __VA_ARGS__)

/* The next bytes of the tape. 0, or a negative errno and the problem. */
int restorer_get(struct restorer *restorer, void *bytes, size_t size);
/* The body of a record of pages, of that size. As above. */
int restorer_take_pages(struct restorer *restorer, size_t size);

/* A page that came, and so has a frame, and no table. */
static inline bool is_plain(const struct restorer *restorer, uint64_t pfn)
{
    return pfn < restorer->pages && restorer->type[pfn] != UNTYPED &&
           !page_level((uint32_t)restorer->type[pfn] << 24);
}

static inline bool is_root(const struct restorer *restorer, uint64_t pfn)
{
    return pfn < restorer->pages && page_level((uint32_t)restorer->type[pfn] << 24) == 4;
}

#endif
