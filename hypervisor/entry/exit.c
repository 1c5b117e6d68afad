/* SPDX-License-Identifier: MIT */
/*
 * The last stop before a guest runs. entry.asm comes here only when something waits: a work bit of
 * this CPU, or an upcall that the guest can take.
 */
#include "entry/exit.h"
#include "domain/domain.h"
#include "domain/schedule.h"
#include "entry/trap.h"
#include "machine/budget.h"

static void deliver_upcall(struct vcpu *v)
{
    /* A handler for vector 2 is as good as the callback: Linux as a domU registers only that. */
    if (v->nmi_pending && (v->entry.nmi.rip || v->entry.traps[TRAP_NMI].address)) {
        v->nmi_pending = 0;
        if (v->entry.nmi.rip)
            bounce_callback(v, &v->entry.nmi);
        else
            inject_trap(v, TRAP_NMI, NO_ERROR_CODE);
    } else if (vcpu_event_deliverable(v)) {
        v->counters.events++;
        bounce_callback(v, &v->entry.event);
    }
}

/* Each of these can make more work: an upcall to a bad stack ends the domain, which asks for
 * somebody else to run, whose end may come, too. So one turn is within the budget, but not many. */
void exit_work(void)
{
    struct cpu *cpu = this_cpu();

    for (;;) {
        race_point();
        if (cpu->work) {
            if (cpu->work & WORK_REFUSAL) {     /* first: it is of who has come in */
                cpu->work &= ~WORK_REFUSAL;
                refusal_tell(cpu->running);
            }
            if (cpu->work & WORK_TIMERS)
                timers_run();
            if (cpu->work & WORK_RESCHEDULE)
                schedule();
        }
        deliver_upcall(cpu->running);
        if (likely(!cpu->work)) return;
        if (spent())
            schedule_rest();
    }
}
