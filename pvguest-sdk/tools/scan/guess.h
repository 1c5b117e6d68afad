/* SPDX-License-Identifier: MIT */
/*
 * Guesses, where symbols are: ordinary instructions that look like trouble.
 *
 * A store of a page-table entry: in a function whose name speaks of page tables or mappings, a
 * store of an entry's width through a pointer, of a register into which the present bit has just
 * been put by `or`, or of zero. The stack pointer by way of GS: as at an entry that the CPU has
 * made without changing stacks.
 */
#ifndef SCAN_GUESS_H
#define SCAN_GUESS_H

#include "table.h"

struct guess {
    bool tables;                /* the function's name speaks of page tables */
    uint32_t entries;           /* registers that look like entries, by number */
};

/* A function begins. Name may be NULL. */
void guess_begin(struct guess *guess, const char *name);
/* The next instruction: the row it may belong to, or NULL. */
const struct row *guess_next(struct guess *guess, const ZydisDecodedInstruction *insn,
                             const ZydisDecodedOperand *operands, int bits);

#endif
