/* SPDX-License-Identifier: MIT */
/*
 * Saving and restoring (format.h), pure: a guest, a tape. What a guest or a tape says is believed
 * no further than it was looked at, and the memory that is needed is eight or nine bytes for a page
 * of the guest (24 of one that runs meanwhile), and a few pages.
 */
#ifndef DOM0_SAVE_SAVE_H
#define DOM0_SAVE_SAVE_H

#include "dom0/config/problem.h"
#include "dom0/save/guest.h"
#include "dom0/save/rounds.h"
#include "dom0/save/tape.h"

/* All of it, from xl's header on. The guest has suspended itself. 0 or a negative errno and the
 * problem. */
int save_guest(struct guest *guest, struct tape *tape, const char *config, size_t size,
               struct problem *problem);

/* --- while it runs --- */

/* A guest that is sent once as it is, and again what has changed since, until that is little; then
 * it stands still for the rest. Page tables come with the rest. */
struct saver;
/* Who wants to know, some hundred times a second, whether it is still to go on: 0, or a negative
 * errno and the problem. */
struct save_watch { int (*look)(struct save_watch *watch, struct problem *problem); };

/* It has said where its p2m is. `guest` stays; so do its room and seed. 0, or a negative errno and
 * the problem; saver_end() in any case. */
int saver_begin(struct guest *guest, struct tape *tape, const char *config, size_t size,
                struct save_watch *watch, struct saver **saver, struct problem *problem);
int saver_round(struct saver *saver, struct save_rounds *rounds);
/* It has suspended itself: one more round, and all else. */
int saver_finish(struct saver *saver, struct save_rounds *rounds);
void saver_end(struct saver *saver);

/* --- back --- */

/* The file's first part: the configuration, with a NUL, malloc'ed; *json: it is libxl's. */
int restore_config(struct tape *tape, char **config, bool *json, struct problem *problem);
#define SAVE_MOST_CONFIG (64u * 1024)

/* Reading, with a sentence. */
int tape_get(struct tape *tape, void *bytes, size_t size, struct problem *problem);

/* The rest: into a domain without memory, whose vCPUs are made. Its rings' frames are filled in. */
int restore_guest(struct guest *guest, struct tape *tape, struct problem *problem);

#endif
