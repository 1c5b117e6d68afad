/* SPDX-License-Identifier: MIT */
/*
 * The interrupt controllers as they see us: every access to the local APIC's page and to the I/O
 * APICs' registers, in order, and the old controllers' ports; and which vector goes where. The
 * pages cannot be accessed, so each access faults and is answered by a controller of the test's
 * own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/mman.h>
#undef fail                                     /* the hypervisor has one, too */
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/cpu.h"
#include "machine/entry_asm.h"
#include "machine/io.h"
#include "machine/segments.h"
#include "machine/vectors.h"
#include "lib/printk.h"
#include "fail_host.h"
#include "faults_host.h"
#include "ports_host.h"
#include "steps_host.h"

#define LAPIC    ((uint8_t *)0x10000000)
#define IOAPIC(n) (LAPIC + 0x1000 + 0x1000 * (n))

struct cpu boot_cpu;
struct acpi_facts acpi;
const char vector_stubs[256 * VECTOR_STUB_SIZE], debug_entry[1], nmi_entry[1],
    double_fault_entry[1], machine_check_entry[1];
static struct { uint16_t limit; uint64_t base; } __attribute__((packed)) hardware_idt;
static uint64_t apic_base;
static unsigned int said, busy;                 /* so many looks at the command register */

void printk_at(int level, const char *format, ...)
{
    said++;
}
static uint64_t *msr_of(uint32_t number)
{
    assert_int_equal(number, MSR_APIC_BASE);
    return &apic_base;
}
static uint32_t read_port(uint16_t port, unsigned int bytes)
{
    return 0;
}
static void write_port(uint16_t port, unsigned int bytes, uint32_t value)
{
    step("%x.%u=%x ", port, bytes, value);
}

/* --- the controllers --- */

static struct { uint32_t index, redirection[64], version; } ioapic[MAX_IOAPICS];

static uint32_t read_register(const uint8_t *at)
{
    unsigned int n = (unsigned int)(at - LAPIC) / 0x1000 - 1;

    if (at < LAPIC + 0x1000) {
        if (at == LAPIC + 0x20) return 0x5a000000;
        if (at != LAPIC + 0x300) return (uint32_t)(at - LAPIC);
        step("? ");
        return busy && busy-- ? 0x1000 : ~0x1000u;
    }
    assert_true(at == IOAPIC(n) + 0x10);
    return ioapic[n].index == 1 ? ioapic[n].version : ioapic[n].redirection[ioapic[n].index - 0x10];
}

static void write_register(const uint8_t *at, uint32_t value)
{
    unsigned int n = (unsigned int)(at - LAPIC) / 0x1000 - 1;

    if (at < LAPIC + 0x1000) {
        step("%x=%x ", (unsigned int)(at - LAPIC), value);
    } else if (at == IOAPIC(n)) {
        ioapic[n].index = value;
    } else {
        assert_true(at == IOAPIC(n) + 0x10 && ioapic[n].index >= 0x10 && ioapic[n].index < 0x50);
        ioapic[n].redirection[ioapic[n].index - 0x10] = value;
        step("%u[%x]=%x ", n, ioapic[n].index, value);
    }
}

/* MOV between a register and memory, or of a number; LIDT; the rest is faults_host.h's, or a
 * port's. */
static void fault(int number, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)r[REG_RIP];
    unsigned int rex = (*at & 0xf0) == 0x40 ? *at++ : 0, length;
    greg_t *operand = register_of(r, (at[1] >> 3 & 7u) + (rex & 4 ? 8 : 0));
    uint32_t immediate;

    if (at[0] == 0x0f && at[1] == 0x01 && (at[2] >> 3 & 7) == 3) {
        memcpy(&hardware_idt, (void *)operand_at(r, at + 2, rex, &length), sizeof(hardware_idt));
        r[REG_RIP] += (rex != 0) + 2 + length;
    } else if (at[0] == 0x89 || at[0] == 0x8b || at[0] == 0xc7) {
        uint8_t *to = (uint8_t *)operand_at(r, at + 1, rex, &length);

        if (at[0] == 0x8b)
            *operand = read_register(to);
        memcpy(&immediate, at + 1 + length, 4);
        if (at[0] == 0x89)
            write_register(to, (uint32_t)*operand);
        if (at[0] == 0xc7)
            write_register(to, immediate);
        r[REG_RIP] += (rex != 0) + 1 + length + (at[0] == 0xc7 ? 4 : 0);
    } else if (at[0] == 0x0f) {
        privileged_faults(number, info, context);
    } else {
        port_fault(number, info, context);
    }
}

