/* SPDX-License-Identifier: MIT */
/* What the parts of this guest share (main.c): the vCPUs that race, and what each part does. */
#ifndef RACES_H
#define RACES_H

#include "../lib/vcpus.h"
#include <pvguest/bits.h>

#define RACERS 4U

struct racer {
    unsigned long id;
    uint64_t seed;
    unsigned int accepted, refused;
    /* what did not hold first, how often something did not */
    const char *wrong;
    unsigned int wrongs;
};
extern unsigned int racers;         /* how many there are */
extern unsigned long spare;         /* a vCPU that they start and stop; 0: none */

unsigned int any(struct racer *r, unsigned int n);
void note(struct racer *r, long result);
void note_wrong(struct racer *r, const char *what);
/* A property, checked by any vCPU. */
#define MUST(r, condition) ((condition) ? (void)0 : note_wrong(r, #condition))

/* Each part: made ready, one operation of any kind, and what must be left when all have ended. */
void events_begin(void);
void events_race(struct racer *r);
void events_end(void);
void grants_begin(void);
void grants_race(struct racer *r);
void grants_end(void);
void memory_begin(void);
void memory_race(struct racer *r);
void memory_end(void);
void vcpus_race(struct racer *r);
void vcpus_end(void);

#endif
