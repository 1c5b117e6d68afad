/* SPDX-License-Identifier: MIT */
/*
 * Segments: descriptors in the guest's GDT and LDT, and the instructions that load segment
 * registers or ask about selectors (Intel SDM vol. 3, chapters 3 and 5).
 */
#include "internal.h"

enum { SELECTOR_LDT = 4, TYPE_LDT = 2, TYPE_TSS = 9, TYPE_TSS_BUSY = 11 };

struct segment flat_segment(uint16_t selector, unsigned int flags, unsigned int dpl)
{
    return (struct segment){ .selector = selector, .limit = 0xffffffff,
                             .flags = (uint16_t)(flags | dpl << SEGMENT_DPL_SHIFT) };
}

static bool is_null(uint16_t selector)
{
    return !(selector & ~3u);
}

static bool is_code(const struct segment *segment)
{
    unsigned int kind = SEGMENT_NOT_SYSTEM | SEGMENT_CODE;
    return (segment->flags & kind) == kind;
}

static uint64_t descriptor_address(const struct vcpu *vcpu, uint16_t selector, uint64_t *limit)
{
    bool local = selector & SELECTOR_LDT;
    *limit = local ? (vcpu->ldtr.flags & SEGMENT_PRESENT ? vcpu->ldtr.limit : 0)
                   : vcpu->gdtr.limit;
    return (local ? vcpu->ldtr.base : vcpu->gdtr.base) + (selector & ~7u);
}

bool read_descriptor(struct vcpu *vcpu, uint16_t selector, struct segment *segment)
{
    uint64_t limit, low, high = 0, at = descriptor_address(vcpu, selector, &limit);
    if ((selector | 7u) > limit) return raise_with(vcpu, VECTOR_GP, selector & ~3u);
    if (!load_linear(vcpu, at, 8, ACCESS_READ, &low)) return false;
    segment->selector = selector;
    segment->flags = (uint16_t)((low >> 40 & 0xff) | (low >> 44 & 0xf00));
    segment->limit = (uint32_t)((low & 0xffff) | (low >> 32 & 0xf0000));
    if (segment->flags & SEGMENT_PAGES)
        segment->limit = segment->limit << 12 | 0xfff;
    segment->base = (low >> 16 & 0xffffff) | (low >> 32 & 0xff000000);
    /* in long mode a system descriptor has sixteen bytes */
    if ((vcpu->efer & EFER_LMA) && !(segment->flags & SEGMENT_NOT_SYSTEM)) {
        if ((selector | 7u) + 8 > limit) return raise_with(vcpu, VECTOR_GP, selector & ~3u);
        if (!load_linear(vcpu, at + 8, 8, ACCESS_READ, &high)) return false;
        segment->base |= high << 32;
    }
    return true;
}

/* Writes the descriptor's type back: accessed, or (a TSS) busy. */
static bool mark(struct vcpu *vcpu, struct segment *segment, unsigned int bit)
{
    uint64_t limit, at = descriptor_address(vcpu, segment->selector, &limit);
    if (segment->flags & bit) return true;
    segment->flags |= (uint16_t)bit;
    return store_linear(vcpu, at + 5, 1, ACCESS_WRITE, segment->flags & 0xff);
}

bool read_code_segment(struct vcpu *vcpu, uint16_t selector, unsigned int cpl,
                       struct segment *segment)
{
    uint32_t error = selector & ~3u;
    if (is_null(selector)) return raise_with(vcpu, VECTOR_GP, 0);
    if (!read_descriptor(vcpu, selector, segment)) return false;
    unsigned int flags = segment->flags, dpl = dpl_of(segment);
    if (!(flags & SEGMENT_NOT_SYSTEM)) return unknown(vcpu, "a call gate or a task switch");
    bool allowed = flags & SEGMENT_CONFORMING ? dpl <= cpl : dpl == cpl && (selector & 3) <= cpl;
    bool both = (vcpu->efer & EFER_LMA) && (flags & SEGMENT_LONG) && (flags & SEGMENT_BIG);
    if (!is_code(segment) || !allowed || both) return raise_with(vcpu, VECTOR_GP, error);
    if (!(flags & SEGMENT_PRESENT)) return raise_with(vcpu, VECTOR_NP, error);
    return mark(vcpu, segment, SEGMENT_ACCESSED);
}

