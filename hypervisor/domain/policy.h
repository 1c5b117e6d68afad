/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's policy: which of those who may run does, on which CPU, for how long, and who is
 * charged for it. Who may run is schedule.c's business, and asks for no more than this; so another
 * policy is another policy.c and place.c, with what it keeps of a vCPU, a domain and a CPU in place
 * of lib/share.h.
 */
#ifndef DOMUS_DOMAIN_POLICY_H
#define DOMUS_DOMAIN_POLICY_H

#include "lib/share.h"
#include "machine/cpu.h"

struct domain;
struct vcpu;

#define SLICE_MS 10             /* of a CPU at once, where others want it too */

/* the machine's; each CPU's is in struct cpu */
extern struct policy {
    struct runqueue queue;
    struct timer slices;            /* fires when the first slice ends, of those that do */
    cpumask_t idle;                 /* nobody to run, and not asked to look again */
    uint32_t preferring;            /* vCPUs that prefer some CPUs */
    spinlock_t lock;
} policy;

void policy_cpu_init(struct cpu *cpu);          /* it takes part from its first policy_pick on */
void policy_domain_init(struct domain *d);      /* d->privileged is set */
void policy_domain_end(struct domain *d);       /* none of it runs or waits any more */
void policy_vcpu_init(struct vcpu *v);
void policy_vcpu_end(struct vcpu *v);           /* neither runs nor waits, nor will */

/* v may run and does not: it waits for its turn from now on, or does not any more. */
void policy_enqueue(struct vcpu *v, uint64_t now);
void policy_dequeue(struct vcpu *v, uint64_t now);
static inline bool policy_waits(const struct turn *t)
{
    return pq_queued(&t->node);
}

/* v waits, interrupted in what it does for somebody, and now somebody wants it who may be in more
 * of a hurry. No-op otherwise. */
void policy_hurry(struct vcpu *v);

/* Who runs next there, perhaps still the same: stays says that he could. NULL: nobody can. It may
 * be one who ran elsewhere before, but none who runs elsewhere now. */
struct vcpu *policy_pick(struct cpu *cpu, bool stays, uint64_t now);
/* the CPU that t has; NULL: none. It keeps it until that one's policy_pick */
static inline struct cpu *policy_cpu(const struct turn *t)
{
    return t->on;
}

/* current, once: whoever else waits goes first */
void vcpu_yield(void);

/* ---- on which CPU (place.c) ---- */

/* Hard affinity: from now on v runs on these CPUs only. If none of them is there, on all. There are
 * at most MIXED_LANES different sets of several CPUs at a time; of one more, only its first CPU is
 * allowed (run_keep). That the caller may is checked before: entry/hypercall.c (domctl). */
void policy_set_affinity(struct vcpu *v, cpumask_t allowed);
/* The set that holds, perhaps not the one that was asked for. */
cpumask_t policy_affinity(const struct vcpu *v);
/* Soft affinity: the CPUs that v prefers among those on which it may run. If none of them is free
 * it runs on another rather than wait, and no running vCPU is moved away for it. All CPUs that
 * there are, or none of them: no preference. */
void policy_set_preference(struct vcpu *v, cpumask_t soft);
cpumask_t policy_preference(const struct vcpu *v);

/* ---- who pays ---- */

/* this CPU's from now on, so long as somebody runs; NULL: to him */
void time_goes_to(struct domain *d, uint64_t now);
/* who runs; takes the reference to d. ns it ran since the last time */
uint64_t vcpu_work_for(struct vcpu *v, struct domain *d);
void domain_set_weight(struct domain *d, uint32_t weight);      /* 1 to 65535 (lib/share.h) */
void domain_set_cap(struct domain *d, uint32_t percent);        /* of one CPU; 0: none */
uint64_t cpu_idle_time(const struct cpu *cpu);                  /* ns it had nothing to run */
#define COST_IDLE 100           /* instructions: a CPU's idle time told to who asks */

#endif
