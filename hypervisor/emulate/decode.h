/* SPDX-License-Identifier: MIT */
/*
 * The instruction decoder: bytes in, a struct insn out. Pure: it includes no hardware, reads no
 * guest memory and changes no register, so the same file is compared with a disassembler on the
 * host (tests/unit/test_decode.c).
 *
 * It knows only the instructions that we may have to emulate: privileged ones
 * (emulate/privileged.c) and stores to read-only page tables (emulate/ptwrite.c). Everything else
 * is DECODE_UNKNOWN: an allow-list, because a decoder that guesses the length of an instruction it
 * does not know executes something the guest did not write (XSA-106, 123). It shares nothing with
 * the monitor's (pvguest-sdk/monitor/decode.c), which knows all of a kernel's, in three sizes of
 * code: what is alike is how bytes are counted, and ring 0 grows with nobody else's needs.
 */
#ifndef DOMUS_EMULATE_DECODE_H
#define DOMUS_EMULATE_DECODE_H

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

#define INSN_MAX_LENGTH 15      /* Intel SDM vol. 2, 2.3.11: longer ones are #GP on hardware */
#define INSN_NO_REG     (-1)
#define INSN_REG_RIP    16      /* as base: relative to the end of the instruction */
#define INSN_SEG_NONE   0xff    /* no override */
enum { INSN_SEG_ES, INSN_SEG_CS, INSN_SEG_SS, INSN_SEG_DS, INSN_SEG_FS, INSN_SEG_GS };

enum decode_result {
    DECODE_OK,
    DECODE_SHORT,               /* the bytes given end inside the instruction */
    /* not on the list, or not a form we emulate, or longer than 15 bytes */
    DECODE_UNKNOWN,
};

struct insn {
    uint8_t length;             /* bytes */
    bool two_byte;              /* opcode follows 0f */
    uint8_t opcode;
    /* 1, 2, 4 or 8 bytes: the operand in memory or in the accumulator */
    uint8_t operand_size;
    uint8_t address_size;       /* 4 or 8 */
    uint8_t segment;            /* INSN_SEG_* override or INSN_SEG_NONE */
    /* prefixes seen; rex: byte registers 4 to 7 are spl bpl sil dil, not ah ch dh bh */
    bool lock, rep, repne, rex;
    /* memory: the r/m operand is in memory (mod != 3, or an absolute offset) */
    bool has_modrm, memory;
    uint8_t reg, rm;            /* register numbers 0..15; rm is valid when !memory */
    int8_t base, index;         /* of the memory operand: 0..15, INSN_REG_RIP, INSN_NO_REG */
    uint8_t scale;              /* index times 1, 2, 4 or 8 */
    int64_t displacement;
    uint64_t immediate;         /* sign-extended where the CPU does so */
};

/* Decode one instruction of 64-bit code (or 32-bit code when !long_mode) from the first `count`
 * bytes. */
enum decode_result decode_insn(struct insn *insn, const uint8_t *bytes, unsigned int count,
                               bool long_mode);

/* The offset of the memory operand within its segment, truncated to the address size. */
uint64_t insn_address(const struct insn *insn, const struct cpu_user_regs *regs);

/* A general register as the operand size sees it: zero-extended on reading; on writing 4 bytes
 * clear the upper half and 1 or 2 bytes leave the rest alone, as the CPU does. */
uint64_t insn_get_register(const struct insn *insn, const struct cpu_user_regs *regs,
                           unsigned int number);
void insn_set_register(const struct insn *insn, struct cpu_user_regs *regs, unsigned int number,
                       uint64_t value);

/* The bits of an operand of its size. */
static inline uint64_t insn_mask(const struct insn *insn)
{
    return insn->operand_size == 8 ? UINT64_MAX : (1ULL << 8 * insn->operand_size) - 1;
}

/* The whole 64-bit register 0..15 (rax rcx rdx rbx rsp rbp rsi rdi r8..r15). */
uint64_t *regs_register(struct cpu_user_regs *regs, unsigned int number);

#endif
