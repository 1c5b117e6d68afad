/* SPDX-License-Identifier: MIT */
/*
 * Calls from one vCPU to another: a list with one end, which callers push to and the called vCPU
 * takes as a whole. Who finds it empty rings. While the vCPU is down the list is CLOSED, in the
 * same word, so no call is left behind in it.
 *
 * The caller that waits answers calls itself, with its events masked: two that call each other both
 * get their answer. It sleeps on two ports, of rings (<pvguest/spinlock.h>) and of calls.
 */
#include <pvguest/bits.h>
#include <pvguest/refuse.h>
#include <pvguest/sched.h>
#include "smp.h"

#define CLOSED ((struct smp_call *)1)
#define LOOKS  500U             /* before the caller sleeps */

enum { IDLE, QUEUED, ASLEEP, DONE };    /* ASLEEP: QUEUED, and the caller wants to be rung */

void calls_open(struct cpu *cpu)
{
    __atomic_store_n(&cpu->calls, NULL, __ATOMIC_RELEASE);
}

bool calls_close(struct cpu *cpu)
{
    struct smp_call *none = NULL;

    return __atomic_compare_exchange_n(&cpu->calls, &none, CLOSED, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* The first in the list is the last that came. */
static struct smp_call *take_all(struct cpu *cpu)
{
    struct smp_call *call = READ_ONCE(cpu->calls), *in_order = NULL;

    do {
        if (!call || call == CLOSED) return NULL;
    } while (!__atomic_compare_exchange_n(&cpu->calls, &call, NULL, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    while (call) {
        struct smp_call *next = call->next;

        call->next = in_order;
        in_order = call;
        call = next;
    }
    return in_order;
}

void calls_run(struct cpu *cpu)
{
    struct smp_call *next;

    for (struct smp_call *call = take_all(cpu); call; call = next) {
        void (*function)(void *data) = call->function;
        struct cpu *caller = call->caller;
        void *data = call->data;

        next = call->next;
        if (!caller)            /* it may be gone, or used anew, from here on */
            __atomic_store_n(&call->state, IDLE, __ATOMIC_RELEASE);
        function(data);
        if (caller && __atomic_exchange_n(&call->state, DONE, __ATOMIC_SEQ_CST) == ASLEEP)
            event_send(caller->kick_port);
    }
}

static int push(struct cpu *to, struct smp_call *call)
{
    struct smp_call *first = READ_ONCE(to->calls);

    do {
        if (first == CLOSED) return refused(-ENODEV);
        call->next = first;
    } while (!__atomic_compare_exchange_n(&to->calls, &first, call, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    if (!first)
        event_send(to->call_port);
    return 0;
}

static struct cpu *cpu_of(unsigned int id)
{
    return id < MOST_CPUS ? READ_ONCE(all_cpus[id]) : NULL;
}

void calls_sleep(struct cpu *cpu, uint64_t timeout_ns)
{
    const uint32_t ports[2] = { cpu->kick_port, cpu->call_port };

    vcpu_poll(ports, 2, timeout_ns);
}

static void wait_for(struct cpu *self, struct smp_call *call)
{
    for (unsigned int looks = 0; __atomic_load_n(&call->state, __ATOMIC_ACQUIRE) != DONE; looks++) {
        unsigned int queued = QUEUED;

        if (looks < LOOKS) {
            cpu_relax();
            continue;
        }
        event_clear(self->kick_port);
        event_clear(self->call_port);
        calls_run(self);
        __atomic_compare_exchange_n(&call->state, &queued, ASLEEP, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
        if (queued != DONE)
            calls_sleep(self, 0);
    }
    if (READ_ONCE(self->asked))         /* to stand still: that rang, too */
        event_send(self->call_port);
}

int smp_call(unsigned int id, void (*function)(void *data), void *data)
{
    struct cpu *to = cpu_of(id), *self = this_cpu();
    struct smp_call call = { .function = function, .data = data, .state = QUEUED, .caller = self };
    bool masked;
    int error = 0;

    if (!to) return refused(-ENODEV);
    masked = events_save();
    if (to == self)
        function(data);
    else if (!(error = push(to, &call)))
        wait_for(self, &call);
    events_restore(masked);
    return error;
}

int smp_post(unsigned int id, struct smp_call *call)
{
    struct cpu *to = cpu_of(id);
    unsigned int idle = IDLE;
    int error;

    if (!several_cpus) return smp_call(id, call->function, call->data);
    if (!to) return refused(-ENODEV);
    if (!__atomic_compare_exchange_n(&call->state, &idle, QUEUED, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED))
        return refused(-EBUSY);
    error = push(to, call);
    if (error)
        __atomic_store_n(&call->state, IDLE, __ATOMIC_RELEASE);
    return error;
}
