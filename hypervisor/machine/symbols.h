/* SPDX-License-Identifier: MIT */
/* The functions of the image by their addresses, from the lowest up: made when it is linked
 * (build.mk), for traces. */
#ifndef DOMUS_MACHINE_SYMBOLS_H
#define DOMUS_MACHINE_SYMBOLS_H

#include "lib/types.h"

struct symbol { uint64_t address; const char *name; };
extern const struct symbol symbols_start[], symbols_end[];

#endif
