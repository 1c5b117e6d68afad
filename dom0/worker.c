/* SPDX-License-Identifier: MIT */
/*
 * See worker.h. A thread gives way after each turn, and threads run in turn: so between two turns
 * everybody else in dom0 who can run has run, the operator's prompt and commands among them, and
 * nobody waits for longer than one turn of each.
 */
#include "dom0/worker.h"
#include <abi/domus.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/thread.h>
#include <xen/vcpu.h>

static struct worker {
    enum turn_lane lane;
    struct wait_queue wanted;           /* The worker sleeps here. */
} workers[TURN_LANES];
static WAIT_QUEUE(served);              /* Who wants to leave does here. */

static void wake(enum turn_lane lane)
{
    wake_all(&workers[lane].wanted);
}

static void work(void *argument)
{
    struct worker *worker = argument;

    if (worker->lane == LANE_QUICK)
        thread_current()->leaves = turns_rest;
    for (;;) {
        wait_event(worker->wanted, turns_wanted(worker->lane));
        sleepless = worker->lane == LANE_QUICK ? "a turn" : NULL;
        turns_take(worker->lane);
        sleepless = NULL;
        wake_all(&served);
        thread_yield();
    }
}

void worker_leave(struct turn *turn)
{
    if (turn->domain)
        wait_event(served, turns_served(turn_rules[turn->kind].lane) != turn);
    turns_leave(turn);
}

/* Domus charges him for it, and says how long we ran meanwhile; Xen, how long in all. */
static uint64_t work_for(uint16_t domid)
{
    static uint64_t before;
    long ran = HYPERVISOR_domus_op(DOMUS_work_for, (void *)(uintptr_t)domid);
    struct vcpu_runstate_info in_all = { .state = RUNSTATE_running };
    uint64_t ns;

    if (ran >= 0) return (uint64_t)ran;
    HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, 0, &in_all);
    ns = in_all.time[RUNSTATE_running] - before;
    before = in_all.time[RUNSTATE_running];
    return ns;
}

int workers_start(void)
{
    static const char *const names[TURN_LANES] = { "turns", "states" };

    turns_start(wake, work_for, threads_wait);
    for (unsigned lane = 0; lane < TURN_LANES; lane++) {
        workers[lane].lane = (enum turn_lane)lane;
        wait_queue_init(&workers[lane].wanted);
    }
    for (unsigned lane = 0; lane < TURN_LANES; lane++)
        if (!thread_create(names[lane], work, &workers[lane]))
            return refused(-ENOMEM);
    return 0;
}
