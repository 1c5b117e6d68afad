/* SPDX-License-Identifier: MIT */
/* CR4 as guests see it: what is set for good, and what they may switch; pure functions of the host
 * (XSA-293). Which field holds which CR4: domain/switch.h. */
#ifndef DOMUS_DOMAIN_CR4_H
#define DOMUS_DOMAIN_CR4_H

#include "machine/cpu.h"
#include "machine/io.h"

static inline uint64_t cr4_fixed(void)
{
    return CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
}
static inline uint64_t cr4_guest_mask(void)
{
    return CR4_TSD | (host_cr4 & (CR4_DE | CR4_OSXSAVE | CR4_FSGSBASE));
}

#endif
