/* SPDX-License-Identifier: MIT */
/*
 * Every form of a store that ring 0 does for a guest on its page table gives what the CPU itself
 * gives on ordinary memory: the same bytes, the same flags, the same registers, the same length.
 * Instructions, operands, registers and flags are random; the entry is not present, so that all of
 * its bits but one are free. Forms that are not done stay page faults and change nothing. Idea:
 * XSA-123, 195, 200 (decoder and arithmetic errors in an emulator).
 */
#include "../lib/probe.h"

#define ARITHMETIC 0x8d5UL
#define ROUNDS     60

static union probe_stack stack;
static struct probe *const p = &stack.probe;
static uint64_t seed = 0x9e3779b97f4a7c15UL;
static volatile uint64_t *slot;                 /* an entry of a page table, mapped read-only */
static uint64_t memory[4] __attribute__((aligned(64)));

enum {
    BYTE = 1,
    IMM8 = 2,
    IMMZ = 4,
    LOCK = 8,
    NO_FLAGS = 16,
    BITS = 32,
    ACCUMULATOR = 64,
    NO_16 = 128,
    WIDE = 256
};
static const struct form { uint8_t two_byte, opcode; int8_t member; uint16_t is;
} forms[] = {
    { 0, 0x00, -1, BYTE | LOCK },
    { 0, 0x01, -1, LOCK },
    { 0, 0x08, -1, BYTE | LOCK },
    { 0, 0x09, -1, LOCK },
    { 0, 0x10, -1, BYTE | LOCK },
    { 0, 0x11, -1, LOCK },
    { 0, 0x18, -1, BYTE | LOCK },
    { 0, 0x19, -1, LOCK },
    { 0, 0x20, -1, BYTE | LOCK },
    { 0, 0x21, -1, LOCK },
    { 0, 0x28, -1, BYTE | LOCK },
    { 0, 0x29, -1, LOCK },
    { 0, 0x30, -1, BYTE | LOCK },
    { 0, 0x31, -1, LOCK },
    { 0, 0x80, 0, BYTE | IMM8 | LOCK },
    { 0, 0x80, 1, BYTE | IMM8 | LOCK },
    { 0, 0x80, 2, BYTE | IMM8 | LOCK },
    { 0, 0x80, 3, BYTE | IMM8 | LOCK },
    { 0, 0x80, 4, BYTE | IMM8 | LOCK },
    { 0, 0x80, 5, BYTE | IMM8 | LOCK },
    { 0, 0x80, 6, BYTE | IMM8 | LOCK },
    { 0, 0x81, 0, IMMZ | LOCK },
    { 0, 0x81, 1, IMMZ | LOCK },
    { 0, 0x81, 2, IMMZ | LOCK },
    { 0, 0x81, 3, IMMZ | LOCK },
    { 0, 0x81, 4, IMMZ | LOCK },
    { 0, 0x81, 5, IMMZ | LOCK },
    { 0, 0x81, 6, IMMZ | LOCK },
    { 0, 0x83, 0, IMM8 | LOCK },
    { 0, 0x83, 2, IMM8 | LOCK },
    { 0, 0x83, 3, IMM8 | LOCK },
    { 0, 0x83, 5, IMM8 | LOCK },
    { 0, 0x83, 6, IMM8 | LOCK },
    { 0, 0x86, -1, BYTE | LOCK },
    { 0, 0x87, -1, LOCK },
    { 0, 0x88, -1, BYTE },
    { 0, 0x89, -1, 0 },
    { 0, 0xc6, 0, BYTE | IMM8 },
    { 0, 0xc7, 0, IMMZ },
    { 0, 0xf6, 2, BYTE | LOCK },
    { 0, 0xf6, 3, BYTE | LOCK },
    { 0, 0xf7, 2, LOCK },
    { 0, 0xf7, 3, LOCK },
    { 0, 0xfe, 0, BYTE | LOCK },
    { 0, 0xfe, 1, BYTE | LOCK },
    { 0, 0xff, 0, LOCK },
    { 0, 0xff, 1, LOCK },
    { 1, 0xab, -1, LOCK | BITS },
    { 1, 0xb3, -1, LOCK | BITS },
    { 1, 0xbb, -1, LOCK | BITS },
    { 1, 0xba, 5, IMM8 | LOCK | BITS },
    { 1, 0xba, 6, IMM8 | LOCK | BITS },
    { 1, 0xba, 7, IMM8 | LOCK | BITS },
    { 1, 0xb0, -1, BYTE | LOCK | ACCUMULATOR },
    { 1, 0xb1, -1, LOCK | ACCUMULATOR },
    { 1, 0xc0, -1, BYTE | LOCK },
    { 1, 0xc1, -1, LOCK },
    { 1, 0xc3, -1, NO_16 },
};

