/* SPDX-License-Identifier: MIT */
/*
 * Who may not sleep, and does, ends in a panic that says so: an event handler, a turn of the lane
 * that must not, whether it sleeps, gives way or waits for a lock. Likewise who unlocks another's.
 * Each is done by a child of the test's, for nothing is well after that. And on another hypervisor
 * a turn is as long as we ran meanwhile, however long we slept.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "threads_host.h"
#include "dom0/worker.h"

unsigned allocations_until_failure;
static uint64_t ran;                    /* as that hypervisor has it: nanoseconds in all */

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    if (nr == __HYPERVISOR_vcpu_op && a == VCPUOP_get_runstate_info)
        ((struct vcpu_runstate_info *)c)->time[RUNSTATE_running] = ran;
    return thread_hypercall(nr, a, b);
}

static MUTEX(lock);

static void lock_it(void *unused)
{
    mutex_lock(&lock);
}

static void sleep_now(void *unused)
{
    thread_sleep(1000);
}

static void give_way(void *unused)
{
    thread_yield();
}

/* --- where it is done --- */

#define PORT 5

static void (*action)(void *unused);

static void handle(evtchn_t port, void *data)
{
    action(NULL);
}

static void in_a_handler(void)
{
    event_attach(PORT, handle, NULL);
    ring(PORT);
}

static bool turn_ended;                 /* And what was done there. */

static bool serve(void *owner, unsigned budget)
{
    /* An event meanwhile does not change what may be done. */
    event_attach(PORT, owner, NULL);
    ring(PORT);
    action(NULL);
    turn_ended = true;
    return false;
}

static void nothing(evtchn_t port, void *data)
{
}

static struct turn turn;

static void in_a_turn(enum turn_kind kind)
{
    assert_int_equal(turns_join(&turn, kind, 7, serve, nothing), 0);
    turns_mark(&turn);
    while (!turn_ended)
        thread_sleep(100);
}

static void in_a_quick_turn(void)
{
    in_a_turn(TURN_STORE);
}

static void in_a_sleeping_turn(void)
{
    in_a_turn(TURN_STATE);
}

static void in_a_thread(void)
{
    action(NULL);
}

/* --- what is said of it --- */

/* "" if nothing was: all was well. */
static const char *said(void (*where)(void), void (*what)(void *unused))
{
    pid_t child;
    int status;

    panic_text[0] = '\0';
    child = fork();
    if (child == 0) {
        panic_ends = true;
        action = what;
        where();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), panic_text[0] ? 42 : 0);
    return panic_text;
}

static const char handler_sleeps[] =
    "pvguest: an event handler sleeps, and everybody would wait for it\n";
static const char turn_sleeps[] = "pvguest: a turn sleeps, and everybody would wait for it\n";

static void take(void *unused)
{
    mutex_lock(&lock);
    thread_create("other", lock_it, NULL);
    thread_yield();
}

static void wait_for_the_lock(void *unused)
{
    mutex_lock(&lock);
}

static void with_a_lock_of_anothers(void)
{
    thread_create("other", lock_it, NULL);
    thread_yield();
    in_a_handler();
}

static void handlers_do_not_sleep(void **state)
{
    assert_string_equal(said(in_a_handler, sleep_now), handler_sleeps);
    assert_string_equal(said(in_a_handler, give_way), handler_sleeps);
    assert_string_equal(said(with_a_lock_of_anothers, wait_for_the_lock), handler_sleeps);
    assert_string_equal(said(in_a_thread, sleep_now), "");
}

static void quick_turns_do_not_sleep(void **state)
{
    assert_string_equal(said(in_a_quick_turn, sleep_now), turn_sleeps);
    assert_string_equal(said(in_a_quick_turn, give_way), turn_sleeps);
    assert_string_equal(said(in_a_sleeping_turn, sleep_now), "");
    assert_string_equal(said(in_a_sleeping_turn, give_way), "");
}

static void unlock(void *unused)
{
    mutex_unlock(&lock);
}

static void lock_and_unlock_twice(void *unused)
{
    mutex_lock(&lock);
    mutex_unlock(&lock);
    mutex_unlock(&lock);
}

static void lock_twice(void *unused)
{
    mutex_lock(&lock);
    mutex_lock(&lock);
}

static void with_the_lock_taken(void)
{
    thread_create("other", lock_it, NULL);
    thread_yield();
    action(NULL);
}

static void who_has_locked_unlocks(void **state)
{
    assert_string_equal(said(with_the_lock_taken, unlock),
                        "pvguest: thread boot unlocks what it has not locked\n");
    assert_string_equal(said(in_a_thread, lock_and_unlock_twice),
                        "pvguest: thread boot unlocks what it has not locked\n");
    assert_string_equal(said(in_a_thread, lock_twice),
                        "pvguest: thread boot waits for a lock that it has\n");
    assert_string_equal(said(in_a_thread, take), "");
}

static bool takes_long(void *unused, unsigned budget)
{
    ran += 1000;
    return false;
}

static void a_turn_is_as_long_as_we_ran(void **state)
{
    assert_int_equal(turns_join(&turn, TURN_STORE, 7, takes_long, NULL), 0);
    ran += 50;                                          /* before, for nobody */
    turns_mark(&turn);
    thread_sleep(100);
    ran += 50;
    turns_mark(&turn);
    thread_sleep(100);
    assert_int_equal(turns_of(7)->nanoseconds, 2 * 1000);
    turns_leave(&turn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_do_not_sleep),
        cmocka_unit_test(quick_turns_do_not_sleep),
        cmocka_unit_test(who_has_locked_unlocks),
        cmocka_unit_test(a_turn_is_as_long_as_we_ran),
    };

    panic_text = mmap(NULL, PANIC_TEXT, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    start_threads();
    if (workers_start()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
