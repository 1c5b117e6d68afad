/* SPDX-License-Identifier: MIT */
/*
 * Cooperative threads on vCPU 0: a thread runs until it sleeps, yields or ends. So there are no
 * locks among threads for what they do without sleeping; against event handlers mask events. All in
 * this file is vCPU 0's alone, wake_all and thread_wake too: another vCPU asks it to (smp_call in
 * <pvguest/smp.h>).
 *
 * When nobody can run, the idle loop blocks the vCPU (SCHEDOP_block) until an event; block unmasks
 * and sleeps in one step, so an event between the check and the sleep is not lost.
 */
#ifndef PVGUEST_THREAD_H
#define PVGUEST_THREAD_H

#include <pvguest/cpu.h>
#include <pvguest/list.h>
#include <pvguest/time.h>

#define THREAD_STACK_ORDER 3        /* 32 KiB, with a guard word checked at each switch */

struct thread {
    struct list run;                /* in the run queue, or in a wait queue */
    struct list all;
    void *stack;
    unsigned long sp;
    void (*entry)(void *argument);
    void *argument;
    const char *name;
    struct timer timeout;
    bool timed_out, ended, runnable, waiting;
    void *local;                    /* the owner's */
    void (*leaves)(void);           /* the owner's: another thread runs now; events are masked */
};

/* Makes a thread of the caller. guest_start calls it. */
void threads_init(void);

/* Panics on another vCPU than 0. */
void wrong_cpu(void) __attribute__((__noreturn__));
static inline void first_cpu_only(void)
{
    if (__builtin_expect(several_cpus, false) && cpu_id())
        wrong_cpu();
}

/* NULL when there is no memory. The name is not copied. Ended threads are freed by the library. */
struct thread *thread_create(const char *name, void (*entry)(void *argument), void *argument);
struct thread *thread_current(void);
void thread_yield(void);
bool threads_wait(void);                        /* Others who can run. */
void thread_exit(void) __attribute__((__noreturn__));
void thread_sleep(uint64_t ns);
/* Who runs now and must neither sleep nor give way, in words; NULL: one may. Event handlers must
 * not; a thread may say so of a part of its work. Who does all the same ends in a panic. */
extern const char *sleepless;
/* Makes it runnable. Safe in event handlers. */
void thread_wake(struct thread *thread);
/* For each living thread. */
void thread_for_each(void (*visit)(struct thread *thread, void *data), void *data);

/* ---- wait queues ---- */

struct wait_queue { struct list waiters; };
#define WAIT_QUEUE(name) struct wait_queue name = { LIST_INIT((name).waiters) }
void wait_queue_init(struct wait_queue *queue);
/* Wakes all, or the first. Safe in event handlers. */
void wake_all(struct wait_queue *queue);
void wake_one(struct wait_queue *queue);
/*
 * Sleeps until woken or (timeout_ns != 0) time is up: false then. Events must be masked by the
 * caller when the condition is set by an event handler: use the macros, which check it under the
 * mask.
 */
bool wait_on(struct wait_queue *queue, uint64_t timeout_ns);

/* Sleeps until `condition` holds. */
#define wait_event(queue, condition) ({ \
    bool masked_ = events_save(); \
    while (!(condition)) wait_on(&(queue), 0); \
    events_restore(masked_); })
/* The same with a limit; false when the time came and it still does not hold. */
#define wait_event_timeout(queue, condition, timeout_ns) ({ \
    uint64_t until_ = now_ns() + (timeout_ns); \
    bool masked_ = events_save(), holds_; \
    while (!(holds_ = (condition)) && now_ns() < until_) wait_on(&(queue), until_ - now_ns()); \
    events_restore(masked_); \
    holds_; })

/* ---- mutex: for what is held across a sleep ---- */

struct mutex { struct thread *owner; struct wait_queue wait; };
#define MUTEX(name) struct mutex name = { NULL, { LIST_INIT((name).wait.waiters) } }
void mutex_init(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
bool mutex_trylock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);         /* By who has it: else a panic. */

#include <pvguest/events.h>     /* events_save and events_restore, for the macros */

#endif