void set_code_segment(struct vcpu *vcpu, const struct segment *segment, unsigned int cpl)
{
    vcpu->segment[CS] = *segment;
    vcpu->segment[CS].selector = (uint16_t)((segment->selector & ~3u) | cpl);
    vcpu->cpl = (uint8_t)cpl;
}

/* Null is good for 64-bit code of less than level 3. */
bool read_stack_segment(struct vcpu *vcpu, uint16_t selector, unsigned int cpl, bool is_long,
                        struct segment *segment)
{
    uint32_t error = selector & ~3u;
    if (is_null(selector)) {
        *segment = (struct segment){ .selector = selector };
        return (is_long && cpl < 3 && (selector & 3) == cpl) || raise_with(vcpu, VECTOR_GP, 0);
    }
    if (!read_descriptor(vcpu, selector, segment)) return false;
    bool good = (segment->flags & SEGMENT_NOT_SYSTEM) && !is_code(segment) &&
                (segment->flags & SEGMENT_WRITABLE) && dpl_of(segment) == cpl &&
                (selector & 3) == cpl;
    if (!good) return raise_with(vcpu, VECTOR_GP, error);
    if (!(segment->flags & SEGMENT_PRESENT)) return raise_with(vcpu, VECTOR_SS, error);
    return mark(vcpu, segment, SEGMENT_ACCESSED);
}

static bool data_allowed(const struct vcpu *vcpu, const struct segment *segment)
{
    unsigned int flags = segment->flags, rpl = segment->selector & 3, dpl = dpl_of(segment);
    if (!(flags & SEGMENT_NOT_SYSTEM)) return false;
    if (is_code(segment) && !(flags & SEGMENT_READABLE)) return false;
    return (is_code(segment) && (flags & SEGMENT_CONFORMING)) || (rpl <= dpl && vcpu->cpl <= dpl);
}

bool load_segment(struct vcpu *vcpu, unsigned int which, uint16_t selector)
{
    uint32_t error = selector & ~3u;
    struct segment segment = { .selector = selector };
    if (which == SS) {
        if (!read_stack_segment(vcpu, selector, vcpu->cpl, is_64(vcpu), &segment)) return false;
    } else if (!is_null(selector)) {
        if (!read_descriptor(vcpu, selector, &segment)) return false;
        if (!data_allowed(vcpu, &segment)) return raise_with(vcpu, VECTOR_GP, error);
        if (!(segment.flags & SEGMENT_PRESENT)) return raise_with(vcpu, VECTOR_NP, error);
        if (!mark(vcpu, &segment, SEGMENT_ACCESSED)) return false;
    }
    vcpu->segment[which] = segment;
    return true;
}

void drop_segments(struct vcpu *vcpu)
{
    static const uint8_t data[] = { ES, DS, FS, GS };
    for (unsigned int i = 0; i < 4; i++) {
        struct segment *segment = &vcpu->segment[data[i]];
        bool conforming = is_code(segment) && (segment->flags & SEGMENT_CONFORMING);
        if (!is_null(segment->selector) && !conforming && dpl_of(segment) < vcpu->cpl)
            *segment = (struct segment){ .base = segment->base };
    }
}

/* A selector goes to memory as two bytes, to a register with the upper ones cleared. */
static bool write_selector(struct vcpu *vcpu, const struct instruction *insn, uint16_t selector)
{
    return write_rm(vcpu, insn, insn->memory ? 2 : insn->size, selector);
}

bool do_mov_from_segment(struct vcpu *vcpu, const struct instruction *insn)
{
    if ((insn->reg & 7) >= SEGMENTS) return raise(vcpu, VECTOR_UD);
    return write_selector(vcpu, insn, vcpu->segment[insn->reg & 7].selector);
}

bool do_mov_to_segment(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int which = insn->reg & 7;
    uint64_t selector;
    if (which >= SEGMENTS || which == CS) return raise(vcpu, VECTOR_UD);
    if (!read_rm(vcpu, insn, 2, &selector) || !load_segment(vcpu, which, (uint16_t)selector))
        return false;
    vcpu->shadow = which == SS;
    return true;
}

/* LSS LFS LGS: offset to a register, and a selector. */
bool do_load_far_pointer(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t offset, selector, at = effective_address(vcpu, insn);
    if (!insn->memory) return raise(vcpu, VECTOR_UD);
    if (!load(vcpu, insn->segment, at, insn->size, ACCESS_READ, &offset) ||
        !load(vcpu, insn->segment, at + insn->size, 2, ACCESS_READ, &selector) ||
        !load_segment(vcpu, insn->opcode & 7, (uint16_t)selector))
        return false;
    put_register(&vcpu->general[insn->reg], insn->size, offset);
    return true;
}

