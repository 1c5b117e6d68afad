/* SPDX-License-Identifier: MIT */
/*
 * domctl on vCPUs, and what a domain and its vCPUs look like from outside: every field of every
 * answer, and what is refused with nothing done.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "domctl_host.h"

/* ---- contexts ---- */

static void setting_a_context(void **state)
{
    struct vcpu_guest_context context = { .user_regs.rip = 0x1234 };
    struct xen_domctl_vcpucontext *c = &op.u.vcpucontext;

    c->vcpu = 1;
    c->ctxt.p = &context;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, GUEST), 0);
    assert_int_equal(did.contexts, 1);
    assert_int_equal(did.ups, 0);
    context.flags = VGCF_online;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, GUEST), 0);
    assert_int_equal(did.ups, 1);
    context.flags = ~(unsigned)VGCF_online;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, GUEST), 0);
    assert_int_equal(did.ups, 1);
    context.flags = VGCF_online;
    answers.context = -EINVAL;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, GUEST), -EINVAL);
    answers.context = -ERESTART;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, GUEST), CONTINUED);
    assert_int_equal(did.ups, 1);
    assert_int_equal(did.contexts, 5);
    answers.context = 0;
    c->ctxt.p = NOT_THERE;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, GUEST), -EFAULT);
    assert_int_equal(did.pauses, 6);
    assert_int_equal(guest.pause_count, 0);
}

static void contexts_that_cannot_be_set(void **state)
{
    struct vcpu_guest_context context = { .user_regs.rip = 0x1234, .flags = VGCF_online };
    struct xen_domctl_vcpucontext *c = &op.u.vcpucontext;

    c->vcpu = 1;
    c->ctxt.p = &context;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, DOMID_SELF), -EINVAL);
    c->vcpu = 3;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, GUEST), -EINVAL);
    c->vcpu = 1;
    c->ctxt.p = NULL;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, GUEST), -EINVAL);
    c->ctxt.p = &context;
    guest.life = DOMAIN_DYING;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, GUEST), -EINVAL);
    guest.life = DOMAIN_ALIVE;
    answers.no_memory = true;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpucontext, GUEST), -ENOMEM);
    assert_int_equal(did.contexts + did.ups + did.pauses, 0);
}

static void getting_a_context(void **state)
{
    struct vcpu_guest_context context = { 0 };
    struct xen_domctl_vcpucontext *c = &op.u.vcpucontext;

    c->vcpu = 1;
    c->ctxt.p = &context;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpucontext, GUEST), 0);
    assert_int_equal(context.user_regs.rip, 0x4321);
    assert_int_equal(did.vcpu_pauses, 1);
    c->ctxt.p = NOT_THERE;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpucontext, GUEST), -EFAULT);
    c->ctxt.p = &context;
    c->vcpu = 3;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpucontext, GUEST), -EINVAL);
    c->vcpu = 0;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpucontext, DOMID_SELF), -EINVAL);
    guest_vcpus[0].initialised = false;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpucontext, GUEST), -ENODATA);
    guest_vcpus[0].initialised = true;
    answers.no_memory = true;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpucontext, GUEST), -ENOMEM);
    assert_int_equal(did.vcpu_pauses, 2);
}

/* ---- what they are doing ---- */

static void what_a_vcpu_does(void **state)
{
    static const struct { enum vcpu_state state; int run; uint8_t online, blocked, running; }
    kinds[] = {
        { VCPU_DOWN, RUNSTATE_offline, 0, 0, 0 },
        { VCPU_RUNNABLE, RUNSTATE_runnable, 1, 0, 0 },
        { VCPU_RUNNABLE, RUNSTATE_running, 1, 0, 1 },
        { VCPU_BLOCKED, RUNSTATE_blocked, 1, 1, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct xen_domctl_getvcpuinfo *info = &op.u.getvcpuinfo;

        memset(info, 0xee, sizeof(*info));
        info->vcpu = 2;
        guest_vcpus[2].sched.state = kinds[i].state;
        guest_vcpus[2].sched.runstate.state = kinds[i].run;
        assert_int_equal(domctl(XEN_DOMCTL_getvcpuinfo, GUEST), 0);
        assert_int_equal(info->online, kinds[i].online);
        assert_int_equal(info->blocked, kinds[i].blocked);
        assert_int_equal(info->running, kinds[i].running);
        assert_int_equal(info->cpu_time, 2500);
        assert_int_equal(info->cpu, 0);
    }
    op.u.getvcpuinfo.vcpu = 3;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuinfo, GUEST), -ESRCH);
    guest.vcpus[0] = NULL;
    op.u.getvcpuinfo.vcpu = 0;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuinfo, GUEST), -ESRCH);
}

