/* SPDX-License-Identifier: MIT */
/* The interpreter's page walks, its TLB, and how it fetches code. The expectations are from Intel's
 * manual (SDM vol. 3, chapter 4).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "interpret_steps.h"

/* --- page walks ------------------------------------------------------------------------------- */

enum { DIRECTORY = 0x20000, TABLE = 0x21000, P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80 };
#define NX (1ull << 63)
#define AT_1G (4ull << 30)                      /* behind the identity mapping */
#define AT_2M (5ull << 30)
#define AT_4K ((5ull << 30) + (2 << 20))

static void map(uint64_t entry)
{
    put(vcpu, PDPT + 8 * 4, 0 | P | W | U | PS);
    put(vcpu, PDPT + 8 * 5, DIRECTORY | P | W | U);
    put(vcpu, DIRECTORY, 0 | P | W | PS);
    put(vcpu, DIRECTORY + 8, TABLE | P | W | U);
    put(vcpu, TABLE + 8 * 3, entry);
    tlb_flush(vcpu);
}

static void walks_find_pages_of_all_sizes(void **state)
{
    struct translation page;
    start(0);
    map(DATA | P | W | U);
    assert_true(walk(vcpu, AT_4K + 0x3123, ACCESS_READ, &page));
    assert_int_equal(page.physical, DATA + 0x123);
    assert_int_equal(page.page_size, 4096);
    assert_int_equal(page.entry & (W | U | A | D | NX), W | U | A);
    assert_true(walk(vcpu, AT_2M + 0x12345, ACCESS_READ, &page));
    assert_int_equal(page.physical, 0x12345);
    assert_int_equal(page.page_size, 2 << 20);
    assert_false(page.entry & U);
    assert_true(walk(vcpu, AT_1G + 0x1234567, ACCESS_READ, &page));
    assert_int_equal(page.physical, 0x1234567);
    assert_int_equal(page.page_size, 1 << 30);
}

static struct way way;          /* as long as no table changes */

static uint64_t told(uint64_t linear)           /* by a way of its own, and by that one */
{
    struct way own = { 0 };
    uint64_t entry = peek(vcpu, linear, &own);

    assert_int_equal(peek(vcpu, linear, &way), entry);
    return entry;
}

static uint64_t told_anew(uint64_t linear)
{
    way = (struct way){ 0 };
    return told(linear);
}

/* What all levels say together, whatever the guest has in bits of its own; and nothing is set. */
static void who_peeks_changes_nothing(void **state)
{
    static const uint64_t alone[] = { W, U, A },
                          at[] = { TABLE + 8 * 3, DIRECTORY + 8, PDPT + 8 * 5, PML4 };
    const uint64_t all = P | W | U | A, own = 7ull << 9 | 0x7full << 52,
                   lower[] = { DATA | D | own, TABLE | own, DIRECTORY | own, PDPT | own };
    start(0);
    map(DATA | all | D | own);
    for (unsigned i = 0; i < 3 * 4; i++) {      /* at each level one bit less */
        unsigned level = i / 3;
        for (unsigned other = 0; other < 4; other++)
            put(vcpu, at[other], lower[other] | (all ^ (other == level ? alone[i % 3] : 0)));
        assert_int_equal(told_anew(AT_4K + 0x3123) & (all | D | NX), (all ^ alone[i % 3]) | D);
        assert_int_equal(get(vcpu, at[level]), lower[level] | (all ^ alone[i % 3]));
        put(vcpu, at[level], lower[level] | all | NX);
        vcpu->efer |= EFER_NXE;
        assert_int_equal(told_anew(AT_4K + 0x3123) & (all | D | NX), all | D | NX);
        vcpu->efer &= ~EFER_NXE;
        assert_int_equal(told_anew(AT_4K + 0x3123), 0);
        put(vcpu, at[level], lower[level]);
        assert_int_equal(told_anew(AT_4K + 0x3123), 0);
    }
}

