/* SPDX-License-Identifier: MIT */
/*
 * How long ring 0 may work before a guest runs again, whatever a guest asks for: I11.
 *
 * Ring 0 cannot be interrupted, so while it works nobody else does. Each entry from a guest gets a
 * budget of instructions (entry.asm), and every unit of work is paid for where it is done, roughly
 * and rather too much. The loops whose length a guest chooses ask after each unit whether the
 * budget is spent; if it is, they stop where they are, the guest's hypercall is arranged to be made
 * again for the rest (hypercall_continue), and the exit takes whatever interrupt is waiting. A
 * multicall has one budget for all its calls. So what comes after a spent budget is short: the way
 * out, one timer, one switch. Where many switches follow each other, because none of those who come
 * can go on, others are let in between two of them (schedule_rest).
 *
 * A unit is done before its price is looked at: however little is left, each entry gets on by one.
 */
#ifndef DOMUS_MACHINE_BUDGET_H
#define DOMUS_MACHINE_BUDGET_H

#include "machine/cpu.h"

/* instructions; no entry takes more than 50,000 (tests/guests/test_residence.py) */
#define ENTRY_BUDGET 25000

/* What things cost, in instructions. */
#define COST_CALL      400          /* a hypercall without loops, in a multicall */
#define COST_FAULT     200          /* a bad pointer of the guest's, or a breakpoint of its */
#define COST_ENTRY     40           /* a level-1 entry that takes or drops an ordinary reference */
#define COST_CHILD     120          /* an entry of an upper level dropped */
#define COST_TYPE      250          /* one that changes a frame's type */
#define COST_SCAN      700          /* a table looked through for what is in it */
#define COST_FRAME     250          /* a frame given or taken */
#define COST_DESCRIPTORS 7000       /* a page of descriptors looked at */
#define COST_INTERRUPT 1000         /* another CPU called, and waited for */
#define COST_CLEAR     600          /* a page cleared or copied, by eight bytes */
#define COST_WORDS     8000         /* a refusal told in a sentence */

static inline void spend(int instructions)
{
    __asm__ volatile("subl %0, %%gs:%c1"
                     :
                     : "ri"(instructions), "i"(offsetof(struct cpu, budget))
                     : "memory", "cc");
}

static inline bool spent(void)
{
    return this_cpu()->budget <= 0;
}

/* For work that no guest asked for: the build of dom0. */
static inline void budget_refill(void)
{
    this_cpu()->budget = ENTRY_BUDGET;
}

#endif
