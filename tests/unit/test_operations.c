/* SPDX-License-Identifier: MIT */
/*
 * The operations of a hypercall by their tables: which numbers there are, who may, that nothing is
 * read before that is asked; arguments that are copied, answered or given on as they are; the lock;
 * and one that says its version, gives way, and goes on.
 */
#include "ring0_host.h"
#include "domain/domain.h"

#define VERSION 0x14
#define GAVE_WAY 0x80000000u

static struct domain domain = { .id = 3 };
static struct vcpu vcpu;
static int subject;
static spinlock_t lock;
static long result;
static unsigned int performed;
static bool goes_on;

static void seen(void *about)
{
    performed++;
    assert_ptr_equal(about, &subject);
}

/* A copy of three words: two are what they were. */
static long copied(void *about, void *argument)
{
    uint64_t *words = argument;

    seen(about);
    assert_int_equal(locks_count, lock.rank != LOCK_NONE);
    assert_true(words[0] == 11 && words[1] == 22);
    words[1] = 77;
    return result;
}

static long as_it_is(void *about, void *argument)
{
    seen(about);
    assert_int_equal(argument, 0x1122334455667788);
    assert_int_equal(locks_count, 0);
    return result;
}

static const struct operation table[] = {
    [1] = { copied, 16, .answers = true },
    [2] = { copied, 16 },
    [3] = { as_it_is },
    [4] = { as_it_is, .wide = true },
    [5] = { copied, 16, .answers = true, .others = -EPERM },
    [6] = { as_it_is, .others = -ENOSYS },
};
#define COUNT ARRAY_SIZE(table)
#define AS_IT_IS 0x1122334455667788

static int set_up(void **state)
{
    memset(&vcpu, 0, sizeof(vcpu));
    vcpu.domain = &domain;
    domain.privileged = false;
    ring0_begin(&vcpu);
    spin_lock_init(&lock, LOCK_NONE);
    performed = 0;
    result = 0;
    goes_on = false;
    return 0;
}

static uint64_t words[3];
static long call(unsigned int number, bool locked)
{
    words[0] = 11;
    words[1] = 22;
    words[2] = 33;
    return operation_call(table, COUNT, number, &subject, (uint64_t)words,
                          locked ? &lock : NULL);
}

static void numbers_there_are(void **state)
{
    static const unsigned int none[] = { 0, COUNT, COUNT + 1, 0x80000001, ~0u };
    bool answers = false;

    domain.privileged = true;
    for (unsigned int i = 0; i < ARRAY_SIZE(none); i++) {
        assert_int_equal(call(none[i], false), -ENOSYS);
        assert_int_equal(operation_perform(table, COUNT, none[i], &subject, words, &answers),
                         -ENOSYS);
    }
    assert_int_equal(performed, 0);
}

static void whose_they_are(void **state)
{
    bool answers = false;

    /* nothing is read of what is not for them */
    assert_int_equal(operation_call(table, COUNT, 5, &subject, NOT_THERE, NULL), -EPERM);
    assert_int_equal(operation_perform(table, COUNT, 5, &subject, words, &answers), -EPERM);
    assert_int_equal(operation_call(table, COUNT, 6, &subject, AS_IT_IS, NULL), -ENOSYS);
    assert_true(performed == 0 && !answers);
    domain.privileged = true;
    assert_int_equal(call(5, false), 0);
    assert_int_equal(operation_call(table, COUNT, 6, &subject, AS_IT_IS, NULL), 0);
    assert_int_equal(performed, 2);
}

static void arguments(void **state)
{
    result = 5;                                     /* who answers says no number */
    assert_int_equal(call(1, false), 0);
    assert_true(words[0] == 11 && words[1] == 77 && words[2] == 33);
    assert_int_equal(call(2, false), 5);
    assert_int_equal(words[1], 22);
    result = 0;
    assert_int_equal(call(1, false), 0);
    assert_int_equal(words[1], 77);
    result = -1;                                    /* no answer with an error */
    assert_int_equal(call(1, false), -1);
    assert_int_equal(words[1], 22);
    assert_int_equal(operation_call(table, COUNT, 1, &subject, NOT_THERE, NULL), -EFAULT);
    assert_int_equal(performed, 4);
    result = 0;
    read_only = &words[1];
    assert_int_equal(call(1, false), -EFAULT);
    assert_int_equal(call(2, false), 0);
}