static void sending_an_nmi(void **state)
{
    struct xen_domctl_sendtrigger *t = &op.u.sendtrigger;
    struct cpu second = { .running = NULL };

    t->vcpu = 1;
    t->trigger = XEN_DOMCTL_SENDTRIGGER_RESET;
    assert_int_equal(domctl(XEN_DOMCTL_sendtrigger, GUEST), -ENOSYS);
    t->trigger = XEN_DOMCTL_SENDTRIGGER_NMI;
    t->vcpu = 3;
    assert_int_equal(domctl(XEN_DOMCTL_sendtrigger, GUEST), -ESRCH);
    assert_int_equal(guest_vcpus[1].nmi_pending + did.wakes, 0);
    t->vcpu = 1;
    assert_int_equal(domctl(XEN_DOMCTL_sendtrigger, GUEST), 0);
    assert_int_equal(guest_vcpus[1].nmi_pending, 1);
    assert_int_equal(did.wakes, 1);
    guest_vcpus[1].cpu = &second;               /* where it was, and is no more */
    cpus_add(&second);
    assert_int_equal(domctl(XEN_DOMCTL_sendtrigger, GUEST), 0);
    assert_true(!second.work && !cpus_interrupted);
    second.running = &guest_vcpus[1];
    assert_int_equal(domctl(XEN_DOMCTL_sendtrigger, GUEST), 0);
    assert_true(second.work == WORK_RESCHEDULE && cpus_interrupted == 2);
}

/* ---- affinity ---- */

static void affinity_that_is_asked(void **state)
{
    static const struct { uint32_t bits, bytes; } maps[] = {
        { 0, 0 }, { 1, 1 }, { 8, 1 }, { 9, 2 }, { 16, 2 }, { 17, 3 }, { 4096, 512 },
    };
    struct xen_domctl_vcpuaffinity *a = &op.u.vcpuaffinity;
    uint8_t hard[520], soft[520];

    for (unsigned int i = 0; i < ARRAY_SIZE(maps); i++)
        for (unsigned int flags = 1; flags <= 3; flags++) {
            memset(hard, 0xee, sizeof(hard));
            memset(soft, 0xee, sizeof(soft));
            *a = (struct xen_domctl_vcpuaffinity){ .vcpu = 2, .flags = flags };
            a->cpumap_hard.bitmap.p = hard;
            a->cpumap_soft.bitmap.p = soft;
            a->cpumap_hard.nr_bits = a->cpumap_soft.nr_bits = maps[i].bits;
            assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), 0);
            for (unsigned int n = 0; n < sizeof(hard); n++) {
                uint8_t written = n == 0 ? 1 : 0;
                bool within = n < maps[i].bytes;

                assert_int_equal(hard[n],
                                 within && (flags & XEN_VCPUAFFINITY_HARD) ? written : 0xee);
                assert_int_equal(soft[n],
                                 within && (flags & XEN_VCPUAFFINITY_SOFT) ? written : 0xee);
            }
        }
    a->cpumap_hard.bitmap.p = a->cpumap_soft.bitmap.p = NULL;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), 0);
    a->cpumap_hard.bitmap.p = hard;
    a->cpumap_hard.nr_bits = 4097;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), -E2BIG);
    a->cpumap_hard.nr_bits = 9;
    a->cpumap_hard.bitmap.p = NOT_THERE;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), -EFAULT);
    a->cpumap_hard.bitmap.p = hard;
    a->cpumap_soft.nr_bits = 9;
    a->cpumap_soft.bitmap.p = NOT_THERE;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), -EFAULT);
}

