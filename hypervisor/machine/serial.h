/* SPDX-License-Identifier: MIT */
/* COM1: polled output, interrupt-driven input that wakes dom0 (VIRQ_CONSOLE). */
#ifndef DOMUS_MACHINE_SERIAL_H
#define DOMUS_MACHINE_SERIAL_H

#include "lib/types.h"

void serial_init(uint32_t baud);
void serial_write(const char *text, size_t length);
void serial_enable_interrupt(void);         /* after the I/O APIC and dom0 exist */
/* Bytes received since, at most `size`; never waits. */
size_t serial_read(char *buffer, size_t size);

#endif
