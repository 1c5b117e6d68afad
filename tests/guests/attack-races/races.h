/* SPDX-License-Identifier: MIT */
/* What the parts of this guest share (main.c), and what each does. */
#ifndef RACES_H
#define RACES_H

#include "../lib/racers.h"
#include <pvguest/bits.h>

extern unsigned long spare;         /* a vCPU that they start and stop; 0: none */

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
void tables_begin(void);
void tables_race(struct racer *r);
void views_race(struct racer *r);
void tables_end(void);
void wakes_begin(void);
void wakes_race(struct racer *r);
void wakes_end(void);
void vcpus_join(struct racer *r);
void vcpus_race(struct racer *r);
void vcpus_end(void);

#endif
