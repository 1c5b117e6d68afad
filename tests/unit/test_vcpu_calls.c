/* SPDX-License-Identifier: MIT */
/*
 * sched_op, vcpu_op and nmi_op: what each call does, as a list of steps, and every refusal with
 * nothing done. Guests sleep, poll, go up and down, watch themselves, and say where their shared
 * structures lie.
 */
#include "ring0_host.h"
#include "domain/domain.h"
#include "domain/events.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "memory/frame.h"
#include <xen/nmi.h>
#include <xen/sched.h>
#include "steps_host.h"

static struct domain control, guest;
static struct vcpu vcpus[4], controls;
static _Alignas(4096) struct shared_info shared;
_Alignas(4096) char host_ram[4 * 4096];
char host_frames[64], host_m2p[8];
uint32_t time_version = 7;
static uint64_t now;
static uint64_t ports_there, ports_pending;     /* a bit each */
static int context_error;
static unsigned int writables;

uint64_t now_ns(void)
{
    return now;
}
void timer_init(struct timer *t, struct domain *owner, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){ .owner = owner, .fire = fire, .arg = arg };
    step("timer of d%u. ", owner->id);
}
void timer_set(struct timer *t, uint64_t deadline_ns)
{
    step("timer at %lu. ", deadline_ns);
}
void timer_stop(struct timer *t)
{
    step("timer off. ");
}
void vcpu_wake(struct vcpu *v)
{
    step("wake %u. ", v->id);
}
void vcpu_block(struct vcpu *v)
{
    step("block %u. ", v->id);
}
void vcpu_yield(void)
{
    step("yield. ");
}
void vcpu_up(struct vcpu *v)
{
    step("up %u. ", v->id);
}
void vcpu_down(struct vcpu *v)
{
    step("down %u. ", v->id);
}
void domain_shutdown(struct domain *d, uint8_t reason)
{
    step("shutdown d%u %u. ", d->id, reason);
}
struct domain *domain_get(domid_t id)
{
    struct domain *d = id == 1 ? &guest : NULL;

    if (d)
        d->refs++;
    return d;
}
void domain_put(struct domain *d)
{
    d->refs--;
}
bool event_port_valid(const struct domain *d, uint32_t port)
{
    return port < 64 && ports_there >> port & 1;
}
bool event_port_pending(const struct domain *d, uint32_t port)
{
    assert_true(guest.events.pollers & 1);      /* who raises it now finds the mark */
    return ports_pending >> port & 1;
}
void vcpu_stop_polling(struct vcpu *v)
{
    v->domain->events.pollers &= ~(1u << v->id);
    if (v->time.poll.fire)
        step("timer off. ");
}
void events_rescan(struct vcpu *v)
{
    step("rescan %u. ", v->id);
}
int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    step("context %u %lx. ", v->id, c->user_regs.rip);
    return context_error;
}
void vcpu_set_periodic(struct vcpu *v, uint64_t period_ns)
{
    step("periodic %u %lu. ", v->id, period_ns);
}
void vcpu_set_singleshot(struct vcpu *v, uint64_t deadline_ns)
{
    step("single %u %lu. ", v->id, deadline_ns);
}
void vcpu_stop_singleshot(struct vcpu *v)
{
    step("single %u off. ", v->id);
}
void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate_info *info)
{
    memset(info, 0, sizeof(*info));
    info->state = 1;
    info->state_entry_time = v->id;
    for (unsigned int i = 0; i < 4; i++)
        info->time[i] = 2 + i;
}
void update_vcpu_time(struct vcpu *v)
{
    step("time of %u to %lx. ", v->id, v->time.area);
}
int frame_get_type(mfn_t m, struct domain_memory *owner, enum frame_type t)
{
    assert_true(owner == &guest.memory && t == FRAME_WRITABLE);
    if (m.n != 2) return -EINVAL;
    writables++;
    return 0;
}

