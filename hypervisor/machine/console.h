/* SPDX-License-Identifier: MIT */
/*
 * The machine's console. What the hypervisor and dom0 say waits in a ring for the serial line,
 * which sends at its own pace, by its interrupts: nobody waits in ring 0 for a line of 11 KiB a
 * second. Only who is about to end the machine does, and who has outrun the whole ring. What the
 * hypervisor says is also in the log, which the toolstack reads (sysctl readconsole).
 */
#ifndef DOMUS_MACHINE_CONSOLE_H
#define DOMUS_MACHINE_CONSOLE_H

#include "lib/types.h"

/* Raw text: line ends are left as they are. log_write: into the log, too. */
void console_write(const char *text, size_t length);
void log_write(const char *text, size_t length);

/* Bytes that the line has not taken yet. */
uint32_t console_waiting(void);

/* False: the line is so far behind that dom0 shall wait. The other half of the ring is ring 0's. */
bool console_has_room(void);

/* What was typed since, at most `size` bytes; never waits. */
size_t console_read(char *buffer, size_t size);

/* on_input: to be called when something has been typed. False: the line has no interrupt, and
 * somebody must have it served often. */
bool console_start(void (*on_input)(void)) must_check;
void console_serve(void *unused);

/* The machine is about to end: what waits is sent, and what is said from now on at once. */
void console_end(void);

/* What the log holds: copies at most `size` bytes from its position *index on, which advances. The
 * count. */
size_t log_read(char *buffer, size_t size, uint32_t *index);
void log_clear(void);

#endif
