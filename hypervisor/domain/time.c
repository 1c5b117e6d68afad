/* SPDX-License-Identifier: MIT */
/*
 * Time as guests see it. They get the TSC's rate in their vcpu_info and compute the same
 * nanoseconds from it as now_ns() does (machine/system_time.c). When the rate is corrected, each
 * vCPU is told before it runs again (those that run: at once).
 *
 * Lock: none; what is here is written at boot and by dom0's settime.
 */
#include "domain/time.h"
#include "domain/domain.h"
#include "lib/printk.h"
#include "machine/budget.h"
#include "machine/clocks.h"
#include "memory/access.h"

#define NS_PER_S       1000000000ul
#define COST_WALLCLOCK 24           /* instructions: a domain's written, of 1,024 at most */

static uint64_t wall_base_s;        /* the wall clock when now_ns() was 0 */
static uint32_t wall_base_ns;

void time_look(uint64_t now)
{
    struct cpu *cpu;

    if (!clock_correct(now)) return;
    for_each_cpu (cpu)              /* schedule() tells who runs there */
        cpu_reschedule(cpu);
}

/* ---- the wall clock: the RTC at boot, later what dom0 says ---- */

void update_domain_wallclock(struct domain *d)
{
    uint64_t s = wall_base_s + (uint64_t)d->time.offset_seconds;

    /* odd: being changed, whatever the guest wrote there */
    d->shared->wc_version = (d->shared->wc_version + 1) | 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    d->shared->wc_sec = (uint32_t)s;
    d->shared->wc_sec_hi = (uint32_t)(s >> 32);
    d->shared->wc_nsec = wall_base_ns;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    d->shared->wc_version++;
}

void wallclock_set(uint64_t sec, uint32_t nsec, uint64_t system_ns)
{
    uint64_t wall = sec * NS_PER_S + nsec - system_ns;      /* good until the year 2554 */
    struct domain *d;

    wall_base_s = wall / NS_PER_S;
    wall_base_ns = (uint32_t)(wall % NS_PER_S);
    spend((int)domain_count * COST_WALLCLOCK);
    spin_lock(&domain_list_lock);
    list_for_each (d, &domain_list, all_domains)
        update_domain_wallclock(d);
    spin_unlock(&domain_list_lock);
}

/* --- pvclock: the TSC is the clock, so it is written anew only with its rate or its place --- */

void update_vcpu_time(struct vcpu *v)
{
    struct vcpu_time_info *t = &v->info->time;

    v->time.version = time_version;
    t->version = (t->version + 1) | 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    t->tsc_timestamp = tsc_scale.tsc_base;
    t->system_time = tsc_scale.system_base;
    t->tsc_to_system_mul = tsc_scale.multiplier;
    t->tsc_shift = tsc_scale.shift;
    t->flags = XEN_PVCLOCK_TSC_STABLE_BIT;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    t->version++;
    v->time.area_stale = v->time.area != 0;
    if (v->time.area_stale && v == current && v->in_kernel)
        vcpu_time_publish(v);
}

void vcpu_time_publish(struct vcpu *v)
{
    struct vcpu_time_info copy = v->info->time;

    v->time.area_stale = false;
    (void)!write_guest(v->time.area, &copy);
}

/* A toolstack clears a domain's shared_info before it lets it run, and with it what was written
 * there when it was created. */
void update_domain_time(struct domain *d)
{
    struct vcpu *v;

    update_domain_wallclock(d);
    for_each_vcpu (v, d)
        update_vcpu_time(v);
}

void time_init(void)
{
    clock_start();
    wall_base_s = rtc_read();
    printk("wall clock %lu s since 1970, by the RTC", wall_base_s);
}