/* From one to the next, with tables of all levels between them. */
static void who_peeks_goes_on_where_he_is(void **state)
{
    static const struct { uint64_t linear, physical, size; } c[] = {
        { AT_4K + 0x3000, DATA, 4096 }, { AT_4K + 0x4000, 0, 0 }, { AT_4K + 0x3fff, DATA + 0xfff,
          4096 }, { AT_2M + 0x3000, 0x3000, 2 << 20 }, { AT_4K + 0x3001, DATA + 1, 4096 },
        { AT_1G + 0x201000, 0x201000, 1 << 30 }, { AT_1G + 0x3000, 0x3000, 1 << 30 },
        { AT_2M + 0x1fffff, 0x1fffff, 2 << 20 }, { 1ull << 40, 0, 0 }, { AT_2M, 0, 2 << 20 },
        { AT_4K + (2 << 20), 0, 0 }, { AT_4K + 0x3000, DATA, 4096 },
    };
    start(0);
    map(DATA | P | W | U);
    way = (struct way){ 0 };
    for (unsigned i = 0; i < sizeof(c) / sizeof(*c); i++) {
        struct translation page = translation_by(told(c[i].linear), c[i].linear);
        if (!c[i].size) {
            assert_int_equal(told(c[i].linear), 0);
            continue;
        }
        assert_int_equal(page.physical, c[i].physical);
        assert_int_equal(page.page_size, c[i].size);
    }
    /* the same number, as a small page with PAT and as a large one, is not the same */
    map(0x200000 | P | W | U | PS);
    put(vcpu, DIRECTORY + 16, 0x200000 | P | W | U | PS);
    assert_int_not_equal(told_anew(AT_4K + 0x3000), told(AT_4K + (2 << 20)));
    put(vcpu, PDPT + 8 * 5, 0xfffff000000 | P | W | U);         /* no memory is there */
    assert_int_equal(told_anew(AT_4K + 0x3000), 0);
}

static void walks_set_accessed_and_dirty(void **state)
{
    struct translation page;
    start(0);
    map(DATA | P | W | U);
    assert_true(walk(vcpu, AT_4K + 0x3000, ACCESS_READ, &page));
    assert_int_equal(get(vcpu, TABLE + 8 * 3), DATA | P | W | U | A);
    assert_int_equal(get(vcpu, DIRECTORY + 8), TABLE | P | W | U | A);
    assert_true(walk(vcpu, AT_4K + 0x3000, ACCESS_WRITE, &page));
    assert_int_equal(get(vcpu, TABLE + 8 * 3), DATA | P | W | U | A | D);
    assert_int_equal(get(vcpu, DIRECTORY + 8), TABLE | P | W | U | A);
    /* by instructions: a read fills the TLB, the first write after it is seen nevertheless */
    map(DATA | P | W | U);
    vcpu->general[RBX] = AT_4K + 0x3000;
    assert_int_equal(STEP(0x8a, 0x03), STEP_DONE);                      /* mov al, [rbx] */
    assert_int_equal(get(vcpu, TABLE + 8 * 3), DATA | P | W | U | A);
    assert_int_equal(STEP(0x88, 0x03), STEP_DONE);                      /* mov [rbx], al */
    assert_int_equal(get(vcpu, TABLE + 8 * 3), DATA | P | W | U | A | D);
    /* a refused write sets nothing */
    map(DATA | P | U);
    assert_error(STEP(0x88, 0x03), VECTOR_PF, 3);
    assert_int_equal(get(vcpu, TABLE + 8 * 3), DATA | P | U);
}

/* Or the platform would not know: code may lie beside entries. Who peeks asks for reading alone. */
static uint64_t asked_to_write, asked_to_read;  /* for a page of tables: a bit each */
static uint8_t *asked(struct vcpu *asking, uint64_t physical, bool write)
{
    static const uint64_t tables[] = { PML4, PDPT, DIRECTORY, TABLE };

    for (unsigned i = 0; i < 4; i++)
        if (physical == tables[i])
            *(write ? &asked_to_write : &asked_to_read) |= 1 << i;
    return host_memory(asking, physical, write);
}
static void walks_ask_for_tables_to_write_to(void **state)
{
    struct machine_ops ops = host_ops;
    struct translation page;

    ops.memory = asked;
    start(0);
    map(DATA | P | W | U);
    vcpu->ops = &ops;
    asked_to_write = asked_to_read = 0;
    told_anew(AT_4K + 0x3000);
    assert_int_equal(asked_to_write, 0);
    assert_int_equal(asked_to_read, 15);
    assert_true(walk(vcpu, AT_4K + 0x3000, ACCESS_READ, &page));
    assert_int_equal(asked_to_write, 15);
    machine.watched = DIRECTORY;                /* none that it may write to: no table */
    assert_false(walk(vcpu, AT_4K + 0x3000, ACCESS_READ, &page));
    assert_int_equal(vcpu->fault.error, 0);
    vcpu->ops = &host_ops;
}

