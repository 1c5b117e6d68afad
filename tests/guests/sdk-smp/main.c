/* SPDX-License-Identifier: MIT */
/*
 * The SDK on several vCPUs: they are started, stopped in the middle, go on, end, and are started
 * again; each rings, is called and called back; and everything of the SDK that several may do is
 * done by up to four at once (storm.c): nothing is lost, torn, or seen by the wrong one.
 * machine: vcpus4
 */
#include <pvguest/bits.h>
#include <pvguest/thread.h>
#include "storm.h"

/* ---- life ---- */

static volatile uint64_t ticks, asked_to_end;
static volatile unsigned int where;

static void tick(void *argument)
{
    where = cpu_id();
    NEED(argument == &ticks);
    while (!asked_to_end)
        ticks++;
}

static bool moves_within(uint64_t ns)
{
    uint64_t was = ticks, until = now_ns() + ns;

    while (ticks == was && now_ns() < until)
        vcpu_yield();
    return ticks != was;
}

/* What moves may have to wait for a CPU, where others are at work on the machine. */
static bool moves(void)
{
    return moves_within(20 * NS_PER_S);
}

static bool stands(void)
{
    return !moves_within(20 * NS_PER_MS);
}

static void nothing(void *unused)
{
}

static void life(unsigned int id)
{
    struct smp_call post = { .function = nothing };

    asked_to_end = 0;
    CHECK_IS(smp_continue(id), -EINVAL);
    CHECK_IS(smp_stop(id), -EINVAL);
    CHECK_IS(smp_start(id, tick, ADDRESS(&ticks)), 0);
    CHECK_IS(smp_start(id, tick, ADDRESS(&ticks)), -EBUSY);
    CHECK(smp_runs(id));
    CHECK(moves());
    CHECK_IS(where, id);
    for (unsigned int i = 0; i < 5; i++) {
        CHECK_IS(smp_stop(id), 0);
        CHECK(stands());
        CHECK(smp_runs(id));
        CHECK_IS(smp_call(id, nothing, NULL), -ENODEV);
        CHECK_IS(smp_post(id, &post), -ENODEV);
        CHECK_IS(smp_stop(id), -EINVAL);
        CHECK_IS(smp_start(id, tick, ADDRESS(&ticks)), -EBUSY);
        CHECK_IS(smp_continue(id), 0);
        CHECK_IS(smp_call(id, nothing, NULL), 0);
        CHECK(moves());
    }
    asked_to_end = 1;
    smp_wait(id);
    CHECK(!smp_runs(id));
    CHECK(stands());
    CHECK_IS(smp_call(id, nothing, NULL), -ENODEV);
}

/* A hundred short ones: none is lost between the end of one and the start of the next. */
static void add_one(void *argument)
{
    (*(volatile uint64_t *)argument)++;
}

static void short_lives(unsigned int id)
{
    static uint64_t sum;

    sum = 0;
    for (unsigned int i = 0; i < 100; i++) {
        CHECK_IS(smp_start(id, add_one, &sum), 0);
        smp_wait(id);
    }
    CHECK_IS(sum, 100);
}

/* ---- ports that ring elsewhere ---- */

static volatile uint64_t rings, rang_on;

static void ring(evtchn_t port, void *data)
{
    rang_on = cpu_id();
    rings++;
}

static bool rings_in_time(uint64_t wanted)
{
    uint64_t until = now_ns() + 20 * NS_PER_S;

    while (rings < wanted && now_ns() < until)
        vcpu_yield();
    return rings == wanted;
}

static void moved_port(unsigned int id)
{
    int to = event_alloc_unbound(own_domid(), ring, NULL), from;

    NEED(to > 0);
    from = event_bind_interdomain(own_domid(), (evtchn_t)to, NULL, NULL);
    NEED(from > 0);
    rings = 0;
    CHECK_IS(event_send((evtchn_t)from), 0);
    CHECK(rings_in_time(1));
    CHECK_IS(rang_on, 0);
    CHECK_IS(event_move((evtchn_t)to, id), 0);
    CHECK_IS(event_send((evtchn_t)from), 0);
    CHECK(rings_in_time(2));
    CHECK_IS(rang_on, id);
    /* Unmasked by another vCPU than the one it rings on: what came meanwhile is not lost. */
    event_mask((evtchn_t)to);
    CHECK_IS(event_send((evtchn_t)from), 0);
    for (unsigned int i = 0; i < 50; i++)
        vcpu_yield();
    CHECK_IS(rings, 2);
    event_unmask((evtchn_t)to);
    CHECK(rings_in_time(3));
    CHECK_IS(rang_on, id);
    CHECK_IS(event_move((evtchn_t)to, 0), 0);
    CHECK_IS(event_send((evtchn_t)from), 0);
    CHECK(rings_in_time(4));
    CHECK_IS(rang_on, 0);
    CHECK_REFUSED(event_move((evtchn_t)to, MOST_CPUS));
    event_unbind((evtchn_t)from);
    event_unbind((evtchn_t)to);
}

