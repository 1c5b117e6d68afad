/* SPDX-License-Identifier: MIT */
/*
 * Which vCPU runs this, and what it has of its own.
 *
 * A guest has one vCPU until smp_start() (<pvguest/smp.h>) starts another. Until then all this
 * costs a compare: GS is the kernel's to use as it likes, and the vCPU's info lies where the
 * hypervisor put it, in shared_info. From then on GS, in the kernel of every vCPU, is the address
 * of its struct cpu, whose first member is the vCPU's info: lib/entry.asm masks events there.
 *
 * What runs stays on its vCPU: nothing here moves from one to another.
 */
#ifndef PVGUEST_CPU_H
#define PVGUEST_CPU_H

#include <pvguest/xen.h>

#define MOST_CPUS 63            /* a spin lock has a bit for each, and one for itself */

struct smp_call;
struct timer;
struct pt_queue;

struct cpu {
    struct vcpu_info info;      /* the hypervisor's and ours: events, cr2, the clock */
    struct cpu *self;
    unsigned int id;
    void *local;                /* the program's own */

    /* The rest is the library's. */
    uint32_t kick_port;         /* polled, never delivered: <pvguest/spinlock.h> */
    uint32_t call_port, timer_port;
    struct smp_call *calls;     /* to be run here, the last one first */
    unsigned int state;         /* lib/smp.c */
    unsigned int asked, was;    /* to stand still how; while it is held: what it was */
    void (*function)(void *argument);
    void *argument, *stack;
    struct timer *timers;       /* sorted by when; events masked */
    struct pt_queue *queue;     /* of page-table updates; NULL: lib/pt_queue.c has it */
    struct { bool active; unsigned long sp; unsigned int vector; uint64_t error, address; } caught;
    unsigned long ports[64];    /* bits: the ports that ring here */
} __attribute__((aligned(1024)));   /* so that no page ends in its info */

extern bool several_cpus;       /* once true it stays so */
extern struct cpu first_cpu;    /* vCPU 0's */
extern struct cpu *all_cpus[MOST_CPUS];     /* by number; NULL: never started */

extern struct shared_info shared_info;

#ifndef cpu_by_gs               /* on the host, tests have another way */
static inline struct cpu *cpu_by_gs(void)
{
    struct cpu *cpu;

    __asm__ volatile("movq %%gs:%c1, %0" : "=r" (cpu) : "i" (offsetof(struct cpu, self)));
    return cpu;
}
#endif

static inline struct cpu *this_cpu(void)
{
    return __builtin_expect(several_cpus, false) ? cpu_by_gs() : &first_cpu;
}
static inline unsigned int cpu_id(void)
{
    return __builtin_expect(several_cpus, false) ? cpu_by_gs()->id : 0;
}
static inline struct vcpu_info *cpu_info(void)
{
    return __builtin_expect(several_cpus, false) ? &cpu_by_gs()->info : &shared_info.vcpu_info[0];
}

#endif
