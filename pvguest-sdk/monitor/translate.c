/* SPDX-License-Identifier: MIT */
/*
 * The cache is a window of 2 MiB in the shadow's kernel tree, at an address that is the guest's
 * otherwise: a kernel that maps something exactly there does not see it. Of the window its code can
 * write the first two pages: registers saved for a moment, and the virtual interrupt flag. A guest
 * that writes there itself changes what would be in its own registers, no more: nothing in it is
 * believed to be anything else, and the monitor's own memory is not mapped.
 *
 * The flag's page is read-only while an interrupt waits for the flag, so that who sets it comes
 * here. Blocks are good as long as (1) the pages they were made from are not written to: those are
 * pages of code, as in mode=trap (code.h), and a write forgets all blocks; and (2) their addresses
 * mean these pages: after each change of the guest's tables the mappings (large ones, mostly) are
 * looked at again before a block is run. A page that is written to again and again is interpreted.
 */
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include <pvguest/traps.h>
#include "code.h"
#include "direct.h"
#include "machine.h"
#include "shadow.h"
#include "translate.h"
#include "translator.h"
#include "trap.h"

enum { MAPPINGS = 256, MOST_WRITES = 16, CODE_BYTES = BLOCK_LONGEST * LONGEST_INSTRUCTION };
#define WINDOW 0xfffffc0000000000ull
#define READABLE (PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

static struct translator translator;
static struct code_page source_page;            /* in machine->code of all pages that have blocks */
static bool locked;                             /* the flag's page is read-only */

/* Where code was translated from: pages of the guest's tables, of any size. */
static struct mapping { uint64_t linear, entry; } mappings[MAPPINGS];
static unsigned int mapping_count;
static bool doubtful;                           /* they may be others now */
/* What of an entry (peek()) says where code is. */
#define OF_CODE (ENTRY_ADDRESS | ENTRY_LARGE | ENTRY_LEVEL | ENTRY_NX)

static void forget_all(struct machine *machine)
{
    translation_reset(&translator);
    mapping_count = 0;
    machine->code_written = false;
    trap_counters.emptied++;
}

static void map_cache_page(unsigned int number)
{
    uint64_t bits = READABLE;

    if (number * PAGE < CACHE_CODE && !(locked && number == CACHE_IF / PAGE))
        bits |= PTE_WRITE;
    if (number * PAGE < CACHE_CODE || number * PAGE >= CACHE_TABLE)
        bits |= PTE_NX;
    shadow_window_page(number, translator.cache + number * PAGE, bits);
}

int translate_init(struct machine *machine)
{
    translator.cache = alloc_pages(9);
    translator.address = WINDOW;
    translator.sites = calloc(SITES, sizeof(*translator.sites));
    translator.blocks = calloc(BLOCKS, sizeof(*translator.blocks));
    machine->rewritten = calloc(machine->pages, sizeof(*machine->rewritten));
    if (!translator.cache || !translator.sites || !translator.blocks || !machine->rewritten)
        return refused(-ENOMEM);
    memset(translator.cache, 0, CACHE_SIZE);
    translation_reset(&translator);
    if (shadow_window(WINDOW)) return refused(-ENOMEM);
    for (unsigned int i = 0; i < CACHE_SIZE / PAGE; i++)
        map_cache_page(i);
    return pt_flush();
}

/* --- what blocks were made from --- */

void translate_invalidated(void)
{
    doubtful = true;
}

static void validate(struct machine *machine)
{
    bool stale = machine->code_written;
    struct way way = { 0 };

    for (unsigned int i = 0; i < mapping_count && doubtful; i++) {
        uint64_t entry = peek(&machine->vcpu, mappings[i].linear, &way);
        trap_counters.validations++;
        stale |= !entry || (entry ^ mappings[i].entry) & OF_CODE;
    }
    doubtful = false;
    if (stale)
        forget_all(machine);
}

static void add_mapping(struct machine *machine, uint64_t linear, const struct translation *t)
{
    uint64_t start = linear & ~(t->page_size - 1);

    /* one that says otherwise of the same address is another: one of the two will be wrong */
    for (unsigned int i = 0; i < mapping_count; i++)
        if (mappings[i].linear == start && !((mappings[i].entry ^ t->entry) & OF_CODE)) return;
    machine->code_written |= mapping_count == MAPPINGS;         /* before another block is run */
    if (mapping_count < MAPPINGS)
        mappings[mapping_count++] = (struct mapping){ start, t->entry };
}

/* The page at that address, for an instruction to be fetched; NULL: there is none for a block. */
static const uint8_t *find_source(struct machine *machine, uint64_t linear,
                                  struct translation *t)
{
    uint64_t number;

