/* SPDX-License-Identifier: MIT */
/*
 * A partition (or the whole disk) as a tape. Whoever waits for the disk sleeps, and dom0 goes on.
 * Ctrl-C ends that: -EAGAIN, from then on. The main thread's only. What a saved guest begins with
 * is written last: until then there is none.
 */
#ifndef DOM0_SAVE_MEDIUM_H
#define DOM0_SAVE_MEDIUM_H

#include "dom0/config/problem.h"
#include "dom0/save/tape.h"

struct medium;

/* What may be there already: nothing (its first MiB is all zeroes), a guest that is not whole, or,
 * with `over`, one that is. 0 or a negative errno and the problem; then nobody has it. */
int medium_to_write(const char *target, bool over, struct medium **medium,
                    struct problem *problem);
int medium_to_read(const char *target, struct medium **medium, struct problem *problem);
struct tape *medium_tape(struct medium *medium);
uint64_t medium_bytes(const struct medium *medium);     /* that it has room for */
/* All that was written is on the disk, its beginning last. */
int medium_finish(struct medium *medium, struct problem *problem);
/* Gives it back, when the disk is done with it; what was written without medium_finish(), or when
 * that failed, is no saved guest. */
void medium_close(struct medium *medium);

#endif
