/* SPDX-License-Identifier: MIT */
/*
 * The pvclock: the hypervisor keeps in vcpu_time_info a system time, the TSC at which it was true,
 * and a scale; we add what the TSC says has passed since. The version is odd while it is being
 * changed: read again until it is the same and even. One-shot timers are a sorted list of each
 * vCPU's; its head is the deadline the hypervisor is asked for.
 */
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/cpu.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/start.h>
#include <pvguest/time.h>
#include "smp.h"
#include "suspend.h"

static uint64_t latest;             /* what now_ns last said */
static uint64_t before;             /* this life's system time began: what now_ns is ahead of it */

/* A new scale may put us some nanoseconds before what the old one said, another vCPU's clock before
 * or behind ours. */
static uint64_t never_back(uint64_t now)
{
    if (several_cpus) {
        uint64_t said = READ_ONCE(latest);

        while (now > said &&
               !__atomic_compare_exchange_n(&latest, &said, now, false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST))
            ;
        return MAX(now, said);
    }
    return latest = MAX(latest, now);
}

static uint64_t system_time(void)
{
    const struct vcpu_time_info *info = &cpu_info()->time;
    uint64_t now;
    uint32_t version;

    do {
        version = READ_ONCE(info->version);
        rmb();
        now = info->system_time + pvclock_scale(read_tsc() - info->tsc_timestamp,
                                                info->tsc_to_system_mul, info->tsc_shift);
        rmb();
    } while ((version & 1) || version != READ_ONCE(info->version));
    return now;
}

uint64_t now_ns(void)
{
    return never_back(system_time() + before);
}

uint64_t wall_clock_ns(void)
{
    uint32_t version;
    uint64_t boot;

    do {
        version = READ_ONCE(shared_info.wc_version);
        rmb();
        boot = ((uint64_t)shared_info.wc_sec_hi << 32 | shared_info.wc_sec) * NS_PER_S +
               shared_info.wc_nsec;
        rmb();
    } while ((version & 1) || version != READ_ONCE(shared_info.wc_version));
    return boot + now_ns() - before;
}

void delay_ns(uint64_t ns)
{
    for (uint64_t until = now_ns() + ns; now_ns() < until; )
        cpu_relax();
}

/* A system time that is past is one that there was: 1, for 0 is none. */
uint64_t time_to_system(uint64_t ns)
{
    if (!ns || !before) return ns;
    return (int64_t)(ns - before) > 0 ? ns - before : 1;
}

void set_deadline(uint64_t ns)
{
    HYPERVISOR_set_timer_op((int64_t)time_to_system(ns));
}

/* ---- timers ---- */

static void program_first(const struct cpu *cpu)
{
    set_deadline(cpu->timers ? cpu->timers->when : 0);
}

static bool unlink_timer(struct cpu *cpu, struct timer *timer)
{
    for (struct timer **at = &cpu->timers; *at; at = &(*at)->next) {
        if (*at == timer) {
            *at = timer->next;
            return true;
        }
    }
    return false;
}

void timer_set(struct timer *timer, uint64_t when, void (*handler)(void *data), void *data)
{
    bool masked = events_save();
    struct cpu *cpu = this_cpu();
    struct timer **at = &cpu->timers;

    unlink_timer(cpu, timer);
    timer->when = when;
    timer->handler = handler;
    timer->data = data;
    while (*at && (*at)->when <= when)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
    if (cpu->timers == timer)
        program_first(cpu);
    events_restore(masked);
}

void timer_cancel(struct timer *timer)
{
    bool masked = events_save();

    /* The hypervisor's deadline stays as it is: at worst one event finds nothing to do. */
    unlink_timer(this_cpu(), timer);
    events_restore(masked);
}

uint64_t timer_next(void)
{
    bool masked = events_save();
    const struct timer *first = this_cpu()->timers;
    uint64_t when = first ? first->when : 0;

    events_restore(masked);
    return when;
}

static void timer_event(evtchn_t port, void *data)
{
    struct cpu *cpu = this_cpu();

    while (cpu->timers && cpu->timers->when <= now_ns()) {
        struct timer *timer = cpu->timers;

        cpu->timers = timer->next;
        timer->handler(timer->data);
    }
    if (cpu->timers)
        program_first(cpu);
}

int time_start(unsigned int id)
{
    /* Xen starts every vCPU with a 100 Hz tick; a kernel that wants one sets a timer. */
    HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, id, NULL);
    return event_bind_virq_on(id, VIRQ_TIMER, timer_event, NULL);
}

void time_resume(void)
{
    before = latest - system_time();
    if (time_start(0) < 0)
        panic("pvguest: no timer\n");
    time_go_on();
}

void time_go_on(void)
{
    program_first(this_cpu());
}

void time_init(void)
{
    if (time_start(0) < 0)
        panic("pvguest: no timer\n");
}
