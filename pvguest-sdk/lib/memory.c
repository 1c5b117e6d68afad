/* SPDX-License-Identifier: MIT */
/*
 * Memory, and the few functions on strings that ring 0 has, too: this file and printf.c are
 * compiled into the hypervisor as well (hypervisor/build.mk). The compiler itself calls memcpy,
 * memmove, memset and memcmp. Pure: compiled on the host too, by the unit tests.
 *
 * Copies are the CPU's string instructions, by eight bytes first: an emulated CPU, and a real one
 * without fast short strings (Intel's SDM volume 1, 7.3.9.3), does them one element after the
 * other.
 */
#include <pvguest/string.h>

void *memcpy(void *to, const void *from, size_t n)
{
    void *start = to;
    size_t words = n / 8, bytes = n % 8;

    asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (words) :: "memory");
    asm volatile("rep movsb" : "+D" (to), "+S" (from), "+c" (bytes) :: "memory");
    return start;
}

void *memset(void *to, int byte, size_t n)
{
    void *start = to;
    size_t words = n / 8, bytes = n % 8;
    uint64_t pattern = (unsigned char)byte * 0x0101010101010101ul;

    asm volatile("rep stosq" : "+D" (to), "+c" (words) : "a" (pattern) : "memory");
    asm volatile("rep stosb" : "+D" (to), "+c" (bytes) : "a" (pattern) : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t n)
{
    /* also when `to` is below `from` */
    if ((uintptr_t)to - (uintptr_t)from >= n) return memcpy(to, from, n);
    if (to == from) return to;
    char *t = (char *)to + n - 1;
    const char *f = (const char *)from + n - 1;
    size_t words = n / 8, bytes = n % 8;

    /* from the end down; whoever interrupts clears the flag (both entry.asm) */
    asm volatile("std\n\t"
                 "rep movsb\n\t"
                 "sub $7, %0\n\t"
                 "sub $7, %1\n\t"
                 "mov %3, %2\n\t"
                 "rep movsq\n\t"
                 "cld" : "+D" (t), "+S" (f), "+c" (bytes) : "r" (words) : "memory", "cc");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (; n; n--, x++, y++) {
        if (*x != *y) return *x - *y;
    }
    return 0;
}

size_t strlen(const char *s)
{
    const char *end = s;

    while (*end)
        end++;
    return (size_t)(end - s);
}

size_t strnlen(const char *s, size_t n)
{
    size_t length = 0;

    while (length < n && s[length])
        length++;
    return length;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++) {
        if (*a != *b || !*a) return (unsigned char)*a - (unsigned char)*b;
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c) return (char *)(uintptr_t)s;
        if (!*s) return NULL;
    }
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);

    if (size) {
        size_t n = length < size ? length : size - 1;

        memcpy(to, from, n);
        to[n] = 0;
    }
    return length;
}
