/* SPDX-License-Identifier: MIT */
/* The few string functions that ring 0 needs, of pvguest-sdk/lib/memory.c; the compiler calls the
 * first four by itself. */
#ifndef DOMUS_LIB_STRING_H
#define DOMUS_LIB_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
/* always terminated; returns strlen(from) */
size_t strlcpy(char *to, const char *from, size_t size);

#endif