/* An event is pending when a frame is returned to that has none masked: it comes there and then. */
static volatile uint64_t came_at_once;

static void return_to_unmasked(void *unused)
{
    struct trap_frame frame = { .cs = 0xe030, .rflags = 0x202, .ss = FLAT_KERNEL_SS }, *at = &frame;
    int port = event_bind_ipi_on(cpu_id(), ring, NULL);

    NEED(port > 0);
    rings = 0;
    events_mask_all();
    NEED(event_send((evtchn_t)port) == 0);
    NEED(rings == 0);
    asm volatile("mov %%rsp, %c[rsp](%%rdi)\n\tmov %%rbp, %c[rbp](%%rdi)\n\t"
                 "movq $1f, %c[rip](%%rdi)\n\tjmp return_to_frame\n1:"
                 : "+D" (at)
                 : [rsp] "i" (offsetof(struct trap_frame, rsp)),
                   [rbp] "i" (offsetof(struct trap_frame, rbp)),
                   [rip] "i" (offsetof(struct trap_frame, rip))
                 : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                   "r15", "memory", "cc");
    came_at_once = rings == 1 && rang_on == cpu_id();
    NEED(!events_masked());
    event_unbind((evtchn_t)port);
}

static void returns(unsigned int id)
{
    return_to_unmasked(NULL);
    CHECK(came_at_once);
    came_at_once = 0;
    CHECK_IS(smp_start(id, return_to_unmasked, NULL), 0);
    smp_wait(id);
    CHECK(came_at_once);
}

/* ---- two who call each other, and a thread that is woken from elsewhere ---- */

static volatile bool echo;
static volatile uint64_t echoes;

static void count_echo(void *unused)
{
    echoes++;
}

static void call_back(void *unused)
{
    while (echo)
        NEED(smp_call(0, count_echo, NULL) == 0);
}

static WAIT_QUEUE(sleepers);
static volatile bool woken;

static void wake(void *unused)
{
    woken = true;
    wake_all(&sleepers);
}

static void wake_from_here(void *unused)
{
    NEED(smp_call(0, wake, NULL) == 0);
}

static void both_call(unsigned int id)
{
    echo = true;
    echoes = 0;
    CHECK_IS(smp_start(id, call_back, NULL), 0);
    for (unsigned int i = 0; i < 200; i++)
        CHECK_IS(smp_call(id, nothing, NULL), 0);
    while (echoes < 10)
        vcpu_yield();
    echo = false;
    smp_wait(id);
    woken = false;
    CHECK_IS(smp_start(id, wake_from_here, NULL), 0);
    wait_event(sleepers, woken);
    smp_wait(id);
}

void test_main(void)
{
    unsigned int all = smp_count();

    if (all < 2)
        test_skip("there is no second vCPU");
    running = MIN(all, MOST);
    CHECK_IS(smp_start(0, nothing, NULL), -EINVAL);
    CHECK_IS(smp_start(all, nothing, NULL), -EINVAL);
    CHECK_IS(smp_call(all, nothing, NULL), -ENODEV);
    for (unsigned int id = 1; id < running; id++)
        life(id);
    short_lives(1);
    returns(1);
    both_call(running - 1);
    asked_to_end = 0;
    CHECK_IS(smp_start(1, tick, ADDRESS(&ticks)), 0);
    moved_port(1);
    asked_to_end = 1;
    smp_wait(1);
    printk("sdk-smp: the storm, on %u vCPUs\n", running);
    storm_prepare();
    for (unsigned int id = 1; id < running; id++)
        CHECK_IS(smp_start(id, storm, &seen[id]), 0);
    storm(&seen[0]);
    for (unsigned int id = 1; id < running; id++)
        smp_wait(id);
    storm_judge();
}