/* As it is; of a long all of it counts, else an int. */
static void words_that_are_given_on(void **state)
{
    result = 0x100000007;
    assert_int_equal(operation_call(table, COUNT, 3, &subject, AS_IT_IS, NULL), 7);
    assert_int_equal(operation_call(table, COUNT, 4, &subject, AS_IT_IS, NULL), 0x100000007);
    assert_int_equal(performed, 2);
}

static void the_lock_is_held(void **state)
{
    spin_lock_init(&lock, LOCK_DOMAINS);
    assert_int_equal(call(1, true), 0);
    assert_int_equal(locks_count, 0);
    assert_int_equal(words[1], 77);
    result = -EBUSY;
    assert_int_equal(call(1, true), -EBUSY);
    assert_int_equal(locks_count, 0);
}

/* --- one that says its version ---------------------------------------------------------------- */

static struct { uint32_t number, version; uint64_t argument[16]; } op;

static long versioned(void *about, void *argument)
{
    uint64_t *words = argument;

    performed++;
    assert_ptr_equal(about, &domain);
    assert_int_equal(words[15], 15);
    assert_int_equal(vcpu.goes_on, goes_on);
    words[0]++;
    return result;
}

static const struct operation versions[] = {
    [1] = { versioned, .answers = true }, [2] = { versioned },
    [3] = { versioned, .answers = true, .others = -EPERM },
};

static long ask(unsigned int number, uint32_t version)
{
    memset(&op, 0, sizeof(op));
    op.number = number;
    op.version = version;
    op.argument[15] = 15;
    return operation_versioned(versions, ARRAY_SIZE(versions), VERSION, (uint64_t)&op);
}

static void the_version(void **state)
{
    int budget = cpu.budget;

    assert_int_equal(sizeof(op), 136);
    assert_int_equal(ask(1, VERSION), 0);
    assert_int_equal(budget - cpu.budget, COST_CALL);
    assert_true(op.argument[0] == 1 && op.version == VERSION);
    assert_int_equal(ask(2, VERSION), 0);
    assert_int_equal(op.argument[0], 0);
    assert_int_equal(ask(3, VERSION), -EPERM);
    assert_int_equal(ask(4, VERSION), -ENOSYS);
    performed = 0;
    assert_int_equal(ask(1, VERSION + 1), -EACCES);
    assert_int_equal(ask(1, (VERSION + 1) | GAVE_WAY), -EACCES);
    assert_int_equal(ask(1, 0), -EACCES);
    assert_int_equal(operation_versioned(versions, 4, VERSION, NOT_THERE), -EFAULT);
    assert_int_equal(performed, 0);
    domain.privileged = true;
    assert_int_equal(ask(3, VERSION), 0);
}

static void one_that_gives_way(void **state)
{
    result = -ERESTART;                             /* what is done stays with the call */
    assert_int_equal(ask(1, VERSION), -ERESTART);
    assert_true(op.argument[0] == 1 && op.version == (VERSION | GAVE_WAY));
    goes_on = true;
    result = 0;
    assert_int_equal(ask(1, VERSION | GAVE_WAY), 0);
    assert_true(op.version == VERSION && op.argument[0] == 1);
    result = -ENOMEM;                               /* the mark is taken off, whatever it ends by */
    assert_int_equal(ask(1, VERSION | GAVE_WAY), -ENOMEM);
    assert_true(op.version == VERSION && op.argument[0] == 1);
    goes_on = false;
    assert_int_equal(ask(1, VERSION), -ENOMEM);     /* nothing is answered */
    assert_true(op.version == VERSION && op.argument[0] == 0);
    read_only = &op.argument[0];
    result = 0;
    assert_int_equal(ask(1, VERSION), -EFAULT);
    assert_int_equal(ask(2, VERSION), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(numbers_there_are, set_up),
        cmocka_unit_test_setup(whose_they_are, set_up),
        cmocka_unit_test_setup(arguments, set_up),
        cmocka_unit_test_setup(words_that_are_given_on, set_up),
        cmocka_unit_test_setup(the_lock_is_held, set_up),
        cmocka_unit_test_setup(the_version, set_up),
        cmocka_unit_test_setup(one_that_gives_way, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
