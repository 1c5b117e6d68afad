/* SPDX-License-Identifier: MIT */
/*
 * The scan. A function is what a symbol says it is: of C with its size, of assembly from its label
 * to where nothing goes on. Each must decode to its end; what does not is data, or more than we
 * know, and its pages are left out.
 */
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include "code.h"
#include "elf.h"
#include "internal.h"
#include "machine.h"
#include "shadow.h"

enum { UNTYPED = 0, FUNCTION = 2, MOST_SYMBOLS = 65536 };

bool is_silent(const struct instruction *i)
{
    static execute *const silent[] = {
        do_pushf, do_popf, do_iret, do_far_return, do_mov_from_segment, do_mov_to_segment,
        do_push_segment, do_pop_segment, do_load_far_pointer, do_group6, do_group7, do_lar_lsl,
        do_cpuid,
    };
    unsigned int which = i->reg & 7;

    if (i->row->execute == do_group5) return which == 3 || which == 5;          /* far */
    if (i->row->execute == do_group15)          /* rdfsbase rdgsbase wrfsbase wrgsbase */
        return i->rep && i->mod == 3 && which < 4;
    return executed_by(i, silent, sizeof(silent) / sizeof(*silent));
}

/* Encodings that no CPU has, though they have a length: tables of the kernel's addresses are full
 * of them (ff ff). */
static bool is_nothing(const struct instruction *i)
{
    return i->map == 0 && i->row->execute == do_undefined;
}

static bool ends_flow(const struct instruction *i)
{
    static execute *const ends[] = {
        do_ret, do_far_return, do_iret, do_sysret, do_jmp, do_undefined,
    };
    unsigned int which = i->reg & 7;

    if (i->row->execute == do_group5) return which == 4 || which == 5;          /* jmp */
    return executed_by(i, ends, sizeof(ends) / sizeof(*ends));
}

/* Where a branch within the function goes, as an offset from behind it; 0: it is none. */
static int64_t branch(const struct instruction *i)
{
    static execute *const near[] = { do_jcc, do_jmp, do_loop };

    return executed_by(i, near, sizeof(near) / sizeof(*near)) ? (int64_t)i->immediate : 0;
}

struct range {
    const uint8_t *bytes;
    uint64_t physical, size;            /* size: at most; open: to the end of flow */
    bool open;
};

/* The first pass decodes, the second one patches: nothing is touched of what does not decode. */
static bool pass(struct machine *machine, struct range *range, unsigned int *sites)
{
    uint64_t furthest = 0, at = 0;
    struct instruction i;

    while (at < range->size) {
        uint64_t left = range->size - at;
        if (decode(&i, range->bytes + at, left < 15 ? (unsigned int)left : 15, CODE_64) !=
            DECODED || is_nothing(&i))
            return false;
        if (sites && is_silent(&i)) {
            uint64_t physical = range->physical + at;
            struct code_page *page = machine->code[physical / PAGE];
            if (page && !(page->patched[physical % PAGE / 8] & 1 << physical % 8)) {
                page->copy[physical % PAGE] = INT3;
                page->patched[physical % PAGE / 8] |= (uint8_t)(1 << physical % 8);
                ++*sites;
            }
        }
        at += i.length;
        if (branch(&i) > 0 && at + (uint64_t)branch(&i) > furthest)
            furthest = at + (uint64_t)branch(&i);
        if (range->open && ends_flow(&i) && at > furthest) {
            range->size = at;
            return true;
        }
    }
    return !range->open;
}

static int make_pages(struct machine *machine, const struct range *range)
{
    for (uint64_t n = range->physical / PAGE; n <= (range->physical + range->size - 1) / PAGE;
         n++) {
        struct code_page *page = machine->code[n];
        if (page)
            continue;
        page = calloc(1, sizeof(*page));
        if (page)
            page->copy = alloc_page();
        if (!page || !page->copy) return refused(-ENOMEM);
        memcpy(page->copy, machine->page[n], PAGE);
        machine->code[n] = page;
    }
    return 0;
}

/* Where a symbol's function lies in the file and in memory, if it is one. */
static bool locate(const struct machine *machine, const struct elf *elf,
                   const struct elf_symbol *symbol, struct range *range)
{
    for (unsigned int i = 0; i < elf->header.segments; i++) {
        struct elf_segment s;
        uint64_t offset;
        if (!elf_segment(elf, i, &s) || s.type != ELF_LOAD || !(s.flags & ELF_EXECUTABLE) ||
            symbol->value < s.address || symbol->value - s.address >= s.size)
            continue;
        offset = symbol->value - s.address;
        range->open = symbol->type % 16 == UNTYPED || !symbol->size;
        range->bytes = elf->bytes + s.offset + offset;
        range->physical = s.physical + offset;
        range->size = range->open || symbol->size > s.size - offset ? s.size - offset
                                                                     : symbol->size;
        return range->physical + range->size <= machine->pages * PAGE &&
               machine->page[range->physical / PAGE] != NULL;
    }
    return false;
}

/* Functions of C, and what assembly has no type for. */
static bool is_code(const struct elf_symbol *symbol)
{
    return symbol->type % 16 == FUNCTION || (symbol->type % 16 == UNTYPED && symbol->section);
}

static int scan_table(struct machine *machine, const struct elf *elf,
                      const struct elf_section *table, struct code_found *found)
{
    struct elf_symbol symbol;
    struct range range;

    for (uint64_t n = 0; n < MOST_SYMBOLS && elf_symbol(elf, table, n, &symbol); n++) {
        int error;
        if (!is_code(&symbol) || !locate(machine, elf, &symbol, &range))
            continue;
        if (!pass(machine, &range, NULL)) {
            found->left_out++;
            continue;
        }
        error = make_pages(machine, &range);
        if (error) return error;
        found->functions++;
        pass(machine, &range, &found->sites);
    }
    return 0;
}

int code_scan(struct machine *machine, struct image kernel, struct code_found *found)
{
    struct elf elf;
    struct elf_section table;

    *found = (struct code_found){ 0 };
    if (!elf_open(&elf, kernel.bytes, kernel.size)) return 0;
    for (unsigned int i = 0; i < elf.header.sections; i++)
        if (elf_section(&elf, i, &table) && table.type == ELF_SYMBOLS)
            return scan_table(machine, &elf, &table, found);
    return 0;
}

bool code_patched(struct machine *machine, uint64_t physical)
{
    uint64_t number = physical / PAGE;
    struct code_page *page = number < machine->pages ? machine->code[number] : NULL;

    return page && page->patched[physical % PAGE / 8] & 1 << physical % 8;
}

void code_forget(struct machine *machine, uint64_t number)
{
    struct code_page *page = machine->code[number];

    machine->code[number] = NULL;
    if (!page->copy) {
        machine->rewritten[number] += machine->rewritten[number] < UINT8_MAX;
        machine->code_written = true;
        return;
    }
    shadow_doubt();                             /* before the guest runs there again */
    free_page(page->copy);
    free(page);
}
