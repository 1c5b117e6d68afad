/* SPDX-License-Identifier: MIT */
/*
 * Saving a guest to a partition (or the whole disk), and making one of what is there. Both sleep,
 * and take the toolstack's lock for as long as they must: saving leaves others their turn, as long
 * as it takes; restoring is as building. What moving one to another machine shares with that
 * stands below.
 */
#ifndef DOM0_GUESTS_SAVED_H
#define DOM0_GUESTS_SAVED_H

#include "dom0/guests/domains.h"
#include "dom0/save/tape.h"
#include "dom0/xc/build.h"

/* It ends there, or, with `go_on`, goes on here. `over`: what is there may be a saved guest, which
 * is lost. 0, or a negative errno and the problem: then it goes on, and nothing is there. */
int saved_save(const char *name, const char *target, bool go_on, bool over,
               struct problem *problem);

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
    struct tape *tape;                  /* open() fills it in. */
    int (*open)(struct saved_target *target, const struct domain *domain, struct problem *problem);
    /* All is written, or, with an error, not: what becomes of that. */
    int (*finish)(struct saved_target *target, int error, struct problem *problem);
    void (*close)(struct saved_target *target);
    /* With an error of finish(): it may be there. Here it stays suspended, for the operator. */
    bool doubtful;
};
/* As saved_save(). */
int saved_write(const char *name, struct saved_target *target, bool go_on,
                struct problem *problem);

/* A configuration's text (restore_config()), with the lock held; frees it. *said: for
 * saved_features(); malloc'ed. */
int saved_parse(char *text, bool json, const char *file, struct config *config, char **said,
                struct problem *problem);
/* The rest of what was saved becomes a domain that nobody knows so far; no lock is needed. On an
 * error there is none. */
int saved_build(struct tape *tape, const struct config *config, struct build_result *built,
                struct problem *problem);
/* What the guest has said of itself. */
void saved_features(const struct domain *domain, const char *said);

#endif
