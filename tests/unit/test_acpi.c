/* SPDX-License-Identifier: MIT */
/*
 * ACPI's tables in a machine's memory, by the specification (6.4, chapter 5): what is taken out of
 * them and what is not, wherever an entry ends; and what switches the machine off and on again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "machine/acpi.h"
#include "machine/console.h"
#include "machine/system_time.h"
#include "lib/params.h"
#include "lib/printk.h"
#include "ports_host.h"
#include "steps_host.h"

#define RAM_BYTES (2ul << 20)
#define MADT      0x10000ul
#define FADT      0x11000ul
#define DSDT      0x12000ul
#define ROOT      0x13000ul
#define WIDE_ROOT 0x14000ul
#define FAR       (4ul << 30)           /* not mapped at boot */

char host_ram[RAM_BYTES];
struct params params;
static struct acpi_facts untouched;
static uint8_t rsdp[64];
static uint64_t now;
static unsigned int warnings;
static sigjmp_buf halted;

/* --- the machine --- */

void printk_at(int level, const char *format, ...)
{
    warnings += level == LOG_WARN;
}
void nmi_tell(void)
{
    step("nmis. ");
}
void console_end(void)
{
    step("console. ");
}
uint64_t now_ns(void)
{
    return now += 10000000;
}
static uint32_t read_port(uint16_t port, unsigned int bytes)
{
    return 0;
}
static void write_port(uint16_t port, unsigned int bytes, uint32_t value)
{
    step("%x.%u=%x at %lu. ", port, bytes, value, now / 10000000);
}

/* CLI ends it; so does an empty IDT. */
static void fault(int number, siginfo_t *info, void *context)
{
    const uint8_t *at = (const uint8_t *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

    if (at[0] == 0xfa)
        siglongjmp(halted, 1);
    if ((at[0] & 0xf0) == 0x40)
        at++;                                   /* REX */
    if (at[0] == 0x0f && at[1] == 0x01 && (at[2] >> 3 & 7) == 3)
        siglongjmp(halted, 2);
    port_fault(number, info, context);
}

/* How it ended: 1: halted, 2: by a triple fault. */
static int ended(void (*by)(void))
{
    struct sigaction action = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO };
    int how;

    sigaction(SIGSEGV, &action, NULL);
    now = 0;
    how = sigsetjmp(halted, 1);
    if (!how)
        by();
    return how;
}

/* --- tables --- */

static void put(void *table, size_t offset, size_t bytes, uint64_t value)
{
    memcpy((uint8_t *)table + offset, &value, bytes);
}

/* What a test does not set means nothing and is not looked at. */
#define NOISE 0xee

static uint8_t *table(uint64_t at, const char *signature, uint32_t length)
{
    uint8_t *t = (uint8_t *)host_ram + at;

    memset(t, NOISE, length);
    memcpy(t, signature, 4);
    put(t, 4, 4, length);
    return t;
}

static void point(uint8_t revision, uint64_t narrow, uint64_t wide)
{
    memset(rsdp, NOISE, sizeof(rsdp));
    memcpy(rsdp, "RSD PTR ", 8);
    put(rsdp, 15, 1, revision);
    put(rsdp, 16, 4, narrow);
    put(rsdp, 24, 8, wide);
}

/* A root that has one table. */
static void root_of(uint64_t only)
{
    uint8_t *root = table(ROOT, "RSDT", 48);

    put(root, 4, 4, 40);
    put(root, 36, 4, only);
    point(0, ROOT, 0);
}

static int set_up(void **state)
{
    memset(host_ram, 0, sizeof(host_ram));
    acpi = untouched;
    params = (struct params){ .no_acpi = false };
    warnings = 0;
    *steps = '\0';
    put(table(MADT, "APIC", 48), 36, 4, 0x1000);
    put(host_ram, MADT + 4, 4, 44);
    return 0;
}

static uint64_t lapic_after(const void *from)
{
    acpi = untouched;
    acpi_init(from);
    return acpi.lapic_address;
}

/* --- where they are --- */

