/* SPDX-License-Identifier: MIT */
/*
 * From one privilege to another: exceptions and interrupts by the IDT and the TSS, IRET, SYSCALL
 * and SYSRET (Intel SDM vol. 3, chapter 6; vol. 2). In long mode only: before it, an exception is
 * the end.
 */
#include "internal.h"

enum { GATE_INTERRUPT = 14, GATE_TRAP = 15 };
enum cause { CAUSE_EXCEPTION, CAUSE_INTERRUPT, CAUSE_SOFTWARE };

struct gate {
    uint64_t target;
    uint16_t selector;
    uint8_t stack;              /* 1 to 7: of the TSS's interrupt stacks; 0: by privilege */
    bool masks;                 /* clears IF */
};

static bool read_gate(struct vcpu *vcpu, uint8_t vector, enum cause cause, struct gate *gate)
{
    uint64_t low, high, at = vcpu->idtr.base + 16 * vector;
    uint32_t error = vector * 8u + 2 + (cause != CAUSE_SOFTWARE);       /* the IDT's entry */
    if (16u * vector + 15 > vcpu->idtr.limit) return raise_with(vcpu, VECTOR_GP, error);
    if (!load_linear(vcpu, at, 8, ACCESS_READ, &low) ||
        !load_linear(vcpu, at + 8, 8, ACCESS_READ, &high))
        return false;
    unsigned int type = low >> 40 & 0x1f, dpl = low >> 45 & 3;
    if (type != GATE_INTERRUPT && type != GATE_TRAP) return raise_with(vcpu, VECTOR_GP, error);
    if (cause == CAUSE_SOFTWARE && dpl < vcpu->cpl) return raise_with(vcpu, VECTOR_GP, error);
    if (!(low >> 47 & 1)) return raise_with(vcpu, VECTOR_NP, error);
    gate->target = (low & 0xffff) | (low >> 32 & 0xffff0000) | high << 32;
    gate->selector = (uint16_t)(low >> 16);
    gate->stack = low >> 32 & 7;
    gate->masks = type == GATE_INTERRUPT;
    return true;
}

/* The handler's stack: where the frame ends. */
static bool find_stack(struct vcpu *vcpu, const struct gate *gate, unsigned int cpl, uint64_t *top)
{
    unsigned int offset = gate->stack ? 0x24u + 8 * (gate->stack - 1u) : 4 + 8 * cpl;
    *top = vcpu->general[RSP];
    if (gate->stack || cpl != vcpu->cpl) {
        if (offset + 7 > vcpu->tr.limit)
            return raise_with(vcpu, VECTOR_TS, vcpu->tr.selector & ~3u);
        if (!load_linear(vcpu, vcpu->tr.base + offset, 8, ACCESS_READ, top)) return false;
    }
    *top &= ~15ull;
    return is_canonical(*top) || raise_with(vcpu, VECTOR_SS, 0);
}

static bool enter_handler(struct vcpu *vcpu, const struct fault *fault, enum cause cause,
                          uint64_t return_to)
{
    struct gate gate;
    struct segment code;
    uint64_t top;
    if (!read_gate(vcpu, fault->vector, cause, &gate)) return false;
    /* the handler is of the same privilege or a higher one: as its DPL says */
    if (!(gate.selector & ~3u)) return raise_with(vcpu, VECTOR_GP, 0);
    if (!read_descriptor(vcpu, gate.selector, &code)) return false;
    unsigned int cpl = code.flags & SEGMENT_CONFORMING ? vcpu->cpl : dpl_of(&code);
    if (cpl > vcpu->cpl || !(code.flags & SEGMENT_LONG))
        return raise_with(vcpu, VECTOR_GP, gate.selector & ~3u);
    if (!read_code_segment(vcpu, (uint16_t)(gate.selector & ~3u), cpl, &code) ||
        !find_stack(vcpu, &gate, cpl, &top))
        return false;
    if (!is_canonical(gate.target)) return raise_with(vcpu, VECTOR_GP, 0);

    const uint64_t frame[] = {
        vcpu->segment[SS].selector, vcpu->general[RSP], vcpu->rflags,
        vcpu->segment[CS].selector, return_to, fault->error,
    };
    for (unsigned int i = 0; i < 5u + fault->has_error; i++) {
        top -= 8;
        if (!store_linear(vcpu, top, 8, cpl == 3 ? ACCESS_USER : 0, frame[i])) return false;
    }
    if (cpl != vcpu->cpl)
        vcpu->segment[SS] = (struct segment){ .selector = (uint16_t)cpl };
    set_code_segment(vcpu, &code, cpl);
    vcpu->general[RSP] = top;
    vcpu->rip = gate.target;
    vcpu->rflags &= ~(uint64_t)(FLAG_TF | FLAG_NT | FLAG_RF | (gate.masks ? FLAG_IF : 0));
    vcpu->halted = vcpu->shadow = false;
    return true;
}