static void walks_refuse(void **state)
{
    static const struct {
        uint64_t entry, clear_cr0, clear_efer;
        unsigned int access, error;         /* error 0: allowed */
    } cases[] = {
        { 0, 0, 0, ACCESS_READ, 0x100 },
        { 0, 0, 0, ACCESS_WRITE | ACCESS_USER, 0x106 },
        { DATA | P | W | U, 0, 0, ACCESS_WRITE | ACCESS_USER, 0 },
        { DATA | P | W, 0, 0, ACCESS_USER, 5 },
        { DATA | P | U, 0, 0, ACCESS_WRITE | ACCESS_USER, 7 },
        { DATA | P | U, 0, 0, ACCESS_WRITE, 3 },
        { DATA | P | U, CR0_WP, 0, ACCESS_WRITE, 0 },
        { DATA | P | U, CR0_WP, 0, ACCESS_WRITE | ACCESS_USER, 7 },
        { DATA | P | U | NX, 0, 0, ACCESS_READ | ACCESS_USER, 0 },
        { DATA | P | U | NX, 0, 0, ACCESS_FETCH | ACCESS_USER, 0x15 },
        { DATA | P | NX, 0, 0, ACCESS_FETCH, 0x11 },
        { DATA | P | NX, 0, EFER_NXE, ACCESS_READ, 9 },
        { 0, 0, EFER_NXE, ACCESS_FETCH, 0x100 },     /* fetches not told from reads */
    };
    for (unsigned int i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct translation page;
        start(0);
        map(cases[i].entry);
        vcpu->cr0 &= ~cases[i].clear_cr0;
        vcpu->efer &= ~cases[i].clear_efer;
        bool allowed = walk(vcpu, AT_4K + 0x3008, cases[i].access, &page);
        assert_int_equal(allowed, !cases[i].error);
        if (allowed)
            continue;
        assert_int_equal(vcpu->fault.vector, VECTOR_PF);
        assert_int_equal(vcpu->fault.error, cases[i].error & 0xff);
        assert_int_equal(vcpu->fault.address, AT_4K + 0x3008);
    }
}

static void walks_refuse_reserved_bits_and_odd_addresses(void **state)
{
    struct translation page;
    start(0);
    put(vcpu, PDPT + 8 * 4, 1 << 13 | P | PS);          /* within a 1 GiB page's address */
    assert_false(walk(vcpu, AT_1G, ACCESS_READ, &page));
    assert_int_equal(vcpu->fault.error, 9);
    put(vcpu, PDPT + 8 * 4, 1 << 12 | P | PS);          /* PAT */
    assert_true(walk(vcpu, AT_1G, ACCESS_READ, &page));
    put(vcpu, PML4 + 8, PDPT | P | PS);
    assert_false(walk(vcpu, 1ull << 39, ACCESS_READ, &page));
    assert_int_equal(vcpu->fault.error, 9);
    assert_false(walk(vcpu, 1ull << 47, ACCESS_READ, &page));
    assert_int_equal(vcpu->fault.vector, VECTOR_GP);
    put(vcpu, PML4 + 8, (SIZE + 4096) | P);             /* a table where there is no memory */
    assert_false(walk(vcpu, 1ull << 39, ACCESS_READ, &page));
    assert_int_equal(vcpu->fault.error, 0);
}

static void translations_are_kept_until_invalidated(void **state)
{
    start(0);
    map(DATA | P | W | U);
    machine.memory[DATA] = 1;
    machine.memory[MORE] = 2;
    vcpu->general[RBX] = AT_4K + 0x3000;
    assert_int_equal(STEP(0x8a, 0x03), STEP_DONE);
    assert_int_equal(vcpu->general[RAX], 1);
    put(vcpu, TABLE + 8 * 3, MORE | P);
    assert_int_equal(STEP(0x0f, 0x01, 0x3b), STEP_DONE);                /* invlpg [rbx] */
    assert_int_equal(STEP(0x8a, 0x03), STEP_DONE);
    assert_int_equal(vcpu->general[RAX], 2);
    put(vcpu, TABLE + 8 * 3, DATA | P);
    assert_int_equal(STEP(0x0f, 0x20, 0xd9), STEP_DONE);                /* mov rcx, cr3 */
    assert_int_equal(STEP(0x0f, 0x22, 0xd9), STEP_DONE);                /* mov cr3, rcx */
    assert_int_equal(STEP(0x8a, 0x03), STEP_DONE);
    assert_int_equal(vcpu->general[RAX], 1);
    assert_int_equal(machine.invalidations, 2);
    /* so many that generations begin again */
    for (unsigned int i = 0; i < 5000; i++)
        tlb_flush(vcpu);
    assert_int_equal(STEP(0x8a, 0x03), STEP_DONE);
    /* what the supervisor may is not the user's */
    start(3);
    map(DATA | P | W);
    vcpu->cpl = 0;
    vcpu->general[RBX] = AT_4K + 0x3000;
    assert_int_equal(STEP(0x8a, 0x03), STEP_DONE);
    vcpu->cpl = 3;
    assert_error(STEP(0x8a, 0x03), VECTOR_PF, 5);
    assert_int_equal(vcpu->cr2, AT_4K + 0x3000);
}

