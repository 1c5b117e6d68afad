/* SPDX-License-Identifier: MIT */
/* Instructions that move: between registers and memory, to and from the stack and the flags. */
#include "internal.h"

bool do_nop(struct vcpu *vcpu, const struct instruction *insn)
{
    return true;
}

/* 88 89: r/m, r; 8A 8B: r, r/m; 0F C3: MOVNTI, to memory only. */
bool do_mov(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t value;
    if (insn->map && (!insn->memory || insn->operand_prefix)) return raise(vcpu, VECTOR_UD);
    if (insn->map || !(insn->opcode & 2))
        return write_rm(vcpu, insn, insn->size, get_register(vcpu, insn, insn->reg, insn->size));
    if (!read_rm(vcpu, insn, insn->size, &value)) return false;
    set_register(vcpu, insn, insn->reg, insn->size, value);
    return true;
}

bool do_mov_immediate(struct vcpu *vcpu, const struct instruction *insn)
{
    return write_rm(vcpu, insn, insn->size, insn->immediate);
}

/* A0 A1: accumulator from an absolute offset; A2 A3: to it. */
bool do_mov_offset(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t value;
    if (insn->opcode & 2) return write_rm(vcpu, insn, insn->size, vcpu->general[RAX]);
    if (!read_rm(vcpu, insn, insn->size, &value)) return false;
    put_register(&vcpu->general[RAX], insn->size, value);
    return true;
}

bool do_lea(struct vcpu *vcpu, const struct instruction *insn)
{
    if (!insn->memory) return raise(vcpu, VECTOR_UD);
    set_register(vcpu, insn, insn->reg, insn->size, effective_address(vcpu, insn));
    return true;
}

/* MOVZX, MOVSX from one byte or two. */
bool do_extend(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int from = insn->opcode & 1 ? 2 : 1;
    uint64_t value;
    if (!read_rm(vcpu, insn, from, &value)) return false;
    if (insn->opcode & 8)
        value = sign_extend(value, from);
    put_register(&vcpu->general[insn->reg], insn->size, value);
    return true;
}

bool do_movsxd(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int from = insn->size < 4 ? insn->size : 4;
    uint64_t value;
    if (!is_64(vcpu)) return unknown(vcpu, "ARPL");
    if (!read_rm(vcpu, insn, from, &value)) return false;
    put_register(&vcpu->general[insn->reg], insn->size, sign_extend(value, from));
    return true;
}

/* The source is read, and the upper half cleared, whether or not it moves. */
bool do_cmov(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t value;
    if (!read_rm(vcpu, insn, insn->size, &value)) return false;
    if (!condition(vcpu, insn->opcode))
        value = vcpu->general[insn->reg];
    put_register(&vcpu->general[insn->reg], insn->size, value);
    return true;
}

bool do_setcc(struct vcpu *vcpu, const struct instruction *insn)
{
    return write_rm(vcpu, insn, 1, condition(vcpu, insn->opcode));
}

/* 86 87: r/m with r; 90 to 97: accumulator with a register, of which 90 itself is NOP (PAUSE). */
bool do_xchg(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int reg = insn->has_modrm ? insn->reg : RAX;
    uint64_t value;
    if (insn->opcode == 0x90 && insn->rm == RAX) return true;
    if (!read_rm_to_write(vcpu, insn, insn->size, &value) ||
        !write_rm(vcpu, insn, insn->size, get_register(vcpu, insn, reg, insn->size)))
        return false;
    set_register(vcpu, insn, reg, insn->size, value);
    return true;
}

bool do_bswap(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t value = __builtin_bswap64(vcpu->general[insn->rm]);
    if (insn->size == 2)
        value = 0;              /* undefined; what CPUs do */
    put_register(&vcpu->general[insn->rm], insn->size, insn->size == 8 ? value : value >> 32);
    return true;
}

