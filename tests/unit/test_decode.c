/* SPDX-License-Identifier: MIT */
/* The instruction decoder agrees with a disassembler (Zydis) on random instructions, and refuses
 * what it must refuse.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include "emulate/decode.h"

static ZydisDecoder zydis64, zydis32;

static int set_up(void **state)
{
    ZydisDecoderInit(&zydis64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderInit(&zydis32, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
    srandom(4242);
    return 0;
}

/* Our base and index numbers, as Zydis's names. */
static int register_number(ZydisRegister r)
{
    if (r == ZYDIS_REGISTER_NONE) return INSN_NO_REG;
    return r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP ? INSN_REG_RIP
                                                              : ZydisRegisterGetId(r);
}

static void compare_memory_operand(const struct insn *ours, const ZydisDecodedOperand *o)
{
    /* Zydis 4.0 names r13d as base of a SIB without base when both 67 and REX.B are there; without
     * 67 it does not. */
    if (ours->base == INSN_NO_REG && o->mem.base == ZYDIS_REGISTER_R13D && ours->address_size == 4)
        return;
    assert_int_equal(register_number(o->mem.base), ours->base);
    assert_int_equal(register_number(o->mem.index), ours->index);
    if (ours->index != INSN_NO_REG)
        assert_int_equal(o->mem.scale, ours->scale);
    int64_t displacement = o->mem.disp.has_displacement ? o->mem.disp.value : 0;
    if (ours->address_size == 4)
        assert_int_equal((uint32_t)displacement, (uint32_t)ours->displacement);
    else
        assert_int_equal(displacement, ours->displacement);
    /* cmpxchg8b's size is twice the operand size */
    if (ours->opcode != 0xc7 || !ours->two_byte)
        assert_int_equal(o->size, ours->operand_size * 8);
}

/* One instruction that we decode: Zydis must decode it to the same length, address, registers and
 * immediate. */
static void compare(const uint8_t *bytes, const struct insn *ours, bool long_mode)
{
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZyanStatus status = ZydisDecoderDecodeFull(long_mode ? &zydis64 : &zydis32, bytes, 15, &theirs,
                                               operands);
    if (!ZYAN_SUCCESS(status) || theirs.length != ours->length) {
        for (int i = 0; i < 15; i++)
            print_error("%02x ", bytes[i]);
        print_error("ours %d theirs %d status %x\n", ours->length, theirs.length, status);
    }
    assert_true(ZYAN_SUCCESS(status));
    assert_int_equal(theirs.length, ours->length);
    assert_int_equal(theirs.opcode, ours->opcode);
    if (ours->memory)
        assert_int_equal(theirs.address_width, ours->address_size * 8);
    for (unsigned int i = 0; i < theirs.operand_count_visible; i++) {
        const ZydisDecodedOperand *o = &operands[i];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && ours->memory)
            compare_memory_operand(ours, o);
        if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            uint64_t mask = ours->operand_size >= 4 ? ~0ULL
                                                    : (1ULL << (8 * ours->operand_size)) - 1;
            /* a port or bit number is not sign-extended */
            if ((ours->opcode >= 0xe4 && ours->opcode <= 0xe7) ||
                (ours->two_byte && ours->opcode == 0xba))
                mask = 0xff;
            assert_int_equal(o->imm.value.u & mask & 0xffffffff,
                             ours->immediate & mask & 0xffffffff);
        }
    }
}

/* Random bytes, with an opcode of the allow-list more often than chance would have it. */
static void random_instruction(uint8_t *bytes)
{
    static const uint8_t prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36,
                                        0x3e, 0x64, 0x65, 0x48, 0x41, 0x44, 0x4f, 0x42 };
    static const uint8_t opcodes[] = { 0x01, 0x09, 0x20, 0x31, 0x6c, 0x6f, 0x80, 0x81, 0x83,
                                       0x87, 0x88, 0x89, 0xa2, 0xa3, 0xa5, 0xab, 0xc6, 0xc7,
                                       0xe4, 0xe5, 0xed, 0xef, 0xfa, 0xfb, 0xf7, 0xff, 0x06,
                                       0x22, 0x30, 0x32, 0xb1, 0xb3, 0xba, 0xc1, 0xc3 };
    int at = 0;
    for (int i = 0; i < 15; i++)
        bytes[i] = (uint8_t)random();
    while (random() % 3 == 0 && at < 6)
        bytes[at++] = prefixes[random() % (long)sizeof(prefixes)];
    if (random() % 2)
        bytes[at++] = 0x0f;
    if (random() % 2)
        bytes[at] = opcodes[random() % (long)sizeof(opcodes)];
}

static void agrees_with_a_disassembler(void **state)
{
    unsigned int decoded = 0;
    for (int i = 0; i < 2000000; i++) {
        uint8_t bytes[15];
        struct insn insn;
        bool long_mode = i % 4 != 0;
        random_instruction(bytes);
        if (decode_insn(&insn, bytes, 15, long_mode) != DECODE_OK)
            continue;
        decoded++;
        compare(bytes, &insn, long_mode);
        struct insn again;      /* one byte less is too short, never another instruction */
        assert_int_equal(decode_insn(&again, bytes, insn.length - 1u, long_mode), DECODE_SHORT);
        assert_int_equal(decode_insn(&again, bytes, insn.length, long_mode), DECODE_OK);
        assert_memory_equal(&again, &insn, sizeof(insn));
    }
    assert_in_range(decoded, 200000, 2000000);
}

