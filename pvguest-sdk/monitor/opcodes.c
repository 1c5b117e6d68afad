/* SPDX-License-Identifier: MIT */
/*
 * All instructions that the interpreter knows: what follows the opcode and who executes it. An
 * opcode without a row is unknown: an error that names it, never a guess.
 */
#include "internal.h"

/* Most come in pairs: of bytes, and of what the prefixes say. */
#define ROW(opcode, what, how, ...) [opcode] = { how, KNOWN | (what), __VA_ARGS__ }
#define PAIR(opcode, what, how, ...) \
    ROW(opcode, (what) | BYTE, how, __VA_ARGS__), ROW(opcode + 1, what, how, __VA_ARGS__)
#define TIMES_4(opcode, what, how) \
    ROW(opcode, what, how), ROW(opcode + 1, what, how), ROW(opcode + 2, what, how), \
    ROW(opcode + 3, what, how)
#define TIMES_8(opcode, what, how) \
    TIMES_4(opcode, what, how), TIMES_4(opcode + 4, what, how)
#define TIMES_16(opcode, what, how) \
    TIMES_8(opcode, what, how), TIMES_8(opcode + 8, what, how)
/* add or adc sbb and sub xor cmp: r/m, r; r, r/m; accumulator, immediate */
#define ALU(opcode, locks) \
    PAIR(opcode, MODRM | (locks), do_alu), PAIR(opcode + 2, MODRM, do_alu), \
    ROW(opcode + 4, BYTE | IMM8, do_alu), ROW(opcode + 5, IMMZ, do_alu)
#define INVALID_64(opcode) ROW(opcode, NOT_64, do_undefined)
/* What differs between the members of a group that LOCK may precede. */
#define MEMBERS(...) .lockable = (uint8_t)(__VA_ARGS__)
#define MISSING(members) .missing = (members)

const struct opcode one_byte_opcodes[256] = {
    ALU(0x00, LOCKABLE), ALU(0x08, LOCKABLE), ALU(0x10, LOCKABLE), ALU(0x18, LOCKABLE),
    ALU(0x20, LOCKABLE), ALU(0x28, LOCKABLE), ALU(0x30, LOCKABLE), ALU(0x38, 0),
    /* push and pop of es cs ss ds */
    ROW(0x06, STACK | NOT_64, do_push_segment), ROW(0x07, STACK | NOT_64, do_pop_segment),
    ROW(0x0e, STACK | NOT_64, do_push_segment),
    ROW(0x16, STACK | NOT_64, do_push_segment), ROW(0x17, STACK | NOT_64, do_pop_segment),
    ROW(0x1e, STACK | NOT_64, do_push_segment), ROW(0x1f, STACK | NOT_64, do_pop_segment),
    TIMES_16(0x40, NOT_64, do_inc_dec),
    TIMES_8(0x50, STACK, do_push), TIMES_8(0x58, STACK, do_pop),
    ROW(0x63, MODRM, do_movsxd),
    ROW(0x68, STACK | IMMZ, do_push_immediate), ROW(0x6a, STACK | IMM8, do_push_immediate),
    ROW(0x69, MODRM | IMMZ, do_imul), ROW(0x6b, MODRM | IMM8, do_imul),
    PAIR(0x6c, NO_REX_W, do_string_port), PAIR(0x6e, NO_REX_W, do_string_port),
    TIMES_16(0x70, NEAR | IMM8, do_jcc),
    ROW(0x80, MODRM | BYTE | IMM8 | LOCKABLE, do_alu_immediate, MEMBERS(0x7f)),
    ROW(0x81, MODRM | IMMZ | LOCKABLE, do_alu_immediate, MEMBERS(0x7f)),
    ROW(0x83, MODRM | IMM8 | LOCKABLE, do_alu_immediate, MEMBERS(0x7f)),
    PAIR(0x84, MODRM, do_test), PAIR(0x86, MODRM | LOCKABLE, do_xchg),
    PAIR(0x88, MODRM, do_mov), PAIR(0x8a, MODRM, do_mov),
    ROW(0x8c, MODRM, do_mov_from_segment), ROW(0x8e, MODRM, do_mov_to_segment),
    ROW(0x8d, MODRM, do_lea), ROW(0x8f, MODRM | STACK, do_pop_rm, MISSING(0xfe)),
    TIMES_8(0x90, 0, do_xchg), ROW(0x98, 0, do_convert), ROW(0x99, 0, do_convert),
    ROW(0x9b, 0, do_nop), ROW(0x9c, STACK, do_pushf), ROW(0x9d, STACK, do_popf),
    ROW(0x9a, FAR | NOT_64, do_far), ROW(0xea, FAR | NOT_64, do_far),
    ROW(0x9e, BYTE, do_ahf), ROW(0x9f, BYTE, do_ahf),
    PAIR(0xa0, MOFFS, do_mov_offset), PAIR(0xa2, MOFFS, do_mov_offset),
    PAIR(0xa4, 0, do_string), PAIR(0xa6, 0, do_string), PAIR(0xaa, 0, do_string),
    PAIR(0xac, 0, do_string), PAIR(0xae, 0, do_string),
    ROW(0xa8, BYTE | IMM8, do_test), ROW(0xa9, IMMZ, do_test),
    TIMES_8(0xb0, BYTE | IMM8, do_mov_immediate), TIMES_8(0xb8, IMMV, do_mov_immediate),
    PAIR(0xc0, MODRM | IMM8, do_shift), PAIR(0xd0, MODRM, do_shift), PAIR(0xd2, MODRM, do_shift),
    ROW(0xc2, NEAR | IMM16, do_ret), ROW(0xc3, NEAR, do_ret),
    ROW(0xc6, MODRM | BYTE | IMM8, do_mov_immediate, MISSING(0xfe)),
    ROW(0xc7, MODRM | IMMZ, do_mov_immediate, MISSING(0xfe)),
    ROW(0xc9, STACK, do_leave),
    ROW(0xca, IMM16, do_far_return), ROW(0xcb, 0, do_far_return),
    ROW(0xcc, 0, do_interrupt), ROW(0xcd, IMM8, do_interrupt), ROW(0xcf, 0, do_iret),
    TIMES_4(0xe0, NEAR | IMM8, do_loop),
    PAIR(0xe4, IMM8 | NO_REX_W, do_port), PAIR(0xe6, IMM8 | NO_REX_W, do_port),
    PAIR(0xec, NO_REX_W, do_port), PAIR(0xee, NO_REX_W, do_port),
    ROW(0xe8, NEAR | IMMZ, do_call), ROW(0xe9, NEAR | IMMZ, do_jmp), ROW(0xeb, NEAR | IMM8, do_jmp),
    ROW(0xf4, 0, do_halt), ROW(0xf5, 0, do_flag), ROW(0xf8, 0, do_flag), ROW(0xf9, 0, do_flag),
    ROW(0xfa, 0, do_cli_sti), ROW(0xfb, 0, do_cli_sti), ROW(0xfc, 0, do_flag),
    ROW(0xfd, 0, do_flag),
    PAIR(0xf6, MODRM | TEST_IMM | LOCKABLE, do_group3, MEMBERS(1 << 2 | 1 << 3)),
    ROW(0xfe, MODRM | BYTE | LOCKABLE, do_inc_dec, MEMBERS(3), MISSING(0xfc)),
    ROW(0xff, MODRM | LOCKABLE, do_group5, MEMBERS(3), MISSING(0x80)),
    /* Invalid in 64-bit code: there #UD. Their 32-bit forms are not offered. */
    INVALID_64(0x27), INVALID_64(0x2f), INVALID_64(0x37), INVALID_64(0x3f), INVALID_64(0x60),
    INVALID_64(0x61), INVALID_64(0xce), INVALID_64(0xd6),
};

