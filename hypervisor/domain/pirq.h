/* SPDX-License-Identifier: MIT */
/* The inside of the PIRQ table, shared by domain/physdev.c (the flow of interrupts) and
 * control/physdev_op.c (the hypercall). */
#ifndef DOMUS_DOMAIN_PIRQ_H
#define DOMUS_DOMAIN_PIRQ_H

#include "domain/msi.h"
#include "domain/physdev.h"

enum pirq_kind { PIRQ_NONE, PIRQ_GSI, PIRQ_MSI };

struct pirq {
    struct domain *domain;
    uint32_t number;                /* of a PIRQ_GSI: the GSI's number, too */
    enum pirq_kind kind;            /* PIRQ_NONE: the number is taken, its source comes later */
    uint32_t port;                  /* event channel, 0: unbound, and the source is masked */
    int vector;
    bool needs_eoi;                 /* level-triggered, fired, masked until the guest's EOI */
    struct msi msi;
    uint64_t window_start;          /* storm detection: ns, and how many since */
    uint32_t window_count;
    struct timer storm_end;
};

struct pirq_table {
    struct pirq *pirq[NR_PIRQS];
    bool gsi_level[GSI_PIRQS], gsi_low[GSI_PIRQS];
};

struct pirq *pirq_of(const struct domain *d, uint32_t number);
struct pirq *pirq_create(struct domain *d, uint32_t number);
int pirq_connect(struct pirq *p, enum pirq_kind kind) must_check;
void pirq_free(struct pirq *p);
void pirq_eoi(struct pirq *p);

#endif
