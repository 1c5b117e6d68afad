/* SPDX-License-Identifier: MIT */
/*
 * Rule 7: an error has one source. `return fail(-EINVAL, "the frame is not yours");` hands the
 * errno up and writes down in the current vCPU where and why, so that a puzzled guest can ask
 * (hypercall 55, DOMUS_last_error) and a debug build can print it.
 *
 * Of one call the last word counts, for it is what the guest gets: who makes another errno or a
 * status out of a helper's refusal says so by a fail() of its own, and that replaces the helper's.
 * No negative result leaves without one.
 *
 * What a refusal is about is said by whoever knows it, there or on the way up. A guest is told no
 * more than what it named itself, or what stands in its own page tables.
 */
#ifndef DOMUS_LIB_FAIL_H
#define DOMUS_LIB_FAIL_H

#include "lib/types.h"
#include <abi/refusal.h>

struct vcpu;
#define REFUSAL_WORDS 260           /* bytes, for all of it in one line */

/* What current was refused last. */
struct last_error {
    const struct refusal *place;    /* NULL: nothing yet */
    int error;
    uint32_t hypercall;             /* its number, or DOMUS_NO_HYPERCALL */
    uint64_t nth;                   /* of that number: is another refusal of the same call? */
    bool untold;                    /* to be logged when the call has ended */
    uint32_t about;                 /* DOMUS_ABOUT_*: which of these are known; the others are 0 */
    uint32_t level, slot;
    uint64_t frame, value;
};

#define REFUSED_BY(function, why, error, ...) \
    ({ REFUSAL(place_, (why)); function((error), &place_, ##__VA_ARGS__); })
#define fail(error, why) REFUSED_BY(fail_at, (why), (error))
/*
 * The same, with what it is about: a frame that was named, and the level of page table that it was
 * to be (0: none); or a number: an address, a reference, a handle. One call does both, so that
 * nothing need be kept for it where all is well.
 */
#define fail_frame(error, why, m, level) REFUSED_BY(fail_frame_at, (why), (error), (m), (level))
#define fail_value(error, why, value) REFUSED_BY(fail_value_at, (why), (error), (value))
/* What sane guests are told all the time, because they probe or ask to be told: not logged. */
#define expected(error, why) REFUSED_BY(expected_at, (why), (error))
int fail_at(int error, struct refusal *place) cold;
int fail_frame_at(int error, struct refusal *place, mfn_t m, unsigned int level) cold;
int fail_value_at(int error, struct refusal *place, uint64_t value) cold;
int expected_at(int error, struct refusal *place) cold;

/* Likewise a request's status that is not okay, GNTST_*, which is no errno. */
#define refuse(status, why)              about_status(fail((status), (why)))
#define refuse_frame(status, why, m)     about_status(fail_frame((status), (why), (m), 0))
#define refuse_value(status, why, value) about_status(fail_value((status), (why), (value)))
int16_t about_status(int status) cold;

/*
 * On the way up: adds to what was written down with `error`, and returns it; what was not (0, "call
 * again") passes by.
 *   about_value    a number, as above, if nothing is known of it yet
 *   about_entry    an entry of a table: which frame, of which level (0: no page table), which slot,
 *                  what is in it or was to be; if no entry is known yet, for the innermost one is
 *                  at fault
 */
int about_value(int error, uint64_t value) cold;
int about_entry(int error, mfn_t table, unsigned int level, unsigned int slot,
                uint64_t value) cold;

/* The last refusal of a vCPU in one line; "" when it never was refused anything. */
void refusal_words(const struct vcpu *v, char *words, size_t size);
/* Logs what v was refused and nobody was told yet. */
void refusal_tell(struct vcpu *v);

#endif
