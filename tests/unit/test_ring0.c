/* SPDX-License-Identifier: MIT */
/*
 * The lock around ring 0 and the calls from CPU to CPU. What one CPU does is tried alone: cpu_relax
 * is where time passes and the others do something. That they do not meet is tried with threads,
 * each of which is a CPU that runs a guest, comes when it is interrupted, and has a TLB.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "machine/apic.h"
#include "cpu_alarm.h"
#include "machine/ring0.h"
#include "machine/system_time.h"
#include "machine/vectors.h"
#include "lib/printk.h"

#define CPUS      4u
#define KHZ       1000ul
#define PATIENCE  (30 * KHZ * 1000)             /* ticks */
#define PASSES    100u
#define NOTHING   0x5000ul

struct cpu *cpus[MAX_CPUS];
uint32_t cpus_online;
static struct cpu cpu[CPUS];
static __thread struct cpu *me;                 /* the thread's, if it is one of several */

/* --- the machine --- */

static uint64_t tsc, loads[CPUS];
static bool threads;
static void (*meanwhile)(void);                 /* what others do while this CPU waits */
static char said[200];
static jmp_buf end;

uint64_t tsc_khz(void)
{
    return threads ? 1000 * KHZ * KHZ : KHZ;    /* without end, or nearly */
}
uint64_t rdtsc(void)
{
    return tsc;
}
uint64_t now_ns(void)
{
    return tsc * (1000000 / KHZ);
}

