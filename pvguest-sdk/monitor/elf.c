/* SPDX-License-Identifier: MIT */
#include <pvguest/string.h>
#include "elf.h"

enum { MACHINE_AMD64 = 62 };

static bool inside(const struct elf *elf, uint64_t offset, uint64_t size)
{
    return size <= elf->size && offset <= elf->size - size;
}

/* One record of a table. */
static bool read(const struct elf *elf, uint64_t offset, void *record, size_t size)
{
    if (!inside(elf, offset, size)) return false;
    memcpy(record, elf->bytes + offset, size);
    return true;
}

bool elf_open(struct elf *elf, const uint8_t *bytes, size_t size)
{
    *elf = (struct elf){ .bytes = bytes, .size = size };
    return read(elf, 0, &elf->header, sizeof(elf->header)) &&
           !memcmp(bytes, "\177ELF\2\1", 6) && elf->header.machine == MACHINE_AMD64;
}

bool elf_segment(const struct elf *elf, unsigned int number, struct elf_segment *segment)
{
    const struct elf_header *h = &elf->header;

    return number < h->segments && h->segment_size >= sizeof(*segment) &&
           read(elf, h->segments_at + number * h->segment_size, segment, sizeof(*segment)) &&
           (segment->type != ELF_LOAD || inside(elf, segment->offset, segment->size));
}

bool elf_section(const struct elf *elf, unsigned int number, struct elf_section *section)
{
    const struct elf_header *h = &elf->header;

    return number < h->sections && h->section_size >= sizeof(*section) &&
           read(elf, h->sections_at + number * h->section_size, section, sizeof(*section)) &&
           (section->type != ELF_SYMBOLS || inside(elf, section->offset, section->size));
}

bool elf_symbol(const struct elf *elf, const struct elf_section *table, uint64_t number,
                struct elf_symbol *symbol)
{
    return number < table->size / sizeof(*symbol) &&
           read(elf, table->offset + number * sizeof(*symbol), symbol, sizeof(*symbol));
}