const struct opcode two_byte_opcodes[256] = {
    ROW(0x00, MODRM, do_group6, MISSING(0xc0)), ROW(0x01, MODRM, do_group7),
    ROW(0x02, MODRM, do_lar_lsl), ROW(0x03, MODRM, do_lar_lsl),
    ROW(0x05, 0, do_syscall), ROW(0x06, 0, do_clts), ROW(0x07, 0, do_sysret),
    ROW(0x08, 0, do_invalidate_caches), ROW(0x09, 0, do_invalidate_caches),
    ROW(0x0b, 0, do_undefined), ROW(0xb9, MODRM, do_undefined), ROW(0xff, MODRM, do_undefined),
    /* prefetches, and the hints that are no-operations, ENDBR among them */
    ROW(0x0d, MODRM, do_nop), TIMES_8(0x18, MODRM, do_nop),
    ROW(0x20, MODRM | REGISTERS, do_mov_control), ROW(0x22, MODRM | REGISTERS, do_mov_control),
    ROW(0x21, MODRM | REGISTERS, do_mov_debug), ROW(0x23, MODRM | REGISTERS, do_mov_debug),
    ROW(0x30, 0, do_msr), ROW(0x31, 0, do_tsc), ROW(0x32, 0, do_msr),
    TIMES_16(0x40, MODRM, do_cmov), TIMES_16(0x80, NEAR | IMMZ, do_jcc),
    TIMES_16(0x90, MODRM | BYTE, do_setcc),
    ROW(0xa0, STACK, do_push_segment), ROW(0xa1, STACK, do_pop_segment),
    ROW(0xa8, STACK, do_push_segment), ROW(0xa9, STACK, do_pop_segment),
    ROW(0xa2, 0, do_cpuid),
    ROW(0xa3, MODRM, do_bit), ROW(0xab, MODRM | LOCKABLE, do_bit),
    ROW(0xb3, MODRM | LOCKABLE, do_bit), ROW(0xbb, MODRM | LOCKABLE, do_bit),
    ROW(0xba, MODRM | IMM8 | LOCKABLE, do_bit, MEMBERS(0xe0), MISSING(0x0f)),
    ROW(0xa4, MODRM | IMM8, do_double_shift), ROW(0xa5, MODRM, do_double_shift),
    ROW(0xac, MODRM | IMM8, do_double_shift), ROW(0xad, MODRM, do_double_shift),
    ROW(0xae, MODRM, do_group15), ROW(0xaf, MODRM, do_imul),
    PAIR(0xb0, MODRM | LOCKABLE, do_cmpxchg), PAIR(0xc0, MODRM | LOCKABLE, do_xadd),
    ROW(0xb2, MODRM, do_load_far_pointer), ROW(0xb4, MODRM, do_load_far_pointer),
    ROW(0xb5, MODRM, do_load_far_pointer),
    ROW(0xb6, MODRM, do_extend), ROW(0xb7, MODRM, do_extend),
    ROW(0xbe, MODRM, do_extend), ROW(0xbf, MODRM, do_extend),
    ROW(0xbc, MODRM, do_bit_scan), ROW(0xbd, MODRM, do_bit_scan),
    ROW(0xc3, MODRM, do_mov), ROW(0xc7, MODRM | LOCKABLE, do_group9, MEMBERS(1 << 1)),
    TIMES_8(0xc8, 0, do_bswap),
};

bool executed_by(const struct instruction *insn, execute *const list[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (insn->row->execute == list[i]) return true;
    return false;
}
