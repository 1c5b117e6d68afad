/* SPDX-License-Identifier: MIT */
/*
 * Time: the TSC is the clock, its rate measured at boot; the local APIC's one-shot timer is the alarm. Guests get the TSC's rate in
 * their vcpu_info and compute the same nanoseconds from it as now_ns() does here.
 *
 * What is to happen when is domain/timers.c's business. Lock: none; what is here is written at boot and by dom0's settime.
 */
#include "domain/time.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/io.h"
#include "machine/vectors.h"
#include "memory/access.h"

#define PM_TIMER_HZ   3579545u      /* ACPI 6.4, 4.8.3.3; 24 bits are always there */
#define PM_TIMER_MASK 0xffffffu
#define PIT_HZ        1193182u
#define CALIBRATE_MS  10u
#define NS_PER_S      1000000000ul

/* nanoseconds = ((ticks << shift) * multiplier) >> 32, the form of struct vcpu_time_info; a negative shift is to the right. */
static struct { uint64_t tsc_base; uint32_t multiplier; int8_t shift; } scale;
static uint64_t tsc_hz, lapic_hz;
static uint64_t wall_base_s;        /* the wall clock when now_ns() was 0 */
static uint32_t wall_base_ns;

static uint64_t scale_ticks(uint64_t ticks)
{
    ticks = scale.shift >= 0 ? ticks << scale.shift : ticks >> -scale.shift;
    return (uint64_t)((unsigned __int128)ticks * scale.multiplier >> 32);
}

uint64_t now_ns(void) { return scale_ticks(rdtsc() - scale.tsc_base); }
uint64_t tsc_khz(void) { return tsc_hz / 1000; }

/* ---- calibration ---- */

/* Wait CALIBRATE_MS by a clock of known rate; returns how many of its ticks really went by. */
static uint32_t wait_pm_timer(uint64_t tsc[2])
{
    uint32_t start = inl(acpi.pm_timer_port), passed;

    tsc[0] = rdtsc();
    do passed = (inl(acpi.pm_timer_port) - start) & PM_TIMER_MASK; while (passed < PM_TIMER_HZ * CALIBRATE_MS / 1000);
    tsc[1] = rdtsc();
    return passed;
}

static uint32_t wait_pit(uint64_t tsc[2])
{
    uint16_t count = PIT_HZ * CALIBRATE_MS / 1000;

    outb(0x61, (uint8_t)((inb(0x61) & ~2u) | 1));       /* channel 2 counts, the speaker is off */
    outb(0x43, 0xb0);
    outb(0x42, (uint8_t)count);
    outb(0x42, (uint8_t)(count >> 8));
    tsc[0] = rdtsc();
    while (!(inb(0x61) & 0x20)) cpu_relax();
    tsc[1] = rdtsc();
    return count;
}

/* The shortest of a few tries: a virtual machine may be stopped in the middle of one, which only ever makes it longer. */
static void calibrate(void)
{
    uint64_t best = 0;

    for (unsigned int i = 0; i < 3; i++) {
        uint64_t tsc[2], hz, lapic;
        uint32_t ticks, clock_hz = acpi.pm_timer_port ? PM_TIMER_HZ : PIT_HZ;

        lapic_timer_set(0xffffffff);
        ticks = acpi.pm_timer_port ? wait_pm_timer(tsc) : wait_pit(tsc);
        lapic = 0xffffffff - lapic_timer_left();
        hz = (tsc[1] - tsc[0]) * clock_hz / ticks;
        if (best && ticks >= best) continue;
        best = ticks;
        tsc_hz = hz;
        lapic_hz = lapic * clock_hz / ticks;
    }
    lapic_timer_set(0);
}

static void make_scale(void)
{
    uint64_t hz = tsc_hz;

    for (; hz > 2 * NS_PER_S; hz >>= 1) scale.shift--;
    for (; hz <= NS_PER_S; hz <<= 1) scale.shift++;
    scale.multiplier = (uint32_t)((NS_PER_S << 32) / hz);
    scale.tsc_base = rdtsc();
}

/* ---- the wall clock: the MC146818's registers at boot, later what dom0 says ---- */

static uint8_t cmos(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static uint64_t days_since_1970(uint64_t y, uint64_t m, uint64_t d)
{
    if (m <= 2) { y--; m += 12; }
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * (m - 3) + 2) / 5 + d - 719469;
}

static uint64_t read_rtc(void)
{
    uint8_t r[6];                   /* second, minute, hour, day, month, year of the century */
    static const uint8_t registers[6] = { 0, 2, 4, 7, 8, 9 };

    for (unsigned int i = 0; i < 100000 && cmos(10) & 0x80; i++) cpu_relax();      /* an update is in progress */
    for (unsigned int i = 0; i < 6; i++) r[i] = cmos(registers[i]);
    if (!(cmos(11) & 4))            /* binary-coded decimal */
        for (unsigned int i = 0; i < 6; i++) r[i] = (uint8_t)((r[i] >> 4) * 10 + (r[i] & 15));
    return days_since_1970(2000ul + r[5], r[4], r[3]) * 86400 + r[2] * 3600ul + r[1] * 60ul + r[0];
}

void update_domain_wallclock(struct domain *d)
{
    uint64_t s = wall_base_s + (uint64_t)d->time_offset_seconds;

    d->shared->wc_version = (d->shared->wc_version + 1) | 1;    /* odd: being changed, whatever the guest wrote there */
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
    list_for_each(l, &domain_list) update_domain_wallclock(list_entry(l, struct domain, all_domains));
    spin_unlock(&domain_list_lock);
}

/* ---- pvclock: since the TSC is the clock, what a guest needs never changes; it is written when its place changes ---- */

void update_vcpu_time(struct vcpu *v)
{
    struct vcpu_time_info *t = &v->info->time, copy;

    t->version = (t->version + 1) | 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    t->tsc_timestamp = scale.tsc_base;
    t->system_time = 0;
    t->tsc_to_system_mul = scale.multiplier;
    t->tsc_shift = scale.shift;
    t->flags = XEN_PVCLOCK_TSC_STABLE_BIT;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    t->version++;
    copy = *t;
    if (v->time_area && v == current) (void)!write_guest(v->time_area, &copy);
}

/* A toolstack clears a domain's shared_info before it lets it run, and with it what was written there when it was created. */
void update_domain_time(struct domain *d)
{
    update_domain_wallclock(d);
    for (uint32_t i = 0; i < d->vcpu_count; i++)
        if (d->vcpus[i]) update_vcpu_time(d->vcpus[i]);
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

static void on_timer_interrupt(void *unused) { this_cpu()->work |= WORK_TIMERS; }

void time_init(void)
{
    calibrate();
    make_scale();
    wall_base_s = read_rtc();
    vector_claim(VECTOR_TIMER, on_timer_interrupt);
    printk("TSC %lu kHz, APIC timer %lu kHz, %s", tsc_hz / 1000, lapic_hz / 1000,
           acpi.pm_timer_port ? "by the ACPI timer" : "by the PIT");
}