static long sched(unsigned int cmd, const void *arg)
{
    return AS_CALLED(do_sched_op)(cmd, (unsigned long)arg, 0, 0, 0, 0);
}
static long vcpu(unsigned int cmd, unsigned long id, const void *arg)
{
    return AS_CALLED(do_vcpu_op)(cmd, id, (unsigned long)arg, 0, 0, 0);
}
static long nmi(unsigned int cmd, const void *arg)
{
    return AS_CALLED(do_nmi_op)(cmd, (unsigned long)arg, 0, 0, 0, 0);
}

static int set_up(void **state)
{
    memset(&shared, 0, sizeof(shared));
    memset(host_ram, 0x77, sizeof(host_ram));
    *steps = '\0';
    now = 1000;
    ports_there = ports_pending = 0;
    context_error = 0;
    writables = 0;
    control = (struct domain){ .privileged = true, .refs = 1, .vcpu_count = 1,
                               .vcpus = { &controls } };
    controls = (struct vcpu){ .domain = &control };
    guest = (struct domain){ .id = 1, .refs = 1, .shared = &shared, .vcpu_count = 4,
                             .shutdown_code = -1, .chosen_code = -1 };
    for (unsigned int i = 0; i < 3; i++) {
        vcpus[i] = (struct vcpu){ .id = i, .domain = &guest, .info = &shared.vcpu_info[i],
                                  .events.info_frame = INVALID_MFN };
        vcpus[i].sched.state = i ? VCPU_DOWN : VCPU_RUNNABLE;
        guest.vcpus[i] = &vcpus[i];
    }
    ring0_begin(&vcpus[0]);
    return 0;
}

static int tear_down(void **state)
{
    done("");
    assert_true(guest.refs == 1 && control.refs == 1);
    ring0_end();
    return 0;
}

/* --- sleeping --- */

static void yields_and_blocks(void **state)
{
    assert_int_equal(sched(SCHEDOP_yield, NULL), 0);
    done("yield. ");
    shared.vcpu_info[0].evtchn_upcall_mask = 1;
    guest.events.pollers = 5;
    assert_int_equal(sched(SCHEDOP_block, NULL), 0);
    done("block 0. ");
    assert_int_equal(shared.vcpu_info[0].evtchn_upcall_mask, 0);
    assert_int_equal(guest.events.pollers, 4);          /* its own bit only */
    assert_int_equal(sched(99, NULL), -ENOSYS);
    for (unsigned int op = SCHEDOP_shutdown; op <= SCHEDOP_watchdog; op++)
        assert_int_equal(sched(op, (void *)NOT_THERE),
                         op == SCHEDOP_remote_shutdown ? -EPERM : -EFAULT);
}

static evtchn_port_t list[129];

static long polls(unsigned int n, const evtchn_port_t *ports, uint64_t timeout)
{
    struct sched_poll op = { .nr_ports = n, .timeout = timeout };
    int budget = cpu.budget;
    long answer;

    op.ports.p = (evtchn_port_t *)ports;
    answer = sched(SCHEDOP_poll, &op);
    assert_int_equal(budget - cpu.budget, n <= 128 ? n * 90 : 0);      /* COST_POLL */
    return answer;
}

