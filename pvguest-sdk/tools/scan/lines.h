/* SPDX-License-Identifier: MIT */
/* Which line of which source file an address comes from, by DWARF, where the file has it. */
#ifndef SCAN_LINES_H
#define SCAN_LINES_H

#include "image.h"

struct lines;

/* NULL when there is none (a note says so). */
struct lines *lines_open(struct image *image);
void lines_close(struct lines *lines);

/* The file's name, which belongs to `lines`; NULL when the address has no line. */
const char *lines_find(const struct lines *lines, uint64_t address, int *line);

#endif
