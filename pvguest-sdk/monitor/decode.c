/* SPDX-License-Identifier: MIT */
/*
 * Bytes become a struct instruction. Pure: nothing but the bytes and the code's size decides.
 *
 * An x86 instruction is: legacy prefixes, at most one REX (64-bit code, right before the opcode),
 * opcode, ModRM, SIB, displacement, immediate (Intel SDM vol. 2, chapter 2). The row of the opcode
 * says which of these follow; the functions below consume them in this order. Nobody reads past
 * `count`: each byte comes through next_byte().
 */
#include "internal.h"

struct cursor {
    const uint8_t *bytes;
    unsigned int count, at;
    enum code_size code;
    bool short_of_bytes, address_prefix;
    uint8_t rex;
};

enum { REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };

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
    return (int64_t)sign_extend(value, size);
}

/* Consumes the prefixes; returns the first byte that is none. A REX counts only when nothing but
 * the opcode follows. In 64-bit code the segments without a base are no override. */
static uint8_t read_prefixes(struct cursor *c, struct instruction *insn)
{
    for (;;) {
        uint8_t byte = next_byte(c);
        if (c->code == CODE_64 && (byte & 0xf0) == 0x40) {
            c->rex = byte;
            continue;
        }
        switch (byte) {
        case 0x66: insn->operand_prefix = true; break;
        case 0x67: c->address_prefix = true; break;
        case 0xf0: insn->lock = true; break;
        case 0xf2: insn->repne = true; insn->rep = false; break;
        case 0xf3: insn->rep = true; insn->repne = false; break;
        case 0x26: case 0x2e: case 0x36: case 0x3e:
            if (c->code != CODE_64)
                insn->segment = byte >> 3 & 3;
            break;
        case 0x64: insn->segment = FS; break;
        case 0x65: insn->segment = GS; break;
        default: return byte;
        }
        c->rex = 0;         /* a prefix after a REX makes the REX void */
    }
}

/* 16-bit addressing has eight pairs of registers, and no SIB. */
static void read_address_16(struct cursor *c, struct instruction *insn)
{
    static const int8_t bases[] = { RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX };
    static const int8_t indices[] = { RSI, RDI, RSI, RDI, -1, -1, -1, -1 };
    unsigned int rm = insn->rm & 7;
    bool absolute = insn->mod == 0 && rm == 6;
    insn->base = absolute ? NO_REGISTER : bases[rm];
    insn->index = indices[rm];
    if (absolute || insn->mod == 2)
        insn->displacement = next_number(c, 2);
    else if (insn->mod == 1)
        insn->displacement = next_number(c, 1);
}

static void read_address(struct cursor *c, struct instruction *insn)
{
    unsigned int base = insn->rm & 7;
    bool sib = base == 4;
    if (sib) {
        uint8_t byte = next_byte(c);
        unsigned int index = (unsigned int)((byte >> 3 & 7) | (c->rex & REX_X ? 8 : 0));
        base = byte & 7;
        /* 4 says "no index"; r12 is an index like any other */
        if (index != 4) {
            insn->index = (int8_t)index;
            insn->scale = (uint8_t)(1u << (byte >> 6));
        }
    }
    /* no base: disp32, relative to RIP in 64-bit code without SIB */
    if (insn->mod == 0 && base == 5) {
        insn->base = c->code == CODE_64 && !sib ? BASE_RIP : NO_REGISTER;
        insn->displacement = next_number(c, 4);
        return;
    }
    insn->base = (int8_t)(base | (c->rex & REX_B ? 8u : 0u));
    if (insn->mod == 1)
        insn->displacement = next_number(c, 1);
    else if (insn->mod == 2)
        insn->displacement = next_number(c, 4);
}

static void read_modrm(struct cursor *c, struct instruction *insn, unsigned int flags)
{
    uint8_t modrm = next_byte(c);
    insn->has_modrm = true;
    insn->mod = flags & REGISTERS ? 3 : modrm >> 6;
    insn->reg = (uint8_t)((modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0));
    insn->rm = (uint8_t)((modrm & 7) | (c->rex & REX_B ? 8 : 0));
    if (insn->mod == 3) return;
    insn->memory = true;
    if (insn->address_size == 2)
        read_address_16(c, insn);
    else
        read_address(c, insn);
}

