/* SPDX-License-Identifier: MIT */
/*
 * String instructions. A step does one iteration, or, of REP MOVS and REP STOS within pages that
 * the TLB knows, all that is on them; while there is more to do RIP stays where it is, so that
 * interrupts come in between as they do on a CPU.
 */
#include "internal.h"

/* By how much RSI and RDI move. */
static uint64_t stride(const struct vcpu *vcpu, const struct instruction *insn)
{
    return vcpu->rflags & FLAG_DF ? -(uint64_t)insn->size : insn->size;
}

static void advance(struct vcpu *vcpu, const struct instruction *insn, unsigned int reg,
                    uint64_t count)
{
    put_register(&vcpu->general[reg], insn->address_size,
                 vcpu->general[reg] + count * stride(vcpu, insn));
}

static uint64_t offset_in(const struct vcpu *vcpu, const struct instruction *insn,
                          unsigned int reg)
{
    return vcpu->general[reg] & size_mask(insn->address_size);
}

static bool load_source(struct vcpu *vcpu, const struct instruction *insn, uint64_t *value)
{
    return load(vcpu, insn->segment, offset_in(vcpu, insn, RSI), insn->size, ACCESS_READ, value);
}

/* The destination is ES's, whatever the prefixes say. */
static bool load_destination(struct vcpu *vcpu, const struct instruction *insn,
                             unsigned int access, uint64_t *value)
{
    return load(vcpu, ES, offset_in(vcpu, insn, RDI), insn->size, access, value);
}

static bool store_destination(struct vcpu *vcpu, const struct instruction *insn, uint64_t value)
{
    return store(vcpu, ES, offset_in(vcpu, insn, RDI), insn->size, value);
}

/* After `done` iterations: is there more, by RCX and (of CMPS and SCAS) by ZF? */
static void finish(struct vcpu *vcpu, const struct instruction *insn, uint64_t done, bool compares)
{
    if (!insn->rep && !insn->repne) return;
    put_register(&vcpu->general[RCX], insn->address_size, vcpu->general[RCX] - done);
    vcpu->instructions += done - 1;
    bool more = offset_in(vcpu, insn, RCX);
    if (compares && !(vcpu->rflags & FLAG_ZF) == insn->rep)
        more = false;
    if (more)
        vcpu->next_rip = vcpu->rip;
}

static bool nothing_to_do(const struct vcpu *vcpu, const struct instruction *insn)
{
    return (insn->rep || insn->repne) && !offset_in(vcpu, insn, RCX);
}

/* Where the bytes at RSI or RDI are, and how many items there are from there to the page's end. */
static uint8_t *place_and_room(struct vcpu *vcpu, const struct instruction *insn,
                               unsigned int reg, unsigned int access, uint64_t *room)
{
    uint64_t linear = offset_in(vcpu, insn, reg);
    if (reg == RSI && insn->segment >= FS)
        linear += vcpu->segment[insn->segment].base;
    uint64_t here = (PAGE_OFFSET + 1 - (linear & PAGE_OFFSET)) / insn->size;
    if (here < *room)
        *room = here;
    return tlb_place(vcpu, linear, insn->size, access | user_access(vcpu));
}

/* Many iterations of MOVS or STOS at once. How many; 0: do one the long way. */
static uint64_t do_many(struct vcpu *vcpu, const struct instruction *insn)
{
    bool moves = insn->opcode < 0xa8;
    uint64_t count = offset_in(vcpu, insn, RCX);
    if (!(insn->rep || insn->repne) || (vcpu->rflags & FLAG_DF) || !is_64(vcpu)) return 0;
    uint8_t *to = place_and_room(vcpu, insn, RDI, ACCESS_WRITE, &count);
    const uint8_t *from = moves ? place_and_room(vcpu, insn, RSI, ACCESS_READ, &count) : to;
    if (!to || !from) return 0;
    for (uint64_t i = 0; i < count; i++, to += insn->size, from += insn->size)
        store_place(to, insn->size, moves ? load_place(from, insn->size) : vcpu->general[RAX]);
    advance(vcpu, insn, RDI, count);
    if (moves)
        advance(vcpu, insn, RSI, count);
    return count;
}

static bool do_one(struct vcpu *vcpu, const struct instruction *insn)
{
    uint64_t a = get_register(vcpu, insn, RAX, insn->size), b;
    bool source = true, destination = true;
    switch (insn->opcode & 0xfe) {
    case 0xa4:                                                  /* MOVS */
        if (!load_source(vcpu, insn, &a) || !store_destination(vcpu, insn, a)) return false;
        break;
    case 0xa6:                                                  /* CMPS */
        if (!load_source(vcpu, insn, &a) || !load_destination(vcpu, insn, ACCESS_READ, &b))
            return false;
        alu(ALU_CMP, a, b, insn->size, &vcpu->rflags);
        break;
    case 0xaa:                                                  /* STOS */
        if (!store_destination(vcpu, insn, a)) return false;
        source = false;
        break;
    case 0xac:                                                  /* LODS */
        if (!load_source(vcpu, insn, &a)) return false;
        put_register(&vcpu->general[RAX], insn->size, a);
        destination = false;
        break;
    default:                                                    /* SCAS */
        if (!load_destination(vcpu, insn, ACCESS_READ, &b)) return false;
        alu(ALU_CMP, a, b, insn->size, &vcpu->rflags);
        source = false;
    }
    if (source)
        advance(vcpu, insn, RSI, 1);
    if (destination)
        advance(vcpu, insn, RDI, 1);
    return true;
}

bool do_string(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int kind = insn->opcode & 0xfe;
    uint64_t done = 0;
    if (nothing_to_do(vcpu, insn)) return true;
    if (kind == 0xa4 || kind == 0xaa)
        done = do_many(vcpu, insn);
    if (!done && !do_one(vcpu, insn)) return false;
    finish(vcpu, insn, done ? done : 1, kind == 0xa6 || kind == 0xae);
    return true;
}

/* INS and OUTS: the memory is known to be there before the port is touched. */
bool do_string_port(struct vcpu *vcpu, const struct instruction *insn)
{
    uint16_t port = (uint16_t)vcpu->general[RDX];
    bool out = insn->opcode & 2;
    uint64_t value;
    if (!port_allowed(vcpu, port, insn->size)) return false;
    if (nothing_to_do(vcpu, insn)) return true;
    if (out) {
        if (!load_source(vcpu, insn, &value)) return false;
        vcpu->ops->port_out(vcpu, port, insn->size, (uint32_t)value);
    } else {
        if (!load_destination(vcpu, insn, ACCESS_WRITE, &value)) return false;
        value = vcpu->ops->port_in(vcpu, port, insn->size);
        if (!store_destination(vcpu, insn, value)) return false;
    }
    advance(vcpu, insn, out ? RSI : RDI, 1);
    finish(vcpu, insn, 1, false);
    return true;
}
