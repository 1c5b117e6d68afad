/* SPDX-License-Identifier: MIT */
/*
 * Which stores to a page table are done for a guest: its own valid level-1 table, mapped read-only;
 * 64-bit code that can be read; an operand within one entry, at the address that the CPU reported.
 * All else is the guest's own page fault and changes nothing. What each instruction stores, and its
 * flags, the processor itself says: it does the same beside us, to a word of ours.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#undef fail /* the hypervisor has one, too */
#include "emulate/privileged.h"
#include "entry/trap.h"
#include "memory/access.h"
#include "memory/entry.h"

_Alignas(4096) char host_ram[HOST_FRAMES * 4096ul],
    host_frames[HOST_FRAMES * sizeof(struct frame)], host_m2p[HOST_FRAMES * 8];

#define TABLE 100u             /* the level-1 table's frame */
#define VA    0x7f0000123000ul /* where it is mapped */
#define SLOT  5u
#define AT    (VA + 8 * SLOT)
#define CODE  0x400f00ul
#define OLD   0x1122334455667788ul

/* --- the machine --------------------------------------------------------------------------------
 */

uint64_t max_frame = 8000;
struct domain_memory special_io;
static struct domain guest, other;
static struct vcpu vcpu;
static uint64_t mapping, cr2; /* the entry that maps the table; where the guest's store faults */
static bool no_mapping, readable, page_readable;
static uint8_t code[15];
static unsigned int undone, updates, finished, tries;
static int update_error;
static uint64_t refused_value;

static uint64_t *table(void)
{
    return map_frame(MFN(TABLE));
}

int mmu_undo(struct domain_memory *d)
{
    undone++;
    return 0;
}
uint64_t *mmu_walk(const struct vcpu_tables *t, uint64_t va)
{
    assert_int_equal(guest.memory.pagetable_lock.held, 1);
    assert_int_equal(va, cr2);
    return no_mapping ? NULL : &mapping;
}

/* The instruction is there even where it cannot be read: who does not look at the answer does what
 * it says. */
int copy_from_guest(void *to, vaddr_t from, size_t bytes)
{
    uint64_t at = from.a - vcpu.regs.rip;

    assert_true(at == 0 || (at < 15 && from.a % 4096 == 0));
    assert_in_range(bytes, 1, 15 - at);
    assert_true(from.a % 4096 + bytes <= 4096);
    memcpy(to, code + at, bytes);
    return readable || (page_readable && at == 0) ? 0 : -EFAULT;
}

int entry_compare_update(struct walk *w, uint64_t *slot, uint64_t expected, uint64_t new,
                         uint64_t *seen)
{
    assert_true(w->owner == &guest.memory && w->frames == &guest.memory);
    assert_int_equal(guest.memory.pagetable_lock.held, 1);
    updates++;
    if (tries) { /* the CPU came between: another bit */
        tries--;
        *slot ^= 1ul << 63;
        *seen = *slot;
        return -EAGAIN;
    }
    assert_int_equal(*slot, expected);
    if (!update_error)
        *slot = new;
    return update_error;
}

int entry_refused(int error, unsigned int level, const uint64_t *slot, uint64_t e)
{
    assert_true(error == update_error && level == 1 && slot == table() + SLOT);
    refused_value = e;
    return error;
}

void emulate_finish(struct vcpu *v, unsigned int length)
{
    assert_ptr_equal(v, &vcpu);
    finished = length;
}

