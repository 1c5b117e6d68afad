/* SPDX-License-Identifier: MIT */
/*
 * The end of a machine of several CPUs: one has found that ring 0 cannot go on, and the others are
 * called by NMI, which comes through whatever they do. Each waits for its turn, prints its
 * registers, and halts. No locks: whoever holds them will not drop them.
 */
#include "machine/stop.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/cpu.h"
#include "machine/dump.h"
#include "machine/io.h"
#include "machine/system_time.h"

#define PATIENCE_NS 5000000000ul

static bool stopping;
static uint32_t turn, told;         /* whose turn it is to tell, and who has: number plus 1 */

bool machine_stopping(void)
{
    return __atomic_load_n(&stopping, __ATOMIC_ACQUIRE);
}

void cpu_stopped(const struct cpu_user_regs *regs)
{
    uint32_t me = this_cpu()->id + 1;

    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != me)
        cpu_relax();
    log_error("CPU %u was in %s", this_cpu()->id, regs->cs & 3 ? "a guest" : "the hypervisor");
    print_registers(regs, read_cr3());
    if (!(regs->cs & 3))
        print_stack_trace(regs->rip, regs->rbp);
    __atomic_store_n(&told, me, __ATOMIC_RELEASE);
    machine_halt();
}

static void hear(const struct cpu *cpu)
{
    __atomic_store_n(&turn, cpu->id + 1, __ATOMIC_RELEASE);
    if (!holds_within(PATIENCE_NS, __atomic_load_n(&told, __ATOMIC_ACQUIRE) == cpu->id + 1))
        log_error("CPU %u (APIC %u) does not answer", cpu->id, cpu->apic_id);
}

void cpus_stop(void)
{
    struct cpu *cpu;

    __atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
    for_each_cpu (cpu)
        if (cpu != this_cpu())
            lapic_send_nmi(cpu->apic_id);
    for_each_cpu (cpu)
        if (cpu != this_cpu())
            hear(cpu);
}
