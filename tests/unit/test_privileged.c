/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions of a guest, one by one: who may, what is done, what is left in every
 * register, and where RIP stands afterwards. (Ports: test_privileged_ports.c.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "privileged_host.h"

/* ---- fetching ---- */

/* mov %rax, %cr2 with prefixes to make it as long as can be: across the pages, and before one that
 * is not there. */
static void wherever_it_lies(void **state)
{
    static const char longest[] = "3e3e3e3e3e3e3e3e3e3e3e3e0f22d0";

    begin();
    for (unsigned int here = 0; here <= 16; here++) {
        vcpu.regs.rip = CODE + 0x1000 - here;
        info.arch.cr2 = 0;
        done(longest);
        registers_are();
        assert_int_equal(info.arch.cr2, vcpu.regs.rax);
    }
    for (unsigned int length = 1; length <= 16; length++) {
        vcpu.regs.rip = ABSENT - length;
        memset(memory + ABSENT - length, 0x3e, length);
        if (length >= 3 && length <= 15) {
            memcpy(memory + ABSENT - 3, "\x0f\x22\xd0", 3);
            assert_true(emulate_privileged(&vcpu));
            assert_int_equal(vcpu.regs.rip, ABSENT);
        } else {
            assert_false(emulate_privileged(&vcpu));
            assert_int_equal(vcpu.regs.rip, ABSENT - length);
        }
    }
    vcpu.regs.rip = ABSENT;
    assert_false(emulate_privileged(&vcpu));
    vcpu.regs.rip = ABSENT - 2;                 /* known to be none before its end is read */
    refused("0f0b");
    vcpu.regs.rip = CODE + 0x1000 - 1;          /* nor is it any when its end is there */
    refused("0f0b");
}

/* Whether a REX is one tells 64-bit code from 32-bit code. */
static void code_segments(void **state)
{
    static const uint64_t in64 = 1ul << 53, in32 = 1ul << 54;
    static const struct { uint64_t descriptor; bool wide, narrow; } descriptors[] = {
        { 1ul << 53, true, true }, { 1ul << 54, false, true },      { 0, false, false },
        { 1ul << 52, false, false }, { 1ul << 55, false, false },
        { 0xf0dfff000000fffful, false, false },
        { 0x00dfff000000fffful, false, true },
        { 0xff20ffffffff0000ul, true, true },
    };

    begin();
    for (unsigned int i = 0; i < ARRAY_SIZE(descriptors); i++) {
        gdt[2] = gdt[3] = descriptors[i].descriptor;
        for (unsigned int at = 0; at < 8; at++) {
            vcpu.regs.cs = (uint16_t)(0x10 + (at & 3) + (at & 4) * 2);  /* two, at each RPL */
            descriptors[i].wide ? done("480f06") : refused("480f06");
            descriptors[i].narrow ? done("0f06") : refused("0f06");
        }
        vcpu.regs.cs = 0x14;                    /* of the LDT */
        refused("0f06");
    }
    vcpu.regs.cs = 0x10;
    for (unsigned int bit = 16; bit < 64; bit++) {
        bool base = bit < 40 || bit >= 56;

        if (bit == 53)
            continue;
        gdt[2] = in32 | 1ul << bit;
        base ? refused("0f06") : done("0f06");
        gdt[2] = in64 | 1ul << bit;
        done("480f06");
    }
    gdt[2] = in32;
    vcpu.regs.cs = FLAT_RING3_CS64;
    done("480f06");
}

static void what_follows(void **state)
{
    begin();
    vcpu.regs.rflags = 0x10202;
    done("0f06");
    before.rflags = 0x202;                      /* RF is the instruction's own */
    registers_are();
    assert_int_equal(did.traps, 0);
    vcpu.regs.rflags = 0x302;
    vcpu.hw.debugreg[6] = 0xffff0ff0;
    done("0f06");
    registers_are();
    assert_int_equal(did.traps, 1);
    assert_int_equal(did.vector, 1);
    assert_int_equal(did.trap_error, -1);
    assert_int_equal(vcpu.hw.debugreg[6], 0xffff4ff0);
}

/* ---- CPUID ---- */

static void answers_of_cpuid(uint64_t length)
{
    assert_int_equal(vcpu.regs.rax, 0xa4a5a6a8);
    assert_int_equal(vcpu.regs.rbx, 0xc0c1c2c5);
    assert_int_equal(vcpu.regs.rcx, 0xcccccccc);
    assert_int_equal(vcpu.regs.rdx, 0xdddddddd);
    assert_int_equal(vcpu.regs.rip, CODE + length);
}

static void cpuid_is_everyones(void **state)
{
    for (int kernel = 0; kernel < 2; kernel++) {
        begin();
        vcpu.in_kernel = kernel;
        done("0fa2");
        answers_of_cpuid(2);
    }
}

static void forced_cpuid(void **state)
{
    static const uint8_t forced[] = { 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2 };

    for (unsigned int wrong = 0; wrong <= sizeof(forced); wrong++) {
        begin();
        memcpy(memory + CODE, forced, sizeof(forced));
        if (wrong < sizeof(forced)) {
            memory[CODE + wrong] ^= 1;
            assert_false(emulate_forced_cpuid(&vcpu));
            assert_int_equal(vcpu.regs.rip, CODE);
        } else {
            assert_true(emulate_forced_cpuid(&vcpu));
            answers_of_cpuid(7);
        }
    }
    begin();
    vcpu.regs.rip = ABSENT - 7;
    memcpy(memory + ABSENT - 7, forced, 7);
    assert_true(emulate_forced_cpuid(&vcpu));
    vcpu.regs.rip = ABSENT - 6;
    memcpy(memory + ABSENT - 6, forced, 7);
    assert_false(emulate_forced_cpuid(&vcpu));
}

/* ---- control registers ---- */

static void reading_control_registers(void **state)
{
    begin();
    info.arch.cr2 = 0x2222;
    for (unsigned int ts = 0; ts < 2; ts++) {
        vcpu.hw.guest_cr0 = ts ? ~0ul : ~8ul;
        vcpu.regs.rip = CODE;
        done("0f20c3");
        before.rbx = (HOST_CR0 & ~8ul) | (ts ? 8 : 0);
        registers_are();
    }
    done("0f20d3");
    before.rbx = 0x2222;
    registers_are();
    done("0f20db");
    before.rbx = 0x55000;
    registers_are();
    done("0f20e3");
    before.rbx = CR4_OSXSAVE | 0x668;
    registers_are();
}

static void writing_control_registers(void **state)
{
    begin();
    vcpu.regs.rbx = HOST_CR0 | 8;
    done("0f22c3");
    assert_int_equal(did.ts_value, 1);
    vcpu.regs.rbx = HOST_CR0 & ~8ul;
    done("0f22c3");
    registers_are();
    assert_int_equal(did.ts_value, 0);
    assert_int_equal(did.ts, 2);
    for (unsigned int bit = 0; bit < 64; bit++) {
        vcpu.regs.rbx = HOST_CR0 ^ 1ul << bit;
        if (bit != 3)
            refused("0f22c3");
    }
    assert_int_equal(did.ts, 2);
    vcpu.regs.rbx = 0x9999;
    done("0f22d3");
    assert_int_equal(info.arch.cr2, 0x9999);
    done("0f22e3");
    assert_int_equal(did.cr4, 0x9999);
    assert_int_equal(did.choose_cr4, 1);
    assert_int_equal(did.load_cr4, 1);
    registers_are();
}

static void another_base_pointer(void **state)
{
    begin();
    vcpu.regs.rbx = 0x77123;
    answers.table_error = -EINVAL;
    refused("0f22db");
    answers.table_error = -ERESTART;
    assert_true(perform("0f22db"));
    before.rip = CODE;                          /* the same again */
    registers_are();
    assert_int_equal(vcpu.tables.kernel_cr3, 0x55000);
    assert_int_equal(did.load_tables + did.puts + did.shows, 0);
    answers.table_error = 0;
    done("0f22db");
    registers_are();
    assert_int_equal(vcpu.tables.kernel_cr3, 0x77000);
    assert_int_equal(did.shown, 0x77);
    assert_int_equal(did.gone, 0x55);
    assert_int_equal(did.load_tables, 1);
    assert_int_equal(did.puts, 1);
}

static void clear_ts(void **state)
{
    begin();
    done("0f06");
    registers_are();
    assert_int_equal(did.ts, 1);
    assert_int_equal(did.ts_value, 0);
}

/* ---- debug registers ---- */

static void debug_registers(void **state)
{
    begin();
    vcpu.hw.debugreg[2] = 0x2020;
    done("0f21d3");
    before.rbx = 0x2020;
    registers_are();
    done("0f23f3");
    registers_are();
    assert_int_equal(did.sets, 1);
    assert_int_equal(did.set_reg, 6);
    assert_int_equal(did.set_value, 0x2020);
    answers.set_error = -EPERM;
    refused("0f23fb");
    assert_int_equal(did.set_reg, 7);
    assert_int_equal(did.traps, 0);
    for (int write = 0; write < 2; write++) {
        vcpu.regs.rip = CODE;
        assert_true(perform(write ? "0f23e3" : "0f21e3"));
        before.rip = CODE;
        registers_are();
        assert_int_equal(did.traps, write + 1);
        assert_int_equal(did.vector, 6);
        assert_int_equal(did.trap_error, -1);
    }
    assert_int_equal(did.sets, 2);
}

/* ---- MSRs, time, caches ---- */

static void msrs(void **state)
{
    begin();
    done("0f32");
    before.rax = 0x55667788;
    before.rdx = 0x11223344;
    registers_are();
    assert_int_equal(did.msr, 0xc0c1c2c3);
    answers.no_msr = true;
    refused("0f32");
    vcpu.entry.traps[13].address = 0;                 /* nobody could hear of it */
    done("0f32");
    before.rax = before.rdx = 0;
    registers_are();
    begin();
    done("0f30");
    registers_are();
    assert_int_equal(did.msr, 0xc0c1c2c3);
    assert_int_equal(did.msr_value, 0xd0d10064a4a5a6a7);
    answers.no_msr = true;
    refused("0f30");
}

static void time_stamps(void **state)
{
    begin();
    done("0f31");
    before.rax = 0x87654321;
    before.rdx = 0x12345678;
    registers_are();
    done("0f01f9");
    before.rcx = 0x99;
    registers_are();
    refused("0f33");
    refused("0f01d0");
}

static void caches(void **state)
{
    for (int privileged = 0; privileged < 2; privileged++) {
        begin();
        domain.privileged = privileged;
        done("0f09");
        registers_are();
        assert_int_equal(did.wbinvds, privileged);
    }
}

/* ---- XCR0 ---- */

static void extended_control_register(void **state)
{
    static const struct { uint64_t mask, value; bool may; } values[] = {
        { 0xe7, 1, true },        { 0xe7, 3, true },     { 0xe7, 7, true },
        { 0xe7, 0xe7, true },     { 0xe7, 0, false },    { 0xe7, 2, false },
        { 0xe7, 6, false },       { 0xe7, 0xe6, false }, { 0xe7, 5, false },
        { 0xe7, 0x27, false },    { 0xe7, 0x47, false }, { 0xe7, 0x87, false },
        { 0xe7, 0x67, false },    { 0xe7, 0xe3, false }, { 0xe7, 0xe5, false },
        { 0xe7, 0xe1, false },    { 7, 7, true },        { 7, 0xe7, false },
        { 3, 7, false },          { 0xe7, 0xf, false },  { 0xf, 0xf, true },
        { 0x1e7, 0x1e7, true },   { 0x1e7, 0x107, true },
        { ~0ul, 1ul << 62 | 3, true },  { 7, 1ul << 62 | 3, false },
        { 0, 1, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
        begin();
        xsave_mask = values[i].mask;
        vcpu.regs.rcx = UPPER;
        vcpu.regs.rax = UPPER | (uint32_t)values[i].value;
        vcpu.regs.rdx = UPPER | values[i].value >> 32;
        if (values[i].may) {
            done("0f01d1");
            registers_are();
            assert_int_equal(vcpu.hw.xcr0, values[i].value);
            assert_int_equal(did.xcr0, values[i].value);
        } else {
            refused("0f01d1");
            assert_int_equal(vcpu.hw.xcr0, 0);
        }
        assert_int_equal(did.xsetbvs, values[i].may);
    }
    begin();
    vcpu.regs.rax = 7;
    vcpu.regs.rdx = 0;
    vcpu.regs.rcx = 1;
    refused("0f01d1");
    for (int kernel = 0; kernel < 2; kernel++) {
        vcpu.in_kernel = kernel;
        vcpu.regs.rcx = 0;
        vcpu.hw.guest_cr4 = ~CR4_OSXSAVE;
        assert_true(perform("0f01d1"));         /* there is no such instruction */
        before.rip -= 3;
        registers_are();
        assert_int_equal(did.traps, kernel + 1);
        assert_int_equal(did.vector, 6);
    }
    assert_int_equal(did.xsetbvs, 0);
    vcpu.hw.guest_cr4 = 0;
    done("0f01f9");                             /* nor does that concern another */
}

/* ---- user mode ---- */

static void user_mode_may_none(void **state)
{
    static const char *const instructions[] = {
        "0f01d1", "0f01f9", "0f01d0", "0f06", "0f09", "0f20c0", "0f20d0", "0f20d8", "0f20e0",
        "0f22c0", "0f22d0", "0f22d8", "0f22e0", "0f21c0", "0f21e0", "0f23c0", "0f30", "0f31",
        "0f32", "0f33", "fa", "fb", "e4ff", "ee", "6c", "6e",
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(instructions); i++) {
        begin();
        vcpu.in_kernel = false;
        vcpu.ports.iopl = 2;
        vcpu.regs.rax = HOST_CR0;
        refused(instructions[i]);
        static const typeof(did) nothing;

        assert_memory_equal(&did, &nothing, sizeof(did));
    }
}

/* On the decoder's list for stores to page tables; here they are nobody's. */
static void no_privileged_ones(void **state)
{
    static const char *const instructions[] = { "8900", "a5", "aa", "0fab01", "0fc308", "f610" };

    begin();
    for (unsigned int i = 0; i < ARRAY_SIZE(instructions); i++)
        refused(instructions[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wherever_it_lies),
        cmocka_unit_test(code_segments),
        cmocka_unit_test(what_follows),
        cmocka_unit_test(cpuid_is_everyones),
        cmocka_unit_test(forced_cpuid),
        cmocka_unit_test(reading_control_registers),
        cmocka_unit_test(writing_control_registers),
        cmocka_unit_test(another_base_pointer),
        cmocka_unit_test(clear_ts),
        cmocka_unit_test(debug_registers),
        cmocka_unit_test(msrs),
        cmocka_unit_test(time_stamps),
        cmocka_unit_test(caches),
        cmocka_unit_test(extended_control_register),
        cmocka_unit_test(user_mode_may_none),
        cmocka_unit_test(no_privileged_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