static void watched_pages_are_stored_to_by_the_platform(void **state)
{
    start(0);
    map(DATA | P | W);
    machine.watched = DATA;
    machine.memory[DATA + 9] = 5;
    vcpu->general[RBX] = AT_4K + 0x3009;
    assert_int_equal(STEP(0x80, 0x03, 2), STEP_DONE);                   /* add byte [rbx], 2 */
    assert_int_equal(STEP(0x80, 0x03, 2), STEP_DONE);
    assert_int_equal(machine.stores, 2);
    assert_int_equal(machine.last_store, DATA + 9);
    assert_int_equal(machine.memory[DATA + 9], 9);
    assert_int_equal(machine.loads, 0);
    machine.watched = 0;
    tlb_flush(vcpu);
    assert_int_equal(STEP(0x80, 0x03, 2), STEP_DONE);
    assert_int_equal(machine.stores, 2);
    vcpu->general[RBX] = SIZE + 0x100;                                  /* no memory */
    assert_int_equal(STEP(0x8b, 0x03), STEP_DONE);                      /* mov eax, [rbx] */
    assert_int_equal(vcpu->general[RAX], 0xffffffff);
    assert_int_equal(machine.loads, 1);
}

/* Nothing of a store across two pages is done when the second refuses it. */
static void operands_across_pages(void **state)
{
    start(0);
    map(DATA | P | W);
    put(vcpu, TABLE + 8 * 4, MORE | P | W);
    vcpu->general[RBX] = AT_4K + 0x3ffd;
    vcpu->general[RAX] = 0x1122334455667788;
    assert_int_equal(STEP(0x48, 0x89, 0x03), STEP_DONE);                /* mov [rbx], rax */
    assert_int_equal(get(vcpu, DATA + 0xff8) >> 40, 0x667788);
    assert_int_equal(get(vcpu, MORE) & 0xffffffffff, 0x1122334455);
    assert_int_equal(STEP(0x48, 0x8b, 0x0b), STEP_DONE);                /* mov rcx, [rbx] */
    assert_int_equal(vcpu->general[RCX], 0x1122334455667788);
    put(vcpu, TABLE + 8 * 4, MORE | P);
    tlb_flush(vcpu);
    vcpu->general[RAX] = 0;
    assert_error(STEP(0x48, 0x89, 0x03), VECTOR_PF, 3);
    assert_int_equal(vcpu->cr2, AT_4K + 0x4000);
    assert_int_equal(get(vcpu, DATA + 0xff8) >> 40, 0x667788);
}

/* Each instruction with an operand in memory that is not there, or only its first byte: it faults,
 * and that is all. */
static unsigned int fault_of(const uint8_t *bytes, uint64_t operand)
{
    uint64_t before[16];
    enter_long_mode(vcpu, 0);
    for (unsigned int i = 0; i < 16; i++)
        vcpu->general[i] = before[i] = 0x1111 * i;
    vcpu->general[RSP] = before[RSP] = STACK;
    vcpu->general[RBX] = before[RBX] = operand;
    vcpu->rflags = FLAG_ALWAYS | FLAG_CF | FLAG_ZF;
    vcpu->cr2 = 0;
    vcpu->halted = false;
    if (step_bytes(bytes, 8) != STEP_EXCEPTION || vcpu->rip != HANDLERS + 16 * VECTOR_PF) return 0;
    assert_int_equal(get(vcpu, vcpu->general[RSP] + 8), CODE);
    assert_int_equal(get(vcpu, vcpu->general[RSP] + 24), FLAG_ALWAYS | FLAG_CF | FLAG_ZF);
    assert_int_equal(get(vcpu, vcpu->general[RSP] + 32), STACK);
    assert_in_range(vcpu->cr2, 4ull << 30, 5ull << 30);     /* BT's may be further */
    vcpu->general[RSP] = STACK;
    assert_memory_equal(vcpu->general, before, sizeof before);
    return 1;
}