/* mov %rax, (%rdi) */
static void begin(void)
{
    guest = (struct domain){ .id = 1 };
    list_init(&guest.memory.undoing);
    vcpu = (struct vcpu){ .domain = &guest, .tables.owner = &guest.memory };
    vcpu.regs.cs = FLAT_RING3_CS64;
    vcpu.regs.rip = CODE;
    vcpu.regs.rdi = AT;
    vcpu.regs.rax = 0xa1a2a3a4a5a6a7a8;
    vcpu.regs.rbp = vcpu.regs.rbx = vcpu.regs.rdx = 0x5555555555555555;
    vcpu.regs.rflags = 0x246;
    cr2 = AT;
    memcpy(code, (uint8_t[15]){ 0x48, 0x89, 0x07 }, 15);
    mapping = (uint64_t)TABLE << 12 | PTE_PRESENT | PTE_USER;
    no_mapping = page_readable = false;
    readable = true;
    undone = updates = finished = tries = 0;
    update_error = 0;
    memset(table(), 0, 4096);
    table()[SLOT] = OLD;
    *frame_of(MFN(TABLE)) =
        (struct frame){ .owner = &guest.memory,
                        .state = (uint64_t)FRAME_L1 << FRAME_TYPE_SHIFT | FRAME_VALID };
}

static bool store(void)
{
    bool done = emulate_pt_write(&vcpu, cr2);

    assert_int_equal(guest.memory.pagetable_lock.held, 0);
    if (!done)
        assert_true(finished == 0 && table()[SLOT] == OLD);
    return done;
}

static void a_store(void **state)
{
    begin();
    assert_true(store());
    assert_int_equal(table()[SLOT], 0xa1a2a3a4a5a6a7a8);
    assert_true(updates == 1 && finished == 3 && undone == 0);
    assert_int_equal(vcpu.counters.emulated_pte, 1);
    assert_int_equal(vcpu.regs.rax, 0xa1a2a3a4a5a6a7a8);
}

/* --- which tables -------------------------------------------------------------------------------
 */

