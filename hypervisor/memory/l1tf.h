/* SPDX-License-Identifier: MIT */
/*
 * L1TF (XSA-273): Intel CPUs before the fix read, speculatively, what a not-present entry
 * names, if it is in their first-level cache, whoever's it is. Pure: the judgement of one entry's
 * bits.
 *
 * Three things make a mere "is this frame yours?" too little. An upper-level entry may count as a
 * large page: 2 MiB, 1 GiB or more lie behind it. A frame may leave its owner while the entry
 * stays: nothing refers to it that we could find. And the CPU may compare fewer address bits than
 * an entry has. So on such a CPU no not-present entry may name RAM at all, own or not, at any size
 * its level could mean, with the bits above the CPU's addresses taken away. Holes below the end of
 * RAM count as RAM.
 *
 * The address 0 is let pass in an entry that names no large page: that is what "nothing" looks like
 * with flags (frame 0 is never given to anybody). Linux keeps no addresses of RAM in not-present
 * entries: it inverts those of PROT_NONE pages and of swap entries on all CPUs (since 4.18), and
 * inverted they lie behind all RAM, unless more than half of what the CPU can address is RAM. Xen
 * 4.17 draws the same line and lets a domain that crosses it go on with shadow page tables, which
 * we do not have: here it gets -EINVAL.
 */
#ifndef DOMUS_MEMORY_L1TF_H
#define DOMUS_MEMORY_L1TF_H

#include <stdbool.h>
#include <stdint.h>

/* PS, in entries of levels 2 to 4; in level 1 the bit is PAT */
#define L1TF_LARGE_PAGE 0x80UL

/* May not-present entry e of this level stand in a table? address_mask: the bits of an address that
 * the CPU has; ram_end in bytes. */
static inline bool l1tf_safe(uint64_t e, unsigned int level, uint64_t address_mask,
                             uint64_t ram_end)
{
    uint64_t size = 4096UL << 9 * (level - 1), address = e & address_mask;

    if (address == 0 && !(level > 1 && e & L1TF_LARGE_PAGE)) return true;
    return (address & ~(size - 1)) >= ram_end;
}

#endif
