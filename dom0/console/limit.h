/* SPDX-License-Identifier: MIT */
/*
 * How much of the terminal one guest may have. Pure; the caller says what time it is.
 *
 * The terminal is a serial line that everybody shares: the operator, dom0, all guests. All guests
 * together may have half of it for their lines, in equal parts, and each so much at once that a
 * whole boot is seen. A guest that says more is silent there (not in its log) until it has been
 * quiet for a second, or half of what it may say at once is there again; then it is said once how
 * many lines are missing.
 *
 * An operator who has attached himself shall see everything: then nothing is dropped, but only so
 * much is taken from the guest's ring, and the guest waits.
 */
#ifndef DOM0_CONSOLE_LIMIT_H
#define DOM0_CONSOLE_LIMIT_H

#include "dom0/base.h"
#include "dom0/bucket.h"

/* Bytes a second of all guests: half of 115,200 baud. */
#define LIMIT_SHOWN_RATE 5760u
#define LIMIT_SHOWN_BURST (128u * 1024)         /* At once, each. */
#define LIMIT_ATTACHED_RATE (64u * 1024)
#define LIMIT_ATTACHED_BURST (128u * 1024)
#define LIMIT_QUIET_NS 1000000000ull
/* After so long, look again whether an attached guest may say more. */
#define LIMIT_PACE_NS 20000000ull

struct limit {
    struct bucket shown, attached;
    bool silent;
    uint64_t missing;                           /* Lines that were not shown, since it is silent. */
    uint64_t last;                              /* When the last of them came. */
};

void limit_init(struct limit *limit, uint64_t now);

/* There are so many guests now: each has its part. */
void limit_share(struct limit *limit, unsigned guests, uint64_t now);

/* May one more line of so many bytes be shown? */
bool limit_line(struct limit *limit, size_t bytes, uint64_t now);

/* From now on no line is, as if it had said too much. */
void limit_hush(struct limit *limit, uint64_t now);

/* The number of lines that are missing, if it is time to say so (or `anyway`); then it may speak
 * again. Else 0. */
uint64_t limit_missing(struct limit *limit, bool anyway, uint64_t now);

/* When to ask for it at the latest; 0: no line is missing. */
uint64_t limit_due(const struct limit *limit);

/* Of so many bytes that wait for an attached operator, how many are shown now? */
size_t limit_attached(struct limit *limit, size_t bytes, uint64_t now);

#endif
