/* SPDX-License-Identifier: MIT */
/*
 * Integer arithmetic and its flags. Addition and subtraction share one way to the flags: the
 * carries (or borrows) out of each bit, from which CF, AF and OF are read. What the manuals leave
 * undefined stays as it was, or is what is simplest.
 */
#include "internal.h"

static uint64_t top_bit(unsigned int size)
{
    return 1ull << (8 * size - 1);
}

static uint64_t flags_of_result(uint64_t result, unsigned int size)
{
    uint64_t flags = result & size_mask(size) ? 0 : FLAG_ZF;
    if (result & top_bit(size))
        flags |= FLAG_SF;
    if (!__builtin_parity((unsigned int)(result & 0xff)))
        flags |= FLAG_PF;
    return flags;
}

static uint64_t flags_of_carries(uint64_t carries, unsigned int size)
{
    uint64_t flags = (carries & 1 << 3) << 1;                   /* AF */
    if (carries & top_bit(size))
        flags |= FLAG_CF;
    if ((carries ^ carries << 1) & top_bit(size))
        flags |= FLAG_OF;
    return flags;
}

uint64_t alu(enum alu operation, uint64_t a, uint64_t b, unsigned int size, uint64_t *flags)
{
    uint64_t result, carries = 0, carry = *flags & FLAG_CF;
    switch (operation) {
    case ALU_ADD: carry = 0; __attribute__((fallthrough));
    case ALU_ADC:
        result = a + b + carry;
        carries = (a & b) | ((a | b) & ~result);
        break;
    case ALU_SUB: case ALU_CMP: carry = 0; __attribute__((fallthrough));
    case ALU_SBB:
        result = a - b - carry;
        carries = (~a & b) | ((~a | b) & result);
        break;
    case ALU_OR: result = a | b; break;
    case ALU_AND: result = a & b; break;
    default: result = a ^ b; break;
    }
    *flags = (*flags & ~(uint64_t)FLAGS_STATUS) | flags_of_result(result, size) |
             flags_of_carries(carries, size);
    return result & size_mask(size);
}

bool condition(const struct vcpu *vcpu, unsigned int code)
{
    uint64_t flags = vcpu->rflags;
    bool less = !(flags & FLAG_SF) != !(flags & FLAG_OF), holds;
    switch (code >> 1 & 7) {
    case 0: holds = flags & FLAG_OF; break;
    case 1: holds = flags & FLAG_CF; break;
    case 2: holds = flags & FLAG_ZF; break;
    case 3: holds = flags & (FLAG_CF | FLAG_ZF); break;
    case 4: holds = flags & FLAG_SF; break;
    case 5: holds = flags & FLAG_PF; break;
    case 6: holds = less; break;
    default: holds = less || (flags & FLAG_ZF); break;
    }
    return holds != (code & 1);
}

/* a = a op b in the r/m operand; CMP stores nothing. */
static bool alu_into_rm(struct vcpu *vcpu, const struct instruction *insn, enum alu operation,
                        uint64_t b)
{
    uint64_t a, flags = vcpu->rflags;
    if (operation == ALU_CMP) {
        if (!read_rm(vcpu, insn, insn->size, &a)) return false;
        alu(operation, a, b, insn->size, &flags);
    } else {
        if (!read_rm_to_write(vcpu, insn, insn->size, &a) ||
            !write_rm(vcpu, insn, insn->size, alu(operation, a, b, insn->size, &flags)))
            return false;
    }
    vcpu->rflags = flags;
    return true;
}

/* The opcode says which operation, and of what: r/m, r; r, r/m; accumulator, immediate. */
bool do_alu(struct vcpu *vcpu, const struct instruction *insn)
{
    enum alu operation = insn->opcode >> 3 & 7;
    unsigned int size = insn->size, form = insn->opcode >> 1 & 3;
    if (form == 0)
        return alu_into_rm(vcpu, insn, operation, get_register(vcpu, insn, insn->reg, size));
    unsigned int to = form == 1 ? insn->reg : RAX;
    uint64_t b = insn->immediate & size_mask(size);
    if (form == 1 && !read_rm(vcpu, insn, size, &b)) return false;
    uint64_t result = alu(operation, get_register(vcpu, insn, to, size), b, size, &vcpu->rflags);
    if (operation != ALU_CMP)
        set_register(vcpu, insn, to, size, result);
    return true;
}

