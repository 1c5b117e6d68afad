/* SPDX-License-Identifier: MIT */
/*
 * The timers of a CPU and of its vCPUs: what is due fires in order, on its owner's time, until the
 * budget is spent; then whoever runs gets some times as long; the alarm is set for the next one,
 * never later. A periodic timer ticks while its vCPU runs. Several CPUs each have their own: a
 * timer fires where it was set last.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the hypervisor has one, too */
#include "domain/schedule.h"
#include "domain/time.h"
#include "domain/timers.h"
#include "machine/budget.h"
#include "entry/hypercall.h"
#include "memory/tlb.h"
#include "cpus_host.h"

#define NEVER     UINT64_MAX
#define PRICE     800 /* instructions that a timer is worth */
#define MOST      100u
#define SETTER    MOST    /* sets others, when it fires */
#define MOST_REST 100000u /* ns */

/* --- the machine -------------------------------------------------------------------------------
 */

static struct cpu cpu, second;
static struct domain domain[MOST + 1];
static struct vcpu vcpu;
static struct timer timers[MOST + 1];
static uint64_t now, alarm_at, looked_at, takes; /* ns; how long a timer's work takes */
static struct domain *payer;
static unsigned int order[MOST], fired, alarms, virqs;
static unsigned int tlb_looks;
static bool stopped;

uint64_t now_ns(void)
{
    return now;
}
void nmi_tell(void)
{
}
void time_look(uint64_t at)
{
    looked_at = at;
}
void tlb_keep_up(void)
{
    tlb_looks++;
}
bool vcpu_stopped(const struct vcpu *v)
{
    return stopped;
}

uint64_t alarm_set(uint64_t deadline)
{
    alarms++;
    return alarm_at = deadline;
}

void time_goes_to(struct domain *d, uint64_t at)
{
    assert_int_equal(at, now);
    payer = d;
}

void send_guest_vcpu_virq(struct vcpu *v, uint32_t virq)
{
    assert_ptr_equal(v, &vcpu);
    assert_int_equal(virq, VIRQ_TIMER);
    virqs++;
}

static void fires(void *arg)
{
    unsigned int i = (unsigned int)((struct timer *)arg - timers);

    assert_int_equal(cpu.timers.lock.held, 0);
    assert_ptr_equal(payer, &domain[i]);
    assert_false(timer_armed(&timers[i]));
    if (i == SETTER)
        timer_set(&timers[0], 0), timer_set(&timers[1], now + 100);
    order[fired++ % MOST] = i;
    now += takes;
}

static void run(void)
{
    unsigned int before = alarms, looks = tlb_looks;

    cpu.work = WORK_TIMERS | WORK_RESCHEDULE;
    cpu.budget = ENTRY_BUDGET;
    fired = 0;
    alarm_at = 0;
    timers_run();
    assert_int_equal(alarms, before + 1); /* it is set once, at the end */
    assert_int_equal(cpu.work, WORK_RESCHEDULE);
    assert_int_equal(cpu.timers.lock.held, 0);
    assert_int_equal(cpu.timers.alarm, alarm_at);
    assert_int_equal(tlb_looks, looks + 1);
    assert_null(payer);
}

static int set_up(void **state)
{
    cpu = second = (struct cpu){ .running = &vcpu };
    cpus_begin(&cpu);
    be_cpu(&cpu);
    vcpu = (struct vcpu){ .domain = &domain[3], .sched.runstate.state = RUNSTATE_running };
    now = 1000;
    takes = fired = virqs = alarms = 0;
    payer = NULL;
    stopped = false;
    timers_init();
    assert_int_equal(cpu.timers.alarm, NEVER);
    for (unsigned int i = 0; i <= MOST; i++)
        timer_init(&timers[i], &domain[i], fires, &timers[i]);
    vcpu_timers_init(&vcpu);
    assert_ptr_equal(vcpu.time.singleshot.owner, &domain[3]);
    assert_ptr_equal(vcpu.time.periodic.owner, &domain[3]);
    return 0;
}

