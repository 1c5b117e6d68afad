/* SPDX-License-Identifier: MIT */
/* The domain that works: it is rung, and paused, and its registers are read. */
#include "neighbours.h"

#define RINGS    12
#define AT_ONCE  20             /* rounds of its work */
#define NEVER    (~0UL)
#define PATIENCE (20 * NS_PER_S)

extern const char worker_code[], worker_code_end[], worker_events[];

struct other worker;
const struct other_program worker_program = { worker_code, worker_code_end, worker_events };

static struct shared_info *shared;          /* the worker's */
static evtchn_port_t ours, its;             /* a pair of ports */
static volatile bool ringing;

/* ---- rung ---- */

/* How many rounds the worker did between our call and the event: however slow the machine is, it is
 * interrupted by that. It leaves the port's own bit to us. */
static uint64_t ring(bool gives_way)
{
    struct evtchn_send send = { .port = ours };
    uint64_t before = worker_state()->rung, since = now_ns(), called;

    __atomic_fetch_and(&shared->evtchn_pending[its / 64], ~(1UL << its % 64), __ATOMIC_SEQ_CST);
    if (HYPERVISOR_event_channel_op(EVTCHNOP_send, &send) != 0) return NEVER;
    called = worker_state()->rounds;
    while (worker_state()->rung == before && now_ns() - since < PATIENCE)
        if (gives_way)
            vcpu_yield();
    if (worker_state()->rung == before) return NEVER;
    return worker_state()->rung_in - MIN(called, worker_state()->rung_in);
}

/* The two of us are alone, each on a CPU: it hears at once, not when a clock ticks. */
static void rung_while_all_is_quiet(void)
{
    unsigned int late = 0;

    for (unsigned int i = 0; i < RINGS && late < RINGS / 2; i++) {
        uint64_t since = now_ns(), rounds = worker_state()->rounds;

        while (worker_state()->rounds == rounds && now_ns() - since < PATIENCE)
            vcpu_yield();
        late += ring(cpus_of_machine() < 2) > AT_ONCE;
    }
    printk("%u of %u events came late\n", late, RINGS);
    CHECK(late < RINGS / 2 || cpus_of_machine() < 2);
}

void worker_begin(void)
{
    struct evtchn_alloc_unbound alloc = { .remote_dom = 0 };
    struct evtchn_bind_interdomain bind;

    worker.program = &worker_program;
    other_begin(&worker, PAGES);
    shared = other_shared_info(&worker);
    alloc.dom = bind.remote_dom = worker.id;
    NEED(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc) == 0);
    bind.remote_port = its = alloc.port;
    NEED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind) == 0);
    ours = bind.local_port;
    rung_while_all_is_quiet();
}

/* ---- looked at ---- */

/* It counts in RBX, and writes each number down; so its registers, read later, are no older. */
static void read_registers(struct racer *r)
{
    static struct vcpu_guest_context context[RACERS];
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpucontext, .domain = worker.id };
    uint64_t rounds = worker_state()->rounds;

    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context[r->id]);
    MUST(r, domctl(&op) == 0);
    MUST(r, context[r->id].user_regs.rbx >= rounds);
}

static void pause(struct racer *r)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_pausedomain, .domain = worker.id };
    uint64_t rounds;

    MUST(r, domctl(&op) == 0);
    rounds = worker_state()->rounds;
    linger(r, 20000);
    MUST(r, worker_state()->rounds == rounds);
    op.cmd = XEN_DOMCTL_unpausedomain;
    MUST(r, domctl(&op) == 0);
}

void worker_race(struct racer *r)
{
    switch (any(r, 4)) {
    case 0:
        if (__atomic_exchange_n(&ringing, true, __ATOMIC_SEQ_CST)) return;
        MUST(r, ring(true) != NEVER);
        ringing = false;
        break;
    case 1: pause(r); break;
    default: read_registers(r); break;
    }
}

void worker_end(void)
{
    struct evtchn_close close = { .port = ours };
    uint64_t rounds = worker_state()->rounds;

    printk("the worker has done %lu rounds\n", rounds);
    CHECK(rounds > 0);
    CHECK_IS(worker_state()->wrong, 0);
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close), 0);
    unmap_frames(shared, 1);
    other_end(&worker);
}
