/* SPDX-License-Identifier: MIT */
/*
 * The CPUs that the firmware's table tells of, and their local APICs in both forms: what is written
 * where, on a machine whose memory page and MSRs are notes. QEMU without hardware assistance has
 * no x2APIC to try it on.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "lib/params.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/console.h"
#include "machine/system_time.h"
#include "machine/vectors.h"
#include "fail_host.h"

#define XAPIC  0xfee00900ul                     /* the boot CPU's, enabled */
#define X2APIC (XAPIC | 1ul << 10)
#define NEVER  0xdeadbeef                       /* nobody wrote there */

struct params params;
struct cpu boot_cpu;

uint64_t now_ns(void)
{
    return 0;
}
void nmi_tell(void)
{
}
void console_end(void)
{
}
static unsigned int warnings;
void printk_at(int level, const char *format, ...)
{
    warnings += level == LOG_WARN;
}

/* --- the machine --- */

static uint32_t page[1024];                     /* the registers in memory */
static uint64_t base, msr[0x100];               /* those from 0x800 on */
static bool has_x2apic;
static uint32_t commands;                       /* how many, by MSR */

struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_regs){ .c = leaf == 1 && has_x2apic ? 1u << 21 : 0 };
}

static uint64_t *x2apic_register(uint32_t number)
{
    assert_true((base & 0xc00) == 0xc00);       /* else it is a #GP */
    assert_true(number >= 0x800 && number < 0x900);
    return &msr[number - 0x800];
}

uint64_t host_rdmsr(uint32_t number)
{
    return number == 0x1b ? base : *x2apic_register(number);
}

void host_wrmsr(uint32_t number, uint64_t value)
{
    if (number == 0x1b) {
        uint64_t mode = value >> 10 & 3, was = base >> 10 & 3;

        /* off, invalid, xAPIC, x2APIC: SDM vol. 3, "x2APIC State Transitions" */
        assert_true(mode != 1 && !(was == 0 && mode == 3) && !(was == 3 && mode == 2));
        base = value;
        return;
    }
    commands += number == 0x830;
    assert_true(number == 0x830 || value <= UINT32_MAX);
    assert_true(number != 0x831);               /* there is none */
    *x2apic_register(number) = value;
}

uint32_t host_in(uint16_t port, unsigned int size)
{
    return 0;
}
void host_out(uint16_t port, unsigned int size, uint32_t value)
{
}

/* --- the firmware's tables, in RAM at these addresses --- */

#define RSDT 0x100
#define MADT 0x200

char host_ram[0x1000];                          /* tests/unit/layout_host.h: all there is */
static uint8_t *end_of_table;

static void put(void *at, size_t bytes, uint64_t value)
{
    memcpy(at, &value, bytes);
}

static void begin_table(void)
{
    memset(host_ram, 0, sizeof(host_ram));
    memset(&acpi, 0, sizeof(acpi));
    end_of_table = (uint8_t *)host_ram + MADT + 44;
    memcpy(host_ram + MADT, "APIC", 4);
    put(host_ram + MADT + 36, 4, 0xfee00000);
    put(host_ram + RSDT + 4, 4, 36 + 4);
    put(host_ram + RSDT + 36, 4, MADT);
}

static uint8_t *add(uint8_t type, uint8_t length)
{
    uint8_t *e = end_of_table;

    e[0] = type;
    e[1] = length;
    end_of_table += length;
    return e;
}
static void add_xapic(uint8_t id, uint32_t flags)
{
    uint8_t *e = add(0, 8);

    e[3] = id;
    put(e + 4, 4, flags);
}
static void add_x2apic(uint32_t id, uint32_t flags)
{
    uint8_t *e = add(9, 16);

    put(e + 4, 4, id);
    put(e + 8, 4, flags);
    put(e + 12, 4, 0xffffffff);
}

static void read_table(void)
{
    uint8_t rsdp[20] = { 0 };

    put(rsdp + 16, 4, RSDT);
    put(host_ram + MADT + 4, 4, (uint64_t)(end_of_table - (uint8_t *)host_ram - MADT));
    acpi_init(rsdp);
}

static void cpus_are(unsigned int count, const uint32_t *ids)
{
    assert_int_equal(acpi.cpu_count, count);
    assert_memory_equal(acpi.apic_ids, ids, count * sizeof(*ids));
}

