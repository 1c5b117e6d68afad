/* SPDX-License-Identifier: MIT */
/* An ELF file of 64 bits for x86, read without trust: what does not lie in the file is not there.
 * Records as System V's ABI has them (gABI 4.1; AMD64 supplement). Pure. */
#ifndef MONITOR_ELF_H
#define MONITOR_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ELF_LOAD = 1, ELF_EXECUTABLE = 1, ELF_SYMBOLS = 2 };

struct elf_header {
    uint8_t identity[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, segments_at, sections_at;
    uint32_t flags;
    uint16_t size, segment_size, segments, section_size, sections, names;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, size, memory_size, alignment;
};

struct elf_section {
    uint32_t name, type;
    uint64_t flags, address, offset, size;
    uint32_t link, information;
    uint64_t alignment, entry_size;
};

struct elf_symbol {
    uint32_t name;
    uint8_t type, other;                /* type: in the low four bits */
    uint16_t section;
    uint64_t value, size;
};

struct elf {
    const uint8_t *bytes;
    size_t size;
    struct elf_header header;
};

bool elf_open(struct elf *elf, const uint8_t *bytes, size_t size);
/* By number; false: there is none, or not all of it is in the file, nor what it loads. */
bool elf_segment(const struct elf *elf, unsigned int number, struct elf_segment *segment);
bool elf_section(const struct elf *elf, unsigned int number, struct elf_section *section);
/* Of a section of symbols, by number. */
bool elf_symbol(const struct elf *elf, const struct elf_section *table, uint64_t number,
                struct elf_symbol *symbol);

#endif
