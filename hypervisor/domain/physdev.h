/* SPDX-License-Identifier: MIT */
/*
 * Physical interrupts for the control domain: PIRQ numbers, the vectors and GSIs or MSI entries
 * behind them.
 *
 * A PIRQ is the number a guest knows an interrupt by. 0 to GSI_PIRQS-1 are the I/O APIC's inputs of
 * the same number; the rest are handed out for MSIs. An interrupt arrives as a vector, is
 * acknowledged, and becomes an event.
 */
#ifndef DOMUS_DOMAIN_PHYSDEV_H
#define DOMUS_DOMAIN_PHYSDEV_H

#include "domain/domain.h"

#define GSI_PIRQS 48
#define NR_PIRQS  256
#define COST_PIRQS 1500         /* instructions: all looked at */

/* d may use physical interrupts (the control domain). 0 or -ENOMEM. */
int physdev_create(struct domain *d) must_check;
void physdev_destroy(struct domain *d);             /* masks and frees everything */

/* EVTCHNOP_bind_pirq and closing it: unmasks or masks the source. -EINVAL, -EPERM, -EEXIST. */
int pirq_bind(struct domain *d, uint32_t pirq, uint32_t port) must_check;
void pirq_unbind(struct domain *d, uint32_t pirq);

#endif