/* Of several, each fourth look that one takes from outside makes it hungry. */
static __thread bool in_ring0_now;
static unsigned int hungers;
static void look(void)
{
    static __thread unsigned int looks_of_mine;
    uint32_t nobody = 0;

    if (threads && !in_ring0_now && ++looks_of_mine % 4 == 0 &&
        __atomic_compare_exchange_n(&ring0_lock.hungry, &nobody, this_cpu()->id + 1, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        __atomic_add_fetch(&hungers, 1, __ATOMIC_RELAXED);
    sched_yield();
}

void cpu_relax(void)
{
    if (meanwhile)
        meanwhile();
    else
        look();
}
uint64_t read_cr3(void)
{
    return NOTHING + this_cpu()->id;
}
void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(said, sizeof(said), format, arguments);
    va_end(arguments);
    longjmp(end, 1);
}

static void be(struct cpu *c)
{
    c->self = c;
    syscall(SYS_arch_prctl, ARCH_SET_GS, c);
}

/* Who was sent what, in order. */
static struct { uint32_t apic_id; uint8_t vector; } sent[8];
static unsigned int sent_count, interrupts[CPUS];
void lapic_send(uint32_t apic_id, uint8_t vector)
{
    if (threads) {
        __atomic_store_n(&interrupts[apic_id / 10], 1, __ATOMIC_RELEASE);
        return;
    }
    assert_true(sent_count < 8);
    sent[sent_count].apic_id = apic_id;
    sent[sent_count++].vector = vector;
}

static void in_thread_flushes(void);
void write_cr3(uint64_t value)
{
    struct cpu *c = this_cpu();

    if (threads) {
        in_thread_flushes();
        return;
    }
    assert_int_equal(value, NOTHING + c->id);
    assert_true(c->flush_wanted);               /* who asked still waits */
    loads[c->id]++;
}

static int set_up(void **state)
{
    memset(cpu, 0, sizeof(cpu));
    memset(loads, 0, sizeof(loads));
    memset(interrupts, 0, sizeof(interrupts));
    for (unsigned int i = 0; i < CPUS; i++) {
        cpu[i].id = i;
        cpu[i].apic_id = 10 * i;
        cpu[i].idle = (struct vcpu *)&cpu[i];       /* and a guest's is none of these */
        cpus[i] = &cpu[i];
    }
    cpus_online = CPUS;
    be(&cpu[1]);
    ring0_shared = true;
    ring0_lock = (struct ring0_lock){ .held = 0 };
    tsc = sent_count = 0;
    threads = false;
    meanwhile = NULL;
    *said = '\0';
    return 0;
}

#define LOCK(held_, uses_) \
    assert_true(ring0_lock.held == (held_) && ring0_lock.uses == (uses_))

/* --- one CPU's view --- */

static unsigned int looks, looks_until_free;

/* This CPU looks each 100 ticks, and the holder leaves after some looks. */
static void the_other_leaves(void)
{
    tsc += 100;
    if (++looks == looks_until_free)
        ring0_lock.held = 0;
}

static void nobody_is_there(void **state)
{
    for (unsigned int i = 0; i < 4; i++) {
        ring0_enter();
        LOCK(1, i);
        ring0_leave();
        LOCK(0, i + 1);
    }
    assert_true(cpu[1].waits == 0 && cpu[1].longest_wait == 0);
    ring0_shared = false;                       /* no lock where there is nobody else */
    ring0_enter();
    LOCK(0, 4);
    ring0_leave();
    LOCK(0, 4);
}

/* After so many instructions of this CPU another comes, and stays for a while. */
static unsigned int instructions, others_come_after;
static bool other_is_first;
static void after_instruction(int number, siginfo_t *info, void *context)
{
    if (++instructions != others_come_after) return;
    other_is_first = !__atomic_exchange_n(&ring0_lock.held, 1, __ATOMIC_ACQUIRE);
}

#define SINGLE_STEP(instruction) \
    __asm__ volatile("pushfq; " instruction ", (%%rsp); popfq" : : : "memory", "cc")

static void two_come_at_once(void **state)
{
    struct sigaction action = { .sa_sigaction = after_instruction, .sa_flags = SA_SIGINFO };
    unsigned int firsts = 0;

    sigaction(SIGTRAP, &action, NULL);
    meanwhile = the_other_leaves;
    looks_until_free = 1;
    for (others_come_after = 1; others_come_after <= instructions + 1; others_come_after++) {
        instructions = looks = 0;
        SINGLE_STEP("orq $0x100");
        ring0_enter();
        SINGLE_STEP("andq $~0x100");
        if (instructions < others_come_after)
            break;
        assert_int_equal(ring0_lock.held, 1);
        assert_int_equal(looks, other_is_first);        /* it has left before this one had it */
        firsts += other_is_first;
        ring0_lock.held = 0;
    }
    assert_true(firsts > 1 && others_come_after > firsts + 5);
}

/* How long it was is written down. */
static void waiting(void **state)
{
    static const struct { unsigned int looks; uint64_t longest; } rows[] = {
        { 2, 200 }, { 1, 200 }, { 0, 200 }, { 5, 500 },
    };
    uint64_t waits = 0;

    meanwhile = the_other_leaves;
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        looks = 0;
        looks_until_free = rows[i].looks;
        ring0_lock.held = rows[i].looks != 0;
        ring0_lock.uses = i + 1;
        ring0_enter();
        assert_int_equal(looks, rows[i].looks);
        assert_int_equal(ring0_lock.held, 1);
        waits += rows[i].looks != 0;
        assert_true(cpu[1].waits == waits && cpu[1].longest_wait == rows[i].longest);
        ring0_leave();
    }
    LOCK(0, ARRAY_SIZE(rows) + 1);
    assert_true(cpu[0].waits == 0 && cpu[2].waits == 0);
}

/* The holder wants a flush of who waits. */
static void the_holder_asks(void)
{
    the_other_leaves();
    if (looks == 2)
        cpu[1].flush_wanted = cpu[2].flush_wanted = true;
    if (looks == 3)
        assert_true(!cpu[1].flush_wanted && loads[1] == 1);
}

static void who_waits_serves(void **state)
{
    meanwhile = the_holder_asks;
    looks = 0;
    looks_until_free = 4;
    ring0_lock.held = 1;
    ring0_enter();
    assert_true(looks == 4 && loads[1] == 1);
    assert_true(cpu[2].flush_wanted);           /* each for itself */
}

static uint64_t step;
static void nobody_leaves(void)
{
    tsc += step;
    looks++;
}

/* Boot may take as long as it wants. A CPU may be given up until then, so none is handed the lock:
 * nobody would take it. */
