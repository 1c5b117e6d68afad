/* SPDX-License-Identifier: MIT */
/*
 * Address spaces of the hostile kernel: more of them than a monitor keeps, with tables that change
 * while they are not loaded, become something else, or are several spaces' at once. What CR3's load
 * is followed by is what the tables say then, no more and no less.
 */
#include "hostile.h"

enum { SPACES = 32, PAGES = 4, P = 1, W = 2, U = 4, A = 0x20, D = 0x40, ALL = P | W | U,
       THOUSANDS = 2000 };
#define NX (1ull << 63)
#define AT 0x8000000000ull              /* of each, what its own tables say */
#define DATA_AT (*(volatile uint64_t *)AT)
#define VOLATILE(place) (*(volatile uint64_t *)&(place))

static struct space { uint64_t root[512], level3[512], level2[512], level1[512]; }
    space[SPACES] __attribute__((aligned(4096)));
static volatile uint64_t page[PAGES][512] __attribute__((aligned(4096)));

uint64_t user_load(uint64_t address);           /* in user mode */

static void load(const struct space *s, uint64_t bits)
{
    __asm__ volatile("movq %0, %%cr3" : : "r"((uint64_t)s->root | bits) : "memory");
}

static void leave(void)
{
    __asm__ volatile("movq %0, %%cr3" : : "r"(level4) : "memory");
}

static void make(struct space *s, uint64_t entry)
{
    for (int i = 0; i < 512; i++)
        s->root[i] = level4[i];
    s->root[1] = (uint64_t)s->level3 | ALL;
    s->level3[0] = (uint64_t)s->level2 | ALL;
    s->level2[0] = (uint64_t)s->level1 | ALL;
    VOLATILE(s->level1[0]) = entry;
}

static uint64_t page_entry(uint64_t number)
{
    return (uint64_t)page[number % PAGES] | ALL;
}

static void see(struct space *s, uint64_t bits, uint64_t number, const char *what)
{
    load(s, bits);
    check(DATA_AT == number % PAGES, what);
}

/* Round all of them, and to and fro between few; each is written to by its own tables. */
static void many(void)
{
    for (uint64_t round = 0; round < 3; round++)
        for (uint64_t i = 0; i < SPACES; i++)
            see(&space[i], 0, i, "each space has its own page");
    for (uint64_t i = 0; i < 64; i++) {
        see(&space[i & 1], 0, i & 1, "two spaces in turn");
        DATA_AT = i & 1;
    }
}

/* At each level, while another one is loaded; the same root again, too. */
static void altered(void)
{
    struct space *one = &space[0], *other = &space[1], *third = &space[2];

    for (uint64_t i = 0; i < 32; i++) {
        see(one, 0, i, "the page that was put there while it was not loaded");
        see(other, 0, 1, "the other space");
        VOLATILE(one->level1[0]) = page_entry(i + 1);
    }
    for (uint64_t i = 0; i < 16; i++) {
        VOLATILE(one->level1[0]) = page_entry(i);
        see(one, 0, i, "the same root again");
    }
    make(one, page_entry(0));
    see(one, 0, 0, "as at first");
    leave();
    VOLATILE(one->level2[0]) = (uint64_t)other->level1 | ALL;
    see(one, 0, 1, "another table of level 1");
    leave();
    VOLATILE(one->level3[0]) = (uint64_t)third->level2 | ALL;
    see(one, 0, 2, "another table of level 2");
    leave();
    VOLATILE(one->root[1]) = (uint64_t)space[3].level3 | ALL;
    see(one, 0, 3, "another table of level 3");
    VOLATILE(space[3].level1[0]) = page_entry(1);       /* of both */
    see(one, 0, 1, "a table of two spaces");
    see(&space[3], 0, 1, "a table of two spaces, by the other one");
    leave();
    VOLATILE(one->root[1]) = 0;
    load(one, 0);
    check(FAULTS("movq (%%rcx), %%rax", "c"(AT)), "nothing is there any more");
    make(one, page_entry(0));
    make(&space[3], page_entry(3));
    /* a large page, and a small one again */
    VOLATILE(one->level2[0]) = ((uint64_t)page[2] & ~0x1fffffull) | ALL | 0x80;
    load(one, 0);
    check(*(volatile uint64_t *)(AT + ((uint64_t)page[2] & 0x1fffff)) == 2, "a large page");
    VOLATILE(one->level2[0]) = (uint64_t)one->level1 | ALL;
    see(one, 0, 0, "a small one again");
    check(FAULTS("movq (%%rcx), %%rax", "c"(AT + 0x1000)), "with nothing beside it");
}

