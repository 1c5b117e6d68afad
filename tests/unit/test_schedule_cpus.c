/* SPDX-License-Identifier: MIT */
/*
 * What a CPU does about a vCPU that another one has: it is told, it is waited for where its state
 * is wanted or is to go away, and nothing of it stays where nobody runs. The policy is the test's.
 */
#include "ring0_host.h"
#include "cpu_alarm.h"
#include "domain/domain.h"
#include "domain/policy.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "machine/entry_asm.h"
#include "machine/io.h"
#include "steps_host.h"

uint32_t time_version;
static struct domain a, control, nobody;
static struct vcpu a0, a1, a2, c0, idles[3];    /* on CPU 1, on CPU 2, nowhere, on CPU 0 */
static struct vcpu_info no_info;
static struct cpu second, third;
static uint64_t now;

static const char *name(const struct vcpu *v)
{
    return v == &a0 ? "a0" : v == &a1 ? "a1" : v == &a2 ? "a2" : v == &c0 ? "c0" : "nobody";
}
uint64_t now_ns(void)
{
    return now;
}

/* --- the policy: who is next is a list --- */

static struct vcpu *picks[4];
static unsigned int picked;

void policy_enqueue(struct vcpu *v, uint64_t at)
{
    v->sched.turn.node.rank = 1;
    step("enqueue %s. ", name(v));
}
void policy_dequeue(struct vcpu *v, uint64_t at)
{
    v->sched.turn.node.rank = 0;
    step("dequeue %s. ", name(v));
}
void policy_hurry(struct vcpu *v)
{
    step("hurry %s. ", name(v));
}
struct vcpu *policy_pick(struct cpu *c, bool stays, uint64_t at)
{
    struct vcpu *v = picks[picked++];

    step("pick%s. ", stays ? ", or stay" : "");
    c->running->sched.turn.on = NULL;
    if (v)
        v->sched.turn.on = c;
    return v;
}
void time_goes_to(struct domain *d, uint64_t at)
{
    this_cpu()->payer = d;
    step("paid. ");
}

/* --- what else a switch is --- */

static struct domain *payer_of_switch;

void vcpu_switch(struct vcpu *from, struct vcpu *to)
{
    assert_ptr_equal(this_cpu()->running, from);
    payer_of_switch = this_cpu()->payer;
    assert_int_equal(ring0_depth, 1);
    this_cpu()->running = to;
    if (to != this_cpu()->idle)
        to->cpu = this_cpu();
    step("%s to %s. ", name(from), name(to));
}
static int budget_of_segments;
void vcpu_load_segments(struct vcpu *v)
{
    assert_true(v == this_cpu()->running && v != this_cpu()->idle && ring0_depth == 1);
    budget_of_segments = this_cpu()->budget;
}
void vcpu_resume_periodic(struct vcpu *v)
{
}
void update_vcpu_time(struct vcpu *v)
{
}
void vcpu_runstate_publish(struct vcpu *v)
{
}
void timers_run(void)
{
    assert_int_equal(ring0_depth, 1);
    this_cpu()->work &= ~WORK_TIMERS;
    step("timers. ");
}
static unsigned int sleeps;
static struct vcpu *loaded_asleep;
void idle_once(void)
{
    assert_int_equal(ring0_depth, 0);           /* others are in ring 0 meanwhile */
    assert_int_equal(this_cpu()->budget, ENTRY_BUDGET);     /* whatever was spent before */
    loaded_asleep = this_cpu()->running;
    step("sleep. ");
    this_cpu()->work |= ++sleeps == 1 ? WORK_TIMERS : WORK_RESCHEDULE;
}
void interrupts_once(void)
{
    assert_int_equal(ring0_depth, 0);           /* so they are then */
    step("interrupts. ");
}
void enter_guest(void)
{
    abort();
}

/* --- a machine of three --- */

static void begin_vcpu(struct vcpu *v, struct domain *d, uint32_t id, struct cpu *on)
{
    *v = (struct vcpu){ .domain = d, .id = id, .info = &no_info, .initialised = true, .cpu = on };
    v->sched.state = VCPU_RUNNABLE;
    v->sched.turn.on = on;
    d->vcpus[id] = v;
    if (on)
        on->running = v;
}

static int set_up(void **state)
{
    ring0_begin(&c0);
    second = third = (struct cpu){ .work = 0 };
    cpus_add(&second);
    cpus_add(&third);
    nobody = (struct domain){ .id = DOMID_IDLE };
    for (unsigned int i = 0; i < 3; i++) {
        begin_vcpu(&idles[i], &nobody, 0, NULL);
        idles[i].sched.state = VCPU_DOWN;
        cpus[i]->idle = &idles[i];
    }
    a = (struct domain){ .id = 1, .vcpu_count = 3 };
    control = (struct domain){ .vcpu_count = 1 };
    begin_vcpu(&c0, &control, 0, &cpu);
    begin_vcpu(&a0, &a, 0, &second);
    begin_vcpu(&a1, &a, 1, &third);
    begin_vcpu(&a2, &a, 2, NULL);
    a2.sched.turn.node.rank = 1;                /* it waits for a CPU */
    memset(picks, 0, sizeof(picks));
    picked = sleeps = 0;
    now = 1000;
    *steps = '\0';
    return 0;
}