/* LLDT (null: none) and LTR. */
static bool load_system_segment(struct vcpu *vcpu, uint16_t selector, bool task)
{
    uint32_t error = selector & ~3u;
    struct segment segment = { .selector = selector };
    if (is_null(selector) && !task) {
        vcpu->ldtr = segment;
        return true;
    }
    if (is_null(selector)) return raise_with(vcpu, VECTOR_GP, 0);
    if (selector & SELECTOR_LDT) return raise_with(vcpu, VECTOR_GP, error);
    if (!read_descriptor(vcpu, selector, &segment)) return false;
    unsigned int type = segment.flags & (SEGMENT_TYPE | SEGMENT_NOT_SYSTEM);
    if (type != (task ? TYPE_TSS : TYPE_LDT)) return raise_with(vcpu, VECTOR_GP, error);
    if (!(segment.flags & SEGMENT_PRESENT)) return raise_with(vcpu, VECTOR_NP, error);
    if (task && !mark(vcpu, &segment, TYPE_TSS ^ TYPE_TSS_BUSY)) return false;
    *(task ? &vcpu->tr : &vcpu->ldtr) = segment;
    return true;
}

static void set_zero_flag(struct vcpu *vcpu, bool zero)
{
    vcpu->rflags = (vcpu->rflags & ~(uint64_t)FLAG_ZF) | (zero ? FLAG_ZF : 0);
}

/* For what answers by ZF: whether there is such a descriptor. False: it is answered (*done), or
 * reading the table faulted. */
static bool ask_descriptor(struct vcpu *vcpu, uint16_t selector, struct segment *segment,
                           bool *done)
{
    if (!is_null(selector) && read_descriptor(vcpu, selector, segment)) return true;
    *done = is_null(selector) || vcpu->fault.vector == VECTOR_GP;
    if (*done)
        set_zero_flag(vcpu, false);
    return false;
}

/* VERR, VERW: could a segment register be loaded with it, for reading, for writing? */
static bool verify(struct vcpu *vcpu, uint16_t selector, bool write)
{
    struct segment segment;
    bool done;
    if (!ask_descriptor(vcpu, selector, &segment, &done)) return done;
    bool writable = !is_code(&segment) && (segment.flags & SEGMENT_WRITABLE);
    set_zero_flag(vcpu, data_allowed(vcpu, &segment) && (!write || writable));
    return true;
}

/* SLDT STR LLDT LTR VERR VERW */
bool do_group6(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int member = insn->reg & 7;
    uint64_t selector;
    if (member < 2)
        return write_selector(vcpu, insn, member ? vcpu->tr.selector : vcpu->ldtr.selector);
    if (member < 4 && !privileged(vcpu)) return false;
    if (!read_rm(vcpu, insn, 2, &selector)) return false;
    if (member < 4) return load_system_segment(vcpu, (uint16_t)selector, member == 3);
    return verify(vcpu, (uint16_t)selector, member == 5);
}

/* LAR (the descriptor's second word) and LSL (its limit), of code, data, LDT, TSS; LAR of call
 * gates, too. */
bool do_lar_lsl(struct vcpu *vcpu, const struct instruction *insn)
{
    bool limit = insn->opcode & 1, done;
    struct segment segment;
    uint64_t selector;
    if (!read_rm(vcpu, insn, 2, &selector)) return false;
    if (!ask_descriptor(vcpu, (uint16_t)selector, &segment, &done)) return done;
    unsigned int type = segment.flags & SEGMENT_TYPE, dpl = dpl_of(&segment);
    bool known = (segment.flags & SEGMENT_NOT_SYSTEM) || type == TYPE_LDT || type == TYPE_TSS ||
                 type == TYPE_TSS_BUSY || (type == 12 && !limit);
    bool conforming = is_code(&segment) && (segment.flags & SEGMENT_CONFORMING);
    bool visible = known && (conforming || (vcpu->cpl <= dpl && (selector & 3) <= dpl));
    set_zero_flag(vcpu, visible);
    if (!visible) return true;
    uint64_t rights = (segment.flags & 0xffull) << 8 | (segment.flags & 0xf00ull) << 12;
    put_register(&vcpu->general[insn->reg], insn->size, limit ? segment.limit : rights);
    return true;
}
