/* SPDX-License-Identifier: MIT */
/*
 * TLB flushes of this CPU (the idea is in tlb.h).
 */
#include "memory/tlb.h"
#include "machine/io.h"

uint32_t tlb_clock = 1;
uint32_t tlb_flushed_at[MAX_CPUS];

/* The stamp is read before the flush: what is let go in between counts as not flushed, which costs
 * a flush at most. */
static inline void note_flush(struct cpu *cpu)
{
    tlb_flushed_at[cpu->id] = __atomic_add_fetch(&tlb_clock, 1, __ATOMIC_SEQ_CST);
}

void load_cr3(maddr_t table)
{
    struct cpu *cpu = this_cpu();

    note_flush(cpu);
    cpu->loaded_cr3 = table.a;
    write_cr3(table.a);
}

void tlb_flush_local(void)
{
    struct cpu *cpu = this_cpu();

    note_flush(cpu);
    write_cr3(cpu->loaded_cr3);
}

void tlb_flush_page(uint64_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* ONE_CPU: an IPI to each CPU that has not flushed since, and its answer; the same in
 * domain/flush.c. */
void tlb_flush_stale_slow(uint32_t stamp)
{
    tlb_flush_local();
}
