/* SPDX-License-Identifier: MIT */
/*
 * From a configuration's name to a domain that is built, paused and without devices: the
 * configuration, kernel and ramdisk come from the boot archive. Called by domains.c, with the
 * toolstack's lock held.
 */
#ifndef DOM0_GUESTS_RECIPE_H
#define DOM0_GUESTS_RECIPE_H

#include "dom0/guests/domains.h"
#include "dom0/xc/build.h"

/*
 * The file of that name ("/dev/null": an empty one) and more lines of the same kind, which have the
 * last word. Warnings are printed. 0, or a negative errno and the problem.
 */
int recipe_read(const struct archive *files, const char *file, const char *more,
                struct config *config, struct problem *problem);

/* 0, or a negative errno and the problem; then nothing is left. */
int recipe_build(const struct archive *files, const struct config *config,
                 struct build_result *built, struct problem *problem);

/* Puts the place before the problem's sentence: guest.cfg:7, or which word behind the file. */
void recipe_say_where(const char *file, struct problem *problem);

#endif
