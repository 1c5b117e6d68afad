/* SPDX-License-Identifier: MIT */
/* vsnprintf: the subset of C's that lib/printk.h names. Pure; it never fails and always terminates
 * what it writes. */
#include "lib/printk.h"
#include "lib/string.h"

struct out { char *at, *end; size_t wanted; };

static void put(struct out *o, char c)
{
    if (o->at < o->end)
        *o->at++ = c;
    o->wanted++;
}

struct spec { bool left, zero, upper; int width, precision; };

static void put_padded(struct out *o, const struct spec *s, const char *text, size_t n,
                       bool negative)
{
    int pad = s->width - (int)n - (negative ? 1 : 0);
    bool zeros = s->zero && !s->left;

    if (!zeros && !s->left)
        for (; pad > 0; pad--)
            put(o, ' ');
    if (negative)
        put(o, '-');
    if (zeros)
        for (; pad > 0; pad--)
            put(o, '0');
    for (size_t i = 0; i < n; i++)
        put(o, text[i]);
    for (; pad > 0; pad--)
        put(o, ' ');
}

static void put_number(struct out *o, const struct spec *s, uint64_t value, unsigned int base,
                       bool negative)
{
    const char *digits = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24], *p = text + sizeof(text);

    do
        *--p = digits[value % base];
    while ((value /= base) != 0);
    put_padded(o, s, p, (size_t)(text + sizeof(text) - p), negative);
}

/* "*", or digits, or nothing; returns behind it. */
static const char *parse_number(const char *f, int *number, va_list args)
{
    *number = 0;
    if (*f == '*') {
        *number = va_arg(args, int);
        return f + 1;
    }
    for (; *f >= '0' && *f <= '9'; f++)
        *number = *number * 10 + *f - '0';
    return f;
}

/* Flags, width, precision; returns behind them. */
static const char *parse_spec(const char *f, struct spec *s, va_list args)
{
    *s = (struct spec){ .precision = -1 };
    for (;; f++) {
        if (*f == '-')
            s->left = true;
        else if (*f == '0')
            s->zero = true;
        else
            break;
    }
    f = parse_number(f, &s->width, args);
    return *f == '.' ? parse_number(f + 1, &s->precision, args) : f;
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list outer)
{
    struct out o = { buffer, size ? buffer + size - 1 : buffer, 0 };
    va_list args;

    va_copy(args, outer);
    for (const char *f = format; *f; f++) {
        struct spec s;
        bool wide = false;

        if (*f != '%') {
            put(&o, *f);
            continue;
        }
        f = parse_spec(f + 1, &s, args);
        for (; *f == 'l' || *f == 'z'; f++)
            wide = true;
        switch (*f) {
        case 'd': case 'i': {
            int64_t v = wide ? va_arg(args, int64_t) : va_arg(args, int);
            put_number(&o, &s, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0);
            break;
        }
        case 'X': s.upper = true; /* fall through */
        case 'x': case 'u':
            put_number(&o, &s, wide ? va_arg(args, uint64_t) : va_arg(args, unsigned int),
                       *f == 'u' ? 10 : 16, false);
            break;
        case 'p':
            s.zero = true;
            s.width = 16;
            put_number(&o, &s, (uint64_t)va_arg(args, void *), 16, false);
            break;
        case 'c': put(&o, (char)va_arg(args, int)); break;
        case 's': {
            const char *text = va_arg(args, const char *);
            if (!text)
                text = "(null)";
            put_padded(&o, &s, text,
                       strnlen(text, s.precision < 0 ? SIZE_MAX : (size_t)s.precision), false);
            break;
        }
        case '%': put(&o, '%'); break;
        /* a format of ours that we do not know: visible, harmless */
        default: put(&o, '?'); f--; break;
        }
        if (!*f)
            break;
    }
    va_end(args);
    if (size)
        *o.at = 0;
    return (int)o.wanted;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(buffer, size, format, args);
    va_end(args);
    return n;
}
