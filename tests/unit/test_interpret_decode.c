/* SPDX-License-Identifier: MIT */
/* The interpreter's decoder agrees with a disassembler (Zydis) on random instructions of 64-, 32-
 * and 16-bit code: length, memory operand, immediate. It reads no byte more than it is given.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include "pvguest-sdk/monitor/interpret.h"
#include "pvguest-sdk/monitor/internal.h"

enum { CASES = 300000 };

static const struct {
    enum code_size code;
    ZydisMachineMode mode;
    ZydisStackWidth stack;
} modes[] = {
    { CODE_64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
    { CODE_32, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32 },
    { CODE_16, ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16 },
};

/* Half of all are prefixes and two-byte opcodes, or nearly none would be. */
static void random_bytes(uint8_t *bytes)
{
    static const uint8_t often[] = { 0x0f, 0x66, 0x67, 0xf2, 0xf3, 0x48, 0x64, 0xf0, 0x41, 0x2e };
    unsigned int count = (unsigned int)random() % 3;
    for (unsigned int i = 0; i < 15; i++)
        bytes[i] = i < count ? often[random() % sizeof often] : (uint8_t)random();
}

static int register_number(ZydisRegister name)
{
    if (name == ZYDIS_REGISTER_NONE) return NO_REGISTER;
    return name == ZYDIS_REGISTER_RIP || name == ZYDIS_REGISTER_EIP ? BASE_RIP
                                                                    : ZydisRegisterGetId(name);
}

static void compare_memory(const struct instruction *ours, const ZydisDecodedOperand *operand)
{
    static const ZydisRegister segments[] = {
        ZYDIS_REGISTER_ES, ZYDIS_REGISTER_CS, ZYDIS_REGISTER_SS, ZYDIS_REGISTER_DS,
        ZYDIS_REGISTER_FS, ZYDIS_REGISTER_GS,
    };
    uint64_t mask = size_mask(ours->address_size);
    int64_t displacement = operand->mem.disp.has_displacement ? operand->mem.disp.value : 0;
    /* Zydis 4.0 names r13d as base of a SIB without base when both 67 and REX.B are there */
    if (ours->base == NO_REGISTER && operand->mem.base == ZYDIS_REGISTER_R13D) return;
    assert_int_equal(register_number(operand->mem.base), ours->base);
    assert_int_equal(register_number(operand->mem.index), ours->index);
    if (ours->index != NO_REGISTER && ours->address_size > 2)
        assert_int_equal(operand->mem.scale, ours->scale);
    assert_int_equal((uint64_t)displacement & mask, (uint64_t)ours->displacement & mask);
    if (operand->mem.type == ZYDIS_MEMOP_TYPE_MEM)          /* not of LEA */
        assert_int_equal(operand->mem.segment, segments[ours->segment]);
}

/* Zydis's is not sign-extended where it is a port, a vector, a count. */
static void compare_immediate(const struct instruction *ours,
                              const ZydisDecodedInstruction *theirs,
                              const ZydisDecodedOperand *operand)
{
    unsigned int bytes = theirs->raw.imm[0].size / 8;
    uint64_t mask = operand->imm.is_signed ? size_mask(ours->size) : size_mask(bytes);
    if (ours->row->flags & IMM16)               /* RET's; ENTER's two */
        assert_true(operand->imm.value.u == ours->selector ||
                    (ours->opcode == 0xc8 && operand->imm.value.u == (ours->immediate & 0xff)));
    else
        assert_int_equal(operand->imm.value.u & mask, ours->immediate & mask);
}

static void compare(const uint8_t *bytes, const struct instruction *ours,
                    const ZydisDecoder *decoder)
{
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZyanStatus status = ZydisDecoderDecodeFull(decoder, bytes, 15, &theirs, operands);
    /* what Zydis knows to be #UD we decode, and executing it is #UD, or an error of its own; so is
     * 8F as the prefix XOP */
    if (!ZYAN_SUCCESS(status) || theirs.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return;
    if (theirs.length != ours->length || theirs.opcode != ours->opcode) {
        for (unsigned int i = 0; i < 15; i++)
            print_error("%02x ", bytes[i]);
        fail_msg("length %u, Zydis %u", ours->length, theirs.length);
    }
    if (ours->row->execute == do_nop) return;           /* some hints have become instructions */
    if (ours->memory)
        assert_int_equal(theirs.address_width, ours->address_size * 8);
    for (unsigned int i = 0; i < theirs.operand_count_visible; i++) {
        const ZydisDecodedOperand *operand = &operands[i];
        if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY && ours->memory)
            compare_memory(ours, operand);
        if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && theirs.raw.imm[0].size)
            compare_immediate(ours, &theirs, operand);
    }
}

