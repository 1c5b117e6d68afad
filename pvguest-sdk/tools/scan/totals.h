/* SPDX-License-Identifier: MIT */
/*
 * What a scan comes to, in numbers.
 *
 * The porting score is the work that is left: each place counts once, however often the compiler
 * has put it into functions: a line of the source where DWARF tells lines, else an instruction. A
 * silent one counts 10, because nothing will tell of it; a privileged one 3: it faults, and is
 * found; a leaking one and a guess 1. What is kept on purpose counts nothing, what is doubtful as
 * if it were none. A kernel that is ported has 0, or what its author knows about.
 */
#ifndef SCAN_TOTALS_H
#define SCAN_TOTALS_H

#include "sweep.h"

struct totals {
    unsigned int sure[KINDS], doubtful[KINDS], kept[KINDS];
    unsigned int places[KINDS];         /* of the sure ones */
    unsigned int no_instruction, symbols_inside, jumps_inside, data, gaps;
    unsigned int score;
};

extern const unsigned int weights[KINDS];

void totals_of(struct totals *totals, const struct scan *scan);

/* What a script wants to know: 0 none is silent; 1 some are; 3 none, but some place could not be
 * judged. */
enum { NONE_SILENT = 0, SOME_SILENT = 1, FAILED = 2, SOME_DOUBT = 3 };
int verdict(const struct totals *totals);

#endif
