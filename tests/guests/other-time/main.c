/* SPDX-License-Identifier: MIT */
/*
 * A domain is told the time when it may run: a toolstack clears its shared page in between (Xen's
 * library does), and with it wall clock and pvclock as they were written when it was created. Linux
 * divides by the pvclock's multiplier. Idea: a guest that died of a division in its first lines.
 */
#include "../lib/other.h"

#include <xen/version.h>

static struct other other;

/* Wall clock and the vCPU's time in its shared page, about as in ours: Xen measures on. */
static bool knows_the_time(const struct shared_info *shared)
{
    const volatile struct vcpu_time_info *its = &shared->vcpu_info[0].time,
                                         *ours = &shared_info.vcpu_info[0].time;

    return its->tsc_to_system_mul && its->tsc_timestamp && its->tsc_shift == ours->tsc_shift &&
           its->version % 2 == 0;
}

static bool knows_the_date(const struct shared_info *shared)
{
    uint32_t seconds = *(const volatile uint32_t *)&shared->wc_sec;

    return seconds - shared_info.wc_sec + 10 <= 20 &&
           *(const volatile uint32_t *)&shared->wc_version % 2 == 0;
}

/* The toolstack has cleared the page before it let the domain run (other.c), or does so now; Xen
 * writes the date with the context only. */
static void times_in_a_cleared_page(void)
{
    struct shared_info *shared = other_shared_info(&other);

    /* it runs */
    NEED(other_call(&other, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0) > 0);
    CHECK(knows_the_time(shared));
    CHECK(knows_the_date(shared));
    other_pause(&other, true);
    memset(&shared->vcpu_info[0].time, 0, sizeof(shared->vcpu_info[0].time));
    /* for ever being changed, a guest would think */
    shared->vcpu_info[0].time.version = shared->wc_version = 1;
    if (on_domus())
        shared->wc_sec = 0;
    other_pause(&other, true);
    other_pause(&other, false);
    other_pause(&other, false);
    NEED(other_call(&other, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0) > 0);
    CHECK(knows_the_time(shared));
    if (on_domus())
        CHECK(knows_the_date(shared));
    unmap_frames(shared, 1);
}

void test_main(void)
{
    if (!is_dom0())
        test_skip("only dom0 makes domains");
    other_begin(&other, 16);
    times_in_a_cleared_page();
    other_end(&other);
}
