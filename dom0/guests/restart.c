/* SPDX-License-Identifier: MIT */
/* See restart.h. */
#include "dom0/guests/restart.h"
#include <abi/sums.h>

#define NS_PER_SECOND 1000000000u
#define SHORT_NS (2ull * NS_PER_SECOND)
#define SHORT_LIVES 5u
#define PART 10u                        /* Building has one part, living or waiting has ten. */

void life_begin(struct life *life, const struct life *before, uint64_t since, uint64_t now)
{
    *life = (struct life){ .build_ns = now - since, .started = now,
                           .short_lives = before ? before->short_lives : 0 };
}

void life_end(struct life *life, uint64_t now)
{
    life->ended = now;
    life->short_lives = !life->asked && now - life->started < SHORT_NS ? life->short_lives + 1 : 0;
}

bool life_is_hopeless(const struct life *life)
{
    return life->short_lives > SHORT_LIVES;
}

uint64_t life_due(const struct life *life)
{
    return life->asked ? life->ended : sum_of(life->started, product_of(life->build_ns, PART));
}