static bool is_contributory(uint8_t vector)
{
    return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

static enum step shut_down(struct vcpu *vcpu, const char *reason)
{
    vcpu->reason = reason;
    return STEP_SHUTDOWN;
}

/* An exception on the way to an exception's handler is delivered in its place, or makes a double
 * fault of both; one on the way to that handler shuts down. Each round is worse than the one
 * before: there are at most four. */
enum step deliver_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
    struct fault now = { .vector = vector, .has_error = has_error, .error = error };
    if (!(vcpu->efer & EFER_LMA)) return shut_down(vcpu, "an exception outside long mode");
    if (vector == VECTOR_PF)
        vcpu->cr2 = vcpu->fault.address;
    while (!enter_handler(vcpu, &now, CAUSE_EXCEPTION, vcpu->rip)) {
        const struct fault *next = &vcpu->fault;
        bool page = next->vector == VECTOR_PF, bad = is_contributory(next->vector);
        if (next->vector == FAULT_UNKNOWN) return shut_down(vcpu, vcpu->reason);
        if (page)
            vcpu->cr2 = next->address;
        if (now.vector == VECTOR_DF) return shut_down(vcpu, "a triple fault");
        if ((is_contributory(now.vector) && bad) || (now.vector == VECTOR_PF && (page || bad)))
            now = (struct fault){ .vector = VECTOR_DF, .has_error = true };
        else
            now = *next;
    }
    return STEP_EXCEPTION;
}

enum step deliver_interrupt(struct vcpu *vcpu, uint8_t vector)
{
    const struct fault interrupt = { .vector = vector };
    if (!(vcpu->efer & EFER_LMA)) return shut_down(vcpu, "an interrupt outside long mode");
    if (enter_handler(vcpu, &interrupt, CAUSE_INTERRUPT, vcpu->rip)) return STEP_EXCEPTION;
    if (vcpu->fault.vector == FAULT_UNKNOWN) return shut_down(vcpu, vcpu->reason);
    return deliver_exception(vcpu, vcpu->fault.vector, vcpu->fault.has_error, vcpu->fault.error);
}

/* INT3, INT: the handler returns to the next instruction. */
bool do_interrupt(struct vcpu *vcpu, const struct instruction *insn)
{
    const struct fault interrupt = {
        .vector = insn->opcode == 0xcc ? VECTOR_BP : (uint8_t)insn->immediate
    };
    if (!(vcpu->efer & EFER_LMA)) return unknown(vcpu, "INT outside long mode");
    if (!enter_handler(vcpu, &interrupt, CAUSE_SOFTWARE, vcpu->next_rip)) return false;
    vcpu->next_rip = vcpu->rip;
    return true;
}

/* In 64-bit code IRET always takes the stack with it. */
bool do_iret(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int size = insn->size;
    uint64_t target, selector, flags, top = 0, stack_selector = 0;
    if (vcpu->rflags & FLAG_NT)
        return vcpu->efer & EFER_LMA ? raise_with(vcpu, VECTOR_GP, 0)
                                     : unknown(vcpu, "a task switch");
    if (!pop_at(vcpu, 0, size, &target) || !pop_at(vcpu, size, size, &selector) ||
        !pop_at(vcpu, 2 * size, size, &flags))
        return false;
    bool stack = is_64(vcpu) || (selector & 3) > vcpu->cpl;
    if (stack && (!pop_at(vcpu, 3 * size, size, &top) ||
                  !pop_at(vcpu, 4 * size, size, &stack_selector)))
        return false;
    uint64_t changed = new_flags(vcpu, flags, size);
    if (!return_far(vcpu, (uint16_t)selector, target, stack, (uint16_t)stack_selector, top))
        return false;
    if (!stack)
        drop(vcpu, 3 * size);
    vcpu->rflags = changed;
    return true;
}

/* The selectors come from STAR, and no descriptor is read. */
bool do_syscall(struct vcpu *vcpu, const struct instruction *insn)
{
    uint16_t selector = vcpu->star >> 32 & 0xfffc;
    if (!(vcpu->efer & EFER_SCE) || !(vcpu->efer & EFER_LMA)) return raise(vcpu, VECTOR_UD);
    uint64_t target = is_64(vcpu) ? vcpu->lstar : vcpu->cstar;
    vcpu->general[RCX] = vcpu->next_rip;
    vcpu->general[R11] = vcpu->rflags & ~(uint64_t)FLAG_RF;
    vcpu->rflags = (vcpu->rflags & ~vcpu->sfmask & ~(uint64_t)FLAG_RF) | FLAG_ALWAYS;
    vcpu->segment[CS] = flat_segment(selector, SEGMENT_64_CODE, 0);
    vcpu->segment[SS] = flat_segment((uint16_t)(selector + 8), SEGMENT_DATA, 0);
    vcpu->cpl = 0;
    vcpu->next_rip = target;
    return true;
}

bool do_sysret(struct vcpu *vcpu, const struct instruction *insn)
{
    uint16_t base = vcpu->star >> 48 & 0xffff;
    bool is_long = insn->size == 8;
    if (!(vcpu->efer & EFER_SCE) || !is_64(vcpu)) return raise(vcpu, VECTOR_UD);
    if (!privileged(vcpu)) return false;
    if (is_long && !is_canonical(vcpu->general[RCX])) return raise_with(vcpu, VECTOR_GP, 0);
    uint64_t kept = FLAGS_STATUS | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_AC |
                    FLAG_ID;
    vcpu->next_rip = is_long ? vcpu->general[RCX] : (uint32_t)vcpu->general[RCX];
    vcpu->rflags = (vcpu->general[R11] & kept) | FLAG_ALWAYS;
    vcpu->segment[CS] = flat_segment((uint16_t)((base + (is_long ? 16 : 0)) | 3),
                                     is_long ? SEGMENT_64_CODE : SEGMENT_32_CODE, 3);
    vcpu->segment[SS] = flat_segment((uint16_t)((base + 8) | 3), SEGMENT_DATA, 3);
    vcpu->cpl = 3;
    return true;
}
