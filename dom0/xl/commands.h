/* SPDX-License-Identifier: MIT */
/*
 * The operator's commands, from the prompt or from a script. Main thread only.
 */
#ifndef DOM0_XL_COMMANDS_H
#define DOM0_XL_COMMANDS_H

#include "dom0/base.h"

/* Runs one line, changing it. False: it failed (what failed has been said). An empty line or a
 * comment is fine. */
bool commands_run(char *line);

/* Runs commands separated by newlines and semicolons, showing each. Stops at nothing. */
void commands_script(const char *text, size_t size);

/* Prompts for ever. */
void commands_prompt(void) __attribute__((noreturn));

#endif
