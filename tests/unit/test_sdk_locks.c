/* SPDX-License-Identifier: MIT */
/*
 * The SDK's locks among vCPUs and calls from one to another, with threads for vCPUs: a counter
 * under a lock is right, who waits long sleeps and is rung, each in turn; a call runs where it was
 * meant to, once, in its order, and its caller goes on when it has; two that call each other both
 * get their answer; who goes down leaves no call behind.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <pthread.h>
#include <sched.h>
#include <cmocka.h>
#include <pvguest/bits.h>
#include "pvguest-sdk/lib/smp.h"
#include "cpu_alarm.h"
#include "vcpus_host.h"

#define VCPUS 4u
#define HELD  (1ul << 63)

static struct cpu others[MOST_CPUS];

/* --- vCPUs ------------------------------------------------------------------------------------ */

static void take_calls(evtchn_t port, void *cpu)
{
    calls_run(cpu);
}

static int set_up(void **state)
{
    memset(&shared_info, 0, sizeof(shared_info));
    several_cpus = true;
    for (unsigned int i = 0; i < MOST_CPUS; i++) {
        struct cpu *cpu = i ? &others[i] : &first_cpu;

        cpu->self = all_cpus[i] = cpu;
        cpu->id = i;
        cpu->kick_port = 100 + i;
        cpu->call_port = 200 + i;
        calls_open(cpu);
    }
    host_cpu = &first_cpu;
    call_handler = take_calls;
    polls = sends = never_rung = 0;
    return 0;
}

static void on_each(void *(*run)(void *cpu))
{
    pthread_t threads[VCPUS];

    for (unsigned int i = 0; i < VCPUS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, all_cpus[i]), 0);
    for (unsigned int i = 0; i < VCPUS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(never_rung, 0);
}

static void rest(long ns)
{
    nanosleep(&(struct timespec){ 0, ns }, NULL);
}

/* --- locks ------------------------------------------------------------------------------------ */

static struct spinlock lock;
static volatile uint64_t counter;
static unsigned int inside, overlaps;

static void *count(void *cpu)
{
    host_cpu = cpu;
    for (unsigned int i = 0; i < 4000; i++) {
        bool was = spin_lock(&lock);
        uint64_t seen = counter;

        overlaps += inside++ != 0;
        if (i % 256 == 0)
            rest(50000);                /* the others give up looking */
        counter = seen + 1;
        inside--;
        spin_unlock(&lock, was);
    }
    return NULL;
}

static void a_counter_is_right(void **state)
{
    counter = 0;
    on_each(count);
    assert_int_equal(counter, VCPUS * 4000);
    assert_int_equal(overlaps, 0);
    assert_int_equal(lock.word, 0);
    assert_true(polls > 0 && sends > 0);
}

static void nobody_waits_for_nobody(void **state)
{
    bool was = spin_lock(&lock);

    assert_false(was);
    assert_true(masked && lock.word == HELD);
    spin_unlock(&lock, was);
    assert_true(!masked && !lock.word);
    was = events_save();
    spin_unlock(&lock, spin_lock(&lock));
    assert_true(masked);                /* as it was before */
    events_restore(was);
    several_cpus = false;
    was = spin_lock(&lock);
    assert_true(masked && !lock.word);
    spin_unlock(&lock, was);
    assert_int_equal(polls + sends, 0);
}

