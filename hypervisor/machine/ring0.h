/* SPDX-License-Identifier: MIT */
/*
 * One lock around ring 0: any number of CPUs run guests, and one at a time is in ring 0. Entries
 * take it when the guest's registers are saved, exits drop it before they load them again
 * (entry/entry.asm), idle CPUs are without it while they sleep. So what ring 0 keeps is changed by
 * one CPU at a time, and what remains to be done with care is what guests and the hardware do
 * meanwhile: guest memory changes under our eyes (it is read once), CPUs set bits in page-table
 * entries (these are exchanged), translations stay in TLBs (cpus_flush).
 *
 * Why one: all but the longest calls take a few hundred instructions, of which guests do thousands
 * in between; finer locks would be taken two or three times in each, and every pair of them is a
 * race to be found. They are there where they will be (lib/spinlock.h) and checked, so that this
 * one can be taken apart where measurement says so: debug key `l` prints how long CPUs waited.
 *
 * Who takes it first has it; there is no queue. A queue would hand it to a CPU that is not there:
 * where a host runs more virtual CPUs than it has real ones, the next in turn is often interrupted,
 * and all wait for it (ten times fewer calls, as measured under QEMU). What is lost is strict
 * order, but nobody can keep the lock: each stay is short (machine/budget.h), and who leaves runs a
 * guest before it comes again, which takes longer than the others' looking. Nor can several keep it
 * among themselves: who has seen them come and go a thousand times says so, and who leaves next
 * hands it to him. He looked just now, so he is there; a host that did not run him, or who has the
 * lock, counts for nothing.
 *
 * Who waits serves cpus_flush meanwhile, which the holder may be waiting for. A machine of one CPU
 * does without: the calls in entry.asm are made nops at boot.
 *
 * NMIs and machine checks do not take it.
 */
#ifndef DOMUS_MACHINE_RING0_H
#define DOMUS_MACHINE_RING0_H

#include "machine/cpu.h"

struct ring0_lock {
    uint32_t held, uses;            /* uses: how often it was given back */
    uint32_t hungry, given;         /* who is to have it next, and now: CPU ids and 1; 0: nobody */
};
extern struct ring0_lock ring0_lock;
extern bool ring0_shared;           /* there are several CPUs; set once, before they are started */

void ring0_enter(void);
void ring0_leave(void);
/* from entry.asm: another has it. It is this CPU's on return */
void ring0_wait(void);
/* from entry.asm: somebody is hungry. It is his on return */
void ring0_hand(void);
/* on the way out; the debug build's stops the machine if another CPU has dropped it */
#ifdef DEBUG
void ring0_held(void);
#else
#define ring0_held() ((void)0)
#endif

/* A CPU other than this one is interrupted, if it is in a guest or sleeps: it comes into ring 0,
 * and looks what there is to do on its way out. */
void cpu_interrupt(struct cpu *cpu);

/*
 * Each of these CPUs leaves the guest that it runs, its registers saved, and forgets what its TLB
 * has of it. When this returns they wait for the caller to leave ring 0. The machine stops with a
 * sentence if one does not answer. This CPU and those without a guest are not asked.
 */
void cpus_flush(cpumask_t set);

#endif
