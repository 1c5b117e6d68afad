/* SPDX-License-Identifier: MIT */
/*
 * System time: the TSC is the clock, the local APIC's one-shot timer is the alarm; clocks.c says
 * how fast they are.
 *
 * The rate is measured again over longer and longer times. When it is corrected, the clock goes on
 * from where it is, faster or slower.
 *
 * What is to happen when is domain/timers.c's business. Lock: none; what is here is written at boot
 * and by the correction.
 */
#include "machine/system_time.h"
#include "lib/printk.h"
#include "machine/apic.h"
#include "machine/clocks.h"
#include "machine/cpu.h"
#include "machine/io.h"
#include "machine/vectors.h"

#define NS_PER_S      1000000000ul
#define WRONG_PPM     1000          /* a correction above this is not believed */
#define NEWS_PPM      100           /* one above this is told everybody */
#define PPM           1000000

struct tsc_scale tsc_scale;
uint32_t time_version;
static uint64_t tsc_hz, lapic_hz;

static uint64_t scale_ticks(uint64_t tsc)
{
    const struct tsc_scale *s = &tsc_scale;
    uint64_t ticks = tsc - s->tsc_base;

    ticks = s->shift >= 0 ? ticks << s->shift : ticks >> -s->shift;
    return s->system_base + (uint64_t)((unsigned __int128)ticks * s->multiplier >> 32);
}

uint64_t now_ns(void)
{
    return scale_ticks(rdtsc());
}
uint64_t tsc_khz(void)
{
    return tsc_hz / 1000;
}

/* From this moment on, the TSC ticks so fast. RING0_LOCK: nobody reads the clock meanwhile. Other
 * CPUs' TSCs are in step (boot/smp.c). */
static void set_rate(uint64_t hz)
{
    uint64_t tsc = rdtsc(), now = time_version ? scale_ticks(tsc) : 0;

    tsc_hz = hz;
    tsc_scale = (struct tsc_scale){ .tsc_base = tsc, .system_base = now };
    for (; hz > 2 * NS_PER_S; hz >>= 1)
        tsc_scale.shift--;
    for (; hz <= NS_PER_S; hz <<= 1)
        tsc_scale.shift++;
    tsc_scale.multiplier = (uint32_t)((NS_PER_S << 32) / hz);
    time_version++;
}

/* ---- correction ---- */

static bool correct(void)
{
    uint64_t hz = clocks_long_rate();
    int64_t ppm = hz ? ((int64_t)hz - (int64_t)tsc_hz) * PPM / (int64_t)tsc_hz : 0;

    if (hz == 0 || ppm == 0) return false;
    if (ppm > WRONG_PPM || ppm < -WRONG_PPM) {
        log_warn("TSC measured at %lu kHz, %ld ppm from what was believed: ignored", hz / 1000,
                 ppm);
        return false;
    }
    set_rate(hz);
    printk_at(ppm > NEWS_PPM || ppm < -NEWS_PPM ? LOG_INFO : LOG_DEBUG,
              "TSC %lu kHz, corrected by %ld ppm", hz / 1000, ppm);
    return true;
}

bool clock_correct(uint64_t now)
{
    static uint64_t due;

    if (now < due) return false;
    due = now + CLOCKS_LOOK_NS;
    return correct();
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

void clock_start(void)
{
    struct clock_rates rates;

    clocks_measure(&rates);
    lapic_hz = rates.lapic_hz;
    set_rate(rates.tsc_hz);
    vector_claim(VECTOR_TIMER, on_timer_interrupt);
    printk("TSC %lu kHz, APIC timer %lu kHz, by %s (tries differ by %u ppm)", tsc_hz / 1000,
           lapic_hz / 1000, rates.reference, rates.spread_ppm);
    if (rates.spread_ppm == UINT32_MAX)
        log_warn("no three measurements of the TSC agree: the time may be wrong");
}
