/* SPDX-License-Identifier: MIT */
/*
 * dom0's terminal: the machine's serial port, shared by the operator's prompt, dom0's own messages
 * and guests' output.
 */
#ifndef DOM0_CONSOLE_TERMINAL_H
#define DOM0_CONSOLE_TERMINAL_H

#include "dom0/base.h"

/* From here on the SDK's printk goes through the terminal. */
void terminal_start(void);

/* Bytes as they are. Safe in event handlers. */
void terminal_write(const char *bytes, size_t size);

/* Shows the prompt and edits a line (backspace, Ctrl-U); output of others meanwhile goes above it.
 * Main thread only. */
void terminal_read_line(const char *prompt, char *line, size_t size);

#endif
