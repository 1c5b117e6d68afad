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
 * It is a ticket lock: who came first is next, so no CPU starves. Who waits serves cpus_flush
 * meanwhile, which its holder may be waiting for. A machine of one CPU does without: the calls in
 * entry.asm are made nops at boot.
 *
 * NMIs and machine checks do not take it.
 */
#ifndef DOMUS_MACHINE_RING0_H
#define DOMUS_MACHINE_RING0_H

#include "machine/cpu.h"

/* Tickets: the next to be drawn, and whose turn it is, which is also how often it was taken. */
struct ring0_tickets { uint32_t next, now; };
extern struct ring0_tickets ring0_tickets;
extern bool ring0_shared;           /* there are several CPUs; set once, before they are started */

void ring0_enter(void);
void ring0_leave(void);
/* from entry.asm: this CPU's turn is not yet */
void ring0_wait(uint32_t ticket);

/* A CPU other than this one is interrupted, if it is in a guest or sleeps: it comes into ring 0,
 * and looks what there is to do on its way out. */
void cpu_interrupt(struct cpu *cpu);

/*
 * Each of these CPUs, a bit each, leaves the guest that it runs, its registers saved, and forgets
 * what its TLB has of it. When this returns they wait for the caller to leave ring 0. The machine
 * stops with a sentence if one does not answer. This CPU and those without a guest are not asked.
 */
void cpus_flush(uint64_t mask);

#endif
