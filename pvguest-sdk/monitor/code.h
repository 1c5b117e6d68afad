/* SPDX-License-Identifier: MIT */
/*
 * What of a kernel may run directly, and what in it must not be executed as it stands.
 *
 * Most of what a kernel does with privilege faults in user mode. Some does not: it reads or changes
 * other things than it means, and says nothing (Robin and Irvine's seventeen, and a few). A scan at
 * load finds those in the kernel's functions. A page with functions then has a copy in which each
 * of them begins with int3; the copy is what is executed, the page itself stays as it is, for
 * whoever reads it. A page that is written to has no copy any more: from then on what is executed
 * there is interpreted, as is all code that the scan does not know.
 */
#ifndef MONITOR_CODE_H
#define MONITOR_CODE_H

#include <stdbool.h>
#include <stdint.h>

struct machine;
struct image;
struct instruction;

struct code_page {
    uint8_t *copy;                      /* NULL: it is translated, not executed (translate.h) */
    uint8_t patched[4096 / 8];          /* a bit for each byte: int3 is ours */
};

/* How many functions there are, and how many instructions in them were replaced. */
struct code_found { unsigned int functions, left_out, sites; };

/* Of the kernel just loaded. Needs its symbols; without any nothing is found. -ENOMEM. */
int code_scan(struct machine *machine, struct image kernel, struct code_found *found);
/* Whether it does something else in user mode, and does not fault. */
bool is_silent(const struct instruction *instruction);
/* Whether the byte at that guest-physical address is an int3 of ours. */
bool code_patched(struct machine *machine, uint64_t physical);
/* A page of code that is written to is code no more. */
void code_forget(struct machine *machine, uint64_t number);

#endif
