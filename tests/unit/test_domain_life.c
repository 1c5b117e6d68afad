/* SPDX-License-Identifier: MIT */
/*
 * The life of a domain: created, or not, with nothing left behind; found by number as long as it is
 * there; shut down once; ended in stages, each of which may take several turns; freed with the last
 * reference. What is done to whom stands in a list of steps.
 */
#include "ring0_host.h"
#include "domain/chosen.h"
#include "domain/domain.h"
#include "domain/events.h"
#include "domain/grants.h"
#include "domain/physdev.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "machine/acpi.h"
#include "machine/console.h"
#include "machine/dump.h"
#include "memory/mmu.h"
#include <xen/sched.h>
#include "steps_host.h"

_Alignas(4096) char host_ram[4096];
char host_frames[64], host_m2p[8];
struct cpu boot_cpu;
static struct domain running_domain;
static struct vcpu running;
static jmp_buf machine_ended;

/* A stage that takes several turns. */
static const char *slow;
static unsigned int turns;
static int stage(const char *name)
{
    bool again = slow && strcmp(slow, name) == 0 && turns;

    turns -= again;
    step("%s%s. ", name, again ? " again" : "");
    return again ? -ERESTART : 0;
}
int grants_release_mappings(struct domain *d)
{
    return stage("mappings");
}
int events_destroy(struct domain *d)
{
    return stage("events");
}
int domain_relinquish_memory(struct domain_memory *d)
{
    return stage("memory");
}
int grants_retire(struct domain *d)
{
    return stage("retire");
}
void grants_free(struct domain *d)
{
    step("grants. ");
}
void physdev_destroy(struct domain *d)
{
    step("physdev. ");
}
void send_global_virq(uint32_t virq)
{
    assert_int_equal(virq, VIRQ_DOM_EXC);
    step("virq. ");
}
void timer_stop(struct timer *t)
{
    step("watchdog %lu. ", (uint64_t)t->arg);
}
void domain_memory_init(struct domain_memory *d)
{
    step("memory. ");
}
void vcpu_timers_stop(struct vcpu *v)
{
    step("timers %u. ", v->id);
}
void vcpu_stop_polling(struct vcpu *v)
{
    step("polling %u. ", v->id);
}
void vcpu_down(struct vcpu *v)
{
    step("down %u. ", v->id);
}
void vcpu_release(struct vcpu *v)
{
    v->window.base = 0;
    step("release %u. ", v->id);
}
void vcpu_free(struct vcpu *v)
{
    if (!v) return;
    step("free %u. ", v->id);
    hv_free(v, sizeof(*v));
}
#define DISCLAIMED 0xd15cul
void frames_disclaim(struct domain_memory *d)
{
    assert_true(d->closed);                     /* it claims no more */
    d->claimed = DISCLAIMED;
}
void domain_reconsider(struct domain *d)
{
    assert_true(d->life == DOMAIN_DYING ? d->memory.closed && d->memory.claimed == DISCLAIMED
                                        : d->life == DOMAIN_SHUT_DOWN);
    step("reconsider. ");
}
void schedule_rest(void)
{
    step("rest. ");
}
void domain_leave_cpus(const struct domain *d)
{
    step("leave. ");
}
void policy_domain_init(struct domain *d)
{
    d->share.weight = d->privileged ? 2 : 1;
}
void policy_domain_end(struct domain *d)
{
    step("no more turns. ");
}
void policy_vcpu_end(struct vcpu *v)
{
    step("no turns %u. ", v->id);
}
void share_hv_frame(void *page, struct domain_memory *d)
{
    assert_ptr_equal(page, domain_of(d)->shared);
    step("share. ");
}
void unshare_hv_frame(void *page)
{
    step("unshare. ");
    hv_free_pages(page, 0);
}
void update_domain_wallclock(struct domain *d)
{
    step("wallclock. ");
}
void machine_poweroff(void)
{
    step("off. ");
    longjmp(machine_ended, 1);
}
void machine_reset(void)
{
    step("reset. ");
    longjmp(machine_ended, 1);
}
void print_registers(const struct cpu_user_regs *regs, uint64_t cr3)
{
    step("registers %lx. ", cr3);
}
static bool room;
bool console_has_room(void)
{
    return room;
}
static const char *last_refusal;
void refusal_words(const struct vcpu *v, char *words, size_t size)
{
    assert_true(v == &running && size == REFUSAL_WORDS);
    strcpy(words, last_refusal);
}

