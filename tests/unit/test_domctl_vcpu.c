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

static struct cpu second = { .id = 5 };

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
        guest_vcpus[2].cpu = i % 2 ? &second : NULL;    /* it has never run */
        assert_int_equal(domctl(XEN_DOMCTL_getvcpuinfo, GUEST), 0);
        assert_int_equal(info->online, kinds[i].online);
        assert_int_equal(info->blocked, kinds[i].blocked);
        assert_int_equal(info->running, kinds[i].running);
        assert_int_equal(info->cpu_time, 2500);
        assert_int_equal(info->cpu, i % 2 ? 5 : 0);
    }
    op.u.getvcpuinfo.vcpu = 3;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuinfo, GUEST), -EINVAL);
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
    t->trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
    assert_int_equal(domctl(XEN_DOMCTL_sendtrigger, GUEST), -EINVAL);
    t->trigger = XEN_DOMCTL_SENDTRIGGER_SLEEP;
    assert_int_equal(domctl(XEN_DOMCTL_sendtrigger, GUEST), -EINVAL);
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

static struct xen_domctl_vcpuaffinity *of_cpus(uint32_t flags, uint32_t bits, void *hard,
                                               void *soft)
{
    struct xen_domctl_vcpuaffinity *a = &op.u.vcpuaffinity;

    *a = (struct xen_domctl_vcpuaffinity){ .vcpu = 2, .flags = flags };
    a->cpumap_hard.bitmap.p = hard;
    a->cpumap_soft.bitmap.p = soft;
    a->cpumap_hard.nr_bits = a->cpumap_soft.nr_bits = bits;
    return a;
}

/* Of 1, 10 and 64 CPUs, into maps of all sizes: what was set, at first all. */
static void affinity_that_is_asked(void **state)
{
    static const struct { uint32_t bits, bytes; } maps[] = {
        { 0, 0 }, { 1, 1 }, { 8, 1 }, { 9, 2 }, { 16, 2 }, { 17, 3 }, { 64, 8 }, { 65, 9 },
        { 4096, 512 },
    };
    static const struct { uint32_t online; uint64_t set, preferred, hard, soft;
    } cases[] = {
        { 1, 0, 0, 1, 1 },
        { 10, 0, 0, 0x3ff, 0x3ff },
        { 64, 0, 0, ~0ul, ~0ul },
        { 64, ~0ul, ~0ul, ~0ul, ~0ul },
        { 10, 0x204, 0x1012, 0x204, 0x012 },
        { 10, 0xff01, 0, 0x301, 0x3ff },
    };
    uint8_t hard[520], soft[520];

    for (unsigned int c = 0; c < ARRAY_SIZE(cases); c++)
        for (unsigned int i = 0; i < ARRAY_SIZE(maps); i++)
            for (unsigned int flags = 1; flags <= 7; flags++) {
                uint64_t fits = maps[i].bits < 64 ? (1ul << maps[i].bits) - 1 : ~0ul;
                uint64_t expected_hard = cases[c].hard & fits;
                uint64_t expected_soft = cases[c].soft & fits;

                if (flags == 4)
                    continue;
                cpus_online = cases[c].online;
                kept_to = cases[c].set;
                prefers = cases[c].preferred;
                memset(hard, 0xee, sizeof(hard));
                memset(soft, 0xee, sizeof(soft));
                of_cpus(flags, maps[i].bits, hard, soft);
                assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), 0);
                for (unsigned int n = 0; n < sizeof(hard); n++) {
                    bool within = n < maps[i].bytes, ours = n < 8;

                    assert_int_equal(hard[n], !within || !(flags & 1) ? 0xee
                                              : ours ? (uint8_t)(expected_hard >> n * 8) : 0);
                    assert_int_equal(soft[n], !within || !(flags & 2) ? 0xee
                                              : ours ? (uint8_t)(expected_soft >> n * 8) : 0);
                }
            }
}