static void without_any(void **state)
{
    struct acpi_facts want = untouched;

    for (unsigned int i = 0; i < ISA_IRQS; i++)
        want.isa[i].gsi = i;
    acpi_init(NULL);
    assert_memory_equal(&acpi, &want, sizeof(acpi));
    assert_true(warnings == 1 && acpi.lapic_address == 0xfee00000);
    assert_true(acpi.sleep_type_a == -1 && acpi.sleep_type_b == -1);
    root_of(MADT);
    params.no_acpi = true;
    acpi_init(rsdp);
    assert_memory_equal(&acpi, &want, sizeof(acpi));
    assert_int_equal(warnings, 2);
}

static void the_pointer_is_looked_for(void **state)
{
    static const struct { uint64_t at; bool found; } rows[] = {
        { 0xe0000, true }, { 0xe0010, true }, { 0xffff0, true },
        { 0xdfff0, false }, { 0x100000, false }, { 0xe0008, false }, { 0xf0001, false },
    };

    root_of(MADT);
    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(host_ram + 0xd0000, 0, 0x40000);
        memcpy(host_ram + rows[i].at, rsdp, 36);
        assert_int_equal(lapic_after(NULL), rows[i].found ? 0x1000 : 0xfee00000);
        host_ram[rows[i].at + 7] = '!';
        assert_int_equal(lapic_after(NULL), 0xfee00000);
    }
}

/* What is not mapped, or nowhere: as if there were none, and it is said. */
static void a_root_out_of_reach(void **state)
{
    point(2, ROOT, FAR);
    assert_int_equal(lapic_after(rsdp), untouched.lapic_address);
    assert_int_equal(warnings, 1);
    point(0, 0, 0);
    assert_int_equal(lapic_after(rsdp), untouched.lapic_address);
    assert_int_equal(warnings, 2);
}

/* The wide root, if there is one, of a revision that knows it. */
static void two_roots(void **state)
{
    uint8_t *narrow = table(ROOT, "RSDT", 36 + 3 * 4), *wide = table(WIDE_ROOT, "XSDT", 36 + 3 * 8);

    put(table(MADT + 0x800, "APIC", 44), 36, 4, 0x2000);
    put(narrow, 36, 8, 0);
    put(narrow, 36 + 2 * 4, 4, MADT);
    put(wide, 36, 8, FAR);
    put(wide, 36 + 8, 8, FAR + MADT);
    put(wide, 36 + 2 * 8, 8, MADT + 0x800);
    point(0, ROOT, WIDE_ROOT);
    assert_int_equal(lapic_after(rsdp), 0x1000);
    point(1, ROOT, WIDE_ROOT);
    assert_int_equal(lapic_after(rsdp), 0x1000);
    point(2, ROOT, 0);
    assert_int_equal(lapic_after(rsdp), 0x1000);
    point(2, ROOT, WIDE_ROOT);
    assert_int_equal(lapic_after(rsdp), 0x2000);
    point(3, 0, WIDE_ROOT);
    assert_int_equal(lapic_after(rsdp), 0x2000);
    put(wide, 4, 4, 36 + 2 * 8);                /* its last entry is none of it any more */
    assert_int_equal(lapic_after(rsdp), 0xfee00000);
    put(narrow, 4, 4, 36 + 2 * 4);
    point(0, ROOT, 0);
    assert_int_equal(lapic_after(rsdp), 0xfee00000);
    root_of(MADT);
    memcpy(host_ram + MADT, "APIX", 4);
    assert_int_equal(lapic_after(rsdp), 0xfee00000);
    assert_int_equal(warnings, 0);
    /* at 0 there is none, whatever is there */
    put(table(0, "APIC", 44), 36, 4, 0x3000);
    root_of(0);
    assert_int_equal(lapic_after(rsdp), 0xfee00000);
}

/* --- the MADT --- */

static uint8_t *entry(uint8_t **end, uint8_t type, uint8_t bytes)
{
    uint8_t *e = *end;

    *end += bytes;
    put(host_ram, MADT + 4, 4, (uint64_t)((char *)*end - host_ram) - MADT);
    memset(e, NOISE, bytes);
    e[0] = type;
    e[1] = bytes;
    return e;
}

