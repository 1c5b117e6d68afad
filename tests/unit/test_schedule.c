/* SPDX-License-Identifier: MIT */
/*
 * The scheduler on a clock of the test's own: who may run, who does, when another is asked, and
 * where every nanosecond goes: to a vCPU, to the domain that ring 0 works for, or to nobody.
 */
#include "ring0_host.h"
#include "domain/domain.h"
#include "domain/policy.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "machine/entry_asm.h"

#define MS    1000000ul
#define SLICE (10 * MS)

struct cpu *cpus[MAX_CPUS] = { &cpu };
uint32_t cpus_online = 1;
struct vcpu boot_vcpu;
uint32_t time_version = 3;
static struct domain a, b, nobody;
static struct vcpu a0, a1, b0;
static struct vcpu_info infos[3], no_info;
static uint64_t now;

/* --- what was done --- */

static char steps[512];
static void step(const char *what, const struct vcpu *v)
{
    strcat(steps, what);
    if (v)
        strcat(steps, v == &a0 ? " a0" : v == &a1 ? " a1" : v == &b0 ? " b0" : " boot");
    strcat(steps, ". ");
}
static void done(const char *want)
{
    assert_string_equal(steps, want);
    *steps = '\0';
}
uint64_t now_ns(void)
{
    return now;
}
void timer_init(struct timer *t, struct domain *owner, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){ .owner = owner, .fire = fire, .arg = arg };
}
void timer_set(struct timer *t, uint64_t deadline_ns)
{
    assert_ptr_equal(t, &policy.slices);
    t->node.key = deadline_ns;
    t->node.rank = 1;
}
void timer_stop(struct timer *t)
{
    t->node.rank = 0;
}
void vcpu_switch(struct vcpu *from, struct vcpu *to)
{
    step("from", from);
    step("to", to);
    cpu.running = to;
    to->cpu = &cpu;
    now += 7;                                           /* it takes a while */
}
/* On nobody's time but its own. */
static unsigned int segments;
void vcpu_load_segments(struct vcpu *v)
{
    assert_ptr_equal(v, cpu.running);
    assert_null(cpu.payer);
    segments++;
}
void interrupts_once(void)
{
    abort();
}
void vcpu_resume_periodic(struct vcpu *v)
{
    step("periodic", v);
}
void update_vcpu_time(struct vcpu *v)
{
    v->time.version = time_version;
    step("time", v);
}
void vcpu_runstate_publish(struct vcpu *v)
{
    step("published", v);
}
static struct vcpu *wakes;                              /* by the interrupt that ends idling */
static unsigned int timers_ran;
void timers_run(void)
{
    cpu.work &= ~WORK_TIMERS;
    timers_ran++;
}
void idle_once(void)
{
    assert_int_equal(cpu.budget, ENTRY_BUDGET);
    step("idle", NULL);
    now += 1000;
    if (!timers_ran)
        cpu.work |= WORK_TIMERS;
    else
        vcpu_wake(wakes);
}
static jmp_buf entered;
void enter_guest(void)
{
    longjmp(entered, 1);
}
void domain_put(struct domain *d)
{
    d->refs--;
}

static void begin_vcpu(struct vcpu *v, struct domain *d, uint32_t id, struct vcpu_info *info)
{
    *v = (struct vcpu){ .domain = d, .id = id, .info = info, .initialised = true,
                        .time.version = 3, .sched.turn.share = &d->share };
    v->sched.runstate.state = RUNSTATE_offline;
    v->sched.runstate.state_entry_time = now;
    d->vcpus[id] = v;
}

static int set_up(void **state)
{
    *steps = '\0';
    now = 100 * MS;
    timers_ran = 0;
    wakes = &a0;
    memset(infos, 0, sizeof(infos));
    nobody = (struct domain){ .id = DOMID_IDLE };
    boot_vcpu = (struct vcpu){ .domain = &nobody, .info = &no_info,
                               .sched.runstate.state = RUNSTATE_offline };
    ring0_begin(&boot_vcpu);
    policy = (struct policy){ .lock = SPINLOCK(LOCK_RUNQUEUE) };
    a = (struct domain){ .id = 1, .refs = 5, .vcpu_count = 3 };
    b = (struct domain){ .id = 2, .refs = 5, .vcpu_count = 1 };
    share_init(&a.share, &policy.queue);
    share_init(&b.share, &policy.queue);
    begin_vcpu(&a0, &a, 0, &infos[0]);
    begin_vcpu(&a1, &a, 1, &infos[1]);
    begin_vcpu(&b0, &b, 0, &infos[2]);
    policy_cpu_init(&cpu);
    assert_true(cpu.since == now && !policy.slices.owner);
    return 0;
}

static int tear_down(void **state)
{
    done("");
    assert_int_equal(locks_count, 0);
    return 0;
}