/* --- who is waited for --- */

static unsigned int outside, takes[3];          /* times that ring 0 was left; until they let go */

/* The others come out of their guests after a while, and choose again. */
static void others_let_go(void)
{
    assert_int_equal(ring0_depth, 0);
    outside++;
    for (unsigned int i = 1; i < 3; i++)
        if (outside == takes[i]) {
            assert_true(cpus[i]->work & WORK_RESCHEDULE);
            cpus[i]->running->sched.turn.on = NULL;
            cpus[i]->running = cpus[i]->idle;
            cpus[i]->work = 0;
        }
}

static void they_take(unsigned int first, unsigned int other)
{
    outside = 0;
    takes[1] = first;
    takes[2] = other;
    when_outside = others_let_go;
}

static void one_is_paused(void **state)
{
    they_take(3, 0);
    vcpu_pause(&a0);
    assert_true(outside == 3 && ring0_depth == 1 && a0.sched.pause_count == 1);
    assert_true(cpus_interrupted == 2 && !vcpu_loaded(&a0) && a0.cpu == &second);
    vcpu_pause(&a0);                            /* once more: it is nowhere */
    assert_int_equal(outside, 3);
    done("");
    they_take(0, 2);
    third.work = WORK_RESCHEDULE;               /* told already, and not yet come */
    vcpu_pause(&a1);
    assert_true(outside == 2 && cpus_interrupted == 2);
    they_take(0, 0);
    vcpu_pause(&a2);                            /* it waited */
    done("dequeue a2. ");
    vcpu_pause(&c0);                            /* it is here: at its exit */
    assert_true(outside == 0 && cpu.work == WORK_RESCHEDULE && cpus_interrupted == 2);
    done("");
}

/* Another's vCPU that the CPU has by now is not waited for. */
static void who_was_there_before(void **state)
{
    they_take(0, 0);
    a2.cpu = &second;
    vcpu_pause(&a2);
    done("dequeue a2. ");
    assert_true(outside == 0 && second.work == 0 && !cpus_interrupted);
}

/* All are told before the first is waited for. */
static void both_are_told(void)
{
    if (outside == 0)
        assert_true(second.work == WORK_RESCHEDULE && third.work == WORK_RESCHEDULE);
    others_let_go();
}

static void a_domain_is_paused(void **state)
{
    they_take(4, 2);
    when_outside = both_are_told;
    domain_pause(&a);
    assert_true(outside == 4 && ring0_depth == 1 && a.pause_count == 1);
    assert_int_equal(cpus_interrupted, 2 | 4);
    assert_true(!vcpu_loaded(&a0) && !vcpu_loaded(&a1));
    done("dequeue a2. ");
    they_take(0, 0);
    domain_pause(&control);                     /* the caller's own stays where it is */
    assert_true(outside == 0 && vcpu_loaded(&c0));
}

static void a_domain_ends(void **state)
{
    they_take(1, 5);
    a.life = DOMAIN_DYING;
    domain_reconsider(&a);
    assert_true(outside == 0 && cpus_interrupted == (2 | 4));
    domain_leave_cpus(&a);
    assert_true(outside == 5 && second.running == second.idle && third.running == third.idle);
    done("dequeue a2. ");
}

/* --- who pays --- */

/* For a switch: who goes by itself, if another domain comes. */
static void who_pays_for_a_switch(void **state)
{
    for (unsigned int i = 0; i < 8; i++) {
        bool yields = i & 1, blocks = i & 2, within = i & 4;

        set_up(state);
        cpu.yielded = yields;
        if (blocks)
            c0.sched.state = VCPU_BLOCKED;
        picks[0] = &a2;
        if (within)
            a2.domain = &control;
        schedule();
        assert_ptr_equal(payer_of_switch, !within && (yields || blocks) ? &control : NULL);
        assert_null(cpu.payer);
    }
}

/* --- who is told --- */

static void who_wakes(void **state)
{
    vcpu_wake(&a0);                             /* in its guest: it looks */
    assert_true(cpus_interrupted == 2 && second.work == 0);
    vcpu_wake(&c0);                             /* it is here, and looks on its way out */
    assert_true(cpus_interrupted == 2 && cpu.work == 0);
    done("");
    vcpu_wake(&a2);
    done("hurry a2. ");
    a2.cpu = &third;                            /* where another is now */
    vcpu_wake(&a2);
    done("hurry a2. ");
    assert_int_equal(cpus_interrupted, 2);
    policy_dequeue(&a2, 0);
    a2.sched.state = VCPU_BLOCKED;
    vcpu_wake(&a2);
    done("dequeue a2. enqueue a2. ");
}

