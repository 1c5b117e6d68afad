/* SPDX-License-Identifier: MIT */
/* A row of the table of instructions (opcodes.c): what follows the opcode, for decode.c, and who
 * executes it.
 */
#ifndef MONITOR_OPCODE_H
#define MONITOR_OPCODE_H

#include "interpret.h"

enum {
    KNOWN = 1,
    MODRM = 1 << 1,
    BYTE = 1 << 2,          /* the operand is one byte, whatever the prefixes say */
    IMM8 = 1 << 3,          /* one byte, sign-extended */
    IMM16 = 1 << 4,         /* two bytes, before any other immediate: RET's, ENTER's */
    IMMZ = 1 << 5,          /* operand-sized, at most four bytes, sign-extended */
    IMMV = 1 << 6,          /* operand-sized, eight bytes, too */
    MOFFS = 1 << 7,         /* an address-sized absolute offset */
    FAR = 1 << 8,           /* offset and selector */
    LOCKABLE = 1 << 9,      /* LOCK is legal when the operand is in memory */
    STACK = 1 << 10,        /* 64-bit code: eight bytes, two with 66 */
    NEAR = 1 << 11,         /* 64-bit code: eight bytes, always */
    NO_REX_W = 1 << 12,     /* at most four bytes: port I/O */
    REGISTERS = 1 << 13,    /* ModRM's mod is ignored; register-sized (mov cr, mov dr) */
    NOT_64 = 1 << 14,       /* #UD in 64-bit code */
    TEST_IMM = 1 << 15,     /* F6, F7: an immediate if ModRM's reg is 0 or 1 */
};

struct opcode {
    /* True: done. False: vcpu->fault says why not, and nothing is changed. */
    bool (*execute)(struct vcpu *vcpu, const struct instruction *insn);
    uint16_t flags;
    uint8_t lockable;       /* which of a group's eight members are, as bits; 0: all */
};

extern const struct opcode one_byte_opcodes[256], two_byte_opcodes[256];

#endif
