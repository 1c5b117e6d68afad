/* SPDX-License-Identifier: MIT */
#include "domain/flush.h"
#include "domain/domain.h"
#include "machine/io.h"
#include "memory/tlb.h"

/* A CPU drops a vCPU's translations whenever it switches to another (another CR3): so only what is
 * loaded now can be stale. */
static bool has_one(const struct cpu *cpu, const struct domain *d, uint64_t vcpus)
{
    return cpu->running->domain == d && (vcpus >> cpu->running->id & 1);
}

static uint64_t other_cpus(const struct domain *d, uint64_t vcpus)
{
    uint64_t mask = 0;
    struct cpu *cpu;

    for_each_cpu (cpu)
        if (cpu != this_cpu() && has_one(cpu, d, vcpus))
            mask |= 1ul << cpu->id;
    return mask;
}

static void flush_others(const struct domain *d, uint64_t vcpus)
{
    uint64_t mask = ring0_shared ? other_cpus(d, vcpus) : 0;

    if (mask)
        tlb_flush_cpus(mask);
}

void tlb_flush_vcpus(struct domain *d, uint64_t mask)
{
    if (has_one(this_cpu(), d, mask))
        tlb_flush_local();
    flush_others(d, mask);
}

void tlb_flush_page_vcpus(struct domain *d, uint64_t mask, uint64_t va)
{
    /* advisory 279 */
    if (has_one(this_cpu(), d, mask) && is_canonical(va))
        tlb_flush_page(va);
    flush_others(d, mask);
}