/* Who unlocks rings the next one by number, and it alone. */
static void each_in_turn(void **state)
{
    static const struct { unsigned int from; uint64_t sleepers; unsigned int rung; } cases[] = {
        { 0, 1ul << 1, 1 },
        { 2, 1ul << 1 | 1ul << 3 | 1ul << 62, 3 },
        { 3, 1ul << 1 | 1ul << 3 | 1ul << 62, 62 },
        { 62, 1ul << 1 | 1ul << 3, 1 },
        { 61, 1ul << 0 | 1ul << 62, 62 },
        { 5, 1ul << 4, 4 },
        { 0, ~HELD & ~1ul, 1 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        struct spinlock held = { HELD | cases[i].sleepers };

        sends = 0;
        host_cpu = all_cpus[cases[i].from];
        spin_release(&held);
        assert_int_equal(sends, 1);
        assert_int_equal(last_sent, 100 + cases[i].rung);
        assert_true(held.word == (cases[i].sleepers & ~(1ul << cases[i].rung)));
    }
}

/* A ring from long ago does not end a sleep too early to be told of the next one. */
static void *take_and_give(void *cpu)
{
    host_cpu = cpu;
    spin_unlock(&lock, spin_lock(&lock));
    return NULL;
}

static void an_old_ring(void **state)
{
    bool was = spin_lock(&lock);
    pthread_t thread;

    set_bit(101, shared_info.evtchn_pending);
    assert_int_equal(pthread_create(&thread, NULL, take_and_give, all_cpus[1]), 0);
    for (unsigned int i = 0; i < 600000 && !__atomic_load_n(&sleeping, __ATOMIC_SEQ_CST); i++)
        rest(100000);
    assert_int_equal(__atomic_load_n(&sleeping, __ATOMIC_SEQ_CST), 1);
    assert_int_equal(polls, 1);
    assert_true(lock.word == (HELD | 1ul << 1));
    spin_unlock(&lock, was);
    pthread_join(thread, NULL);
    assert_int_equal(last_sent, 101);
    assert_int_equal(sends, 1);
    assert_int_equal(lock.word, 0);
    assert_int_equal(never_rung, 0);
}

/* --- calls ------------------------------------------------------------------------------------ */

static unsigned int ran[64], ran_count;

static void note(void *data)
{
    assert_true(masked);
    ran[ran_count++] = (unsigned int)(unsigned long)data;
}

static void calls_in_their_order(void **state)
{
    struct smp_call posts[5] = { { 0 } };

    ran_count = 0;
    for (unsigned long i = 0; i < 5; i++) {
        posts[i].function = note;
        posts[i].data = (void *)i;
        assert_int_equal(smp_post(1, &posts[i]), 0);
    }
    assert_int_equal(smp_post(1, &posts[3]), -EBUSY);
    assert_int_equal(smp_post(2, &posts[3]), -EBUSY);
    assert_int_equal(sends, 1);                 /* the first one rings */
    assert_int_equal(last_sent, 201);
    host_cpu = all_cpus[1];
    events_restore(false);
    assert_int_equal(ran_count, 5);
    for (unsigned int i = 0; i < 5; i++)
        assert_int_equal(ran[i], i);
    assert_int_equal(smp_post(2, &posts[3]), 0);
    assert_int_equal(last_sent, 202);
    host_cpu = all_cpus[2];
    events_restore(false);
    assert_int_equal(ran_count, 6);
}

/* Its function may post it again. */
static struct smp_call again;
static unsigned int times;

static void once_more(void *data)
{
    if (++times < 10)
        assert_int_equal(smp_post(0, &again), 0);
    else
        memset(&again, 0xa5, sizeof(again));    /* it is the caller's, who may have freed it */
}

static void a_call_posts_itself(void **state)
{
    again = (struct smp_call){ .function = once_more };
    times = 0;
    assert_int_equal(smp_post(0, &again), 0);
    events_restore(false);
    assert_int_equal(times, 10);
}

static void calls_to_oneself_and_nobody(void **state)
{
    struct smp_call post = { .function = note, .data = (void *)8 };

    ran_count = 0;
    masked = false;
    assert_int_equal(smp_call(0, note, (void *)7), 0);
    assert_true(!masked && ran_count == 1 && ran[0] == 7 && !sends);
    all_cpus[9] = NULL;
    assert_int_equal(smp_call(9, note, NULL), -ENODEV);
    assert_int_equal(smp_post(9, &post), -ENODEV);
    assert_int_equal(smp_call(MOST_CPUS, note, NULL), -ENODEV);
    assert_true(calls_close(all_cpus[3]));
    assert_false(calls_close(all_cpus[3]));
    assert_int_equal(smp_call(3, note, NULL), -ENODEV);
    assert_int_equal(smp_post(3, &post), -ENODEV);
    assert_false(masked);
    masked = true;
    calls_run(all_cpus[3]);                     /* stays closed */
    assert_int_equal(smp_post(3, &post), -ENODEV);
    calls_open(all_cpus[3]);
    assert_int_equal(smp_post(3, &post), 0);    /* as if it had not been tried */
    assert_false(calls_close(all_cpus[3]));
    calls_run(all_cpus[3]);
    assert_true(ran_count == 2 && ran[1] == 8);
    assert_true(calls_close(all_cpus[3]));
    several_cpus = false;                       /* before there are others */
    assert_int_equal(smp_post(0, &post), 0);
    assert_int_equal(ran_count, 3);
}

/* All call all, and wait; each answers while it waits. */
static unsigned int answers[VCPUS], finished;

static void answer(void *data)
{
    assert_int_equal(this_cpu()->id, (unsigned long)data);
    if (answers[this_cpu()->id]++ % 64 == 0)
        rest(20000);
}

static void *call_all(void *cpu)
{
    host_cpu = cpu;
    for (unsigned int i = 0; i < 1000; i++) {
        unsigned int to = (this_cpu()->id + i) % VCPUS;

        assert_int_equal(smp_call(to, answer, (void *)(unsigned long)to), 0);
        assert_false(masked);
    }
    __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < VCPUS) {
        events_restore(false);
        sched_yield();
    }
    return NULL;
}