static void processors(void **state)
{
    uint8_t *end = (uint8_t *)host_ram + MADT + 44;
    static const uint8_t flags[] = { 1, 0, 2, 3, 0xfe, 0xff };

    root_of(MADT);
    for (unsigned int i = 0; i < sizeof(flags); i++) {
        uint8_t *e = entry(&end, 0, 8);
        e[2] = 0x77;                            /* ACPI's own number for it */
        e[3] = (uint8_t)(10 + i);
        e[4] = flags[i];
    }
    acpi_init(rsdp);
    assert_true(acpi.cpu_count == 3 && acpi.apic_ids[0] == 10 && acpi.apic_ids[1] == 13);
    assert_int_equal(acpi.apic_ids[2], 15);
    for (uint8_t id = 100; id < 250; id++) {
        uint8_t *e = entry(&end, 0, 8);
        e[3] = id;
        e[4] = 1;
    }
    lapic_after(rsdp);
    assert_true(acpi.cpu_count == MAX_CPUS && acpi.apic_ids[MAX_CPUS - 1] == 100 + MAX_CPUS - 4);
    assert_int_equal(acpi.ioapic_count, 0);
}

static void controllers_and_lines(void **state)
{
    static const struct { uint8_t irq; uint32_t gsi; uint16_t flags; bool level, low; } rows[] = {
        { 0, 2, 0, false, false },  { 9, 9, 0xd, true, false },   { 10, 10, 0xf, true, true },
        { 11, 11, 5, false, false }, { 12, 12, 7, false, true },  { 5, 0x10203, 0xa, false, false },
        { 15, 77, 0xf, true, true }, { 3, 3, 0x1c, true, false }, { 4, 4, 0xfff3, false, true },
    };
    uint8_t *end = (uint8_t *)host_ram + MADT + 44, *e;

    root_of(MADT);
    for (unsigned int i = 0; i < MAX_IOAPICS + 2; i++) {
        e = entry(&end, 1, 12);
        e[2] = 0x55;
        put(e, 4, 4, 0xfec00000 + 0x1000 * i);
        put(e, 8, 4, 24 * i);
    }
    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        e = entry(&end, 2, 10);
        e[3] = rows[i].irq;
        put(e, 4, 4, rows[i].gsi);
        put(e, 8, 2, rows[i].flags);
    }
    e = entry(&end, 2, 10);
    e[3] = ISA_IRQS;                            /* no such line */
    put(e, 4, 4, 5000);
    entry(&end, 4, 6)[3] = 1;                   /* others, of any length */
    entry(&end, 200, 3);
    put(entry(&end, 5, 12), 4, 8, 0x1fee00000);
    acpi_init(rsdp);
    assert_int_equal(acpi.ioapic_count, MAX_IOAPICS);
    for (unsigned int i = 0; i < MAX_IOAPICS; i++) {
        assert_int_equal(acpi.ioapics[i].address, 0xfec00000 + 0x1000 * i);
        assert_int_equal(acpi.ioapics[i].gsi_base, 24 * i);
    }
    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(acpi.isa[rows[i].irq].gsi, rows[i].gsi);
        assert_int_equal(acpi.isa[rows[i].irq].level, rows[i].level);
        assert_int_equal(acpi.isa[rows[i].irq].active_low, rows[i].low);
    }
    assert_true(acpi.isa[1].gsi == 1 && !acpi.isa[1].level && !acpi.isa[1].active_low);
    assert_true(acpi.lapic_address == 0x1fee00000 && acpi.cpu_count == 0 && acpi.pm1a_control == 0);
}

/* An entry shorter than its own header is the end; so is less than a header. */
static void where_entries_end(void **state)
{
    uint8_t *end = (uint8_t *)host_ram + MADT + 44;

    root_of(MADT);
    for (uint8_t bytes = 0; bytes < 3; bytes++) {
        end = (uint8_t *)host_ram + MADT + 44;
        entry(&end, 200, 8)[1] = bytes;
        put(entry(&end, 5, 12), 4, 8, 0x5000);
        if (bytes == 2)                         /* the next begins there */
            put(host_ram, MADT + 46, 2, 0x06c8);
        assert_int_equal(lapic_after(rsdp), bytes == 2 ? 0x5000 : 0x1000);
    }
    end = (uint8_t *)host_ram + MADT + 44;
    entry(&end, 200, 8);
    put(entry(&end, 5, 12), 4, 8, 0x5000);
    for (uint32_t length = 44 + 7; length < 44 + 11; length++) {
        put(host_ram, MADT + 4, 4, length);
        assert_int_equal(lapic_after(rsdp), length < 44 + 10 ? 0x1000 : 0x5000);
    }
}