static int set_up(void **state)
{
    *steps = '\0';
    slow = NULL;
    turns = 0;
    last_refusal = "";
    room = true;
    dom0 = NULL;
    running_domain = (struct domain){ .id = 900, .refs = 1, .shutdown_code = -1,
                                      .chosen_code = -1 };
    running = (struct vcpu){ .domain = &running_domain, .in_kernel = true,
                             .tables = { .kernel_cr3 = 0x111, .user_cr3 = 0x222 } };
    ring0_begin(&running);
    log_level = 10;
    return 0;
}

static int tear_down(void **state)
{
    done("");
    assert_true(domain_list.next == &domain_list && destroyed_list.next == &destroyed_list);
    ring0_end();
    return 0;
}

static struct domain *create(domid_t id, uint32_t vcpus, bool privileged)
{
    int error = 1;
    struct domain *d = domain_create(id, vcpus, privileged, &error);

    assert_int_equal(error, 0);
    done("memory. share. wallclock. ");
    return d;
}

static void give_vcpu(struct domain *d, uint32_t id)
{
    d->vcpus[id] = hv_alloc(sizeof(struct vcpu));
    *d->vcpus[id] = (struct vcpu){ .id = id, .domain = d, .window.base = 5 };
}

/* All of it, whoever holds it lets go. */
static void end(struct domain *d)
{
    domain_hold(d);
    for (budget_refill(); domain_destroy(d); budget_refill())
        ;
    domain_put(d);
    *steps = '\0';
}

/* --- birth --- */

static void birth(void **state)
{
    for (unsigned int privileged = 0; privileged < 2; privileged++) {
        struct domain *d = create(7, 3, privileged);

        assert_true(d->id == 7 && d->refs == 1 && d->vcpu_count == 3);
        assert_true(d->privileged == privileged && d->events.limit == NR_EVTCHNS);
        assert_int_equal(d->share.weight, privileged ? 2 : 1);
        assert_true(d->memory.trusted == privileged && d->life == DOMAIN_ALIVE);
        assert_true(d->shutdown_code == -1 && d->chosen_code == -1);
        assert_int_equal(d->events.lock.rank, LOCK_EVENTS);
        assert_int_equal(d->shared_frame.n, virt_to_mfn(d->shared).n);
        for (unsigned int i = 0; i < 32; i++)
            assert_int_equal(d->shared->vcpu_info[i].evtchn_upcall_mask, 1);
        assert_int_equal(d->shared->evtchn_mask[0], 0);
        assert_ptr_equal(domain_get(7), d);
        assert_int_equal(d->refs, 2);
        domain_put(d);
        end(d);
        assert_int_equal(held, 0);
    }
}

static void births_that_fail(void **state)
{
    struct domain *d;
    int error = 0;
    size_t before;

    for (unsigned int n = 1; n < 3; n++) {
        failing_allocation = n;
        assert_null(domain_create(7, 1, false, &error));
        assert_int_equal(error, -ENOMEM);
        assert_int_equal(held, 0);
    }
    done("");
    d = create(7, 1, false);
    before = held;
    assert_null(domain_create(7, 1, false, &error));
    assert_int_equal(error, -EEXIST);
    assert_int_equal(held, before);
    done("memory. share. wallclock. unshare. grants. ");
    assert_ptr_equal(domain_get(7), d);
    domain_put(d);
    end(d);
}

/* --- who is there --- */

