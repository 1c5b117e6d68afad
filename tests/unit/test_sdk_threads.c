/* SPDX-License-Identifier: MIT */
/*
 * The SDK's threads: turns in order, sleeps that end in time and by a wake-up whichever is first,
 * wait queues, mutexes, and ended threads that are buried.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>
#include "threads_host.h"

unsigned allocations_until_failure;

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    return thread_hypercall(nr, a, b);
}

static char order[100];

static void note(char c)
{
    strcat(order, (char[]){ c, 0 });
}

static int set_up(void **state)
{
    order[0] = 0;
    blocks = 0;
    return 0;
}

/* Ended threads are freed by whoever runs next: all stacks are back. */
static int tear_down(void **state)
{
    for (unsigned int i = 0; i < 10; i++)
        thread_yield();
    assert_int_equal(stacks, 0);
    assert_false(events_masked());
    return 0;
}

static void three_turns(void *name)
{
    assert_false(events_masked());
    for (unsigned int i = 0; i < 3; i++) {
        note(*(const char *)name);
        thread_yield();
    }
}

static unsigned int living;

static void count(struct thread *thread, void *data)
{
    assert_ptr_equal(data, &living);
    living++;
}

static void turns_in_order(void **state)
{
    struct thread *boot = thread_current();

    assert_non_null(thread_create("a", three_turns, "a"));
    assert_non_null(thread_create("b", three_turns, "b"));
    assert_string_equal(order, "");             /* not before we give way */
    living = 0;
    thread_for_each(count, &living);
    assert_int_equal(living, 3);
    for (unsigned int i = 0; i < 5; i++) {
        note('.');
        thread_yield();
    }
    assert_ptr_equal(thread_current(), boot);
    assert_string_equal(order, ".ab.ab.ab..");
    living = 0;
    thread_for_each(count, &living);
    assert_int_equal(living, 1);
}

/* --- sleeping --------------------------------------------------------------------------------- */

static WAIT_QUEUE(queue);

static void sleep_a_while(void *ns)
{
    uint64_t begin = now_ns(), wanted = *(const uint64_t *)ns;

    thread_sleep(wanted);
    assert_true(now_ns() >= begin + wanted && now_ns() < begin + wanted + 50);
    note((char)('a' + wanted / 100));
}

static void sleeps_end_in_time(void **state)
{
    static const uint64_t times[] = { 300, 100, 200 };

    for (unsigned int i = 0; i < 3; i++)
        thread_create("sleeper", sleep_a_while, (void *)(uintptr_t)&times[i]);
    thread_sleep(250);
    assert_string_equal(order, "bc");
    thread_sleep(0);                            /* the shortest there is, not for ever */
    thread_sleep(100);
    assert_string_equal(order, "bcd");
}

static unsigned int condition;
static bool answers[4];

static void wait_with_limit(void *number)
{
    unsigned int i = *(const unsigned int *)number;

    answers[i] = wait_event_timeout(queue, condition > i, 100);
    note((char)('0' + i));
}

static void wakes_and_times(void **state)
{
    static const unsigned int numbers[] = { 0, 1, 2 };
    uint64_t begin = now_ns();

    condition = 0;
    for (unsigned int i = 0; i < 3; i++)
        thread_create("waiter", wait_with_limit, (void *)(uintptr_t)&numbers[i]);
    thread_yield();
    condition = 1;
    wake_all(&queue);
    thread_yield();
    assert_string_equal(order, "0");            /* the others look, and sleep again */
    assert_true(answers[0]);
    assert_int_equal(now_ns(), begin);
    thread_sleep(50);
    condition = 2;
    wake_all(&queue);
    thread_yield();
    assert_string_equal(order, "01");
    thread_sleep(49);
    assert_string_equal(order, "01");
    thread_sleep(10);
    assert_string_equal(order, "012");
    assert_true(answers[1] && !answers[2]);
    assert_int_equal(timer_next(), 0);          /* no timer of a sleep that ended otherwise stays */
}

/* Whose time was up once is not told so again. */
static void a_limit_and_none(void *unused)
{
    answers[0] = wait_on(&queue, 10);
    answers[1] = wait_on(&queue, 0);
    answers[2] = wait_on(&queue, 10);
}

static void each_wait_has_its_own_end(void **state)
{
    thread_create("waiter", a_limit_and_none, NULL);
    thread_sleep(20);
    wake_all(&queue);
    thread_yield();
    wake_all(&queue);
    thread_yield();
    assert_true(!answers[0] && answers[1] && answers[2]);
}

static void wait_for_one(void *name)
{
    assert_true(wait_on(&queue, 0));
    note(*(const char *)name);
}

/* The first one only, in the order in which they came; waking who does not sleep is nothing. */
static void one_by_one(void **state)
{
    struct thread *b;

    thread_create("a", wait_for_one, "a");
    b = thread_create("b", wait_for_one, "b");
    thread_create("c", wait_for_one, "c");
    thread_yield();
    wake_one(&queue);
    wake_one(&queue);                           /* not the same again */
    assert_string_equal(order, "");
    thread_yield();
    assert_string_equal(order, "ab");
    (void)b;
    wake_one(&queue);
    wake_one(&queue);
    thread_wake(thread_current());
    thread_yield();
    assert_string_equal(order, "abc");
    wake_all(&queue);
}

/* Several may wake one thread before it runs, a wait queue, its time, or who knows it: it runs
 * once, and keeps its place. */
static void woken_twice(void **state)
{
    struct thread *a = thread_create("a", wait_for_one, "a"), *b;

    b = thread_create("b", wait_for_one, "b");
    thread_yield();
    thread_wake(a);
    wake_one(&queue);
    thread_wake(a);
    thread_wake(b);
    thread_wake(a);
    thread_yield();
    assert_string_equal(order, "ab");
    thread_yield();
    assert_string_equal(order, "ab");
}

