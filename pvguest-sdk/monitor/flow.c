/* SPDX-License-Identifier: MIT */
/* Jumps, calls and returns, near and far. */
#include "internal.h"

bool do_undefined(struct vcpu *vcpu, const struct instruction *insn)
{
    return insn->row->flags & NOT_64 ? unknown(vcpu, "invalid in 64-bit code, not offered in 32")
                                     : raise(vcpu, VECTOR_UD);
}

/* May code of this segment be at `target`? */
static bool target_allowed(struct vcpu *vcpu, const struct segment *code, uint64_t target)
{
    bool is_long = (vcpu->efer & EFER_LMA) && (code->flags & SEGMENT_LONG);
    return (is_long ? is_canonical(target) : target <= code->limit) ||
           raise_with(vcpu, VECTOR_GP, 0);
}

static bool jump(struct vcpu *vcpu, const struct instruction *insn, uint64_t target)
{
    unsigned int size = is_64(vcpu) ? 8 : insn->size;
    target &= size_mask(size);
    if (!target_allowed(vcpu, &vcpu->segment[CS], target)) return false;
    vcpu->next_rip = target;
    return true;
}

bool do_jcc(struct vcpu *vcpu, const struct instruction *insn)
{
    return !condition(vcpu, insn->opcode) ||
           jump(vcpu, insn, vcpu->next_rip + insn->immediate);
}

bool do_jmp(struct vcpu *vcpu, const struct instruction *insn)
{
    return jump(vcpu, insn, vcpu->next_rip + insn->immediate);
}

static bool call(struct vcpu *vcpu, const struct instruction *insn, uint64_t target)
{
    uint64_t after = vcpu->next_rip;
    return jump(vcpu, insn, target) && push(vcpu, is_64(vcpu) ? 8 : insn->size, after);
}

bool do_call(struct vcpu *vcpu, const struct instruction *insn)
{
    return call(vcpu, insn, vcpu->next_rip + insn->immediate);
}

bool do_ret(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t target;
    if (!pop_at(vcpu, 0, insn->size, &target) || !jump(vcpu, insn, target)) return false;
    drop(vcpu, insn->size + insn->selector);
    return true;
}

/* LOOPNE LOOPE LOOP JRCXZ */
bool do_loop(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int kind = insn->opcode & 3, size = insn->address_size;
    uint64_t count = vcpu->general[RCX] & size_mask(size);
    if (kind == 3) return count || jump(vcpu, insn, vcpu->next_rip + insn->immediate);
    bool zero = vcpu->rflags & FLAG_ZF, again = --count & size_mask(size);
    if (kind < 2 && zero != kind)
        again = false;
    if (again && !jump(vcpu, insn, vcpu->next_rip + insn->immediate)) return false;
    put_register(&vcpu->general[RCX], size, count);
    return true;
}

static bool go_far(struct vcpu *vcpu, unsigned int size, uint16_t selector, uint64_t target,
                   bool is_call)
{
    struct segment code;
    if (!read_code_segment(vcpu, selector, vcpu->cpl, &code) ||
        !target_allowed(vcpu, &code, target))
        return false;
    if (is_call && (!push(vcpu, size, vcpu->segment[CS].selector) ||
                    !push(vcpu, size, vcpu->next_rip)))
        return false;
    set_code_segment(vcpu, &code, vcpu->cpl);
    vcpu->next_rip = target;
    return true;
}

/* 9A: call, EA: jump, of an immediate. */
bool do_far(struct vcpu *vcpu, const struct instruction *insn)
{
    return go_far(vcpu, insn->size, insn->selector, insn->immediate, insn->opcode == 0x9a);
}

static bool far_by_memory(struct vcpu *vcpu, const struct instruction *insn, bool is_call)
{
    uint64_t target, selector, at = effective_address(vcpu, insn);
    if (!insn->memory) return raise(vcpu, VECTOR_UD);
    return load(vcpu, insn->segment, at, insn->size, ACCESS_READ, &target) &&
           load(vcpu, insn->segment, at + insn->size, 2, ACCESS_READ, &selector) &&
           go_far(vcpu, insn->size, (uint16_t)selector, target, is_call);
}

/* INC DEC CALL CALLF JMP JMPF PUSH */
bool do_group5(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int member = insn->reg & 7, size = insn->size;
    uint64_t value;
    if (member < 2) return do_inc_dec(vcpu, insn);
    if (member == 3 || member == 5) return far_by_memory(vcpu, insn, member == 3);
    if (is_64(vcpu))
        size = member == 6 && insn->operand_prefix && insn->size == 2 ? 2 : 8;
    if (!read_rm(vcpu, insn, size, &value)) return false;
    return member == 2 ? call(vcpu, insn, value) : member == 4 ? jump(vcpu, insn, value)
                                                               : push(vcpu, size, value);
}

/* What RETF and IRET share: to code of the same or less privilege, whose stack is given with it
 * (`stack`) or not. */
bool return_far(struct vcpu *vcpu, uint16_t selector, uint64_t target, bool stack,
                uint16_t stack_selector, uint64_t top)
{
    struct segment code, stack_segment;
    unsigned int cpl = selector & 3, before = vcpu->cpl;
    if (cpl < before) return raise_with(vcpu, VECTOR_GP, selector & ~3u);
    if (!read_code_segment(vcpu, selector, cpl, &code) || !target_allowed(vcpu, &code, target))
        return false;
    bool is_long = (vcpu->efer & EFER_LMA) && (code.flags & SEGMENT_LONG);
    if (stack && !read_stack_segment(vcpu, stack_selector, cpl, is_long, &stack_segment))
        return false;
    set_code_segment(vcpu, &code, cpl);
    vcpu->next_rip = target;
    if (stack) {
        vcpu->segment[SS] = stack_segment;
        put_register(&vcpu->general[RSP], stack_size(vcpu), top);
    }
    if (cpl > before)
        drop_segments(vcpu);
    return true;
}

bool do_far_return(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t target, selector, top = 0, stack_selector = 0;
    unsigned int size = insn->size, extra = insn->selector;
    if (!pop_at(vcpu, 0, size, &target) || !pop_at(vcpu, size, size, &selector)) return false;
    bool outer = (selector & 3) > vcpu->cpl;
    if (outer && (!pop_at(vcpu, 2 * size + extra, size, &top) ||
                  !pop_at(vcpu, 3 * size + extra, size, &stack_selector)))
        return false;
    if (!return_far(vcpu, (uint16_t)selector, target, outer, (uint16_t)stack_selector, top))
        return false;
    drop(vcpu, outer ? extra : 2 * size + extra);
    return true;
}
