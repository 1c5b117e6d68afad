/* SPDX-License-Identifier: MIT */
/*
 * A domU of five vCPUs that is saved and restored with all of them at work: one computes, has an
 * MSR of its own and calls another, one lives by its timers, one is stopped and goes on, one ends
 * and is started anew; each is afterwards what it was, and nobody's clock goes back. It says each
 * round, and which life it has. Ends only by a failure; where nobody can save it, it skips.
 * (tests/system/test_save.py, and test_rig.py: on real Xen)
 */
#include "../lib/test.h"

#include <pvguest/bits.h>
#include <pvguest/sched.h>
#include <pvguest/smp.h>
#include <pvguest/suspend.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <pvguest/xenstore.h>

#define TSC_AUX 0x1234u                 /* MSR 0xc0000103: what RDTSCP gives beside the time */

enum { MAIN, COMPUTES, TICKS, STOPS, ENDS, VCPUS };

static unsigned int life;
static volatile unsigned int did[VCPUS];
static volatile bool clock_went_back;

static void did_one(void *who)
{
    did[(uintptr_t)who]++;
}

/* Linux finds by it on which CPU a program is. */
static uint32_t tsc_aux(void)
{
    uint32_t aux;

    asm volatile("rdtscp" : "=c" (aux) : : "eax", "edx");
    return aux;
}

static void compute(void *unused)
{
    unsigned int own = 0;

    asm volatile("wrmsr" : : "c" (0xc0000103), "a" (TSC_AUX), "d" (0));
    for (;;) {
        if (smp_call(TICKS, did_one, (void *)COMPUTES))
            break;                              /* its counter stands still, and is missed */
        own++;
        if (tsc_aux() != TSC_AUX)
            break;
        for (unsigned int i = 0; i < 10000; i++)
            cpu_relax();
        if (did[COMPUTES] != own)
            break;
    }
}

static void tick(void *timer)
{
    static uint64_t last;
    uint64_t now = now_ns();

    clock_went_back |= now < last;
    last = now;
    did[TICKS]++;
    timer_set(timer, now + 20 * NS_PER_MS, tick, timer);
}

static void live_by_timers(void *unused)
{
    static struct timer timer;

    timer_set(&timer, now_ns(), tick, &timer);
    for (;;)
        vcpu_block();
}

static void go_on(void *unused)
{
    for (;;) {
        did[STOPS]++;
        vcpu_yield();
    }
}

static void tell(struct suspend_hook *hook, bool restored)
{
    life += restored;
    printk("smp-saved: %s\n", restored ? "restored" : "going on");
}

static bool more_of(unsigned int id, unsigned int than)
{
    for (uint64_t until = now_ns() + 60 * NS_PER_S; did[id] == than; thread_sleep(NS_PER_MS))
        if (now_ns() > until)
            return false;
    return true;
}

/* vCPU 3 stands still between two rounds, vCPU 4 is down. */
static void one_round(unsigned int number)
{
    static unsigned int stopped_at;

    CHECK(more_of(COMPUTES, did[COMPUTES]) && more_of(TICKS, did[TICKS]) && !clock_went_back);
    CHECK_IS(did[STOPS], stopped_at);
    CHECK_IS(smp_continue(STOPS), 0);
    CHECK(more_of(STOPS, stopped_at));
    CHECK_IS(smp_stop(STOPS), 0);
    stopped_at = did[STOPS];
    CHECK_IS(smp_start(ENDS, did_one, (void *)ENDS), 0);
    smp_wait(ENDS);
    CHECK_IS(did[ENDS], number);
    printk("smp-saved: round %u of life %u\n", number, life);
    thread_sleep(200 * NS_PER_MS);
}

void test_main(void)
{
    static struct suspend_hook hook = { .after = tell };

    if (!xs_available() || smp_count() < VCPUS)
        test_skip("no XenStore, or too few vCPUs");
    suspend_hook(&hook);
    NEED(smp_start(TICKS, live_by_timers, NULL) == 0 && smp_start(COMPUTES, compute, NULL) == 0);
    NEED(smp_start(STOPS, go_on, NULL) == 0 && smp_stop(STOPS) == 0);
    did[STOPS] = 0;
    NEED(suspend_when_asked() == 0);
    for (unsigned int round = 1; ; round++)
        one_round(round);
}
