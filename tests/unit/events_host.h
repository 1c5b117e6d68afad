/* SPDX-License-Identifier: MIT */
/* Three domains with event channels, the calls on them in short, and what is written into their
 * shared pages: for test_events.c. */
#ifndef TESTS_UNIT_EVENTS_HOST_H
#define TESTS_UNIT_EVENTS_HOST_H

#include "ring0_host.h"
#include "domain/physdev.h"
#include "domain/events.h"
#include "memory/frame.h"
#include <xen/event_channel.h>

/* dom0; a guest of three vCPUs, of which the third is not there; another guest */
static struct domain control, guest, other;
static struct vcpu vcpus[3][3];
static _Alignas(4096) struct shared_info shared[3];
struct domain *dom0;
char host_frames[64], host_ram[4096], host_m2p[8];

static unsigned int woken[3][3];
static uint32_t pirq_ports[NR_PIRQS];
static int pirq_error;
static unsigned int pirq_unbinds;

struct domain *domain_get(domid_t id)
{
    struct domain *d = id == 0 ? &control : id == 1 ? &guest : id == 2 ? &other : NULL;

    if (d)
        d->refs++;
    return d;
}
struct domain *domain_get_self_or(domid_t id)
{
    return domain_get(id == DOMID_SELF ? current->domain->id : id);
}
void domain_put(struct domain *d)
{
    d->refs--;
}
void vcpu_wake(struct vcpu *v)
{
    woken[v->domain->id][v->id]++;
}
static unsigned int timers_stopped;
void timer_stop(struct timer *t)
{
    timers_stopped++;
}
int pirq_bind(struct domain *d, uint32_t pirq, uint32_t port)
{
    if (!pirq_error)
        pirq_ports[pirq] = port;
    return pirq_error;
}
void pirq_unbind(struct domain *d, uint32_t pirq)
{
    pirq_ports[pirq] = 0;
    pirq_unbinds++;
}

static unsigned int writables;
int frame_get_type(mfn_t m, struct domain_memory *owner, enum frame_type t)
{
    assert_true(t == FRAME_WRITABLE && owner == &current->domain->memory);
    if (m.n != 7) return -EINVAL;
    writables++;
    return 0;
}
void frame_put_type(mfn_t m)
{
    assert_int_equal(m.n, 7);
    writables--;
}

static long call(struct domain *who, unsigned int cmd, void *op)
{
    struct domain *all[] = { &control, &guest, &other };
    long result;

    cpu.running = who->vcpus[0];
    result = AS_CALLED(do_event_channel_op)(cmd, (unsigned long)op, 0, 0, 0, 0);
    for (unsigned int i = 0; i < 3; i++)
        assert_int_equal(all[i]->refs, 1);
    assert_int_equal(locks_count, 0);
    return result;
}

/* --- short forms of the operations: a port, or an errno --- */

static int unbound(struct domain *who, domid_t of, domid_t for_whom)
{
    struct evtchn_alloc_unbound op = { .dom = of, .remote_dom = for_whom, .port = 999 };
    long error = call(who, EVTCHNOP_alloc_unbound, &op);

    assert_true(!error || op.port == 999);
    return error ? (int)error : (int)op.port;
}
static int bound(struct domain *who, domid_t to, evtchn_port_t port)
{
    struct evtchn_bind_interdomain op = { .remote_dom = to, .remote_port = port, .local_port = 99 };
    long error = call(who, EVTCHNOP_bind_interdomain, &op);

    assert_true(!error || op.local_port == 99);
    return error ? (int)error : (int)op.local_port;
}
static int virq(struct domain *who, uint32_t number, uint32_t vcpu)
{
    struct evtchn_bind_virq op = { .virq = number, .vcpu = vcpu };
    long error = call(who, EVTCHNOP_bind_virq, &op);

    return error ? (int)error : (int)op.port;
}
static int ipi(struct domain *who, uint32_t vcpu)
{
    struct evtchn_bind_ipi op = { .vcpu = vcpu };
    long error = call(who, EVTCHNOP_bind_ipi, &op);

    return error ? (int)error : (int)op.port;
}
static int pirq(struct domain *who, uint32_t number)
{
    struct evtchn_bind_pirq op = { .pirq = number };
    long error = call(who, EVTCHNOP_bind_pirq, &op);

    return error ? (int)error : (int)op.port;
}
static long sends(struct domain *who, int port)
{
    return call(who, EVTCHNOP_send, &(struct evtchn_send){ .port = (evtchn_port_t)port });
}
static long closes(struct domain *who, int port)
{
    return call(who, EVTCHNOP_close, &(struct evtchn_close){ .port = (evtchn_port_t)port });
}
static long moves(struct domain *who, int port, uint32_t vcpu)
{
    return call(who, EVTCHNOP_bind_vcpu,
                &(struct evtchn_bind_vcpu){ .port = (evtchn_port_t)port, .vcpu = vcpu });
}
static long unmasks(struct domain *who, int port)
{
    return call(who, EVTCHNOP_unmask, &(struct evtchn_unmask){ .port = (evtchn_port_t)port });
}
static long resets(struct domain *who, domid_t whom)
{
    return call(who, EVTCHNOP_reset, &(struct evtchn_reset){ .dom = whom });
}

