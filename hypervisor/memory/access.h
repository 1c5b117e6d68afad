/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: the only way ring 0 touches a guest's virtual addresses (I5). Every call checks
 * that the range is canonical and outside our slots, opens SMAP for its own few instructions, and
 * survives a fault (asm with exception-table entries, access.asm). Read once, decide on the copy
 * (I6).
 */
#ifndef DOMUS_MEMORY_ACCESS_H
#define DOMUS_MEMORY_ACCESS_H

#include "lib/layout.h"
#include "lib/types.h"
#include "machine/io.h"            /* is_canonical */

int copy_from_guest(void *to, vaddr_t from, size_t bytes) must_check;   /* 0 or -EFAULT */
int copy_to_guest(vaddr_t to, const void *from, size_t bytes) must_check;
int clear_guest(vaddr_t to, size_t bytes) must_check;

/* Typed: copy one object. `va` is an integer. */
#define read_guest(object, va)  copy_from_guest((object), VADDR(va), sizeof(*(object)))
#define write_guest(va, object) copy_to_guest(VADDR(va), (object), sizeof(*(object)))

/* One aligned-or-not word, without the loop: the hot path of hypercalls that read short
 * arguments. */
int read_guest_u64(uint64_t *to, uint64_t va) must_check;
int write_guest_u64(uint64_t va, uint64_t value) must_check;
int write_guest_u32(uint64_t va, uint32_t value) must_check;

/* May ring 3 have this range at all: canonical at both ends, no wrap, not ours. (Guests read the
 * M2P, but never pass it to us.) */
static inline bool guest_range_ok(uint64_t va, size_t bytes)
{
    /* the lower half ends at 2^47, the upper begins behind our slots */
    uint64_t end = va + bytes;

    return end >= va &&
           (end <= 0x0000800000000000UL || (va >= HV_END && bytes <= 0x0000800000000000UL));
}

#endif