static void test_both_kinds_of_cpus(void **state)
{
    begin_table();
    add_xapic(0, 1);
    add_xapic(4, 0);                            /* could be plugged in */
    add(1, 12);                                 /* I/O APIC */
    add_xapic(254, 1);
    add_x2apic(0x12345, 1);
    add_x2apic(0x20000, 2);
    add_x2apic(0xfffffff0, 3);
    read_table();
    cpus_are(4, (const uint32_t[]){ 0, 254, 0x12345, 0xfffffff0 });
    assert_int_equal(acpi.ioapic_count, 1);
}

static void test_a_cpu_told_of_twice_is_one(void **state)
{
    begin_table();
    for (uint8_t id = 0; id < 4; id++)
        add_xapic(id * 2, 1);
    for (uint32_t id = 0; id < 5; id++)
        add_x2apic(id * 2, 1);
    read_table();
    cpus_are(5, (const uint32_t[]){ 0, 2, 4, 6, 8 });
}

/* INIT to such an id would reset the CPU that sends it, too. */
static void test_an_id_that_means_all(void **state)
{
    warnings = 0;
    begin_table();
    add_xapic(0, 1);
    add_xapic(255, 1);
    add_x2apic(0xffffffff, 1);
    add_x2apic(255, 1);                         /* one like others, in this form */
    add_x2apic(0xffffffff, 2);
    read_table();
    cpus_are(2, (const uint32_t[]){ 0, 255 });
    assert_int_equal(warnings, 2);
}

static void test_more_cpus_than_we_can_have(void **state)
{
    begin_table();
    for (uint32_t id = 0; id < MAX_CPUS + 2; id++)
        add_x2apic(id << 4, 1);
    read_table();
    assert_int_equal(acpi.cpu_count, MAX_CPUS);
    assert_int_equal(acpi.apic_ids[MAX_CPUS - 1], (MAX_CPUS - 1) << 4);
}

/* --- the registers --- */

static void start(bool can, uint64_t firmware, uint32_t last_id)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(page); i++)
        page[i] = NEVER;
    for (unsigned int i = 0; i < ARRAY_SIZE(msr); i++)
        msr[i] = NEVER;
    has_x2apic = can;
    base = firmware;
    commands = 0;
    acpi.cpu_count = 2;
    acpi.apic_ids[1] = last_id;
    lapic_init(page);
}

static uint32_t in_memory(uint32_t reg)
{
    return page[reg / 4];
}

static void test_which_form(void **state)
{
    static const struct { bool can; uint64_t firmware; uint32_t id; bool x2apic; } rows[] = {
        { false, XAPIC, 1, false }, { true, XAPIC, 1, false }, { true, XAPIC, 254, false },
        { true, XAPIC, 255, true }, { true, XAPIC, 0x10000, true }, { true, X2APIC, 1, true },
        { true, X2APIC, 300, true }, { false, XAPIC, 300, false },
        { true, XAPIC & ~0x800ul, 1, false }, { true, XAPIC & ~0x800ul, 300, true },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        start(rows[i].can, rows[i].firmware, rows[i].id);
        assert_true(base == (rows[i].x2apic ? X2APIC : XAPIC));
        assert_true(in_memory(0xf0) == (rows[i].x2apic ? NEVER : 0x100u | VECTOR_SPURIOUS));
        assert_true(msr[0xf] == (rows[i].x2apic ? 0x100u | VECTOR_SPURIOUS : NEVER));
    }
}

/* The same for all CPUs, each of which comes as INIT or the firmware left it. */
static void test_another_cpu_takes_the_boot_cpus_form(void **state)
{
    start(true, XAPIC, 300);
    for (unsigned int i = 0; i < 2; i++) {
        base = (i ? XAPIC : X2APIC) & ~0x100ul;
        msr[0xf] = NEVER;
        lapic_init_cpu();
        assert_true(base == (X2APIC & ~0x100ul) && msr[0xf] == (0x100 | VECTOR_SPURIOUS));
    }
}

