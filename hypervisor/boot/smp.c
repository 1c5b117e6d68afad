/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs: started one after the other, each with its own struct cpu, stacks, GDT page, TSS
 * and idle vCPU. Each compares its clock with the boot CPU's, and waits for ring 0: it looks for a
 * guest when the boot CPU has entered the first.
 */
#include "boot/boot.h"
#include "domain/domain.h"
#include "domain/policy.h"
#include "domain/schedule.h"
#include "domain/timers.h"
#include "lib/params.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/io.h"
#include "machine/ring0.h"
#include "machine/vectors.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "svm/svm.h"
#include "lib/layout.h"

/* trampoline.asm is written for this page; below 1 MiB, so it is not in the heap */
#define TRAMPOLINE 0x8000ul

#define START_NS    2000000000ul    /* for a CPU to show itself; a virtual one may come late */
/* even. Where a host has fewer CPUs free than we are, each waits until the other's turn is over. */
#define TSC_ROUNDS  20u
/* TSC ticks that one CPU may seem to be behind another: what a guest whose vCPU moves would see of
 * it is less than the move takes */
#define TSC_APART   2000u

extern const uint64_t trampoline_range[2];          /* machine addresses: start, end */
uint64_t ap_stack;                                  /* for the CPU that is being started */
static struct cpu *starting;
static uint32_t tsc_round;          /* even: the boot CPU's, odd: the other's */
static uint64_t tsc_last, tsc_behind;
void ap_main(void);

/* ---- do the two TSCs agree? ---- */

static bool round_comes(uint32_t round)
{
    return holds_within(START_NS, __atomic_load_n(&tsc_round, __ATOMIC_ACQUIRE) == round);
}

/* Each writes down its TSC after it has seen the other's, which it can then not be behind. Both
 * call it; `mine` is 0 or 1. False: the other does not go on. The boot CPU sees the last round's
 * end, too: with the next CPU it begins anew. */
static bool compare_tscs(uint32_t mine)
{
    for (uint32_t round = mine; round < TSC_ROUNDS; round += 2) {
        uint64_t now;

        if (!round_comes(round)) return false;
        now = rdtsc_ordered();
        if (now < tsc_last)
            tsc_behind = MAX(tsc_behind, tsc_last - now);
        tsc_last = now;
        __atomic_store_n(&tsc_round, round + 1, __ATOMIC_RELEASE);
    }
    return mine == 1 || round_comes(TSC_ROUNDS);
}

/* ---- starting ---- */

void ap_main(void)
{
    struct cpu *cpu = starting;

    cpu_init(cpu, (struct cpu_stacks *)(ap_stack - CPU_STACK_SIZE));
    idt_load();
    lapic_init_cpu();
    if (!compare_tscs(1))
        machine_halt();
    ring0_enter();
    policy_cpu_init(cpu);
    timers_init();
    svm_cpu_init();
    schedule_start();
}

static struct cpu *make_cpu(uint32_t apic_id)
{
    struct cpu *cpu = hv_alloc(sizeof(*cpu));
    struct cpu_stacks *stacks = hv_alloc(sizeof(*stacks));

    if (!cpu || !stacks || !cpu_make_idle(cpu)) return NULL;
    cpu->id = cpus_online;
    cpu->apic_id = apic_id;
    ap_stack = (uint64_t)(stacks->main + CPU_STACK_SIZE);
    return cpu;
}

/* One that does not answer in time keeps what it was given: it may come late. */
static void start(uint32_t apic_id)
{
    starting = make_cpu(apic_id);
    if (!starting) {
        log_warn("no memory for the CPU with APIC id %u: it is left out", apic_id);
        return;
    }
    tsc_round = 0;
    lapic_send_init(apic_id);
    wait_ns(10000000);              /* Intel's 10 ms after INIT */
    lapic_send_startup(apic_id, TRAMPOLINE >> 12);
    if (!compare_tscs(0)) {         /* its first round shows that it has come */
        log_warn("the CPU with APIC id %u did not start: it is left out", apic_id);
        lapic_send_init(apic_id);
        return;
    }
    cpus[cpus_online++] = starting;
}

void start_other_cpus(void)
{
    ring0_enter();                              /* until the first guest is entered */
    /* a guest that changed it would have the next CPU */
    mfn_reserve(maddr_to_mfn(MADDR(TRAMPOLINE)));
    memcpy((void *)(DIRECTMAP_VIRT + TRAMPOLINE), (void *)(DIRECTMAP_VIRT + trampoline_range[0]),
           trampoline_range[1] - trampoline_range[0]);
    for (uint32_t i = 0; i < acpi.cpu_count; i++)
        if (acpi.apic_ids[i] != boot_cpu.apic_id && cpus_online < (params.max_cpus ?: MAX_CPUS))
            start(acpi.apic_ids[i]);
    if (tsc_behind > TSC_APART)
        log_warn("the CPUs' TSCs are %lu ticks apart: clocks may go back where a vCPU moves",
                 tsc_behind);
    else if (cpus_online > 1)
        log_debug("the CPUs' TSCs agree within %lu ticks", tsc_behind);
    /* the identity map has served; APs run on the final tables */
    boot_l4[0] = 0;
}
