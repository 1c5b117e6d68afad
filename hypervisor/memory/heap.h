/* SPDX-License-Identifier: MIT */
/*
 * The heap: all RAM that nobody owns, a buddy allocator over the frame table. Lock: its own,
 * innermost but the console's.
 */
#ifndef DOMUS_MEMORY_HEAP_H
#define DOMUS_MEMORY_HEAP_H

#include "lib/types.h"

#ifndef HEAP_MAX_ORDER
#define HEAP_MAX_ORDER 13       /* blocks of up to 32 MiB */
#endif

/* Contiguous, aligned frames without owner or state, NOT cleared; below 2^address_bits (0:
 * anywhere). INVALID_MFN: none. */
mfn_t heap_alloc_frames(unsigned int order, unsigned int address_bits);
void heap_free_frames(mfn_t first, unsigned int order);
uint64_t heap_free_count(void);         /* frames */
/* Keeps so many more of the free frames for who has claimed them: nobody is given those, until they
 * are let go. False: there are not so many. */
bool heap_keep(uint64_t frames);
void heap_let_go(uint64_t frames);
uint64_t heap_kept_count(void);
uint64_t heap_total_count(void);        /* frames ever given to the heap */
uint64_t heap_cut_count(void);          /* pages cut up for small objects; they stay so */

/* Boot (paging.c). */
void heap_init(void);
void heap_add(uint64_t first, uint64_t end);    /* frames [first, end) */

/* The hypervisor's own memory: zeroed, in the direct map. NULL: none. */
void *hv_alloc_pages(unsigned int order);
void hv_free_pages(void *p, unsigned int order);

/* Objects of any size, zeroed: up to half a page they lie within one, aligned to their size rounded
 * up to a power of two, from 32 on; larger ones are whole pages. Free with the same size. */
void *hv_alloc(size_t size);
void hv_free(void *p, size_t size);

#endif