static void polling(void **state)
{
    ports_there = 0xfe;
    list[0] = 1;
    list[1] = 2;
    list[2] = 3;
    vcpus[0].events.poll_port = 9;
    assert_int_equal(polls(2, list, 0), 0);             /* several: any event wakes */
    done("block 0. ");
    assert_true(guest.events.pollers == 1 && vcpus[0].events.poll_port == 0);
    assert_int_equal(polls(0, list, 0), 0);
    done("block 0. ");
    assert_int_equal(vcpus[0].events.poll_port, 0);
    assert_int_equal(polls(1, list + 1, 5000), 0);      /* one: only that */
    done("timer of d1. timer at 5000. block 0. ");
    assert_true(guest.events.pollers == 1 && vcpus[0].events.poll_port == 2);
    assert_int_equal(polls(1, list + 2, 6000), 0);      /* its timer is there */
    done("timer off. timer at 6000. block 0. ");
    vcpus[0].time.poll.fire(vcpus[0].time.poll.arg);    /* it takes too long */
    done("timer off. wake 0. ");
    assert_int_equal(guest.events.pollers, 0);
    ports_pending = 1 << 3;                             /* one is pending */
    for (unsigned int n = 0; n < 4; n++) {
        assert_int_equal(polls(n, list, 0), 0);
        done(n < 3 ? "timer off. block 0. " : "timer off. timer off. ");
        assert_int_equal(guest.events.pollers, n < 3);
    }
    list[2] = 8;                                        /* one is not there */
    assert_int_equal(polls(3, list, 0), -EINVAL);
    done("timer off. timer off. ");
    assert_int_equal(guest.events.pollers, 0);
    list[1] = 3;                                        /* but is not looked at */
    assert_int_equal(polls(3, list, 0), 0);
    done("timer off. timer off. ");
    assert_int_equal(polls(1, (void *)(NOT_THERE + 4), 0), -EFAULT);
    done("timer off. timer off. ");
    assert_int_equal(guest.events.pollers, 0);
    /* An upcall is due: it returns at once. */
    shared.vcpu_info[0].evtchn_upcall_pending = 1;
    assert_int_equal(polls(1, list, 0), 0);
    done("timer off. timer off. ");
    shared.vcpu_info[0].evtchn_upcall_mask = 1;
    assert_int_equal(polls(1, list, 0), 0);
    done("timer off. block 0. ");
    guest.events.pollers = 0;
    for (unsigned int i = 0; i < 129; i++)
        list[i] = 1;
    budget_refill();
    assert_int_equal(polls(128, list, 0), 0);
    done("timer off. block 0. ");
    guest.events.pollers = 0;
    assert_int_equal(polls(129, list, 0), -EINVAL);
    assert_int_equal(guest.events.pollers, 0);
}

/* --- ending --- */

static void shutdowns(void **state)
{
    struct sched_shutdown op = { .reason = SHUTDOWN_reboot };
    struct sched_remote_shutdown remote = { .domain_id = 1, .reason = SHUTDOWN_suspend };

    assert_int_equal(sched(SCHEDOP_shutdown, &op), 0);
    done("shutdown d1 1. ");
    assert_int_equal(sched(SCHEDOP_shutdown_code, &op), 0);
    assert_true(guest.chosen_code == 1 && guest.shutdown_code == -1);
    op.reason = SHUTDOWN_crash;
    assert_int_equal(sched(SCHEDOP_shutdown_code, &op), 0);
    assert_int_equal(guest.chosen_code, 1);             /* the first word counts */
    assert_int_equal(sched(SCHEDOP_remote_shutdown, &remote), -EPERM);
    done("");
    cpu.running = &controls;
    assert_int_equal(sched(SCHEDOP_remote_shutdown, &remote), 0);
    done("shutdown d1 2. ");
    remote.domain_id = 2;
    assert_int_equal(sched(SCHEDOP_remote_shutdown, &remote), -ESRCH);
}

static long watches(uint32_t id, uint32_t timeout)
{
    struct sched_watchdog op = { .id = id, .timeout = timeout };

    return sched(SCHEDOP_watchdog, &op);
}

static void watchdogs(void **state)
{
    assert_int_equal(watches(0, 0), -EINVAL);
    assert_int_equal(watches(1, 1), -EINVAL);
    assert_int_equal(watches(2, 1), -EINVAL);
    assert_int_equal(watches(3, 1), -EINVAL);
    done("");
    assert_int_equal(watches(0, 5), 1);
    done("timer of d1. timer at 5000001000. ");
    assert_int_equal(watches(2, 1), -EINVAL);
    assert_int_equal(watches(0, ~0u), 2);
    done("timer of d1. timer at 4294967295000001000. ");
    assert_int_equal(guest.watchdog.used, 3);
    assert_int_equal(watches(0, 1), -ENOSPC);
    assert_int_equal(watches(3, 1), -EINVAL);
    now = 0;
    assert_int_equal(watches(2, 1), 0);                 /* fed */
    done("timer at 1000000000. ");
    assert_int_equal(watches(1, 0), 0);                 /* given back */
    done("timer off. ");
    assert_int_equal(guest.watchdog.used, 2);
    assert_int_equal(watches(1, 0), -EINVAL);
    assert_int_equal(watches(0, 2), 1);
    done("timer at 2000000000. ");
    assert_int_equal(watches(2, 0), 0);
    done("timer off. ");
    assert_int_equal(guest.watchdog.used, 1);
    guest.watchdog.timers[1].fire(guest.watchdog.timers[1].arg);
    done("shutdown d1 4. ");
}

