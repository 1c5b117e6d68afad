/* SPDX-License-Identifier: MIT */
/*
 * Time from the shared page (the pvclock): nanoseconds since the host booted, extrapolated with the
 * TSC, without a hypercall. The wall clock adds the host's date at boot.
 */
#ifndef PVGUEST_TIME_H
#define PVGUEST_TIME_H

#include <pvguest/kept.h>
#include <pvguest/xen.h>

#define NS_PER_S  1000000000UL
#define NS_PER_MS 1000000UL
#define NS_PER_US 1000UL

/* Binds VIRQ_TIMER and stops the periodic timer Xen starts a vCPU with. guest_start calls it after
 * events_init. */
void time_init(void);

/* Nanoseconds since the host's boot ("system time"); a guest that was restored counts on from where
 * it was saved. Never goes back, whichever vCPU asks. */
uint64_t now_ns(void);
/* The hypervisor's name for such a time, in what it is asked for. */
uint64_t time_to_system(uint64_t ns);
/* Nanoseconds since 1970. */
uint64_t wall_clock_ns(void);

/* One timer event at that time; 0 cancels. The threads' sleep uses it: use timer_* below
 * instead. */
void set_deadline(uint64_t ns);

/* Busy wait. */
void delay_ns(uint64_t ns);

static inline uint64_t read_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile(PV_KEPT("its scale is read beside it") "rdtsc" : "=a" (low), "=d" (high));
    return (uint64_t)high << 32 | low;
}

/*
 * One-shot timers: handler(data) runs from the timer event (events masked, must not sleep) at or
 * after `when`, on the vCPU that set it. The struct is the caller's; setting a pending timer moves
 * it. A timer is its vCPU's alone: no other one moves, cancels or sets it while it is pending.
 */
struct timer {
    struct timer *next;
    uint64_t when;
    void (*handler)(void *data);
    void *data;
};
void timer_set(struct timer *timer, uint64_t when, void (*handler)(void *data), void *data);
void timer_cancel(struct timer *timer);
/* The time of this vCPU's next timer, 0 when none. */
uint64_t timer_next(void);

/* Scale of a TSC difference as pvclock says: pure, for tests. (delta << shift) * mul >> 32. */
static inline uint64_t pvclock_scale(uint64_t delta, uint32_t mul, int8_t shift)
{
    delta = shift < 0 ? delta >> -shift : delta << shift;
    return (uint64_t)(((unsigned __int128)delta * mul) >> 32);
}

#endif