static enum decode_result decode(const char *bytes, unsigned int count, struct insn *insn)
{
    return decode_insn(insn, (const uint8_t *)bytes, count, true);
}

static void refuses_what_is_not_on_the_list(void **state)
{
    struct insn insn;
    assert_int_equal(decode("\x0f\x0b", 2, &insn), DECODE_UNKNOWN);                 /* ud2 */
    assert_int_equal(decode("\x90", 1, &insn), DECODE_UNKNOWN);                     /* nop */
    /* invlpg (%rax) */
    assert_int_equal(decode("\x0f\x01\x38", 3, &insn), DECODE_UNKNOWN);
    /* lock mov %rax, %cr0: CR8 on AMD */
    assert_int_equal(decode("\xf0\x0f\x22\xc0", 4, &insn), DECODE_UNKNOWN);
    /* mov %rax, %cr8 */
    assert_int_equal(decode("\x44\x0f\x22\xc0", 4, &insn), DECODE_UNKNOWN);
    assert_int_equal(decode("\xf3\x0f\x09", 3, &insn), DECODE_UNKNOWN);             /* wbnoinvd */
    /* lock on a register */
    assert_int_equal(decode("\xf0\x48\x87\xc0", 4, &insn), DECODE_UNKNOWN);
    assert_int_equal(
        decode("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\xfa", 16, &insn),
        DECODE_UNKNOWN);
    assert_int_equal(decode("", 0, &insn), DECODE_SHORT);
}

static void computes_addresses_as_the_cpu_does(void **state)
{
    struct insn insn;
    struct cpu_user_regs regs = {
        .rip = 0x1000, .rbx = 0xffffffff00000010, .r12 = 3, .rsp = 0x5000
    };
    /* mov %rax, -16(%rbx,%r12,8) */
    assert_int_equal(decode("\x4a\x89\x44\xe3\xf0", 5, &insn), DECODE_OK);
    assert_int_equal(insn_address(&insn, &regs), 0xffffffff00000018);
    /* mov %eax, 16(%ebx) */
    assert_int_equal(decode("\x67\x89\x43\x10", 4, &insn), DECODE_OK);
    assert_int_equal(insn_address(&insn, &regs), 0x20);
    /* mov %rax, 16(%rip) */
    assert_int_equal(decode("\x48\x89\x05\x10\x00\x00\x00", 7, &insn), DECODE_OK);
    assert_int_equal(insn_address(&insn, &regs), 0x1017);
    /* mov %rax, (%rsp) */
    assert_int_equal(decode("\x48\x89\x04\x24", 4, &insn), DECODE_OK);
    assert_int_equal(insn_address(&insn, &regs), 0x5000);
}

static void registers_keep_or_clear_their_upper_parts(void **state)
{
    struct insn insn;
    struct cpu_user_regs regs = { .rax = 0x1122334455667788 };
    /* mov %ah, (%rdi) */
    assert_int_equal(decode("\x88\x27", 2, &insn), DECODE_OK);
    assert_int_equal(insn_get_register(&insn, &regs, insn.reg), 0x77);
    /* mov %spl, (%rdi) */
    assert_int_equal(decode("\x40\x88\x27", 3, &insn), DECODE_OK);
    assert_int_equal(insn.reg, 4);
    /* in %dx, %al */
    assert_int_equal(decode("\xec", 1, &insn), DECODE_OK);
    insn_set_register(&insn, &regs, 0, 0xff);
    assert_int_equal(regs.rax, 0x11223344556677ff);
    assert_int_equal(decode("\x66\xed", 2, &insn), DECODE_OK);
    insn_set_register(&insn, &regs, 0, 0xabcd);
    assert_int_equal(regs.rax, 0x112233445566abcd);
    assert_int_equal(decode("\xed", 1, &insn), DECODE_OK);
    insn_set_register(&insn, &regs, 0, 0x99);
    assert_int_equal(regs.rax, 0x99);
}

/* All bits of a general register go to a control register and come from it, in 64-bit code; REX
 * names it. */
static void control_registers_are_as_wide_as_the_mode(void **state)
{
    static const uint8_t to_cr0[] = { 0x0f, 0x22, 0xc3 };
    struct insn insn;
    assert_int_equal(decode_insn(&insn, to_cr0, 3, true), DECODE_OK);
    assert_int_equal(insn.operand_size, 8);
    assert_int_equal(decode_insn(&insn, to_cr0, 3, false), DECODE_OK);
    assert_int_equal(insn.operand_size, 4);
    static const struct {
        uint8_t rex, rm;
    } names[] = { { 0x40, 3 }, { 0x41, 11 }, { 0x42, 3 }, { 0x43, 11 }, { 0x48, 3 } };
    for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const uint8_t bytes[] = { names[i].rex, 0x0f, 0x22, 0xc3 };
        assert_int_equal(decode_insn(&insn, bytes, 4, true), DECODE_OK);
        assert_int_equal(insn.rm, names[i].rm);
        assert_int_equal(insn.operand_size, 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_disassembler),
        cmocka_unit_test(refuses_what_is_not_on_the_list),
        cmocka_unit_test(computes_addresses_as_the_cpu_does),
        cmocka_unit_test(registers_keep_or_clear_their_upper_parts),
        cmocka_unit_test(control_registers_are_as_wide_as_the_mode),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