/* --- up and down --- */

static void a_vcpu_goes_up(void **state)
{
    static struct vcpu_guest_context context = { .user_regs.rip = 0xabc };
    static const unsigned long nobody[] = { 3, 4, 31, 32, 8192, ~0ul };

    for (unsigned int i = 0; i < ARRAY_SIZE(nobody); i++)
        assert_int_equal(vcpu(VCPUOP_is_up, nobody[i], NULL), -ENOENT);
    assert_int_equal(vcpu(VCPUOP_is_up, 0, NULL), 1);
    assert_int_equal(vcpu(VCPUOP_is_up, 1, NULL), 0);
    vcpus[1].sched.state = VCPU_BLOCKED;
    assert_int_equal(vcpu(VCPUOP_is_up, 1, NULL), 1);
    assert_int_equal(vcpu(VCPUOP_up, 2, NULL), -EINVAL);
    assert_int_equal(vcpu(VCPUOP_initialise, 2, (void *)NOT_THERE), -EFAULT);
    allocations_left = 0;
    assert_int_equal(vcpu(VCPUOP_initialise, 2, &context), -ENOMEM);
    allocations_left = ~0u;
    done("");
    context_error = -EINVAL;
    assert_int_equal(vcpu(VCPUOP_initialise, 2, &context), -EINVAL);
    done("context 2 abc. ");
    context_error = -ERESTART;
    assert_int_equal(vcpu(VCPUOP_initialise, 2, &context), CONTINUED);
    done("context 2 abc. ");
    assert_true(said.op == __HYPERVISOR_vcpu_op && said.count == 3);
    assert_true(said.arguments[0] == VCPUOP_initialise && said.arguments[1] == 2 &&
                said.arguments[2] == (uint64_t)&context);
    context_error = 0;
    assert_int_equal(vcpu(VCPUOP_initialise, 2, &context), 0);
    done("context 2 abc. ");
    vcpus[2].initialised = true;
    assert_int_equal(vcpu(VCPUOP_initialise, 2, &context), -EEXIST);
    assert_int_equal(vcpu(VCPUOP_up, 2, NULL), 0);
    done("up 2. ");
    assert_int_equal(vcpu(VCPUOP_get_physid, 0, NULL), -EINVAL);
    assert_int_equal(vcpu(999, 0, NULL), -ENOSYS);
}

/* The last one takes the domain with it. */
static void a_vcpu_goes_down(void **state)
{
    vcpus[2].sched.state = VCPU_BLOCKED;
    assert_int_equal(vcpu(VCPUOP_down, 0, NULL), 0);
    done("down 0. ");
    vcpus[2].sched.state = VCPU_DOWN;
    assert_int_equal(vcpu(VCPUOP_down, 0, NULL), 0);
    done("shutdown d1 0. ");
    assert_int_equal(vcpu(VCPUOP_down, 1, NULL), 0);    /* the first one runs */
    done("down 1. ");
    guest.vcpu_count = 2;                               /* the third does not count */
    vcpus[2].sched.state = VCPU_RUNNABLE;
    assert_int_equal(vcpu(VCPUOP_down, 0, NULL), 0);
    done("shutdown d1 0. ");
}

/* --- shared structures --- */

