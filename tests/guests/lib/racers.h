/* SPDX-License-Identifier: MIT */
/*
 * Racers: vCPUs of a micro-guest that do random operations at the same time, each with a random
 * number of its own. Many operations come too late and are refused; what must hold all the same,
 * any of them checks by MUST. On the command line `seconds=N`: so long, however many rounds that
 * are; `seed=N`: other random numbers; `part=N`: this of its parts alone.
 */
#ifndef RACERS_H
#define RACERS_H

#include "vcpus.h"

#define RACERS 4U

struct racer {
    unsigned long id;
    uint64_t seed;
    unsigned int accepted, refused;
    /* what did not hold first, how often something did not */
    const char *wrong;
    unsigned int wrongs;
};
/* how many there are; set before they race */
extern unsigned int racers;

/* A random number below n; the racer's result of an operation, in its books; a property. */
unsigned int any(struct racer *r, unsigned int n);
/* Fewer than n turns of an empty loop: not `pause`, for which QEMU leaves the guest. */
void linger(struct racer *r, unsigned int n);
void note(struct racer *r, long result);
void note_wrong(struct racer *r, const char *what);
#define MUST(r, condition) ((condition) ? (void)0 : note_wrong(r, #condition))

/*
 * Each racer, this vCPU too, joins (NULL: at once) and does one operation after another until this
 * one has done so many and nobody none, or 20 seconds are gone (a minute, if somebody has done
 * none), or something does not hold: that is a failure. One operation is one call of one of the
 * parts, for a while the same for nearly all: so they meet.
 */
typedef void (*race_part)(struct racer *r);
void race(race_part join, const race_part parts[], unsigned int count, uint64_t rounds);

#endif
