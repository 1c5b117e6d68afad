/* SPDX-License-Identifier: MIT */
/*
 * Stores of a guest kernel to its own level-1 tables. The tables are mapped read-only, so the store
 * faults; we decode the instruction, compute what it would have written, and make that an ordinary
 * checked update of the entry. To the guest it looks as if its table were writable (it costs a
 * trap: mmu_update in batches is cheaper). Upper levels are not emulated: their entries are written
 * by hypercall.
 *
 * The instruction is fetched once and decoded from the copy; the address must be the one that the
 * CPU reported. Whatever does not fit is simply a page fault of the guest's.
 */
#include "emulate/fetch.h"
#include "emulate/privileged.h"
#include "entry/trap.h"
#include "machine/io.h"
#include "memory/entry.h"

#define RFLAGS_PF (1u << 2)
#define RFLAGS_AF (1u << 4)
#define RFLAGS_ZF (1u << 6)
#define RFLAGS_SF (1u << 7)
#define RFLAGS_OF (1u << 11)
#define RFLAGS_RESULT (RFLAGS_PF | RFLAGS_ZF | RFLAGS_SF)
#define RFLAGS_ARITH  (RFLAGS_RESULT | RFLAGS_CF | RFLAGS_AF | RFLAGS_OF)

/* One store under way: the operand as it was (old), as it will be (new), and the flags and register
 * that change with it. */
struct store {
    struct insn insn;
    uint64_t old, new, source;
    uint64_t flags;
    /* receives `old` if not negative: xchg, xadd, cmpxchg that failed */
    int16_t result_register;
    bool writes;                    /* false: cmpxchg that failed */
};

/* ---- arithmetic ---- */

static uint64_t sign_bit(const struct insn *i)
{
    return 1UL << (8 * i->operand_size - 1);
}

static void result_flags(struct store *s, uint64_t result, uint64_t changed, uint64_t others)
{
    uint64_t f = others;

    if ((result & insn_mask(&s->insn)) == 0)
        f |= RFLAGS_ZF;
    if (result & sign_bit(&s->insn))
        f |= RFLAGS_SF;
    if (!__builtin_parity((unsigned int)result & 0xff))
        f |= RFLAGS_PF;
    s->flags = (s->flags & ~changed) | (f & changed);
}

static uint64_t add(struct store *s, uint64_t a, uint64_t b, uint64_t carry, uint64_t changed)
{
    uint64_t r = a + b + carry, top = sign_bit(&s->insn);
    uint64_t f = (((a & b) | ((a | b) & ~r)) & top ? RFLAGS_CF : 0) |
                 ((a ^ r) & (b ^ r) & top ? RFLAGS_OF : 0) | ((a ^ b ^ r) & RFLAGS_AF);

    result_flags(s, r, changed, f);
    return r;
}

static uint64_t subtract(struct store *s, uint64_t a, uint64_t b, uint64_t borrow, uint64_t changed)
{
    uint64_t r = a - b - borrow, top = sign_bit(&s->insn);
    uint64_t f = (((~a & b) | (~(a ^ b) & r)) & top ? RFLAGS_CF : 0) |
                 ((a ^ b) & (a ^ r) & top ? RFLAGS_OF : 0) | ((a ^ b ^ r) & RFLAGS_AF);

    result_flags(s, r, changed, f);
    return r;
}

static uint64_t logic(struct store *s, uint64_t r)
{
    result_flags(s, r, RFLAGS_ARITH, 0);
    return r;
}

/* The eight of group 1, also opcodes 00 to 38: add or adc sbb and sub xor (cmp stores nothing). */
static bool group1(struct store *s, unsigned int which)
{
    uint64_t a = s->old, b = s->source, carry = s->flags & RFLAGS_CF;

    switch (which) {
    case 0: s->new = add(s, a, b, 0, RFLAGS_ARITH); return true;
    case 1: s->new = logic(s, a | b); return true;
    case 2: s->new = add(s, a, b, carry, RFLAGS_ARITH); return true;
    case 3: s->new = subtract(s, a, b, carry, RFLAGS_ARITH); return true;
    case 4: s->new = logic(s, a & b); return true;
    case 5: s->new = subtract(s, a, b, 0, RFLAGS_ARITH); return true;
    case 6: s->new = logic(s, a ^ b); return true;
    default: return false;
    }
}

static void bit_operation(struct store *s, unsigned int which, uint64_t number)
{
    uint64_t bit = 1UL << (number & (8 * s->insn.operand_size - 1u));

    s->flags = (s->flags & ~(uint64_t)RFLAGS_CF) | (s->old & bit ? RFLAGS_CF : 0);
    if (which == 5)
        s->new = s->old | bit;
    else if (which == 6)
        s->new = s->old & ~bit;
    else
        s->new = s->old ^ bit;
}

static void compare_exchange(struct store *s, uint64_t accumulator)
{
    subtract(s, accumulator, s->old, 0, RFLAGS_ARITH);
    s->writes = s->flags & RFLAGS_ZF;
    s->new = s->source;
    if (!s->writes)
        s->result_register = 0; /* rax */
}

static bool two_byte(struct store *s, const struct cpu_user_regs *regs)
{
    switch (s->insn.opcode) {
    case 0xab: bit_operation(s, 5, s->source); return true;
    case 0xb3: bit_operation(s, 6, s->source); return true;
    case 0xbb: bit_operation(s, 7, s->source); return true;
    case 0xba: bit_operation(s, s->insn.reg & 7, s->insn.immediate); return true;
    case 0xb0: case 0xb1: compare_exchange(s, insn_get_register(&s->insn, regs, 0)); return true;
    case 0xc0: case 0xc1:
        s->new = add(s, s->old, s->source, 0, RFLAGS_ARITH);
        s->result_register = s->insn.reg;
        return true;
    case 0xc3: s->new = s->source; return true;
    default: return false;
    }
}