static void affinity_that_cannot_be_told(void **state)
{
    uint8_t map[8];
    struct xen_domctl_vcpuaffinity *a = of_cpus(3, 9, NULL, NULL);

    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), 0);
    a = of_cpus(3, 4097, map, map);
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), -E2BIG);
    a = of_cpus(3, 9, NOT_THERE, map);
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), -EFAULT);
    a = of_cpus(3, 9, map, NOT_THERE);
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), -EFAULT);
    a = of_cpus(4, 8, map, map);
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), -EINVAL);
    a = of_cpus(1, 8, map, map);
    a->vcpu = 3;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), -EINVAL);
    guest.vcpus[0] = NULL;
    a->vcpu = 0;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, GUEST), -ESRCH);
}

/* On a machine of four CPUs. What follows from it is answered; what is refused changes nothing. */
static void affinity_that_is_set(void **state)
{
    static const struct {
        unsigned int flags;
        uint16_t hard, soft;
        long error;
        uint16_t effective, effective_soft;
    } sets[] = {
        { 1, 0x0001, 0, 0, 0x1, 0 },        { 1, 0xffff, 0, 0, 0xf, 0 },
        { 1, 0xfffe, 0, 0, 0xe, 0 },        { 1, 0xfff0, 1, -EINVAL, 0, 0 },
        { 1, 0, 1, -EINVAL, 0, 0 },         { 2, 0, 0x000f, 0, 0x3, 0x3 },
        { 2, 0, 0xffff, 0, 0x3, 0x3 },      { 2, 0x1, 0x0006, 0, 0x3, 0x2 },
        { 2, 0x1, 0, 0, 0x3, 0x3 },         { 3, 0x0008, 0xffff, 0, 0x8, 0x8 },
        { 3, 0, 0xf, -EINVAL, 0, 0 },       { 3, 0xe, 0x3, 0, 0xe, 0x2 },
        { 0, 1, 1, -EINVAL, 0, 0 },         { 4, 1, 1, -EINVAL, 0, 0 },
        { 7, 0x0002, 0x000f, 0, 0x2, 0x2 }, { 5, 0x0002, 0, 0, 0x2, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(sets); i++) {
        uint16_t hard = sets[i].hard, soft = sets[i].soft;
        bool told = !sets[i].error && (sets[i].flags & XEN_VCPUAFFINITY_HARD),
             wished = !sets[i].error && (sets[i].flags & XEN_VCPUAFFINITY_SOFT);

        cpus_online = 4;
        did.affinities = 0;
        kept_to = 0x3;
        prefers = 0x77;
        of_cpus(sets[i].flags, 16, &hard, &soft);
        assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, GUEST), sets[i].error);
        assert_int_equal(did.affinities, told + wished);
        assert_int_equal(kept_to, told ? sets[i].hard : 0x3);
        if (told)
            assert_int_equal(did.affinity, sets[i].hard);
        assert_int_equal(hard, told ? sets[i].effective : sets[i].hard);
        assert_int_equal(prefers, wished ? sets[i].soft : 0x77);
        assert_int_equal(soft, wished ? sets[i].effective_soft : sets[i].soft);
    }
}

static void affinity_that_cannot_be_read(void **state)
{
    static const unsigned int flags[] = { 1, 2, 3 };
    uint64_t map = ~0ul;

    for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
        of_cpus(flags[i], 8, NOT_THERE, NOT_THERE);
        assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, GUEST), -EFAULT);
        of_cpus(flags[i], 8, &map, &map)->vcpu = 3;
        assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, GUEST), -EINVAL);
        of_cpus(flags[i], 0, &map, &map);                 /* an empty map */
        did.affinities = 0;
        assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, GUEST), flags[i] & 1 ? -EINVAL : 0);
        assert_int_equal(did.affinities, !(flags[i] & 1));
        did.affinities = 0;
    }
    of_cpus(3, 8, &map, NOT_THERE);
    assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, GUEST), -EFAULT);
    of_cpus(1, 4097, &map, &map);
    assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, GUEST), -E2BIG);
    assert_int_equal(did.affinities, 0);
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
    guest_is_gone = true;
    assert_int_equal(domctl(XEN_DOMCTL_getdomaininfo, 1), -ESRCH);
    assert_int_equal(domctl(XEN_DOMCTL_getdomaininfo, 0), 0);
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
        cmocka_unit_test_setup_teardown(affinity_that_cannot_be_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(affinity_that_is_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(affinity_that_cannot_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(which_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flags_of_a_domain, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
