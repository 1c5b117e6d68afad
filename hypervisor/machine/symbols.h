/* SPDX-License-Identifier: MIT */
/* What the linker says of the image (build.mk): its functions by their addresses, from the lowest
 * up, for traces; and the note by which debuggers and operators know one build from another. */
#ifndef DOMUS_MACHINE_SYMBOLS_H
#define DOMUS_MACHINE_SYMBOLS_H

#include "lib/types.h"

struct symbol { uint64_t address; const char *name; };
extern const struct symbol symbols_start[], symbols_end[];

struct build_id_note { uint32_t sizes[2], type; char owner[4]; uint8_t id[20]; };
extern const struct build_id_note build_id_note;

#endif
