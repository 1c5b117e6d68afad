/* SPDX-License-Identifier: MIT */
/*
 * Guests that end by themselves, and those that the operator has ended but does not wait for: a
 * thread takes them away, or has them started again.
 */
#ifndef DOM0_GUESTS_ENDED_H
#define DOM0_GUESTS_ENDED_H

/* Once. 0 or a negative errno. */
int ended_start(void);

#endif
