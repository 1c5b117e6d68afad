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
#include "interpret.h"
#include "machine.h"
#include "shadow.h"

enum { UNTYPED = 0, FUNCTION = 2, MOST_SYMBOLS = 65536 };

/* Groups, by the register field of their second byte. */
static bool silent_in_two_bytes(const struct instruction *i)
{
    switch (i->opcode) {
    case 0x00:                          /* sldt str lldt ltr verr verw */
    case 0x01:                          /* sgdt sidt smsw, and what faults */
    case 0x02: case 0x03:               /* lar lsl */
    case 0xa0: case 0xa1: case 0xa8: case 0xa9:         /* push and pop of FS and GS */
    case 0xa2:                          /* cpuid */
    case 0xb2: case 0xb4: case 0xb5:    /* lss lfs lgs */
        return true;
    case 0xae:                          /* rdfsbase rdgsbase wrfsbase wrgsbase */
        return i->rep && i->mod == 3 && (i->reg & 7) < 4;
    default:
        return false;
    }
}

bool is_silent(const struct instruction *i)
{
    if (i->map == 1) return silent_in_two_bytes(i);
    if (i->map != 0) return false;
    switch (i->opcode) {
    case 0x9c: case 0x9d: case 0xcf:    /* pushf popf iret */
    case 0x8c: case 0x8e:               /* mov from and to a segment */
    case 0xca: case 0xcb:               /* retf */
        return true;
    case 0xff:                          /* call far, jmp far */
        return (i->reg & 7) == 3 || (i->reg & 7) == 5;
    default:
        return false;
    }
}

/* Encodings that no CPU has, though they have a length: tables of the kernel's addresses are full
 * of them (ff ff). */
static bool is_nothing(const struct instruction *i)
{
    unsigned int which = i->reg & 7;

    if (i->map != 0) return false;
    switch (i->opcode) {
    case 0xff:
        return which == 7;
    case 0xfe:
        return which > 1;
    case 0x8f: case 0xc6: case 0xc7:
        return which != 0;
    default:
        return false;
    }
}

static bool ends_flow(const struct instruction *i)
{
    if (i->map == 1) return i->opcode == 0x0b || i->opcode == 0x07;             /* ud2 sysret */
    return i->opcode == 0xc2 || i->opcode == 0xc3 || i->opcode == 0xca || i->opcode == 0xcb ||
           i->opcode == 0xcf || i->opcode == 0xe9 || i->opcode == 0xeb ||
           (i->opcode == 0xff && ((i->reg & 7) == 4 || (i->reg & 7) == 5));
}

/* Where a branch within the function goes, as an offset from behind it; 0: it is none. */
static int64_t branch(const struct instruction *i)
{
    bool near = i->map == 0 ? (i->opcode & 0xf0) == 0x70 || i->opcode == 0xe9 ||
                              i->opcode == 0xeb || (i->opcode & 0xfc) == 0xe0
                            : i->map == 1 && (i->opcode & 0xf0) == 0x80;

    return near ? (int64_t)i->immediate : 0;
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
