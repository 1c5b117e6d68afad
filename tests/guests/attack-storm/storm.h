/* SPDX-License-Identifier: MIT */
/* What the parts of attack-storm share: see main.c. */
#ifndef ATTACK_STORM_H
#define ATTACK_STORM_H

#include "../lib/test.h"

#include <pvguest/bits.h>
#include <pvguest/thread.h>
#include <pvguest/xenbus.h>
#include <pvguest/xenstore.h>

/* Small, mostly; or one that has hurt before. */
uint64_t strange(uint64_t *seed);

/* Each without end. */
void storm_disk(void);
void storm_card(void);
void storm_states(void);
void storm_store(void);
void storm_console(void);
void storm_grants(void);
void storm_suspend(void);

/* The second vCPU runs it, beside everything else. */
void beside(void (*run)(unsigned long id));

#endif
