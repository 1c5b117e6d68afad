/* SPDX-License-Identifier: MIT */
/*
 * Further vCPUs: a function is started on one, runs there until it returns, and another may be
 * started. Each vCPU has a stack, a struct cpu (<pvguest/cpu.h>), its own timers and page-table
 * queue, its own trap table with the same handlers.
 *
 * What is safe where: everything of the SDK on every vCPU at the same time, but for what says that
 * it is vCPU 0's alone. That is what sleeps: threads, wait queues, mutexes, the XenStore client,
 * the drivers, console input; and starting and stopping vCPUs. Another vCPU that wants something
 * of a thread has vCPU 0 do it: smp_call(0, ...).
 */
#ifndef PVGUEST_SMP_H
#define PVGUEST_SMP_H

#include <pvguest/cpu.h>
#include <pvguest/spinlock.h>

/* How many vCPUs this domain has, started or not (at most MOST_CPUS). */
unsigned int smp_count(void);

/* ---- life: vCPU 0's alone ---- */

/*
 * Runs function(argument) on vCPU `id`, with events unmasked. When it returns, the vCPU is taken
 * down. 0, or: -EINVAL there is no such vCPU, or it is vCPU 0; -EBUSY it runs something; -ENOMEM;
 * what the hypervisor refused.
 */
int smp_start(unsigned int id, void (*function)(void *argument), void *argument);
/* Does something started still run on it, or stand still? */
bool smp_runs(unsigned int id);
/* Until what was started has returned, and the vCPU is down. No thread runs meanwhile. */
void smp_wait(unsigned int id);
/* Takes it down in the middle, between two instructions outside of locks and handlers; it uses no
 * time and answers no calls until it is to go on. 0, or -EINVAL: nothing runs there. */
int smp_stop(unsigned int id);
int smp_continue(unsigned int id);      /* -EINVAL: it was not stopped */

/* ---- calls: from any vCPU to any that runs, also from a handler ---- */

/*
 * function(data) runs there soon, as an event handler does: with events masked, not sleeping; calls
 * to one vCPU in the order in which they came. -ENODEV when the vCPU is down. Who calls answers
 * calls meanwhile, but must hold no lock that the function, or a handler there, wants.
 */
int smp_call(unsigned int id, void (*function)(void *data), void *data);        /* and waits */

/* Without waiting. The struct is the caller's, and may be used again (also freed) from the moment
 * in which its function runs. -EBUSY: it waits for that still. */
struct smp_call {
    void (*function)(void *data);
    void *data;
    /* The rest is the library's: zero at first. */
    struct smp_call *next;
    unsigned int state;
    struct cpu *caller;
};
int smp_post(unsigned int id, struct smp_call *call);

#endif
