/* SPDX-License-Identifier: MIT */
/*
 * Memory and strings, as the C standard says. The compiler itself calls memcpy, memmove, memset and
 * memcmp. Pure: compiled on the host too, by the unit tests.
 */
#include <pvguest/string.h>

/* ---- memory: the CPU's string instructions, by eight bytes first: an emulated CPU, and a real one
 * without fast short strings (Intel's SDM volume 1, 7.3.9.3), does them one element after the other
 * ---- */

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
    char *t = to;
    const char *f = from;

    if (t <= f || t >= f + n) return memcpy(to, from, n);
    while (n--)
        t[n] = f[n];
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i]) return x[i] - y[i];
    }
    return 0;
}

void *memchr(const void *p, int byte, size_t n)
{
    for (const unsigned char *c = p; n; n--, c++) {
        if (*c == (unsigned char)byte) return (void *)(uintptr_t)c;
    }
    return NULL;
}

/* ---- strings ---- */

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

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++) {
        if (*a != *b || !*a) return (unsigned char)*a - (unsigned char)*b;
    }
    return 0;
}

int strcasecmp(const char *a, const char *b)
{
    while (*a && tolower(*a) == tolower(*b))
        a++, b++;
    return tolower((unsigned char)*a) - tolower((unsigned char)*b);
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c) return (char *)(uintptr_t)s;
        if (!*s) return NULL;
    }
}

char *strrchr(const char *s, int c)
{
    char *found = NULL;

    for (;; s++) {
        if (*s == (char)c)
            found = (char *)(uintptr_t)s;
        if (!*s) return found;
    }
}

char *strstr(const char *s, const char *needle)
{
    size_t length = strlen(needle);

    for (;; s++) {
        if (!strncmp(s, needle, length)) return (char *)(uintptr_t)s;
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

size_t strlcat(char *to, const char *from, size_t size)
{
    size_t used = strnlen(to, size);

    return used + strlcpy(to + used, from, size - used);
}

char *strsep(char **rest, const char *separators)
{
    char *word = *rest;

    if (!word) return NULL;
    for (char *c = word; ; c++) {
        if (!*c) {
            *rest = NULL;
            return word;
        }
        if (strchr(separators, *c)) {
            *c = 0;
            *rest = c + 1;
            return word;
        }
    }
}

/* ---- numbers ---- */

static unsigned int digit_value(char c)
{
    if (isdigit(c)) return (unsigned int)(c - '0');
    return isalpha(c) ? (unsigned int)(tolower(c) - 'a' + 10) : 99;
}

/* What both functions below read: spaces, a sign, digits. */
static unsigned long magnitude(const char *s, char **end, int base, bool *negative, bool *overflow)
{
    const char *start = s;
    unsigned long value = 0;
    bool any = false;

    *negative = *overflow = false;
    while (isspace(*s))
        s++;
    if (*s == '+' || *s == '-')
        *negative = *s++ == '-';
    if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 32) == 'x' && digit_value(s[2]) < 16) {
        s += 2;
        base = 16;
    }
    if (base == 0)
        base = *s == '0' ? 8 : 10;
    for (; digit_value(*s) < (unsigned int)base; s++, any = true) {
        if (__builtin_mul_overflow(value, (unsigned long)base, &value) ||
            __builtin_add_overflow(value, (unsigned long)digit_value(*s), &value))
            *overflow = true;
    }
    if (end)
        *end = (char *)(uintptr_t)(any ? s : start);
    return value;
}

unsigned long strtoul(const char *s, char **end, int base)
{
    bool negative, overflow;
    unsigned long value = magnitude(s, end, base, &negative, &overflow);

    return overflow ? ~0UL : negative ? -value : value;
}

long strtol(const char *s, char **end, int base)
{
    bool negative, overflow;
    unsigned long value = magnitude(s, end, base, &negative, &overflow);

    if (negative)
        return overflow || value > (unsigned long)INT64_MAX + 1 ? INT64_MIN : (long)-value;
    return overflow || value > INT64_MAX ? INT64_MAX : (long)value;
}
