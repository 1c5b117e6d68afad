/* SPDX-License-Identifier: MIT */
/*
 * TLB flushes (the idea is in tlb.h). A CPU that has no guest, on our own tables, has nothing in
 * its TLB that could be stale, and loads CR3 before it has one again.
 */
#include "memory/tlb.h"
#include "machine/io.h"
#include "machine/ring0.h"

/* flushes of all CPUs; what there can be more of in a second does not make it half the clock's */
#define KEEP_UP (1u << 30)

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
    race_point();
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

void tlb_keep_up(void)
{
    if (tlb_clock - tlb_flushed_at[this_cpu()->id] > KEEP_UP)
        tlb_flush_local();
}

void tlb_flush_cpus(cpumask_t set)
{
    cpumask_t others = set & ~cpu_bit(this_cpu()->id);
    uint32_t now = __atomic_add_fetch(&tlb_clock, 1, __ATOMIC_SEQ_CST);
    struct cpu *cpu;

    if (set != others)
        tlb_flush_local();
    if (!others) return;
    cpus_flush(others);
    for_each_cpu (cpu)
        if (others & cpu_bit(cpu->id))
            tlb_flushed_at[cpu->id] = now;
}

void tlb_flush_stale_slow(uint32_t stamp)
{
    cpumask_t set = 0;
    struct cpu *cpu;

    for_each_cpu (cpu)
        if (cpu->running != cpu->idle && (int32_t)(tlb_flushed_at[cpu->id] - stamp) <= 0)
            set |= cpu_bit(cpu->id);
    if (set)
        tlb_flush_cpus(set);
}