static void boot_ends(void)
{
    tsc += PATIENCE;
    assert_int_equal(ring0_lock.hungry, 0);
    if (++looks == 30)
        ring0_lock = (struct ring0_lock){ .uses = 1 };
}

static void patience_begins_when_boot_is_over(void **state)
{
    meanwhile = boot_ends;
    looks = 0;
    ring0_lock.held = 1;
    ring0_enter();
    assert_true(looks == 30 && ring0_lock.held && *said == '\0');
}

/* Who comes and goes while this CPU is seldom run does not stay. */
static void others_are_quicker(void)
{
    tsc += PATIENCE;
    ring0_lock.uses++;
    if (++looks == 5)
        ring0_lock.held = 0;
}

static void others_may_be_quicker(void **state)
{
    meanwhile = others_are_quicker;
    looks = 0;
    ring0_lock.held = ring0_lock.uses = 1;
    ring0_enter();
    assert_true(looks == 5 && ring0_lock.held && *said == '\0');
    assert_int_equal(cpu[1].longest_wait, 5 * PATIENCE);
}

static void patience_ends(void **state)
{
    meanwhile = nobody_leaves;
    ring0_lock.held = ring0_lock.uses = 1;
    step = KHZ / 2;
    if (setjmp(end) == 0)
        ring0_enter();
    assert_string_equal(said, "CPU 1 has waited 30 s for another to leave ring 0");
    assert_true(tsc > PATIENCE && tsc <= PATIENCE + step);
}

/* A host that stops this CPU stops the other, too: a look counts a millisecond at most. */
static void a_stopped_host_takes_no_patience(void **state)
{
    meanwhile = nobody_leaves;
    ring0_lock.held = ring0_lock.uses = 1;
    step = PATIENCE;
    looks = 0;
    if (setjmp(end) == 0)
        ring0_enter();
    assert_string_equal(said, "CPU 1 has waited 30 s for another to leave ring 0");
    assert_in_range(looks, 30000, 30002);
}

/* --- who has looked for long --- */

static unsigned int hungry_at;
static enum { IT_IS_HANDED, IT_IS_FREE, ANOTHER_IS_HUNGRY } then;

/* Others leave and come, so quickly that this CPU never sees it free. */
static void others_are_always_there(void)
{
    tsc += KHZ;
    looks++;
    ring0_lock.uses++;
    if (!hungry_at && ring0_lock.hungry)
        hungry_at = looks;
    if (looks < 1100) return;
    if (then == IT_IS_HANDED)
        ring0_leave();
    if (then == IT_IS_FREE)
        ring0_lock.held = 0;
    if (then == ANOTHER_IS_HUNGRY && looks == 1100)
        ring0_leave();                        /* to CPU 3, which leaves after a while */
    if (then == ANOTHER_IS_HUNGRY && looks == 1200) {
        assert_true(ring0_lock.given == 4 && ring0_lock.hungry == 2);
        ring0_lock.given = 0;
        ring0_leave();
    }
}

static void who_is_hungry_is_next(void **state)
{
    for (then = IT_IS_HANDED; then <= ANOTHER_IS_HUNGRY; then++) {
        meanwhile = others_are_always_there;
        ring0_lock = (struct ring0_lock){ .held = 1, .uses = 1,
                                          .hungry = then == ANOTHER_IS_HUNGRY ? 4 : 0 };
        looks = hungry_at = 0;
        ring0_enter();
        assert_true(ring0_lock.held && !ring0_lock.hungry && !ring0_lock.given);
        assert_int_equal(looks, then == ANOTHER_IS_HUNGRY ? 1200 : 1100);
        if (then != ANOTHER_IS_HUNGRY)
            assert_in_range(hungry_at, 1001, 1002);
        assert_true(*said == '\0');
    }
}

/* A host that does not run it makes nobody hungry. */
static void hunger_is_looked_for(void **state)
{
    ring0_lock = (struct ring0_lock){ .held = 1, .uses = 1 };
    looks = 0;
    meanwhile = others_are_quicker;
    ring0_enter();
    assert_true(looks == 5 && !ring0_lock.hungry && !ring0_lock.given);
}

