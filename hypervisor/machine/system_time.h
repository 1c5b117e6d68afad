/* SPDX-License-Identifier: MIT */
/* The machine's clock and its alarm. */
#ifndef DOMUS_MACHINE_SYSTEM_TIME_H
#define DOMUS_MACHINE_SYSTEM_TIME_H

#include "lib/types.h"

/*
 * nanoseconds = system_base + (((ticks << shift) * multiplier) >> 32), with ticks since tsc_base:
 * the form of struct vcpu_time_info; a negative shift is to the right.
 */
struct tsc_scale { uint64_t tsc_base, system_base; uint32_t multiplier; int8_t shift; };
extern struct tsc_scale tsc_scale;
extern uint32_t time_version;               /* counts corrections of the clock */

void clock_start(void);                     /* measures TSC and APIC timer; now_ns() starts at 0 */
uint64_t now_ns(void);                      /* system time since boot */
uint64_t tsc_khz(void);
/* Looks until the condition holds, so long at most. False: it still does not. (With
 * machine/io.h.) */
#define holds_within(ns, condition) ({ \
    const uint64_t end_ = now_ns() + (ns); \
    bool holds_; \
    while (!(holds_ = (condition)) && now_ns() < end_) \
        cpu_relax(); \
    holds_; })
#define wait_ns(ns) ((void)holds_within(ns, false))
/* Corrects the clock if it is time for it; to be called each second or so. True: it was, and guests
 * must be told. */
bool clock_correct(uint64_t now) must_check;
/* the timer interrupt: at the latest then; returns when, at most a second from now */
uint64_t alarm_set(uint64_t deadline_ns);

#endif
