/* SPDX-License-Identifier: MIT */
/*
 * What domus-scan knows: the instructions that a kernel cannot keep when another one owns the
 * machine. The rows stand in table.c; the man page's and the README's tables are printed from them
 * (`domus-scan --table`).
 *
 * Popek and Goldberg (1974): a machine can be given to a guest if every instruction that is
 * sensitive, because it changes the machine's state or behaves as that state is, is privileged,
 * that is, traps when it is not the supervisor's. Robin and Irvine (2000) found seventeen on x86
 * that are sensitive and do not trap.
 */
#ifndef SCAN_TABLE_H
#define SCAN_TABLE_H

#include <stdbool.h>
#include <Zydis/Zydis.h>

enum kind {
    PRIVILEGED,         /* traps outside of ring 0: is emulated, or the kernel gets the fault */
    SILENT,             /* does not trap, and has another effect or another answer */
    LEAKING,            /* does not trap, and tells of the machine beneath */
    GUESS,              /* an ordinary instruction that by its surroundings looks like trouble */
    KINDS
};

/* Which instructions of those with the row's mnemonics: all, or only some forms. */
enum form {
    ANY, FAR, CR0, CR2, CR3, CR4, CR8, DEBUG_REGISTER, FROM_SEGMENT, TO_SEGMENT,
    OTHER_PRIVILEGED,   /* and whatever else the disassembler calls privileged */
    ENTRY_STORE,        /* guesses: guess.c finds them */
    USER_STACK
};

#define MOST_MNEMONICS 22

struct row {
    const char *name;
    enum kind kind;
    bool of_the_seventeen;      /* Robin's and Irvine's */
    int step;                   /* of the porting guide */
    const char *why, *instead;
    enum form form;
    ZydisMnemonic mnemonics[MOST_MNEMONICS];
};

extern const struct row rows[];
extern const unsigned int row_count;
extern const char *const kind_names[KINDS];

/* The row of an instruction, or NULL. */
const struct row *row_of(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands);
/* The row of a form that only one row has. */
const struct row *row_of_form(enum form form);

#endif
