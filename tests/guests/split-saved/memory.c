/* SPDX-License-Identifier: MIT */
/*
 * Pages that are never what they were: by chance one is looked at, is right, and is written anew,
 * here or through another mapping, or becomes a page table, or is given back for a while. What
 * somebody copies meanwhile is never all of one moment.
 */
#include "../lib/test.h"
#include "memory.h"

#include <pvguest/balloon.h>
#include <pvguest/thread.h>

#define PAGES 96u
#define MANY 1400u                      /* Of 2560 that the guest has. */
#define KEPT 8u                         /* The first ones only ever hold words: tables name them. */
#define WORDS 512u
#define STEP_NS (3 * NS_PER_MS)

enum state { PLAIN, TABLE, LENT };

static struct slot {
    uint64_t *page;
    enum state state;
    unsigned int generation;
} slots[MANY];
static unsigned int count;
volatile unsigned int memory_steps;

static unsigned int by_chance(unsigned int below)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned int)(state >> 33) % below;
}

static uint64_t word(unsigned int slot, unsigned int i)
{
    return (slots[slot].generation * 1000003UL + slot) * 0x9e3779b97f4a7c15UL + i;
}

static void fill(unsigned int slot, uint64_t *page)
{
    slots[slot].generation++;
    for (unsigned int i = 0; i < WORDS; i++)
        page[i] = word(slot, i);
}

static void fill_elsewhere(unsigned int slot)
{
    unsigned long frame = virt_to_mfn(slots[slot].page);
    uint64_t *page = map_frames(&frame, 1, PROT_RW, DOMID_SELF, NULL);

    NEED(!IS_ERR(page));
    fill(slot, page);
    unmap_frames(page, 1);
}

/* Of a table: what is not present may be anything. */
static uint64_t entry(unsigned int i)
{
    return i < KEPT ? virt_to_machine(slots[i].page) | PROT_RO : i * 2;
}

static bool is_right(unsigned int slot, unsigned int i)
{
    uint64_t is = slots[slot].page[i];

    if (slots[slot].state == PLAIN) return is == word(slot, i);
    return (is & ~PVGUEST_PTE_USER) == (entry(i) & ~PVGUEST_PTE_USER);   /* mm.h */
}

static void check(unsigned int slot)
{
    unsigned int right = 0;

    while (right < WORDS && is_right(slot, right))
        right++;
    CHECK_IS(right, WORDS);
}

static void become_table(unsigned int slot)
{
    for (unsigned int i = 0; i < WORDS; i++)
        slots[slot].page[i] = entry(i);
    CHECK_IS(page_set_readonly(slots[slot].page, true), 0);
    pt_pin(1, virt_to_mfn(slots[slot].page));
    CHECK_IS(pt_flush(), 0);
    slots[slot].state = TABLE;
}

static void become_plain(unsigned int slot)
{
    if (slots[slot].state == TABLE) {
        pt_unpin(virt_to_mfn(slots[slot].page));
        CHECK_IS(pt_flush(), 0);
        CHECK_IS(page_set_readonly(slots[slot].page, false), 0);
    } else if (balloon_take(slots[slot].page)) {
        return;                         /* there is none for us now */
    }
    slots[slot].state = PLAIN;
    fill(slot, slots[slot].page);
}

static void step(unsigned int slot)
{
    unsigned int what = by_chance(16);

    if (slots[slot].state != LENT)
        check(slot);
    if (slots[slot].state != PLAIN)
        become_plain(slot);
    else if (what == 0 && slot >= KEPT)
        become_table(slot);
    else if (what == 1 && slot >= KEPT && balloon_give(slots[slot].page) == 0)
        slots[slot].state = LENT;
    else if (what < 4)
        fill_elsewhere(slot);
    else
        fill(slot, slots[slot].page);
    memory_steps++;
}

static void work(void *unused)
{
    for (;;) {
        step(by_chance(count));
        thread_sleep(STEP_NS);
    }
}

static void work_all(void *unused)
{
    for (unsigned int slot = 0; ; slot = (slot + 1) % count) {
        step(slot);
        if (slot % 64 == 0)
            thread_yield();
    }
}

void memory_begin(bool all)
{
    for (count = 0; count < (all ? MANY : PAGES); count++) {
        slots[count].page = alloc_page();
        NEED(slots[count].page);
        fill(count, slots[count].page);
    }
    NEED(thread_create("memory", all ? work_all : work, NULL));
}
