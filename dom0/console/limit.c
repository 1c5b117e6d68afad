/* SPDX-License-Identifier: MIT */
/* See limit.h. */
#include "dom0/console/limit.h"

void limit_init(struct limit *limit, uint64_t now)
{
    *limit = (struct limit){ .silent = false };
    bucket_init(&limit->shown, LIMIT_SHOWN_RATE, LIMIT_SHOWN_BURST, now);
    bucket_init(&limit->attached, LIMIT_ATTACHED_RATE, LIMIT_ATTACHED_BURST, now);
}

void limit_share(struct limit *limit, unsigned guests, uint64_t now)
{
    bucket_set_rate(&limit->shown, LIMIT_SHOWN_RATE / (guests ? guests : 1), now);
}

bool limit_line(struct limit *limit, size_t bytes, uint64_t now)
{
    if (!limit->silent && bucket_take(&limit->shown, bytes, now)) return true;
    limit->silent = true;
    limit->missing++;
    limit->last = now;
    return refused(false);
}

void limit_hush(struct limit *limit, uint64_t now)
{
    limit->silent = true;
    limit->last = now;
}

uint64_t limit_missing(struct limit *limit, bool anyway, uint64_t now)
{
    uint64_t missing = limit->missing;

    if (!anyway && now < limit_due(limit) &&
        bucket_level(&limit->shown, now) < (int64_t)LIMIT_SHOWN_BURST / 2)
        return 0;
    limit->silent = false;
    limit->missing = 0;
    return missing;
}

uint64_t limit_due(const struct limit *limit)
{
    return limit->silent ? limit->last + LIMIT_QUIET_NS : 0;
}

size_t limit_attached(struct limit *limit, size_t bytes, uint64_t now)
{
    int64_t level = bucket_level(&limit->attached, now);

    /* Never below 0: it is spent here only, and never more than there is. */
    if (level < (int64_t)bytes)
        bytes = (size_t)level;
    bucket_spend(&limit->attached, bytes, now);
    return bytes;
}
