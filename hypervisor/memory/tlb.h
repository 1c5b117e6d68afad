/* SPDX-License-Identifier: MIT */
/*
 * TLB flushes and the clock that saves them.
 *
 * Every full flush on a CPU advances a clock and is remembered per CPU. A frame remembers the clock
 * when its type (or itself) was let go; when it gets another type, or another owner, CPUs that have
 * not flushed since then are flushed first (I9). Guests flush all the time for their own reasons,
 * so most of these flushes turn out to be done already.
 *
 * CR3 is loaded through load_cr3 only: it is a flush too (no PCIDs, and guests' entries are never
 * global).
 */
#ifndef DOMUS_MEMORY_TLB_H
#define DOMUS_MEMORY_TLB_H

#include "lib/types.h"
#include "machine/ring0.h"

extern uint32_t tlb_clock;
extern uint32_t tlb_flushed_at[MAX_CPUS];

void load_cr3(maddr_t table);           /* and remember it in this_cpu()->loaded_cr3 */
/* everything but the hypervisor's global entries, on this CPU */
void tlb_flush_local(void);
void tlb_flush_page(uint64_t va);       /* one page on this CPU; va is canonical */
/* the same of each of these CPUs; those that run guests come out of them for it */
void tlb_flush_cpus(cpumask_t set);
void tlb_flush_stale_slow(uint32_t stamp);
/* Once a second or so, by each CPU that may run a guest: its last flush is never so long ago that
 * the clock has gone around it. */
void tlb_keep_up(void);

static inline uint32_t tlb_stamp(void)
{
    return tlb_clock;
}

/* Nobody may still use a translation from before `stamp`. */
static inline void tlb_flush_stale(uint32_t stamp)
{
    if (unlikely((int32_t)(tlb_flushed_at[0] - stamp) <= 0 || ring0_shared))
        tlb_flush_stale_slow(stamp);
}

#endif
