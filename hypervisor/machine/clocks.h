/* SPDX-License-Identifier: MIT */
/*
 * The machine's clocks: how fast TSC and APIC timer tick, measured by a clock whose rate is known,
 * and what the battery-backed clock (RTC) says.
 */
#ifndef DOMUS_MACHINE_CLOCKS_H
#define DOMUS_MACHINE_CLOCKS_H

#include "lib/types.h"

struct clock_rates {
    uint64_t tsc_hz, lapic_hz;
    /* by how much the tries differ that were believed; UINT32_MAX: no three of them agreed */
    uint32_t spread_ppm;
    const char *reference;          /* the clock of known rate, for the log */
};

/* Takes some 60 ms, more if the tries do not agree. The APIC timer is used, and stopped
 * afterwards. */
void clocks_measure(struct clock_rates *rates);

/*
 * The TSC's rate over all the time since clocks_measure(), which grows more exact the longer that
 * is. To be called every CLOCKS_LOOK_NS or so; four times that late, and the time begins anew. 0:
 * nothing to say now, or (by the PIT) ever.
 */
#define CLOCKS_LOOK_NS 1000000000ul
uint64_t clocks_long_rate(void);

uint64_t rtc_read(void);            /* seconds since 1970 */

#endif