/* The whole answer: state, vCPU, two words of its union. */
static void status_is(struct domain *who, domid_t of, int port, unsigned int state,
                      unsigned int vcpu, unsigned int first, unsigned int second)
{
    struct evtchn_status op = { .dom = of, .port = (evtchn_port_t)port }, want = op;

    assert_int_equal(call(who, EVTCHNOP_status, &op), 0);
    want.status = state;
    want.vcpu = vcpu;
    if (state == EVTCHNSTAT_unbound)
        want.u.unbound.dom = (domid_t)first;
    else if (state == EVTCHNSTAT_interdomain)
        want.u.interdomain.dom = (domid_t)first;
    else
        want.u.pirq = first;
    if (state == EVTCHNSTAT_interdomain)
        want.u.interdomain.port = second;
    assert_memory_equal(&op, &want, sizeof(op));
}

/* --- what is written into the shared pages, and who is woken: all that happened since last --- */

static void quiet(void)
{
    memset(shared, 0, sizeof(shared));
    memset(woken, 0, sizeof(woken));
}

/* One port of one domain was raised, for one of its vCPUs; nothing else anywhere. */
static void only_raised(struct domain *d, int port, unsigned int vcpu)
{
    static struct shared_info want[3];

    memset(want, 0, sizeof(want));
    want[d->id].evtchn_pending[port / 64] = 1ul << port % 64;
    want[d->id].vcpu_info[vcpu].evtchn_pending_sel = 1ul << port / 64;
    want[d->id].vcpu_info[vcpu].evtchn_upcall_pending = 1;
    assert_memory_equal(shared, want, sizeof(want));
    for (unsigned int i = 0; i < 3; i++)
        for (unsigned int j = 0; j < 3; j++)
            assert_int_equal(woken[i][j], i == d->id && j == vcpu);
    quiet();
}

static void nothing_raised(void)
{
    static const struct shared_info none[3];

    assert_memory_equal(shared, none, sizeof(none));
    for (unsigned int i = 0; i < 9; i++)
        assert_int_equal(woken[i / 3][i % 3], 0);
}

static int set_up(void **state)
{
    struct domain *all[] = { &control, &guest, &other };

    memset(vcpus, 0, sizeof(vcpus));
    memset(pirq_ports, 0, sizeof(pirq_ports));
    pirq_error = 0;
    pirq_unbinds = writables = 0;
    quiet();
    for (unsigned int i = 0; i < 3; i++) {
        *all[i] = (struct domain){ .id = (domid_t)i, .privileged = i == 0, .refs = 1,
                                   .vcpu_count = 3, .shared = &shared[i],
                                   .events.limit = NR_EVTCHNS };
        spin_lock_init(&all[i]->events.lock, LOCK_EVENTS);
        for (unsigned int j = 0; j < 2; j++) {
            vcpus[i][j] = (struct vcpu){ .id = j, .domain = all[i],
                                         .info = &shared[i].vcpu_info[j] };
            all[i]->vcpus[j] = &vcpus[i][j];
        }
    }
    dom0 = &control;
    ring0_begin(&vcpus[0][0]);
    return 0;
}

static void end(struct domain *d)
{
    int error;

    for (budget_refill(); (error = events_destroy(d)); budget_refill())
        assert_int_equal(error, -ERESTART);
    assert_null(d->events.buckets);
    for (unsigned int i = 0; i < ARRAY_SIZE(d->events.used); i++)
        assert_int_equal(d->events.used[i], 0);
}

static int tear_down(void **state)
{
    end(&control);
    end(&guest);
    end(&other);
    ring0_end();
    assert_int_equal(writables, 0);
    return 0;
}

#endif
