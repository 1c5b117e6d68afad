/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs: started one after the other, each with its own struct cpu, stacks, GDT page and
 * TSS, and then parked with interrupts off. ONE_CPU: guests run on the boot CPU only for now; what
 * is missing for more is a run queue per CPU and IPIs for TLB flushes, not the CPUs.
 */
#include "boot/boot.h"
#include "domain/domain.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/io.h"
#include "machine/vectors.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "lib/layout.h"

/* trampoline.asm is written for this page; below 1 MiB, so it is not in the heap */
#define TRAMPOLINE 0x8000ul

extern const uint64_t trampoline_range[2];          /* machine addresses: start, end */
uint64_t ap_stack;                                  /* for the CPU that is being started */
static struct cpu *starting;
void ap_main(void);

void ap_main(void)
{
    struct cpu *cpu = starting;

    cpu_init(cpu, (struct cpu_stacks *)(ap_stack - CPU_STACK_SIZE));
    idt_load();
    __atomic_add_fetch(&cpus_online, 1, __ATOMIC_RELEASE);
    machine_halt();
}

static void start(uint32_t id, uint32_t apic_id)
{
    unsigned int order = 0;
    struct cpu_stacks *stacks;
    uint32_t before = cpus_online;
    uint64_t deadline;

    while (PAGE_SIZE << order < sizeof(struct cpu_stacks))
        order++;
    starting = hv_alloc(sizeof(struct cpu));
    stacks = hv_alloc_pages(order);
    if (!starting || !stacks) return;
    starting->id = id;
    starting->apic_id = apic_id;
    ap_stack = (uint64_t)(stacks->main + CPU_STACK_SIZE);
    lapic_send_init(apic_id);
    /* Intel's 10 ms after INIT */
    for (deadline = now_ns() + 10000000; now_ns() < deadline;)
        cpu_relax();
    lapic_send_startup(apic_id, TRAMPOLINE >> 12);
    for (deadline = now_ns() + 200000000; now_ns() < deadline;) {
        if (__atomic_load_n(&cpus_online, __ATOMIC_ACQUIRE) != before) return;
        cpu_relax();
    }
    log_warn("CPU %u (APIC %u) did not start", id, apic_id);
}

void start_other_cpus(void)
{
    uint32_t id = 1;

    boot_cpu.apic_id = lapic_id();
    /* a guest that changed it would have the next CPU */
    mfn_reserve(maddr_to_mfn(MADDR(TRAMPOLINE)));
    memcpy((void *)(DIRECTMAP_VIRT + TRAMPOLINE), (void *)(DIRECTMAP_VIRT + trampoline_range[0]),
           trampoline_range[1] - trampoline_range[0]);
    for (uint32_t i = 0; i < acpi.cpu_count; i++)
        if (acpi.apic_ids[i] != boot_cpu.apic_id)
            start(id++, acpi.apic_ids[i]);
    /* the identity map has served; APs run on the final tables */
    boot_l4[0] = 0;
}