static void what_is_no_table_of_its_own(void **state)
{
    static const struct {
        uint64_t state;
        bool mine, valid;
    } frames[] = {
        { (uint64_t)FRAME_L1 << FRAME_TYPE_SHIFT | FRAME_VALID, true, true },
        { (uint64_t)FRAME_L1 << FRAME_TYPE_SHIFT | FRAME_VALID, false, false },
        { (uint64_t)FRAME_L1 << FRAME_TYPE_SHIFT, true, false },
        { (uint64_t)FRAME_L1 << FRAME_TYPE_SHIFT | FRAME_VALID << 1, true, false },
        { (uint64_t)FRAME_L2 << FRAME_TYPE_SHIFT | FRAME_VALID, true, false },
        { (uint64_t)FRAME_SEGDESC << FRAME_TYPE_SHIFT | FRAME_VALID, true, false },
        { (uint64_t)FRAME_NONE << FRAME_TYPE_SHIFT | FRAME_VALID, true, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
        begin();
        frame_of(MFN(TABLE))->state = frames[i].state;
        frame_of(MFN(TABLE))->owner = frames[i].mine ? &guest.memory : &other.memory;
        assert_int_equal(store(), frames[i].valid);
    }
    begin();
    no_mapping = true;
    assert_false(store());
    begin();
    mapping &= ~(uint64_t)PTE_PRESENT;
    assert_false(store());
    begin();
    mapping |= PTE_WRITE;
    assert_false(store());
    begin();
    mapping = max_frame << 12 | PTE_PRESENT; /* no RAM: nothing is known of it */
    frame_of(MFN(max_frame))->state = frames[0].state;
    frame_of(MFN(max_frame))->owner = &guest.memory;
    assert_false(store());
}

/* What is to be undone goes first, and the instruction faults once more. */
static void something_more_urgent(void **state)
{
    struct list undoing;

    begin();
    list_append(&guest.memory.undoing, &undoing);
    assert_true(emulate_pt_write(&vcpu, AT) == false || updates == 1);
    assert_int_equal(undone, 1);
}

/* --- which code ---------------------------------------------------------------------------------
 */

static void code_that_is_not_64_bits_wide(void **state)
{
    static const uint16_t selectors[] = {
        0xe033, FLAT_RING3_CS32, 0x10, 0, FLAT_RING3_SS64, 0x107
    };

    for (unsigned int i = 0; i < 6; i++) {
        begin();
        vcpu.regs.cs = selectors[i];
        assert_int_equal(store(), i == 0);
    }
}

static void code_that_cannot_be_read(void **state)
{
    begin();
    readable = false;
    assert_false(store());
}

#define NEVER 0

/* An instruction, the address where it faults, and what the entry is afterwards. */
static const struct row {
    uint8_t bytes[10];
    uint64_t rdi, rsi, cr2, after;
    unsigned int length;
} rows[] = {
    { { 0x48, 0x89, 0x07 }, AT + 8, 0, AT, NEVER, 0 },     /* the CPU says another address */
    { { 0x48, 0x89, 0x07 }, AT + 1, 0, AT + 1, NEVER, 0 }, /* beyond the entry's end */
    { { 0x89, 0x07 }, AT + 5, 0, AT + 5, NEVER, 0 },
    { { 0x66, 0x89, 0x07 }, AT + 7, 0, AT + 7, NEVER, 0 },
    { { 0x89, 0x07 }, AT + 4, 0, AT + 4, 0xa5a6a7a855667788, 2 },
    { { 0x89, 0x07 }, AT + 3, 0, AT + 3, 0x11a5a6a7a8667788, 2 },
    { { 0x66, 0x89, 0x07 }, AT + 6, 0, AT + 6, 0xa7a8334455667788, 3 },
    { { 0x88, 0x07 }, AT + 7, 0, AT + 7, 0xa822334455667788, 2 },
    { { 0x88, 0x07 }, AT, 0, AT, 0x11223344556677a8, 2 },
    { { 0x64, 0x48, 0x89, 0x07 }, AT, 0, AT, NEVER, 0 }, /* segments that have a base */
    { { 0x65, 0x48, 0x89, 0x07 }, AT, 0, AT, NEVER, 0 },
    { { 0x2e, 0x48, 0x89, 0x07 }, AT, 0, AT, 0xa1a2a3a4a5a6a7a8, 4 },
    { { 0x36, 0x48, 0x89, 0x07 }, AT, 0, AT, 0xa1a2a3a4a5a6a7a8, 4 },
    { { 0x67, 0x48, 0x89, 0x07 }, AT, 0, AT, NEVER, 0 }, /* addresses of 32 bits */
    { { 0x67, 0x48, 0x89, 0x07 }, 0x12345028, 0, 0x12345028, NEVER, 0 },
    { { 0x48, 0x89, 0xc7 }, AT, 0, AT, NEVER, 0 }, /* no memory */
    { { 0x48, 0x89, 0xc7 }, AT, 0, 0, NEVER, 0 },
    { { 0x0f, 0xc7, 0x0f }, AT, 0, AT, NEVER, 0 }, /* cmpxchg8b: known, but not done */
    { { 0x48, 0x39, 0x07 }, AT, 0, AT, NEVER, 0 }, /* cmp stores nothing */
    { { 0x48, 0x83, 0x3f, 0x01 }, AT, 0, AT, NEVER, 0 },
    { { 0x48, 0xab }, AT, 0, AT, NEVER, 0 }, /* stos */
    { { 0x0f, 0x0b }, AT, 0, AT, NEVER, 0 },
    /* bts %rsi, (%rdi) and its kin go beyond the operand, in both directions, by whole operands. */
    { { 0x48, 0x0f, 0xab, 0x37 }, AT - 16, 2 * 64 + 1, AT, OLD | 2, 4 },
    { { 0x48, 0x0f, 0xb3, 0x37 }, AT + 8, -64ul + 3, AT, OLD & ~8ul, 4 },
    { { 0x48, 0x0f, 0xbb, 0x37 }, AT + 8, -1ul, AT, OLD ^ 1ul << 63, 4 },
    { { 0x48, 0x0f, 0xab, 0x37 }, AT, 64, AT, NEVER, 0 },
    { { 0x48, 0x0f, 0xab, 0x37 }, AT - (1ul << 59), 1ul << 62, AT, OLD | 1, 4 },
    { { 0x48, 0x0f, 0xab, 0x37 }, AT, 63, AT, OLD | 1ul << 63, 4 },
    { { 0x0f, 0xab, 0x37 }, AT - 4, 33, AT, OLD | 2, 3 },
    { { 0x0f, 0xab, 0x37 }, AT + 4, 0x00000000ffffffe0, AT, OLD | 1, 3 },
    { { 0x0f, 0xb3, 0x37 }, AT - 4, 63, AT, OLD & ~(1ul << 31), 3 },
    { { 0x66, 0x0f, 0xab, 0x37 }, AT - 2, 17, AT, OLD | 2, 4 },
    { { 0x66, 0x0f, 0xab, 0x37 }, AT + 2, 0xfff0, AT, OLD | 1, 4 },
    { { 0x66, 0x0f, 0xbb, 0x37 }, AT + 2, 0xffff, AT, OLD ^ 0x8000, 4 },
    /* With an immediate they do not: its upper part is nothing. */
    { { 0x48, 0x0f, 0xba, 0x2f, 0x41 }, AT, 0, AT, OLD | 2, 5 },
    { { 0x0f, 0xc3, 0x2f }, AT, 0, AT, (OLD & ~0xfffffffful) | 0x55555555, 3 }, /* movnti of a large
                                                                                   number */
    { { 0xb3, 0x37 }, AT, 0, AT, NEVER, 0 },
};

static void instructions(void **state)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        begin();
        memcpy(code, rows[i].bytes, 10);
        vcpu.regs.rdi = rows[i].rdi;
        vcpu.regs.rsi = rows[i].rsi;
        cr2 = rows[i].cr2;
        assert_int_equal(store(), rows[i].after != NEVER);
        if (rows[i].after != NEVER) {
            assert_int_equal(table()[SLOT], rows[i].after);
            assert_int_equal(finished, rows[i].length);
            assert_true(table()[SLOT - 1] == 0 && table()[SLOT + 1] == 0);
        }
    }
}

