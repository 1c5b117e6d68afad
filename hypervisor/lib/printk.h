/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's own voice: lines on the console (machine/console.h), prefixed "(domus) ". Never
 * prints guest bytes as a format. The formatter is the SDK's (pvguest-sdk/lib/printf.c).
 */
#ifndef DOMUS_LIB_PRINTK_H
#define DOMUS_LIB_PRINTK_H

#include <stdarg.h>
#include "lib/types.h"

#define LOG_ERROR 0
#define LOG_WARN  1
#define LOG_INFO  2
#define LOG_DEBUG 3

extern int log_level;               /* command line: loglevel=N; messages above it are dropped */

/* One message; a newline ends each line of it. */
void printk_at(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define printk(...)     printk_at(LOG_INFO, __VA_ARGS__)
#define log_error(...)  printk_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)   printk_at(LOG_WARN, __VA_ARGS__)
#define log_debug(...)  printk_at(LOG_DEBUG, __VA_ARGS__)

/* Of a list that a guest chooses the length of, so many lines are said: ring 0 waits for them. */
#define DUMP_LINES 64u

int vsnprintf(char *buffer, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
int snprintf(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The hypervisor itself is broken: say so, with a stack trace, and stop the machine. Never reached
 * by guest input. */
void panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