static void by_number(void **state)
{
    static const domid_t ids[] = { 5, 1, 1023, 9, 0, 6 }, sorted[] = { 0, 1, 5, 6, 9, 1023 },
                         free_ones[][2] = { { 0, 2 }, { 1, 2 }, { 4, 7 }, { 8, 10 }, { 63, 64 },
                                            { 1021, 1022 }, { 1022, 2 }, { 1023, 2 } };
    struct domain *d[6];
    struct list *at;

    for (unsigned int i = 0; i < 6; i++)
        d[i] = create(ids[i], 0, false);
    at = domain_list.next;
    for (unsigned int i = 0; i < 6; i++, at = at->next)
        assert_int_equal(container_of(at, struct domain, all_domains)->id, sorted[i]);
    assert_ptr_equal(at, &domain_list);
    for (unsigned int i = 0; i < 6; i++) {
        assert_ptr_equal(domain_get(ids[i]), d[i]);
        assert_int_equal(d[i]->refs, 2);
        domain_put(d[i]);
        assert_ptr_equal(domain_hold(d[i]), d[i]);
        assert_int_equal(d[i]->refs, 2);
        domain_put(d[i]);
    }
    for (unsigned int i = 0, n = 0; i <= 1024; i++) {
        struct domain *found = domain_get_from((domid_t)i);

        n += n < 6 && sorted[n] < i;
        assert_int_equal(found ? found->id : 1024, n < 6 ? sorted[n] : 1024);
        if (found)
            domain_put(found);
    }
    assert_int_equal(domain_count, 6);
    for (unsigned int i = 0; i < ARRAY_SIZE(free_ones); i++)
        assert_int_equal(domain_free_number(free_ones[i][0]), free_ones[i][1]);
    assert_null(domain_get(2));
    assert_null(domain_get(1024));
    assert_null(domain_get(DOMID_SELF));
    assert_null(domain_get(0xffff));
    assert_ptr_equal(domain_get_self_or(DOMID_SELF), &running_domain);
    assert_int_equal(running_domain.refs, 2);
    assert_ptr_equal(domain_get_self_or(9), d[3]);
    domain_put(d[3]);
    assert_null(domain_get_self_or(8));
    for (unsigned int i = 0; i < 6; i++)
        end(d[i]);
    for (unsigned int i = 0; i < 6; i++)
        assert_null(domain_get(ids[i]));
    assert_true(domain_count == 0 && !domain_get_from(0) && domain_free_number(0) == 1);
    for (unsigned int i = 0; i < MAX_DOMAINS; i++)
        create((domid_t)i, 0, false);
    assert_int_equal(domain_free_number(5), MAX_DOMAINS);
    while (domain_count) {
        struct domain *first = domain_get_from(0);

        domain_put(first);
        end(first);
    }
}

static void those_that_are_always_there(void **state)
{
    domains_init();
    done("memory. ");
    assert_true(boot_vcpu.domain->id == DOMID_IDLE && boot_vcpu.sched.state == VCPU_DOWN);
    assert_true(boot_vcpu.info->evtchn_upcall_mask == 1 && !boot_vcpu.info->evtchn_upcall_pending);
    assert_ptr_equal(boot_cpu.running, &boot_vcpu);
    assert_true(boot_cpu.idle == &boot_vcpu && boot_vcpu.cpu == &boot_cpu);
}

/* What a CPU runs that has no guest: it is nobody's, never runs, and has no events. */
static void each_cpu_has_one(void **state)
{
    struct cpu second = { .id = 1 };
    struct vcpu *v;

    domains_init();
    *steps = '\0';
    failing_allocation = 1;
    assert_false(cpu_make_idle(&second));
    assert_true(!second.idle && !second.running);
    assert_true(cpu_make_idle(&second));
    v = second.idle;
    assert_true(v != &boot_vcpu && second.running == v && v->cpu == &second);
    assert_ptr_equal(v->domain, boot_vcpu.domain);
    assert_true(v->sched.state == VCPU_DOWN && v->info->evtchn_upcall_mask == 1);
    assert_true(boot_cpu.idle == &boot_vcpu && boot_vcpu.cpu == &boot_cpu);
    hv_free(v, sizeof(*v));
}

/* --- the end --- */

/* What calls may have started is stopped when no CPU can make one for it any more. */
#define FIRST \
    "reconsider. leave. watchdog 1. timers 0. polling 0. down 0. timers 2. polling 2. down 2. " \
    "no more turns. "

