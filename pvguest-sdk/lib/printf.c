/* SPDX-License-Identifier: MIT */
/*
 * The formatter behind snprintf and printk. Pure: compiled on the host too, by the unit tests.
 * Output goes into a buffer of known size; the length that would have been is counted on, as the
 * standard wants. Or through one: whenever it is full, it is written away.
 */
#include <pvguest/string.h>

struct output {
    char *buffer;
    size_t size, length;
    void (*write)(const char *bytes, size_t length);        /* NULL: what does not fit is dropped */
};

struct spec {
    bool left, zero, plus, space, alternate;
    int width, precision;       /* precision -1: none given */
    char length;                /* 'H' hh, 'h', 0, 'l' (and ll z t j: all 64 bits here) */
};

static void put(struct output *out, char c)
{
    if (out->write && out->length == out->size) {
        out->write(out->buffer, out->length);
        out->length = 0;
    }
    if (out->length + !out->write < out->size)
        out->buffer[out->length] = c;
    out->length++;
}

static void pad(struct output *out, char c, int count)
{
    while (count-- > 0)
        put(out, c);
}

/* A number's digits, backwards into `digits`; returns how many. Zero has one digit, but none with
 * precision 0. */
static int digits_of(uint64_t value, unsigned int base, bool upper, char *digits)
{
    int n = 0;

    for (; value; value /= base)
        digits[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
    return n;
}

static void put_number(struct output *out, const struct spec *spec, uint64_t value,
                       unsigned int base, bool upper, const char *prefix)
{
    char digits[64];
    int n = digits_of(value, base, upper, digits);
    int wanted = spec->precision < 0 ? 1 : spec->precision;
    int zeros = n < wanted ? wanted - n : 0;
    int blanks = spec->width - n - zeros - (int)strlen(prefix);

    if (spec->zero && !spec->left && spec->precision < 0 && blanks > 0) {
        zeros += blanks;
        blanks = 0;
    }
    if (!spec->left)
        pad(out, ' ', blanks);
    while (*prefix)
        put(out, *prefix++);
    pad(out, '0', zeros);
    while (n)
        put(out, digits[--n]);
    if (spec->left)
        pad(out, ' ', blanks);
}

static void put_signed(struct output *out, const struct spec *spec, int64_t value)
{
    const char *sign = value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "";

    put_number(out, spec, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, false, sign);
}

static void put_string(struct output *out, const struct spec *spec, const char *s)
{
    size_t length;

    if (!s)
        s = "(null)";
    length = spec->precision < 0 ? strlen(s) : strnlen(s, (size_t)spec->precision);
    if (!spec->left)
        pad(out, ' ', spec->width - (int)length);
    for (size_t i = 0; i < length; i++)
        put(out, s[i]);
    if (spec->left)
        pad(out, ' ', spec->width - (int)length);
}

/* A va_list inside a struct can be handed to helpers and moves on for the caller too. */
struct arguments { va_list list; };

static uint64_t next_unsigned(struct arguments *arguments, char length)
{
    if (length == 'l') return va_arg(arguments->list, uint64_t);
    uint32_t value = va_arg(arguments->list, uint32_t);
    return length == 'H' ? (uint8_t)value : length == 'h' ? (uint16_t)value : value;
}

static int64_t next_signed(struct arguments *arguments, char length)
{
    if (length == 'l') return va_arg(arguments->list, int64_t);
    int32_t value = va_arg(arguments->list, int32_t);
    return length == 'H' ? (int8_t)value : length == 'h' ? (int16_t)value : value;
}

static int parse_count(const char **format, struct arguments *arguments)
{
    int count = 0;

    if (**format == '*') {
        (*format)++;
        return va_arg(arguments->list, int);
    }
    while (isdigit(**format))
        count = count * 10 + *(*format)++ - '0';
    return count;
}

static void parse_spec(const char **format, struct spec *spec, struct arguments *arguments)
{
    *spec = (struct spec){ .precision = -1 };
    for (;; (*format)++) {
        switch (**format) {
        case '-': spec->left = true; continue;
        case '0': spec->zero = true; continue;
        case '+': spec->plus = true; continue;
        case ' ': spec->space = true; continue;
        case '#': spec->alternate = true; continue;
        }
        break;
    }
    spec->width = parse_count(format, arguments);
    if (spec->width < 0) {
        spec->left = true;
        spec->width = -spec->width;
    }
    if (**format == '.') {
        (*format)++;
        spec->precision = parse_count(format, arguments);
    }
    for (;; (*format)++) {
        switch (**format) {
        case 'h': spec->length = spec->length == 'h' ? 'H' : 'h'; continue;
        case 'l': case 'z': case 't': case 'j': spec->length = 'l'; continue;
        }
        break;
    }
}

static void convert(struct output *out, char conversion, const struct spec *spec,
                    struct arguments *arguments)
{
    switch (conversion) {
    case 'd': case 'i':
        put_signed(out, spec, next_signed(arguments, spec->length));
        break;
    case 'u':
        put_number(out, spec, next_unsigned(arguments, spec->length), 10, false, "");
        break;
    case 'o':
        put_number(out, spec, next_unsigned(arguments, spec->length), 8, false,
                   spec->alternate ? "0" : "");
        break;
    case 'x': case 'X': {
        uint64_t value = next_unsigned(arguments, spec->length);

        put_number(out, spec, value, 16, conversion == 'X',
                   !spec->alternate || !value ? "" : conversion == 'X' ? "0X" : "0x");
        break;
    }
    case 'p':
        put_number(out, spec, (uintptr_t)va_arg(arguments->list, void *), 16, false, "0x");
        break;
    case 'c': {
        char c[2] = { (char)va_arg(arguments->list, int), 0 };
        struct spec one = *spec;

        one.precision = -1;
        if (c[0])
            put_string(out, &one, c);
        else
            put(out, 0);
        break;
    }
    case 's':
        put_string(out, spec, va_arg(arguments->list, const char *));
        break;
    default:        /* %% and whatever we do not know: itself */
        put(out, conversion);
    }
}

static void put_all(struct output *out, const char *format, va_list list)
{
    struct arguments arguments;
    struct spec spec;

    va_copy(arguments.list, list);
    while (*format) {
        if (*format != '%') {
            put(out, *format++);
            continue;
        }
        format++;
        parse_spec(&format, &spec, &arguments);
        if (!*format)
            break;
        convert(out, *format++, &spec, &arguments);
    }
    va_end(arguments.list);
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list list)
{
    struct output out = { buffer, size, 0, NULL };

    put_all(&out, format, list);
    if (size)
        buffer[out.length < size ? out.length : size - 1] = 0;
    return (int)out.length;
}

void vprintf_through(void (*write)(const char *bytes, size_t length), const char *format,
                     va_list list)
{
    char buffer[512];
    struct output out = { buffer, sizeof(buffer), 0, write };

    put_all(&out, format, list);
    write(buffer, out.length);
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list list;
    int length;

    va_start(list, format);
    length = vsnprintf(buffer, size, format, list);
    va_end(list);
    return length;
}