/* --- FADT and DSDT --- */

static void ports_and_registers(void **state)
{
    for (uint32_t length = 127; length <= 148; length++) {
        for (unsigned int flag = 9; flag < 12; flag++) {
            uint8_t *t = table(FADT, "FACP", 160);
            bool reset = length >= 129 && flag == 10;

            put(t, 4, 4, length);
            put(t, 40, 4, 0);
            put(t, 140, 8, 0);
            put(t, 64, 4, 0x604);
            put(t, 68, 4, 0x704);
            put(t, 76, 4, 0x608);
            put(t, 108, 1, 0x32);
            put(t, 112, 4, 1u << flag);
            put(t, 116, 1, 1);
            put(t, 120, 8, 0x123456789);
            put(t, 128, 1, 0xf);
            root_of(FADT);
            lapic_after(rsdp);
            assert_true(acpi.pm1a_control == 0x604 && acpi.pm1b_control == 0x704);
            assert_true(acpi.pm_timer_port == 0x608 && acpi.rtc_century == 0x32);
            assert_int_equal(acpi.reset.valid, reset);
            assert_int_equal(acpi.reset.address, reset ? 0x123456789 : 0);
            assert_true(acpi.reset.space == reset && acpi.reset.value == (reset ? 0xf : 0));
        }
    }
}

/* A DSDT with these bytes so many before its end. */
static void sleeps(uint64_t at, unsigned int before, const void *aml, size_t bytes)
{
    uint8_t *t = table(at, "DSDT", 200);

    memcpy(t + 200 - before, aml, bytes);
}

#define SLEEPS(before, text) sleeps(DSDT, before, text, sizeof(text) - 1)

static void assert_sleep(int a, int b)
{
    acpi = untouched;
    warnings = 0;
    acpi_init(rsdp);
    assert_true(acpi.sleep_type_a == a && acpi.sleep_type_b == b);
    assert_int_equal(warnings, a == -1 && b == -1);
}

static void the_state_of_sleep(void **state)
{
    uint8_t *fadt = table(FADT, "FACP", 148);

    put(fadt, 40, 4, DSDT);
    put(fadt, 140, 8, 0);
    root_of(FADT);
    SLEEPS(100, "_S5_\x12\x06\x04\x0a\x05\x0a\x07");
    assert_sleep(5, 7);
    SLEEPS(164, "_S5_\x12\x06\x04\x00\x01");            /* the very first */
    assert_sleep(0, 1);
    SLEEPS(13, "_S5_\x12\x06\x04\x01\x0a\x09\x0a");     /* the last that can be whole */
    assert_sleep(1, 9);
    SLEEPS(12, "_S5_\x12\x06\x04\x01\x0a\x09\x0a");
    assert_sleep(-1, -1);
    SLEEPS(100, "_S5_\x12\x46\x00\x04\x0a\x03\x0a\x04");
    assert_sleep(3, 4);
    SLEEPS(100, "_S5_\x12\x86\x00\x00\x04\x0a\x03\x0a\x04");
    assert_sleep(3, 4);
    SLEEPS(100, "_S5_\x12\xc6\x00\x00\x00\x04\x0a\x03\x0a\x04");
    assert_sleep(3, 4);
    SLEEPS(100, "_S5_\x12\x06\x04\x02\x0a\x04");        /* no integer */
    assert_sleep(-1, 4);
    SLEEPS(100, "_S5_\x08xxx_S5_\x12\x06\x04\x0a\x02\x0a\x02");
    assert_sleep(2, 2);
    SLEEPS(100, "_S4_\x12\x06\x04\x0a\x05\x0a\x07");
    assert_sleep(-1, -1);
}

