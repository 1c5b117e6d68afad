/* SPDX-License-Identifier: MIT */
/*
 * sched_op (<xen/sched.h>): a guest gives up the CPU, for good or until something happens. Who runs
 * instead is domain/schedule.c's business; here are only the guest's words for it.
 */
#include "domain/domain.h"
#include "domain/events.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "memory/access.h"
#include <xen/sched.h>

#define MAX_POLL_PORTS 128          /* as on Xen */
#define COST_POLL 90                /* instructions: a port read and looked at */

static void poll_timed_out(void *arg)
{
    struct vcpu *v = arg;
    vcpu_stop_polling(v);
    vcpu_wake(v);
}

static int yield(struct vcpu *v, uint64_t unused)
{
    vcpu_yield();
    return 0;
}

/* The current vCPU sleeps until an event. A poll that ended early (by another event) may have left
 * its timer: not now. */
static int block(struct vcpu *v, uint64_t unused)
{
    vcpu_stop_polling(v);
    v->info->evtchn_upcall_mask = 0;
    vcpu_block(v);
    return 0;
}

/*
 * Sleep until one of a few ports is pending, upcalls masked or not. The vCPU is marked as polling
 * before the ports are looked at: an event raised in between finds the mark and wakes it.
 */
static int poll(struct vcpu *v, const struct sched_poll *op)
{
    struct domain *d = v->domain;
    uint32_t port = 0;
    if (op->nr_ports > MAX_POLL_PORTS) return fail(-EINVAL, "more than 128 ports to poll");
    spend((int)op->nr_ports * COST_POLL);
    vcpu_stop_polling(v);
    v->events.poll_port = 0;
    __atomic_fetch_or(&d->events.pollers, 1u << v->id, __ATOMIC_SEQ_CST);

    int error = 0;
    bool ready = vcpu_event_deliverable(v);
    for (uint32_t i = 0; i < op->nr_ports && !ready && !error; i++) {
        if (read_guest(&port, (uint64_t)op->ports.p + i * sizeof(port)))
            error = fail(-EFAULT, "the list of ports cannot be read");
        else if (!event_port_valid(d, port))
            error = fail(-EINVAL, "there is no such port");
        else
            ready = event_port_pending(d, port);
    }
    if (ready || error) {
        vcpu_stop_polling(v);
        return error;
    }
    if (op->nr_ports == 1)
        v->events.poll_port = port;
    if (op->timeout) {
        if (!v->time.poll.fire)
            timer_init(&v->time.poll, v->domain, poll_timed_out, v);
        timer_set(&v->time.poll, op->timeout);
    }
    vcpu_block(v);
    return 0;
}

static int shut_down(struct vcpu *v, const struct sched_shutdown *op)
{
    domain_shutdown(v->domain, (uint8_t)op->reason);
    return 0;
}

static int remote_shutdown(struct vcpu *v, const struct sched_remote_shutdown *op)
{
    struct domain *d = domain_get(op->domain_id);
    if (!d) return fail(-ESRCH, "there is no such domain");
    domain_shutdown(d, (uint8_t)op->reason);
    domain_put(d);
    return 0;
}

/* The code of a shutdown to come, whoever causes it: the first word counts. */
static int choose_shutdown_code(struct vcpu *v, const struct sched_shutdown *op)
{
    if (v->domain->chosen_code < 0)
        v->domain->chosen_code = (uint8_t)op->reason;
    return 0;
}

/* --- watchdogs: who does not come back in time is shut down (SHUTDOWN_watchdog) --- */

static void watchdog_fired(void *arg)
{
    domain_shutdown(arg, SHUTDOWN_watchdog);
}

/* id 0 asks for a new one and gets its number from 1 up; timeout (seconds) 0 gives one back.
 * RING0_LOCK: two vCPUs may ask at once; so may they above, for the code. */
static int watchdog(struct vcpu *v, const struct sched_watchdog *op)
{
    struct domain *d = v->domain;
    uint32_t id = op->id;
    if (id > ARRAY_SIZE(d->watchdog.timers) || (id == 0 && op->timeout == 0))
        return fail(-EINVAL, "no such watchdog, or a new one without a timeout");
    if (id == 0) {
        while (id < ARRAY_SIZE(d->watchdog.timers) && (d->watchdog.used >> id & 1))
            id++;
        if (id++ == ARRAY_SIZE(d->watchdog.timers))
            return fail(-ENOSPC, "all watchdogs are in use");
        d->watchdog.used |= (uint8_t)(1u << (id - 1));
    } else if (!(d->watchdog.used >> (id - 1) & 1)) {
        return fail(-EINVAL, "this watchdog was not asked for");
    }
    struct timer *t = &d->watchdog.timers[id - 1];
    if (!t->fire)
        timer_init(t, d, watchdog_fired, d);
    if (op->timeout) {
        timer_set(t, now_ns() + op->timeout * 1000000000ull);
    } else {
        timer_stop(t);
        d->watchdog.used &= (uint8_t)~(1u << (id - 1));
    }
    return op->id == 0 ? (int)id : 0;
}

static const struct operation operations[] = {
    ROW_AT(SCHEDOP_yield, vcpu, yield),
    ROW_AT(SCHEDOP_block, vcpu, block),
    ROW(SCHEDOP_poll, vcpu, sched_poll, poll),
    ROW(SCHEDOP_shutdown, vcpu, sched_shutdown, shut_down),
    ROW(SCHEDOP_shutdown_code, vcpu, sched_shutdown, choose_shutdown_code),
    ROW(SCHEDOP_remote_shutdown, vcpu, sched_remote_shutdown, remote_shutdown),
    ROW(SCHEDOP_watchdog, vcpu, sched_watchdog, watchdog),
};

long do_sched_op(unsigned int cmd, uint64_t arg)
{
    return operation_call(operations, ARRAY_SIZE(operations), cmd, current, arg, NULL);
}
