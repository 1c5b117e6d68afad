/* SPDX-License-Identifier: MIT */
/* Debug keys: one letter, and the hypervisor writes on its console what it knows about something.
 * `h` lists them. */
#ifndef DOMUS_CONTROL_DEBUG_KEYS_H
#define DOMUS_CONTROL_DEBUG_KEYS_H

void debug_key(char key);       /* unknown ones are named and ignored */

#endif
