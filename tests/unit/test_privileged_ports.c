/* SPDX-License-Identifier: MIT */
/*
 * A guest's in, out, ins and outs: whom its level or its bitmap lets, which port and size are asked
 * for, and what is left in registers and memory, element by element.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "privileged_host.h"

/* ---- ports ---- */

static void who_may_by_his_level(void **state)
{
    for (unsigned int iopl = 0; iopl <= 3; iopl++)
        for (unsigned int kind = 0; kind < 3; kind++) {
            begin();
            vcpu.in_kernel = kind > 0;
            domain.vm_assist = kind == 1 ? ~(1u << VMASST_TYPE_architectural_iopl)
                                         : 1u << VMASST_TYPE_architectural_iopl;
            vcpu.ports.iopl = iopl;
            static const unsigned int needed[] = { 3, 1, 0 };
            static const char *const instructions[] = { "fa", "fb", "ee", "ec", "6e", "6c" };

            for (unsigned int i = 0; i < ARRAY_SIZE(instructions); i++) {
                vcpu.regs.rip = CODE;
                iopl >= needed[kind] ? done(instructions[i]) : refused(instructions[i]);
            }
            assert_int_equal(did.ins, iopl >= needed[kind] ? 2 : 0);
            assert_int_equal(did.outs, iopl >= needed[kind] ? 2 : 0);
        }
}

static const char *const outs[] = { [1] = "ee", [2] = "66ef", [4] = "ef" };

/* One port is open at a time, then one is closed; the bitmap ends at its last port. */
static void who_may_by_the_bitmap(void **state)
{
    begin();
    vcpu.ports.iopl = 0;
    vcpu.ports.bitmap_ports = 40;
    for (unsigned int closed = 0; closed <= 40; closed++)
        for (unsigned int port = 0; port < 48; port++)
            for (unsigned int size = 1; size <= 4; size *= 2) {
                bool open = closed - port >= size && port + size <= 40;

                memset(memory + DATA, 0, 8);
                if (closed < 40)
                    memory[DATA + closed / 8] = (uint8_t)(1u << closed % 8);
                vcpu.regs.rip = CODE;
                vcpu.regs.rdx = UPPER | port;
                open ? done(outs[size]) : refused(outs[size]);
            }
    memset(memory + DATA, 0, 8);
    vcpu.ports.bitmap = ABSENT - 2;                /* 16 ports of it are there */
    memset(memory + ABSENT - 2, 0, 2);
    for (unsigned int port = 0; port < 32; port++)
        for (unsigned int size = 1; size <= 4; size *= 2) {
            vcpu.regs.rip = CODE;
            vcpu.regs.rdx = port;
            port + size <= 16 ? done(outs[size]) : refused(outs[size]);
        }
    vcpu.ports.bitmap = DATA - 8191;               /* the last of all ports: DATA */
    vcpu.ports.bitmap_ports = 65536;
    memory[DATA] = 0x80;
    vcpu.regs.rdx = 0xffff;
    refused("ee");
    vcpu.regs.rdx = 0xfffe;
    done("ee");
    assert_int_equal(did.port, 0xfffe);
}