/* 98: CBW CWDE CDQE; 99: CWD CDQ CQO. */
bool do_convert(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int size = insn->size;
    if (insn->opcode == 0x98)
        put_register(&vcpu->general[RAX], size, sign_extend(vcpu->general[RAX], size / 2));
    else
        put_register(&vcpu->general[RDX], size,
                     sign_extend(vcpu->general[RAX], size) >> 63 ? ~0ull : 0);
    return true;
}

bool do_push(struct vcpu *vcpu, const struct instruction *insn)
{
    return push(vcpu, insn->size, vcpu->general[insn->rm]);
}

bool do_pop(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t value;
    if (!pop_at(vcpu, 0, insn->size, &value)) return false;
    drop(vcpu, insn->size);
    put_register(&vcpu->general[insn->rm], insn->size, value);
    return true;
}

bool do_push_immediate(struct vcpu *vcpu, const struct instruction *insn)
{
    return push(vcpu, insn->size, insn->immediate);
}

/* An address by RSP is that after the pop. */
bool do_pop_rm(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t value;
    if (!pop_at(vcpu, 0, insn->size, &value)) return false;
    drop(vcpu, insn->size);
    return write_rm(vcpu, insn, insn->size, value);
}

bool do_push_segment(struct vcpu *vcpu, const struct instruction *insn)
{
    return push(vcpu, insn->size, vcpu->segment[insn->opcode >> 3 & 7].selector);
}

bool do_pop_segment(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t selector;
    unsigned int which = insn->opcode >> 3 & 7;
    if (!pop_at(vcpu, 0, insn->size, &selector)) return false;
    drop(vcpu, insn->size);
    if (!load_segment(vcpu, which, (uint16_t)selector)) return false;
    vcpu->shadow = which == SS;
    return true;
}

bool do_leave(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t value;
    put_register(&vcpu->general[RSP], stack_size(vcpu), vcpu->general[RBP]);
    if (!pop_at(vcpu, 0, insn->size, &value)) return false;
    drop(vcpu, insn->size);
    put_register(&vcpu->general[RBP], insn->size, value);
    return true;
}

bool do_pushf(struct vcpu *vcpu, const struct instruction *insn)
{
    return push(vcpu, insn->size, vcpu->rflags & ~(uint64_t)(FLAG_RF | FLAG_VM));
}

bool do_popf(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t flags;
    if (!pop_at(vcpu, 0, insn->size, &flags)) return false;
    drop(vcpu, insn->size);
    vcpu->rflags = new_flags(vcpu, flags, insn->size);
    return true;
}

uint64_t new_flags(const struct vcpu *vcpu, uint64_t flags, unsigned int size)
{
    uint64_t changes = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
    if (vcpu->cpl <= (vcpu->rflags & FLAG_IOPL) >> 12)
        changes |= FLAG_IF;
    if (vcpu->cpl == 0)
        changes |= FLAG_IOPL;
    if (size == 2)
        changes &= 0xffff;
    return (vcpu->rflags & ~changes) | (flags & changes);
}

/* CMC CLC STC CLD STD */
bool do_flag(struct vcpu *vcpu, const struct instruction *insn)
{
    switch (insn->opcode) {
    case 0xf5: vcpu->rflags ^= FLAG_CF; break;
    case 0xf8: vcpu->rflags &= ~(uint64_t)FLAG_CF; break;
    case 0xf9: vcpu->rflags |= FLAG_CF; break;
    case 0xfc: vcpu->rflags &= ~(uint64_t)FLAG_DF; break;
    default: vcpu->rflags |= FLAG_DF; break;
    }
    return true;
}

/* SAHF LAHF */
bool do_ahf(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t flags = FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF;
    if (insn->opcode == 0x9e)
        vcpu->rflags = (vcpu->rflags & ~flags) | (vcpu->general[RAX] >> 8 & flags);
    else
        vcpu->general[RAX] = (vcpu->general[RAX] & ~0xff00ull) |
                             ((vcpu->rflags & flags) | FLAG_ALWAYS) << 8;
    return true;
}
