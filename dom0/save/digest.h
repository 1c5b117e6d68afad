/* SPDX-License-Identifier: MIT */
/*
 * What of a page is remembered, to see whether it has changed since it was sent: 16 bytes.
 *
 * NH, the universal hash of UMAC (RFC 4418, section 5.1; Black, Halevi, Krawczyk, Krovetz, Rogaway,
 * 1999) with words of 64 bits: pairs of words, a key's word added to each, multiplied, and the
 * products added up to 128 bits. Two pages that differ have one digest with a probability of 2^-64
 * at most, whatever stands in them, to who does not know the key. It is drawn anew for each guest
 * that moves; of 2^22 pages (16 GiB), looked at nine times, one that has changed is missed with a
 * probability of less than 2^-38. Who guessed the key would spoil his own guest. Some 1850
 * instructions a page.
 */
#ifndef DOM0_SAVE_DIGEST_H
#define DOM0_SAVE_DIGEST_H

#include "dom0/save/format.h"

struct digest { uint64_t low, high; };  /* Both 0: none. */
struct digest_key { uint64_t word[SAVE_PAGE / 8]; };

/* From what nobody else knows. */
void digest_make_key(struct digest_key *key, uint64_t seed);
/* Of a page, at a multiple of eight bytes. */
struct digest digest_page(const struct digest_key *key, const void *page);

static inline bool digest_is_none(const struct digest *digest)
{
    return !(digest->low | digest->high);
}

static inline bool digest_same(const struct digest *a, const struct digest *b)
{
    return a->low == b->low && a->high == b->high;
}

#endif
