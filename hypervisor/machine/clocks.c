/* SPDX-License-Identifier: MIT */
/*
 * Measuring clocks by a clock. A reading is both at one moment: the reference between two looks at
 * the TSC, of several such the one with the least time between them, since whoever runs this
 * machine may stop it at any point (an SMI, a host that has other work). A rate is two readings and
 * what lies between; and it is believed when three of several agree.
 *
 * The reference is the ACPI timer; without one, the PIT, whose 16 bits are around every 55 ms, so
 * that it does for the measurement at boot only.
 */
#include "machine/clocks.h"
#include "lib/string.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/io.h"

#define PM_TIMER_HZ     3579545u    /* ACPI 6.4, 4.8.3.3; 24 bits are always there */
#define PIT_HZ          1193182u
#define LOOKS           8u          /* for one reading */
/* of one try: 71,590 ticks of the ACPI timer, 23,863 of the PIT */
#define WINDOW_MS       20u
#define TRIES           12u
#define AGREED          3u          /* tries, within */
#define AGREEMENT_PPM   200u        /* of each other */
/* the long measurement speaks after so long, then after 4 times that, and again */
#define LONG_FIRST_S    2u
#define LONG_GROWTH     4u
#define LONG_EXACT_PPM  5u          /* it waits for readings that leave no more than this open */
#define LONG_LAST_S     2048u       /* and in the end each time after so long */
#define PPM             1000000u

struct reading { uint64_t tsc, width; uint32_t ticks; };

static uint32_t pm_timer_read(void)
{
    return port_read(acpi.pm_timer_port, 4);
}

/* Channel 2 counts down; 0x80 holds its two bytes for us. */
static uint32_t pit_read(void)
{
    uint32_t low;

    outb(0x43, 0x80);
    low = inb(0x42);
    return 0u - (low | (uint32_t)inb(0x42) << 8);
}

static void pit_start(void)
{
    outb(0x61, (uint8_t)((inb(0x61) & ~2u) | 1));       /* channel 2 counts, the speaker is off */
    /* both bytes of the count, mode 2: again and again */
    outb(0x43, 0xb4);
    outb(0x42, 0);
    outb(0x42, 0);                                      /* from 65536 */
}

static struct { uint32_t (*read)(void); uint32_t hz, mask; } reference;

static struct reading read_both(void)
{
    struct reading best = { .width = UINT64_MAX };

    for (unsigned int i = 0; i < LOOKS; i++) {
        uint64_t before = rdtsc();
        uint32_t ticks = reference.read();
        uint64_t width = rdtsc() - before;

        if (width < best.width)
            best = (struct reading){ before + width / 2, width, ticks };
    }
    return best;
}

/* A look after more than `gap` ticks of the TSC may have missed that the reference went around. */
static struct { struct reading first, last; uint64_t passed, due, gap; } since_boot;

static void begin_long(uint64_t gap)
{
    since_boot = (typeof(since_boot)){ .due = (uint64_t)reference.hz * LONG_FIRST_S, .gap = gap };
    since_boot.first = since_boot.last = read_both();
}

/* ---- at boot ---- */

/* Looks all the time: a reference that goes around between two looks is not seen. */
static void try_once(uint64_t *tsc_hz, uint64_t *lapic_hz)
{
    uint64_t passed = 0;
    uint32_t lapic;
    struct reading first, now, last;

    lapic_timer_set(0xffffffff);
    first = last = read_both();
    lapic = lapic_timer_left();
    do {
        now = read_both();
        passed += (now.ticks - last.ticks) & reference.mask;
        last = now;
    } while (passed < reference.hz / 1000 * WINDOW_MS);
    *lapic_hz = mul_div(lapic - lapic_timer_left(), reference.hz, passed);
    *tsc_hz = mul_div(now.tsc - first.tsc, reference.hz, passed);
}

/* Where the AGREED neighbours are that differ least: the index of the first. hz is sorted. */
static unsigned int closest(const uint64_t *hz, unsigned int count)
{
    unsigned int best = 0;

    for (unsigned int i = 1; i + AGREED <= count; i++)
        if (hz[i + AGREED - 1] - hz[i] < hz[best + AGREED - 1] - hz[best])
            best = i;
    return best;
}

static void insert(uint64_t *sorted, unsigned int count, uint64_t value)
{
    for (; count > 0 && sorted[count - 1] > value; count--)
        sorted[count] = sorted[count - 1];
    sorted[count] = value;
}

