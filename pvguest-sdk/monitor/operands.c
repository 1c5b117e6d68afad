/* SPDX-License-Identifier: MIT */
/*
 * What an instruction computes with: the operand in a register or in memory, effective addresses,
 * segments' limits and rights, the stack.
 */
#include "internal.h"

enum code_size code_size(const struct vcpu *vcpu)
{
    return is_64(vcpu) ? CODE_64 : vcpu->segment[CS].flags & SEGMENT_BIG ? CODE_32 : CODE_16;
}

uint64_t effective_address(const struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t address = (uint64_t)insn->displacement;
    if (insn->base == BASE_RIP)
        address += vcpu->rip + insn->length;
    else if (insn->base != NO_REGISTER)
        address += vcpu->general[insn->base];
    if (insn->index != NO_REGISTER)
        address += vcpu->general[insn->index] * insn->scale;
    return address & size_mask(insn->address_size);
}

/* In 64-bit code only FS and GS have a base; elsewhere addresses have 32 bits. */
static uint64_t linear_address(const struct vcpu *vcpu, unsigned int segment, uint64_t offset)
{
    if (is_64(vcpu)) return segment < FS ? offset : vcpu->segment[segment].base + offset;
    return (uint32_t)(vcpu->segment[segment].base + offset);
}

uint64_t operand_address(const struct vcpu *vcpu, const struct instruction *insn)
{
    return linear_address(vcpu, insn->segment, effective_address(vcpu, insn));
}

/* Outside 64-bit code: is it inside the segment, and may it be done there? */
static bool segment_allows(const struct segment *segment, uint64_t offset, unsigned int size,
                           unsigned int access)
{
    unsigned int flags = segment->flags;
    bool code = flags & SEGMENT_CODE, down = !code && (flags & SEGMENT_DOWN);
    if (!(flags & SEGMENT_PRESENT)) return false;               /* null */
    if ((access & ACCESS_WRITE) && (code || !(flags & SEGMENT_WRITABLE))) return false;
    if (!(access & ACCESS_WRITE) && code && !(flags & SEGMENT_READABLE)) return false;
    uint64_t last = offset + size - 1;
    if (down) return offset > segment->limit && last <= (flags & SEGMENT_BIG ? 0xffffffff : 0xffff);
    return last <= segment->limit;
}

/* Linear address of `size` bytes in the segment, or #GP, #SS. */
static bool locate(struct vcpu *vcpu, unsigned int segment, uint64_t offset, unsigned int size,
                   unsigned int access, uint64_t *linear)
{
    uint8_t vector = segment == SS ? VECTOR_SS : VECTOR_GP;
    *linear = linear_address(vcpu, segment, offset);
    if (is_64(vcpu) ? is_canonical(*linear) && is_canonical(*linear + size - 1) :
        segment_allows(&vcpu->segment[segment], offset, size, access)) return true;
    return raise_with(vcpu, vector, 0);
}

bool load(struct vcpu *vcpu, unsigned int segment, uint64_t offset, unsigned int size,
          unsigned int access, uint64_t *value)
{
    uint64_t linear;
    return locate(vcpu, segment, offset, size, access, &linear) &&
           load_linear(vcpu, linear, size, access | user_access(vcpu), value);
}

bool store(struct vcpu *vcpu, unsigned int segment, uint64_t offset, unsigned int size,
           uint64_t value)
{
    uint64_t linear;
    return locate(vcpu, segment, offset, size, ACCESS_WRITE, &linear) &&
           store_linear(vcpu, linear, size, ACCESS_WRITE | user_access(vcpu), value);
}

bool read_rm(struct vcpu *vcpu, const struct instruction *insn, unsigned int size,
             uint64_t *value)
{
    if (insn->memory)
        return load(vcpu, insn->segment, effective_address(vcpu, insn), size, ACCESS_READ, value);
    *value = get_register(vcpu, insn, insn->rm, size);
    return true;
}

bool read_rm_to_write(struct vcpu *vcpu, const struct instruction *insn, unsigned int size,
                      uint64_t *value)
{
    if (insn->memory)
        return load(vcpu, insn->segment, effective_address(vcpu, insn), size, ACCESS_WRITE, value);
    *value = get_register(vcpu, insn, insn->rm, size);
    return true;
}

bool write_rm(struct vcpu *vcpu, const struct instruction *insn, unsigned int size,
              uint64_t value)
{
    if (insn->memory) return store(vcpu, insn->segment, effective_address(vcpu, insn), size, value);
    set_register(vcpu, insn, insn->rm, size, value);
    return true;
}

unsigned int stack_size(const struct vcpu *vcpu)
{
    return is_64(vcpu) ? 8 : vcpu->segment[SS].flags & SEGMENT_BIG ? 4 : 2;
}

bool push(struct vcpu *vcpu, unsigned int size, uint64_t value)
{
    unsigned int width = stack_size(vcpu);
    uint64_t top = (vcpu->general[RSP] - size) & size_mask(width);
    if (!store(vcpu, SS, top, size, value)) return false;
    put_register(&vcpu->general[RSP], width, top);
    return true;
}

bool pop_at(struct vcpu *vcpu, uint64_t depth, unsigned int size, uint64_t *value)
{
    uint64_t at = (vcpu->general[RSP] + depth) & size_mask(stack_size(vcpu));
    return load(vcpu, SS, at, size, ACCESS_READ, value);
}

void drop(struct vcpu *vcpu, uint64_t bytes)
{
    put_register(&vcpu->general[RSP], stack_size(vcpu), vcpu->general[RSP] + bytes);
}