static void a_fault_changes_nothing(void **state)
{
    static const uint8_t prefixes[] = { 0x3e, 0x66, 0xf3, 0x48, 0xf0 };
    unsigned int faults = 0;
    start(0);
    for (unsigned int i = 0; i < 4096 * sizeof prefixes; i++) {
        unsigned int opcode = i >> 1 & 0xff, reg = i >> 9 & 7;
        uint8_t bytes[8] = { prefixes[i >> 12], 0x0f, (uint8_t)opcode };
        if (i & 1)
            bytes[1] = 0x3e;
        if ((i & 1) && bytes[0] == 0x48) {      /* REX comes last */
            bytes[0] = 0x3e;
            bytes[1] = 0x48;
        }
        bytes[3] = (uint8_t)(reg << 3 | RBX);
        bytes[4] = 1;
        struct instruction insn;
        if (decode(&insn, bytes, 8, CODE_64) != DECODED || insn.base != RBX)
            continue;
        faults += fault_of(bytes, 4ull << 30);
        fault_of(bytes, (4ull << 30) - 1);
    }
    assert_in_range(faults, 2500, 4000);
}

/* The kernel finds what a fault is about when what the CPU itself reads is not there: of a GDT the
 * next page, the second half of a system descriptor, a byte that is to be marked. */
static void tables_that_are_not_mapped(void **state)
{
    start(0);
    map(DATA | P);
    memcpy(machine.memory + DATA + 0xfc0, machine.memory + GDT, 64);
    put(vcpu, DATA + 0xff8, 0x0000890000000067);
    vcpu->gdtr = (struct descriptor_table){ AT_4K + 0x3fc0, 64 + 15 };
    vcpu->general[RAX] = 64;
    assert_error(STEP(0x8e, 0xd8), VECTOR_PF, 0);                       /* mov ds, eax */
    assert_int_equal(vcpu->cr2, AT_4K + 0x4000);
    assert_int_equal(vcpu->segment[DS].selector, KERNEL_DATA);
    vcpu->general[RAX] = 56;
    assert_error(STEP(0x0f, 0x00, 0xd8), VECTOR_PF, 0);                 /* ltr eax */
    assert_int_equal(vcpu->cr2, AT_4K + 0x4000);
    assert_int_equal(vcpu->tr.selector, TASK);
    put(vcpu, DATA + 0xfd0, 0x0000920000000000);
    vcpu->general[RAX] = KERNEL_DATA;
    assert_error(STEP(0x8e, 0xd8), VECTOR_PF, 3);
    assert_int_equal(vcpu->cr2, AT_4K + 0x3fd5);
    assert_int_equal(get(vcpu, DATA + 0xfd0), 0x0000920000000000);
}

/* A user's stack that is not there, or only the lowest two bytes of it: what pops and what pushes
 * faults, and that is all. */
static void stacks_that_are_not_mapped(void **state)
{
    enum { POPS = 6, ALL = 12 };
    static const uint8_t instructions[ALL][3] = {
        { 0x59 }, { 0x8f, 0xc1 }, { 0x9d }, { 0xc3 }, { 0xc2, 8 }, { 0x48, 0xcf },
        { 0x51 }, { 0xff, 0xf1 }, { 0x6a, 1 }, { 0x9c }, { 0xff, 0xd1 }, { 0xe8, 8 },
    };
    for (unsigned int i = 0; i < 2 * ALL; i++) {
        uint64_t before[16], pushes = i / 2 >= POPS ? 8 : 0, end = 4ull << 30;
        start(3);
        for (unsigned int j = 0; j < 16; j++)
            vcpu->general[j] = before[j] = 0x100 * j;
        vcpu->general[RSP] = before[RSP] = end + pushes - (i % 2 ? 2 : 0);
        assert_error(step_bytes(instructions[i / 2], 3), VECTOR_PF, pushes ? 6 : 4);
        assert_int_equal(vcpu->cr2, end);
        assert_int_equal(get(vcpu, vcpu->general[RSP] + 8), CODE);
        assert_int_equal(get(vcpu, vcpu->general[RSP] + 32), before[RSP]);
        vcpu->general[RSP] = before[RSP];
        assert_memory_equal(vcpu->general, before, sizeof before);
    }
}