static uint64_t random(void)
{
    return next_random(&seed);
}

/* Numbers at the edges as often as others: carries and signs live there. */
static uint64_t number(void)
{
    static const uint64_t edges[] = { 0,
                                      ~0UL,
                                      0x8080808080808080UL,
                                      0x7f7f7f7f7f7f7f7fUL,
                                      0x0101010101010101UL,
                                      0x8000000080008000UL };

    return random() % 3 ? random() : edges[random() % 6];
}

struct instruction {
    uint8_t bytes[15];
    unsigned int length, size, base, index, scale;
    int8_t displacement;
};

/* The operand is at base + index * scale + displacement. */
static void assemble(struct instruction *i, const struct form *f)
{
    uint8_t *b = i->bytes, rex = 0x40;
    unsigned int reg = f->member >= 0 ? (unsigned int)f->member : (unsigned int)(random() % 16),
                 mode = random() % 3, mine;
    bool needs_sib, plain;

    i->size = f->is & BYTE ? 1 : 2u << random() % 3;
    if ((f->is & NO_16) && i->size == 2)
        i->size = 4;
    if (f->member < 0 && reg == RSP && i->size > 1)
        reg = RBX;
    /* Numbers 4 to 7 of a byte are AH to BH unless there is a REX; then the register is another. No
     * address is an operand. */
    plain = random() % 2;
    mine = f->member < 0 ? i->size == 1 && plain && reg >= 4 && reg < 8 ? reg - 4 : reg : REGISTERS;
    if (mine == RSP)
        mine = reg = RBX;
    do
        i->base = random() % (plain ? 8 : 16);
    while (i->base == RSP || i->base == mine || ((f->is & ACCUMULATOR) && i->base == RAX));
    do
        i->index = random() % (plain ? 8 : 16);
    while (i->index == RSP || i->index == mine || i->index == i->base);
    needs_sib = mode == 2 || (i->base & 7) == RSP;
    i->scale = mode == 2 ? 1u << random() % 4 : 0;
    i->displacement = mode == 0 && (i->base & 7) != RBP ? 0 : (int8_t)random();
    if ((f->is & LOCK) && random() % 2)
        *b++ = 0xf0;
    if (i->size == 2)
        *b++ = 0x66;
    rex |= (i->size == 8) << 3 | (f->member < 0 ? reg >> 3 : 0) << 2 |
           (mode == 2 ? i->index >> 3 : 0) << 1 | i->base >> 3;
    if (rex != 0x40 || !plain)
        *b++ = rex;
    if (f->two_byte)
        *b++ = 0x0f;
    *b++ = f->opcode;
    *b++ = (uint8_t)((i->displacement || (i->base & 7) == RBP ? 0x40 : 0) | (reg & 7) << 3 |
                     (needs_sib ? 4 : i->base & 7));
    if (needs_sib)
        *b++ = (uint8_t)((mode == 2 ? (i->scale == 8   ? 3
                                       : i->scale == 4 ? 2
                                       : i->scale == 2 ? 1
                                                       : 0)
                                              << 6 |
                                          (i->index & 7) << 3
                                    : 4 << 3) |
                         (i->base & 7));
    if (i->displacement || (i->base & 7) == RBP)
        *b++ = (uint8_t)i->displacement;
    for (unsigned int n = f->is & IMM8 ? 1 : f->is & IMMZ ? (i->size == 2 ? 2 : 4) : 0; n > 0; n--)
        *b++ = (uint8_t)random();
    if (!on_domus() && (f->is & BITS) && (f->is & IMM8))
        b[-1] &= (uint8_t)(8 * i->size - 1);    /* Xen does larger ones differently from the CPU */
    i->length = (unsigned int)(b - i->bytes);
}