void clocks_measure(struct clock_rates *rates)
{
    uint64_t tsc_hz[TRIES], lapic_hz[TRIES], hz, spread = UINT64_MAX;
    unsigned int n = 0, first = 0;

    if (acpi.pm_timer_port)
        reference = (typeof(reference)){ pm_timer_read, PM_TIMER_HZ, 0xffffff };
    else
        reference = (typeof(reference)){ pit_read, PIT_HZ, 0xffff };
    if (!acpi.pm_timer_port)
        pit_start();
    while (n < TRIES && spread > AGREEMENT_PPM) {
        uint64_t lapic;

        try_once(&hz, &lapic);
        insert(tsc_hz, n, hz);
        insert(lapic_hz, n++, lapic);
        if (n < AGREED)
            continue;
        first = closest(tsc_hz, n);
        spread = (tsc_hz[first + AGREED - 1] - tsc_hz[first]) * PPM / tsc_hz[first];
    }
    lapic_timer_set(0);
    /* 4 s; never by the PIT */
    begin_long(tsc_hz[first + AGREED / 2] * (reference.mask / reference.hz));
    *rates = (struct clock_rates){ tsc_hz[first + AGREED / 2], lapic_hz[n / 2],
                                   spread > AGREEMENT_PPM ? UINT32_MAX : (uint32_t)spread,
                                   acpi.pm_timer_port ? "the ACPI timer" : "the PIT" };
}

/* ---- later ---- */

uint64_t clocks_long_rate(void)
{
    struct reading now, *first = &since_boot.first;
    uint64_t all;

    if (!since_boot.gap) return 0;
    now = read_both();
    all = now.tsc - first->tsc;
    if (now.tsc - since_boot.last.tsc > since_boot.gap) {
        begin_long(since_boot.gap);
        return 0;
    }
    since_boot.passed += (now.ticks - since_boot.last.ticks) & reference.mask;
    since_boot.last = now;
    if (since_boot.passed < since_boot.due ||
        (now.width + first->width) / 2 * (PPM / LONG_EXACT_PPM) > all)
        return 0;
    since_boot.due += MIN(since_boot.due * (LONG_GROWTH - 1), (uint64_t)reference.hz * LONG_LAST_S);
    return mul_div(all, reference.hz, since_boot.passed);
}

/* ---- the battery-backed clock: an MC146818 ---- */

#define RTC_HOUR    4               /* by name, as it has two forms */
#define RTC_A       10
#define RTC_B       11
#define A_UPDATE    0x80
#define B_24_HOURS  0x02
#define B_BINARY    0x04
#define HOUR_PM     0x80

struct rtc { uint8_t second, minute, hour, day, month, year, century; };

static uint8_t cmos(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static struct rtc rtc_registers(void)
{
    for (unsigned int i = 0; i < 100000 && cmos(RTC_A) & A_UPDATE; i++)
        cpu_relax();
    return (struct rtc){ cmos(0), cmos(2), cmos(RTC_HOUR), cmos(7), cmos(8), cmos(9),
                         acpi.rtc_century ? cmos(acpi.rtc_century) : 0 };
}

static uint8_t decimal(uint8_t v, bool binary)
{
    return binary ? v : (uint8_t)((v >> 4) * 10 + (v & 15));
}

static uint64_t days_since_1970(uint64_t y, uint64_t m, uint64_t d)
{
    if (m <= 2) {
        y--;
        m += 12;
    }
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * (m - 3) + 2) / 5 + d - 719469;
}

/* A year of two digits without a century is one of 1970 to 2069. Two equal looks: no update came
 * between. */
uint64_t rtc_read(void)
{
    struct rtc r = rtc_registers(), again = rtc_registers();
    uint8_t form = cmos(RTC_B), hour;
    bool binary = form & B_BINARY;
    uint64_t year, century;

    for (unsigned int i = 0; i < 10 && memcmp(&r, &again, sizeof(r)) != 0; i++) {
        r = again;
        again = rtc_registers();
    }
    hour = decimal(r.hour & (form & B_24_HOURS ? 0xff : (uint8_t)~HOUR_PM), binary);
    if (!(form & B_24_HOURS))
        hour = (uint8_t)(hour % 12 + (r.hour & HOUR_PM ? 12 : 0));
    year = decimal(r.year, binary);
    century = decimal(r.century, binary);
    if (century < 19 || century > 99)
        century = year < 70 ? 20 : 19;
    return days_since_1970(century * 100 + year, decimal(r.month, binary), decimal(r.day, binary)) *
               86400 +
           hour * 3600ul + decimal(r.minute, binary) * 60ul + decimal(r.second, binary);
}
