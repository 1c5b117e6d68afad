/* SPDX-License-Identifier: MIT */
/*
 * domctl on whole domains: what each call does, every field that it answers, and what is refused
 * with nothing done. (vCPUs, and what a domain looks like: test_domctl_vcpu.c.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "domctl_host.h"

/* ---- creating ---- */

static void good_config(void)
{
    op.u.createdomain = (struct xen_domctl_createdomain){
        .ssidref = 0x55, .handle = { 1, 2, 3, [15] = 16 }, .max_vcpus = 2,
        .max_evtchn_port = 100, .max_grant_frames = 32, .max_maptrack_frames = 64,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
    };
}

static void a_domain_is_born(void **state)
{
    static const uint8_t handle[16] = { 1, 2, 3, [15] = 16 };

    good_config();
    op.u.createdomain.flags = XEN_DOMCTL_CDF_xs_domain;
    op.u.createdomain.arch.misc_flags = XEN_X86_MSR_RELAXED;
    assert_int_equal(domctl(XEN_DOMCTL_createdomain, 5), 0);
    assert_int_equal(op.domain, 5);
    assert_int_equal(did.created_vcpus, 2);
    assert_memory_equal(born.handle, handle, 16);
    assert_int_equal(born.ssidref, 0x55);
    assert_int_equal(born.events.limit, 101);
    assert_int_equal(born.toolstack_pauses, 1);
    assert_int_equal(born.pause_count, 1);
    assert_int_equal(did.grant_frames, 32);
    assert_int_equal(did.maptrack_frames, 64);
    assert_int_equal(did.destroys, 0);
    static const struct { uint32_t most, limit; } ports[] = {
        { 0, 1 }, { 4094, 4095 }, { 4095, 4096 }, { 4096, 4096 }, { ~0u, 4096 },
    };
    for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
        op.u.createdomain.max_evtchn_port = ports[i].most;
        assert_int_equal(domctl(XEN_DOMCTL_createdomain, 5), 0);
        assert_int_equal(born.events.limit, ports[i].limit);
    }
}

static void a_birth_that_fails(void **state)
{
    good_config();
    answers.create = -EEXIST;
    assert_int_equal(domctl(XEN_DOMCTL_createdomain, 5), -EEXIST);
    assert_int_equal(did.destroys, 0);
    answers.create = 0;
    answers.grants = -ENOMEM;
    answers.destroys_left = 3;
    assert_int_equal(domctl(XEN_DOMCTL_createdomain, 0), -ENOMEM);
    assert_int_equal(did.destroys, 4);
}

static void refused_config(long error)
{
    did.created_id = 0;
    assert_int_equal(domctl(XEN_DOMCTL_createdomain, 5), error);
    assert_int_equal(did.created_id, error ? 0 : 5);
    good_config();
}

static void what_a_domain_cannot_be(void **state)
{
    good_config();
    for (unsigned int bit = 0; bit < 32; bit++) {
        op.u.createdomain.flags = 1u << bit;
        refused_config(1u << bit == XEN_DOMCTL_CDF_xs_domain ? 0 : -EINVAL);
        op.u.createdomain.arch.misc_flags = 1u << bit;
        refused_config(1u << bit == XEN_X86_MSR_RELAXED ? 0 : -EINVAL);
        op.u.createdomain.arch.emulation_flags = 1u << bit;
        refused_config(-EINVAL);
    }
    static const uint32_t vcpus[] = { 0, 1, 32, 33 };
    for (unsigned int i = 0; i < 4; i++) {
        op.u.createdomain.max_vcpus = vcpus[i];
        refused_config(i == 0 || i == 3 ? -EINVAL : 0);
    }
    for (unsigned int version = 0; version < 4; version++) {
        op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(version);
        refused_config(version == 1 ? 0 : -EINVAL);
    }
    op.u.createdomain.vmtrace_size = 1;
    refused_config(-EINVAL);
    op.u.createdomain.iommu_opts = 1;
    refused_config(-EINVAL);
    op.u.createdomain.cpupool_id = 1;
    refused_config(-EINVAL);
}

static long created(domid_t wanted)
{
    long result;

    did.created_id = 0;
    result = domctl(XEN_DOMCTL_createdomain, wanted);
    return result ? result : op.domain;
}