    if (!walk(&machine->vcpu, linear, ACCESS_FETCH, t)) return NULL;
    number = t->physical / PAGE;
    return number < machine->pages && machine->rewritten[number] < MOST_WRITES
        ? machine->page[number] : NULL;
}

/* Nobody writes to it unseen from now on. */
static void watch(struct machine *machine, uint64_t linear, const struct translation *t)
{
    struct code_page **code = &machine->code[t->physical / PAGE];

    add_mapping(machine, linear, t);
    if (*code) return;
    *code = &source_page;
    shadow_doubt();
    tlb_flush(&machine->vcpu);
}

/* Up to `size` bytes from there on, of at most two pages. */
static unsigned int read_source(struct machine *machine, uint64_t linear, uint8_t *bytes,
                                unsigned int size, struct translation t[2])
{
    unsigned int count = 0, room = (unsigned int)(PAGE - linear % PAGE);

    for (unsigned int i = 0; i < 2 && count < size; i++) {
        const uint8_t *page = find_source(machine, linear + count, &t[i]);
        unsigned int n = size - count < room ? size - count : room;
        if (!page)
            break;
        memcpy(bytes + count, page + (linear + count) % PAGE, n);
        count += n;
        room = PAGE;
    }
    return count;
}

static uint32_t make(struct machine *machine, uint64_t rip)
{
    uint8_t bytes[CODE_BYTES + LONGEST_INSTRUCTION];
    struct translation t[2];
    unsigned int used, room = (unsigned int)(PAGE - rip % PAGE),
                 within = room < CODE_BYTES ? room : CODE_BYTES,
                 count = read_source(machine, rip, bytes, within + LONGEST_INSTRUCTION, t);
    uint32_t block;

    if (!count) return 0;
    watch(machine, rip, &t[0]);
    block = translation_make(&translator, rip, bytes, count, within, &used);
    if (!block) {
        forget_all(machine);
        return 0;
    }
    if (used > room)
        watch(machine, rip + room, &t[1]);
    trap_counters.blocks++;
    return block;
}

/* The block at RIP; 0: there is none now. What is known of all others may be gone. */
static uint32_t block_at(struct machine *machine, uint64_t rip)
{
    uint32_t block;

    validate(machine);
    block = translation_find(&translator, rip);
    return block ? block : make(machine, rip);
}

/* --- in and out --- */

static void set_flag(const struct vcpu *vcpu)
{
    uint64_t flag = vcpu->rflags & FLAG_IF;

    memcpy(translator.cache + CACHE_IF, &flag, sizeof(flag));
    if (locked == vcpu->interrupt_pending) return;
    locked = vcpu->interrupt_pending;
    map_cache_page(CACHE_IF / PAGE);
    pt_invlpg(WINDOW + CACHE_IF);
}

bool translate_enter(struct machine *machine)
{
    struct vcpu *vcpu = &machine->vcpu;
    uint32_t at;

    if (vcpu->rflags & (FLAG_IOPL | FLAG_AC | FLAG_VM)) return false;
    at = block_at(machine, vcpu->rip);
    if (!at || translation_site(&translator, at)->kind == SITE_INTERPRET) return false;
    set_flag(vcpu);
    vcpu->rip = WINDOW + at;
    return true;
}

/* An int3 for want of a block: makes it, and lets who came here go there at once next time. */
static void find_next(struct machine *machine, const struct site *site)
{
    uint64_t flushes = trap_counters.emptied, rip = machine->vcpu.rip;
    struct site was = *site;
    uint32_t block = block_at(machine, rip);

    if (!block) return;
    if (was.kind == SITE_MISS)
        translation_offer(&translator, rip, block);
    else if (flushes == trap_counters.emptied)
        translation_chain(&translator, &was, block);
}

bool translate_leave(struct machine *machine, struct direct_exit *exit)
{
    struct vcpu *vcpu = &machine->vcpu;
    bool stopped = exit->vector == TRAP_BP, stored;
    uint64_t at = vcpu->rip - WINDOW - stopped;
    const struct site *site = translation_site(&translator, at);

    if (!site || (stopped && site->kind == SITE_RUN)) {
        machine_fail(machine, "the guest has left its translation, for %lx", vcpu->rip);
        return true;
    }
    stored = translation_settle(&translator, site, vcpu);
    if (!stopped) return stored && exit->vector == TRAP_PF;     /* an interrupt waits for that */
    exit->vector = EXIT_REPLACED;
    if (site->kind == SITE_INTERPRET) return false;
    find_next(machine, site);
    return true;
}
