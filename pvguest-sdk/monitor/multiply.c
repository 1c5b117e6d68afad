/* SPDX-License-Identifier: MIT */
/* Multiplication and division, of which each has a result of two words, and the group of opcodes
 * F6 and F7 that they are in.
 */
#include "internal.h"

struct wide {
    uint64_t low, high;         /* of `size` bytes each, zero-extended */
};

static struct wide multiply(uint64_t a, uint64_t b, unsigned int size, bool is_signed)
{
    unsigned __int128 product = is_signed
        ? (unsigned __int128)((__int128)(int64_t)sign_extend(a, size) *
                              (int64_t)sign_extend(b, size))
        : (unsigned __int128)a * b;
    return (struct wide){ (uint64_t)product & size_mask(size),
                          (uint64_t)(product >> 8 * size) & size_mask(size) };
}

/* CF and OF: the product does not fit in the lower word. */
static void set_multiply_flags(struct vcpu *vcpu, struct wide product, unsigned int size,
                               bool is_signed)
{
    bool negative = is_signed && (product.low >> (8 * size - 1) & 1);
    vcpu->rflags &= ~(uint64_t)(FLAG_CF | FLAG_OF);
    if (product.high != (negative ? size_mask(size) : 0))
        vcpu->rflags |= FLAG_CF | FLAG_OF;
}

/* The accumulator's two words: AH:AL for bytes, else DX:AX and their like. */
static struct wide get_accumulator(const struct vcpu *vcpu, unsigned int size)
{
    uint64_t a = vcpu->general[RAX];
    if (size == 1) return (struct wide){ a & 0xff, a >> 8 & 0xff };
    return (struct wide){ a & size_mask(size), vcpu->general[RDX] & size_mask(size) };
}

static void set_accumulator(struct vcpu *vcpu, struct wide value, unsigned int size)
{
    if (size == 1) {
        put_register(&vcpu->general[RAX], 2, value.high << 8 | value.low);
        return;
    }
    put_register(&vcpu->general[RAX], size, value.low);
    put_register(&vcpu->general[RDX], size, value.high);
}

/* Needs high < divisor: the quotient fits. A freestanding program has no division of 128 bits. */
static struct wide divide(struct wide dividend, uint64_t divisor, unsigned int size)
{
    struct wide result;
    if (size < 8) {
        uint64_t whole = dividend.high << 8 * size | dividend.low;
        return (struct wide){ whole / divisor, whole % divisor };
    }
    __asm__("divq %4" : "=a" (result.low), "=d" (result.high)
            : "0" (dividend.low), "1" (dividend.high), "rm" (divisor) : "cc");
    return result;
}

static struct wide negate(struct wide value, unsigned int size)
{
    uint64_t mask = size_mask(size);
    return (struct wide){ -value.low & mask, (~value.high + !value.low) & mask };
}

/* Quotient to the low, remainder to the high word of the accumulator; #DE when the quotient has no
 * room. Signed: by the magnitudes; the remainder has the dividend's sign. */
static bool divide_accumulator(struct vcpu *vcpu, uint64_t divisor, unsigned int size,
                               bool is_signed)
{
    uint64_t mask = size_mask(size), top = mask ^ mask >> 1;
    struct wide dividend = get_accumulator(vcpu, size);
    bool minus = is_signed && (dividend.high & top), other = is_signed && (divisor & top);
    if (minus)
        dividend = negate(dividend, size);
    if (other)
        divisor = -divisor & mask;
    if (dividend.high >= divisor) return raise(vcpu, VECTOR_DE);
    struct wide result = divide(dividend, divisor, size);
    if (is_signed && result.low > top - (minus == other)) return raise(vcpu, VECTOR_DE);
    if (minus != other)
        result.low = -result.low & mask;
    if (minus)
        result.high = -result.high & mask;
    set_accumulator(vcpu, result, size);
    return true;
}

/* TEST, NOT, NEG, MUL, IMUL, DIV, IDIV */
bool do_group3(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int member = insn->reg & 7, size = insn->size;
    uint64_t a, flags = vcpu->rflags;
    if (member < 2) return do_test(vcpu, insn);
    if (!(member < 4 ? read_rm_to_write : read_rm)(vcpu, insn, size, &a)) return false;
    if (member == 2) return write_rm(vcpu, insn, size, ~a);
    if (member == 3) {
        if (!write_rm(vcpu, insn, size, alu(ALU_SUB, 0, a, size, &flags))) return false;
        vcpu->rflags = flags;
        return true;
    }
    bool is_signed = member & 1;
    if (member >= 6) return divide_accumulator(vcpu, a, size, is_signed);
    struct wide product = multiply(vcpu->general[RAX] & size_mask(size), a, size, is_signed);
    set_accumulator(vcpu, product, size);
    set_multiply_flags(vcpu, product, size, is_signed);
    return true;
}

/* IMUL r, r/m and IMUL r, r/m, immediate */
bool do_imul(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t a, b = insn->map ? get_register(vcpu, insn, insn->reg, insn->size)
                              : insn->immediate & size_mask(insn->size);
    if (!read_rm(vcpu, insn, insn->size, &a)) return false;
    struct wide product = multiply(a, b, insn->size, true);
    set_register(vcpu, insn, insn->reg, insn->size, product.low);
    set_multiply_flags(vcpu, product, insn->size, true);
    return true;
}
