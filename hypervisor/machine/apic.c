/* SPDX-License-Identifier: MIT */
/*
 * The local APIC (Intel SDM vol. 3, chapter 11), the I/O APICs (82093AA), and an end to the 8259s.
 * Devices' interrupts all go to the boot CPU, by physical destination: who they are for is the
 * control domain, wherever it runs.
 *
 * A local APIC has two forms: its registers are in memory and ids have 8 bits (xAPIC), or the same
 * registers are MSRs and ids have 32 (x2APIC). All CPUs have the form that the boot CPU chooses:
 * the second where the firmware has chosen it, from which there is no direct way back, or where an
 * id needs it; else the first, which asks nothing of a machine's interrupt remapping.
 */
#include "machine/apic.h"
#include "lib/fail.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/cpu.h"
#include "machine/io.h"
#include "machine/vectors.h"

#define LAPIC_ID            0x020
#define LAPIC_TPR           0x080
#define LAPIC_EOI           0x0b0
#define LAPIC_SPURIOUS      0x0f0
#define LAPIC_COMMAND_LOW   0x300
#define LAPIC_COMMAND_HIGH  0x310
#define LAPIC_LVT_TIMER     0x320
#define LAPIC_LVT_LINT0     0x350
#define LAPIC_LVT_LINT1     0x360
#define LAPIC_LVT_ERROR     0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE  0x3e0
#define LVT_MASKED          (1u << 16)
#define LVT_NMI             (4u << 8)
#define COMMAND_PENDING     (1u << 12)
#define XAPIC_LAST_ID       254u            /* 255: all of them */

#define BASE_X2APIC         (1u << 10)
#define BASE_ENABLED        (1u << 11)
#define CPUID1C_X2APIC      (1u << 21)

static volatile uint8_t *lapic;
static bool x2apic;

/* Of a register that is at `reg` in memory. */
static uint32_t x2apic_msr(uint32_t reg)
{
    return 0x800 + (reg >> 4);
}
static uint32_t lapic_read(uint32_t reg)
{
    return unlikely(x2apic) ? (uint32_t)rdmsr(x2apic_msr(reg))
                            : *(volatile uint32_t *)(lapic + reg);
}
static void lapic_write(uint32_t reg, uint32_t v)
{
    if (unlikely(x2apic))
        wrmsr(x2apic_msr(reg), v);
    else
        *(volatile uint32_t *)(lapic + reg) = v;
}

static bool x2apic_is_needed(void)
{
    if (!(cpuid(1, 0).c & CPUID1C_X2APIC)) return false;
    for (uint32_t i = 0; i < acpi.cpu_count; i++)
        if (acpi.apic_ids[i] > XAPIC_LAST_ID) return true;
    return rdmsr(MSR_APIC_BASE) & BASE_X2APIC;
}

/* In memory only ids of 8 bits can be called; cut to them, another CPU would be. */
static void leave_out_unreachable(void)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < acpi.cpu_count; i++) {
        uint32_t id = acpi.apic_ids[i];
        if (id <= XAPIC_LAST_ID)
            acpi.apic_ids[left++] = id;
        else
            log_warn("the CPU with APIC id %u can only be called with x2APIC, which there is not: "
                     "it is left out", id);
    }
    acpi.cpu_count = left;
}

bool lapic_takes_devices(void)
{
    return boot_cpu.apic_id <= XAPIC_LAST_ID;
}

void lapic_init(volatile void *registers)
{
    lapic = registers;
    x2apic = x2apic_is_needed();
    if (x2apic)
        log_debug("local APICs in x2APIC mode");
    else
        leave_out_unreachable();
    lapic_init_cpu();
    boot_cpu.apic_id = lapic_id();
    if (!lapic_takes_devices())
        log_warn("the boot CPU's APIC id %u has more than the 8 bits of a device's interrupt: "
                 "devices have none; let the firmware number the CPUs from 0", boot_cpu.apic_id);
}

void lapic_init_cpu(void)
{
    /* one after the other: from off to x2APIC there is no direct way */
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BASE_ENABLED);
    if (x2apic)
        wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BASE_X2APIC);
    lapic_write(LAPIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
    lapic_write(LAPIC_TPR, 0);
    lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT1, LVT_NMI);
    lapic_write(LAPIC_LVT_ERROR, LVT_MASKED);
    lapic_write(LAPIC_TIMER_DIVIDE, 0xb);       /* by 1 */
    lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER); /* one shot */
}

uint32_t lapic_id(void)
{
    return lapic_read(LAPIC_ID) >> (x2apic ? 0 : 24);
}
void lapic_eoi(void)
{
    lapic_write(LAPIC_EOI, 0);
}
void lapic_timer_set(uint32_t ticks)
{
    lapic_write(LAPIC_TIMER_INITIAL, ticks);
}
uint32_t lapic_timer_left(void)
{
    return lapic_read(LAPIC_TIMER_CURRENT);
}

