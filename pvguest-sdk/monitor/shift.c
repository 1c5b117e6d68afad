/* SPDX-License-Identifier: MIT */
/* Shifts, rotations, and instructions on single bits. */
#include "internal.h"

/* One bit at a time would do for all; at once where it is as short. The result, and CF and OF in
 * *flags; both are as the manuals have them, OF for a count of 1. `count` is not 0. */
static uint64_t rotate(unsigned int kind, uint64_t a, unsigned int count, unsigned int size,
                       uint64_t *flags)
{
    unsigned int bits = 8 * size;
    bool carry = *flags & FLAG_CF, right = kind & 1;
    bool through = kind & 2;                    /* RCL, RCR: CF is one more bit */
    for (count %= through ? bits + 1 : bits; count; count--) {
        bool out = right ? a & 1 : a >> (bits - 1) & 1, in = through ? carry : out;
        a = right ? a >> 1 | (uint64_t)in << (bits - 1) : (a << 1 | in) & size_mask(size);
        carry = out;
    }
    bool top = a >> (bits - 1) & 1, next = a >> (bits - 2) & 1;
    if (!through)       /* though no bit moves, CF is the bit that came around last */
        carry = right ? top : a & 1;
    bool overflow = right ? top != next : top != carry;
    *flags &= ~(uint64_t)(FLAG_CF | FLAG_OF);
    *flags |= (carry ? FLAG_CF : 0) | (overflow ? FLAG_OF : 0);
    return a;
}

static void set_shift_flags(uint64_t *flags, uint64_t result, unsigned int size, bool carry,
                            bool overflow)
{
    uint64_t unaffected = 0;
    alu(ALU_OR, result, 0, size, &unaffected);      /* ZF, SF, PF */
    *flags = (*flags & ~(uint64_t)FLAGS_STATUS) | unaffected | (carry ? FLAG_CF : 0) |
             (overflow ? FLAG_OF : 0);
}

static uint64_t shift(unsigned int kind, uint64_t a, unsigned int count, unsigned int size,
                      uint64_t *flags)
{
    unsigned int bits = 8 * size;
    bool sign = a >> (bits - 1) & 1, carry, overflow;
    uint64_t result;
    if (kind == 5) {                                            /* SHR */
        carry = count <= bits && (a >> (count - 1) & 1);
        result = count < bits ? a >> count : 0;
        overflow = sign;
    } else if (kind == 7) {                                     /* SAR */
        int64_t whole = (int64_t)sign_extend(a, size);
        carry = whole >> (count - 1) & 1;
        result = (uint64_t)(whole >> count) & size_mask(size);
        overflow = false;
    } else {                                                    /* SHL */
        carry = count <= bits && (a >> (bits - count) & 1);
        result = count < bits ? a << count & size_mask(size) : 0;
        overflow = carry != (result >> (bits - 1) & 1);
    }
    set_shift_flags(flags, result, size, carry, overflow);
    return result;
}

/* ROL ROR RCL RCR SHL SHR SHL SAR, by an immediate, by 1, by CL. */
bool do_shift(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int kind = insn->reg & 7, form = insn->opcode & 0xfe;
    uint64_t count = form == 0xc0 ? insn->immediate : form == 0xd0 ? 1 : vcpu->general[RCX];
    uint64_t a, flags = vcpu->rflags;
    count &= insn->size == 8 ? 63 : 31;
    if (!read_rm_to_write(vcpu, insn, insn->size, &a)) return false;
    if (count)
        a = (kind < 4 ? rotate : shift)(kind, a, (unsigned int)count, insn->size, &flags);
    /* A register is written though the count is 0: the upper half is cleared. */
    if (!write_rm(vcpu, insn, insn->size, a)) return false;
    vcpu->rflags = flags;
    return true;
}

/* SHLD and SHRD: bits of the register come in. A count above the size is undefined. */
bool do_double_shift(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int size = insn->size, bits = 8 * size;
    bool right = insn->opcode & 8;
    uint64_t a, b = get_register(vcpu, insn, insn->reg, size), flags = vcpu->rflags;
    uint64_t count = insn->opcode & 1 ? vcpu->general[RCX] : insn->immediate;
    count &= size == 8 ? 63 : 31;
    if (!read_rm_to_write(vcpu, insn, size, &a)) return false;
    if (count && count <= bits) {
        uint64_t rest = bits - count;
        bool carry = (right ? a >> (count - 1) : a >> rest) & 1, sign = a >> (bits - 1) & 1;
        a = count == bits ? b : right ? a >> count | b << rest : a << count | b >> rest;
        a &= size_mask(size);
        set_shift_flags(&flags, a, size, carry, sign != (a >> (bits - 1) & 1));
    }
    if (!write_rm(vcpu, insn, size, a)) return false;
    vcpu->rflags = flags;
    return true;
}

/* BT BTS BTR BTC. A bit number from a register reaches beyond the operand, to both sides; an
 * immediate does not. */
bool do_bit(struct vcpu *vcpu, const struct instruction *insn)
{
    bool immediate = insn->opcode == 0xba;
    unsigned int size = insn->size, kind = (immediate ? insn->reg : insn->opcode >> 3) & 3;
    uint64_t number = immediate ? insn->immediate
                                : sign_extend(get_register(vcpu, insn, insn->reg, size), size);
    uint64_t a, bit = 1ull << (number & (8 * size - 1));
    struct instruction there = *insn;
    if (!immediate && insn->memory)
        there.displacement += ((int64_t)number >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * (int)size;
    if (!(kind ? read_rm_to_write : read_rm)(vcpu, &there, size, &a)) return false;
    uint64_t changed = kind == 1 ? a | bit : kind == 2 ? a & ~bit : a ^ bit;
    if (kind && !write_rm(vcpu, &there, size, changed)) return false;
    vcpu->rflags = (vcpu->rflags & ~(uint64_t)FLAG_CF) | (a & bit ? FLAG_CF : 0);
    return true;
}

/* BSF BSR, with F3, too: there are no TZCNT and LZCNT. */
bool do_bit_scan(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t a;
    if (!read_rm(vcpu, insn, insn->size, &a)) return false;
    vcpu->rflags = (vcpu->rflags & ~(uint64_t)FLAG_ZF) | (a ? 0 : FLAG_ZF);
    if (!a) return true;                                /* the register is left alone */
    set_register(vcpu, insn, insn->reg, insn->size,
                 insn->opcode & 1 ? 63 - (unsigned int)__builtin_clzll(a)
                                  : (unsigned int)__builtin_ctzll(a));
    return true;
}
