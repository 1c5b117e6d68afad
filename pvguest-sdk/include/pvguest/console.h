/* SPDX-License-Identifier: MIT */
/*
 * The console. dom0 (and everyone, as far as the hypervisor allows) speaks through console_io; a
 * domU through the ring its builder gave it (<xen/io/console.h>), and dom0's console daemon
 * listens. console_init picks.
 *
 * Output is for all vCPUs, and what one printk or console_write has to say is not torn by another
 * vCPU's. Input is vCPU 0's alone.
 */
#ifndef PVGUEST_CONSOLE_H
#define PVGUEST_CONSOLE_H

#include <abi/types.h>
#include <pvguest/xen.h>

/* Early: output works at once (dom0: console_io; domU: the ring, once start_info is known). */
void console_init(void);
/* Late: binds the event so that input wakes readers. After events_init. */
void console_init_events(void);
/* For a kernel whose readers are not the SDK's threads: called, as a handler of events is, whenever
 * something may have come for console_read. */
void console_on_input(void (*handler)(void));

/* Waits for room; from an event handler or with events masked it polls. All bytes are written, or
 * lost when nobody is there to read: a domU never hangs on a full ring for more than a second. \n
 * is sent as it is. */
void console_write(const char *bytes, size_t length);
void PVGUEST_NAME(printk)(const char *format, ...) __attribute__((format(__printf__, 1, 2)));
void PVGUEST_NAME(vprintk)(const char *format, va_list arguments)
    __attribute__((format(__printf__, 1, 0)));

/* Bytes that have come, at most size; 0 when there are none. Never sleeps. */
size_t console_read(char *bytes, size_t size);
/* The same, but sleeps for the first one, at most timeout_ns. */
size_t console_read_wait(char *bytes, size_t size, uint64_t timeout_ns);
/* Sleeps for one byte. */
int console_getchar(void);
/* A line without its newline, with echo and backspace; returns its length. */
size_t console_read_line(char *line, size_t size);

/* Replace input and output (dom0's prompt multiplexes its terminal). NULL: the default again. */
extern void (*console_output)(const char *bytes, size_t length);

/* Prints file, line and sentence and crashes the domain. */
void PVGUEST_NAME(panic)(const char *format, ...)
    __attribute__((format(__printf__, 1, 2), __noreturn__));
#ifndef PVGUEST_PREFIXED
#define ASSERT(condition) \
    do { \
        if (!(condition)) \
            panic("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
    } while (0)
#endif

#endif