/* A CPU that a command cannot name does not get it. */
static void send_command(uint32_t apic_id, uint32_t command)
{
    if (unlikely(x2apic)) {
        /* the MSR's write waits for none before it: who is called shall see what was written */
        __asm__ volatile("mfence; lfence" : : : "memory");
        wrmsr(x2apic_msr(LAPIC_COMMAND_LOW), (uint64_t)apic_id << 32 | command);
        return;
    }
    if (apic_id > XAPIC_LAST_ID) return;
    lapic_write(LAPIC_COMMAND_HIGH, apic_id << 24);
    lapic_write(LAPIC_COMMAND_LOW, command);
    while (lapic_read(LAPIC_COMMAND_LOW) & COMMAND_PENDING)
        cpu_relax();
}

void lapic_send_init(uint32_t apic_id)
{
    send_command(apic_id, 0x4500);
}
void lapic_send_startup(uint32_t apic_id, uint8_t page)
{
    send_command(apic_id, 0x4600u | page);
}
void lapic_send(uint32_t apic_id, uint8_t vector)
{
    send_command(apic_id, 0x4000u | vector);
}
void lapic_send_nmi(uint32_t apic_id)
{
    send_command(apic_id, 0x4400u);
}

/* ---- I/O APICs: an index register and a data register, 24 inputs each ---- */

#define REDIRECTION(n)      (0x10 + (n) * 2)
#define REDIRECTION_MASKED  (1u << 16)
#define REDIRECTION_LEVEL   (1u << 15)
#define REDIRECTION_LOW     (1u << 13)

static struct { volatile uint32_t *registers; uint32_t base, count; } ioapics[MAX_IOAPICS];
static unsigned int ioapic_count;

uint32_t ioapic_read(unsigned int i, uint32_t reg)
{
    ioapics[i].registers[0] = reg;
    return ioapics[i].registers[4];
}

static void io_write(unsigned int i, uint32_t reg, uint32_t v)
{
    ioapics[i].registers[0] = reg;
    ioapics[i].registers[4] = v;
}

void pics_silence(void)
{
    /* vectors 0x20 to 0x2f, then all masked */
    outb(0x20, 0x11); outb(0xa0, 0x11);
    outb(0x21, 0x20); outb(0xa1, 0x28);
    outb(0x21, 0x04); outb(0xa1, 0x02);
    outb(0x21, 0x01); outb(0xa1, 0x01);
    outb(0x21, 0xff); outb(0xa1, 0xff);
}

void ioapic_add(volatile void *registers, uint32_t gsi_base)
{
    unsigned int i = ioapic_count++;

    ioapics[i].registers = registers;
    ioapics[i].base = gsi_base;
    ioapics[i].count = (ioapic_read(i, 1) >> 16 & 0xff) + 1;
    for (uint32_t n = 0; n < ioapics[i].count; n++)
        io_write(i, REDIRECTION(n), REDIRECTION_MASKED);
}

uint32_t ioapic_gsi_count(void)
{
    uint32_t count = 0;

    for (unsigned int i = 0; i < ioapic_count; i++)
        count = MAX(count, ioapics[i].base + ioapics[i].count);
    return count;
}

/* Which I/O APIC has this GSI: its index, or -1. */
static int find(uint32_t gsi)
{
    for (unsigned int i = 0; i < ioapic_count; i++)
        if (gsi - ioapics[i].base < ioapics[i].count) return (int)i;
    return -1;
}

int ioapic_route(uint32_t gsi, int vector, bool level, bool active_low)
{
    int i = find(gsi);
    uint32_t n;

    if (!lapic_takes_devices())
        return fail(-ENODEV, "the boot CPU's APIC id has more than 8 bits: no device can call it");
    if (i < 0) return fail(-EINVAL, "no I/O APIC has this interrupt");
    n = gsi - ioapics[i].base;
    io_write((unsigned int)i, REDIRECTION(n) + 1, boot_cpu.apic_id << 24);
    io_write((unsigned int)i, REDIRECTION(n),
             (uint32_t)vector | REDIRECTION_MASKED | (level ? REDIRECTION_LEVEL : 0) |
                 (active_low ? REDIRECTION_LOW : 0));
    return 0;
}

void ioapic_mask(uint32_t gsi, bool masked)
{
    int i = find(gsi);
    uint32_t reg, v;

    if (i < 0) return;
    reg = REDIRECTION(gsi - ioapics[i].base);
    v = ioapic_read((unsigned int)i, reg);
    io_write((unsigned int)i, reg, masked ? v | REDIRECTION_MASKED : v & ~REDIRECTION_MASKED);
}