/* The entry, or the memory beside it, has this value; the operand is `offset` bytes into it. Its
 * value afterwards. */
static uint64_t do_one(const struct instruction *i, volatile uint64_t *where, uint64_t before,
                       unsigned int offset, const uint64_t *registers, uint64_t flags)
{
    memcpy(p->registers, registers, sizeof(p->registers));
    p->registers[i->base] = (unsigned long)where + offset - (uint64_t)(int64_t)i->displacement -
                            (i->scale ? registers[i->index] * i->scale : 0);
    p->flags = flags;
    if (where == slot)
        NEED(write_entry(virt_to_machine(ADDRESS(slot)), before) == 0);
    else
        *where = before;
    p->way = probe_instruction(i->bytes, i->length);
    (void)probe_run(p);
    return *where;
}

static void say(const struct instruction *i, const char *what, uint64_t ours, uint64_t cpu)
{
    char text[48] = "";

    for (unsigned int n = 0; n < i->length; n++)
        snprintf(text + 3 * n, 4, "%02x ", i->bytes[n]);
    test_failure(__FILE__, __LINE__, "%s: %s %lx, the CPU has %lx", text, what, ours, cpu);
}

static void compare(const struct form *f)
{
    struct instruction i;
    uint64_t registers[REGISTERS], before, cpu, flags_of_cpu, after_cpu[REGISTERS], mine,
        flags = 2 | (random() & (ARITHMETIC | 0x400 | 0x200000));
    unsigned int offset;

    assemble(&i, f);
    for (unsigned int n = 0; n < REGISTERS; n++)
        registers[n] = number();
    /* Bit 0 of the entry stays 0, whatever the instruction does: it works behind the first byte, or
     * all of it is looked at first. */
    offset = i.size == 8 ? 0 : i.size + (unsigned int)(random() % (8 / i.size - 1)) * i.size;
    before = number() & ~1UL;
    /* a number beyond the operand leads to other memory: not here, and not done for us */
    if (f->is & BITS) {
        for (unsigned int n = 0; n < REGISTERS; n++)
            registers[n] &= 8 * i.size - 1;
        if (i.size == 8)
            for (unsigned int n = 0; n < REGISTERS; n++)
                registers[n] |= registers[n] == 0;
    }
    if ((f->is & ACCUMULATOR) && random() % 2)
        registers[RAX] = before >> 8 * offset;
    cpu = do_one(&i, memory, before, offset, registers, flags);
    NEED(p->vector == PROBE_THROUGH);
    if (cpu & 1)
        return;                                 /* it would be present: another test's business */
    flags_of_cpu = p->frame_flags;
    memcpy(after_cpu, p->registers, sizeof(after_cpu));
    mine = do_one(&i, slot, before, offset, registers, flags);
    if (p->vector != PROBE_THROUGH) {
        say(&i, "vector", (uint64_t)p->vector, ~0UL);
        return;
    }
    if (mine != cpu)
        say(&i, "the operand becomes", mine, cpu);
    if (p->frame_flags != flags_of_cpu)
        say(&i, "the flags are", p->frame_flags, flags_of_cpu);
    for (unsigned int n = 0; n < REGISTERS; n++)
        if (n != RSP && n != i.base && p->registers[n] != after_cpu[n])
            say(&i, "a register is", p->registers[n], after_cpu[n]);
    test_passed();
}