static void two_places_for_the_dsdt(void **state)
{
    uint8_t *fadt = table(FADT, "FACP", 160);

    root_of(FADT);
    put(fadt, 4, 4, 148);
    put(fadt, 40, 4, 0);
    put(fadt, 140, 8, 0);
    acpi_init(rsdp);                            /* none: nothing to say */
    assert_true(acpi.sleep_type_a == -1 && warnings == 0);
    SLEEPS(100, "_S5_\x12\x06\x04\x0a\x05\x0a\x07");
    sleeps(DSDT + 0x800, 100, "_S5_\x12\x06\x04\x0a\x01\x0a\x02", 11);
    put(fadt, 40, 4, DSDT);
    put(fadt, 140, 8, DSDT + 0x800);
    assert_sleep(1, 2);
    put(fadt, 4, 4, 147);
    assert_sleep(5, 7);
    put(fadt, 4, 4, 148);
    put(fadt, 140, 8, 0);
    assert_sleep(5, 7);
    put(fadt, 140, 8, FAR);
    acpi = untouched;
    acpi_init(rsdp);
    assert_true(acpi.sleep_type_a == -1 && acpi.sleep_type_b == -1);
}

/* --- the end --- */

static void switching_off(void **state)
{
    assert_int_equal(ended(machine_poweroff), 1);
    done("nmis. console. ");
    assert_in_range(now, 1000000000, 1100000000);
    acpi.pm1a_control = 0x604;
    assert_int_equal(ended(machine_poweroff), 1);       /* by which bits is not known */
    done("nmis. console. ");
    acpi.sleep_type_a = 5;
    acpi.sleep_type_b = 7;
    assert_int_equal(ended(machine_poweroff), 1);
    done("nmis. console. 604.2=3400 at 0. ");
    assert_in_range(now, 1000000000, 1100000000);
    acpi.pm1b_control = 0x704;
    acpi.sleep_type_a = 0;
    assert_int_equal(ended(machine_poweroff), 1);
    done("nmis. console. 604.2=2000 at 0. 704.2=3c00 at 0. ");
    acpi.pm1a_control = 0;
    assert_int_equal(ended(machine_poweroff), 1);
    done("nmis. console. ");
}

/* By what firmware says, by the chipset, by three faults: each has its time. */
static void resetting(void **state)
{
    assert_int_equal(ended(machine_reset), 2);
    done("console. cf9.1=2 at 11. cf9.1=6 at 11. ");
    assert_in_range(now, 200000000, 250000000);
    acpi.reset.address = 0x64;
    acpi.reset.value = 0xfe;
    acpi.reset.space = 1;
    assert_int_equal(ended(machine_reset), 2);
    done("console. cf9.1=2 at 11. cf9.1=6 at 11. ");
    acpi.reset.valid = true;
    assert_int_equal(ended(machine_reset), 2);
    done("console. 64.1=fe at 0. cf9.1=2 at 11. cf9.1=6 at 11. ");
    for (acpi.reset.space = 0; acpi.reset.space < 3; acpi.reset.space += 2) {
        assert_int_equal(ended(machine_reset), 2);      /* in memory, in PCI's space: not ours */
        done("console. cf9.1=2 at 11. cf9.1=6 at 11. ");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_any, set_up),
        cmocka_unit_test_setup(the_pointer_is_looked_for, set_up),
        cmocka_unit_test_setup(a_root_out_of_reach, set_up),
        cmocka_unit_test_setup(two_roots, set_up),
        cmocka_unit_test_setup(processors, set_up),
        cmocka_unit_test_setup(controllers_and_lines, set_up),
        cmocka_unit_test_setup(where_entries_end, set_up),
        cmocka_unit_test_setup(ports_and_registers, set_up),
        cmocka_unit_test_setup(the_state_of_sleep, set_up),
        cmocka_unit_test_setup(two_places_for_the_dsdt, set_up),
        cmocka_unit_test_setup(switching_off, set_up),
        cmocka_unit_test_setup(resetting, set_up),
    };

    untouched = acpi;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
