/* SPDX-License-Identifier: MIT */
/* Both layouts of System V's ELF (gABI 4.1; AMD64 supplement) by the offsets of their fields. */
#include <pvguest/string.h>
#include "elf.h"

enum { MACHINE_386 = 3, MACHINE_AMD64 = 62, LOAD = 1, NOBITS = 8, SEGMENT_EXECUTE = 1,
       SECTION_EXECUTE = 4, FUNCTION = 2 };

/* Bytes at an offset of the file, all of which are in it; NULL. */
static const uint8_t *at(const struct elf *elf, uint64_t offset, uint64_t size)
{
    return size <= elf->size && offset <= elf->size - size ? elf->bytes + offset : NULL;
}

static uint64_t number(const uint8_t *bytes, unsigned int size)
{
    uint64_t value = 0;

    memcpy(&value, bytes, size);
    return value;
}

/* A field: its offset, in the file of 32 and of 64 bits, and sizes. */
#define FIELD(p, wide, at32, size32, at64, size64) \
    ((wide) ? number((p) + (at64), (size64)) : number((p) + (at32), (size32)))

bool elf_open(struct elf *elf, const uint8_t *bytes, size_t size)
{
    uint64_t machine;
    bool wide;

    memset(elf, 0, sizeof(*elf));
    if (size < 64 || memcmp(bytes, "\177ELF", 4) || (bytes[4] != 1 && bytes[4] != 2) ||
        bytes[5] != 1)
        return false;
    elf->bytes = bytes;
    elf->size = size;
    elf->wide = wide = bytes[4] == 2;
    machine = number(bytes + 18, 2);
    elf->entry = FIELD(bytes, wide, 24, 4, 24, 8);
    elf->segments_at = FIELD(bytes, wide, 28, 4, 32, 8);
    elf->sections_at = FIELD(bytes, wide, 32, 4, 40, 8);
    elf->segment_size = (unsigned int)FIELD(bytes, wide, 42, 2, 54, 2);
    elf->segments = (unsigned int)FIELD(bytes, wide, 44, 2, 56, 2);
    elf->section_size = (unsigned int)FIELD(bytes, wide, 46, 2, 58, 2);
    elf->sections = (unsigned int)FIELD(bytes, wide, 48, 2, 60, 2);
    return machine == (wide ? MACHINE_AMD64 : MACHINE_386);
}

bool elf_segment(const struct elf *elf, unsigned int i, struct elf_part *part)
{
    unsigned int size = elf->wide ? 56 : 32;
    const uint8_t *p = at(elf, elf->segments_at + (uint64_t)i * elf->segment_size, size);
    bool wide = elf->wide;

    if (i >= elf->segments || elf->segment_size < size || !p) return false;
    memset(part, 0, sizeof(*part));
    part->type = (uint32_t)number(p, 4);
    part->loaded = part->type == LOAD;
    part->offset = FIELD(p, wide, 4, 4, 8, 8);
    part->address = FIELD(p, wide, 8, 4, 16, 8);
    part->physical = FIELD(p, wide, 12, 4, 24, 8);
    part->size = FIELD(p, wide, 16, 4, 32, 8);
    part->memory_size = FIELD(p, wide, 20, 4, 40, 8);
    part->executable = FIELD(p, wide, 24, 4, 4, 4) & SEGMENT_EXECUTE;
    return !part->loaded || at(elf, part->offset, part->size);
}

bool elf_section(const struct elf *elf, unsigned int i, struct elf_part *part)
{
    unsigned int size = elf->wide ? 64 : 40;
    const uint8_t *p = at(elf, elf->sections_at + (uint64_t)i * elf->section_size, size);
    bool wide = elf->wide;

    if (i >= elf->sections || elf->section_size < size || !p) return false;
    memset(part, 0, sizeof(*part));
    part->type = (uint32_t)number(p + 4, 4);
    part->executable = FIELD(p, wide, 8, 4, 8, 8) & SECTION_EXECUTE;
    part->address = FIELD(p, wide, 12, 4, 16, 8);
    part->offset = FIELD(p, wide, 16, 4, 24, 8);
    part->size = part->memory_size = FIELD(p, wide, 20, 4, 32, 8);
    part->link = (uint32_t)FIELD(p, wide, 24, 4, 40, 4);
    part->loaded = part->type != NOBITS;
    return !part->loaded || at(elf, part->offset, part->size);
}

bool elf_symbol(const struct elf *elf, const struct elf_part *table, uint64_t i,
                struct elf_symbol *symbol)
{
    unsigned int size = elf->wide ? 24 : 16;
    const uint8_t *p;
    bool wide = elf->wide;

    if (i >= table->size / size) return false;
    p = at(elf, table->offset + i * size, size);
    if (!p) return false;
    symbol->value = FIELD(p, wide, 4, 4, 8, 8);
    symbol->size = FIELD(p, wide, 8, 4, 16, 8);
    symbol->function = (p[wide ? 4 : 12] & 0xf) == FUNCTION;
    symbol->untyped = !(p[wide ? 4 : 12] & 0xf) && number(p + (wide ? 6 : 14), 2);
    return true;
}