static long moves(unsigned int id, uint64_t frame, uint32_t offset)
{
    struct vcpu_register_vcpu_info op = { .mfn = frame, .offset = offset };

    return vcpu(VCPUOP_register_vcpu_info, id, &op);
}

static void info_moves(void **state)
{
    static const uint32_t bad[] = { 1, 2, 4, 4095, 4096 - 64 + 8, 4096, 0x80000000, 0xfffffff8 };
    struct vcpu_info *there = (struct vcpu_info *)(host_ram + 2 * 4096 + 4096 - 64);

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(moves(0, 2, bad[i]), -ENXIO);
    assert_int_equal(moves(0, 1, 0), -EINVAL);
    vcpus[1].sched.state = VCPU_BLOCKED;
    assert_int_equal(moves(1, 2, 0), -EINVAL);
    assert_int_equal(writables, 0);
    done("");
    memset(&shared.vcpu_info[0], 0x5a, sizeof(struct vcpu_info));
    assert_int_equal(moves(0, 2, 4096 - 64), 0);        /* its own, while it runs */
    done("rescan 0. ");
    assert_ptr_equal(vcpus[0].info, there);
    assert_memory_equal(there, &shared.vcpu_info[0], sizeof(*there));
    assert_int_equal(((char *)there)[-1], 0x77);
    assert_int_equal(vcpus[0].events.info_frame.n, 2);
    assert_int_equal(moves(0, 2, 0), -EINVAL);          /* for good */
    assert_int_equal(moves(2, 2, 8), 0);                /* another one's, while it is down */
    done("rescan 2. ");
    assert_int_equal(writables, 2);
    assert_int_equal(vcpu(VCPUOP_register_vcpu_info, 1, (void *)NOT_THERE), -EFAULT);
}

static void areas(void **state)
{
    struct vcpu_register_runstate_memory_area op = { 0 };
    struct vcpu_register_time_memory_area time = { 0 };
    struct vcpu_runstate_info info, want;

    vcpu_runstate_get(&vcpus[1], &want);
    memset(&info, 0, sizeof(info));
    assert_int_equal(vcpu(VCPUOP_get_runstate_info, 1, &info), 0);
    assert_memory_equal(&info, &want, sizeof(want));
    assert_int_equal(vcpu(VCPUOP_get_runstate_info, 1, (void *)NOT_THERE), -EFAULT);
    memset(&info, 0, sizeof(info));
    op.addr.p = (uint64_t)&info;
    assert_int_equal(vcpu(VCPUOP_register_runstate_memory_area, 1, &op), 0);
    assert_int_equal(vcpus[1].sched.runstate_area, &info);
    assert_memory_equal(&info, &want, sizeof(want));
    op.addr.p = NOT_THERE;
    assert_int_equal(vcpu(VCPUOP_register_runstate_memory_area, 1, &op), -EFAULT);
    op.addr.p = 0x7fffffffffff - sizeof(want) + 2;      /* not its own to have */
    vcpus[1].sched.runstate_area = 5;
    assert_int_equal(vcpu(VCPUOP_register_runstate_memory_area, 1, &op), -EFAULT);
    assert_int_equal(vcpus[1].sched.runstate_area, 5);
    op.addr.p = 0;                                      /* no longer */
    assert_int_equal(vcpu(VCPUOP_register_runstate_memory_area, 1, &op), 0);
    assert_int_equal(vcpus[1].sched.runstate_area, 0);

    time.addr.p = 0x7fffffffffff - sizeof(struct vcpu_time_info) + 2;
    assert_int_equal(vcpu(VCPUOP_register_vcpu_time_memory_area, 0, &time), -EFAULT);
    assert_int_equal(vcpus[0].time.area, 0);
    time.addr.p--;
    assert_int_equal(vcpu(VCPUOP_register_vcpu_time_memory_area, 0, &time), 0);
    done("time of 0 to 7fffffffffe0. ");
    vcpus[1].time.version = 7;
    assert_int_equal(vcpu(VCPUOP_register_vcpu_time_memory_area, 1, &time), 0);
    assert_true(vcpus[1].time.area == time.addr.p && vcpus[1].time.version == 6);
}

