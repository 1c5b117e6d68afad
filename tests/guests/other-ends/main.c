/* SPDX-License-Identifier: MIT */
/*
 * A domain is ended while it makes calls, and nobody has paused it first: its vCPU may wait on its
 * own CPU to come into ring 0 just then, and makes one more call while the other waits for it to
 * leave. What that call asks for ends with the domain, too: timers of its vCPU, and the domain's
 * watchdogs. One that was set then would ring when its memory is another domain's: here it is all
 * zeroes, so that nobody can miss it. Idea: XSA-343 (what is set up while all is taken down).
 * Xen does as much, in half a minute.
 * on xen: SKIP
 * machine: vcpus4
 */
#include "../lib/other.h"

#include <pvguest/bits.h>
#include <xen/sched.h>

#define ROUNDS 4                        /* of timers; of watchdogs more */
#define AHEAD  (50 * NS_PER_MS)         /* when a timer rings: the memory has another use by then */
#define SECOND (1000 * NS_PER_MS)       /* the least that a watchdog can have */

extern const char calls_code[], calls_code_end[], calls_events[];
static const struct other_program program = { calls_code, calls_code_end, calls_events };

/* Its data page, known to calls_code.asm. */
struct data {
    volatile uint64_t rounds;
    struct { uint64_t number, argument[2]; } call, none;
    struct sched_watchdog watchdog;
};

#define IN_DATA(member) (OTHER_VA(OTHER_DATA) + offsetof(struct data, member))

enum { TIMER, WATCHDOG };

/* A new watchdog each time: soon it has all that there are, and has them anew when those were
 * stopped. */
static void ask_for(struct data *data, unsigned int kind)
{
    data->watchdog = (struct sched_watchdog){ .id = 0, .timeout = 1 };
    data->call.argument[0] = kind == WATCHDOG ? SCHEDOP_watchdog : now_ns() + AHEAD;
    data->call.argument[1] = IN_DATA(watchdog);
    barrier();
    data->call.number = kind == WATCHDOG ? __HYPERVISOR_sched_op : __HYPERVISOR_set_timer_op;
}

static void ended_at_work(unsigned int kind)
{
    static struct other other;
    uint64_t until = now_ns() + 10 * NS_PER_S, rounds;
    struct data *data;

    other.program = &program;
    other_begin(&other, 16);
    data = (struct data *)(void *)other.data;
    ask_for(data, kind);
    for (rounds = data->rounds; data->rounds < rounds + 100 && now_ns() < until; )
        vcpu_yield();
    NEED(data->rounds >= rounds + 100);
    other_end(&other);
}

/* Who has the memory then, for so long. */
static void others_have_it(uint64_t ns)
{
    static struct other heir;

    other_begin(&heir, OTHER_MAX);
    delay_ns(ns);
    other_end(&heir);
}

void test_main(void)
{
    long pages;

    if (!is_dom0())
        test_skip("only dom0 makes domains");
    if (!on_domus())
        test_skip("too slow on Xen in QEMU");
    ended_at_work(TIMER);               /* the first ones fill caches that stay */
    others_have_it(0);
    pages = free_pages_of_machine();
    for (unsigned int i = 0; i < ROUNDS; i++) {
        ended_at_work(TIMER);
        others_have_it(2 * AHEAD);
    }
    for (unsigned int i = 0; i < 6 * ROUNDS; i++)
        ended_at_work(WATCHDOG);
    others_have_it(SECOND + 2 * AHEAD);
    CHECK(free_again(pages));
}
