/* SPDX-License-Identifier: MIT */
#include "domain/flush.h"
#include "domain/domain.h"
#include "machine/io.h"
#include "memory/tlb.h"

/* A CPU drops a vCPU's translations whenever it switches to another (another CR3): so only what is
 * loaded now can be stale. */
static inline bool is_one(const struct vcpu *v, const struct domain *d, uint64_t mask)
{
    return v->domain == d && (mask >> v->id & 1);
}

static cold __attribute__((noinline)) void flush_others(const struct domain *d, uint64_t mask)
{
    cpumask_t others = 0;
    struct cpu *cpu;

    for_each_cpu (cpu)
        if (cpu != this_cpu() && is_one(cpu->running, d, mask))
            others |= cpu_bit(cpu->id);
    if (others)
        tlb_flush_cpus(others);
}

static inline void flush_here(const struct domain *d, uint64_t mask)
{
    if (is_one(current, d, mask))
        tlb_flush_local();
}

static inline void flush_page_here(const struct domain *d, uint64_t mask, uint64_t va)
{
    /* advisory 279 */
    if (is_one(current, d, mask) && is_canonical(va))
        tlb_flush_page(va);
}

/* On a machine of one CPU nothing is kept for later: the last call is a jump. */
void tlb_flush_vcpus(struct domain *d, uint64_t mask)
{
    if (likely(!ring0_shared)) {
        flush_here(d, mask);
        return;
    }
    flush_others(d, mask);
    flush_here(d, mask);
}

void tlb_flush_page_vcpus(struct domain *d, uint64_t mask, uint64_t va)
{
    if (likely(!ring0_shared)) {
        flush_page_here(d, mask, va);
        return;
    }
    flush_others(d, mask);
    flush_page_here(d, mask, va);
}