/* Nor does one that does not run who has the lock: nobody else comes in before this CPU. */
static void the_holder_does_not_run(void)
{
    tsc += KHZ / 2;
    assert_int_equal(ring0_lock.hungry, 0);
    if (++looks == 2000)
        ring0_leave();
}

static void hunger_is_for_what_others_have(void **state)
{
    ring0_lock = (struct ring0_lock){ .held = 1, .uses = 1 };
    looks = 0;
    meanwhile = the_holder_does_not_run;
    ring0_enter();
    assert_true(looks == 2000 && ring0_lock.held && !ring0_lock.given);
}

/* --- calling others --- */

static void is_sent(unsigned int n, uint32_t apic_id)
{
    assert_true(n < sent_count && sent[n].apic_id == apic_id && sent[n].vector == VECTOR_CALL);
}

static void calls(void **state)
{
    cpu_interrupt(&cpu[3]);
    is_sent(0, 30);
    cpu_interrupt(&cpu[1]);                     /* it is here */
    assert_true(sent_count == 1 && cpu[3].work == 0);
    cpu[2].work = WORK_TIMERS;
    cpu_reschedule(&cpu[2]);
    is_sent(1, 20);
    assert_int_equal(cpu[2].work, WORK_TIMERS | WORK_RESCHEDULE);
    cpu_reschedule(&cpu[2]);                    /* it was told */
    cpu_reschedule(&cpu[1]);
    cpu_reschedule(&cpu[1]);
    assert_true(sent_count == 2 && cpu[1].work == WORK_RESCHEDULE);
    assert_true(cpu[0].work == 0 && cpu[3].work == 0);
}

static uint64_t asked;
/* All are called before the first answers; the last answers first. */
static void they_answer(void)
{
    unsigned int i = CPUS;

    assert_int_equal(sent_count, __builtin_popcountl(asked));
    while (i-- > 0)
        if (cpu[i].flush_wanted) {
            cpu[i].flush_wanted = false;
            return;
        }
    assert_true(!"all have answered");
}

static void flushes(void **state)
{
    meanwhile = they_answer;
    cpus_online = 3;                            /* nobody has the number 3 */
    for (uint64_t mask = 0; mask < 16; mask++)
        for (unsigned int here = 0; here < 3; here++) {
            unsigned int n = 0;

            be(&cpu[here]);
            asked = mask & ~(1ul << here) & 7;
            sent_count = 0;
            cpus_flush(mask | 1ul << 63);
            for (unsigned int i = 0; i < CPUS; i++) {
                if (asked >> i & 1)
                    is_sent(n++, 10 * i);
                assert_false(cpu[i].flush_wanted);
            }
            assert_int_equal(sent_count, n);
        }
    assert_true(cpu[0].work == 0 && cpu[1].work == 0 && cpu[2].work == 0);
    assert_true(loads[0] == 0 && loads[1] == 0 && loads[2] == 0);
    LOCK(0, 0);                                 /* the caller has it anyway */
}

static void all_but_one_answer(void)
{
    tsc += step;
    looks++;
    cpu[0].flush_wanted = cpu[3].flush_wanted = false;
}

/* One that has no guest would not come, and need not. */
static void sleepers_are_not_asked(void **state)
{
    meanwhile = they_answer;
    cpu[2].running = cpu[2].idle;
    asked = 1ul << 0 | 1ul << 3;
    cpus_flush(~0ul);
    assert_int_equal(sent_count, 2);
    is_sent(0, 0);
    is_sent(1, 30);
    assert_false(cpu[2].flush_wanted);
}

static void one_does_not_answer(void **state)
{
    meanwhile = all_but_one_answer;
    step = KHZ / 2;
    if (setjmp(end) == 0)
        cpus_flush(~0ul);
    assert_string_equal(said, "CPU 2 (APIC 20) does not answer");
    assert_int_equal(sent_count, 3);
    assert_true(tsc > PATIENCE && tsc <= PATIENCE + 2 * step);
    step = PATIENCE;
    looks = 0;
    if (setjmp(end) == 0)
        cpus_flush(~0ul);
    assert_in_range(looks, 30000, 30002);
}

