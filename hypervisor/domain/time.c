/* SPDX-License-Identifier: MIT */
/*
 * Time: the TSC is the clock, the local APIC's one-shot timer is the alarm; machine/clocks.c says
 * how fast they are. Guests get the TSC's rate in their vcpu_info and compute the same nanoseconds
 * from it as now_ns() does here.
 *
 * The rate is measured again over longer and longer times. When it is corrected, the clock goes on
 * from where it is, faster or slower, and each vCPU is told before it runs again.
 *
 * What is to happen when is domain/timers.c's business. Lock: none; what is here is written at
 * boot, by the correction and by dom0's settime.
 */
#include "domain/time.h"
#include "domain/domain.h"
#include "lib/printk.h"
#include "machine/apic.h"
#include "machine/clocks.h"
#include "machine/io.h"
#include "machine/vectors.h"
#include "memory/access.h"

#define NS_PER_S      1000000000ul
#define WRONG_PPM     1000          /* a correction above this is not believed */
#define NEWS_PPM      100           /* one above this is told everybody */
#define PPM           1000000

/*
 * nanoseconds = system_base + (((ticks << shift) * multiplier) >> 32), with ticks since tsc_base:
 * the form of struct vcpu_time_info; a negative shift is to the right.
 */
static struct { uint64_t tsc_base, system_base; uint32_t multiplier; int8_t shift; } scale;
uint32_t time_version;
static uint64_t tsc_hz, lapic_hz;
static uint64_t wall_base_s;        /* the wall clock when now_ns() was 0 */
static uint32_t wall_base_ns;

static uint64_t scale_ticks(uint64_t tsc)
{
    uint64_t ticks = tsc - scale.tsc_base;

    ticks = scale.shift >= 0 ? ticks << scale.shift : ticks >> -scale.shift;
    return scale.system_base + (uint64_t)((unsigned __int128)ticks * scale.multiplier >> 32);
}

uint64_t now_ns(void)
{
    return scale_ticks(rdtsc());
}
uint64_t tsc_khz(void)
{
    return tsc_hz / 1000;
}

/* From this moment on, the TSC ticks so fast. */
static void set_rate(uint64_t hz)
{
    uint64_t tsc = rdtsc(), now = time_version ? scale_ticks(tsc) : 0;

    tsc_hz = hz;
    scale = (typeof(scale)){ .tsc_base = tsc, .system_base = now };
    for (; hz > 2 * NS_PER_S; hz >>= 1)
        scale.shift--;
    for (; hz <= NS_PER_S; hz <<= 1)
        scale.shift++;
    scale.multiplier = (uint32_t)((NS_PER_S << 32) / hz);
    time_version++;
}

/* ---- correction ---- */

static void correct(void)
{
    uint64_t hz = clocks_long_rate();
    int64_t ppm = hz ? ((int64_t)hz - (int64_t)tsc_hz) * PPM / (int64_t)tsc_hz : 0;

    if (ppm > WRONG_PPM || ppm < -WRONG_PPM) {
        log_warn("TSC measured at %lu kHz, %ld ppm from what was believed: ignored", hz / 1000,
                 ppm);
    } else if (hz != 0 && ppm != 0) {
        set_rate(hz);
        if (current != &boot_vcpu)
            update_vcpu_time(current);
        printk_at(ppm > NEWS_PPM || ppm < -NEWS_PPM ? LOG_INFO : LOG_DEBUG,
                  "TSC %lu kHz, corrected by %ld ppm", hz / 1000, ppm);
    }
}

void time_look(uint64_t now)
{
    static uint64_t due;

    if (now < due) return;
    due = now + CLOCKS_LOOK_NS;
    correct();
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

    wall_base_s = wall / NS_PER_S;
    wall_base_ns = (uint32_t)(wall % NS_PER_S);
    spin_lock(&domain_list_lock);
    list_for_each (l, &domain_list)
        update_domain_wallclock(list_entry(l, struct domain, all_domains));
    spin_unlock(&domain_list_lock);
}

/* --- pvclock: the TSC is the clock, so it is written anew only with its rate or its place --- */

void update_vcpu_time(struct vcpu *v)
{
    struct vcpu_time_info *t = &v->info->time;

    v->time.version = time_version;
    t->version = (t->version + 1) | 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    t->tsc_timestamp = scale.tsc_base;
    t->system_time = scale.system_base;
    t->tsc_to_system_mul = scale.multiplier;
    t->tsc_shift = scale.shift;
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
    update_domain_wallclock(d);
    for (uint32_t i = 0; i < d->vcpu_count; i++)
        if (d->vcpus[i])
            update_vcpu_time(d->vcpus[i]);
}

/* ---- the alarm ---- */

/* A far deadline in steps of a second; one in the past at once, on the way out of ring 0. */
uint64_t alarm_set(uint64_t deadline)
{
    uint64_t now = now_ns(), wait;

    if (deadline <= now) {
        this_cpu()->work |= WORK_TIMERS;
        return now;
    }
    wait = MIN(deadline - now, NS_PER_S);
    lapic_timer_set((uint32_t)MIN(wait * lapic_hz / NS_PER_S + 1, 0xfffffffful));
    return now + wait;
}

static void on_timer_interrupt(void *unused)
{
    this_cpu()->work |= WORK_TIMERS;
}

void time_init(void)
{
    struct clock_rates rates;

    clocks_measure(&rates);
    lapic_hz = rates.lapic_hz;
    set_rate(rates.tsc_hz);
    wall_base_s = rtc_read();
    vector_claim(VECTOR_TIMER, on_timer_interrupt);
    printk("TSC %lu kHz, APIC timer %lu kHz, by %s (tries differ by %u ppm)", tsc_hz / 1000,
           lapic_hz / 1000, rates.reference, rates.spread_ppm);
    printk("wall clock %lu s since 1970, by the RTC", wall_base_s);
    if (rates.spread_ppm == UINT32_MAX)
        log_warn("no three measurements of the TSC agree: the time may be wrong");
}
