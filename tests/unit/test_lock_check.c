/* SPDX-License-Identifier: MIT */
/*
 * The debug build's watched locks: what keeps the order passes, and each kind of mistake stops the
 * machine with a sentence about it. Two CPUs, by turns: GS points to whose turn it is.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <asm/prctl.h>
#include <unistd.h>
#include <cmocka.h>
#include "lib/printk.h"
#include "lib/spinlock.h"
#include "machine/cpu.h"
#include "machine/lock_check.h"

static struct cpu cpu[2];
static jmp_buf stopped;
static char said[200];

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(said, sizeof said, format, arguments);
    va_end(arguments);
    longjmp(stopped, 1);
}

static void run_on(unsigned int number)
{
    cpu[number].self = &cpu[number];
    syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)&cpu[number]);
}

static spinlock_t domains, tables, events[2], heap, raw;

static int prepare(void **state)
{
    memset(cpu, 0, sizeof cpu);
    run_on(0);
    spin_lock_init(&domains, LOCK_DOMAINS);
    spin_lock_init(&tables, LOCK_PAGETABLES);
    spin_lock_init(&events[0], LOCK_EVENTS);
    spin_lock_init(&events[1], LOCK_EVENTS);
    spin_lock_init(&heap, LOCK_HEAP);
    memset(&raw, 0, sizeof raw);
    lock_check_start();
    return 0;
}

/* The statement stops the machine, and this is said. */
#define assert_stops(words, statement) do { \
    said[0] = '\0'; \
    if (!setjmp(stopped)) { \
        statement; \
        fail_msg("nobody noticed: %s", #statement); \
    } \
    if (!strstr(said, words)) \
        fail_msg("\"%s\" was said of %s", said, #statement); \
} while (0)

static void the_order_is_kept(void **state)
{
    spin_lock(&domains);
    spin_lock(&tables);
    lock_needed(&domains);
    spin_lock(&events[0]);
    spin_lock(&events[1]);
    spin_lock(&heap);
    assert_int_equal(cpu[0].locks.count, 5);
    spin_unlock(&tables);                       /* dropped in any order */
    lock_needed(&heap);
    lock_needed(&events[0]);
    spin_unlock(&heap);
    spin_unlock(&events[0]);
    spin_unlock(&domains);
    lock_needed(&events[1]);
    spin_unlock(&events[1]);
    assert_int_equal(cpu[0].locks.count, 0);
    spin_lock(&heap);
    assert_true(spin_trylock(&domains));        /* who does not wait needs no order */
    assert_false(spin_trylock(&domains));
    assert_int_equal(cpu[0].locks.count, 2);
    spin_unlock(&domains);
    spin_unlock(&heap);
}

static void the_wrong_order(void **state)
{
    spin_lock(&heap);
    assert_stops("the wrong order", spin_lock(&tables));
}

/* Not the innermost lock it holds, but one further out. */
static void the_wrong_order_further_out(void **state)
{
    spin_lock(&heap);
    assert_true(spin_trylock(&domains));
    assert_stops("the wrong order", spin_lock(&tables));
}

static void two_of_a_kind_in_the_wrong_order(void **state)
{
    spin_lock(&events[1]);
    assert_stops("the wrong order", spin_lock(&events[0]));
}

static void twice(void **state)
{
    spin_lock(&tables);
    assert_stops("taken twice", spin_lock(&tables));
}

static void dropped_twice(void **state)
{
    spin_lock(&tables);
    spin_unlock(&tables);
    assert_stops("dropped by a CPU that does not hold it", spin_unlock(&tables));
}

static void dropped_by_another(void **state)
{
    spin_lock(&tables);
    run_on(1);
    assert_stops("dropped by a CPU that does not hold it", spin_unlock(&tables));
}

static void needed_and_not_held(void **state)
{
    assert_stops("must be held", lock_needed(&tables));
}

static void needed_and_held_by_another(void **state)
{
    spin_lock(&tables);
    run_on(1);
    assert_stops("must be held", lock_needed(&tables));
}

static void without_a_rank(void **state)
{
    assert_stops("before it is initialised", spin_lock(&raw));
}

static void too_many(void **state)
{
    spinlock_t lock[LOCKS_MAX + 1];

    for (unsigned int i = 0; i <= LOCKS_MAX; i++)
        spin_lock_init(&lock[i], LOCK_EVENTS);
    for (unsigned int i = 0; i < LOCKS_MAX; i++)
        spin_lock(&lock[i]);
    assert_stops("more than 8 locks", spin_lock(&lock[LOCKS_MAX]));
}

static void left_behind(void **state)
{
    spin_lock(&tables);
    spin_lock(&heap);
    assert_stops("left with 2 locks held", locks_left());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_order_is_kept, prepare),
        cmocka_unit_test_setup(the_wrong_order, prepare),
        cmocka_unit_test_setup(the_wrong_order_further_out, prepare),
        cmocka_unit_test_setup(two_of_a_kind_in_the_wrong_order, prepare),
        cmocka_unit_test_setup(twice, prepare),
        cmocka_unit_test_setup(dropped_twice, prepare),
        cmocka_unit_test_setup(dropped_by_another, prepare),
        cmocka_unit_test_setup(needed_and_not_held, prepare),
        cmocka_unit_test_setup(needed_and_held_by_another, prepare),
        cmocka_unit_test_setup(without_a_rank, prepare),
        cmocka_unit_test_setup(too_many, prepare),
        cmocka_unit_test_setup(left_behind, prepare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