/* What only allows less, or is not known to have been used. */
static void rights(void)
{
    struct space *s = &space[0];

    make(s, page_entry(0));
    load(s, 0);
    DATA_AT = 0;
    check(user_load(AT) == 0 && caught_vector == 6, "the user's page");
    leave();
    VOLATILE(s->level1[0]) &= ~(uint64_t)W;
    load(s, 0);
    check(DATA_AT == 0 && FAULTS("movb $0, (%%rcx)", "c"(AT)), "read-only by now");
    check(user_load(AT) == 0 && caught_vector == 6, "the user's page, read-only");
    leave();
    VOLATILE(s->level2[0]) &= ~(uint64_t)U;
    load(s, 0);
    user_load(AT);
    check(caught_vector == 14 && DATA_AT == 0, "the kernel's alone by now");
    load(&space[1], 0);
    check(user_load(AT) == 1 && caught_vector == 6, "the user's page, in another space");
    load(s, 0);
    user_load(AT);
    check(caught_vector == 14, "the kernel's alone still");
    make(s, page_entry(0) | A | D);
    load(s, 0);
    DATA_AT = 0;
    leave();
    VOLATILE(s->level1[0]) &= ~(uint64_t)(A | D);
    VOLATILE(s->level2[0]) &= ~(uint64_t)A;
    load(s, 0);
    check(!(VOLATILE(s->level1[0]) & (A | D)), "nobody has used it yet");
    check(DATA_AT == 0 && (VOLATILE(s->level1[0]) & (A | D)) == A, "read");
    check(VOLATILE(s->level2[0]) & A, "by way of its table");
    DATA_AT = 0;
    check(VOLATILE(s->level1[0]) & D, "written to");
    for (int i = 0; i < 2; i++) {
        uint64_t *table = i ? s->level2 : s->level1;
        leave();
        VOLATILE(table[0]) &= ~(uint64_t)A;
        load(s, 0);
        check(!(VOLATILE(table[0]) & A) && DATA_AT == 0 && VOLATILE(table[0]) & A, "read again");
    }
}

/* To another page, and back, without a word; then with one. */
static void there_and_back(void)
{
    struct space *s = &space[0];
    uint64_t entry = (page_entry(0) | A) & ~(uint64_t)W;

    make(s, entry);
    see(s, 0, 0, "the first page");
    VOLATILE(s->level1[0]) = page_entry(1);
    __asm__ volatile("invlpg (%0)" : : "r"(AT) : "memory");
    DATA_AT = 1;
    VOLATILE(s->level1[0]) = entry;
    see(s, 0, 0, "the first page again");
    VOLATILE(s->level1[0]) = page_entry(1);
    if (!FAULTS("movb $1, (%%rcx)", "c"(AT)))           /* which a TLB may have either way */
        check(page[1][0] == 1, "the second page, written to");
    VOLATILE(s->level1[0]) = entry;
    see(s, 0, 0, "the first page, after all");
}

/* Tables become data, data become tables. */
static void reused(void)
{
    struct space *s = &space[0];

    make(s, page_entry(0));
    see(s, 0, 0, "before its table is data");
    leave();
    for (int i = 0; i < 512; i++)
        VOLATILE(s->level1[i]) = (uint64_t)i << 12;
    load(s, 0);
    check(FAULTS("movq (%%rcx), %%rax", "c"(AT)), "a table that is data now");
    for (uint64_t i = 1; i < 16; i++) {                 /* each page of the space in turn */
        uint64_t *table = (uint64_t *)&space[4 + i % 2].level1;
        leave();
        VOLATILE(table[0]) = page_entry(i);
        VOLATILE(s->level2[0]) = (uint64_t)table | ALL;
        see(s, 0, i, "data that are a table now");
    }
    leave();
    VOLATILE(s->level1[0]) = (uint64_t)s->level1 | ALL;         /* it shows itself */
    VOLATILE(s->level2[0]) = (uint64_t)s->level1 | ALL;
    load(s, 0);
    check(DATA_AT == (VOLATILE(s->level1[0])), "a table, seen by itself");
    DATA_AT = page_entry(2) | A | D;
    see(s, 0, 2, "what was written to it there");
}

/* By more tables than a monitor has: the same page in each slot of the root's lower half, twice in
 * some, so that tables are missing at each level. */
static void scattered(void)
{
    struct space *s = &space[0];

    make(s, page_entry(1));
    s->level2[1] = s->level2[0];
    for (uint64_t slot = 3; slot < 256; slot++)
        s->root[slot] = s->root[1];
    load(s, 0);
    for (uint64_t i = 0; i < 3 * 253; i++) {
        uint64_t at = (3 + i % 253) << 39;
        check(*(volatile uint64_t *)at == 1, "the same page in many slots");
        check(i % 5 || *(volatile uint64_t *)(at + (2 << 20)) == 1, "the same page twice");
    }
}

void spaces(void)
{
    set_task();
    for (uint64_t i = 0; i < PAGES; i++)
        page[i][0] = i;
    for (uint64_t i = 0; i < SPACES; i++)
        make(&space[i], page_entry(i));
    many();
    altered();
    rights();
    there_and_back();
    reused();
    scattered();
    for (uint64_t i = 0; i < THOUSANDS; i++) {          /* bits of CR3 that mean nothing */
        struct space *s = &space[1 + i % 7];
        VOLATILE(s->level1[0]) = page_entry(i);
        see(s, i & 0xfff, i, "thousands of values of CR3");
    }
    leave();
}