static void test_registers_in_memory(void **state)
{
    start(true, XAPIC, 9);
    page[0x20 / 4] = 7u << 24;
    assert_int_equal(lapic_id(), 7);
    lapic_eoi();
    lapic_timer_set(1234);
    page[0x390 / 4] = 99;
    assert_true(in_memory(0xb0) == 0 && in_memory(0x380) == 1234 && lapic_timer_left() == 99);
    assert_true(in_memory(0x320) == VECTOR_TIMER && in_memory(0x3e0) == 0xb);
    assert_true(in_memory(0x350) == 1u << 16 && in_memory(0x360) == 4u << 8);
    lapic_send(9, 0x41);
    assert_true(in_memory(0x310) == 9u << 24 && in_memory(0x300) == 0x4041);
    lapic_send_startup(254, 8);
    assert_true(in_memory(0x310) == 254u << 24 && in_memory(0x300) == 0x4608);
    for (unsigned int i = 0; i < ARRAY_SIZE(msr); i++)
        assert_int_equal(msr[i], NEVER);
}

/* Cut to 8 bits its id would be another's: nobody is told anything. */
static void test_who_cannot_be_named_in_memory(void **state)
{
    static const uint32_t ids[] = { 255, 256, 0x109 };

    for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++) {
        start(false, XAPIC, ids[i]);
        assert_int_equal(acpi.cpu_count, 1);
        lapic_send_init(ids[i]);
        assert_true(in_memory(0x300) == NEVER && in_memory(0x310) == NEVER);
    }
}

/* Nor may a device's interrupt, whose destination has 8 bits, go to another than was meant. */
static void test_devices_reach_the_boot_cpu_or_are_refused(void **state)
{
    static uint32_t ioapic[8] = { [4] = 23 << 16 };
    static const struct { uint32_t id; int answer; } rows[] = {
        { 0, 0 }, { 254, 0 }, { 255, -ENODEV }, { 256, -ENODEV }, { 0x109, -ENODEV },
    };

    ioapic_add(ioapic, 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        warnings = 0;
        base = X2APIC;
        msr[2] = rows[i].id;
        lapic_init(page);
        assert_int_equal(boot_cpu.apic_id, rows[i].id);
        assert_int_equal(warnings, rows[i].answer != 0);
        assert_int_equal(lapic_takes_devices(), rows[i].answer == 0);
        assert_int_equal(ioapic_route(4, 0x40, false, false), rows[i].answer);
    }
}

static void test_registers_as_msrs(void **state)
{
    static const struct { void (*send)(uint32_t apic_id); uint32_t command; } kinds[] = {
        { lapic_send_init, 0x4500 }, { lapic_send_nmi, 0x4400 },
    };

    start(true, X2APIC, 1);
    msr[2] = 0x12345;
    assert_int_equal(lapic_id(), 0x12345);
    lapic_eoi();
    lapic_timer_set(1234);
    msr[0x39] = 99;
    assert_true(msr[0xb] == 0 && msr[0x38] == 1234 && lapic_timer_left() == 99);
    assert_true(msr[0x32] == VECTOR_TIMER && msr[0x3e] == 0xb && msr[8] == 0);
    assert_true(msr[0x35] == 1u << 16 && msr[0x36] == 4u << 8 && msr[0x37] == 1u << 16);
    lapic_send(0x12345, 0x41);
    assert_true(commands == 1 && msr[0x30] == 0x0001234500004041);
    lapic_send_startup(0xfffffff0, 8);
    assert_true(commands == 2 && msr[0x30] == 0xfffffff000004608);
    for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
        kinds[i].send(300 + i);
        assert_true(commands == 3 + i && msr[0x30] == ((300ul + i) << 32 | kinds[i].command));
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(page); i++)
        assert_int_equal(page[i], NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_kinds_of_cpus),
        cmocka_unit_test(test_a_cpu_told_of_twice_is_one),
        cmocka_unit_test(test_an_id_that_means_all),
        cmocka_unit_test(test_more_cpus_than_we_can_have),
        cmocka_unit_test(test_which_form),
        cmocka_unit_test(test_another_cpu_takes_the_boot_cpus_form),
        cmocka_unit_test(test_registers_in_memory),
        cmocka_unit_test(test_who_cannot_be_named_in_memory),
        cmocka_unit_test(test_registers_as_msrs),
        cmocka_unit_test(test_devices_reach_the_boot_cpu_or_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
