/* SPDX-License-Identifier: MIT */
/*
 * A kernel's file as the scanner sees it: its executable parts, the symbols in them, and what the
 * kernel itself says of some instructions (<pvguest/kept.h>). The file is read whole and never
 * trusted: what does not hold together becomes a note, or the reason why it is not scanned at all.
 * Parts of a file may lie over each other, so that a small one says as much as a huge one would:
 * what is taken out of it is never more than its bytes can hold, and no name has more than
 * LONGEST_NAME of them.
 */
#ifndef SCAN_IMAGE_H
#define SCAN_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libelf.h>

#define LONGEST_NAME 2000

struct symbol {
    uint64_t address, size;
    const char *name;
    bool data;                  /* STT_OBJECT: its `size` bytes are no code, says the symbol */
};

/* An executable section, or one that somebody says is; or a segment, where there are no sections.
 * In a relocatable file addresses are offsets in the section. */
struct part {
    const char *name;
    uint64_t address, size, offset;     /* offset: in the file */
    const uint8_t *bytes;
    size_t section;
    int bits;                           /* 32 or 64 */
    struct symbol *symbols;             /* by address, one for each */
    size_t symbol_count;
};

struct kept {
    uint64_t address;
    const char *reason;
};

struct image {
    const char *path;
    Elf *elf;
    uint8_t *bytes;
    size_t size;
    int bits;
    bool relocatable;
    uint64_t entry;
    const Elf_Data *names;              /* the sections' string table, or NULL */
    struct part *parts;                 /* by place in the file */
    size_t part_count;
    size_t symbol_count;
    struct kept *kept;                  /* by address */
    size_t kept_count;
    char **notes;                       /* what the reader should know, a sentence each */
    size_t note_count;
    uint64_t read;                      /* bytes of tables so far: symbols.c */
    bool overlaid;
};

/* Somebody says: that section is code of 32 or 64 bits. */
struct choice {
    const char *section;
    int bits;
    bool used;
};

/* Reads a file: NULL, or why it cannot be scanned. The choices end with one without a section. */
const char *image_open(struct image *image, const char *path, struct choice *choices);
/* The same from memory, which becomes the image's. */
const char *image_from(struct image *image, const char *path, uint8_t *bytes, size_t size,
                       struct choice *choices);
void image_close(struct image *image);

void image_note(struct image *image, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The symbol at or before an address of the part, or NULL. */
const struct symbol *part_symbol(const struct part *part, uint64_t address);

/* The string at that place of a string table; NULL: there is none. One that is too long for a name
 * says so in its place. */
const char *string_at(const Elf_Data *table, uint64_t at);

/* Why the kernel keeps the instruction at that address, or NULL. */
const char *image_kept(const struct image *image, uint64_t address);

#endif