static void set_sizes(const struct cursor *c, struct instruction *insn, unsigned int flags)
{
    bool long_code = c->code == CODE_64, small = insn->operand_prefix != (c->code == CODE_16);
    if (flags & BYTE)
        insn->size = 1;
    else if (flags & REGISTERS)
        insn->size = long_code ? 8 : 4;
    else if ((flags & NEAR) && long_code)
        insn->size = 8;
    else if ((c->rex & REX_W) && !(flags & NO_REX_W))
        insn->size = 8;
    else
        insn->size = small ? 2 : (flags & STACK) && long_code ? 8 : 4;
    insn->address_size = long_code ? (c->address_prefix ? 4 : 8)
                                   : c->address_prefix != (c->code == CODE_16) ? 2 : 4;
}

static void read_immediates(struct cursor *c, struct instruction *insn, unsigned int flags)
{
    unsigned int size = insn->size, most_4 = size < 4 ? size : 4;
    if ((flags & TEST_IMM) && (insn->reg & 7) < 2)
        flags |= size == 1 ? IMM8 : IMMZ;
    if (flags & MOFFS) {
        insn->memory = true;
        insn->displacement = next_number(c, insn->address_size);
    }
    if (flags & IMM16)
        insn->selector = (uint16_t)next_number(c, 2);
    if (flags & IMM8)
        insn->immediate = (uint64_t)next_number(c, 1);
    else if (flags & IMMZ)
        insn->immediate = (uint64_t)next_number(c, most_4);
    else if (flags & IMMV)
        insn->immediate = (uint64_t)next_number(c, size);
    else if (flags & FAR) {
        insn->immediate = (uint64_t)next_number(c, most_4) & (size == 2 ? 0xffff : 0xffffffff);
        insn->selector = (uint16_t)next_number(c, 2);
    }
}

/* What [rsp] and [rbp] address is the stack segment's, unless overridden. */
static uint8_t default_segment(const struct instruction *insn)
{
    return insn->base == RSP || insn->base == RBP ? SS : DS;
}

/* What is #UD by itself: not in 64-bit code, no such member of a group, or LOCK before what does
 * not store. */
static bool is_undefined(const struct instruction *insn, enum code_size code)
{
    const struct opcode *row = insn->row;
    if (code == CODE_64 && (row->flags & NOT_64)) return true;
    if (row->missing >> (insn->reg & 7) & 1) return true;
    if (!insn->lock) return false;
    return !(row->flags & LOCKABLE) || !insn->memory ||
           (row->lockable && !(row->lockable >> (insn->reg & 7) & 1));
}

enum decode_result decode(struct instruction *insn, const uint8_t *bytes, unsigned int count,
                          enum code_size code)
{
    struct cursor c = {
        .bytes = bytes, .code = code,
        .count = count < LONGEST_INSTRUCTION ? count : LONGEST_INSTRUCTION,
    };
    *insn = (struct instruction){
        .segment = SEGMENTS, .base = NO_REGISTER, .index = NO_REGISTER, .scale = 1
    };
    insn->opcode = read_prefixes(&c, insn);
    insn->row = &one_byte_opcodes[insn->opcode];
    if (insn->opcode == 0x0f) {
        insn->map = 1;
        insn->opcode = next_byte(&c);
        insn->row = &two_byte_opcodes[insn->opcode];
    }
    unsigned int flags = insn->row->flags;
    if (!c.short_of_bytes && !(flags & KNOWN)) return DECODE_UNKNOWN;

    insn->rex = c.rex != 0;
    set_sizes(&c, insn, flags);
    if (flags & MODRM)
        read_modrm(&c, insn, flags);
    else        /* the opcode's low bits name a register, where it has one */
        insn->rm = (uint8_t)((insn->opcode & 7) | (c.rex & REX_B ? 8 : 0));
    if (insn->segment == SEGMENTS)
        insn->segment = default_segment(insn);
    read_immediates(&c, insn, flags);
    insn->length = (uint8_t)c.at;
    if (is_undefined(insn, code))
        insn->row = &two_byte_opcodes[0x0b];                    /* UD2's */
    if (!c.short_of_bytes) return DECODED;
    return count >= LONGEST_INSTRUCTION ? DECODE_TOO_LONG : DECODE_SHORT;
}