/* --- the queue ----------------------------------------------------------------------------------
 */

static void what_is_due_fires_in_order(void **state)
{
    static const uint64_t deadlines[] = { 5000, 1000, 2000, 2001, 1500 };

    for (unsigned int i = 0; i < 5; i++)
        timer_set(&timers[i], deadlines[i]);
    now = 2000;
    takes = 10;
    run();
    assert_int_equal(looked_at, 2000);
    assert_int_equal(fired, 3);
    assert_true(order[0] == 1 && order[1] == 4 && order[2] == 2);
    assert_int_equal(cpu.budget, ENTRY_BUDGET - 3 * PRICE);
    assert_int_equal(now, 2030);
    assert_int_equal(alarm_at, 2030 + 4 * 30); /* one is due, and rests */
    now = 3000;
    run();
    assert_int_equal(fired, 1);
    assert_int_equal(alarm_at, 5000);
    run(); /* for nobody */
    assert_int_equal(fired, 0);
    assert_int_equal(alarm_at, 5000);
    now = 5000;
    run();
    assert_int_equal(fired, 1);
    assert_int_equal(order[0], 0);
    assert_int_equal(alarm_at, NEVER);
    timer_set(&timers[SETTER], 4000);
    run();
    assert_true(fired == 2 && order[1] == 0);
    assert_int_equal(alarm_at, 5000 + 10 + 100);
}

/* The alarm is set when the first deadline comes nearer; an early one does no harm. */
static void the_alarm_is_not_late(void **state)
{
    static const struct {
        unsigned int timer;
        uint64_t deadline, alarm;
        unsigned int alarms;
    } rows[] = {
        { 0, 5000, 5000, 2 }, { 1, 5000, 5000, 2 }, { 2, 5001, 5000, 2 },
        { 2, 4999, 4999, 3 }, { 2, 9000, 4999, 3 }, { 0, 4000, 4000, 4 },
    };

    for (unsigned int i = 0; i < 6; i++) {
        timer_set(&timers[rows[i].timer], rows[i].deadline);
        assert_true(timer_armed(&timers[rows[i].timer]));
        assert_int_equal(cpu.timers.lock.held, 0);
        assert_int_equal(cpu.timers.alarm, rows[i].alarm);
        assert_int_equal(alarms, rows[i].alarms);
    }
    timer_stop(&timers[0]);
    timer_stop(&timers[0]); /* once more, and one that never was: nothing */
    timer_stop(&timers[7]);
    assert_int_equal(cpu.timers.lock.held, 0);
    assert_false(timer_armed(&timers[0]));
    now = 6000;
    run();
    assert_int_equal(fired, 1);
    assert_int_equal(order[0], 1);
    assert_int_equal(alarm_at, 9000);
}

/* Ring 0 gives way after some timers; the rest is due, but whoever runs has its turn before. */
static void a_budget_of_timers(void **state)
{
    unsigned int done = 0;

    for (unsigned int i = 0; i < MOST; i++)
        timer_set(&timers[i], 100 + i);
    takes = 10;
    while (done < MOST) {
        uint64_t start = now;
        unsigned int expected = done + 32 > MOST ? MOST - done : 32;

        run();
        assert_int_equal(fired,
                         expected); /* the first that brings the budget to 0 or below is the last */
        assert_int_equal(order[0], done);
        done += fired;
        assert_int_equal(now, start + 10 * fired);
        assert_int_equal(alarm_at, done < MOST ? now + 4 * 10 * fired : NEVER);
    }
    for (unsigned int i = 0; i < 40; i++)
        timer_set(&timers[i], 100 + i);
    takes = 100000;
    run();
    assert_int_equal(alarm_at, now + MOST_REST);
}

/* --- several CPUs --- */

