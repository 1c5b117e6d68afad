/* SPDX-License-Identifier: MIT */
/* The machine that sysctl and platform_op tell of, for the tests of control/sysctl.c and
 * platform.c. */
#ifndef TESTS_UNIT_SYSCTL_HOST_H
#define TESTS_UNIT_SYSCTL_HOST_H

#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#undef fail                                     /* the hypervisor has one, too */
#include "control/cpus.h"
#include "control/debug_keys.h"
#include "control/domctl.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "machine/acpi.h"
#include "machine/console.h"
#include "machine/pci.h"
#include "memory/access.h"
#include "memory/heap.h"
#include "control/cpu_policy.h"
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
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
struct cpu boot_cpu = { .apic_id = 10 }, second = { .apic_id = 14 }, third = { .apic_id = 4 };
struct cpu *cpus[MAX_CPUS] = { &boot_cpu, &second, &third };
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

int write_guest_u32(uint64_t va, uint32_t value)
{
    return copy_to_guest(VADDR(va), &value, sizeof(value));
}

int clear_guest(vaddr_t to, size_t bytes)
{
    memset((void *)to.a, 0, bytes);
    return 0;
}

int answer_guest(uint64_t va, const void *object, size_t bytes)
{
    if (answers_fail) return -EFAULT;
    memcpy((void *)va, object, bytes);
    return 0;
}

/* The leaves that say where a CPU sits; all others' every register is another number. */
static struct sits {
    uint32_t most, thread_bits, core_bits;      /* leaf 0xb, if it is there and has these levels */
    uint32_t logical, cores, amd_cores;         /* leaves 1, 4, 0x80000008; 0: not said */
} sits;

struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    uint32_t n = leaf * 16 + subleaf * 4 + (leaf >> 16);
    struct cpuid_regs r = { n, n + 1, n + 2, n + 3 };

    if (leaf == 0)
        r.a = sits.most;
    if (leaf == 0xb && subleaf < 2)
        r = (struct cpuid_regs){ .a = 0xe0 | (subleaf ? sits.core_bits : sits.thread_bits),
                                 .b = subleaf <= !!sits.core_bits && sits.thread_bits };
    if (leaf == 1)
        r = (struct cpuid_regs){ n, sits.logical << 16 | 0xff00ffff, n + 2,
                                 sits.logical ? 1u << 28 : 0xefffffff };
    if (leaf == 4)
        r.a = sits.cores ? (sits.cores - 1) << 26 | 0x3ffffff : 0x3ffffff;
    if (leaf == 0x80000000)
        r.a = sits.amd_cores ? 0x80000008 : 0x80000007;
    if (leaf == 0x80000008)
        r.c = sits.amd_cores - 1;
    return r;
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
uint64_t heap_kept_count(void)
{
    return 0x333;
}
uint64_t now_ns(void)
{
    return 987654321;
}
struct cpu boot_cpu;
uint64_t cpu_idle_time(const struct cpu *cpu)
{
    return 100000 + cpu->apic_id;
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

/* control/cpu_policy.c has a test of its own */
int sysctl_featureset(struct domain *caller, struct xen_sysctl_cpu_featureset *p)
{
    return -ENOSYS;
}
int sysctl_policy(struct domain *caller, struct xen_sysctl_cpu_policy *p)
{
    return -ENOSYS;
}

uint32_t domain_count = 3;

/* There is one device, 2:3.1. */
uint32_t pci_config_read(uint16_t bdf, unsigned int offset, unsigned int size)
{
    assert_true(offset == 0 && size == 2);
    return bdf == (2 << 8 | 3 << 3 | 1) ? 0x1af4 : 0xffff;
}

static unsigned int switched_off;

void domain_shutdown(struct domain *d, uint8_t reason)
{
    assert_ptr_equal(d, &domain);
    switched_off += reason == SHUTDOWN_poweroff;
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
    spend(1000);
    memset(info, 0, sizeof(*info));
    info->domain = d->id;
}

/* The test makes the call again. */
static unsigned int continued;

long hypercall_continue_with(unsigned int hypercall, unsigned int count, const uint64_t *arguments)
{
    assert_true(hypercall == __HYPERVISOR_sysctl && count == 1);
    continued++;
    budget_refill();
    return do_sysctl(arguments[0]);
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
    cpu.budget = ENTRY_BUDGET;
    continued = puts = copies = answers_fail = key_count = cleared = 0;
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

#endif
