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

struct spec { bool zero; int width; };

static void put_number(struct out *o, const struct spec *s, uint64_t value, unsigned int base,
                       bool negative)
{
    char text[24], *p = text + sizeof(text);
    int pad;

    do
        *--p = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    pad = s->width - (int)(text + sizeof(text) - p) - negative;
    for (; pad > 0 && !s->zero; pad--)
        put(o, ' ');
    if (negative)
        put(o, '-');
    for (; pad > 0; pad--)
        put(o, '0');
    while (p < text + sizeof(text))
        put(o, *p++);
}

/* Flag and width; returns behind them. */
static const char *parse_spec(const char *f, struct spec *s)
{
    *s = (struct spec){ .zero = *f == '0' };
    for (; *f >= '0' && *f <= '9'; f++)
        s->width = s->width * 10 + *f - '0';
    return f;
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
        f = parse_spec(f + 1, &s);
        for (; *f == 'l' || *f == 'z'; f++)
            wide = true;
        switch (*f) {
        case 'd': {
            int64_t v = wide ? va_arg(args, int64_t) : va_arg(args, int);
            put_number(&o, &s, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0);
            break;
        }
        case 'x': case 'u':
            put_number(&o, &s, wide ? va_arg(args, uint64_t) : va_arg(args, unsigned int),
                       *f == 'u' ? 10 : 16, false);
            break;
        case 'c': put(&o, (char)va_arg(args, int)); break;
        case 's': {
            const char *text = va_arg(args, const char *);
            for (text = text ? text : "(null)"; *text; text++)
                put(&o, *text);
            break;
        }
        case '%': put(&o, '%'); break;
        /* a format of ours that we do not know: visible, harmless */
        default: put(&o, '?'); f--; break;
        }
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
