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
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "control/debug_keys.h"
#include "control/domctl.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "machine/acpi.h"
#include "machine/console.h"
#include "memory/access.h"
#include "memory/heap.h"
#include <xen/platform.h>
#include <xen/sysctl.h>
#include "fail_host.h"

#define NOT_THERE ((void *)0x666000)            /* can be neither read nor written */

static struct cpu cpu;
static struct vcpu vcpu;
static struct domain domain, guests[3];
static unsigned int puts, copies, fails_after, answers_fail;
static char keys[64];
static unsigned int key_count, cleared;
static const char log_text[] = "what the hypervisor said";
static size_t log_length;
static struct { uint64_t seconds, system; uint32_t nanoseconds; unsigned int times; } clock_set;

uint64_t max_frame = 0x12345;
uint32_t cpus_online = 2;
struct acpi_facts acpi;

int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    if ((from.a & ~0xffful) == (uint64_t)NOT_THERE) return -EFAULT;
    memcpy(to, (void *)from.a, n);
    return 0;
}

int copy_to_guest(vaddr_t to, const void *from, size_t n)
{
    if ((to.a & ~0xffful) == (uint64_t)NOT_THERE || copies >= fails_after) return -EFAULT;
    copies++;
    memcpy((void *)to.a, from, n);
    return 0;
}

int write_guest_u64(uint64_t va, uint64_t value)
{
    return copy_to_guest(VADDR(va), &value, sizeof(value));
}

int answer_guest(uint64_t va, const void *object, size_t bytes)
{
    if (answers_fail) return -EFAULT;
    memcpy((void *)va, object, bytes);
    return 0;
}

/* Every leaf's every register is another number. */
struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    uint32_t n = leaf * 16 + subleaf * 4 + (leaf >> 16);

    return (struct cpuid_regs){ n, n + 1, n + 2, n + 3 };
}

uint64_t tsc_khz(void)
{
    return 3000001;
}
uint64_t heap_total_count(void)
{
    return 0x11111;
}
uint64_t heap_free_count(void)
{
    return 0x2222;
}
uint64_t now_ns(void)
{
    return 987654321;
}
struct cpu boot_cpu;
uint64_t cpu_idle_time(const struct cpu *cpu)
{
    return 123456789;
}
void debug_key(char key)
{
    keys[key_count++] = key;
}
void log_clear(void)
{
    cleared++;
}

size_t log_read(char *buffer, size_t size, uint32_t *index)
{
    size_t n = MIN(size, *index < log_length ? log_length - *index : 0);

    for (size_t i = 0; i < n; i++)
        buffer[i] = log_text[(*index + i) % sizeof(log_text)];
    *index += (uint32_t)n;
    return n;
}

void wallclock_set(uint64_t seconds, uint32_t nanoseconds, uint64_t system)
{
    clock_set.seconds = seconds;
    clock_set.nanoseconds = nanoseconds;
    clock_set.system = system;
    clock_set.times++;
}

struct domain *domain_get_from(domid_t first)
{
    for (unsigned int i = 0; i < 3; i++)
        if (guests[i].id >= first) return &guests[i];
    return NULL;
}
void domain_put(struct domain *d)
{
    puts++;
}

void domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    memset(info, 0, sizeof(*info));
    info->domain = d->id;
}

static int set_up(void **state)
{
    domain = (struct domain){ .privileged = true };
    vcpu = (struct vcpu){ .domain = &domain };
    cpu.self = &cpu;
    cpu.running = &vcpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    for (unsigned int i = 0; i < 3; i++)
        guests[i].id = (domid_t[]){ 0, 4, 5 }[i];
    acpi = (struct acpi_facts){ .cpu_count = 3, .apic_ids = { 10, 12, 14 } };
    puts = copies = answers_fail = key_count = cleared = 0;
    memset(keys, 0, sizeof(keys));
    fails_after = ~0u;
    log_length = sizeof(log_text);
    memset(&clock_set, 0, sizeof(clock_set));
    return 0;
}