/* The last byte that there is belongs to the instruction, or it is none. */
static void at_a_pages_end(void **state)
{
    static const uint8_t mov[10] = {
        0x48, 0xc7, 0x47, 0x10, 1, 2, 3, 4
    }; /* movq $0x04030201, 16(%rdi) */

    for (unsigned int there = 1; there < 15; there++) {
        begin();
        memcpy(code, mov, 10);
        vcpu.regs.rdi = AT - 16;
        vcpu.regs.rip = 0x401000 - there;
        readable = false;
        page_readable = true;
        cr2 = AT;
        assert_int_equal(store(), there >= 8);
    }
}

/* --- the update itself --------------------------------------------------------------------------
 */

static void updates_that_fail(void **state)
{
    begin();
    update_error = -EINVAL;
    assert_false(store());
    assert_int_equal(updates, 1);
    assert_int_equal(refused_value, 0xa1a2a3a4a5a6a7a8);    /* what the guest may ask for */
    assert_int_equal(vcpu.counters.emulated_pte, 0);
    begin();
    tries = 3;                                                 /* an odd number of changes */
    memcpy(code, (uint8_t[15]){ 0x48, 0x83, 0x0f, 0x01 }, 15); /* orq $1, (%rdi) */
    assert_true(store());
    assert_int_equal(updates, 4);
    assert_int_equal(table()[SLOT], (OLD | 1) ^ 1ul << 63);
}

