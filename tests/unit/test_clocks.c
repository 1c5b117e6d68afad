/* SPDX-License-Identifier: MIT */
/*
 * The machine's clocks on a simulated machine: its TSC, its ACPI timer or PIT and its APIC timer go
 * as fast as they should, and it is stopped now and then, as a guest of another hypervisor is. The
 * rates found are right all the same, or are said to be doubtful. And an RTC in all its forms.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <cmocka.h>
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/clocks.h"
#define HOST_TSC
#include "ports_host.h"

#define TSC_HZ   2893300000ull
#define LAPIC_HZ 1000000000ull
#define PM_PORT  0x608

struct acpi_facts acpi;
static double now_s;                                /* of the machine under test */
static double lapic_from;
static uint32_t lapic_count;                        /* what it began with; 0: it stands */
/* it is stopped at each so-many-th look at a clock */
static unsigned int looks, stop_each;
static double stop_s;
static unsigned int stops_left = UINT32_MAX;

static void pass(double s)
{
    now_s += s;
    if (stop_each && ++looks % stop_each == 0 && stops_left) {
        stops_left--;
        now_s += stop_s;
    }
}

void lapic_timer_set(uint32_t ticks)
{
    lapic_from = now_s;
    lapic_count = ticks;
}
uint32_t lapic_timer_left(void)
{
    double gone = (now_s - lapic_from) * LAPIC_HZ;

    return gone < lapic_count ? lapic_count - (uint32_t)gone : 0;
}

static uint64_t host_tsc(void)
{
    pass(20e-9);
    return (uint64_t)(now_s * TSC_HZ);
}

/* --- ports: PIT, ACPI timer, RTC --- */

static uint8_t rtc[128], rtc_index;
static unsigned int rtc_reads, rtc_ticks_at;        /* at that read, its second ends */
static uint16_t latched;
static unsigned int pit_bytes;

static uint32_t read_port(uint16_t port, unsigned int bytes)
{
    pass(5e-6);
    if (port == PM_PORT) return (uint64_t)(now_s * 3579545) & 0xffffff;
    if (port == 0x42) return pit_bytes++ & 1 ? latched >> 8 : latched & 0xff;
    if (port == 0x71) {
        if (rtc_ticks_at && ++rtc_reads == rtc_ticks_at)
            memcpy(rtc, "\x00\0\x00\0\x00\0\0\x01\x01\x25", 10);
        return rtc[rtc_index];
    }
    return 0;
}

static void write_port(uint16_t port, unsigned int bytes, uint32_t value)
{
    pass(5e-6);
    if (port == 0x43 && value == 0x80)
        latched = (uint16_t)(65536 - (uint64_t)(now_s * 1193182) % 65536);
    if (port == 0x70)
        rtc_index = value & 127;
}

/* --- rates ------------------------------------------------------------------------------------ */

static struct clock_rates measure(bool pm_timer, unsigned int each, double s)
{
    struct clock_rates rates;

    acpi.pm_timer_port = pm_timer ? PM_PORT : 0;
    now_s = 3;
    looks = 0;
    stop_each = each;
    stop_s = s;
    take_port_faults();
    assert_int_equal(prctl(PR_SET_TSC, PR_TSC_SIGSEGV), 0);
    clocks_measure(&rates);
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
    return rates;
}

static void assert_near(uint64_t found, uint64_t right, double ppm)
{
    double off = ((double)found - (double)right) / (double)right * 1e6;

    if (off > ppm || off < -ppm)
        fail_msg("%lu is %.0f ppm from %lu", found, off, right);
}

static void test_a_quiet_machine(void **state)
{
    for (int pm = 0; pm < 2; pm++) {
        struct clock_rates r = measure(pm, 0, 0);

        assert_near(r.tsc_hz, TSC_HZ, 60);
        assert_near(r.lapic_hz, LAPIC_HZ, 200);
        assert_true(r.spread_ppm < 100);
        assert_non_null(strstr(r.reference, pm ? "ACPI" : "PIT"));
    }
}

/* Stopped for less than the reference takes to go around: every reading is still right. */
static void test_a_machine_that_is_stopped_for_a_moment(void **state)
{
    static const double stops[] = { 30e-6, 1e-3, 20e-3 };

    for (int pm = 0; pm < 2; pm++)
        for (unsigned int i = 0; i < 3; i++)
            for (unsigned int each = stops[i] < 10e-3 ? 7 : 70; each < 5000; each = each * 3 + 1) {
                struct clock_rates r = measure(pm, each, stops[i]);

                assert_near(r.tsc_hz, TSC_HZ, 250);
                assert_near(r.lapic_hz, LAPIC_HZ, each < 30 ? 1e6 : 2000);
                assert_true(r.spread_ppm <= 200);
            }
}

/* So long that the reference goes around unseen: such tries are outvoted. */
static void test_tries_that_are_wrong_are_outvoted(void **state)
{
    struct clock_rates r = measure(false, 40000, 70e-3);

    assert_near(r.tsc_hz, TSC_HZ, 250);
    r = measure(true, 40000, 6);
    assert_near(r.tsc_hz, TSC_HZ, 250);
    assert_true(r.spread_ppm <= 200);
}

