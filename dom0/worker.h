/* SPDX-License-Identifier: MIT */
/*
 * The threads that hand out turns (turns.h): one for the work that never sleeps, one for the work
 * that does.
 */
#ifndef DOM0_WORKER_H
#define DOM0_WORKER_H

#include "dom0/turns.h"

/* 0 or -ENOMEM. */
int workers_start(void);

/* A service leaves; it is not being served any more when this returns. Not from within it. */
void worker_leave(struct turn *turn);

#endif
