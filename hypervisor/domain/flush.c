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

void tlb_flush_vcpus(struct domain *d, uint64_t mask)
{
    if (unlikely(ring0_shared))
        flush_others(d, mask);
    if (is_one(current, d, mask))
        tlb_flush_local();
}

void tlb_flush_page_vcpus(struct domain *d, uint64_t mask, uint64_t va)
{
    if (unlikely(ring0_shared))
        flush_others(d, mask);
    /* XSA-279 */
    if (is_one(current, d, mask) && is_canonical(va))
        tlb_flush_page(va);
}
