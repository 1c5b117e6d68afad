/* SPDX-License-Identifier: MIT */
/*
 * The clock while its rate is corrected: it goes on from where it is, what guests compute from
 * their vcpu_time_info is what now_ns() says, every CPU comes to tell whom it runs at once, and a
 * correction that cannot be is not believed. And the wall clock beside it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <asm/prctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "domain/domain.h"
#include "domain/time.h"
#include "lib/printk.h"
#include "machine/apic.h"
#include "machine/clocks.h"
#include "machine/vectors.h"
#include "memory/access.h"
#define HOST_TSC
#include "cpus_host.h"
#include "ports_host.h"

static uint64_t tsc = 77;
static uint64_t host_tsc(void)
{
    return tsc;
}
static uint32_t read_port(uint16_t port, unsigned int bytes)
{
    return 0;
}
static void write_port(uint16_t port, unsigned int bytes, uint32_t value)
{
}

/* --- the machine ------------------------------------------------------------------------------ */

struct cpu boot_cpu;
static struct cpu second;
struct list domain_list = LIST_INIT(domain_list);
uint32_t domain_count;
spinlock_t domain_list_lock;
static struct vcpu guest;
static struct vcpu_info info;
static struct vcpu_time_info area;
static unsigned int areas_written, warnings, news;
static uint64_t believed, later;
static uint32_t alarm_ticks;

void printk_at(int level, const char *format, ...)
{
    warnings += level == LOG_WARN;
    news += level == LOG_INFO;
}
void vector_claim(int vector, void (*fn)(void *))
{
}
void lapic_timer_set(uint32_t ticks)
{
    alarm_ticks = ticks;
}
uint64_t clocks_long_rate(void)
{
    return later;
}
uint64_t rtc_read(void)
{
    return 1000;
}

void clocks_measure(struct clock_rates *rates)
{
    *rates = (struct clock_rates){ .tsc_hz = believed,
                                   .lapic_hz = 100000000,
                                   .reference = "a test" };
}

int copy_to_guest(vaddr_t to, const void *from, size_t bytes)
{
    assert_true(to.a == 0x1000 && bytes == sizeof(area));
    memcpy(&area, from, bytes);
    areas_written++;
    return 0;
}

static void start(uint64_t hz)
{
    believed = hz;
    later = warnings = news = areas_written = 0;
    boot_cpu = second = (struct cpu){ .running = &guest };
    guest = (struct vcpu){ .info = &info, .in_kernel = true, .time.area = 0x1000 };
    memset(&info, 0, sizeof(info));
    cpus_begin(&boot_cpu);
    be_cpu(&boot_cpu);
    take_port_faults();
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    time_init();
}

/* What schedule() does. */
static void run_on(void)
{
    boot_cpu.work = 0;
    if (guest.time.version != time_version)
        update_vcpu_time(&guest);
}

/* At last, after a time in which nothing is to be done. */
static void look(void)
{
    static uint64_t at;
    uint32_t version = time_version;
    uint64_t rate = later;

    later = 0;
    time_look(at += 10 * CLOCKS_LOOK_NS);
    later = rate;
    time_look(at + CLOCKS_LOOK_NS - 1);
    assert_int_equal(time_version, version);
    assert_int_equal(boot_cpu.work, 0);
    time_look(at += CLOCKS_LOOK_NS);
    assert_int_equal(boot_cpu.work, time_version != version ? WORK_RESCHEDULE : 0);
}

/* What a guest makes of its page: the ABI's formula (xen.h, struct vcpu_time_info). */
static uint64_t by_guest(const struct vcpu_time_info *t)
{
    uint64_t ticks = tsc - t->tsc_timestamp;

    assert_int_equal(t->version % 2, 0);
    ticks = t->tsc_shift >= 0 ? ticks << t->tsc_shift : ticks >> -t->tsc_shift;
    return t->system_time + (uint64_t)((unsigned __int128)ticks * t->tsc_to_system_mul >> 32);
}

static void assert_within(uint64_t found, uint64_t expected, uint64_t spare)
{
    assert_in_range(found, expected - spare, expected + spare);
}

/* --- tests ------------------------------------------------------------------------------------ */

static const uint64_t rates[] = { 800000000,  1000000000, 1000000001, 1999999999,
                                  2000000000, 2893300000, 5100000000 };

static void guests_and_we_agree(void **state)
{
    for (unsigned int i = 0; i < 7; i++) {
        uint64_t before;

        start(rates[i]);
        before = now_ns();
        update_vcpu_time(&guest);
        assert_int_equal(tsc_khz(), rates[i] / 1000);
        for (unsigned int s = 1; s < 100; s++) {
            tsc += rates[i];
            assert_int_equal(by_guest(&info.time), now_ns());
            assert_within(now_ns() - before, s * 1000000000ull, 20 * s);
        }
    }
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
}

static void a_correction_goes_on_from_where_it_is(void **state)
{
    static const int ppms[] = { -990, -50, 3, 120, 990 };

    for (unsigned int i = 0; i < 7; i++)
        for (unsigned int p = 0; p < 5; p++) {
            uint64_t right, before, version;

            start(rates[i]);
            update_vcpu_time(&guest);
            right = (uint64_t)((int64_t)rates[i] + (int64_t)rates[i] * ppms[p] / 1000000);
            tsc += 2 * right;
            later = right;
            before = now_ns();
            version = time_version;
            look();
            assert_true(time_version != version);
            run_on();
            assert_within(now_ns(), before, 1);
            assert_int_equal(guest.time.version, time_version);
            assert_int_equal(by_guest(&info.time), now_ns());
            assert_int_equal(by_guest(&area), now_ns());
            before = now_ns();
            tsc += 1000 * right;
            assert_within(now_ns() - before, 1000000000000ull, 3000);
            assert_int_equal(by_guest(&area), now_ns());
            assert_int_equal(news, 2 + (ppms[p] > 100 || ppms[p] < -100));
            assert_int_equal(warnings, 0);
        }
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
}

