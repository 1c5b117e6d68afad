/* SPDX-License-Identifier: MIT */
/* What a guest has to do itself when it is saved or moved, and what it has said that it can. */
#ifndef DOM0_GUESTS_SUSPEND_H
#define DOM0_GUESTS_SUSPEND_H

#include "dom0/config/text.h"
#include "dom0/guests/domains.h"

/* Has it said so? 0, or a negative errno and the problem. */
int suspend_can(const struct domain *domain, struct problem *problem);

/* Asks it, and waits until it has, or until that time (now_ns()). *ran: when it was last seen to
 * run. 0, or a negative errno and the problem: then it has not. Sleeps. */
int suspend_now(const struct domain *domain, uint64_t until, bool (*give_up)(void), uint64_t *ran,
                struct problem *problem);

/* What it has said of itself, behind its configuration's text, and for another life: Linux says it
 * once in all of its own. `said` begins with FEATURES, or with the first of them. */
#define FEATURES "# control:"           /* A comment: then their names. */
#define FEATURE_FIRST "feature-suspend"
void suspend_write_said(const struct domain *domain, char text[CONFIG_TEXT_BYTES]);
void suspend_say_again(const struct domain *domain, const char *said);

#endif
