/* SPDX-License-Identifier: MIT */
/*
 * Strings, as the C standard says, and numbers in them; what is not here is in memory.c. Pure:
 * compiled on the host too, by the unit tests.
 */
#include <pvguest/string.h>

void *memchr(const void *p, int byte, size_t n)
{
    for (const unsigned char *c = p; n; n--, c++) {
        if (*c == (unsigned char)byte) return (void *)(uintptr_t)c;
    }
    return NULL;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

int strcasecmp(const char *a, const char *b)
{
    while (*a && tolower(*a) == tolower(*b))
        a++, b++;
    return tolower((unsigned char)*a) - tolower((unsigned char)*b);
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
