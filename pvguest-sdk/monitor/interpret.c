/* SPDX-License-Identifier: MIT */
/*
 * One step, and many: fetch, decode, execute, and what becomes of a fault.
 *
 * What was decoded is kept, found by RIP, and used again only if the bytes are the same: decoding
 * depends on nothing else, so that nothing has to be invalidated when the guest writes to code.
 */
#include "internal.h"

struct decoded {
    uint64_t bytes[2], mask[2];         /* the instruction's sixteen bytes, those that count */
    struct instruction insn;
    enum code_size code;                /* 0: nothing is kept */
};

uint64_t vcpu_decoded_size(void)
{
    return DECODED_ENTRIES * sizeof(struct decoded);
}

void vcpu_start(struct vcpu *vcpu, const struct machine_ops *ops, void *context, void *decoded)
{
    *vcpu = (struct vcpu){
        .ops = ops, .context = context, .decoded = decoded,
        .rflags = FLAG_ALWAYS, .cr0 = CR0_PE | 1 << 4, .tlb_generation = 1,
        .dr = { [6] = 0xffff0ff0, [7] = 0x400 },
        .pat = 0x0007040600070406ull, .apic_base = 0xfee00900,
    };
    vcpu->segment[CS] = flat_segment(8, SEGMENT_32_CODE, 0);
    for (unsigned int i = 0; i < SEGMENTS; i++)
        if (i != CS)
            vcpu->segment[i] = flat_segment(16, SEGMENT_DATA, 0);
    store_place(vcpu->fpu, 2, 0x37f);           /* the control words as after a reset */
    store_place(vcpu->fpu + 24, 4, 0x1f80);
}

static uint64_t code_address(const struct vcpu *vcpu)
{
    return is_64(vcpu) ? vcpu->rip : (uint32_t)(vcpu->segment[CS].base + vcpu->rip);
}

unsigned int fetch_code(struct vcpu *vcpu, uint8_t bytes[LONGEST_INSTRUCTION])
{
    uint64_t at = code_address(vcpu), byte;
    unsigned int count = 0;
    while (count < LONGEST_INSTRUCTION &&
           load_linear(vcpu, at + count, 1, ACCESS_FETCH | user_access(vcpu), &byte))
        bytes[count++] = (uint8_t)byte;
    return count;
}

/* The long way: across pages, from memory that is not there. */
static bool decode_slowly(struct vcpu *vcpu, struct instruction *insn)
{
    uint8_t bytes[LONGEST_INSTRUCTION];
    unsigned int count = fetch_code(vcpu, bytes);
    if (!count) return false;
    switch (decode(insn, bytes, count, code_size(vcpu))) {
    case DECODED: return true;
    case DECODE_SHORT: return false;            /* the fault of the byte that could not be read */
    case DECODE_TOO_LONG: return raise_with(vcpu, VECTOR_GP, 0);
    default: return unknown(vcpu, "an opcode that is not in the table");
    }
}

static uint64_t byte_mask(unsigned int count)
{
    return count >= 8 ? ~0ull : count ? size_mask(count) : 0;
}

static const struct instruction *fetch(struct vcpu *vcpu, struct instruction *scratch)
{
    uint64_t at = code_address(vcpu);
    const uint8_t *place = tlb_place(vcpu, at, 16, ACCESS_FETCH | user_access(vcpu));
    if (!place || !vcpu->decoded) return decode_slowly(vcpu, scratch) ? scratch : NULL;

    struct decoded *kept = &vcpu->decoded[at % DECODED_ENTRIES];
    enum code_size code = code_size(vcpu);
    uint64_t low = load_place(place, 8), high = load_place(place + 8, 8);
    if (kept->code == code && !((low ^ kept->bytes[0]) & kept->mask[0]) &&
        !((high ^ kept->bytes[1]) & kept->mask[1]))
        return &kept->insn;
    kept->code = 0;
    if (decode(&kept->insn, place, LONGEST_INSTRUCTION, code) != DECODED)
        return decode_slowly(vcpu, scratch) ? scratch : NULL;
    unsigned int length = kept->insn.length;
    kept->bytes[0] = low;
    kept->bytes[1] = high;
    kept->mask[0] = byte_mask(length);
    kept->mask[1] = byte_mask(length > 8 ? length - 8 : 0);
    kept->code = code;
    return &kept->insn;
}

/* What stopped it, for who reads the message. */
static enum step stop(struct vcpu *vcpu, enum step step)
{
    const char *reason = vcpu->reason;
    vcpu->byte_count = (uint8_t)fetch_code(vcpu, vcpu->bytes);
    vcpu->reason = reason;
    return step;
}

static enum step take_fault(struct vcpu *vcpu)
{
    const struct fault *fault = &vcpu->fault;
    if (fault->vector == FAULT_UNKNOWN) return stop(vcpu, STEP_UNKNOWN);
    vcpu->instructions++;                       /* so that faults for ever come to an end, too */
    enum step step = deliver_exception(vcpu, fault->vector, fault->has_error, fault->error);
    return step == STEP_SHUTDOWN ? stop(vcpu, step) : step;
}

enum step interpret_one(struct vcpu *vcpu)
{
    struct instruction scratch;
    uint64_t stack = vcpu->general[RSP], flags = vcpu->rflags;
    if (vcpu->halted) return STEP_HALTED;
    const struct instruction *insn = fetch(vcpu, &scratch);
    if (!insn) return take_fault(vcpu);
    bool shadow = vcpu->shadow;
    vcpu->shadow = false;
    vcpu->next_rip = vcpu->rip + insn->length;
    if (!insn->row->execute(vcpu, insn)) {
        vcpu->general[RSP] = stack;             /* what pushes twice may have moved it */
        vcpu->shadow = shadow;
        return take_fault(vcpu);
    }
    vcpu->rip = vcpu->next_rip;
    vcpu->instructions++;
    if (flags & FLAG_TF) {
        vcpu->dr[6] |= 1 << 14;                 /* BS: a single step */
        return deliver_exception(vcpu, VECTOR_DB, false, 0);
    }
    return vcpu->halted ? STEP_HALTED : STEP_DONE;
}

enum step interpret(struct vcpu *vcpu, uint64_t limit)
{
    uint64_t end = vcpu->instructions + limit;
    while (vcpu->instructions < end) {
        if (vcpu->interrupt_pending && interruptible(vcpu)) return STEP_INTERRUPT;
        enum step step = interpret_one(vcpu);
        if (step != STEP_DONE && step != STEP_EXCEPTION) return step;
    }
    return STEP_DONE;
}