/* --- several at a time --- */

static pthread_t thread[CPUS];
static unsigned int inside, entered, done_count, wrong;
static unsigned int generation, seen[CPUS];     /* of page tables; in each one's TLB */
static bool in_guest[CPUS];

static void check(bool right)
{
    if (!right)
        __atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
}

static void in_thread_flushes(void)
{
    __atomic_store_n(&seen[me->id], __atomic_load_n(&generation, __ATOMIC_ACQUIRE),
                     __ATOMIC_RELEASE);
}

static void in_ring0(unsigned int pass)
{
    check(inside++ == 0);                       /* by plain arithmetic: nobody else is here */
    if (pass % 8 == me->id) {
        generation++;
        cpus_flush(~0ul);
        for (unsigned int i = 0; i < CPUS; i++) {
            if (i == me->id)
                continue;
            check(seen[i] == generation && !__atomic_load_n(&in_guest[i], __ATOMIC_ACQUIRE));
        }
    } else if (pass % 4 == 0) {
        sched_yield();
    }
    entered++;
    check(--inside == 0);
}

/* A guest runs until it calls, or its CPU is interrupted. */
static void *cpu_runs(void *arg)
{
    me = arg;
    be(me);
    for (unsigned int pass = 0; pass < PASSES; pass++) {
        __atomic_store_n(&in_guest[me->id], true, __ATOMIC_RELEASE);
        for (unsigned int i = 0; i < pass % 5; i++)
            if (__atomic_exchange_n(&interrupts[me->id], 0, __ATOMIC_ACQUIRE))
                break;
        __atomic_store_n(&in_guest[me->id], false, __ATOMIC_RELEASE);
        ring0_enter();
        in_ring0_now = true;
        in_ring0(pass);
        in_ring0_now = false;
        ring0_leave();
    }
    __atomic_add_fetch(&done_count, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&done_count, __ATOMIC_ACQUIRE) < CPUS) {
        if (__atomic_exchange_n(&interrupts[me->id], 0, __ATOMIC_ACQUIRE)) {
            ring0_enter();
            ring0_leave();
        }
        sched_yield();
    }
    return NULL;
}

static void one_at_a_time(void **state)
{
    uint64_t waits = 0;

    threads = true;
    inside = entered = done_count = wrong = generation = 0;
    memset(seen, 0, sizeof(seen));
    for (unsigned int i = 0; i < CPUS; i++)
        pthread_create(&thread[i], NULL, cpu_runs, &cpu[i]);
    for (unsigned int i = 0; i < CPUS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(wrong, 0);
    assert_int_equal(ring0_lock.held, 0);
    assert_int_equal(entered, CPUS * PASSES);
    for (unsigned int i = 0; i < CPUS; i++)
        waits += cpu[i].waits;
    assert_true(waits > 0 && generation > 0 && hungers > 0);
    assert_true(!ring0_lock.hungry && !ring0_lock.given);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody_is_there, set_up),
        cmocka_unit_test_setup(two_come_at_once, set_up),
        cmocka_unit_test_setup(waiting, set_up),
        cmocka_unit_test_setup(who_waits_serves, set_up),
        cmocka_unit_test_setup(patience_begins_when_boot_is_over, set_up),
        cmocka_unit_test_setup(others_may_be_quicker, set_up),
        cmocka_unit_test_setup(patience_ends, set_up),
        cmocka_unit_test_setup(a_stopped_host_takes_no_patience, set_up),
        cmocka_unit_test_setup(who_is_hungry_is_next, set_up),
        cmocka_unit_test_setup(hunger_is_looked_for, set_up),
        cmocka_unit_test_setup(hunger_is_for_what_others_have, set_up),
        cmocka_unit_test_setup(calls, set_up),
        cmocka_unit_test_setup(flushes, set_up),
        cmocka_unit_test_setup(sleepers_are_not_asked, set_up),
        cmocka_unit_test_setup(one_does_not_answer, set_up),
        cmocka_unit_test_setup(one_at_a_time, set_up),
    };

    cpu_alarm(60);                              /* for ever is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