static void numbers(void **state)
{
    good_config();
    assert_int_equal(created(0), 1);
    assert_int_equal(created(DOMID_FIRST_RESERVED), 2);
    assert_int_equal(created(DOMID_INVALID), 3);
    taken[4] = taken[5] = true;
    assert_int_equal(created(0), 6);
    assert_int_equal(created(0), 8);                        /* 7 is the guest's */
    assert_int_equal(created(1023), 1023);
    assert_int_equal(created(1024), -EINVAL);
    assert_int_equal(created(DOMID_FIRST_RESERVED - 1), -EINVAL);
    assert_int_equal(created(1), 1);
    assert_int_equal(created(0), 9);                        /* after the last that was given out */
    for (unsigned int i = 0; i < MAX_DOMAINS; i++)
        taken[i] = i != 1023;
    assert_int_equal(created(0), 1023);
    assert_int_equal(created(0), 1023);                     /* all the way around */
    taken[1023] = true;
    assert_int_equal(created(0), -ENOSPC);
    taken[1] = false;
    assert_int_equal(created(0), 1);
}

static void vcpus_of_it(void **state)
{
    op.u.max_vcpus.max = 2;
    assert_int_equal(domctl(XEN_DOMCTL_max_vcpus, GUEST), -EINVAL);
    op.u.max_vcpus.max = 3;
    guest.life = DOMAIN_DYING;
    assert_int_equal(domctl(XEN_DOMCTL_max_vcpus, GUEST), -EINVAL);
    guest.life = DOMAIN_ALIVE;
    guest.vcpus[0] = guest.vcpus[2] = NULL;
    assert_int_equal(domctl(XEN_DOMCTL_max_vcpus, GUEST), 0);
    assert_int_equal(did.made_vcpus, 5);
    guest.vcpus[1] = NULL;
    answers.no_vcpu = true;
    assert_int_equal(domctl(XEN_DOMCTL_max_vcpus, GUEST), -ENOMEM);
    answers.no_vcpu = false;
    memset(guest.vcpus, 0, sizeof(guest.vcpus));
    did.made_vcpus = 0;
    cpu.budget = 0;                                         /* one each time, at least the first */
    assert_int_equal(domctl(XEN_DOMCTL_max_vcpus, GUEST), CONTINUED);
    assert_int_equal(did.made_vcpus, 1);
    assert_int_equal(did.continued, 1);
    assert_int_equal(did.arguments, (uint64_t)&op);
}

/* ---- pausing and ending ---- */

static void ending(void **state)
{
    assert_int_equal(domctl(XEN_DOMCTL_destroydomain, DOMID_SELF), -EINVAL);
    assert_int_equal(did.destroys, 0);
    answers.destroys_left = 1;
    assert_int_equal(domctl(XEN_DOMCTL_destroydomain, GUEST), CONTINUED);
    assert_int_equal(did.arguments, (uint64_t)&op);
    assert_int_equal(domctl(XEN_DOMCTL_destroydomain, GUEST), 0);
    answers.destroy = -EINVAL;
    assert_int_equal(domctl(XEN_DOMCTL_destroydomain, GUEST), -EINVAL);
    assert_int_equal(did.destroys, 3);
}

static void ending_by_steps(void **state)
{
    answers.destroys_left = 2;
    assert_int_equal(domctl_destroy_some(GUEST), -EAGAIN);
    assert_int_equal(domctl_destroy_some(GUEST), -EAGAIN);
    assert_int_equal(domctl_destroy_some(GUEST), 0);
    assert_int_equal(did.destroys, 3);
    assert_int_equal(domctl_destroy_some(99), -ESRCH);
    assert_int_equal(domctl_destroy_some(DOMID_SELF), -EINVAL);
    answers.destroy = -ENOMEM;
    assert_int_equal(domctl_destroy_some(GUEST), -ENOMEM);
    assert_int_equal(did.continued, 0);
}

/* ---- what is one and the same for all ---- */

static void time_stamp_counter(void **state)
{
    static const int answer[] = { 0, -EOPNOTSUPP, 0, -EINVAL, -EINVAL };

    for (uint32_t mode = 0; mode < ARRAY_SIZE(answer); mode++) {
        op.u.tsc_info.tsc_mode = mode;
        assert_int_equal(domctl(XEN_DOMCTL_settscinfo, GUEST), answer[mode]);
    }
    memset(&op, 0xee, sizeof(op));
    assert_int_equal(domctl(XEN_DOMCTL_gettscinfo, GUEST), 0);
    assert_int_equal(op.u.tsc_info.tsc_mode, 2);
    assert_int_equal(op.u.tsc_info.gtsc_khz, 2345678);
    assert_int_equal(op.u.tsc_info.incarnation, 0);
    assert_int_equal(op.u.tsc_info.elapsed_nsec, 0);
}

