/* SPDX-License-Identifier: MIT */
/*
 * sysctl and platform_op: every field of every answer, and what is refused with nothing done. The
 * caller's memory is the test's; a call's argument may be read but not written, or neither.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "sysctl_host.h"

static void the_machine(void **state)
{
    struct xen_sysctl_physinfo expected = {
        .threads_per_core = 1, .cores_per_socket = 2, .nr_cpus = 2, .max_cpu_id = 1,
        .nr_nodes = 1, .cpu_khz = 3000001, .capabilities = 1u << 1 | 1u << 8,
        .total_pages = 0x11111, .free_pages = 0x2222, .max_mfn = 0x12344,
        .outstanding_pages = 0x333,
        .hw_cap = {
            host_cpuid(1, 0).d, host_cpuid(1, 0).c, host_cpuid(0x80000001, 0).d,
            host_cpuid(0x80000001, 0).c, host_cpuid(0xd, 1).a, host_cpuid(7, 0).b,
            host_cpuid(7, 0).c, host_cpuid(0x80000007, 0).d,
        },
    };

    sits = (struct sits){ .most = 0xb, .thread_bits = 1, .core_bits = 3 };
    expected.hw_cap[0] = host_cpuid(1, 0).d;
    memset(&op, 0xee, sizeof(op));
    assert_int_equal(sysctl(XEN_SYSCTL_physinfo), 0);
    assert_memory_equal(&op.u.physinfo, &expected, sizeof(expected));
    assert_int_equal(sysctl(XEN_SYSCTL_sched_id), 0);
    assert_int_equal(op.u.sched_id.sched_id, 5);
    op.u.availheap.node = 0;
    assert_int_equal(sysctl(XEN_SYSCTL_availheap), 0);
    assert_int_equal(op.u.availheap.avail_bytes, 0x2222000);
    op.u.availheap.node = -1u;
    assert_int_equal(sysctl(XEN_SYSCTL_availheap), 0);
    assert_int_equal(op.u.availheap.avail_bytes, 0x2222000);
    op.u.availheap.node = 1;
    assert_int_equal(sysctl(XEN_SYSCTL_availheap), 0);
    assert_int_equal(op.u.availheap.avail_bytes, 0);
}

static void list_of_domains(void **state)
{
    static const struct { domid_t first; uint32_t room, n; domid_t ids[3]; } lists[] = {
        { 0, 5, 3, { 0, 4, 5 } }, { 0, 3, 3, { 0, 4, 5 } }, { 0, 2, 2, { 0, 4 } },
        { 0, 0, 0, { 0 } },       { 1, 5, 2, { 4, 5 } },    { 5, 5, 1, { 5 } },
        { 6, 5, 0, { 0 } },
    };
    struct xen_domctl_getdomaininfo infos[5];

    for (unsigned int i = 0; i < ARRAY_SIZE(lists); i++) {
        memset(infos, 0xee, sizeof(infos));
        puts = 0;
        op.u.getdomaininfolist.first_domain = lists[i].first;
        op.u.getdomaininfolist.max_domains = lists[i].room;
        op.u.getdomaininfolist.buffer.p = infos;
        op.u.getdomaininfolist.num_domains = 77;
        assert_int_equal(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
        assert_int_equal(op.u.getdomaininfolist.num_domains, lists[i].n);
        assert_int_equal(puts, lists[i].n);
        for (unsigned int n = 0; n < 5; n++)
            assert_int_equal(infos[n].domain, n < lists[i].n ? lists[i].ids[n] : 0xeeee);
    }
    op.u.getdomaininfolist.first_domain = 0;
    op.u.getdomaininfolist.max_domains = 5;
    op.u.getdomaininfolist.buffer.p = infos;
    fails_after = copies + 1;
    puts = 0;
    assert_int_equal(sysctl(XEN_SYSCTL_getdomaininfolist), -EFAULT);
    assert_int_equal(puts, 2);
}

/* By as many calls as it takes, each of which tells of one, at least; and the caller's argument is
 * what it would be after one. */