static void what_changes_nothing(void **state)
{
    uint32_t version;

    start(2000000000);
    version = time_version;
    look();                                      /* nothing to say */
    later = 2000000000 + 1999;
    look();                                      /* less than one in a million */
    assert_int_equal(warnings, 0);
    later = 2000000000ull + 2003000;
    look();                                      /* more than can be */
    later = 2000000000ull - 2003000;
    look();
    assert_int_equal(warnings, 2);
    assert_int_equal(time_version, version);
    assert_int_equal(tsc_khz(), 2000000);
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
}

/* In user mode the kernel's area may not be mapped: it is written when kernel mode is entered
 * (domain/switch.c). */
static void in_user_mode_the_area_waits(void **state)
{
    start(2000000000);
    guest.in_kernel = false;
    later = 2000200000;
    look();
    run_on();
    assert_int_equal(by_guest(&info.time), now_ns());
    assert_true(areas_written == 0 && guest.time.area_stale);
    guest.in_kernel = true;
    vcpu_time_publish(&guest);
    assert_true(areas_written == 1 && !guest.time.area_stale);
    assert_int_equal(by_guest(&area), now_ns());
    boot_cpu.running = NULL;                            /* its registers are not loaded */
    update_vcpu_time(&guest);
    assert_int_equal(areas_written, 1);
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
}

/* Whatever a CPU runs, and whoever looked: each is called once, and finds the new rate. */
static void every_cpu_is_told(void **state)
{
    struct cpu third = { .work = WORK_TIMERS }, told = { .work = WORK_RESCHEDULE };

    start(2000000000);
    cpus_add(&second);
    cpus_add(&third);
    cpus_add(&told);
    be_cpu(&second);
    later = 2000000001;                                 /* no news */
    look();
    assert_true(!second.work && third.work == WORK_TIMERS && !cpus_interrupted);
    later = 2000200000;
    look();
    assert_true(second.work == WORK_RESCHEDULE && told.work == WORK_RESCHEDULE);
    assert_int_equal(third.work, WORK_TIMERS | WORK_RESCHEDULE);
    assert_int_equal(cpus_interrupted, 1 << 0 | 1 << 2);
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
}

/* Seconds since 1970 at the machine's beginning, for all domains, each with its own offset.
 * Whatever a guest wrote into a version: it ends even, and another than before. */
static void the_wall_clock(void **state)
{
    static struct shared_info page[3];
    struct domain d[3] = {
        { .shared = &page[0] },
        { .shared = &page[1], .time.offset_seconds = (1l << 32) + 5 },
        { .shared = &page[2], .time.offset_seconds = -2 },
    };
    static const struct { uint64_t seconds, ns, now, sec; uint32_t nsec; } rows[] = {
        { 10, 5, 3000000006, 6, 999999999 },
        { 10, 5, 3000000005, 7, 0 },
        { 1700000000, 999999999, 0, 1700000000, 999999999 },
    };

    start(2000000000);
    update_domain_wallclock(&d[0]);
    assert_true(page[0].wc_sec == 1000 && page[0].wc_sec_hi == 0 && page[0].wc_nsec == 0);
    page[0].wc_sec = 0;
    update_domain_time(&d[0]);                  /* all of it */
    assert_int_equal(page[0].wc_sec, 1000);
    for (unsigned int i = 0; i < 3; i++)
        list_append(&domain_list, &d[i].all_domains);
    for (unsigned int row = 0; row < 3; row++) {
        for (unsigned int i = 0; i < 3; i++)
            page[i].wc_version = row ? UINT32_MAX - row : i;
        wallclock_set(rows[row].seconds, (uint32_t)rows[row].ns, rows[row].now);
        for (unsigned int i = 0; i < 3; i++) {
            uint64_t want = rows[row].sec + (uint64_t)d[i].time.offset_seconds;

            assert_int_equal(page[i].wc_sec, (uint32_t)want);
            assert_int_equal(page[i].wc_sec_hi, want >> 32);
            assert_int_equal(page[i].wc_nsec, rows[row].nsec);
            assert_int_equal(page[i].wc_version % 2, 0);
            assert_true(page[i].wc_version != (row ? UINT32_MAX - row : i));
        }
        assert_int_equal(domain_list_lock.held, 0);
    }
    list_init(&domain_list);
    for (uint32_t version = 0; version < 4; version++) {
        info.time.version = version;
        update_vcpu_time(&guest);
        assert_true(info.time.version % 2 == 0 && info.time.version > version);
        assert_int_equal(info.time.flags, XEN_PVCLOCK_TSC_STABLE_BIT);
    }
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wall_clock),
        cmocka_unit_test(guests_and_we_agree),
        cmocka_unit_test(a_correction_goes_on_from_where_it_is),
        cmocka_unit_test(what_changes_nothing),
        cmocka_unit_test(in_user_mode_the_area_waits),
        cmocka_unit_test(every_cpu_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