static void nodes(void **state)
{
    uint8_t map[2] = { 0xff, 0xff };

    op.u.nodeaffinity.nodemap.nr_bits = 16;
    op.u.nodeaffinity.nodemap.bitmap.p = map;
    assert_int_equal(domctl(XEN_DOMCTL_setnodeaffinity, GUEST), 0);
    map[0] = 1;
    assert_int_equal(domctl(XEN_DOMCTL_setnodeaffinity, GUEST), 0);
    map[0] = 0xfe;
    assert_int_equal(domctl(XEN_DOMCTL_setnodeaffinity, GUEST), -EINVAL);
    op.u.nodeaffinity.nodemap.bitmap.p = NOT_THERE;
    assert_int_equal(domctl(XEN_DOMCTL_setnodeaffinity, GUEST), -EFAULT);
    assert_int_equal(domctl(XEN_DOMCTL_getnodeaffinity, GUEST), -EFAULT);
    op.u.nodeaffinity.nodemap.bitmap.p = map;
    assert_int_equal(domctl(XEN_DOMCTL_getnodeaffinity, GUEST), 0);
    assert_true(map[0] == 1 && map[1] == 0);
}

static void pausing(void **state)
{
    assert_int_equal(domctl(XEN_DOMCTL_pausedomain, DOMID_SELF), -EINVAL);
    assert_int_equal(domctl(XEN_DOMCTL_unpausedomain, GUEST), -EINVAL);
    assert_int_equal(did.pauses + did.unpauses, 0);
    for (unsigned int i = 1; i <= 2; i++) {
        assert_int_equal(domctl(XEN_DOMCTL_pausedomain, GUEST), 0);
        assert_int_equal(guest.toolstack_pauses, i);
        assert_int_equal(guest.pause_count, i);
    }
    assert_int_equal(domctl(XEN_DOMCTL_unpausedomain, GUEST), 0);
    assert_int_equal(did.times, 0);
    assert_int_equal(domctl(XEN_DOMCTL_unpausedomain, GUEST), 0);
    assert_int_equal(did.times, 1);
    assert_int_equal(guest.pause_count, 0);
    assert_int_equal(domctl(XEN_DOMCTL_unpausedomain, GUEST), -EINVAL);
    assert_int_equal(did.times, 1);
    assert_int_equal(guest.pause_count, 0);
    assert_int_equal(did.answers, 0);           /* what has no answer is not written back */
}

/* ---- memory ---- */

static void allotment(void **state)
{
    op.u.max_mem.max_memkb = 4 * 12345 + 3;
    assert_int_equal(domctl(XEN_DOMCTL_max_mem, GUEST), 0);
    assert_int_equal(guest.memory.max_pages, 12345);
    assert_int_equal(guest.memory.most_pages, 12345);
    op.u.max_mem.max_memkb = 4 * 345;
    assert_int_equal(domctl(XEN_DOMCTL_max_mem, GUEST), 0);
    assert_int_equal(guest.memory.max_pages, 345);
    assert_int_equal(guest.memory.most_pages, 12345);
}

static void hypercall_page(void **state)
{
    assert_int_equal(domctl(XEN_DOMCTL_hypercall_init, GUEST), 0);
    assert_int_equal(did.fills, 1);
    assert_int_equal(did.type_puts, 1);
    answers.type = -EBUSY;
    assert_int_equal(domctl(XEN_DOMCTL_hypercall_init, GUEST), -EACCES);
    assert_int_equal(did.fills, 1);
    assert_int_equal(did.type_puts, 1);
}

