/* SPDX-License-Identifier: MIT */
/* String functions. The bulk ones are `rep` instructions, by eight bytes first: pages are what is
 * copied here mostly. */
#include "lib/string.h"
#include "lib/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *d = to;
    size_t words = n / 8, bytes = n % 8;

    __asm__ volatile("rep movsq" : "+D"(d), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(bytes) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    /* also when `to` is below `from` */
    if ((uint64_t)to - (uint64_t)from >= n) return memcpy(to, from, n);
    if (to == from) return to;
    char *d = (char *)to + n - 1;
    const char *s = (const char *)from + n - 1;
    size_t words = n / 8, bytes = n % 8;

    /* from the end down; whoever interrupts clears the flag (entry.asm) */
    __asm__ volatile("std\n\t"
                     "rep movsb\n\t"
                     "sub $7, %0\n\t"
                     "sub $7, %1\n\t"
                     "mov %3, %2\n\t"
                     "rep movsq\n\t"
                     "cld" : "+D"(d), "+S"(s), "+c"(bytes) : "r"(words) : "memory", "cc");
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    void *d = to;
    size_t words = n / 8, bytes = n % 8;
    uint64_t word = 0x0101010101010101ul * (uint8_t)byte;

    __asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(word) : "memory");
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(bytes) : "a"(word) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y) return *x - *y;
    return 0;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;
    while (n < max && s[n])
        n++;
    return n;
}

size_t strlen(const char *s)
{
    return strnlen(s, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n && *a && *a == *b; n--)
        a++, b++;
    return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++)
        if (!*s) return NULL;
    return (char *)(uintptr_t)s;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);
    if (size) {
        size_t n = MIN(length, size - 1);
        memcpy(to, from, n);
        to[n] = 0;
    }
    return length;
}