/* From an event handler, while all sleep. */
static void handler(evtchn_t port, void *data)
{
    assert_true(events_masked());
    condition++;
    wake_all(&queue);
}

static void ring_later(void *data)
{
    ring(40);
}

static void woken_by_an_event(void **state)
{
    static struct timer timer;
    uint64_t begin = now_ns();

    condition = 0;
    event_attach(40, handler, NULL);
    timer_set(&timer, begin + 500, ring_later, NULL);
    wait_event(queue, condition == 1);
    assert_int_equal(now_ns(), begin + 500);
    assert_true(blocks >= 1);
    ring(40);                                   /* before we wait: seen at once */
    wait_event(queue, condition == 2);
    assert_int_equal(now_ns(), begin + 500);
    timer_set(&timer, begin + 600, ring_later, NULL);
    assert_true(wait_event_timeout(queue, condition == 3, 1000));
    assert_int_equal(now_ns(), begin + 600);
    assert_false(wait_event_timeout(queue, condition == 4, 1000));
    assert_int_equal(now_ns(), begin + 1600);
    events_mask_all();                          /* the mask of who slept is as it was */
    timer_set(&timer, begin + 1700, ring_later, NULL);
    wait_event(queue, condition == 4);
    assert_true(events_masked());
    events_unmask_all();
}

/* Who wants to know is told when another runs, and not when he goes on himself. */
static void leaves(void)
{
    assert_true(events_masked());
    note('!');
}

static void gives_way(void *unused)
{
    thread_current()->leaves = leaves;
    thread_yield();
    note('a');
    thread_yield();
    thread_sleep(10);                           /* nobody else meanwhile */
    note('b');
}

static void told_when_another_runs(void **state)
{
    assert_false(threads_wait());
    thread_create("a", gives_way, NULL);
    assert_true(threads_wait());
    thread_yield();
    assert_string_equal(order, "!");
    note('m');
    thread_sleep(100);
    assert_string_equal(order, "!mab!");
}

/* --- mutexes ---------------------------------------------------------------------------------- */

static MUTEX(mutex);
static unsigned int inside;

static void work_inside(void *name)
{
    for (unsigned int i = 0; i < 3; i++) {
        mutex_lock(&mutex);
        assert_int_equal(inside++, 0);
        note(*(const char *)name);
        thread_sleep(10);
        inside--;
        mutex_unlock(&mutex);
    }
}

static void one_inside(void **state)
{
    struct mutex other;

    mutex_init(&other);
    assert_true(mutex_trylock(&other));
    assert_false(mutex_trylock(&other));
    mutex_unlock(&other);
    assert_true(mutex_trylock(&other));
    thread_create("a", work_inside, "a");
    thread_create("b", work_inside, "b");
    thread_create("c", work_inside, "c");
    thread_yield();
    assert_false(mutex_trylock(&mutex));
    thread_sleep(1000);
    assert_int_equal(strlen(order), 9);
    assert_true(strchr(order, 'a') && strchr(order, 'b') && strchr(order, 'c'));
    assert_true(mutex_trylock(&mutex));
    mutex_unlock(&mutex);
}

/* --- life ------------------------------------------------------------------------------------- */

static void end_early(void *data)
{
    note('e');
    thread_exit();
}

static void many_lives(void **state)
{
    for (unsigned int i = 0; i < 50; i++) {
        thread_create("short", end_early, NULL);
        thread_yield();
        thread_yield();
        assert_true(stacks <= 1);
    }
    assert_int_equal(strlen(order), 50);
}

static void without_memory(void **state)
{
    allocations_until_failure = 1;
    assert_null(thread_create("none", end_early, NULL));
    allocations_until_failure = 0;
    stacks_left = 0;
    assert_null(thread_create("none", end_early, NULL));
    stacks_left = ~0u;
    thread_yield();
    assert_string_equal(order, "");
}

static void overrun(void *data)
{
    *(unsigned long *)thread_current()->stack ^= 1;
    thread_yield();
}

/* A stack that was overrun is noticed when its thread next gives way: nothing is well after
 * that, so a child of ours has it. */
static void a_guard_on_each_stack(void **state)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        panic_ends = true;
        thread_create("deep", overrun, NULL);
        thread_yield();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

/* What is vCPU 0's alone ends in a panic elsewhere: to sleep, to wake, to make a thread. */
_Thread_local struct cpu *host_cpu;

static void elsewhere(unsigned int what)
{
    static struct cpu second = { .self = &second, .id = 1 };
    struct thread *sleeper = thread_create("sleeper", wait_for_one, "s");

    thread_yield();
    several_cpus = true;
    host_cpu = &second;
    second.info.evtchn_upcall_mask = 1;
    panic_ends = true;
    if (what == 0)
        thread_sleep(5);
    else if (what == 1)
        wake_all(&queue);
    else if (what == 2)
        thread_wake(sleeper);
    else
        thread_create("another", three_turns, "x");
    _exit(0);
}

static void only_on_vcpu_0(void **state)
{
    for (unsigned int what = 0; what < 4; what++) {
        pid_t child = fork();
        int status;

        if (child == 0)
            elsewhere(what);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    }
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(turns_in_order), TEST(sleeps_end_in_time), TEST(wakes_and_times), TEST(one_by_one),
        TEST(woken_twice), TEST(each_wait_has_its_own_end),
        TEST(woken_by_an_event), TEST(told_when_another_runs),
        TEST(one_inside), TEST(many_lives), TEST(without_memory), TEST(a_guard_on_each_stack),
        TEST(only_on_vcpu_0),
    };

    start_threads();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
