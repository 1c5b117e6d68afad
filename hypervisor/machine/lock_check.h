/* SPDX-License-Identifier: MIT */
/* Locks that are watched (lib/spinlock.h says what for): the debug build only. */
#ifndef DOMUS_MACHINE_LOCK_CHECK_H
#define DOMUS_MACHINE_LOCK_CHECK_H

/* Once this_cpu() is there. */
#ifdef DEBUG
void lock_check_start(void);
#else
#define lock_check_start() ((void)0)
#endif

/* A way out of ring 0 has found locks held: stops the machine. */
void locks_left(void);

#endif