static void the_end(void **state)
{
    static const char *const slow_ones[] = { "mappings", "events", "memory", "retire" };
    static const char *const want[] = {
        FIRST "mappings again. mappings again. mappings. events. release 0. release 2. memory. "
        "retire. no turns 0. free 0. no turns 2. free 2. physdev. unshare. virq. ",
        FIRST "mappings. events again. events again. events. release 0. release 2. memory. "
        "retire. no turns 0. free 0. no turns 2. free 2. physdev. unshare. virq. ",
        FIRST "mappings. events. release 0. release 2. memory again. memory again. memory. "
        "retire. no turns 0. free 0. no turns 2. free 2. physdev. unshare. virq. ",
        FIRST "mappings. events. release 0. release 2. memory. retire again. retire again. "
        "retire. no turns 0. free 0. no turns 2. free 2. physdev. unshare. virq. ",
    };

    for (unsigned int i = 0; i < 4; i++) {
        struct domain *d = create(3, 3, false);

        give_vcpu(d, 0);
        give_vcpu(d, 2);
        d->cpu_policy = hv_alloc(sizeof(*d->cpu_policy));
        d->memory_map = hv_alloc(sizeof(*d->memory_map));
        d->watchdog.timers[1] = (struct timer){ .fire = free, .arg = (void *)1 };
        d->watchdog.used = 3;
        slow = slow_ones[i];
        turns = 2;
        domain_hold(d);
        assert_int_equal(domain_destroy(d), -ERESTART);
        assert_int_equal(d->life, DOMAIN_DYING);
        assert_int_equal(domain_destroy(d), -ERESTART);
        assert_ptr_equal(domain_get(3), d);             /* until all is done */
        domain_put(d);
        assert_int_equal(domain_destroy(d), 0);
        done(want[i]);
        assert_true(d->life == DOMAIN_DESTROYED && !d->shared && d->refs == 1);
        assert_true(!d->cpu_policy && !d->memory_map);
        assert_int_equal(d->watchdog.used, 0);
        assert_null(domain_get(3));
        assert_ptr_equal(destroyed_list.next, &d->all_domains);
        assert_int_equal(domain_destroy(d), 0);         /* there is no more to do */
        domain_put(d);
        done("grants. ");
        assert_int_equal(held, 0);
        budget_refill();
    }
}

/* vCPUs are given back one a turn, when the budget says so; what each costs. */
static void a_vcpu_a_turn(void **state)
{
    struct domain *d = create(3, 3, false);
    int budget;

    for (unsigned int i = 0; i < 3; i++)
        give_vcpu(d, i);
    domain_hold(d);
    cpu.budget = 1;
    assert_int_equal(domain_destroy(d), -ERESTART);
    done("reconsider. leave. timers 0. polling 0. down 0. timers 1. polling 1. down 1. "
         "timers 2. polling 2. down 2. no more turns. mappings. events. release 0. ");
    cpu.budget = 2 * 2000 - 1;
    assert_int_equal(domain_destroy(d), -ERESTART);
    done("release 1. release 2. ");
    cpu.budget = 1;
    assert_int_equal(domain_destroy(d), -ERESTART);
    done("memory. retire. no turns 0. free 0. ");
    cpu.budget = 2 * 4 * COST_FRAME;
    assert_int_equal(domain_destroy(d), -ERESTART);
    done("no turns 1. free 1. no turns 2. free 2. ");
    assert_int_equal(domain_destroy(d), 0);
    done("physdev. unshare. virq. ");
    assert_int_equal(d->vcpus[1], NULL);
    budget_refill();
    budget = cpu.budget;
    domain_put(d);
    done("grants. ");
    assert_int_equal(budget - cpu.budget, 3 * COST_FRAME);
}

/* One that was never published takes its vCPUs with it. */
static void the_last_reference(void **state)
{
    struct domain *d = create(3, 2, false);

    give_vcpu(d, 1);
    domain_hold(d);
    domain_put(d);
    done("");
    end(d);
}

/* --- shutting down --- */

