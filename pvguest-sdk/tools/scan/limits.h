/* SPDX-License-Identifier: MIT */
/* What a file may take of this machine, in proportion to its size: memory and processor time. The
 * scanner's own steps are linear in the file, or nearly; this is for the libraries below it, which
 * unpack what says that it is small, and for files that are made to be slow. */
#ifndef SCAN_LIMITS_H
#define SCAN_LIMITS_H

#include <stddef.h>

/* One more file, of so many bytes. What goes beyond the limits ends the program, with a line on
 * stderr and status 2. */
void limits_add(size_t size);

#endif