/* The CPU is given to v, who was down. */
static void runs(struct vcpu *v)
{
    vcpu_up(v);
    schedule();
    *steps = '\0';
    assert_ptr_equal(cpu.running, v);
    cpu.work = 0;
    policy.slices.node.rank = 0;
}

static void runstate_is(const struct vcpu *v, int state, uint64_t running, uint64_t runnable,
                        uint64_t blocked, uint64_t offline)
{
    uint64_t want[4] = { running, runnable, blocked, offline };
    struct vcpu_runstate_info info;

    vcpu_runstate_get((struct vcpu *)v, &info);
    assert_int_equal(info.state, state);
    assert_int_equal(info.state_entry_time, now);
    assert_memory_equal(info.time, want, sizeof(want));
    assert_int_equal(vcpu_cpu_time((struct vcpu *)v), running);
}

/* --- who may --- */

static void who_may_run(void **state)
{
    static const enum vcpu_state states[] = { VCPU_DOWN, VCPU_RUNNABLE, VCPU_BLOCKED };

    for (unsigned int i = 0; i < 3 * 16; i++) {
        bool held_back = i & 15;

        a0.sched.state = states[i / 16];
        a0.sched.pause_count = i & 1;
        a.pause_count = i >> 1 & 1;
        a.life = (enum domain_life)(i >> 2 & 3);
        assert_int_equal(vcpu_runnable(&a0), !held_back && a0.sched.state == VCPU_RUNNABLE);
        assert_int_equal(vcpu_stopped(&a0), held_back || a0.sched.state == VCPU_DOWN);
    }
}

/* --- one that sleeps and wakes --- */

static void alone(void **state)
{
    vcpu_up(&a0);
    assert_false(cpu.work & WORK_RESCHEDULE);           /* the CPU does not take part yet */
    policy.slices.node.rank = 0;
    now += 5;
    schedule();
    done("from boot. to a0. published a0. ");
    assert_int_equal(cpu.work, 0);
    runstate_is(&a0, RUNSTATE_running, 7, 5, 0, 0);
    assert_false(timer_armed(&policy.slices));
    infos[0].evtchn_upcall_pending = 1;                 /* it has an event: it does not sleep */
    vcpu_block(&a0);
    assert_true(cpu.work == 0 && a0.sched.state == VCPU_RUNNABLE);
    infos[0].evtchn_upcall_mask = 1;
    vcpu_block(&a0);
    assert_true(cpu.work == WORK_RESCHEDULE && a0.sched.state == VCPU_BLOCKED);
    now += 100;
    schedule();                                         /* the CPU idles; no switch back */
    done("idle. idle. published a0. ");
    assert_int_equal(timers_ran, 1);
    assert_int_equal(cpu.work, 0);
    runstate_is(&a0, RUNSTATE_running, 107, 5, 2000, 0);
    assert_int_equal(a.share.time, SLEEP_CREDIT_NS + 107);
    assert_int_equal(cpu.idle_ns, 5 + 2000);
    now += 50;
    schedule();                                         /* nobody else: it goes on */
    done("published a0. ");
    runstate_is(&a0, RUNSTATE_running, 157, 5, 2000, 0);
}

static void idle_time(void **state)
{
    struct turn turn;
    struct cpu other = { .idle_ns = 1000, .since = now - 10 };

    assert_int_equal(cpu_idle_time(&other), 1010);
    other.runs = &turn;
    assert_int_equal(cpu_idle_time(&other), 1000);
}

static void it_begins(void **state)
{
    if (setjmp(entered) == 0)
        schedule_start();
    assert_int_equal(cpu.work, WORK_RESCHEDULE);
}

/* --- two --- */

static void slices(void **state)
{
    runs(&a0);
    uint64_t begun = now - 7;
    vcpu_up(&b0);                                       /* as poor as a: it waits */
    assert_int_equal(cpu.work, 0);
    assert_int_equal(policy.slices.node.key, now + SLICE);
    policy.slices.node.rank = 0;
    now = begun + SLICE - 1;
    policy.slices.fire(policy.slices.arg);                      /* not yet over */
    assert_int_equal(cpu.work, 0);
    assert_int_equal(policy.slices.node.key, now + 10000);      /* soon, but not at every ns */
    policy.slices.node.rank = 0;
    now = begun + SLICE;
    policy.slices.fire(policy.slices.arg);
    assert_true(cpu.work == WORK_RESCHEDULE && !timer_armed(&policy.slices));
    schedule();
    done("from a0. to b0. published b0. ");
    assert_int_equal(policy.slices.node.key, begun + SLICE + SLICE);
    runstate_is(&a0, RUNSTATE_runnable, SLICE, 7, 0, 0);
    runstate_is(&b0, RUNSTATE_running, 7, SLICE - 7, 0, 7);
    assert_int_equal(a.share.time, SLEEP_CREDIT_NS + SLICE);
    policy.slices.node.key = 5;                             /* armed already: it is not moved */
    schedule();
    assert_int_equal(policy.slices.node.key, 5);
    done("published b0. ");
    vcpu_down(&a0);                                     /* nobody waits any more */
    policy.slices.node.rank = 0;
    policy.slices.fire(policy.slices.arg);
    assert_true(cpu.work == 0 && !timer_armed(&policy.slices));
    runstate_is(&a0, RUNSTATE_offline, SLICE, 7, 0, 0);
}