/* What each has, in order of their deadlines; 99: no more. */
static void queues_are(const unsigned int *first, const unsigned int *other)
{
    struct timer_queue *queues[] = { &cpu.timers, &second.timers };
    const unsigned int *want[] = { first, other };

    for (unsigned int i = 0; i < 2; i++) {
        struct pqueue *q = &queues[i]->armed;
        struct pq_node *taken[8];
        unsigned int n = 0;

        assert_int_equal(queues[i]->lock.held, 0);
        for (; q->first; pq_remove(q, q->first)) {
            assert_ptr_equal(q->first, &timers[want[i][n]].node);
            taken[n++] = q->first;
        }
        assert_int_equal(want[i][n], 99);
        for (unsigned int k = 0; k < n; k++)
            pq_insert(q, taken[k], taken[k]->key);
    }
}
#define QUEUES(first, other) \
    queues_are((const unsigned int[]){ first, 99 }, (const unsigned int[]){ other, 99 })
#define _ ,

static unsigned int runs_on(struct cpu *c)
{
    be_cpu(c);
    c->work = WORK_TIMERS;
    c->budget = ENTRY_BUDGET;
    fired = 0;
    timers_run();
    be_cpu(&cpu);
    return fired;
}

static void each_cpu_has_its_own(void **state)
{
    cpus_add(&second);
    be_cpu(&second);
    timers_init();
    timer_set(&timers[4], 1900);
    assert_int_equal(second.timers.alarm, 1900);
    assert_int_equal(cpu.timers.alarm, NEVER);
    be_cpu(&cpu);
    timer_set(&timers[1], 1200);
    timer_set(&timers[2], 1300);
    timer_set(&timers[3], 1400);
    QUEUES(1 _ 2 _ 3, 4);
    be_cpu(&second);
    timer_stop(&timers[2]);                     /* another's is stopped */
    QUEUES(1 _ 3, 4);
    timer_stop(&timers[2]);
    alarms = 0;
    timer_set(&timers[1], 1500);                /* and set anew here: it moves */
    QUEUES(3, 1 _ 4);
    assert_true(alarms == 1 && second.timers.alarm == 1500 && cpu.timers.alarm == 1200);
    timer_set(&timers[2], 1600);                /* it was there, and is on none */
    QUEUES(3, 1 _ 2 _ 4);
    now = 1300;                                 /* the alarm of one that is gone */
    assert_int_equal(runs_on(&cpu), 0);
    assert_int_equal(cpu.timers.alarm, 1400);
    now = 1700;
    assert_int_equal(runs_on(&cpu), 1);
    assert_int_equal(order[0], 3);
    assert_int_equal(runs_on(&second), 2);
    assert_true(order[0] == 1 && order[1] == 2);
    timer_stop(&timers[4]);
    now = 5000;
    assert_int_equal(runs_on(&second) + runs_on(&cpu), 0);
}

/* A periodic timer goes on where it fires, and goes with its vCPU. */
static void ticks_go_with_the_vcpu(void **state)
{
    cpus_add(&second);
    be_cpu(&second);
    timers_init();
    be_cpu(&cpu);
    vcpu_set_periodic(&vcpu, 100);
    vcpu_set_singleshot(&vcpu, 1500);
    now = 1100;
    runs_on(&cpu);
    assert_true(virqs == 1 && vcpu.time.periodic.queue == &cpu.timers);
    vcpu.sched.runstate.state = RUNSTATE_blocked;
    now = 1200;
    runs_on(&cpu);
    vcpu.sched.runstate.state = RUNSTATE_running;
    be_cpu(&second);                            /* it wakes there */
    vcpu_resume_periodic(&vcpu);
    assert_ptr_equal(vcpu.time.periodic.queue, &second.timers);
    now = 1300;
    runs_on(&cpu);
    assert_int_equal(virqs, 2);
    runs_on(&second);
    assert_int_equal(virqs, 3);
    vcpu_timers_stop(&vcpu);                    /* one here, one there */
    now = 9000;
    runs_on(&cpu);
    runs_on(&second);
    assert_true(virqs == 3 && !cpu.timers.armed.first && !second.timers.armed.first);
}

/* --- a vCPU's own -------------------------------------------------------------------------------
 */

