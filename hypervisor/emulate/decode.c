/* SPDX-License-Identifier: MIT */
/*
 * The instruction decoder; its purpose and rules are in decode.h.
 *
 * An x86 instruction is: legacy prefixes, at most one REX (64-bit code, right before the opcode),
 * opcode, ModRM, SIB, displacement, immediate. Two tables say for each opcode on the allow-list
 * which of these follow; the functions below consume them in this order. Nobody reads past `count`:
 * every byte comes through next_byte().
 */
#include "emulate/decode.h"
#include <stddef.h>

enum {
    ALLOWED = 1,            /* on the list */
    MODRM = 2,
    BYTE = 4,               /* the operand is one byte, whatever the prefixes say */
    IMM8 = 8,               /* one byte, sign-extended */
    IMMZ = 16,              /* operand-sized, at most four bytes, sign-extended */
    MOFFS = 32,             /* an address-sized absolute offset */
    LOCKABLE = 64,          /* LOCK is legal when the operand is in memory */
    NO_REX_W = 128,         /* the operand is at most four bytes: string and port I/O */
    /* ModRM's mod is ignored, both operands are registers of eight bytes (mov cr, mov dr) */
    REGISTER = 256,
    NO_PREFIX = 512,        /* 66, F2, F3 would make it another instruction */
};
#define ALU  (ALLOWED | MODRM | LOCKABLE)

/* Most come in pairs: of bytes, and of what the prefixes say. */
#define PAIR(opcode, flags) [opcode] = (flags) | BYTE, [opcode + 1] = (flags)
#define PORT(opcode, flags) [opcode] = (flags) | BYTE, [opcode + 1] = (flags) | NO_REX_W

static const uint16_t one_byte[256] = {
    /* add or adc sbb and sub xor */
    PAIR(0x00, ALU), PAIR(0x08, ALU), PAIR(0x10, ALU), PAIR(0x18, ALU), PAIR(0x20, ALU),
    PAIR(0x28, ALU), PAIR(0x30, ALU),
    /* ins outs */
    PORT(0x6c, ALLOWED), PORT(0x6e, ALLOWED),
    /* group 1 */
    [0x80] = ALU | BYTE | IMM8, [0x81] = ALU | IMMZ, [0x83] = ALU | IMM8,
    /* xchg; mov r/m, r; mov moffs, a */
    PAIR(0x86, ALU), PAIR(0x88, ALLOWED | MODRM), PAIR(0xa2, ALLOWED | MOFFS),
    /* movs stos */
    PAIR(0xa4, ALLOWED), PAIR(0xaa, ALLOWED),
    /* mov r/m, imm */
    [0xc6] = ALLOWED | MODRM | BYTE | IMM8, [0xc7] = ALLOWED | MODRM | IMMZ,
    /* in a, imm; out imm, a; in out dx */
    PORT(0xe4, ALLOWED | IMM8), PORT(0xe6, ALLOWED | IMM8), PORT(0xec, ALLOWED),
    PORT(0xee, ALLOWED),
    /* cli sti */
    [0xfa] = ALLOWED, [0xfb] = ALLOWED,
    /* not neg; inc dec */
    PAIR(0xf6, ALU), PAIR(0xfe, ALU),
};

static const uint16_t two_byte[256] = {
    /* xgetbv xsetbv rdtscp */
    [0x01] = ALLOWED | MODRM | NO_PREFIX,
    /* clts wbinvd */
    [0x06] = ALLOWED, [0x09] = ALLOWED | NO_PREFIX,
    /* mov r, cr; mov r, dr */
    [0x20] = ALLOWED | MODRM | REGISTER, [0x21] = ALLOWED | MODRM | REGISTER,
    /* mov cr, r; mov dr, r */
    [0x22] = ALLOWED | MODRM | REGISTER, [0x23] = ALLOWED | MODRM | REGISTER,
    /* wrmsr rdtsc rdmsr rdpmc */
    [0x30] = ALLOWED, [0x31] = ALLOWED, [0x32] = ALLOWED, [0x33] = ALLOWED,
    /* cpuid */
    [0xa2] = ALLOWED,
    /* bts btr btc, group 8 */
    [0xab] = ALU, [0xb3] = ALU, [0xbb] = ALU, [0xba] = ALU | IMM8,
    /* cmpxchg xadd */
    PAIR(0xb0, ALU), PAIR(0xc0, ALU),
    /* movnti cmpxchg8b/16b */
    [0xc3] = ALLOWED | MODRM | NO_PREFIX, [0xc7] = ALU | NO_PREFIX,
};

struct cursor {
    const uint8_t *bytes;
    unsigned int count, at;
    bool short_of_bytes, operand_prefix, address_prefix, long_mode;
    uint8_t rex;
};