static void in_and_out(void **state)
{
    static const struct { const char *hex; bool out; uint16_t port; unsigned int size; } forms[] = {
        { "e4ff", false, 0xff, 1 }, { "66e580", false, 0x80, 2 }, { "e57f", false, 0x7f, 4 },
        { "ec", false, 0x64, 1 },   { "66ed", false, 0x64, 2 },   { "ed", false, 0x64, 4 },
        { "e6ff", true, 0xff, 1 },  { "66e780", true, 0x80, 2 },  { "e77f", true, 0x7f, 4 },
        { "ee", true, 0x64, 1 },    { "66ef", true, 0x64, 2 },    { "ef", true, 0x64, 4 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(forms); i++) {
        begin();
        done(forms[i].hex);
        if (!forms[i].out)
            before.rax = forms[i].size == 1   ? 0xa0a1a2a3a4a5a6ef
                         : forms[i].size == 2 ? 0xa0a1a2a3a4a5cdef
                                              : 0x89abcdef;
        registers_are();
        assert_int_equal(did.ins, !forms[i].out);
        assert_int_equal(did.outs, forms[i].out);
        assert_int_equal(did.port, forms[i].port);
        assert_int_equal(did.size, forms[i].size);
        assert_int_equal(did.value, forms[i].out ? 0xa4a5a6a7 : 0);
    }
}

/* ---- strings of them ---- */

static void one_element(void **state)
{
    static const struct { const char *hex; bool out; unsigned int size, base; } forms[] = {
        { "6c", false, 1, 0 },    { "666d", false, 2, 0 },   { "6d", false, 4, 0 },
        { "6e", true, 1, 0 },     { "666f", true, 2, 0 },    { "6f", true, 4, 0 },
        { "646f", true, 4, 0x100 }, { "656f", true, 4, 0x200 }, { "266f", true, 4, 0 },
        { "646d", false, 4, 0 },  { "656c", false, 1, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(forms); i++)
        for (int down = 0; down < 2; down++) {
            uint32_t there = 0;
            int64_t step = down ? -(int64_t)forms[i].size : (int64_t)forms[i].size;

            begin();
            vcpu.regs.rflags |= down ? 0x400 : 0x800;       /* DF, or the bit beside it */
            memcpy(&there, memory + (forms[i].out ? DATA + 8 + forms[i].base : DATA + 16),
                   forms[i].size);
            done(forms[i].hex);
            *(forms[i].out ? &before.rsi : &before.rdi) += (uint64_t)step;
            registers_are();
            assert_int_equal(did.outs, forms[i].out);
            assert_int_equal(did.ins, !forms[i].out);
            assert_int_equal(did.port, 0x64);
            assert_int_equal(did.size, forms[i].size);
            if (forms[i].out)
                assert_int_equal(did.value, there);
            else
                assert_memory_equal(memory + DATA + 16, "\xef\xcd\xab\x89", forms[i].size);
        }
}

static void many_elements(void **state)
{
    static const struct { uint64_t count; unsigned int done; uint64_t left; } counts[] = {
        { 0, 0, 0 }, { 1, 1, 0 }, { 3, 3, 0 }, { 63, 63, 0 }, { 64, 64, 0 }, { 65, 64, 1 },
        { 1ul << 32, 64, (1ul << 32) - 64 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++)
        for (unsigned int prefix = 0; prefix < 2; prefix++) {
            begin();
            vcpu.regs.rcx = counts[i].count;
            done(prefix ? "f36e" : "f26e");
            before.rsi += counts[i].done;
            before.rcx = counts[i].left;
            if (counts[i].left)
                before.rip -= 2;                /* the same instruction again */
            registers_are();
            assert_int_equal(did.outs, counts[i].done);
        }
}

/* With addresses of 32 bits the upper halves count neither as pointer nor as count. */
static void narrow_addresses(void **state)
{
    begin();
    vcpu.regs.rcx = UPPER | 2;
    vcpu.regs.rsi |= UPPER;
    done("f3676f");
    before.rcx = 0;
    before.rsi = DATA + 16;
    registers_are();
    assert_int_equal(did.outs, 2);
    begin();
    vcpu.regs.rcx = UPPER;
    vcpu.regs.rdi |= UPPER;
    done("f3676d");
    registers_are();
    assert_int_equal(did.ins, 0);
    done("676d");
    before.rdi = DATA + 20;
    registers_are();
    begin();
    vcpu.regs.rsi |= UPPER;
    refused("0f0b");
    assert_true(perform("6f"));                 /* of 64 bits they do */
    assert_int_equal(did.page_faults, 1);
    assert_int_equal(did.fault_address, UPPER | (DATA + 8));
}

static void elements_that_fault(void **state)
{
    static uint64_t entries[] = { 0, 1, 2, 6, 7 };

    for (unsigned int i = 0; i <= ARRAY_SIZE(entries); i++)
        for (int out = 0; out < 2; out++) {
            begin();
            answers.entry = i < ARRAY_SIZE(entries) ? &entries[i] : NULL;
            vcpu.regs.rsi = vcpu.regs.rdi = ABSENT - 3;
            vcpu.regs.rcx = 10;
            assert_true(perform(out ? "f36e" : "f36c"));
            before.rcx = 7;
            *(out ? &before.rsi : &before.rdi) = ABSENT;
            before.rip -= 2;
            registers_are();
            assert_int_equal(did.page_faults, 1);
            assert_int_equal(did.fault_address, ABSENT);
            assert_int_equal(did.fault_code, (i < ARRAY_SIZE(entries) ? entries[i] & 1 : 0) |
                                                 (out ? 0 : 2));
            assert_int_equal(out ? did.outs : did.ins, out ? 3 : 4);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_by_his_level),
        cmocka_unit_test(who_may_by_the_bitmap),
        cmocka_unit_test(in_and_out),
        cmocka_unit_test(one_element),
        cmocka_unit_test(many_elements),
        cmocka_unit_test(narrow_addresses),
        cmocka_unit_test(elements_that_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