/* --- fetching --------------------------------------------------------------------------------- */

static void instructions_across_pages(void **state)
{
    static const uint8_t move[] = { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8 };   /* mov rax, imm64 */
    start(0);
    map(DATA | P);
    put(vcpu, TABLE + 8 * 4, MORE | P);
    memcpy(machine.memory + DATA + 4093, move, 3);
    memcpy(machine.memory + MORE, move + 3, 7);
    vcpu->rip = AT_4K + 0x3ffd;
    assert_int_equal(interpret_one(vcpu), STEP_DONE);
    assert_int_equal(vcpu->general[RAX], 0x0807060504030201);
    assert_int_equal(vcpu->rip, AT_4K + 0x4007);
    put(vcpu, TABLE + 8 * 4, 0);
    tlb_flush(vcpu);
    vcpu->rip = AT_4K + 0x3ffd;
    assert_error(interpret_one(vcpu), VECTOR_PF, 0x10);
    assert_int_equal(vcpu->cr2, AT_4K + 0x4000);
    /* one that ends before it needs nothing of that page */
    machine.memory[DATA + 4095] = 0x90;
    vcpu->rip = AT_4K + 0x3fff;
    assert_int_equal(interpret_one(vcpu), STEP_DONE);
}

static void code_may_change(void **state)
{
    start(0);
    for (unsigned int round = 0; round < 3; round++) {
        assert_int_equal(STEP(0xb0, 1), STEP_DONE);                     /* mov al, 1 */
        assert_int_equal(vcpu->general[RAX] & 0xff, 1);
        assert_int_equal(STEP(0xb0, 2), STEP_DONE);
        assert_int_equal(vcpu->general[RAX] & 0xff, 2);
    }
    for (uint8_t last = 1; last < 2; last--) {          /* mov rax, imm64: 1, then 0 */
        assert_int_equal(STEP(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, last), STEP_DONE);
        assert_int_equal(vcpu->general[RAX] >> 56, last);
    }
    /* the same bytes, of another size of code */
    assert_int_equal(STEP(0x48, 0x90), STEP_DONE);
    assert_int_equal(vcpu->rip, CODE + 2);
    vcpu->segment[CS].flags ^= SEGMENT_LONG | SEGMENT_BIG;
    vcpu->general[RAX] = 7;
    assert_int_equal(STEP(0x48, 0x90), STEP_DONE);                      /* dec eax */
    assert_int_equal(vcpu->rip, CODE + 1);
    assert_int_equal(vcpu->general[RAX], 6);
}

static void what_is_unknown_has_a_name(void **state)
{
    static const uint8_t bytes[] = { 0x0f, 0x58, 0xc1 };                /* addps */
    uint64_t before[16];
    start(3);
    memcpy(before, vcpu->general, sizeof before);
    assert_int_equal(step_bytes(bytes, 3), STEP_UNKNOWN);
    assert_int_equal(vcpu->rip, CODE);
    assert_int_equal(vcpu->byte_count, 15);
    assert_memory_equal(vcpu->bytes, bytes, 3);
    assert_non_null(vcpu->reason);
    assert_memory_equal(before, vcpu->general, sizeof before);
    assert_exception(STEP(0x0f, 0x0b), VECTOR_UD);
    start(0);
    assert_error(STEP(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                      0x66, 0x66, 0x90), VECTOR_GP, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_find_pages_of_all_sizes),
        cmocka_unit_test(who_peeks_changes_nothing),
        cmocka_unit_test(who_peeks_goes_on_where_he_is),
        cmocka_unit_test(walks_set_accessed_and_dirty),
        cmocka_unit_test(walks_ask_for_tables_to_write_to),
        cmocka_unit_test(walks_refuse),
        cmocka_unit_test(walks_refuse_reserved_bits_and_odd_addresses),
        cmocka_unit_test(translations_are_kept_until_invalidated),
        cmocka_unit_test(watched_pages_are_stored_to_by_the_platform),
        cmocka_unit_test(operands_across_pages),
        cmocka_unit_test(a_fault_changes_nothing),
        cmocka_unit_test(tables_that_are_not_mapped),
        cmocka_unit_test(stacks_that_are_not_mapped),
        cmocka_unit_test(instructions_across_pages),
        cmocka_unit_test(code_may_change),
        cmocka_unit_test(what_is_unknown_has_a_name),
    };
    return cmocka_run_group_tests_name("interpret_walk", tests, NULL, end);
}
