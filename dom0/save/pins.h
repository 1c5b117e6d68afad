/* SPDX-License-Identifier: MIT */
/* The page tables of a guest that is restored, pinned (pins.c). */
#ifndef DOM0_SAVE_PINS_H
#define DOM0_SAVE_PINS_H

#include "dom0/config/problem.h"
#include "dom0/save/guest.h"

/* Of pfns 0 to `pages`: their frames, and the highest eight bits of their types. */
struct tables {
    uint64_t pages;
    const unsigned long *p2m;
    uint8_t *type;
};

/* Those that were pinned, and the others until unpin_others(). */
int pin_tables(struct guest *guest, struct tables *tables, struct problem *problem);
int unpin_others(struct guest *guest, struct tables *tables, struct problem *problem);

#endif