static void catch(void)
{
    struct sigaction action = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
}

static int set_up(void **state)
{
    static void *pages;

    if (!pages)
        pages = mmap(LAPIC, 0x10000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                     -1, 0);
    *steps = '\0';
    said = 0;
    return pages != LAPIC;
}

/* --- tests --- */

#define LAPIC_BEGINS "f0=1ff 80=0 350=10000 360=400 370=10000 3e0=b 320=f0 "

static void the_local_one(void **state)
{
    static const uint64_t bases[][2] = {
        { 0xfee00000, 0xfee00800 }, { 0xfee00100, 0xfee00900 }, { ~(1ul << 10), ~(1ul << 10) },
    };

    catch();
    for (unsigned int i = 0; i < 3; i++) {
        apic_base = bases[i][0];
        if (i)
            lapic_init_cpu();
        else
            lapic_init(LAPIC);
        done(LAPIC_BEGINS);
        assert_int_equal(apic_base, bases[i][1]);
    }
    assert_int_equal(lapic_id(), 0x5a);
    assert_int_equal(lapic_timer_left(), 0x390);
    lapic_eoi();
    lapic_timer_set(12345);
    done("b0=0 380=3039 ");
}

/* Who is meant first, then what; and not before it is sent is there another. */
static void messages(void **state)
{
    catch();
    busy = 3;
    lapic_send_init(0x12);
    done("310=12000000 300=4500 ? ? ? ? ");
    lapic_send_startup(1, 8);
    done("310=1000000 300=4608 ? ");
    busy = 1;
    lapic_send(0xfe, 0xf1);
    done("310=fe000000 300=40f1 ? ? ");
    lapic_send_nmi(2);
    done("310=2000000 300=4400 ? ");
    assert_int_equal(msi_address(5), 0xfee05000);
    pics_silence();
    done("20.1=11 a0.1=11 21.1=20 a1.1=28 21.1=4 a1.1=2 21.1=1 a1.1=1 21.1=ff a1.1=ff ");
}

static void lines(void **state)
{
    catch();
    assert_int_equal(ioapic_gsi_count(), 0);
    assert_int_equal(ioapic_route(0, 0x40, false, false), -EINVAL);
    ioapic_mask(0, true);
    done("");
    ioapic[0].version = 0xff02ff11;             /* three lines */
    ioapic[1].version = 0x00010020;             /* two */
    ioapic_add(IOAPIC(0), 0);
    done("0[10]=10000 0[12]=10000 0[14]=10000 ");
    assert_int_equal(ioapic_gsi_count(), 3);
    ioapic_add(IOAPIC(1), 24);                  /* there is a gap */
    done("1[10]=10000 1[12]=10000 ");
    assert_int_equal(ioapic_gsi_count(), 26);
    for (uint32_t gsi = 0; gsi < 30; gsi++) {
        bool there = gsi < 3 || gsi == 24 || gsi == 25;
        uint32_t n = gsi < 24 ? 0 : 1, line = 0x10 + 2 * (gsi - 24 * n);

        for (unsigned int form = 0; form < 4; form++) {
            char want[200] = "";

            assert_int_equal(ioapic_route(gsi, 0x40, form & 1, form & 2), there ? 0 : -EINVAL);
            if (there)
                sprintf(want, "%u[%x]=5a000000 %u[%x]=%x ", n, line + 1, n, line,
                        0x10040 | (form & 1) << 15 | (form & 2) << 12);
            done(want);
            ioapic_mask(gsi, false);
            if (there)
                sprintf(want, "%u[%x]=%x ", n, line, 0x40 | (form & 1) << 15 | (form & 2) << 12);
            done(want);
            ioapic_mask(gsi, true);
            if (there)
                sprintf(want, "%u[%x]=%x ", n, line, 0x10040 | (form & 1) << 15 | (form & 2) << 12);
            done(want);
        }
    }
}

