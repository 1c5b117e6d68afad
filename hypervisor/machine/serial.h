/* SPDX-License-Identifier: MIT */
/* COM1. All of it under the console's lock (machine/console.h), its only user. */
#ifndef DOMUS_MACHINE_SERIAL_H
#define DOMUS_MACHINE_SERIAL_H

#include "lib/types.h"

void serial_init(uint32_t baud);

/*
 * Sends what the UART has room for now and returns how many bytes that was; an interrupt asks for
 * the rest. `all`: waits for room, a bounded time, until everything is sent. So does everybody
 * until there are interrupts.
 */
size_t serial_send(const char *text, size_t length, bool all);

/* Takes what the UART has received; true: some of it has not been read. */
bool serial_receive(void);

/* Bytes received, at most `size`; never waits. */
size_t serial_read(char *buffer, size_t size);

/*
 * From now on `handler` runs whenever there is something to receive, or room for what was left. It
 * ends with serial_rearm(). False: there is no interrupt, somebody must look.
 */
bool serial_enable_interrupt(void (*handler)(void *unused));
void serial_rearm(void);

#endif