static void who_goes_down(void **state)
{
    vcpu_down(&a0);
    assert_true(second.work == WORK_RESCHEDULE && cpus_interrupted == 2 && vcpu_loaded(&a0));
    vcpu_up(&a0);                               /* it has not gone yet: it stays */
    done("");
    vcpu_down(&a0);
    vcpu_down(&a1);
    assert_true(cpus_interrupted == (2 | 4) && third.work == WORK_RESCHEDULE);
    done("");
}

/* --- nobody can run --- */

static void a_cpu_lets_go(void **state)
{
    be_cpu(&second);
    a0.sched.state = VCPU_BLOCKED;
    picks[2] = &a2;
    schedule();
    done("pick. a0 to nobody. sleep. timers. sleep. pick. sleep. pick. nobody to a2. ");
    assert_true(loaded_asleep == second.idle && second.running == &a2 && a2.cpu == &second);
    assert_true(!vcpu_loaded(&a0) && a0.sched.runstate.state == RUNSTATE_blocked);
    assert_true(ring0_depth == 1 && second.work == 0 && !second.payer);
    set_up(NULL);
    be_cpu(&second);                            /* the same one again has to be loaded again */
    a0.sched.state = VCPU_BLOCKED;
    picks[1] = &a0;
    schedule();
    done("pick. a0 to nobody. sleep. timers. sleep. pick. nobody to a0. ");
    set_up(NULL);
    be_cpu(&second);                            /* it could, and may not: its domain had enough */
    picks[1] = &a2;
    schedule();
    done("pick, or stay. a0 to nobody. sleep. timers. sleep. pick. nobody to a2. ");
    /* It was another's, and nothing of it is looked at any more: it may be gone. */
    set_up(NULL);
    be_cpu(&second);
    a0.sched.state = VCPU_BLOCKED;
    no_info.evtchn_upcall_pending = 1;
    no_info.evtchn_upcall_mask = 1;
    idles[1].info = &(struct vcpu_info){ .evtchn_upcall_mask = 1 };
    picks[1] = &a2;
    schedule();
    done("pick. a0 to nobody. sleep. timers. sleep. pick. nobody to a2. ");
    no_info = (struct vcpu_info){ 0 };
}

/* On a machine of one CPU it is not worth it: nobody else can have it. */
static void one_cpu_does_not(void **state)
{
    cpus_begin(&cpu);
    c0.sched.state = VCPU_BLOCKED;
    picks[1] = &c0;
    schedule();
    done("pick. sleep. timers. sleep. pick. ");
    assert_true(loaded_asleep == &c0 && cpu.running == &c0);
    c0.sched.state = VCPU_RUNNABLE;
    picks[2] = &a2;
    schedule();
    done("pick, or stay. c0 to a2. ");
}

/* For a moment, and then there is a budget again. */
static void others_are_let_in(void **state)
{
    cpu.budget = -7;
    schedule_rest();
    done("interrupts. ");
    assert_int_equal(cpu.budget, ENTRY_BUDGET);
    assert_int_equal(ring0_depth, 1);
}

/* The pages of an LDT are looked at on the budget: if those before have overdrawn it, that is not
 * to make the selectors of who comes bad ones. */
static void who_comes_has_a_budget(void **state)
{
    cpu.budget = 1;
    picks[0] = &a2;
    schedule();
    done("pick, or stay. c0 to a2. ");
    assert_int_equal(budget_of_segments, 1);
    cpu.budget = -20000;
    picks[1] = &c0;
    schedule();
    done("pick, or stay. a2 to c0. interrupts. ");
    assert_int_equal(budget_of_segments, ENTRY_BUDGET);
    cpu.budget = -20000;                        /* nobody comes */
    picks[2] = &c0;
    schedule();
    done("pick, or stay. ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_is_paused, set_up),
        cmocka_unit_test_setup(who_was_there_before, set_up),
        cmocka_unit_test_setup(a_domain_is_paused, set_up),
        cmocka_unit_test_setup(a_domain_ends, set_up),
        cmocka_unit_test_setup(who_pays_for_a_switch, set_up),
        cmocka_unit_test_setup(who_wakes, set_up),
        cmocka_unit_test_setup(who_goes_down, set_up),
        cmocka_unit_test_setup(a_cpu_lets_go, set_up),
        cmocka_unit_test_setup(one_cpu_does_not, set_up),
        cmocka_unit_test_setup(others_are_let_in, set_up),
        cmocka_unit_test_setup(who_comes_has_a_budget, set_up),
    };

    cpu_alarm(60);                              /* for ever is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
