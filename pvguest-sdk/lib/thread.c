/* SPDX-License-Identifier: MIT */
/*
 * Cooperative threads. The run queue is touched by event handlers too (thread_wake), so it is
 * changed with events masked. Each thread keeps its own idea of the mask on its stack: schedule()
 * saves and restores it.
 */
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include "entry.h"

#define GUARD 0x5afe57ac5afe57acUL      /* at the low end of each stack */

static struct thread boot_thread = { .name = "boot" };
static struct thread *current = &boot_thread;
static LIST(runnable);
static LIST(all_threads);
/* ended, but it was still standing on its stack: freed by who runs next */
static struct thread *dead;

void wrong_cpu(void)
{
    panic("pvguest: vCPU %u does what is vCPU 0's alone\n", cpu_id());
}

struct thread *thread_current(void)
{
    return current;
}

/* ---- switching ---- */

static void free_dead(void)
{
    struct thread *thread = dead;

    if (!thread) return;
    dead = NULL;
    if (thread->stack)
        free_pages(thread->stack, THREAD_STACK_ORDER);
    if (thread != &boot_thread)
        free(thread);
}

/* The next runnable thread; while there is none, the vCPU sleeps. Blocking unmasks events and
 * sleeps in one step, so an event after our look at the queue ends the sleep at once. */
static struct thread *next_thread(void)
{
    struct thread *thread;

    while (list_empty(&runnable)) {
        vcpu_block();
        events_mask_all();
    }
    thread = list_first(&runnable, struct thread, run);
    list_remove(&thread->run);
    thread->runnable = false;
    return thread;
}

/* Events are masked. Returns when this thread is chosen again. */
static void schedule(void)
{
    struct thread *from = current, *to;

    if (sleepless)
        panic("pvguest: %s sleeps, and everybody would wait for it\n", sleepless);
    first_cpu_only();
    to = next_thread();
    if (from->stack && *(unsigned long *)from->stack != GUARD)
        panic("pvguest: thread %s has overrun its stack\n", from->name);
    if (from != to) {
        if (from->leaves)
            from->leaves();
        current = to;
        thread_switch(&from->sp, to->sp);
    }
    free_dead();
}

static void make_runnable(struct thread *thread)
{
    first_cpu_only();
    if (thread->runnable) return;
    thread->runnable = true;
    list_append(&runnable, &thread->run);
}

bool threads_wait(void)
{
    return !list_empty(&runnable);
}

void thread_yield(void)
{
    bool masked = events_save();

    make_runnable(current);
    schedule();
    events_restore(masked);
}

/* ---- life ---- */

static void first_step(void)
{
    free_dead();
    events_unmask_all();
    current->entry(current->argument);
    thread_exit();
}

void threads_init(void)
{
    list_init(&boot_thread.run);
    list_append(&all_threads, &boot_thread.all);
}

struct thread *thread_create(const char *name, void (*entry)(void *argument), void *argument)
{
    struct thread *thread = calloc(1, sizeof(*thread));
    unsigned long *top;
    bool masked;

    if (!thread) return NULL;
    thread->stack = alloc_pages(THREAD_STACK_ORDER);
    if (!thread->stack) {
        free(thread);
        return NULL;
    }
    *(unsigned long *)thread->stack = GUARD;
    thread->name = name;
    thread->entry = entry;
    thread->argument = argument;
    list_init(&thread->run);
    /* As thread_switch left it: six registers, then the address to return to; rsp is 8 off a
     * multiple of 16 there, as after a call. */
    top = (unsigned long *)(void *)((char *)thread->stack + (PAGE_SIZE << THREAD_STACK_ORDER));
    *--top = 0;
    *--top = (unsigned long)first_step;
    for (int i = 0; i < 6; i++)
        *--top = 0;
    thread->sp = (unsigned long)top;
    masked = events_save();
    list_append(&all_threads, &thread->all);
    make_runnable(thread);
    events_restore(masked);
    return thread;
}

void thread_exit(void)
{
    events_mask_all();
    free_dead();
    current->ended = true;
    list_remove(&current->all);
    dead = current;
    schedule();
    panic("pvguest: a dead thread runs\n");
}

void thread_for_each(void (*visit)(struct thread *thread, void *data), void *data)
{
    struct thread *thread, *following;

    list_for_each_safe(thread, following, &all_threads, all)
        visit(thread, data);
}

/* ---- sleeping and waking ---- */

void thread_wake(struct thread *thread)
{
    bool masked = events_save();

    if (thread->waiting) {
        thread->waiting = false;
        list_remove(&thread->run);      /* out of the wait queue */
        timer_cancel(&thread->timeout);
        make_runnable(thread);
    }
    events_restore(masked);
}

static void time_is_up(void *data)
{
    struct thread *thread = data;

    thread->timed_out = true;
    thread_wake(thread);
}

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

bool wait_on(struct wait_queue *queue, uint64_t timeout_ns)
{
    bool masked = events_save();

    current->waiting = true;
    current->timed_out = false;
    list_append(&queue->waiters, &current->run);
    if (timeout_ns)
        timer_set(&current->timeout, now_ns() + timeout_ns, time_is_up, current);
    schedule();
    events_restore(masked);
    return !current->timed_out;
}

void wake_one(struct wait_queue *queue)
{
    bool masked = events_save();

    if (!list_empty(&queue->waiters))
        thread_wake(list_first(&queue->waiters, struct thread, run));
    events_restore(masked);
}

void wake_all(struct wait_queue *queue)
{
    bool masked = events_save();

    while (!list_empty(&queue->waiters))
        thread_wake(list_first(&queue->waiters, struct thread, run));
    events_restore(masked);
}

void thread_sleep(uint64_t ns)
{
    WAIT_QUEUE(nobody);

    wait_on(&nobody, ns ? ns : 1);
}

/* ---- mutex ---- */

void mutex_init(struct mutex *mutex)
{
    mutex->owner = NULL;
    wait_queue_init(&mutex->wait);
}

bool mutex_trylock(struct mutex *mutex)
{
    if (mutex->owner) return false;
    mutex->owner = current;
    return true;
}

void mutex_lock(struct mutex *mutex)
{
    if (mutex->owner == current)
        panic("pvguest: thread %s waits for a lock that it has\n", current->name);
    if (mutex_trylock(mutex)) return;
    while (mutex->owner != current)
        wait_on(&mutex->wait, 0);
}

/* Hands it to who has waited longest: left free, whoever runs next would take it, and that is
 * us. */
void mutex_unlock(struct mutex *mutex)
{
    if (mutex->owner != current)
        panic("pvguest: thread %s unlocks what it has not locked\n", current->name);
    mutex->owner = list_first(&mutex->wait.waiters, struct thread, run);
    if (mutex->owner)
        thread_wake(mutex->owner);
}