static uint8_t next_byte(struct cursor *c)
{
    if (c->at >= c->count) {
        c->short_of_bytes = true;
        return 0;                   /* which is no prefix, so that loops end */
    }
    return c->bytes[c->at++];
}

/* A little-endian number of `size` bytes, sign-extended. */
static int64_t next_number(struct cursor *c, unsigned int size)
{
    uint64_t value = 0;
    for (unsigned int i = 0; i < size; i++)
        value |= (uint64_t)next_byte(c) << (8 * i);
    unsigned int unused = 64 - 8 * size;
    return unused ? (int64_t)(value << unused) >> unused : (int64_t)value;
}

/* Consumes the prefixes; returns the first byte that is none. A REX counts only when nothing but
 * the opcode follows. */
static uint8_t read_prefixes(struct cursor *c, struct insn *insn)
{
    for (;;) {
        uint8_t byte = next_byte(c);
        if (c->long_mode && (byte & 0xf0) == 0x40) {
            c->rex = byte;
            continue;
        }
        switch (byte) {
        case 0x66: c->operand_prefix = true; break;
        case 0x67: c->address_prefix = true; break;
        case 0xf0: insn->lock = true; break;
        case 0xf2: insn->repne = true; insn->rep = false; break;
        case 0xf3: insn->rep = true; insn->repne = false; break;
        case 0x26: insn->segment = INSN_SEG_ES; break;
        case 0x2e: insn->segment = INSN_SEG_CS; break;
        case 0x36: insn->segment = INSN_SEG_SS; break;
        case 0x3e: insn->segment = INSN_SEG_DS; break;
        case 0x64: insn->segment = INSN_SEG_FS; break;
        case 0x65: insn->segment = INSN_SEG_GS; break;
        default: return byte;
        }
        c->rex = 0;         /* a prefix after a REX makes the REX void */
    }
}

/* ModRM's memory operand: SIB and displacement. */
static void read_memory_operand(struct cursor *c, struct insn *insn, unsigned int mod,
                                unsigned int rm)
{
    unsigned int base = rm;
    insn->memory = true;
    insn->index = INSN_NO_REG;
    insn->scale = 1;
    if (rm == 4) {
        uint8_t sib = next_byte(c);
        unsigned int index = (unsigned int)((sib >> 3 & 7) | (c->rex & 2 ? 8 : 0));
        base = sib & 7;
        /* 4 says "no index"; r12 is an index like any other */
        if (index != 4) {
            insn->index = (int8_t)index;
            insn->scale = (uint8_t)(1u << (sib >> 6));
        }
    }
    /* no base: disp32, relative to RIP in 64-bit code without SIB */
    if (mod == 0 && base == 5) {
        insn->base = rm == 5 && c->long_mode ? INSN_REG_RIP : INSN_NO_REG;
        insn->displacement = next_number(c, 4);
        return;
    }
    insn->base = (int8_t)(base | (c->rex & 1 ? 8u : 0u));
    if (mod == 1)
        insn->displacement = next_number(c, 1);
    else if (mod == 2)
        insn->displacement = next_number(c, 4);
}

/* Groups share an opcode; ModRM's reg field tells the members apart. Which members are on the
 * list? */
static bool group_member_allowed(const struct insn *insn, uint8_t modrm)
{
    unsigned int member = modrm >> 3 & 7;
    if (insn->two_byte) {
        switch (insn->opcode) {
        case 0x01: return modrm == 0xd0 || modrm == 0xd1 || modrm == 0xf9;
        case 0xba: return member >= 5;                          /* 4 is bt: it stores nothing */
        case 0xc3: return insn->memory;
        case 0xc7: return member == 1 && insn->memory;
        case 0x20: case 0x22: return member != 1 && member < 5 && insn->reg < 8;    /* cr0 2 3 4 */
        case 0x21: case 0x23: return insn->reg < 8;
        default: return true;
        }
    }
    switch (insn->opcode) {
    case 0x80: case 0x81: case 0x83: return member != 7;        /* cmp stores nothing */
    case 0xc6: case 0xc7: return member == 0;
    case 0xf6: case 0xf7: return member == 2 || member == 3;
    case 0xfe: case 0xff: return member < 2;
    default: return true;
    }
}

static bool read_modrm(struct cursor *c, struct insn *insn, uint16_t flags)
{
    uint8_t modrm = next_byte(c);
    unsigned int mod = modrm >> 6;
    insn->has_modrm = true;
    insn->reg = (uint8_t)((modrm >> 3 & 7) | (c->rex & 4 ? 8 : 0));
    insn->rm = (uint8_t)((modrm & 7) | (c->rex & 1 ? 8 : 0));
    if (mod != 3 && !(flags & REGISTER))
        read_memory_operand(c, insn, mod, modrm & 7);
    return group_member_allowed(insn, modrm);
}