static void registers_and_flags(void **state)
{
    begin();
    memcpy(code, (uint8_t[15]){ 0x48, 0x87, 0x07 }, 15); /* xchg %rax, (%rdi) */
    assert_true(store());
    assert_int_equal(vcpu.regs.rax, OLD);
    assert_int_equal(vcpu.regs.rflags, 0x246);
    begin();
    memcpy(code, (uint8_t[15]){ 0x48, 0x0f, 0xb1, 0x37 },
           15); /* cmpxchg %rsi, (%rdi): another number is there */
    assert_true(store());
    assert_int_equal(updates, 0);
    assert_int_equal(vcpu.regs.rax, OLD);
    assert_false(vcpu.regs.rflags & 0x40);
    begin();
    memcpy(code, (uint8_t[15]){ 0x48, 0x0f, 0xb1, 0x37 }, 15);
    vcpu.regs.rax = OLD;
    vcpu.regs.rsi = 7;
    vcpu.regs.rflags = 0x202;
    assert_true(store());
    assert_int_equal(table()[SLOT], 7);
    assert_true(vcpu.regs.rflags & 0x40);
    begin();
    memcpy(code, (uint8_t[15]){ 0x48, 0xa3 }, 2);       /* mov %rax, (AT) */
    memcpy(code + 2, &cr2, 8);
    assert_true(store());
    assert_int_equal(table()[SLOT], 0xa1a2a3a4a5a6a7a8);
    begin();
    update_error = -EBUSY;
    memcpy(code, (uint8_t[15]){ 0x48, 0x0f, 0xc1, 0x07 },
           15); /* xadd, refused: nothing has changed */
    assert_false(store());
    assert_int_equal(vcpu.regs.rax, 0xa1a2a3a4a5a6a7a8);
    assert_int_equal(vcpu.regs.rflags, 0x246);
}

/* --- beside the processor --- */

static uint64_t dice(void)
{
    static uint64_t state = 88172645463325252;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Runs code[] on a word of ours, with the guest's registers. RDI is the word's place, RSI and RAX
 * are what such instructions have beside it. */
static void by_the_processor(uint64_t *word, struct cpu_user_regs *r, unsigned int bytes)
{
    static uint8_t *page;
    uint64_t flags = r->rflags;

    if (!page)
        page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);
    assert_true(page != MAP_FAILED);
    memcpy(page, code, bytes);
    page[bytes] = 0xc3;
    __asm__ volatile("lea -128(%%rsp), %%rsp; push %0; popfq; call *%3; pushfq; pop %0; "
                     "lea 128(%%rsp), %%rsp"
                     : "+r"(flags), "+a"(r->rax), "+S"(r->rsi)
                     : "r"(page), "D"(word)
                     : "cc", "memory");
    r->rflags = flags;
}

#define ARITH 0x8d5u                    /* OF SF ZF AF PF CF */
#define AF    0x10u

/* Instructions with RSI and the word; a number's bytes are drawn. undefined: flags that are. */
static const struct { uint8_t code[3], opcodes, numbers, undefined; bool one_bit; } forms[] = {
    { { 0x01, 0x37 }, 1, 0, 0, 0 },       { { 0x09, 0x37 }, 1, 0, AF, 0 },
    { { 0x11, 0x37 }, 1, 0, 0, 0 },       { { 0x19, 0x37 }, 1, 0, 0, 0 },
    { { 0x21, 0x37 }, 1, 0, AF, 0 },      { { 0x29, 0x37 }, 1, 0, 0, 0 },
    { { 0x31, 0x37 }, 1, 0, AF, 0 },      { { 0x87, 0x37 }, 1, 0, 0, 0 },
    { { 0x89, 0x37 }, 1, 0, 0, 0 },       { { 0xf7, 0x17 }, 1, 0, 0, 0 },
    { { 0xf7, 0x1f }, 1, 0, 0, 0 },       { { 0xff, 0x07 }, 1, 0, 0, 0 },
    { { 0xff, 0x0f }, 1, 0, 0, 0 },       { { 0x83, 0x07 }, 1, 1, 0, 0 },
    { { 0x83, 0x0f }, 1, 1, AF, 0 },      { { 0x83, 0x17 }, 1, 1, 0, 0 },
    { { 0x83, 0x1f }, 1, 1, 0, 0 },       { { 0x83, 0x27 }, 1, 1, AF, 0 },
    { { 0x83, 0x2f }, 1, 1, 0, 0 },       { { 0x83, 0x37 }, 1, 1, AF, 0 },
    { { 0x0f, 0xb1, 0x37 }, 2, 0, 0, 0 }, { { 0x0f, 0xc1, 0x37 }, 2, 0, 0, 0 },
    { { 0x0f, 0xba, 0x2f }, 2, 1, 0, 1 }, { { 0x0f, 0xba, 0x37 }, 2, 1, 0, 1 },
    { { 0x0f, 0xba, 0x3f }, 2, 1, 0, 1 }, { { 0x0f, 0xab, 0x37 }, 2, 0, 0, 1 },
    { { 0x0f, 0xb3, 0x37 }, 2, 0, 0, 1 }, { { 0x0f, 0xbb, 0x37 }, 2, 0, 0, 1 },
};