static void test_what_cannot_be_measured_is_said(void **state)
{
    struct clock_rates r;

    /* not for long: the tries that come after agree */
    stops_left = 5;
    r = measure(false, 1013, 0.061);
    stops_left = UINT32_MAX;
    assert_near(r.tsc_hz, TSC_HZ, 250);
    assert_true(r.spread_ppm <= 200);
    assert_int_equal(measure(false, 1013, 0.061).spread_ppm, UINT32_MAX);
}

/* --- the long measurement --------------------------------------------------------------------- */

static uint64_t look(double s)
{
    uint64_t hz;

    now_s += s;
    take_port_faults();
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    hz = clocks_long_rate();
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
    return hz;
}

static void test_the_rate_grows_more_exact(void **state)
{
    unsigned int said = 0;
    double s = 0;

    measure(true, 0, 0);
    for (unsigned int i = 0; i < 3000; i++) {
        uint64_t hz = look(1.9);

        s += 1.9;
        if (hz)
            assert_near(hz, TSC_HZ, 1e6 / 3579545 / s * 1.5 + 0.5);
        said += hz != 0;
    }
    /* after 2, 8, 32, 128, 512, 2048, 4096 seconds */
    assert_in_range(said, 7, 8);
}

static void test_a_gap_begins_it_anew(void **state)
{
    measure(true, 0, 0);
    assert_int_equal(look(1), 0);
    assert_near(look(1.5), TSC_HZ, 2);
    assert_int_equal(look(4.8), 0);                 /* the ACPI timer went around meanwhile */
    assert_int_equal(look(1.5), 0);
    assert_near(look(1.5), TSC_HZ, 2);
    measure(false, 0, 0);
    port_accesses = 0;
    for (unsigned int i = 0; i < 10; i++)
        assert_int_equal(look(1), 0);               /* the PIT would */
    assert_int_equal(port_accesses, 0);             /* so it is not even asked */
}

/* --- the RTC ---------------------------------------------------------------------------------- */

static uint64_t rtc_says(const char *registers, uint8_t form, uint8_t century_register,
                         uint8_t century)
{
    memset(rtc, 0, sizeof(rtc));
    memcpy(rtc, registers, 10);
    rtc[11] = form;
    if (century_register)
        rtc[century_register] = century;
    acpi.rtc_century = century_register;
    rtc_reads = 0;
    take_port_faults();
    return rtc_read();
}

static void test_an_rtc_in_all_its_forms(void **state)
{
    static const char bcd[] = "\x59\0\x34\0\x23\0\0\x28\x11\x26",
                      binary[] = "\x3b\0\x22\0\x17\0\0\x1c\x0b\x1a";

    assert_int_equal(rtc_says(bcd, 2, 0, 0), 1795908899);               /* 2026-11-28 23:34:59 */
    assert_int_equal(rtc_says(bcd, 2, 0x32, 0x20), 1795908899);
    assert_int_equal(rtc_says(binary, 6, 0x37, 20), 1795908899);
    assert_int_equal(rtc_says(bcd, 2, 0x32, 0x21), 1795908899 + 36524ul * 86400);
    /* a register that is empty */
    assert_int_equal(rtc_says(bcd, 2, 0x32, 0), 1795908899);
    /* 11 pm is 0x91 */
    assert_int_equal(rtc_says("\x59\0\x34\0\x91\0\0\x28\x11\x26", 0, 0, 0), 1795908899);
    /* 12 am is midnight */
    assert_int_equal(rtc_says("\x59\0\x34\0\x12\0\0\x28\x11\x26", 0, 0, 0), 1795908899 - 23 * 3600);
    assert_int_equal(rtc_says("\x00\0\x00\0\x00\0\0\x01\x01\x70", 2, 0, 0), 0);
    assert_int_equal(rtc_says("\x00\0\x00\0\x00\0\0\x01\x01\x70", 2, 0x32, 0x19), 0);
}

static void test_an_rtc_that_ticks_while_it_is_read(void **state)
{
    for (rtc_ticks_at = 1; rtc_ticks_at < 40; rtc_ticks_at++) {
        uint64_t said = rtc_says("\x59\0\x59\0\x23\0\0\x31\x12\x24", 2, 0, 0);

        assert_in_range(said, 1735689599, 1735689600);
    }
    rtc_ticks_at = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_quiet_machine),
        cmocka_unit_test(test_a_machine_that_is_stopped_for_a_moment),
        cmocka_unit_test(test_tries_that_are_wrong_are_outvoted),
        cmocka_unit_test(test_what_cannot_be_measured_is_said),
        cmocka_unit_test(test_the_rate_grows_more_exact),
        cmocka_unit_test(test_a_gap_begins_it_anew),
        cmocka_unit_test(test_an_rtc_in_all_its_forms),
        cmocka_unit_test(test_an_rtc_that_ticks_while_it_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
