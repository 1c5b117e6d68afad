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

/*
 * Text, whoever's words are in it: nothing that would command the operator's terminal gets through
 * to it. Safe in event handlers.
 */
void terminal_write(const char *bytes, size_t size);

/* Bytes as they are, of a guest that he has attached himself to. */
void terminal_pass(const char *bytes, size_t size);

/* May a guest's words go there, without anybody's waiting for the line? Asked where they come from:
 * they stay with the guest meanwhile. (True where the hypervisor does not say: Xen does not.) */
bool terminal_has_room(void);

/*
 * A text that may be long, by one of these two, in a thread: after each line others run, and if
 * they have much to do, for as long as the terminal has just taken. (A real serial line takes 7 ms
 * for a line.) Sleeps while the line is far behind.
 */
void terminal_show(void (*write)(const char *bytes, size_t size), const char *bytes, size_t size);

/*
 * Shows the prompt and edits a line (line.h); Ctrl-C gives it up. Output of others meanwhile goes
 * above it. Main thread only, as the next four.
 */
void terminal_read_line(const char *prompt, char *text, size_t size);

/* What Tab completes (line.h). */
void terminal_words(const char *(*known)(size_t n, const char *command));

/* Keys, also those that were typed before anybody asked; 0: none in so long a time. */
size_t terminal_keys(char *keys, size_t size, uint64_t timeout_ns);

/* Sleeps. False: not to the end, for somebody has typed Ctrl-C; other keys are kept for who reads
 * next. */
bool terminal_sleep(uint64_t ns);

/* Was Ctrl-C typed into a sleep since we were asked last? */
bool terminal_interrupted(void);

#endif
