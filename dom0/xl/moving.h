/* SPDX-License-Identifier: MIT */
/* Guests that move: what dom0's command line says of it. */
#ifndef DOM0_XL_MOVING_H
#define DOM0_XL_MOVING_H

/* `from`: an address, "any", or "" for nobody: whose guests are taken. What is none of these, or
 * cannot be done, is said. */
void moving_start(const char *from);

#endif
