/* SPDX-License-Identifier: MIT */
/*
 * Moving a guest to another machine with Domus, over TCP. What goes over is what is saved (save.h),
 * between these, little-endian, each to be waited for:
 *
 *     here                                         there
 *     hello: who it is, what its CPU can     ->
 *                                            <-    answer WELCOME
 *     (the guest suspends itself) xl's file  ->      Live: the file's beginning, while it runs.
 *                                            <-    answer READY: it is there, paused
 *     GO                                     ->
 *                                            <-    answer DONE: it runs there
 *     (the guest is destroyed)
 *
 * There, NO and a sentence may stand in the place of each answer, or come before it. Until GO has
 * gone, whatever goes wrong leaves the guest here; there it is destroyed when GO does not come. Who
 * has sent GO and hears no DONE asks again, by another connection, what became of that guest: DONE,
 * or NEVER RAN.
 *
 * Nobody proves who he is, and nothing is encrypted: this is for a net that is trusted. The guest's
 * disks are not moved: both machines have them, or it has none.
 */
#ifndef DOM0_GUESTS_MOVE_H
#define DOM0_GUESTS_MOVE_H

#include "dom0/config/config.h"
#include "dom0/config/problem.h"
#include <pvguest/time.h>

#define MOVE_MAGIC "DomusMv1"
#define MOVE_ID 16u
#define MOVE_FEATURES 32u

enum move_kind { MOVE_COMES = 1, MOVE_ASKS };

struct move_hello {
    char magic[8];
    uint32_t kind;
    uint32_t features;                  /* Words that follow below. */
    uint8_t id[MOVE_ID];                /* Of this move; asked for, it is all that counts. */
    uint64_t pages;                     /* That it will need. */
    char name[64];
    uint32_t feature[MOVE_FEATURES];    /* XEN_SYSCTL_get_cpu_featureset, of PV guests. */
};

enum move_word { MOVE_WELCOME = 1, MOVE_READY, MOVE_DONE, MOVE_NO, MOVE_NEVER_RAN };

struct move_answer {
    uint32_t word;
    char text[188];                     /* With MOVE_NO: why, with a NUL. */
};

#define MOVE_GO 0x21214f47u

/* For the guest here to suspend itself, and for its disks. */
#define MOVE_STILL_NS (30 * NS_PER_S)
/* To look at a page, for who sends what has changed. */
#define MOVE_PAGE_NS (200 * NS_PER_US)

/* How long here may have nothing to say at most: the rest of a round in which little has changed,
 * the guest that is to stand still, the next round. There is waited longer. */
static inline uint64_t move_silence_ns(uint64_t pages)
{
    return MOVE_STILL_NS + 2 * pages * MOVE_PAGE_NS;
}

/* Fills in what this machine's CPU has. 0, or a negative errno. */
int move_features(struct move_hello *hello);
/* Is there all that a guest from there may use? 0, or -EOPNOTSUPP and the problem. Pure. */
int move_fits(const struct move_hello *theirs, const struct move_hello *ours,
              struct problem *problem);
/* What came is whole: its texts end, its numbers are no more than there is. Pure. */
bool move_hello_valid(struct move_hello *hello);

/* --- from here: 0, or a negative errno and the problem; then it goes on here, or (-EBUSY)
 * stays as it is: nobody knows whether it runs there --- */
struct move_told {
    uint64_t still_ns;                  /* From when it was last seen to run here to DONE. */
    uint64_t pages;                     /* Sent, in so many rounds, while it ran (live), */
    unsigned rounds;
    uint64_t rest;                      /* and behind that, */
    uint64_t worked_ns;                 /* for which dom0 had so much of the CPU (live). */
};
/* `live`: its memory goes over while it runs, and each round is told of on the console. */
int move_send(const char *name, uint32_t address, bool live, bool (*give_up)(void),
              struct move_told *told, struct problem *problem);

/* --- to here: guests are taken from that address only (0: from any), until move_refuse() --- */
int move_take(uint32_t only);
void move_refuse(void);
/* *from: as above. False: none are. */
bool move_takes(uint32_t *from);

#endif