/* With one byte less it is short, and with none of those that follow it is the same. */
static void cut(const uint8_t *bytes, const struct instruction *whole, enum code_size code)
{
    struct instruction again;
    uint8_t *copy = malloc(whole->length);
    memcpy(copy, bytes, whole->length);
    assert_int_equal(decode(&again, copy, whole->length, code), DECODED);
    assert_memory_equal(&again, whole, sizeof again);
    for (unsigned int count = 0; count < whole->length; count++) {
        uint8_t *less = malloc(count + !count);
        memcpy(less, bytes, count);
        assert_int_equal(decode(&again, less, count, code), DECODE_SHORT);
        free(less);
    }
    free(copy);
}

static void agrees_with_zydis(void **state)
{
    srandom(4242);
    for (unsigned int m = 0; m < 3; m++) {
        unsigned int decoded = 0;
        ZydisDecoder decoder;
        ZydisDecoderInit(&decoder, modes[m].mode, modes[m].stack);
        for (unsigned int i = 0; i < CASES; i++) {
            uint8_t bytes[15];
            struct instruction ours;
            random_bytes(bytes);
            if (decode(&ours, bytes, 15, modes[m].code) != DECODED)
                continue;
            compare(bytes, &ours, &decoder);
            if (i % 16 == 0)
                cut(bytes, &ours, modes[m].code);
            decoded++;
        }
        assert_in_range(decoded, CASES / 4, CASES);
    }
}

static void refuses(void **state)
{
    static const uint8_t prefixes[20] = { [0 ... 19] = 0x66 };
    static const uint8_t long_one[20] = { [0 ... 12] = 0x66, [13] = 0x81, [14] = 0xc0 };
    static const uint8_t unknown_1[] = { 0xd8, 0xc0 }, unknown_2[] = { 0x0f, 0x58, 0xc0 };
    struct instruction insn;
    assert_int_equal(decode(&insn, prefixes, 20, CODE_64), DECODE_TOO_LONG);
    assert_int_equal(decode(&insn, long_one, 20, CODE_64), DECODE_TOO_LONG);
    assert_int_equal(decode(&insn, prefixes, 14, CODE_64), DECODE_SHORT);
    assert_int_equal(decode(&insn, unknown_1, 2, CODE_64), DECODE_UNKNOWN);
    assert_int_equal(decode(&insn, unknown_2, 3, CODE_64), DECODE_UNKNOWN);
}

/* #UD, by the row of UD2: PUSH ES in 64-bit code, and LOCK where it is not allowed. */
static void knows_what_is_undefined(void **state)
{
    static const struct {
        uint8_t bytes[6];
        bool undefined;
    } cases[] = {
        { { 0x06 }, true },
        { { 0xf0, 0x01, 0x00 }, false },                /* lock add [rax], eax */
        { { 0xf0, 0x01, 0xc0 }, true },                 /* to a register */
        { { 0xf0, 0x03, 0x00 }, true },                 /* from memory */
        { { 0xf0, 0x83, 0x38, 0 }, true },              /* cmp */
        { { 0xf0, 0x83, 0x20, 0 }, false },             /* and */
        { { 0xf0, 0x0f, 0xba, 0x20, 0 }, true },        /* bt */
        { { 0xf0, 0x0f, 0xba, 0x28, 0 }, false },       /* bts */
        { { 0xf0, 0xff, 0x10 }, true },                 /* call */
        { { 0xf0, 0xf7, 0x18 }, false },                /* neg */
        { { 0xf0, 0xf7, 0x20 }, true },                 /* mul */
    };
    for (unsigned int i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct instruction insn;
        assert_int_equal(decode(&insn, cases[i].bytes, 6, CODE_64), DECODED);
        assert_int_equal(insn.row == &two_byte_opcodes[0x0b], cases[i].undefined);
    }
    struct instruction insn;
    assert_int_equal(decode(&insn, cases[0].bytes, 6, CODE_32), DECODED);
    assert_ptr_not_equal(insn.row, &two_byte_opcodes[0x0b]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_zydis),
        cmocka_unit_test(refuses),
        cmocka_unit_test(knows_what_is_undefined),
    };
    return cmocka_run_group_tests_name("interpret_decode", tests, NULL, NULL);
}
