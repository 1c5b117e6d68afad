/* SPDX-License-Identifier: MIT */
/*
 * The instruction decoder, form by form: what it says of each kind of instruction on its list, and
 * of those beside it that are not. (That it agrees with a disassembler where it says anything:
 * test_decode.c.)
 *
 * A form is told in one line: length, opcode, o operand size, a address size; in capitals X REX, L
 * lock, R rep, N repne, and the segment; /reg rm of a ModRM; [base+index*scale+displacement] of a
 * memory operand, - for none, ip for RIP; $immediate. "": not on the list.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "emulate/decode.h"

static const struct { const char *bytes, *said; } forms[] = {
    { "268908", "3 89 o4 a8ES /1 0 [0+-*1+0] $0" },
    { "2e8908", "3 89 o4 a8CS /1 0 [0+-*1+0] $0" },
    { "368908", "3 89 o4 a8SS /1 0 [0+-*1+0] $0" },
    { "3e8908", "3 89 o4 a8DS /1 0 [0+-*1+0] $0" },
    { "648908", "3 89 o4 a8FS /1 0 [0+-*1+0] $0" },
    { "658908", "3 89 o4 a8GS /1 0 [0+-*1+0] $0" },
    { "65648908", "4 89 o4 a8FS /1 0 [0+-*1+0] $0" },
    { "6c", "1 6c o1 a8 $0" },
    { "f36d", "2 6d o4 a8R $0" },
    { "f26e", "2 6e o1 a8N $0" },
    { "f2f36f", "3 6f o4 a8R $0" },
    { "f3f26c", "3 6c o1 a8N $0" },
    { "668908", "3 89 o2 a8 /1 0 [0+-*1+0] $0" },
    { "678908", "3 89 o4 a4 /1 0 [0+-*1+0] $0" },
    { "48678908", "4 89 o4 a4 /1 0 [0+-*1+0] $0" },
    { "4866678908", "5 89 o2 a4 /1 0 [0+-*1+0] $0" },
    { "4889d8", "3 89 o8 a8X /3 0 $0" },
    { "458908", "3 89 o4 a8X /9 8 [8+-*1+0] $0" },
    { "428908", "3 89 o4 a8X /1 0 [0+-*1+0] $0" },
    { "418908", "3 89 o4 a8X /1 8 [8+-*1+0] $0" },
    { "438908", "3 89 o4 a8X /1 8 [8+-*1+0] $0" },
    { "4088ff", "3 88 o1 a8X /7 7 $0" },
    { "88ff", "2 88 o1 a8 /7 7 $0" },
    { "f08908", "" },
    { "f00108", "3 01 o4 a8L /1 0 [0+-*1+0] $0" },
    { "f001c8", "" },
    { "f04883086f", "5 83 o8 a8XL /1 0 [0+-*1+0] $111" },
    { "48890c25f0ffffff", "8 89 o8 a8X /1 4 [-+-*1-16] $0" },
    { "8904a5f0ffffff", "7 89 o4 a8 /0 4 [-+-*1-16] $0" },
    { "44890ca3", "4 89 o4 a8X /9 4 [3+-*1+0] $0" },
    { "41890ca3", "4 89 o4 a8X /1 12 [11+-*1+0] $0" },
    { "48890ca3", "4 89 o8 a8X /1 4 [3+-*1+0] $0" },
    { "448900", "3 89 o4 a8X /8 0 [0+-*1+0] $0" },
    { "4a890ca3", "4 89 o8 a8X /1 4 [3+12*4+0] $0" },
    { "4a890c63", "4 89 o8 a8X /1 4 [3+12*2+0] $0" },
    { "890ceb", "3 89 o4 a8 /1 4 [3+5*8+0] $0" },
    { "890c24", "3 89 o4 a8 /1 4 [4+-*1+0] $0" },
    { "41890c24", "4 89 o4 a8X /1 12 [12+-*1+0] $0" },
    { "8945f0", "3 89 o4 a8 /0 5 [5+-*1-16] $0" },
    { "41894500", "4 89 o4 a8X /0 13 [13+-*1+0] $0" },
    { "890500000080", "6 89 o4 a8 /0 5 [ip+-*1-2147483648] $0" },
    { "8985000000f0", "6 89 o4 a8 /0 5 [5+-*1-268435456] $0" },
    { "418905f0ffffff", "7 89 o4 a8X /0 13 [ip+-*1-16] $0" },
    { "43890c65f0ffffff", "8 89 o4 a8X /1 12 [-+12*2-16] $0" },
    { "a30102030405060788", "9 a3 o4 a8 [-+-*1-8644934341102468607] $0" },
    { "67a301020384", "6 a3 o4 a4 [-+-*1-2080177663] $0" },
    { "48a3f8f7f6f5f4f3f2f1", "10 a3 o8 a8X [-+-*1-1012478732780767240] $0" },
    { "a2f8f7f6f5f4f3f2f1", "9 a2 o1 a8 [-+-*1-1012478732780767240] $0" },
    { "80c8f0", "3 80 o1 a8 /1 0 $-16" },
    { "80f8f0", "" },
    { "8100f0f1f2f3", "6 81 o4 a8 /0 0 [0+-*1+0] $-202182160" },
    { "668100f0f1", "5 81 o2 a8 /0 0 [0+-*1+0] $-3600" },
    { "488100f0f1f2f3", "7 81 o8 a8X /0 0 [0+-*1+0] $-202182160" },
    { "833801", "" },
    { "833001", "3 83 o4 a8 /6 0 [0+-*1+0] $1" },
    { "8138f0f1f2f3", "" },
    { "c600ff", "3 c6 o1 a8 /0 0 [0+-*1+0] $-1" },
    { "c60801", "" },
    { "c70001020384", "6 c7 o4 a8 /0 0 [0+-*1+0] $-2080177663" },
    { "c7080102", "" },
    { "f610", "2 f6 o1 a8 /2 0 [0+-*1+0] $0" },
    { "f618", "2 f6 o1 a8 /3 0 [0+-*1+0] $0" },
    { "f700", "" },
    { "f710", "2 f7 o4 a8 /2 0 [0+-*1+0] $0" },
    { "f718", "2 f7 o4 a8 /3 0 [0+-*1+0] $0" },
    { "f720", "" },
    { "f7c0", "" },
    { "f7d0", "2 f7 o4 a8 /2 0 $0" },
    { "fe00", "2 fe o1 a8 /0 0 [0+-*1+0] $0" },
    { "fe08", "2 fe o1 a8 /1 0 [0+-*1+0] $0" },
    { "fe10", "" },
    { "ff00", "2 ff o4 a8 /0 0 [0+-*1+0] $0" },
    { "ff08", "2 ff o4 a8 /1 0 [0+-*1+0] $0" },
    { "ff10", "" },
    { "e4ff", "2 e4 o1 a8 $-1" },
    { "66e580", "3 e5 o2 a8 $-128" },
    { "48e780", "3 e7 o4 a8X $-128" },
    { "48ef", "2 ef o4 a8X $0" },
    { "66ed", "2 ed o2 a8 $0" },
    { "66f3a5", "3 a5 o2 a8R $0" },
    { "48ab", "2 ab o8 a8X $0" },
    { "0f01d0", "3 0f01 o4 a8 /2 0 $0" },
    { "0f01d1", "3 0f01 o4 a8 /2 1 $0" },
    { "0f01d2", "" },
    { "0f01d3", "" },
    { "0f01f8", "" },
    { "0f01f9", "3 0f01 o4 a8 /7 1 $0" },
    { "0f01fa", "" },
    { "0f01c1", "" },
    { "660f01d1", "" },
    { "f30f01d1", "" },
    { "f20f01d1", "" },
    { "480f01d1", "4 0f01 o8 a8X /2 1 $0" },
    { "0f06", "2 0f06 o4 a8 $0" },
    { "660f06", "3 0f06 o2 a8 $0" },
    { "0f09", "2 0f09 o4 a8 $0" },
    { "f20f09", "" },
    { "660f09", "" },
    { "0f20c0", "3 0f20 o8 a8 /0 0 $0" },
    { "0f20c8", "" },
    { "0f20d0", "3 0f20 o8 a8 /2 0 $0" },
    { "0f20d8", "3 0f20 o8 a8 /3 0 $0" },
    { "0f20e0", "3 0f20 o8 a8 /4 0 $0" },
    { "0f20e8", "" },
    { "0f20f8", "" },
    { "440f20c0", "" },
    { "410f22d8", "4 0f22 o8 a8X /3 8 $0" },
    { "0f2018", "3 0f20 o8 a8 /3 0 $0" },
    { "0f2105", "3 0f21 o8 a8 /0 5 $0" },
    { "0f21f8", "3 0f21 o8 a8 /7 0 $0" },
    { "440f21c0", "" },
    { "0f23c1", "3 0f23 o8 a8 /0 1 $0" },
    { "450f23c1", "" },
    { "0fa2", "2 0fa2 o4 a8 $0" },
    { "660fa2", "3 0fa2 o2 a8 $0" },
    { "0fabc1", "3 0fab o4 a8 /0 1 $0" },
    { "f00fab01", "4 0fab o4 a8L /0 1 [1+-*1+0] $0" },
    { "0fba2003", "" },
    { "0fba2884", "4 0fba o4 a8 /5 0 [0+-*1+0] $-124" },
    { "480fba3003", "5 0fba o8 a8X /6 0 [0+-*1+0] $3" },
    { "0fba3803", "4 0fba o4 a8 /7 0 [0+-*1+0] $3" },
    { "0fbae003", "" },
    { "f00fb009", "4 0fb0 o1 a8L /1 1 [1+-*1+0] $0" },
    { "0fb108", "3 0fb1 o4 a8 /1 0 [0+-*1+0] $0" },
    { "0fc008", "3 0fc0 o1 a8 /1 0 [0+-*1+0] $0" },
    { "0fc108", "3 0fc1 o4 a8 /1 0 [0+-*1+0] $0" },
    { "0fc308", "3 0fc3 o4 a8 /1 0 [0+-*1+0] $0" },
    { "480fc308", "4 0fc3 o8 a8X /1 0 [0+-*1+0] $0" },
    { "0fc3c8", "" },
    { "660fc308", "" },
    { "0fc7c8", "" },
    { "0fc708", "3 0fc7 o4 a8 /1 0 [0+-*1+0] $0" },
    { "480fc708", "4 0fc7 o8 a8X /1 0 [0+-*1+0] $0" },
    { "0fc700", "" },
    { "0fc710", "" },
    { "f20fc708", "" },
    { "0f30", "2 0f30 o4 a8 $0" },
    { "0f31", "2 0f31 o4 a8 $0" },
    { "0f32", "2 0f32 o4 a8 $0" },
    { "0f33", "2 0f33 o4 a8 $0" },
    { "0f34", "" },
    { "0f0b", "" },
    { "90", "" },
    { "508908", "" },
    { "fa", "1 fa o4 a8 $0" },
    { "fb", "1 fb o4 a8 $0" },
};

static const struct { const char *bytes, *said; } forms32[] = {
    { "408908", "" },
    { "8908", "2 89 o4 a4 /1 0 [0+-*1+0] $0" },
    { "890d01020384", "6 89 o4 a4 /1 5 [-+-*1-2080177663] $0" },
    { "a301020384", "5 a3 o4 a4 [-+-*1-2080177663] $0" },
    { "678908", "" },
    { "0f22c0", "3 0f22 o4 a4 /0 0 $0" },
    { "0f20d8", "3 0f20 o4 a4 /3 0 $0" },
    { "0f23c0", "3 0f23 o4 a4 /0 0 $0" },
    { "6c", "1 6c o1 a4 $0" },
    { "f36d", "2 6d o4 a4R $0" },
    { "66ef", "2 ef o2 a4 $0" },
    { "8904a501020384", "7 89 o4 a4 /0 4 [-+-*1-2080177663] $0" },
    { "8944e3f0", "4 89 o4 a4 /0 4 [3+-*1-16] $0" },
};

static unsigned int from_hex(const char *hex, uint8_t *bytes)
{
    unsigned int n = 0;

    for (; hex[0]; hex += 2) {
        char digits[3] = { hex[0], hex[1], 0 };

        bytes[n++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return n;
}

static const char *number(int n)
{
    static char words[4][8];
    static unsigned int at;
    char *to = words[at++ % 4];

    if (n == INSN_NO_REG) return "-";
    if (n == INSN_REG_RIP) return "ip";
    snprintf(to, sizeof(words[0]), "%d", n);
    return to;
}

static void tell(char *to, size_t size, const struct insn *i)
{
    static const char *const segments[] = { "ES", "CS", "SS", "DS", "FS", "GS" };
    int n = snprintf(to, size, "%u %s%02x o%u a%u%s%s%s%s%s", i->length, i->two_byte ? "0f" : "",
                     i->opcode, i->operand_size, i->address_size, i->rex ? "X" : "",
                     i->lock ? "L" : "", i->rep ? "R" : "", i->repne ? "N" : "",
                     i->segment == INSN_SEG_NONE ? "" : segments[i->segment]);

    if (i->has_modrm)
        n += snprintf(to + n, size - (size_t)n, " /%u %u", i->reg, i->rm);
    if (i->memory)
        n += snprintf(to + n, size - (size_t)n, " [%s+%s*%u%+lld]", number(i->base),
                      number(i->index), i->scale, (long long)i->displacement);
    snprintf(to + n, size - (size_t)n, " $%lld", (long long)i->immediate);
}

static void check_form(const char *hex, const char *expected, bool long_mode)
{
    uint8_t bytes[INSN_MAX_LENGTH];
    unsigned int count = from_hex(hex, bytes);
    struct insn insn;
    enum decode_result result = decode_insn(&insn, bytes, count, long_mode);
    char said[100] = "";

    if (result == DECODE_OK)
        tell(said, sizeof(said), &insn);
    else
        assert_int_equal(result, DECODE_UNKNOWN);
    if (strcmp(said, expected) != 0)
        print_error("{ \"%s\", \"%s\" },\n", hex, said);
    assert_string_equal(said, expected);
    if (result != DECODE_OK) return;
    assert_int_equal(insn.length, count);
    for (unsigned int fewer = 0; fewer < count; fewer++)
        assert_int_equal(decode_insn(&insn, bytes, fewer, long_mode), DECODE_SHORT);
}

static void each_form(void **state)
{
    for (unsigned int i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        check_form(forms[i].bytes, forms[i].said, true);
    for (unsigned int i = 0; i < sizeof(forms32) / sizeof(forms32[0]); i++)
        check_form(forms32[i].bytes, forms32[i].said, false);
}

/* Fifteen bytes are the most, prefixes and all; of more than those nothing is read. */
static void the_longest(void **state)
{
    uint8_t bytes[17];
    struct insn insn;

    memset(bytes, 0x3e, sizeof(bytes));
    for (unsigned int count = 0; count < 15; count++)
        assert_int_equal(decode_insn(&insn, bytes, count, true), DECODE_SHORT);
    for (unsigned int count = 15; count <= 17; count++)
        assert_int_equal(decode_insn(&insn, bytes, count, true), DECODE_UNKNOWN);
    bytes[14] = 0xfa;
    for (unsigned int count = 15; count <= 17; count++) {
        assert_int_equal(decode_insn(&insn, bytes, count, true), DECODE_OK);
        assert_int_equal(insn.length, 15);
    }
    bytes[13] = 0xe4;                           /* in $0xfa, %al */
    assert_int_equal(decode_insn(&insn, bytes, 15, true), DECODE_OK);
    bytes[14] = 0xe4;
    bytes[15] = 0xfa;
    bytes[13] = 0x3e;
    assert_int_equal(decode_insn(&insn, bytes, 16, true), DECODE_UNKNOWN);
}