static void what_frames_are(void **state)
{
    static const struct { uint64_t state; uint64_t info; } kinds[] = {
        { FRAME_TOTAL_ONE, 0 },
        { (uint64_t)FRAME_L1 << 54 | FRAME_TYPED_ONE, 1ul << 28 },
        { (uint64_t)FRAME_L2 << 54 | FRAME_TYPED_ONE, 2ul << 28 },
        { (uint64_t)FRAME_L3 << 54 | FRAME_TYPED_ONE, 3ul << 28 },
        { (uint64_t)FRAME_L4 << 54 | FRAME_TYPED_ONE, 4ul << 28 },
        { (uint64_t)FRAME_L4 << 54 | FRAME_TYPED_ONE | FRAME_PINNED, 0xcul << 28 },
        { (uint64_t)FRAME_L4 << 54 | FRAME_TYPED_ONE | FRAME_ALLOCATED | FRAME_UNDOING, 4ul << 28 },
        { (uint64_t)FRAME_L4 << 54, 0 },                    /* was one */
        { (uint64_t)FRAME_WRITABLE << 54 | FRAME_TYPED_ONE, 0 },
        { (uint64_t)FRAME_SEGDESC << 54 | FRAME_TYPED_ONE, 0 },
    };
    static uint64_t array[1025];
    unsigned int done = 0;
    long result;

    for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
        frame_table[i].state = kinds[i].state;
        array[i] = i;
    }
    array[ARRAY_SIZE(kinds)] = 100;                         /* not the guest's */
    array[ARRAY_SIZE(kinds) + 1] = 1;                       /* not asked about */
    op.u.getpageframeinfo3.num = ARRAY_SIZE(kinds) + 1;
    op.u.getpageframeinfo3.array.p = array;
    assert_int_equal(domctl(XEN_DOMCTL_getpageframeinfo3, GUEST), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
        assert_int_equal(array[i], kinds[i].info);
    assert_int_equal(array[ARRAY_SIZE(kinds)], 0xful << 28);
    assert_int_equal(array[ARRAY_SIZE(kinds) + 1], 1);
    assert_int_equal(did.frame_puts, ARRAY_SIZE(kinds));
    for (unsigned int i = 0; i < 1024; i++)
        array[i] = 1;
    op.u.getpageframeinfo3.num = 1024;
    op.u.getpageframeinfo3.array.p = array;
    did.frame_puts = 0;
    while ((result = domctl(XEN_DOMCTL_getpageframeinfo3, GUEST)) == CONTINUED) {
        assert_in_range(did.frame_puts - done, 1, 400);     /* 50,000 instructions (I11) */
        done = did.frame_puts;
        assert_int_equal(op.u.getpageframeinfo3.num, 1024 - done);
        budget_refill();
    }
    assert_int_equal(result, 0);
    assert_int_equal(did.frame_puts, 1024);                 /* each once */
    assert_in_range(did.continued, 2, 20);                  /* and not all in one stay */
    for (unsigned int num = 1; num <= 2; num++) {           /* the last one is the end */
        op.u.getpageframeinfo3.num = num;
        op.u.getpageframeinfo3.array.p = (array[0] = array[1] = 1, array);
        cpu.budget = 1;
        assert_int_equal(domctl(XEN_DOMCTL_getpageframeinfo3, GUEST), num == 1 ? 0 : CONTINUED);
    }
    assert_int_equal(op.u.getpageframeinfo3.num, 1);
    budget_refill();
    op.u.getpageframeinfo3.num = 1;
    array[0] = array[1] = kinds[1].info;
    for (unsigned int i = 0; i < 1024; i++)
        assert_int_equal(array[i], kinds[1].info);
    op.u.getpageframeinfo3.array.p = array;
    op.u.getpageframeinfo3.num = 1025;
    assert_int_equal(domctl(XEN_DOMCTL_getpageframeinfo3, GUEST), -E2BIG);
    op.u.getpageframeinfo3.num = 1;
    op.u.getpageframeinfo3.array.p = NOT_THERE;
    assert_int_equal(domctl(XEN_DOMCTL_getpageframeinfo3, GUEST), -EFAULT);
    op.u.getpageframeinfo3.array.p = (void *)host_ram;      /* to be read only */
    assert_int_equal(domctl(XEN_DOMCTL_getpageframeinfo3, GUEST), -EFAULT);
}

/* ---- the rest ---- */

static void permissions(void **state)
{
    for (int allow = 0; allow < 2; allow++) {
        memset(&op.u, 0, sizeof(op.u));
        op.u.irq_permission.allow_access = (uint8_t)allow;
        assert_int_equal(domctl(XEN_DOMCTL_irq_permission, GUEST), allow ? -EOPNOTSUPP : 0);
        memset(&op.u, 0, sizeof(op.u));
        op.u.iomem_permission.allow_access = (uint8_t)allow;
        assert_int_equal(domctl(XEN_DOMCTL_iomem_permission, GUEST), allow ? -EOPNOTSUPP : 0);
        memset(&op.u, 0, sizeof(op.u));
        op.u.ioport_permission.allow_access = (uint8_t)allow;
        assert_int_equal(domctl(XEN_DOMCTL_ioport_permission, GUEST), allow ? -EOPNOTSUPP : 0);
    }
}

