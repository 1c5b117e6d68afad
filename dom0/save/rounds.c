/* SPDX-License-Identifier: MIT */
/* See rounds.h. */
#include "dom0/save/rounds.h"
#include "dom0/save/format.h"

#define MOST_ROUNDS 8u
#define FEW 64u                         /* Pages: what goes while it is looked at all others. */

bool save_rounds_done(const struct save_rounds *rounds)
{
    uint64_t few = MAX(rounds->pages / 512, (uint64_t)FEW);

    return rounds->sent <= few || rounds->number >= MOST_ROUNDS ||
           rounds->total > (SAVE_TIMES - 2) * rounds->pages ||
           (rounds->number > 1 && rounds->sent > rounds->before / 4 * 3);
}