static void affinity_that_is_set(void **state)
{
    static const struct { unsigned int flags; uint8_t hard, soft; long error; } sets[] = {
        { 1, 1, 0, 0 },        { 1, 0xfe, 1, -EINVAL }, { 2, 0, 1, 0 }, { 2, 1, 2, -EINVAL },
        { 3, 1, 0xff, 0 },     { 3, 0, 1, -EINVAL },    { 3, 1, 0, -EINVAL },
        { 0, 1, 1, -EINVAL },  { 4, 1, 1, -EINVAL },    { 7, 1, 1, 0 },
    };
    struct xen_domctl_vcpuaffinity *a = &op.u.vcpuaffinity;

    for (unsigned int i = 0; i < ARRAY_SIZE(sets); i++) {
        uint8_t hard = sets[i].hard, soft = sets[i].soft;

        *a = (struct xen_domctl_vcpuaffinity){ .vcpu = 2, .flags = sets[i].flags };
        a->cpumap_hard.bitmap.p = &hard;
        a->cpumap_soft.bitmap.p = &soft;
        a->cpumap_hard.nr_bits = a->cpumap_soft.nr_bits = 1;
        assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, GUEST), sets[i].error);
        assert_int_equal(hard, sets[i].hard);
        a->vcpu = 3;
        assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, GUEST), -ESRCH);
        a->vcpu = 2;
        a->cpumap_hard.nr_bits = a->cpumap_soft.nr_bits = 0;
        assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, GUEST),
                         sets[i].flags & 3 ? -EFAULT : -EINVAL);
        a->cpumap_hard.nr_bits = a->cpumap_soft.nr_bits = 1;
        a->cpumap_hard.bitmap.p = a->cpumap_soft.bitmap.p = NOT_THERE;
        assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, GUEST),
                         sets[i].flags & 3 ? -EFAULT : -EINVAL);
    }
}

/* ---- a domain ---- */

static void a_domain(void **state)
{
    struct xen_domctl_getdomaininfo expected = {
        .domain = GUEST, .max_vcpu_id = 2, .nr_online_vcpus = 2, .cpu_time = 7000 + 500 + 2500,
        .tot_pages = 0x111, .max_pages = 0x222, .shr_pages = 3, .shared_info_frame = 0x333,
        .ssidref = 0x444, .handle = { 9, 8, 7, [15] = 1 }, .gpaddr_bits = 52,
    };

    guest.memory.page_count = 0x111;
    guest.memory.max_pages = 0x222;
    guest.orphans = 3;
    guest.shared_frame = MFN(0x333);
    guest.ssidref = 0x444;
    guest.cpu_time_ns = 7000;
    memcpy(guest.handle, expected.handle, 16);
    guest.vcpus[1] = NULL;
    for (unsigned int i = 0; i < 3; i++) {
        guest_vcpus[i].sched.state = VCPU_RUNNABLE;
        guest_vcpus[i].sched.runstate.state = RUNSTATE_runnable;
    }
    memset(&op.u, 0xee, sizeof(op.u));
    assert_int_equal(domctl(XEN_DOMCTL_getdomaininfo, GUEST), 0);
    assert_memory_equal(&op.u.getdomaininfo, &expected, sizeof(expected));
    guest.orphans = -1;
    guest.vcpu_count = 0;
    memset(&op.u, 0xee, sizeof(op.u));
    expected.shr_pages = 0;
    expected.nr_online_vcpus = 0;
    expected.max_vcpu_id = ~0u;
    expected.cpu_time = 7000;
    assert_int_equal(domctl(XEN_DOMCTL_getdomaininfo, GUEST), 0);
    assert_memory_equal(&op.u.getdomaininfo, &expected, sizeof(expected));
}