static void yields(void **state)
{
    runs(&a0);
    vcpu_up(&b0);
    schedule();
    done("from a0. to b0. published b0. ");             /* it had less */
    schedule();
    done("published b0. ");                             /* as much: who runs goes on */
    vcpu_yield();
    assert_true(cpu.yielded && cpu.work == WORK_RESCHEDULE);
    schedule();
    done("from b0. to a0. published a0. ");
    assert_false(cpu.yielded);
    /* The switch is paid for by who went. */
    assert_ptr_equal(cpu.payer, NULL);
    assert_int_equal(b.cpu_time_ns, 7);
    runstate_is(&a0, RUNSTATE_running, 7, 14, 0, 0);
}

/* Who wakes and had less by enough runs at once. */
static void in_a_hurry(void **state)
{
    runs(&a0);
    now += GRANULARITY_NS - 10;
    vcpu_up(&b0);
    assert_int_equal(cpu.work, 0);
    vcpu_down(&b0);
    now += 20;                                          /* its time is looked at, too */
    vcpu_up(&b0);
    assert_int_equal(cpu.work, WORK_RESCHEDULE);
    assert_int_equal(cpu.since, now);
    cpu.work = 0;
    vcpu_wake(&b0);                                     /* it is awake: no news */
    assert_int_equal(cpu.work, 0);
    schedule();
    done("from a0. to b0. published b0. ");
    assert_ptr_equal(cpu.payer, NULL);                  /* who comes pays */
    runstate_is(&b0, RUNSTATE_running, 7, 0, 0, GRANULARITY_NS + 10 + 7);
}

static void news_of_the_clock(void **state)
{
    a0.time.periodic_ns = 1;
    a0.time.version = 2;
    vcpu_up(&a0);
    schedule();
    done("from boot. to a0. periodic a0. time a0. published a0. ");
    cpu.work = 0;
}

/* --- states --- */

static void ups_and_downs(void **state)
{
    a1.initialised = false;
    vcpu_up(&a1);
    assert_true(a1.sched.state == VCPU_DOWN && !pq_queued(&a1.sched.turn.node));
    vcpu_wake(&a0);                                     /* down: it sleeps on */
    assert_int_equal(a0.sched.state, VCPU_DOWN);
    runs(&a0);
    vcpu_pause(&a0);
    assert_true(a0.sched.pause_count == 1 && cpu.work == WORK_RESCHEDULE);
    vcpu_pause(&a0);
    vcpu_unpause(&a0);
    assert_int_equal(a0.sched.pause_count, 1);
    cpu.work = 0;
    vcpu_unpause(&a0);
    assert_int_equal(cpu.work, 0);
    vcpu_up(&b0);
    assert_true(pq_queued(&b0.sched.turn.node));
    vcpu_pause(&b0);
    assert_false(pq_queued(&b0.sched.turn.node));
    runstate_is(&b0, RUNSTATE_offline, 0, 0, 0, 7);
    vcpu_unpause(&b0);
    assert_true(pq_queued(&b0.sched.turn.node));
    now += 3;
    vcpu_pause(&b0);
    now += 4;
    runstate_is(&b0, RUNSTATE_offline, 0, 3, 0, 11);
    vcpu_unpause(&b0);
    vcpu_down(&b0);
    assert_false(pq_queued(&b0.sched.turn.node));
    vcpu_down(&a0);
    assert_int_equal(cpu.work, WORK_RESCHEDULE);
    assert_int_equal(a0.sched.state, VCPU_DOWN);
    cpu.work = 0;
}

/* What is done to a domain is done to each of its vCPUs, and paid for. */
static void whole_domains(void **state)
{
    int budget;

    runs(&b0);
    vcpu_up(&a0);
    vcpu_up(&a1);
    budget = cpu.budget;
    domain_pause(&a);
    assert_int_equal(budget - cpu.budget, 2 * 300);     /* those that there are */
    assert_int_equal(a.pause_count, 1);
    assert_false(pq_queued(&a0.sched.turn.node) || pq_queued(&a1.sched.turn.node));
    domain_unpause(&a);
    assert_int_equal(a.pause_count, 0);
    assert_true(pq_queued(&a0.sched.turn.node) && pq_queued(&a1.sched.turn.node));
    a.life = DOMAIN_DYING;
    domain_reconsider(&a);
    assert_false(pq_queued(&a0.sched.turn.node) || pq_queued(&a1.sched.turn.node));
    cpu.work = 0;
    domain_pause(&b);
    assert_int_equal(cpu.work, WORK_RESCHEDULE);
    cpu.work = 0;
}