/* --- timers and NMIs --- */

static long single(unsigned int id, uint64_t at, uint32_t flags)
{
    struct vcpu_set_singleshot_timer op = { .timeout_abs_ns = at, .flags = flags };

    return vcpu(VCPUOP_set_singleshot_timer, id, &op);
}

static void timers(void **state)
{
    static const struct { uint64_t ns; long answer; } periods[] = {
        { 0, -EINVAL }, { 999999, -EINVAL }, { 1000000, 0 }, { INT64_MAX / 2, 0 },
        { INT64_MAX / 2 + 1, -EINVAL }, { ~0ul, -EINVAL },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(periods); i++) {
        struct vcpu_set_periodic_timer op = { .period_ns = periods[i].ns };
        assert_int_equal(vcpu(VCPUOP_set_periodic_timer, 1, &op), periods[i].answer);
    }
    done("periodic 1 1000000. periodic 1 4611686018427387903. ");
    assert_int_equal(vcpu(VCPUOP_stop_periodic_timer, 2, NULL), 0);
    done("periodic 2 0. ");
    assert_int_equal(single(0, 999, 0), 0);
    assert_int_equal(single(0, 999, VCPU_SSHOTTMR_future), -ETIME);
    assert_int_equal(single(0, 1000, VCPU_SSHOTTMR_future), 0);
    assert_int_equal(single(1, 5000, 0), -EINVAL);
    done("single 0 999. single 0 1000. ");
    assert_int_equal(vcpu(VCPUOP_stop_singleshot_timer, 1, NULL), -EINVAL);
    assert_int_equal(vcpu(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
    done("single 0 off. ");
}

static void nmis(void **state)
{
    struct xennmi_callback callback = { .handler_address = 0xffff900000000000 };
    struct cpu second = { .work = 0 };

    assert_int_equal(vcpu(VCPUOP_send_nmi, 1, (void *)1), -EINVAL);
    assert_true(!vcpus[1].nmi_pending && !cpu.work);
    assert_int_equal(vcpu(VCPUOP_send_nmi, 1, NULL), 0);
    done("wake 1. ");
    assert_true(vcpus[1].nmi_pending == 1 && !cpu.work);        /* it runs nowhere: when it does */
    vcpus[0].cpu = &cpu;
    assert_int_equal(vcpu(VCPUOP_send_nmi, 0, NULL), 0);
    done("wake 0. ");
    assert_true(vcpus[0].nmi_pending == 1 && cpu.work == WORK_RESCHEDULE);
    vcpus[1].cpu = &second;
    second.running = &vcpus[1];
    cpus_add(&second);
    assert_int_equal(vcpu(VCPUOP_send_nmi, 1, NULL), 0);
    done("wake 1. ");
    assert_true(second.work == WORK_RESCHEDULE && cpus_interrupted == 2);
    assert_int_equal(nmi(XENNMI_register_callback, &callback), -EINVAL);
    assert_int_equal(nmi(XENNMI_unregister_callback, &callback), -EINVAL);
    cpu.running = &controls;
    assert_int_equal(nmi(XENNMI_register_callback, &callback), 0);
    assert_true(controls.entry.nmi.rip == callback.handler_address &&
                controls.entry.nmi.mask_events);
    callback.handler_address = 0x800000000000;
    assert_int_equal(nmi(XENNMI_register_callback, &callback), -EINVAL);
    assert_int_equal(nmi(XENNMI_register_callback, (void *)NOT_THERE), -EFAULT);
    assert_int_equal(controls.entry.nmi.rip, 0xffff900000000000);
    assert_int_equal(nmi(XENNMI_unregister_callback, NULL), 0);
    assert_int_equal(controls.entry.nmi.rip, 0);
    assert_int_equal(nmi(2, NULL), -ENOSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(yields_and_blocks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(polling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shutdowns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(watchdogs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_vcpu_goes_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_vcpu_goes_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(info_moves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(areas, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nmis, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
