/* SPDX-License-Identifier: MIT */
/*
 * All instructions of an image, one after the other, and those of the table among them.
 *
 * The bytes of a part are decoded from symbol to symbol. Where they are no instruction the next
 * byte is tried, and what is found before the next symbol, or before 200 instructions in a row,
 * is doubtful. So is what stands in bytes that a symbol calls data (some assemblers call code so),
 * or behind the end of a function, where other than padding is there. A jump into the middle of an
 * instruction shows code that this order has not seen: it is decoded from there, as doubtful. None
 * of this is left out of the report: struct doubt says where, finding.doubt why.
 */
#ifndef SCAN_SWEEP_H
#define SCAN_SWEEP_H

#include "image.h"
#include "lines.h"
#include "table.h"

struct finding {
    const struct row *row;
    const struct part *part;
    const struct symbol *symbol;        /* NULL: none */
    uint64_t address;
    unsigned int length;
    const char *file;                   /* NULL: not known */
    int line;
    const char *doubt;                  /* NULL, or why it may be no instruction at all */
    const char *kept;                   /* NULL, or why the kernel has it on purpose */
    char text[96];
};

enum doubt_kind {
    DATA,               /* so says a symbol */
    GAP,                /* between a function's end and the next symbol: not padding */
    NO_INSTRUCTION,     /* bytes that are none: data, or code of another mode */
    SYMBOL_INSIDE,      /* a symbol in the middle of an instruction */
    JUMP_INSIDE         /* a jump into the middle of an instruction */
};

struct doubt {
    enum doubt_kind kind;
    const struct part *part;
    const struct symbol *symbol;
    uint64_t address, length;           /* length: of what the kind speaks of */
    uint64_t from;                      /* JUMP_INSIDE: where the jump is */
};

struct scan {
    struct image *image;
    struct lines *lines;
    struct finding *findings;           /* in the order of the file */
    size_t finding_count;
    struct doubt *doubts;
    size_t doubt_count;
    uint64_t instructions, bytes;
};

/* NULL of lines: none are known. */
void sweep(struct scan *scan, struct image *image, struct lines *lines);
void sweep_free(struct scan *scan);

#endif
