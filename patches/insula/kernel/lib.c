/* SPDX-License-Identifier: MIT */
/* Strings, printk and panic. Nothing here knows of the rest of the kernel but the console. */
#include "kernel.h"
#include <stdarg.h>

void *memset(void *to, int byte, size_t n)
{
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(byte) : "memory");
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    u8 *t = to;
    const u8 *f = from;

    if (t <= f || t >= f + n)
        return memcpy(to, from, n);
    while (n--)
        t[n] = f[n];
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++)
        if (*a != *b || !*a)
            return (u8)*a - (u8)*b;
    return 0;
}

void copy_string(char *to, const char *from, size_t size)
{
    while (size > 1 && *from) {
        *to++ = *from++;
        size--;
    }
    *to = 0;
}

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
static void format_to_console(const char *f, va_list args)
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

void printk(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_to_console(format, args);
    va_end(args);
}

void panic(const char *format, ...)
{
    va_list args;

    interrupts_off();
    printk("Insula: PANIC: ");
    va_start(args, format);
    format_to_console(format, args);
    va_end(args);
    printk("\n");
    power_off();
}
