/* SPDX-License-Identifier: MIT */
/* What the parts of this guest share (main.c): the domains beside us, and what each part does. */
#ifndef NEIGHBOURS_H
#define NEIGHBOURS_H

#include "../lib/other.h"
#include "../lib/racers.h"
#include <pvguest/bits.h>

/*
 * HANDS domains that make the calls which they are given, and a mayfly: of the same kind, or one
 * that spins, it lives a moment. Of the pages of each, those from OTHER_FREE on are: PATTERNS that
 * hold OTHER_PATTERN all over, and are granted to us; the others are for what it does itself.
 */
#define HANDS       2
#define PATTERNS    4
#define PAGES       16          /* known to worker_code.asm */
#define OWN_PAGES   (PAGES - OTHER_FREE - PATTERNS)
/* in the tables of hands and mayfly: this many grants for us from there on, and as many for the
 * other hand */
#define FIRST_REF   8
#define REFS        8
/* where a hand maps what is granted to it, this many pages behind its shared_info */
#define PLACES      4
#define PLACE(i)    OTHER_VA(PAGES + 1 + (i))

struct neighbour {
    struct other other;
    /* its grant table, mapped here; of the mayfly nobody may touch it */
    grant_entry_v1_t *table;
    /* odd while it is there, and its frames are what `other` says */
    volatile uint32_t life;
    /* somebody puts calls together for it; how many it was given last */
    volatile uint32_t busy;
    unsigned int asked;
};
extern struct neighbour neighbours[HANDS + 1];
#define mayfly neighbours[HANDS]

/* The worker (worker_code.asm), and what it says of itself: rounds of its work, how often something
 * was wrong in one, how many events came, and in which round the last one. */
struct work { volatile uint64_t rounds, wrong, rung, rung_in; };
extern struct other worker;
extern const struct other_program worker_program;
static inline struct work *worker_state(void)
{
    return (struct work *)(void *)worker.data;
}

/* grants of ours to the hands, and ports of ours: for hands to try */
extern grant_ref_t own_refs[REFS];
extern volatile evtchn_port_t own_ports[REFS];

/* Each part: made ready, one operation of any kind, and what must be left when all have ended. */
void worker_begin(void);        /* and events reach it at once while all is quiet */
void worker_race(struct racer *r);
void worker_end(void);
void hands_race(struct racer *r);
void hand_asked(struct racer *r, struct neighbour *n);
/* its pages filled, and granted to us */
void neighbour_begin(struct neighbour *n);
void grants_begin(void);
void grants_race(struct racer *r);
void grants_unmap(void);
void grants_end(void);
void ports_race(struct racer *r);
void control_begin(void);
void control_race(struct racer *r);
void control_end(void);

#endif
