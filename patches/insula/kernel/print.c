/* SPDX-License-Identifier: MIT */
/* The kernel's printf, to the console. */
#include "kernel.h"
#include <stdarg.h>

static void put_number(u64 value, u32 base, int width, char pad)
{
    char digits[24];
    int n = 0;

    do
        digits[n++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (width-- > n)
        console_putc(pad);
    while (n)
        console_putc(digits[--n]);
}

/* %s %c %d %u %x %lu %ld %lx %p, with a width and zero padding. */
void kvprintf(const char *f, va_list args)
{
    for (; *f; f++) {
        int width = 0;
        bool wide = false;
        if (*f != '%') {
            console_putc(*f);
            continue;
        }
        char pad = *++f == '0' ? '0' : ' ';
        while (*f >= '0' && *f <= '9')
            width = width * 10 + *f++ - '0';
        if (*f == 'l') {
            wide = true;
            f++;
        }
        if (*f == 's') {
            const char *s = va_arg(args, const char *);
            for (width -= (int)strlen(s); *s; s++)
                console_putc(*s);
            while (width-- > 0)
                console_putc(' ');
        } else if (*f == 'c') {
            console_putc((char)va_arg(args, int));
        } else if (*f == 'd') {
            long value = wide ? va_arg(args, long) : va_arg(args, int);
            if (value < 0)
                console_putc('-');
            put_number(value < 0 ? -(u64)value : (u64)value, 10, width, pad);
        } else if (*f == 'u' || *f == 'x' || *f == 'p') {
            u64 value = wide || *f == 'p' ? va_arg(args, u64) : va_arg(args, u32);
            put_number(value, *f == 'u' ? 10 : 16, width, pad);
        } else {
            console_putc(*f);
        }
    }
}

void kprintf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    kvprintf(format, args);
    va_end(args);
}