static void weights(void **state)
{
    static const struct { uint16_t weight, cap; } puts[] = {
        { 512, 0 }, { 513, UINT16_MAX }, { 0, 0 }, { 512, 1 }, { 0, UINT16_MAX - 1 },
        { 0, UINT16_MAX },
    };
    struct xen_domctl_scheduler_op *s = &op.u.scheduler_op;

    for (unsigned int i = 0; i < ARRAY_SIZE(puts); i++) {
        did.weight = 0;
        did.cap = 0xabcdef;
        *s = (struct xen_domctl_scheduler_op){ .sched_id = XEN_SCHEDULER_CREDIT,
                                               .cmd = XEN_DOMCTL_SCHEDOP_putinfo };
        s->u.credit.weight = puts[i].weight;
        s->u.credit.cap = puts[i].cap;
        assert_int_equal(domctl(XEN_DOMCTL_scheduler_op, GUEST), 0);
        assert_int_equal(did.weight, puts[i].weight);
        assert_int_equal(did.cap, puts[i].cap == UINT16_MAX ? 0xabcdef : puts[i].cap);
    }
    assert_int_equal(did.weights, 3);
    guest.share.weight = 777;
    guest.share.cap = 888;
    s->cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    s->u.credit.weight = s->u.credit.cap = 5;
    assert_int_equal(domctl(XEN_DOMCTL_scheduler_op, GUEST), 0);
    assert_int_equal(s->u.credit.weight, 777);
    assert_int_equal(s->u.credit.cap, 888);
    s->cmd = XEN_DOMCTL_SCHEDOP_putvcpuinfo;
    assert_int_equal(domctl(XEN_DOMCTL_scheduler_op, GUEST), -EINVAL);
    s->cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    s->sched_id = XEN_SCHEDULER_CREDIT2;
    assert_int_equal(domctl(XEN_DOMCTL_scheduler_op, GUEST), -EINVAL);
}

static void small_things(void **state)
{
    op.u.settimeoffset.time_offset_seconds = -77;
    assert_int_equal(domctl(XEN_DOMCTL_settimeoffset, GUEST), 0);
    assert_int_equal(guest.time.offset_seconds, -77);
    assert_int_equal(did.wallclocks, 1);
    memset(&op.u, 0xa5, sizeof(op.u));
    assert_int_equal(domctl(XEN_DOMCTL_setdomainhandle, GUEST), 0);
    assert_memory_equal(guest.handle, op.u.setdomainhandle.handle, 16);
    op.u.address_size.size = 64;
    assert_int_equal(domctl(XEN_DOMCTL_set_address_size, GUEST), 0);
    op.u.address_size.size = 32;
    assert_int_equal(domctl(XEN_DOMCTL_set_address_size, GUEST), -EINVAL);
    assert_int_equal(domctl(XEN_DOMCTL_get_address_size, GUEST), 0);
    assert_int_equal(op.u.address_size.size, 64);
}

/* ---- any call ---- */

static void what_is_no_domctl(void **state)
{
    assert_int_equal(do_domctl((unsigned long)NOT_THERE), -EFAULT);
    assert_int_equal(domctl(XEN_DOMCTL_pausedomain, 8), -ESRCH);
    assert_int_equal(domctl(XEN_DOMCTL_debug_op, GUEST), -ENOSYS);
    op.cmd = XEN_DOMCTL_pausedomain;
    op.domain = GUEST;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION + 1;
    assert_int_equal(do_domctl((unsigned long)&op), -EACCES);
    assert_int_equal(did.pauses, 0);
}

/* One at a time: who comes meanwhile makes the same call again. */
static void one_at_a_time(void **state)
{
    recursion = true;
    assert_int_equal(domctl(XEN_DOMCTL_pausedomain, GUEST), 0);
    assert_int_equal(recursive_answer, CONTINUED);
    assert_int_equal(recursive_end, -EAGAIN);
    assert_int_equal(did.destroys, 0);
    assert_int_equal(did.continued, 1);
    assert_int_equal(did.arguments, (uint64_t)&op);
    assert_int_equal(guest.pause_count, 1);
    assert_int_equal(domctl(XEN_DOMCTL_pausedomain, GUEST), 0);
    assert_int_equal(domctl_destroy_some(GUEST), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_domain_is_born, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_birth_that_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_domain_cannot_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vcpus_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ending_by_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_stamp_counter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nodes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pausing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(allotment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hypercall_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_frames_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(permissions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(weights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_things, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_domctl, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_at_a_time, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
