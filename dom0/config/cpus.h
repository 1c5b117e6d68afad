/* SPDX-License-Identifier: MIT */
/*
 * Lists of the machine's CPUs, as xl's words and tables have them: "all", "2", "0-3,^1". A map has
 * a bit for each CPU. Pure.
 */
#ifndef DOM0_CONFIG_CPUS_H
#define DOM0_CONFIG_CPUS_H

#include "dom0/config/settings.h"

#define CPUS_MOST 64u                   /* Those of higher numbers are in no map. */
#define CPUS_ALL UINT64_MAX             /* Whichever there are. */
#define CPUS_TEXT 256u                  /* Of the longest list, and more. */

/* The CPUs of a list, of which a later part has the last word ("^1,all" are all). NULL, or why it
 * is none: the end of a sentence. At least one is in the map. */
const char *cpus_parse(const char *text, uint64_t *cpus);

/* The keys cpus and cpus_soft: a list for all `count` vCPUs alike, or one for each of the first, as
 * many as there are. 0, or -EINVAL and the problem. */
int cpus_take(const struct setting *setting, uint64_t *cpus, unsigned count,
              struct problem *problem);

/* "0-2,5"; "all", if all that are `there` are among them; "none". */
void cpus_print(uint64_t cpus, uint64_t there, char *text, size_t size);

#endif