static struct cpu_user_regs regs;
static uint64_t *const in_order[16] = {
    &regs.rax, &regs.rcx, &regs.rdx, &regs.rbx, &regs.rsp, &regs.rbp, &regs.rsi, &regs.rdi,
    &regs.r8,  &regs.r9,  &regs.r10, &regs.r11, &regs.r12, &regs.r13, &regs.r14, &regs.r15,
};

static int fill_registers(void **state)
{
    for (unsigned int n = 0; n < 16; n++)
        *in_order[n] = 0x1122334455660000 + n * 0x1010 + 0x8081;
    regs.rip = 0x40001000;
    return 0;
}

/* What operand size and register give, and what is left of the register that it is put into. */
static void each_register(void **state)
{
    static const struct { uint8_t size; bool rex; uint64_t seen, kept; } sizes[] = {
        { 1, true, 0xff, ~0xfful },          { 1, false, 0xff, ~0xfful },
        { 2, false, 0xffff, ~0xfffful },     { 4, false, 0xffffffff, 0 },
        { 8, true, ~0ul, 0 },
    };

    for (unsigned int n = 0; n < 16; n++) {
        assert_ptr_equal(regs_register(&regs, n), in_order[n]);
        for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct insn insn = { .operand_size = sizes[i].size, .rex = sizes[i].rex };
            bool high = sizes[i].size == 1 && !sizes[i].rex && n >= 4;
            uint64_t before, whole, new = n & 1 ? 0x99aabbccddeeff77 : 0x6655443322110088;

            if (high && n >= 8)
                continue;
            fill_registers(NULL);
            whole = *in_order[high ? n - 4 : n];
            assert_int_equal(insn_get_register(&insn, &regs, n),
                             high ? whole >> 8 & 0xff : whole & sizes[i].seen);
            before = whole;
            insn_set_register(&insn, &regs, n, new);
            assert_int_equal(*in_order[high ? n - 4 : n],
                             high ? (before & ~0xff00ul) | (new & 0xff) << 8
                                  : (before & sizes[i].kept) | (new & sizes[i].seen));
            for (unsigned int other = 0; other < 16; other++)
                if (other != (high ? n - 4 : n))
                    assert_int_equal(*in_order[other],
                                     0x1122334455660000 + other * 0x1010 + 0x8081);
        }
    }
}

static void each_part_of_an_address(void **state)
{
    struct insn insn = { .base = INSN_NO_REG, .index = INSN_NO_REG, .scale = 4, .length = 7,
                         .address_size = 8, .displacement = -16 };

    assert_int_equal(insn_address(&insn, &regs), -16ul);
    insn.base = 0;
    assert_int_equal(insn_address(&insn, &regs), regs.rax - 16);
    insn.index = 15;
    assert_int_equal(insn_address(&insn, &regs), regs.rax + regs.r15 * 4 - 16);
    insn.base = INSN_NO_REG;
    insn.index = 0;
    assert_int_equal(insn_address(&insn, &regs), regs.rax * 4 - 16);
    insn.address_size = 4;
    assert_int_equal(insn_address(&insn, &regs), (uint32_t)(regs.rax * 4 - 16));
    insn.base = INSN_REG_RIP;
    insn.index = INSN_NO_REG;
    insn.address_size = 8;
    assert_int_equal(insn_address(&insn, &regs), 0x40000ff7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form),
        cmocka_unit_test(the_longest),
        cmocka_unit_test_setup(each_register, fill_registers),
        cmocka_unit_test_setup(each_part_of_an_address, fill_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
