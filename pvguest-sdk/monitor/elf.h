/* SPDX-License-Identifier: MIT */
/* An ELF file of 32 or 64 bits for x86, read without trust: what does not lie in the file is not
 * there. Pure. */
#ifndef MONITOR_ELF_H
#define MONITOR_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf {
    const uint8_t *bytes;
    size_t size;
    bool wide;                          /* 64 bits */
    uint64_t entry, segments_at, sections_at;
    unsigned int segments, sections, segment_size, section_size;
};

struct elf_part {                       /* a segment to load, or a section */
    uint64_t address, physical, offset, size, memory_size;
    bool loaded, executable;
    uint32_t type, link;
};

struct elf_symbol { uint64_t value, size; bool function, untyped; };

bool elf_open(struct elf *elf, const uint8_t *bytes, size_t size);
/* By number; false: there is none, or not all of it is in the file. */
bool elf_segment(const struct elf *elf, unsigned int number, struct elf_part *part);
bool elf_section(const struct elf *elf, unsigned int number, struct elf_part *part);
/* Of a section of symbols, by number. */
bool elf_symbol(const struct elf *elf, const struct elf_part *table, uint64_t number,
                struct elf_symbol *symbol);

#endif