static void all_call_all(void **state)
{
    memset(answers, 0, sizeof(answers));
    finished = 0;
    on_each(call_all);
    for (unsigned int i = 0; i < VCPUS; i++)
        assert_int_equal(answers[i], 1000);
    assert_true(polls > 0);
}

static unsigned int taken;

static void take(void *unused)
{
    taken++;
}

/* However often who waits is called meanwhile: more often than it looks before it sleeps. */
static void ask_back(void *unused)
{
    for (unsigned int i = 0; i < 600; i++)
        assert_int_equal(smp_call(0, take, NULL), 0);
    __atomic_store_n(&finished, 1, __ATOMIC_SEQ_CST);
}

static void *ask_who_asks_back(void *cpu)
{
    host_cpu = cpu;
    if (this_cpu()->id == 0)
        assert_int_equal(smp_call(1, ask_back, NULL), 0);
    while (this_cpu()->id == 1 && !__atomic_load_n(&finished, __ATOMIC_SEQ_CST)) {
        events_restore(false);
        sched_yield();
    }
    return NULL;
}

static void who_waits_answers(void **state)
{
    taken = finished = 0;
    on_each(ask_who_asks_back);
    assert_int_equal(taken, 600);
}

/* One goes down and up all the time: a call is answered, or refused. */

static void *down_and_up(void *cpu)
{
    host_cpu = cpu;
    if (this_cpu()->id) {
        for (unsigned int answered = 0; answered < 300; ) {
            int error = smp_call(0, take, NULL);

            assert_true(!error || error == -ENODEV);
            answered += !error;
            if (error)
                sched_yield();
        }
        __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
        return NULL;
    }
    while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < VCPUS - 1) {
        masked = true;
        while (!calls_close(host_cpu))
            calls_run(host_cpu);
        sched_yield();
        calls_open(host_cpu);
        events_restore(false);
        sched_yield();
    }
    return NULL;
}

static void no_call_is_left_behind(void **state)
{
    taken = finished = 0;
    on_each(down_and_up);
    assert_int_equal(taken, (VCPUS - 1) * 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_counter_is_right, set_up),
        cmocka_unit_test_setup(nobody_waits_for_nobody, set_up),
        cmocka_unit_test_setup(each_in_turn, set_up),
        cmocka_unit_test_setup(an_old_ring, set_up),
        cmocka_unit_test_setup(calls_in_their_order, set_up),
        cmocka_unit_test_setup(a_call_posts_itself, set_up),
        cmocka_unit_test_setup(calls_to_oneself_and_nobody, set_up),
        cmocka_unit_test_setup(all_call_all, set_up),
        cmocka_unit_test_setup(who_waits_answers, set_up),
        cmocka_unit_test_setup(no_call_is_left_behind, set_up),
    };

    cpu_alarm(20);                              /* for ever is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