/* --- who pays --- */

static void ring0_works_for_others(void **state)
{
    runs(&a0);
    uint64_t begun = now;
    now += 100;
    time_goes_to(&b, now);                              /* up to here it was a's */
    assert_ptr_equal(cpu.payer, &b);
    assert_int_equal(a.share.time, SLEEP_CREDIT_NS + 107);
    now += 30;
    time_goes_to(&b, now);                              /* no news */
    assert_int_equal(cpu.since, begun + 100);
    time_goes_to(NULL, now);
    assert_ptr_equal(cpu.payer, NULL);
    assert_int_equal(b.share.time, SLEEP_CREDIT_NS + 30);
    assert_int_equal(b.cpu_time_ns, 30);
    runstate_is(&a0, RUNSTATE_running, 107, 30, 0, 0);
    now += 5;
    time_goes_to(&a, now);                              /* who runs pays anyway */
    assert_ptr_equal(cpu.payer, NULL);
    assert_int_equal(cpu.since, begun + 130);
    /* While nobody runs nobody pays. */
    cpu.runs = NULL;
    time_goes_to(&b, now);
    assert_ptr_equal(cpu.payer, NULL);
}

static void works_for_another(void **state)
{
    runs(&a0);
    now += 100;
    assert_int_equal(vcpu_work_for(&a0, &b), 107);
    assert_true(a0.sched.client == &b && a0.sched.turn.client == &b.share && b.refs == 5);
    assert_int_equal(a.share.time, SLEEP_CREDIT_NS + 107);
    now += 40;
    assert_int_equal(vcpu_work_for(&a0, &a), 40);       /* for itself again: both are let go */
    assert_true(!a0.sched.client && !a0.sched.turn.client && b.refs == 4 && a.refs == 4);
    assert_int_equal(b.share.time, SLEEP_CREDIT_NS + 40);
    assert_int_equal(a.share.time, SLEEP_CREDIT_NS + 107);
    assert_int_equal(cpu.work, 0);
    /* Somebody who waits had less than the new client. */
    b.share.time += 10 * MS;
    vcpu_up(&b0);
    pq_remove(&policy.queue.all.waiting, &b.share.node);
    pq_insert(&policy.queue.all.waiting, &b.share.node, 1);
    assert_int_equal(vcpu_work_for(&a0, &b), 0);
    assert_int_equal(cpu.work, WORK_RESCHEDULE);
    cpu.work = 0;
}

/* It was interrupted in somebody's work, and is wanted: it waits as its own domain. */
static void hurries(void **state)
{
    static struct domain c;
    static struct vcpu c0;

    runs(&a0);
    c = (struct domain){ .id = 3, .vcpu_count = 1 };
    share_init(&c.share, &policy.queue);
    begin_vcpu(&c0, &c, 0, &no_info);
    vcpu_work_for(&a0, &b);
    b.share.time += 50 * MS;
    vcpu_up(&c0);
    schedule();                                         /* b is late: c runs */
    assert_ptr_equal(cpu.running, &c0);
    assert_int_equal(a.share.node.key, b.share.time);
    cpu.work = 0;
    *steps = '\0';
    c.share.time = a.share.time;
    vcpu_wake(&a0);
    assert_int_equal(a.share.node.key, a.share.time);
    assert_int_equal(cpu.work, 0);                      /* c has had no more */
    c.share.time += 50 * MS;
    vcpu_wake(&a0);
    assert_int_equal(cpu.work, WORK_RESCHEDULE);
    cpu.work = 0;
}

static void weights(void **state)
{
    runs(&a0);
    now += 10 * MS;
    domain_set_weight(&a, 512);
    assert_int_equal(a.share.time, SLEEP_CREDIT_NS + 10 * MS + 7);      /* by the old one */
    assert_int_equal(a.share.weight, 512);
    now += 10 * MS;
    domain_set_weight(&a, 256);
    for (unsigned int i = 0; i < 2; i++) {              /* the control domain has twice as much */
        struct domain d = { .privileged = i };

        policy_domain_init(&d);
        assert_int_equal(d.share.weight, i ? 2 * SHARE_WEIGHT : SHARE_WEIGHT);
    }
    assert_int_equal(a.share.time, SLEEP_CREDIT_NS + 15 * MS + 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_may_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(idle_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_begins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(yields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(in_a_hurry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(news_of_the_clock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ups_and_downs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whole_domains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ring0_works_for_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(works_for_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hurries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(weights, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