/* From the old operand to the new one. False: an instruction that we do not emulate. May run twice:
 * it starts from `old` each time. */
static bool compute(struct store *s, const struct cpu_user_regs *regs)
{
    uint8_t op = s->insn.opcode;

    s->flags = regs->rflags;
    s->result_register = -1;
    s->writes = true;
    s->source = s->insn.has_modrm ? insn_get_register(&s->insn, regs, s->insn.reg)
                                  : insn_get_register(&s->insn, regs, 0);
    if (s->insn.two_byte) return two_byte(s, regs);
    if (op < 0x40) return group1(s, op >> 3);
    switch (op) {
    case 0x80:
    case 0x81:
    case 0x83: s->source = s->insn.immediate; return group1(s, s->insn.reg & 7);
    case 0x86: case 0x87: s->result_register = s->insn.reg; s->new = s->source; return true;
    case 0x88: case 0x89: case 0xa2: case 0xa3: s->new = s->source; return true;
    case 0xc6: case 0xc7: s->new = s->insn.immediate; return true;
    case 0xf6: case 0xf7:
        if ((s->insn.reg & 7) == 2)
            s->new = ~s->old;
        else
            s->new = subtract(s, 0, s->old, 0, RFLAGS_ARITH);
        return true;
    case 0xfe: case 0xff:
        if ((s->insn.reg & 7) == 0)
            s->new = add(s, s->old, 1, 0, RFLAGS_ARITH & ~RFLAGS_CF);
        else
            s->new = subtract(s, s->old, 1, 0, RFLAGS_ARITH & ~RFLAGS_CF);
        return true;
    default: return false;                                      /* string stores and the rest */
    }
}

/* ---- the store ---- */

/* Where the instruction stores. bts, btr, btc with a register reach beyond their operand: the
 * number's upper part counts operands. (Without a 0f in front these opcodes have no operand in
 * memory that is decoded.) */
static uint64_t operand_address(const struct insn *insn, const struct cpu_user_regs *regs)
{
    uint64_t address = insn_address(insn, regs);
    unsigned int bits = 8u * insn->operand_size;
    bool by_register = insn->opcode == 0xab || insn->opcode == 0xb3 || insn->opcode == 0xbb;

    if (by_register) {
        int64_t number = (int64_t)(insn_get_register(insn, regs, insn->reg) << (64 - bits));

        number >>= 64 - bits + (unsigned int)__builtin_ctz(bits);
        address += (uint64_t)number * insn->operand_size;
    }
    return address;
}

/* The 8-byte slot of one of d's valid level-1 tables that va, mapped read-only, lies in; or
 * NULL. */
static uint64_t *find_slot(struct vcpu *v, uint64_t va)
{
    const uint64_t *e = mmu_walk(&v->tables, va);
    const struct frame *f;

    if (!e || !(*e & PTE_PRESENT) || *e & PTE_WRITE || mfn_is_io(pte_mfn(*e))) return NULL;
    f = frame_of(pte_mfn(*e));
    if (f->owner != v->tables.owner || frame_type(f) != FRAME_L1 || !(f->state & FRAME_VALID))
        return NULL;
    return (uint64_t *)map_frame(pte_mfn(*e)) + (va >> 3 & 511);
}

/* Retried while the CPU changes accessed and dirty bits under our feet. */
static bool store_to_slot(struct store *s, struct vcpu *v, uint64_t *slot, unsigned int shift)
{
    struct walk w = { v->tables.owner, v->tables.owner };
    uint64_t mask = insn_mask(&s->insn), seen = __atomic_load_n(slot, __ATOMIC_RELAXED);
    int error;

    do {
        uint64_t whole = seen;

        s->old = seen >> shift & mask;
        if (!compute(s, &v->regs)) return false;
        if (!s->writes) return true;
        error = entry_compare_update(&w, slot, whole,
                                     (whole & ~(mask << shift)) | (s->new & mask) << shift, &seen);
    } while (error == -EAGAIN);
    if (unlikely(error))
        error = entry_refused(error, 1, slot,
                              (seen & ~(mask << shift)) | (s->new & mask) << shift);
    return error == 0;              /* if not: the guest sees a page fault, and can ask why */
}

/* The instruction at RIP, if it is one that stores to `va` within one slot. */
static bool decode_store(struct store *s, const struct vcpu *v, uint64_t va)
{
    if (v->regs.cs != FLAT_RING3_CS64 || !fetch_insn(&s->insn, v->regs.rip, true)) return false;
    if (!s->insn.memory || s->insn.segment == INSN_SEG_FS || s->insn.segment == INSN_SEG_GS ||
        s->insn.address_size != 8)
        return false;
    return operand_address(&s->insn, &v->regs) == va && (va & 7) + s->insn.operand_size <= 8;
}

bool emulate_pt_write(struct vcpu *v, uint64_t cr2)
{
    struct store s;
    uint64_t *slot;
    bool done;

    /* something more urgent first; the instruction faults again */
    if (undo_if_any(v->tables.owner)) return true;

    spin_lock(&v->tables.owner->pagetable_lock);
    /* most faults are not ours: find out before decoding */
    slot = find_slot(v, cr2);
    done = slot && decode_store(&s, v, cr2) && store_to_slot(&s, v, slot, 8 * (cr2 & 7));
    spin_unlock(&v->tables.owner->pagetable_lock);
    if (!done) return false;

    if (s.result_register >= 0)
        insn_set_register(&s.insn, &v->regs, (unsigned int)s.result_register, s.old);
    v->regs.rflags = s.flags;
    v->counters.emulated_pte++;
    emulate_finish(v, s.insn.length);
    return true;
}