/* mov to an absolute address, by the accumulator. */
static void absolute(void)
{
    uint64_t address = (unsigned long)slot + 4;
    struct instruction i = { .bytes = { 0xa3 }, .length = 9 };

    memcpy(i.bytes + 1, &address, 8);
    NEED(write_entry(virt_to_machine(ADDRESS(slot)), 0x1122334455667788UL) == 0);
    memset(p->registers, 0x5a, sizeof(p->registers));
    p->way = probe_instruction(i.bytes, i.length);
    CHECK_IS(probe_run(p), PROBE_THROUGH);
    CHECK_IS(*slot, 0x5a5a5a5a55667788UL);
    i.bytes[0] = 0xa2;
    p->registers[RAX] = 0x66;
    p->way = probe_instruction(i.bytes, i.length);
    CHECK_IS(probe_run(p), PROBE_THROUGH);
    CHECK_IS(*slot, 0x5a5a5a6655667788UL);
}

/* With the registers at hand these would be done if they were stores of one operand within one
 * entry; they are not, and fault. */
static void refused(const char *what, uint64_t rdi, const uint8_t *bytes, unsigned int length)
{
    uint64_t before = *slot, next = slot[1];

    memset(p->registers, 0, sizeof(p->registers));
    p->registers[RDI] = rdi;
    p->registers[RSI] = (unsigned long)memory;
    p->registers[RCX] = 1;
    p->flags = 2;
    p->way = probe_instruction(bytes, length);
    if (probe_run(p) != TRAP_PF || *slot != before || slot[1] != next ||
        p->rip != probe_instruction_at())
        test_failure(__FILE__, __LINE__, "%s: vector %ld, entry %lx", what, p->vector, *slot);
    else
        test_passed();
}
#define REFUSED(what, rdi, ...) do { static const uint8_t bytes_[] = { __VA_ARGS__ }; \
    refused(what, (unsigned long)(rdi), bytes_, sizeof(bytes_)); } while (0)

static void not_done(void)
{
    unsigned long low = (unsigned long)slot;

    NEED(write_entry(virt_to_machine(ADDRESS(slot)), 0x1122334455667788UL) == 0);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_FS, 0), 0);
    REFUSED("movs", low, 0xa4);
    REFUSED("stos", low, 0xaa);
    REFUSED("an FS override", low, 0x64, 0x48, 0x89, 0x07);
    REFUSED("a GS override", low, 0x65, 0x48, 0x89, 0x07);
    REFUSED("across two entries", low + 4, 0x48, 0x89, 0x07);
    REFUSED("across two entries, words", low + 7, 0x66, 0x89, 0x07);
    REFUSED("shl", low, 0x48, 0xd1, 0x27);
    REFUSED("setc", low, 0x0f, 0x92, 0x07);
    REFUSED("pop", low, 0x8f, 0x07);
    REFUSED("movups", low, 0x0f, 0x11, 0x07);
    REFUSED("cmpxchg8b", low, 0x0f, 0xc7, 0x0f);
    NEED(write_entry(virt_to_machine(ADDRESS(slot)), 0) == 0);
}

void test_main(void)
{
    uint64_t *table = new_table();

    /* A table of its own, which nothing uses: pinned, it is one. */
    NEED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)) == 0);
    slot = table + 17;
    probe_gates(true);
    for (int round = 0; round < ROUNDS; round++)
        for (unsigned int f = 0; f < sizeof(forms) / sizeof(forms[0]); f++)
            compare(&forms[f]);
    p->flags = 2;
    absolute();
    if (on_domus())                             /* Xen does some of these */
        not_done();
    probe_gates(false);
    CHECK_IS(write_entry(virt_to_machine(ADDRESS(slot)), 0), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
}
