/* SPDX-License-Identifier: MIT */
/* See digest.h. */
#include "dom0/save/digest.h"

/* SplitMix64 (Steele, Lea, Flood, 2014): a counter, and its bits mixed. */
void digest_make_key(struct digest_key *key, uint64_t seed)
{
    for (unsigned i = 0; i < ARRAY_SIZE(key->word); i++) {
        uint64_t word = seed += 0x9e3779b97f4a7c15ul;

        word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9ul;
        word = (word ^ word >> 27) * 0x94d049bb133111ebul;
        key->word[i] = word ^ word >> 31;
    }
}

struct digest digest_page(const struct digest_key *key, const void *page)
{
    const uint64_t *word = page;
    unsigned __int128 sum = 0;

    /* Most of the time for which a guest that moves stands still is spent here. */
#pragma GCC unroll 32
    for (unsigned i = 0; i < ARRAY_SIZE(key->word); i += 2)
        sum += (unsigned __int128)(word[i] + key->word[i]) * (word[i + 1] + key->word[i + 1]);
    return (struct digest){ (uint64_t)sum, (uint64_t)(sum >> 64) };
}