bool do_alu_immediate(struct vcpu *vcpu, const struct instruction *insn)
{
    return alu_into_rm(vcpu, insn, insn->reg & 7, insn->immediate & size_mask(insn->size));
}

bool do_test(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t a, b = insn->immediate & size_mask(insn->size);
    if (insn->has_modrm && !read_rm(vcpu, insn, insn->size, &a)) return false;
    if (!insn->has_modrm)
        a = get_register(vcpu, insn, RAX, insn->size);
    if (insn->opcode < 0xa8)
        b = get_register(vcpu, insn, insn->reg, insn->size);
    alu(ALU_AND, a, b, insn->size, &vcpu->rflags);
    return true;
}

/* INC and DEC are an addition that leaves CF alone. 0x40 to 0x4f (32-bit code) name a register. */
bool do_inc_dec(struct vcpu *vcpu, const struct instruction *insn)
{
    bool decrement = insn->has_modrm ? insn->reg & 7 : insn->opcode & 8;
    uint64_t a, flags = vcpu->rflags;
    if (!read_rm_to_write(vcpu, insn, insn->size, &a)) return false;
    a = alu(decrement ? ALU_SUB : ALU_ADD, a, 1, insn->size, &flags);
    if (!write_rm(vcpu, insn, insn->size, a)) return false;
    vcpu->rflags = (flags & ~(uint64_t)FLAG_CF) | (vcpu->rflags & FLAG_CF);
    return true;
}

bool do_cmpxchg(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t a, flags = vcpu->rflags;
    uint64_t expected = get_register(vcpu, insn, RAX, insn->size);
    if (!read_rm_to_write(vcpu, insn, insn->size, &a)) return false;
    alu(ALU_CMP, expected, a, insn->size, &flags);
    bool equal = flags & FLAG_ZF;
    /* the destination is always written, with what it was if they differ */
    uint64_t value = equal ? get_register(vcpu, insn, insn->reg, insn->size) : a;
    if ((insn->memory || equal) && !write_rm(vcpu, insn, insn->size, value)) return false;
    if (!equal)
        set_register(vcpu, insn, RAX, insn->size, a);
    vcpu->rflags = flags;
    return true;
}

bool do_xadd(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t a, flags = vcpu->rflags, b = get_register(vcpu, insn, insn->reg, insn->size);
    if (!read_rm_to_write(vcpu, insn, insn->size, &a)) return false;
    uint64_t sum = alu(ALU_ADD, a, b, insn->size, &flags);
    if (insn->memory && !write_rm(vcpu, insn, insn->size, sum)) return false;
    set_register(vcpu, insn, insn->reg, insn->size, a);
    if (!insn->memory)      /* after it: xadd of a register with itself leaves the sum */
        write_rm(vcpu, insn, insn->size, sum);
    vcpu->rflags = flags;
    return true;
}

/* CMPXCHG8B and CMPXCHG16B; RDRAND and RDSEED are not there (#UD). */
bool do_group9(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int half = insn->size == 8 ? 8 : 4;
    uint64_t low, high, at = effective_address(vcpu, insn);
    if ((insn->reg & 7) != 1 || !insn->memory) return raise(vcpu, VECTOR_UD);
    if (half == 8 && (operand_address(vcpu, insn) & 15)) return raise_with(vcpu, VECTOR_GP, 0);
    if (!load(vcpu, insn->segment, at, half, ACCESS_WRITE, &low) ||
        !load(vcpu, insn->segment, at + half, half, ACCESS_WRITE, &high))
        return false;
    bool equal = low == (vcpu->general[RAX] & size_mask(half)) &&
                 high == (vcpu->general[RDX] & size_mask(half));
    if (!store(vcpu, insn->segment, at, half, equal ? vcpu->general[RBX] : low) ||
        !store(vcpu, insn->segment, at + half, half, equal ? vcpu->general[RCX] : high))
        return false;
    if (!equal) {
        put_register(&vcpu->general[RAX], half, low);
        put_register(&vcpu->general[RDX], half, high);
    }
    vcpu->rflags = (vcpu->rflags & ~(uint64_t)FLAG_ZF) | (equal ? FLAG_ZF : 0);
    return true;
}
