/* SPDX-License-Identifier: MIT */
/* Flushes of what a domain's vCPUs, a bit each, may have in TLBs. The rest of it: memory/tlb.h. */
#ifndef DOMUS_DOMAIN_FLUSH_H
#define DOMUS_DOMAIN_FLUSH_H

#include "lib/types.h"

struct domain;

/* on every CPU that runs or ran one of these vCPUs of d */
void tlb_flush_vcpus(struct domain *d, uint64_t mask);
void tlb_flush_page_vcpus(struct domain *d, uint64_t mask, uint64_t va);
static inline void tlb_flush_domain(struct domain *d)
{
    tlb_flush_vcpus(d, ~0UL);
}

#endif
