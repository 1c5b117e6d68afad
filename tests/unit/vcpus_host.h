/* SPDX-License-Identifier: MIT */
/*
 * vCPUs as threads of the host (gs_host.h), for the tests of what they do to each other: ports
 * that are rung, who sleeps until they are, and the SDK's masking of events on top. Only the ports
 * of calls are delivered, to call_handler, when events are unmasked.
 */
#ifndef TESTS_UNIT_VCPUS_HOST_H
#define TESTS_UNIT_VCPUS_HOST_H

#include <pthread.h>
#include <time.h>
#include <pvguest/bits.h>
#include <pvguest/events.h>
#include <pvguest/sched.h>
#include <pvguest/smp.h>

struct shared_info shared_info;
_Thread_local struct cpu *host_cpu;

/* --- the hypervisor: ports, and who sleeps on them -------------------------------------------- */

static pthread_mutex_t machine = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t rung = PTHREAD_COND_INITIALIZER;
static unsigned int polls, sends, sleeping, never_rung;
static uint32_t last_sent;

static bool any_pending(const struct sched_poll *op)
{
    const uint32_t *ports = *(uint32_t *const *)&op->ports;

    for (unsigned int i = 0; i < op->nr_ports; i++)
        if (test_bit(ports[i], shared_info.evtchn_pending)) return true;
    return false;
}

static void poll(const struct sched_poll *op)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 20;
    pthread_mutex_lock(&machine);
    polls++;
    sleeping++;
    while (!any_pending(op)) {
        if (pthread_cond_timedwait(&rung, &machine, &end) == 0)
            continue;
        never_rung++;
        break;
    }
    sleeping--;
    pthread_mutex_unlock(&machine);
}

static long send(uint32_t port)
{
    pthread_mutex_lock(&machine);
    set_bit(port, shared_info.evtchn_pending);
    last_sent = port;
    sends++;
    pthread_cond_broadcast(&rung);
    pthread_mutex_unlock(&machine);
    return 0;
}

#ifndef OTHER_HYPERCALLS        /* what else the test wants of it */
#define OTHER_HYPERCALLS(nr, a, b, c) (-38)
#endif

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    if (nr == __HYPERVISOR_event_channel_op && a == EVTCHNOP_send)
        return send(((struct evtchn_send *)b)->port);
    if (nr == __HYPERVISOR_sched_op && a == SCHEDOP_poll) {
        poll((const struct sched_poll *)b);
        return 0;
    }
    return OTHER_HYPERCALLS(nr, a, b, c);
}

/* --- the SDK's events: a port of calls is taken when they are unmasked ------------------------ */

static _Thread_local bool masked;
static event_handler call_handler;

bool events_save(void)
{
    bool was = masked;

    masked = true;
    return was;
}

void events_restore(bool was)
{
    masked = was;
    while (!was && several_cpus &&
           test_and_clear_bit(this_cpu()->call_port, shared_info.evtchn_pending)) {
        masked = true;
        call_handler(this_cpu()->call_port, this_cpu());
        masked = false;
    }
}

int event_send(evtchn_t port)
{
    return (int)send(port);
}

void event_clear(evtchn_t port)
{
    clear_bit(port, shared_info.evtchn_pending);
}

int vcpu_poll(const uint32_t *ports, unsigned int count, uint64_t timeout_ns)
{
    struct sched_poll op = { .nr_ports = count };

    assert_int_equal(timeout_ns, 0);
    set_xen_guest_handle(op.ports, (uint32_t *)(uintptr_t)ports);
    poll(&op);
    return 0;
}

#endif