static void once(void **state)
{
    vcpu_set_singleshot(&vcpu, 1500);
    vcpu_set_singleshot(&vcpu, 1200);
    now = 1199;
    run();
    assert_int_equal(virqs, 0);
    now = 1200;
    run();
    assert_int_equal(virqs, 1);
    now = 2000;
    run();
    assert_int_equal(virqs, 1);
    vcpu_set_singleshot(&vcpu, 2100);
    vcpu_stop_singleshot(&vcpu);
    vcpu_set_singleshot(&vcpu, 2200);
    vcpu_set_periodic(&vcpu, 100);
    vcpu_timers_stop(&vcpu);
    now = 3000;
    run();
    assert_int_equal(virqs, 1);
}

static void again_and_again(void **state)
{
    vcpu_set_periodic(&vcpu, 100);
    assert_int_equal(vcpu.time.periodic.node.key, 1100);
    now = 1110; /* a bit late: in step */
    run();
    assert_int_equal(virqs, 1);
    assert_int_equal(vcpu.time.periodic.node.key, 1200);
    now = 1300; /* so late that the next one is due, too: missed */
    run();
    assert_int_equal(virqs, 2);
    assert_int_equal(vcpu.time.periodic.node.key, 1400);
    now = 1350;
    vcpu_resume_periodic(&vcpu); /* it is armed */
    assert_int_equal(vcpu.time.periodic.node.key, 1400);

    vcpu.sched.runstate.state = RUNSTATE_blocked; /* one tick to wake it, then none */
    now = 1400;
    run();
    assert_int_equal(virqs, 3);
    assert_false(timer_armed(&vcpu.time.periodic));
    vcpu.sched.runstate.state = RUNSTATE_running;
    now = 1450;
    vcpu_resume_periodic(&vcpu);
    assert_int_equal(vcpu.time.periodic.node.key, 1550);

    stopped = true; /* not even one */
    now = 1550;
    run();
    assert_int_equal(virqs, 3);
    assert_false(timer_armed(&vcpu.time.periodic));
    stopped = false;
    vcpu_resume_periodic(&vcpu);
    assert_true(timer_armed(&vcpu.time.periodic));
    vcpu_set_periodic(&vcpu, 0);
    assert_false(timer_armed(&vcpu.time.periodic));
    vcpu_resume_periodic(&vcpu); /* it has none any more */
    assert_false(timer_armed(&vcpu.time.periodic));
}

static void deadlines_of_every_kind(void **state)
{
    static const struct {
        uint64_t now, deadline, when;
    } rows[] = {
        { 1000, 1, 1 },
        { 1000, 999, 999 },
        { 1000, 1000, 1000 },
        { 1000, 5000, 5000 },
        { 1000, 1ull << 63, 100001000 },
        { 1000, ~0ull, 100001000 },
        { 1000, (1ull << 63) - 1, 100001000 },
        { 1000, (1ull << 50) + 999, (1ull << 50) + 999 },
        { 1000, (1ull << 51) + 999, 0 },
        { 1ull << 62, 5, 5 },
        { 1ull << 62, (1ull << 62) + (1ull << 49), (1ull << 62) + (1ull << 49) },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        now = rows[i].now;
        assert_int_equal(do_set_timer_op(rows[i].deadline), 0);
        assert_true(timer_armed(&vcpu.time.singleshot));
        assert_int_equal(vcpu.time.singleshot.node.key,
                         rows[i].when ? rows[i].when : now + 100000000);
        assert_int_equal(do_set_timer_op(0), 0);
        assert_false(timer_armed(&vcpu.time.singleshot));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_due_fires_in_order, set_up),
        cmocka_unit_test_setup(the_alarm_is_not_late, set_up),
        cmocka_unit_test_setup(a_budget_of_timers, set_up),
        cmocka_unit_test_setup(each_cpu_has_its_own, set_up),
        cmocka_unit_test_setup(ticks_go_with_the_vcpu, set_up),
        cmocka_unit_test_setup(once, set_up),
        cmocka_unit_test_setup(again_and_again, set_up),
        cmocka_unit_test_setup(deadlines_of_every_kind, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