static void as_the_processor_does(void **state)
{
    static const uint64_t edges[] = { 0, 1, 0xff, 0x7fffffff, 0x80000000, ~0ul, 1ul << 63 };

    for (unsigned int form = 0; form < ARRAY_SIZE(forms); form++)
        for (unsigned int n = 0; n < 600; n++) {
            unsigned int size = 1u << n % 4, bytes = 0;         /* of the operand */
            unsigned int opcode = forms[form].opcodes - 1;
            uint64_t word = n % 3 ? dice() : edges[dice() % 7], compared = ARITH;
            bool group = forms[form].numbers || forms[form].code[0] >= 0xf7;
            struct cpu_user_regs regs;

            if (size == 1 && (forms[form].one_bit || forms[form].code[0] == 0x83))
                continue;                                       /* there is none */
            begin();
            if (size == 2)
                code[bytes++] = 0x66;
            if (size == 8)                                      /* REX.R says nothing of groups */
                code[bytes++] = group && n & 4 ? 0x4c : 0x48;
            if (size == 1)
                code[bytes++] = 0x40;                           /* RSI's low byte is SIL */
            memcpy(code + bytes, forms[form].code, 3);
            code[bytes + opcode] &= size == 1 ? 0xfe : 0xff;
            bytes += forms[form].opcodes + 1u;
            for (unsigned int i = 0; i < forms[form].numbers; i++)
                code[bytes++] = (uint8_t)dice();
            vcpu.regs.rsi = n % 5 ? dice() : edges[dice() % 7];
            vcpu.regs.rax = n % 2 ? word : dice();
            vcpu.regs.rflags = 0x202 | (dice() & ARITH);
            if (forms[form].one_bit) {
                vcpu.regs.rsi %= 8 * size;                      /* not beyond the word */
                compared = 1;                                   /* the others are undefined */
            }
            compared &= ~(uint64_t)forms[form].undefined;
            table()[SLOT] = word;
            regs = vcpu.regs;
            by_the_processor(&word, &regs, bytes);
            assert_true(emulate_pt_write(&vcpu, cr2));
            assert_int_equal(table()[SLOT], word);
            assert_int_equal(vcpu.regs.rax, regs.rax);
            assert_int_equal(vcpu.regs.rsi, regs.rsi);
            assert_int_equal(vcpu.regs.rflags & compared, regs.rflags & compared);
            assert_int_equal(finished, bytes);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store),
        cmocka_unit_test(what_is_no_table_of_its_own),
        cmocka_unit_test(something_more_urgent),
        cmocka_unit_test(code_that_is_not_64_bits_wide),
        cmocka_unit_test(code_that_cannot_be_read),
        cmocka_unit_test(instructions),
        cmocka_unit_test(at_a_pages_end),
        cmocka_unit_test(updates_that_fail),
        cmocka_unit_test(registers_and_flags),
        cmocka_unit_test(as_the_processor_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
