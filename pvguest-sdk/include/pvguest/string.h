/* SPDX-License-Identifier: MIT */
/*
 * The part of the C library that a kernel misses: memory, strings, numbers, formatting. Names and
 * meanings are the standard's. The formatter knows %d %i %u %x %X %o %p %c %s %% with flags - 0 +
 * space #, width, precision, * and the lengths hh h l ll z t j: no floating point, no %n.
 */
#ifndef PVGUEST_STRING_H
#define PVGUEST_STRING_H

#include <pvguest/names.h>
#include <abi/types.h>

void *PVGUEST_NAME(memcpy)(void *to, const void *from, size_t n);
void *PVGUEST_NAME(memmove)(void *to, const void *from, size_t n);
void *PVGUEST_NAME(memset)(void *to, int byte, size_t n);
int PVGUEST_NAME(memcmp)(const void *a, const void *b, size_t n);
void *PVGUEST_NAME(memchr)(const void *p, int byte, size_t n);

size_t PVGUEST_NAME(strlen)(const char *s);
size_t PVGUEST_NAME(strnlen)(const char *s, size_t n);
int PVGUEST_NAME(strcmp)(const char *a, const char *b);
int PVGUEST_NAME(strncmp)(const char *a, const char *b, size_t n);
int PVGUEST_NAME(strcasecmp)(const char *a, const char *b);
char *PVGUEST_NAME(strchr)(const char *s, int c);
char *PVGUEST_NAME(strrchr)(const char *s, int c);
char *PVGUEST_NAME(strstr)(const char *s, const char *needle);
/* Always terminated, unlike strncpy; returns strlen(from), so a result >= size means it was cut. */
size_t PVGUEST_NAME(strlcpy)(char *to, const char *from, size_t size);
size_t PVGUEST_NAME(strlcat)(char *to, const char *from, size_t size);
/* The next word separated by any of `separators`; *rest moves on; NULL when none is left. */
char *PVGUEST_NAME(strsep)(char **rest, const char *separators);

/* Base 0 understands 0x and 0. *end is where the number stopped. Saturates like the standard's. */
unsigned long PVGUEST_NAME(strtoul)(const char *s, char **end, int base);
long PVGUEST_NAME(strtol)(const char *s, char **end, int base);

int PVGUEST_NAME(snprintf)(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(__printf__, 3, 4)));
int PVGUEST_NAME(vsnprintf)(char *buffer, size_t size, const char *format, va_list arguments)
    __attribute__((format(__printf__, 3, 0)));
/* However long it gets: handed to write() in pieces of at most 512 bytes, at least once. */
void vprintf_through(void (*write)(const char *bytes, size_t length), const char *format,
                     va_list arguments) __attribute__((format(__printf__, 2, 0)));

#ifndef PVGUEST_PREFIXED
static inline int isdigit(int c)
{
    return c >= '0' && c <= '9';
}
static inline int islower(int c)
{
    return c >= 'a' && c <= 'z';
}
static inline int isupper(int c)
{
    return c >= 'A' && c <= 'Z';
}
static inline int isalpha(int c)
{
    return islower(c) || isupper(c);
}
static inline int isalnum(int c)
{
    return isalpha(c) || isdigit(c);
}
static inline int isspace(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static inline int isprint(int c)
{
    return c >= ' ' && c <= '~';
}
static inline int isxdigit(int c)
{
    return isdigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
static inline int tolower(int c)
{
    return isupper(c) ? c + 32 : c;
}
static inline int toupper(int c)
{
    return islower(c) ? c - 32 : c;
}
#endif

#endif