/* By number, or the next one there is. */
static void which_domain(void **state)
{
    static const struct { domid_t asked; long error; domid_t found; } asked[] = {
        { 0, 0, 0 },     { 1, 0, GUEST },    { GUEST, 0, GUEST }, { GUEST + 1, -ESRCH, 0 },
        { DOMID_FIRST_RESERVED - 1, -ESRCH, 0 }, { DOMID_FIRST_RESERVED, -EINVAL, 0 },
        { DOMID_SELF, -EINVAL, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(asked); i++) {
        assert_int_equal(domctl(XEN_DOMCTL_getdomaininfo, asked[i].asked), asked[i].error);
        if (asked[i].error)
            continue;
        assert_int_equal(op.domain, asked[i].found);
        assert_int_equal(op.u.getdomaininfo.domain, asked[i].found);
    }
    list_remove(&guest.all_domains);
    assert_int_equal(domctl(XEN_DOMCTL_getdomaininfo, 1), -ESRCH);
    assert_int_equal(domctl(XEN_DOMCTL_getdomaininfo, 0), 0);
    assert_int_equal(domain_list_lock.held, 0);
}

#define UP .shutdown_code = -1

static void flags_of_a_domain(void **state)
{
    static const struct {
        struct domain d;
        enum vcpu_state states[3];
        int running;
        uint32_t flags;
    } kinds[] = {
        { { UP }, { VCPU_DOWN, VCPU_DOWN, VCPU_DOWN }, -1, 0 },
        { { .life = DOMAIN_DYING, UP }, { 0 }, -1, XEN_DOMINF_dying },
        { { .life = DOMAIN_SHUT_DOWN, .shutdown_code = 3 }, { 0 }, -1,
          XEN_DOMINF_shutdown | 3 << 16 },
        { { UP, .chosen_code = 3 }, { 0 }, -1, 0 },
        { { UP, .toolstack_pauses = 2, .pause_count = 2 }, { 0 }, -1, XEN_DOMINF_paused },
        { { UP, .pause_count = 1 }, { 0 }, -1, 0 },
        { { UP }, { VCPU_BLOCKED, VCPU_DOWN, VCPU_DOWN }, -1, XEN_DOMINF_blocked },
        { { UP }, { VCPU_BLOCKED, VCPU_BLOCKED, VCPU_BLOCKED }, -1, XEN_DOMINF_blocked },
        { { UP }, { VCPU_BLOCKED, VCPU_RUNNABLE, VCPU_BLOCKED }, -1, 0 },
        { { UP }, { VCPU_RUNNABLE, VCPU_RUNNABLE, VCPU_BLOCKED }, 0, XEN_DOMINF_running },
        { { UP }, { VCPU_RUNNABLE, VCPU_RUNNABLE, VCPU_RUNNABLE }, 2, XEN_DOMINF_running },
        { { .life = DOMAIN_DYING, .shutdown_code = 255, .toolstack_pauses = 1 },
          { VCPU_BLOCKED, VCPU_DOWN, VCPU_BLOCKED }, -1,
          XEN_DOMINF_dying | XEN_DOMINF_shutdown | XEN_DOMINF_paused | XEN_DOMINF_blocked |
              255u << 16 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
        guest.life = kinds[i].d.life;
        guest.shutdown_code = kinds[i].d.shutdown_code;
        guest.chosen_code = kinds[i].d.chosen_code;
        guest.toolstack_pauses = kinds[i].d.toolstack_pauses;
        guest.pause_count = kinds[i].d.pause_count;
        for (int n = 0; n < 3; n++) {
            guest_vcpus[n].sched.state = kinds[i].states[n];
            guest_vcpus[n].sched.runstate.state = n == kinds[i].running ? RUNSTATE_running
                                                                  : RUNSTATE_offline;
        }
        assert_int_equal(domctl(XEN_DOMCTL_getdomaininfo, GUEST), 0);
        assert_int_equal(op.u.getdomaininfo.flags, kinds[i].flags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(setting_a_context, set_up, tear_down),
        cmocka_unit_test_setup_teardown(contexts_that_cannot_be_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(getting_a_context, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_vcpu_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sending_an_nmi, set_up, tear_down),
        cmocka_unit_test_setup_teardown(affinity_that_is_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(affinity_that_is_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(which_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flags_of_a_domain, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
