/* SPDX-License-Identifier: MIT */
/* Numbers by chance, the same after the same beginning: Vigna's xorshift64* ("An experimental
 * exploration of Marsaglia's xorshift generators, scrambled"). */
#ifndef UNIT_RANDOM_H
#define UNIT_RANDOM_H

#include <stdint.h>

static uint64_t random_state;           /* Not 0. */

static inline uint64_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545f4914f6cdd1dull;
}

#endif
