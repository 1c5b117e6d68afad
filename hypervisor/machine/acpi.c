/* SPDX-License-Identifier: MIT */
/*
 * ACPI as far as ring 0 needs it (ACPI specification 6.4, chapter 5): which CPUs and interrupt
 * controllers there are, where the power-management timer ticks, how to switch off. Read once, at
 * boot, while the first 4 GiB are mapped whole; nothing of the tables is kept. Everything read is
 * bounded by the tables' own lengths, which firmware is trusted to have right.
 */
#include "machine/acpi.h"
#include "lib/layout.h"
#include "lib/params.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "machine/console.h"
#include "machine/io.h"
#include "machine/system_time.h"

struct acpi_facts acpi = { .lapic_address = 0xfee00000, .sleep_type_a = -1, .sleep_type_b = -1 };

struct header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[18];
    uint32_t creator[2];
} __attribute__((packed));

/* Tables are not aligned, so numbers are copied out. */
static uint64_t get(const void *table, size_t offset, size_t bytes)
{
    uint64_t v = 0;
    memcpy(&v, (const uint8_t *)table + offset, bytes);
    return v;
}

static const void *at(uint64_t address)
{
    return (const void *)(DIRECTMAP_VIRT + address);
}

static void read_isa_override(const uint8_t *e)
{
    uint8_t irq = e[3];
    uint16_t flags = (uint16_t)get(e, 8, 2);

    if (irq >= ISA_IRQS) return;
    acpi.isa[irq].gsi = (uint32_t)get(e, 4, 4);
    acpi.isa[irq].active_low = (flags & 3) == 3;
    acpi.isa[irq].level = (flags >> 2 & 3) == 3;
}

/* Firmware may tell of one CPU in both forms. With the id by which a local APIC means all of them
 * nobody can be called: the others would be reset with it. */
static void add_cpu(uint32_t apic_id, uint64_t flags, uint32_t all)
{
    if (!(flags & 1) || acpi.cpu_count == MAX_CPUS) return;     /* it is not there */
    if (apic_id == all) {
        log_warn("the firmware tells of a CPU with APIC id %#x, which means all of them: it is "
                 "left out", apic_id);
        return;
    }
    for (uint32_t i = 0; i < acpi.cpu_count; i++)
        if (acpi.apic_ids[i] == apic_id) return;
    acpi.apic_ids[acpi.cpu_count++] = apic_id;
}

static void read_madt(const struct header *t)
{
    const uint8_t *e = (const uint8_t *)t + 44, *end = (const uint8_t *)t + t->length;

    acpi.lapic_address = get(t, 36, 4);
    for (; e + 2 <= end && e[1] >= 2; e += e[1]) {
        switch (e[0]) {
        case 0: add_cpu(e[3], get(e, 4, 4), 0xff); break;   /* local APIC */
        case 1:
            if (acpi.ioapic_count == MAX_IOAPICS)
                break;
            acpi.ioapics[acpi.ioapic_count].address = (uint32_t)get(e, 4, 4);
            acpi.ioapics[acpi.ioapic_count++].gsi_base = (uint32_t)get(e, 8, 4);
            break;
        case 2: read_isa_override(e); break;
        case 5: acpi.lapic_address = get(e, 4, 8); break;
        case 9:                                     /* local x2APIC */
            add_cpu((uint32_t)get(e, 4, 4), get(e, 8, 4), UINT32_MAX);
            break;
        default: break;
        }
    }
}

/* An AML integer: ZeroOp, OneOp or a byte. */
static int aml_byte(const uint8_t **p)
{
    uint8_t op = *(*p)++;
    return op == 0x0a ? *(*p)++ : op <= 1 ? op : -1;
}

/* \_S5 is `Name (_S5, Package () { a, b, ... })`; we look for the bytes instead of interpreting
 * AML. */
static void read_dsdt(const struct header *t)
{
    const uint8_t *p = (const uint8_t *)t + sizeof(*t), *end = (const uint8_t *)t + t->length - 12;

    for (; p < end; p++) {
        if (memcmp(p, "_S5_", 4) != 0 || p[4] != 0x12)
            continue;
        /* PackageOp; then PkgLength of 1 to 4 bytes, and a count */
        p += 5;
        p += (*p >> 6) + 2;
        acpi.sleep_type_a = aml_byte(&p);
        acpi.sleep_type_b = aml_byte(&p);
        return;
    }
    log_warn("no \\_S5 in the DSDT: power-off will only halt");
}

