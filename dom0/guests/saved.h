/* SPDX-License-Identifier: MIT */
/*
 * Saving a guest to a partition (or the whole disk), and making one of what is there. Both sleep,
 * and do not hold the toolstack's lock while they wait for the guest or the disk: others' guests
 * are made and end meanwhile. What moving one to another machine shares with that stands below.
 */
#ifndef DOM0_GUESTS_SAVED_H
#define DOM0_GUESTS_SAVED_H

#include "dom0/guests/domains.h"
#include "dom0/save/rounds.h"
#include "dom0/save/tape.h"
#include "dom0/xc/build.h"

/* It ends there, or, with `go_on`, goes on here. `over`: what is there may be a saved guest, which
 * is lost. `give_up`: is neither it nor its disk to be waited for any longer? 0, or a negative
 * errno and the problem: then it goes on, and nothing is there. */
int saved_save(const char *name, const char *target, bool go_on, bool over,
               bool (*give_up)(void), struct problem *problem);

/* 0, or a negative errno and the problem: then nothing is left of it. What was saved stays. `file`:
 * a configuration in the boot archive instead of the one that was saved with it, or NULL. */
int saved_restore(const char *file, const char *target, bool paused, struct domain **made,
                  struct problem *problem);

/* One that has suspended itself, and is kept so, goes on. 0, or a negative errno and the
 * problem. */
int saved_resume(const char *name, struct problem *problem);

/* --- what moving shares with it --- */

/* Where a guest goes; whoever has one embeds it. All sleep; 0, or a negative errno and the
 * problem. */
struct saved_target {
    bool (*give_up)(void);              /* As saved_save(). */
    struct tape *tape;                  /* open() fills it in. */
    uint64_t patience;                  /* ns, for the guest to suspend itself and for its disks:
                                         * meanwhile the tape has nothing. */
    int (*open)(struct saved_target *target, const struct domain *domain, struct problem *problem);
    /* All is written, or, with an error, not: what becomes of that. */
    int (*finish)(struct saved_target *target, int error, struct problem *problem);
    void (*close)(struct saved_target *target);
    /* What it has goes there while it runs, and then what has changed. Each time is told of. */
    bool live;
    void (*went_over)(struct saved_target *target, uint64_t ns);
    struct save_rounds rounds;
    uint64_t ran;                       /* When it was last seen to run here. */
    /* With an error of finish(): it may be there. Here it stays suspended, for the operator. */
    bool doubtful;
};
/* As saved_save(). */
int saved_write(const char *name, struct saved_target *target, bool go_on,
                struct problem *problem);

/* A configuration's text (restore_config()), with the lock held; frees it. *said: for
 * saved_make(); malloc'ed. */
int saved_parse(char *text, bool json, const char *file, struct config *config, char **said,
                struct problem *problem);
/* The rest of what was saved becomes a domain that runs not yet: the toolstack has it, `saving`, so
 * that nobody does anything to it. Takes the lock only when all is there. On an error nothing is
 * left. `said`: what it has said of itself. */
int saved_make(struct tape *tape, const struct config *config, const char *said,
               struct domain **made, struct problem *problem);

#endif
