/* SPDX-License-Identifier: MIT */
/* Where a saved guest is written to, or read from: bytes in their order. */
#ifndef DOM0_SAVE_TAPE_H
#define DOM0_SAVE_TAPE_H

#include "dom0/base.h"

/* Whoever has one embeds it. Both sleep. 0 or a negative errno: -ENOSPC when there is no room for
 * more, -ENODATA when nothing more comes. */
struct tape {
    int (*write)(struct tape *tape, const void *bytes, size_t size);
    int (*read)(struct tape *tape, void *bytes, size_t size);
};

#endif
