/* SPDX-License-Identifier: MIT */
/*
 * See bucket.h. What was earned is reckoned when somebody asks. Time goes on by what whole units
 * took, rounded up, so that asking often neither loses the fractions nor earns by rounding. No
 * product leaves 64 bits: what is missing is at most twice BUCKET_MOST, times 10^9 less than 2^63;
 * before it is earned, elapsed * rate is less than that and one rate; and a rate so high that even
 * this would wrap has a bucket that is always full.
 */
#include "dom0/bucket.h"

#define SECOND 1000000000ull

static uint64_t time_for(const struct bucket *bucket, uint64_t units)
{
    return bucket->rate ? (units * SECOND + bucket->rate - 1) / bucket->rate : UINT64_MAX;
}

static uint64_t at_most(uint64_t units)
{
    return units < BUCKET_MOST ? units : BUCKET_MOST;
}

void bucket_init(struct bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now)
{
    bucket->rate = rate;
    bucket->burst = at_most(burst);
    bucket->level = (int64_t)bucket->burst;
    bucket->since = now;
}

int64_t bucket_level(struct bucket *bucket, uint64_t now)
{
    uint64_t missing = (uint64_t)((int64_t)bucket->burst - bucket->level), units;

    if (now <= bucket->since) return bucket->level;
    if (now - bucket->since >= time_for(bucket, missing)) {
        bucket->level = (int64_t)bucket->burst;
        bucket->since = now;
        return bucket->level;
    }
    units = (now - bucket->since) * bucket->rate / SECOND;
    bucket->level += (int64_t)units;
    bucket->since += time_for(bucket, units);
    return bucket->level;
}

void bucket_set_rate(struct bucket *bucket, uint64_t rate, uint64_t now)
{
    bucket_level(bucket, now);
    bucket->rate = rate;
}

bool bucket_take(struct bucket *bucket, uint64_t units, uint64_t now)
{
    if (bucket_level(bucket, now) < (int64_t)at_most(units) || units > BUCKET_MOST) return false;
    bucket->level -= (int64_t)units;
    return true;
}

/* A debt is bounded too: it grows by what is in flight when it begins, and who has one is
 * stopped. */
void bucket_spend(struct bucket *bucket, uint64_t units, uint64_t now)
{
    int64_t left = bucket_level(bucket, now) - (int64_t)at_most(units);

    bucket->level = left < -(int64_t)BUCKET_MOST ? -(int64_t)BUCKET_MOST : left;
}

uint64_t bucket_wait(struct bucket *bucket, uint64_t now)
{
    int64_t level = bucket_level(bucket, now);

    return level > 0 ? 0 : time_for(bucket, (uint64_t)(1 - level));
}
