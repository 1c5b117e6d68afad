/* SPDX-License-Identifier: MIT */
#include "domain/flush.h"
#include "domain/domain.h"
#include "machine/io.h"
#include "memory/tlb.h"

/* ONE_CPU: the vCPUs of all domains share one CPU, which drops a vCPU's translations whenever it
 * switches to another (another CR3): so only what is loaded now can be stale. More need an IPI to
 * those that run one of these, and its answer. */
void tlb_flush_vcpus(struct domain *d, uint64_t mask)
{
    if (current->domain == d && (mask >> current->id & 1))
        tlb_flush_local();
}

void tlb_flush_page_vcpus(struct domain *d, uint64_t mask, uint64_t va)
{
    /* advisory 279 */
    if (current->domain == d && (mask >> current->id & 1) && is_canonical(va))
        tlb_flush_page(va);
}
