/* SPDX-License-Identifier: MIT */
/*
 * A token bucket: so many units a second, and so many at once after a quiet time. One mechanism for
 * whatever a guest may do at a rate (frames flooded, bytes sent, bytes shown on the terminal).
 * Pure; the caller says what time it is.
 */
#ifndef DOM0_BUCKET_H
#define DOM0_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#define BUCKET_MOST (1ull << 32)        /* Units at once; more is cut down to it. */

struct bucket {
    uint64_t rate;                      /* Units a second. */
    uint64_t burst;
    int64_t level;                      /* Below 0: a debt. */
    uint64_t since;                     /* Nanoseconds; the level is that of then. */
};

/* Full. */
void bucket_init(struct bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now);

/* From now on at another rate; what was earned at the old one stays. */
void bucket_set_rate(struct bucket *bucket, uint64_t rate, uint64_t now);

/* What there is now. */
int64_t bucket_level(struct bucket *bucket, uint64_t now);

/* Takes so many units if they are there. */
bool bucket_take(struct bucket *bucket, uint64_t units, uint64_t now);

/* Takes them in any case. Below 0, it is this many nanoseconds until there is one again. */
void bucket_spend(struct bucket *bucket, uint64_t units, uint64_t now);
uint64_t bucket_wait(struct bucket *bucket, uint64_t now);

#endif