static struct xen_sysctl op;

static long sysctl(uint32_t command)
{
    op.cmd = command;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return do_sysctl((unsigned long)&op);
}

static void the_machine(void **state)
{
    struct xen_sysctl_physinfo expected = {
        .threads_per_core = 1, .cores_per_socket = 2, .nr_cpus = 2, .max_cpu_id = 1,
        .nr_nodes = 1, .cpu_khz = 3000001, .capabilities = 1u << 1 | 1u << 8,
        .total_pages = 0x11111, .free_pages = 0x2222, .max_mfn = 0x12344,
        .hw_cap = {
            host_cpuid(1, 0).d, host_cpuid(1, 0).c, host_cpuid(0x80000001, 0).d,
            host_cpuid(0x80000001, 0).c, host_cpuid(0xd, 1).a, host_cpuid(7, 0).b,
            host_cpuid(7, 0).c, host_cpuid(0x80000007, 0).d,
        },
    };

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
    op.u.debug_keys.nr_keys = 36;
    key_count = 0;
    assert_int_equal(sysctl(XEN_SYSCTL_debug_keys), 0);
    assert_int_equal(key_count, 32);
    assert_memory_equal(keys, text, 32);
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
    xen_sysctl_cputopo_t cpus[5];

    for (unsigned int i = 0; i < ARRAY_SIZE(asked); i++) {
        memset(cpus, 0xee, sizeof(cpus));
        op.u.cputopoinfo.num_cpus = asked[i].asked;
        op.u.cputopoinfo.cputopo.p = asked[i].buffer ? cpus : NULL;
        assert_int_equal(sysctl(XEN_SYSCTL_cputopoinfo), 0);
        assert_int_equal(op.u.cputopoinfo.num_cpus, 2);
        for (unsigned int n = 0; n < 5; n++) {
            bool filled = n < asked[i].filled;

            assert_int_equal(cpus[n].core, filled ? n : 0xeeeeeeee);
            assert_int_equal(cpus[n].socket, filled ? 0 : 0xeeeeeeee);
            assert_int_equal(cpus[n].node, filled ? 0 : 0xeeeeeeee);
        }
    }
    op.u.cputopoinfo.num_cpus = 2;
    op.u.cputopoinfo.cputopo.p = NOT_THERE;
    assert_int_equal(sysctl(XEN_SYSCTL_cputopoinfo), -EFAULT);
    assert_int_equal(op.u.cputopoinfo.num_cpus, 2);
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
    uint8_t map = 0xff;
    uint64_t idle = 0;
    struct xenpf_getidletime *t = &platform.u.getidletime;

    t->cpumap_bitmap.p = &map;
    t->cpumap_nr_cpus = 8;
    t->idletime.p = &idle;
    t->now = 0;
    assert_int_equal(platform_op(XENPF_getidletime), 0);
    assert_int_equal(map, 1);
    assert_int_equal(idle, 123456789);
    assert_int_equal(t->now, 987654321);
    t->cpumap_nr_cpus = 0;
    t->now = map = idle = 0;
    assert_int_equal(platform_op(XENPF_getidletime), 0);
    assert_int_equal(t->now, 987654321);
    assert_int_equal(map + idle, 0);
    t->cpumap_nr_cpus = 1;
    t->cpumap_bitmap.p = NOT_THERE;
    assert_int_equal(platform_op(XENPF_getidletime), -EFAULT);
    t->cpumap_bitmap.p = &map;
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
        cmocka_unit_test_setup(the_log, set_up),
        cmocka_unit_test_setup(keys_that_are_pressed, set_up),
        cmocka_unit_test_setup(topology, set_up),
        cmocka_unit_test_setup(what_is_no_sysctl, set_up),
        cmocka_unit_test_setup(setting_the_clock, set_up),
        cmocka_unit_test_setup(idle_times, set_up),
        cmocka_unit_test_setup(each_cpu, set_up),
        cmocka_unit_test_setup(what_is_no_platform_op, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