static void read_fadt(const struct header *t)
{
    uint64_t dsdt = get(t, 40, 4);

    if (t->length >= 148 && get(t, 140, 8))
        dsdt = get(t, 140, 8);
    acpi.pm1a_control = (uint16_t)get(t, 64, 4);
    acpi.pm1b_control = (uint16_t)get(t, 68, 4);
    acpi.pm_timer_port = (uint16_t)get(t, 76, 4);
    acpi.rtc_century = (uint8_t)get(t, 108, 1);
    if (t->length >= 129 && get(t, 112, 4) & 1u << 10) {
        acpi.reset.space = (uint8_t)get(t, 116, 1);
        acpi.reset.address = get(t, 120, 8);
        acpi.reset.value = (uint8_t)get(t, 128, 1);
        acpi.reset.valid = true;
    }
    if (dsdt && dsdt < 4ul << 30)
        read_dsdt(at(dsdt));
}

static void read_table(uint64_t address)
{
    const struct header *t = at(address);

    if (address == 0 || address >= 4ul << 30) return;
    if (!memcmp(t->signature, "APIC", 4))
        read_madt(t);
    else if (!memcmp(t->signature, "FACP", 4))
        read_fadt(t);
}

/* Without the boot loader's copy: the RSDP is on a 16-byte boundary in the BIOS area. */
static const void *find_rsdp(void)
{
    for (uint64_t a = 0xe0000; a < 0x100000; a += 16)
        if (!memcmp(at(a), "RSD PTR ", 8)) return at(a);
    return NULL;
}

void acpi_init(const void *rsdp)
{
    bool wide;
    uint64_t address;
    const struct header *root;

    for (unsigned int i = 0; i < ISA_IRQS; i++)
        acpi.isa[i].gsi = i;
    if (!rsdp)
        rsdp = find_rsdp();
    if (!rsdp || params.no_acpi) {
        log_warn("no ACPI tables%s: one CPU, no interrupt lines, no power-off",
                 params.no_acpi ? " (acpi=off)" : "");
        return;
    }
    wide = get(rsdp, 15, 1) >= 2 && get(rsdp, 24, 8) != 0;
    address = get(rsdp, wide ? 24 : 16, wide ? 8 : 4);
    root = at(address);
    if (address == 0 || address >= 4ul << 30) {
        log_warn("the ACPI tables are not below 4 GiB (%lx): as with acpi=off", address);
        return;
    }
    for (size_t o = sizeof(*root); o < root->length; o += wide ? 8 : 4)
        read_table(get(root, o, wide ? 8 : 4));
}

void machine_halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

void machine_poweroff(void)
{
    nmi_tell();                     /* the last occasion */
    console_end();
    if (acpi.pm1a_control && acpi.sleep_type_a >= 0) {
        /* SLP_TYP, SLP_EN */
        port_write(acpi.pm1a_control, 2, acpi.sleep_type_a << 10 | 1 << 13);
        if (acpi.pm1b_control)
            port_write(acpi.pm1b_control, 2, acpi.sleep_type_b << 10 | 1 << 13);
    }
    wait_ns(1000000000);            /* the chipset takes its time */
    printk("it is now safe to switch off this machine");
    machine_halt();
}

#define RESET_NS 100000000ul        /* for one way to it, before the next is tried */

void machine_reset(void)
{
    struct table_pointer none = { 0, 0 };

    console_end();
    if (acpi.reset.valid && acpi.reset.space == 1)
        outb((uint16_t)acpi.reset.address, acpi.reset.value);
    wait_ns(RESET_NS);
    outb(0xcf9, 0x02);
    outb(0xcf9, 0x06);                                  /* the chipset's reset register */
    wait_ns(RESET_NS);
    __asm__ volatile("lidt %0; int3" : : "m"(none));    /* last resort: a triple fault */
    machine_halt();
}