static void shutdowns(void **state)
{
    struct domain *d = create(3, 1, false);

    domain_shutdown(d, SHUTDOWN_reboot);
    done("reconsider. virq. ");
    assert_true(d->life == DOMAIN_SHUT_DOWN && d->shutdown_code == SHUTDOWN_reboot);
    assert_string_equal(logged, "d3 shuts down: reboot\n");
    domain_shutdown(d, SHUTDOWN_poweroff);              /* once */
    domain_crash(d, "too late");
    assert_int_equal(d->shutdown_code, SHUTDOWN_reboot);
    assert_string_equal(logged, "d3 shuts down: reboot\n");
    end(d);
    d = create(3, 1, false);
    d->chosen_code = SHUTDOWN_suspend;                  /* it said beforehand */
    domain_shutdown(d, SHUTDOWN_poweroff);
    done("reconsider. virq. ");
    assert_int_equal(d->shutdown_code, SHUTDOWN_suspend);
    end(d);
    d = create(3, 1, false);
    d->chosen_code = SHUTDOWN_poweroff;                 /* which is 0 */
    domain_shutdown(d, SHUTDOWN_reboot);
    done("reconsider. virq. ");
    d->chosen_code = -1;
    domain_shutdown(d, SHUTDOWN_reboot);
    domain_crash(d, "too late");
    done("");
    assert_int_equal(d->shutdown_code, SHUTDOWN_poweroff);
    end(d);
    static const char *const names[] = { "power-off", "reboot", "suspend", "crash", "watchdog",
                                         "soft reset", "unknown reason", "unknown reason" };
    for (uint8_t i = 0; i < 8; i++) {
        char line[64];

        d = create(3, 1, false);
        *logged = '\0';
        domain_shutdown(d, i);
        done("reconsider. virq. ");
        snprintf(line, sizeof(line), "d3 shuts down: %s\n", names[i]);
        assert_string_equal(logged, line);
        end(d);
    }
}

static void crashes(void **state)
{
    struct domain *d = create(3, 1, false);

    d->chosen_code = SHUTDOWN_reboot;
    domain_crash(d, "it %s", "fell");
    done("reconsider. virq. ");
    assert_int_equal(d->shutdown_code, SHUTDOWN_crash); /* whatever it said beforehand */
    assert_string_equal(logged, "Domain 3 crashed: it fell\nd3 shuts down: crash\n");
    domain_crash(d, "it fell again");                   /* who is gone cannot */
    end(d);
    d = create(3, 1, false);
    domain_shutdown(d, SHUTDOWN_poweroff);              /* which is 0 */
    *logged = '\0';
    domain_crash(d, "it fell");
    done("reconsider. virq. ");
    assert_true(d->shutdown_code == SHUTDOWN_poweroff && !*logged);
    end(d);
    for (unsigned int i = 0; i < 2; i++) {
        running_domain.life = DOMAIN_ALIVE;
        running_domain.shutdown_code = -1;
        running.in_kernel = i == 0;
        last_refusal = i ? "a frame" : "";
        *logged = '\0';
        domain_crash(&running_domain, "so");
        done(i ? "rest. registers 222. rest. reconsider. virq. "
               : "rest. registers 111. rest. reconsider. virq. ");
        assert_string_equal(logged, i ? "Domain 900 crashed: so\n"
                                        "What it was refused last: a frame\n"
                                        "d900 shuts down: crash\n"
                                      : "Domain 900 crashed: so\nd900 shuts down: crash\n");
    }
    /* Without room for them, registers are the control domain's only: with it the machine ends. */
    room = false;
    for (unsigned int i = 0; i < 2; i++) {
        running_domain.life = DOMAIN_ALIVE;
        running_domain.shutdown_code = -1;
        last_refusal = "";
        *logged = '\0';
        dom0 = i ? &running_domain : NULL;
        if (setjmp(machine_ended) == 0)
            domain_crash(&running_domain, "so");
        done(i ? "rest. registers 222. rest. reset. " : "reconsider. virq. ");
        assert_int_equal(!strstr(logged, "its registers: debug key d\n"), i);
    }
}

/* With the control domain ends the machine. */
static void the_machine_ends(void **state)
{
    static const struct { uint8_t reason; const char *said, *done; } rows[] = {
        { SHUTDOWN_poweroff, "Domain 0 ended (power-off): the machine switches off\n", "off. " },
        { SHUTDOWN_reboot, "Domain 0 ended (reboot): the machine restarts\n", "reset. " },
        { SHUTDOWN_crash, "Domain 0 crashed (crash): the machine restarts\n", "reset. " },
    };

    dom0 = &running_domain;
    for (volatile unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        *logged = '\0';
        if (setjmp(machine_ended) == 0)
            domain_shutdown(dom0, rows[i].reason);
        assert_string_equal(logged, rows[i].said);
        done(rows[i].done);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(birth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(births_that_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(by_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_that_are_always_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_cpu_has_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_vcpu_a_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_reference, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shutdowns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(crashes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_machine_ends, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