static void set_sizes(struct cursor *c, struct insn *insn, uint16_t flags)
{
    bool wide = (c->rex & 8) && !(flags & NO_REX_W);
    if (flags & BYTE)
        insn->operand_size = 1;
    else if (flags & REGISTER)
        insn->operand_size = c->long_mode ? 8 : 4;
    else
        insn->operand_size = wide ? 8 : c->operand_prefix ? 2 : 4;
    insn->address_size = c->long_mode && !c->address_prefix ? 8 : 4;
}

enum decode_result decode_insn(struct insn *insn, const uint8_t *bytes, unsigned int count,
                               bool long_mode)
{
    struct cursor c = { .bytes = bytes,
                        .count = count < INSN_MAX_LENGTH ? count : INSN_MAX_LENGTH,
                        .long_mode = long_mode };
    *insn = (struct insn){
        .segment = INSN_SEG_NONE, .base = INSN_NO_REG, .index = INSN_NO_REG, .scale = 1
    };

    uint8_t opcode = read_prefixes(&c, insn);
    if (opcode == 0x0f) {
        insn->two_byte = true;
        opcode = next_byte(&c);
    }
    uint16_t flags = insn->two_byte ? two_byte[opcode] : one_byte[opcode];
    if (c.short_of_bytes)
        goto too_short;
    if (!(flags & ALLOWED) || (!long_mode && c.address_prefix))     /* no 16-bit addressing */
        return DECODE_UNKNOWN;
    if ((flags & NO_PREFIX) && (insn->rep || insn->repne || c.operand_prefix))
        return DECODE_UNKNOWN;
    insn->opcode = opcode;
    insn->rex = c.rex != 0;
    set_sizes(&c, insn, flags);

    if ((flags & MODRM) && !read_modrm(&c, insn, flags) && !c.short_of_bytes) return DECODE_UNKNOWN;
    if (flags & MOFFS) {
        insn->memory = true;
        insn->displacement = next_number(&c, insn->address_size);
    }
    if (flags & IMM8)
        insn->immediate = (uint64_t)next_number(&c, 1);
    else if (flags & IMMZ)
        insn->immediate = (uint64_t)next_number(&c, insn->operand_size == 2 ? 2 : 4);
    if (c.short_of_bytes)
        goto too_short;
    if (insn->lock && !((flags & LOCKABLE) && insn->memory))
        return DECODE_UNKNOWN;                                      /* #UD on hardware */
    insn->length = (uint8_t)c.at;
    return DECODE_OK;

too_short:      /* with 15 bytes in hand more cannot help: the instruction is too long */
    return count >= INSN_MAX_LENGTH ? DECODE_UNKNOWN : DECODE_SHORT;
}

uint64_t *regs_register(struct cpu_user_regs *regs, unsigned int number)
{
#define AT(name) offsetof(struct cpu_user_regs, name)
    static const uint8_t offset[16] = {
        AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi),
        AT(r8),  AT(r9),  AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15),
    };
    return (uint64_t *)(void *)((char *)regs + offset[number & 15]);
}

static uint64_t read_register(const struct cpu_user_regs *regs, unsigned int number)
{
    /* read only, below */
    union { const struct cpu_user_regs *in; struct cpu_user_regs *out; } same = { .in = regs };
    return *regs_register(same.out, number);
}

uint64_t insn_address(const struct insn *insn, const struct cpu_user_regs *regs)
{
    uint64_t address = (uint64_t)insn->displacement;
    if (insn->base == INSN_REG_RIP)
        address += regs->rip + insn->length;
    else if (insn->base != INSN_NO_REG)
        address += read_register(regs, (unsigned int)insn->base);
    if (insn->index != INSN_NO_REG)
        address += read_register(regs, (unsigned int)insn->index) * insn->scale;
    return insn->address_size == 4 ? (uint32_t)address : address;
}

/* ah ch dh bh are numbers 4 to 7 of a byte operand without REX: the second byte of registers 0 to
 * 3. */
static bool is_high_byte(const struct insn *insn, unsigned int number)
{
    /* without REX there are eight registers */
    return insn->operand_size == 1 && !insn->rex && number >= 4;
}

uint64_t insn_get_register(const struct insn *insn, const struct cpu_user_regs *regs,
                           unsigned int number)
{
    if (is_high_byte(insn, number)) return (uint8_t)(read_register(regs, number - 4) >> 8);
    return read_register(regs, number) & insn_mask(insn);
}

void insn_set_register(const struct insn *insn, struct cpu_user_regs *regs, unsigned int number,
                       uint64_t value)
{
    if (is_high_byte(insn, number)) {
        uint64_t *whole = regs_register(regs, number - 4);
        *whole = (*whole & ~0xff00ULL) | (value & 0xff) << 8;
        return;
    }
    uint64_t *whole = regs_register(regs, number), mask = insn_mask(insn);
    *whole = (insn->operand_size == 4 ? 0 : *whole & ~mask) | (value & mask);
}