/* --- vectors --- */

static void one(void *arg)
{
    step("one %lu ", (uint64_t)arg);
}
static void two(void *arg)
{
    step("two %lu ", (uint64_t)arg);
}

/* A gate as the processor reads it (SDM vol. 3, 6.14). */
static void the_table_of_gates(void **state)
{
    static const struct { unsigned int vector; const char *entry; uint8_t ist; } own[] = {
        { TRAP_DOUBLE_FAULT, double_fault_entry, 1 }, { TRAP_NMI, nmi_entry, 2 },
        { TRAP_DEBUG, debug_entry, 3 }, { TRAP_MACHINE_CHECK, machine_check_entry, 4 },
    };

    catch();
    vectors_init();
    assert_int_equal(hardware_idt.limit, 256 * 16 - 1);
    for (unsigned int i = 0; i < 256; i++) {
        const uint64_t *gate = (const uint64_t *)hardware_idt.base + 2 * i;
        uint64_t address = (uint64_t)vector_stubs + 16 * i;
        bool ring3 = i == 3 || i == 4 || i == 0x80;
        uint8_t ist = 0;

        for (unsigned int k = 0; k < 4; k++)
            if (own[k].vector == i) {
                address = (uint64_t)own[k].entry;
                ist = own[k].ist;
            }
        assert_int_equal(gate[0] & 0xffff, address & 0xffff);
        assert_int_equal(gate[0] >> 16 & 0xffff, HV_CS);
        assert_int_equal(gate[0] >> 32 & 0xffff, (ring3 ? 0xee00 : 0x8e00) | ist);
        assert_int_equal(gate[0] >> 48, address >> 16 & 0xffff);
        assert_int_equal(gate[1], address >> 32);
    }
    hardware_idt.limit = 0;
    idt_load();
    assert_int_equal(hardware_idt.limit, 256 * 16 - 1);
}

static void who_handles_what(void **state)
{
    catch();
    assert_int_equal(vector_alloc(one, (void *)7), 0x30);
    assert_int_equal(vector_alloc(two, (void *)8), 0x31);
    vector_claim(VECTOR_TIMER, one);
    interrupt(0x30);
    interrupt(0x31);
    interrupt(VECTOR_TIMER);
    done("one 7 b0=0 two 8 b0=0 one 0 b0=0 ");
    vector_free(0x30);
    assert_int_equal(said, 0);
    interrupt(0x30);                            /* it comes late: it is said, and acknowledged */
    done("b0=0 ");
    assert_int_equal(said, 1);
    interrupt(VECTOR_SPURIOUS);                 /* none of these is */
    interrupt(0x27);
    interrupt(0x2f);
    done("");
    assert_int_equal(said, 3);
    interrupt(VECTOR_CALL);
    done("b0=0 ");
    assert_int_equal(said, 3);
    assert_int_equal(vector_alloc(two, (void *)9), 0x30);
    for (int v = 0x32; v <= VECTOR_LAST; v++)
        if (v != VECTOR_INT80)
            assert_int_equal(vector_alloc(two, (void *)(uint64_t)v), v);
    assert_int_equal(vector_alloc(two, NULL), -1);
    interrupt(VECTOR_LAST);
    done("two 239 b0=0 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_local_one, set_up),
        cmocka_unit_test_setup(messages, set_up),
        cmocka_unit_test_setup(lines, set_up),
        cmocka_unit_test_setup(the_table_of_gates, set_up),
        cmocka_unit_test_setup(who_handles_what, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