static void a_list_in_steps(void **state)
{
    static const int budgets[] = { ENTRY_BUDGET, 3600, 2600, 1600, 1, 0, -5000 };
    static const unsigned int steps[] = { 0, 0, 1, 1, 1, 1, 1 };
    struct xen_sysctl_getdomaininfolist *list = &op.u.getdomaininfolist;
    struct xen_domctl_getdomaininfo infos[4];

    for (unsigned int i = 0; i < ARRAY_SIZE(budgets); i++) {
        memset(infos, 0xee, sizeof(infos));
        *list = (struct xen_sysctl_getdomaininfolist){ .max_domains = 4, .buffer.p = infos,
                                                       .num_domains = 2 };
        continued = 0;
        cpu.budget = budgets[i];
        assert_int_equal(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
        assert_int_equal(continued, steps[i]);
        assert_true(list->num_domains == 3 && list->buffer.p == infos);
        assert_true(list->first_domain == 0 && list->max_domains == 4);
        assert_int_equal(op.interface_version, XEN_SYSCTL_INTERFACE_VERSION);
        for (unsigned int n = 0; n < 4; n++)
            assert_int_equal(infos[n].domain, ((domid_t[]){ 0, 4, 5, 0xeeee })[n]);
    }
    cpu.budget = 0;                                 /* it fails behind the first step */
    fails_after = copies + 1;
    assert_int_equal(sysctl(XEN_SYSCTL_getdomaininfolist), -EFAULT);
    assert_int_equal(op.interface_version, XEN_SYSCTL_INTERFACE_VERSION);
    fails_after = ~0u;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION | 0x80000000;
    list->buffer.p = (xen_domctl_getdomaininfo_t *)NOT_THERE + 1;
    list->num_domains = 1;
    assert_int_equal(do_sysctl((unsigned long)&op), -EFAULT);
    cpu.budget = 0;
    answers_fail = true;
    list->buffer.p = infos;
    assert_int_equal(sysctl(XEN_SYSCTL_getdomaininfolist), -EFAULT);
}

static void the_log(void **state)
{
    static char text[700];
    static const struct {
        bool clear, incremental;
        uint32_t index, count, length, read, end;
    } reads[] = {
        { false, false, 9, 700, 25, 25, 25 },     { false, true, 9, 700, 25, 16, 25 },
        { true, false, 0, 10, 25, 10, 10 },       { false, true, 25, 10, 25, 0, 25 },
        { false, false, 0, 0, 25, 0, 0 },         { false, false, 0, 600, 650, 600, 600 },
        { true, false, 0, 700, 650, 650, 650 },   { false, false, 0, 257, 650, 257, 257 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(reads); i++) {
        struct xen_sysctl_readconsole *r = &op.u.readconsole;

        memset(text, 'x', sizeof(text));
        log_length = reads[i].length;
        cleared = 0;
        r->clear = reads[i].clear;
        r->incremental = reads[i].incremental;
        r->index = reads[i].index;
        r->count = reads[i].count;
        r->buffer.p = text;
        assert_int_equal(sysctl(XEN_SYSCTL_readconsole), 0);
        assert_int_equal(r->count, reads[i].read);
        assert_int_equal(r->index, reads[i].end);
        assert_int_equal(cleared, reads[i].clear);
        for (unsigned int n = 0; n < sizeof(text); n++) {
            uint32_t from = (reads[i].incremental ? reads[i].index : 0) + n;

            assert_int_equal(text[n],
                             n < reads[i].read ? log_text[from % sizeof(log_text)] : 'x');
        }
    }
    op.u.readconsole.clear = true;
    op.u.readconsole.count = 10;
    op.u.readconsole.incremental = false;
    op.u.readconsole.buffer.p = NOT_THERE;
    cleared = 0;
    assert_int_equal(sysctl(XEN_SYSCTL_readconsole), -EFAULT);
    assert_int_equal(cleared, 0);
}

static void keys_that_are_pressed(void **state)
{
    char text[40] = "abcdefghijklmnopqrstuvwxyz0123456789";

    op.u.debug_keys.keys.p = text;
    op.u.debug_keys.nr_keys = 3;
    assert_int_equal(sysctl(XEN_SYSCTL_debug_keys), 0);
    assert_string_equal(keys, "abc");
    for (int budget = ENTRY_BUDGET; budget >= 0; budget -= ENTRY_BUDGET) {
        op.u.debug_keys.keys.p = text;
        op.u.debug_keys.nr_keys = 36;
        key_count = continued = 0;
        cpu.budget = budget;                    /* of one call, or one is pressed by a first */
        assert_int_equal(sysctl(XEN_SYSCTL_debug_keys), 0);
        assert_int_equal(continued, budget ? 0 : 1);
        assert_int_equal(key_count, 32);
        assert_memory_equal(keys, text, 32);
        assert_true(op.u.debug_keys.keys.p == text && op.u.debug_keys.nr_keys == 32);
    }
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION | 0x80000000;
    op.u.debug_keys.nr_keys = ~0u;              /* somebody's own idea of what was done */
    key_count = 0;
    assert_int_equal(do_sysctl((unsigned long)&op), 0);
    assert_int_equal(key_count, 0);
    op.u.debug_keys.nr_keys = 1;
    op.u.debug_keys.keys.p = NOT_THERE;
    key_count = 0;
    assert_int_equal(sysctl(XEN_SYSCTL_debug_keys), -EFAULT);
    assert_int_equal(key_count, 0);
}

static void topology(void **state)
{
    static const struct { uint32_t asked; bool buffer; uint32_t filled; } asked[] = {
        { 5, true, 2 }, { 2, true, 2 }, { 1, true, 1 }, { 0, true, 0 }, { 5, false, 0 },
    };
    xen_sysctl_cputopo_t places[5];

    sits = (struct sits){ .most = 0xb, .thread_bits = 1, .core_bits = 3 };
    for (unsigned int i = 0; i < ARRAY_SIZE(asked); i++) {
        memset(places, 0xee, sizeof(places));
        op.u.cputopoinfo.num_cpus = asked[i].asked;
        op.u.cputopoinfo.cputopo.p = asked[i].buffer ? places : NULL;
        assert_int_equal(sysctl(XEN_SYSCTL_cputopoinfo), 0);
        assert_int_equal(op.u.cputopoinfo.num_cpus, 2);
        for (unsigned int n = 0; n < 5; n++) {
            bool filled = n < asked[i].filled;

            assert_int_equal(places[n].core, filled ? (n ? 3 : 1) : 0xeeeeeeee);
            assert_int_equal(places[n].socket, filled ? 1 : 0xeeeeeeee);
            assert_int_equal(places[n].node, filled ? 0 : 0xeeeeeeee);
        }
    }
    op.u.cputopoinfo.num_cpus = 2;
    op.u.cputopoinfo.cputopo.p = NOT_THERE;
    assert_int_equal(sysctl(XEN_SYSCTL_cputopoinfo), -EFAULT);
    assert_int_equal(op.u.cputopoinfo.num_cpus, 2);
}

/* An APIC id's three parts, whatever tells how wide they are; and what follows for the machine of
 * CPUs 10, 14 and 4. */
static void where_cpus_sit(void **state)
{
    static const struct {
        struct sits sits;
        uint32_t apic_id, core, socket, threads, cores;
    } kinds[] = {
        { { .most = 0xb, .thread_bits = 1, .core_bits = 3 }, 29, 2, 3, 1, 2 },
        { { .most = 0xd, .thread_bits = 2, .core_bits = 4 }, 29, 3, 1, 1, 3 },
        { { .most = 0xb, .thread_bits = 3, .core_bits = 4 }, 29, 1, 1, 2, 1 },
        { { .most = 0xb, .thread_bits = 1 }, 29, 0, 14, 1, 1 },         /* one level: one core */
        { { .most = 0xb, .core_bits = 3, .logical = 8, .cores = 2 }, 29, 1, 3, 1, 2 },
        { { .most = 0xa, .thread_bits = 1, .core_bits = 3 }, 29, 0, 29, 1, 1 },
        { { .most = 4, .logical = 8, .cores = 4 }, 29, 2, 3, 1, 2 },
        { { .most = 4, .logical = 6, .cores = 3 }, 29, 2, 3, 1, 2 },    /* each takes whole bits */
        { { .most = 3, .logical = 8, .cores = 4 }, 29, 0, 3, 2, 1 },
        { { .most = 4, .cores = 4 }, 29, 1, 7, 1, 1 },
        { { .most = 1, .logical = 16, .amd_cores = 16 }, 29, 13, 1, 1, 3 },
        { { .most = 1, .amd_cores = 4, .logical = 8 }, 29, 2, 3, 1, 2 },
        { { .most = 1 }, 29, 0, 29, 1, 1 },
    };

    cpus_online = 3;
    for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct cpu_place place;

        sits = kinds[i].sits;
        place = cpu_place(kinds[i].apic_id);
        assert_int_equal(place.core, kinds[i].core);
        assert_int_equal(place.socket, kinds[i].socket);
        assert_int_equal(sysctl(XEN_SYSCTL_physinfo), 0);
        assert_int_equal(op.u.physinfo.threads_per_core, kinds[i].threads);
        assert_int_equal(op.u.physinfo.cores_per_socket, kinds[i].cores);
    }
    cpus_online = 2;
}

static void nodes(void **state)
{
    struct xen_sysctl_meminfo memory[2];
    uint32_t distances[2];
    struct xen_sysctl_numainfo *n = &op.u.numainfo;

    for (uint32_t asked = 0; asked < 3; asked++)
        for (unsigned int buffers = 0; buffers < 4; buffers++) {
            bool wants_memory = asked && (buffers & 1), wants_distance = asked && (buffers & 2);

            memset(memory, 0xee, sizeof(memory));
            memset(distances, 0xee, sizeof(distances));
            n->num_nodes = asked;
            n->meminfo.p = buffers & 1 ? memory : NULL;
            n->distance.p = buffers & 2 ? distances : NULL;
            assert_int_equal(sysctl(XEN_SYSCTL_numainfo), 0);
            assert_int_equal(n->num_nodes, 1);
            assert_int_equal(memory[0].memsize, wants_memory ? 0x11111000 : 0xeeeeeeeeeeeeeeee);
            assert_int_equal(memory[0].memfree, wants_memory ? 0x2222000 : 0xeeeeeeeeeeeeeeee);
            assert_int_equal(distances[0], wants_distance ? 10 : 0xeeeeeeee);
            assert_int_equal(memory[1].memsize, 0xeeeeeeeeeeeeeeee);
            assert_int_equal(distances[1], 0xeeeeeeee);
        }
    n->num_nodes = 1;
    n->distance.p = NOT_THERE;
    assert_int_equal(sysctl(XEN_SYSCTL_numainfo), -EFAULT);
    n->distance.p = NULL;
    n->meminfo.p = NOT_THERE;
    assert_int_equal(sysctl(XEN_SYSCTL_numainfo), -EFAULT);
}

static void times_of_cpus(void **state)
{
    struct xen_sysctl_cpuinfo infos[3];

    for (uint32_t room = 0; room < 4; room++) {
        memset(infos, 0xee, sizeof(infos));
        op.u.getcpuinfo.max_cpus = room;
        op.u.getcpuinfo.info.p = infos;
        assert_int_equal(sysctl(XEN_SYSCTL_getcpuinfo), 0);
        assert_int_equal(op.u.getcpuinfo.nr_cpus, MIN(room, 2u));
        assert_int_equal(infos[0].idletime, room > 0 ? 100010 : 0xeeeeeeeeeeeeeeee);
        assert_int_equal(infos[1].idletime, room > 1 ? 100014 : 0xeeeeeeeeeeeeeeee);
        assert_int_equal(infos[2].idletime, 0xeeeeeeeeeeeeeeee);
    }
    op.u.getcpuinfo.info.p = NOT_THERE;
    assert_int_equal(sysctl(XEN_SYSCTL_getcpuinfo), -EFAULT);
}

static void what_is_no_sysctl(void **state)
{
    assert_int_equal(sysctl(XEN_SYSCTL_cpu_hotplug), -ENOSYS);
    assert_int_equal(do_sysctl((unsigned long)NOT_THERE), -EFAULT);
    op.cmd = XEN_SYSCTL_sched_id;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION + 1;
    assert_int_equal(do_sysctl((unsigned long)&op), -EACCES);
    answers_fail = true;
    assert_int_equal(sysctl(XEN_SYSCTL_sched_id), -EFAULT);
}

/* ---- platform_op ---- */

static struct xen_platform_op platform;

static long platform_op(uint32_t command)
{
    platform.cmd = command;
    platform.interface_version = XENPF_INTERFACE_VERSION;
    return do_platform_op((unsigned long)&platform);
}

static void setting_the_clock(void **state)
{
    static const struct { uint64_t seconds; uint32_t nanoseconds; uint64_t system; long error; }
    times[] = {
        { 1000, 5, 77, 0 },
        { 3, 999999999, 3000000000, 0 },
        { 3, 1000000000, 77, -EINVAL },
        { 3, 5, 3000000001, -EINVAL },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(times); i++)
        for (int wide = 0; wide < 2; wide++) {
            memset(&clock_set, 0, sizeof(clock_set));
            if (wide)
                platform.u.settime64 = (struct xenpf_settime64){
                    .secs = times[i].seconds, .nsecs = times[i].nanoseconds,
                    .system_time = times[i].system };
            else
                platform.u.settime32 = (struct xenpf_settime32){
                    .secs = (uint32_t)times[i].seconds, .nsecs = times[i].nanoseconds,
                    .system_time = times[i].system };
            assert_int_equal(platform_op(wide ? XENPF_settime64 : XENPF_settime32),
                             times[i].error);
            assert_int_equal(clock_set.times, times[i].error == 0);
            if (times[i].error)
                continue;
            assert_int_equal(clock_set.seconds, times[i].seconds);
            assert_int_equal(clock_set.nanoseconds, times[i].nanoseconds);
            assert_int_equal(clock_set.system, times[i].system);
        }
    platform.u.settime64 = (struct xenpf_settime64){ .secs = 1000, .mbz = 1 };
    clock_set.times = 0;
    assert_int_equal(platform_op(XENPF_settime64), -EINVAL);
    assert_int_equal(clock_set.times, 0);
}

static void idle_times(void **state)
{
    static const struct { uint32_t bits; uint8_t asked[2], there[2]; bool times[2]; } asked[] = {
        { 8, { 0xff, 0xee }, { 3, 0xee }, { true, true } },
        { 2, { 0xff, 0xee }, { 3, 0xee }, { true, true } },
        { 1, { 0xff, 0xee }, { 1, 0xee }, { true, false } },
        { 9, { 0xfe, 0xff }, { 2, 0 }, { false, true } },
        { 16, { 0xfc, 0xff }, { 0, 0 }, { false, false } },
        { 0, { 0xff, 0xee }, { 0xff, 0xee }, { false, false } },
    };
    struct xenpf_getidletime *t = &platform.u.getidletime;
    uint8_t map[2];
    uint64_t idle[2];

    t->cpumap_bitmap.p = map;
    t->idletime.p = idle;
    for (unsigned int i = 0; i < ARRAY_SIZE(asked); i++) {
        memcpy(map, asked[i].asked, 2);
        idle[0] = idle[1] = t->now = 0;
        t->cpumap_nr_cpus = asked[i].bits;
        assert_int_equal(platform_op(XENPF_getidletime), 0);
        assert_memory_equal(map, asked[i].there, 2);
        assert_int_equal(idle[0], asked[i].times[0] ? 100010 : 0);
        assert_int_equal(idle[1], asked[i].times[1] ? 100014 : 0);
        assert_int_equal(t->now, 987654321);
    }
    map[0] = 1;
    t->cpumap_nr_cpus = 1;
    t->cpumap_bitmap.p = NOT_THERE;
    assert_int_equal(platform_op(XENPF_getidletime), -EFAULT);
    t->cpumap_bitmap.p = map;
    t->idletime.p = NOT_THERE;
    assert_int_equal(platform_op(XENPF_getidletime), -EFAULT);
}

static void each_cpu(void **state)
{
    static const struct xenpf_pcpuinfo cpus[] = {
        { 0, 2, XEN_PCPU_FLAGS_ONLINE, 10, 0 }, { 1, 2, XEN_PCPU_FLAGS_ONLINE, 12, 1 },
        { 2, 2, 0, 14, 2 }, { 3, 2, 0, 0xeeeeeeee, 0xeeeeeeee },
    };

    for (uint32_t i = 0; i < ARRAY_SIZE(cpus); i++) {
        memset(&platform, 0xee, sizeof(platform));
        platform.u.pcpu_info.xen_cpuid = i;
        assert_int_equal(platform_op(XENPF_get_cpuinfo), 0);
        assert_memory_equal(&platform.u.pcpu_info, &cpus[i], sizeof(cpus[i]));
    }
}

static void off_and_other_states(void **state)
{
    for (platform.u.enter_acpi_sleep.sleep_state = 0; platform.u.enter_acpi_sleep.sleep_state < 8;
         platform.u.enter_acpi_sleep.sleep_state++) {
        bool off = platform.u.enter_acpi_sleep.sleep_state == 5;

        switched_off = 0;
        assert_int_equal(platform_op(XENPF_enter_acpi_sleep), off ? 0 : -EOPNOTSUPP);
        assert_int_equal(switched_off, off);
    }
}

static void what_is_no_platform_op(void **state)
{
    assert_int_equal(platform_op(XENPF_firmware_info), -ESRCH);
    assert_int_equal(platform_op(XENPF_cpu_offline), -ENOSYS);
    assert_int_equal(do_platform_op((unsigned long)NOT_THERE), -EFAULT);
    platform.cmd = XENPF_get_cpuinfo;
    platform.interface_version = XENPF_INTERFACE_VERSION ^ 1;
    assert_int_equal(do_platform_op((unsigned long)&platform), -EACCES);
    answers_fail = true;
    platform.u.pcpu_info.xen_cpuid = 0;
    assert_int_equal(platform_op(XENPF_get_cpuinfo), -EFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_machine, set_up),
        cmocka_unit_test_setup(list_of_domains, set_up),
        cmocka_unit_test_setup(a_list_in_steps, set_up),
        cmocka_unit_test_setup(the_log, set_up),
        cmocka_unit_test_setup(keys_that_are_pressed, set_up),
        cmocka_unit_test_setup(topology, set_up),
        cmocka_unit_test_setup(where_cpus_sit, set_up),
        cmocka_unit_test_setup(nodes, set_up),
        cmocka_unit_test_setup(times_of_cpus, set_up),
        cmocka_unit_test_setup(what_is_no_sysctl, set_up),
        cmocka_unit_test_setup(setting_the_clock, set_up),
        cmocka_unit_test_setup(idle_times, set_up),
        cmocka_unit_test_setup(each_cpu, set_up),
        cmocka_unit_test_setup(off_and_other_states, set_up),
        cmocka_unit_test_setup(what_is_no_platform_op, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
