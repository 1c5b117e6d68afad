/* SPDX-License-Identifier: MIT */
/* The command line (params.h): words of the form name=value. */
#include "lib/params.h"
#include "lib/printk.h"
#include "lib/string.h"
#include <abi/sums.h>

struct params params = { .baud = 115200 };

static bool same(const char *a, const char *b)
{
    return !strncmp(a, b, strlen(b) + 1);
}

/* Digits, in the base that their beginning tells; moves on. False: none. What is too large is
 * BEYOND. */
static bool take_number(const char **at, uint64_t *number)
{
    unsigned int base = **at == '0' ? 8 : 10;
    const char *start;

    if (**at == '0' && ((*at)[1] | 32) == 'x') {
        base = 16;
        *at += 2;
    }
    for (start = *at, *number = 0;; ++*at) {
        unsigned int c = (unsigned char)**at, letter = c | 32;
        unsigned int digit = c >= '0' && c <= '9'             ? c - '0'
                             : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
                                                              : 99;

        if (digit >= base) return *at != start;
        *number = sum_of(product_of(*number, base), digit);
    }
}

/* "512M", "-128M", "0x40000", "262144" (KiB): all of [at, end). */
static bool take_amount(const char *at, const char *end, struct amount *amount)
{
    static const char units[] = "BKMGT";
    const char *unit;
    struct amount got = { .given = true, .but = *at == '-' };

    at += got.but;
    if (!take_number(&at, &got.bytes)) return false;
    unit = at < end ? strchr(units, *at & ~32) : strchr(units, 'K');
    if (!unit || at + 1 < end) return false;
    for (; unit > units; unit--)
        got.bytes = product_of(got.bytes, 1024);
    /* What is too large for a number is too large for a machine, too. */
    if (got.bytes < PAGE_BYTES) return false;
    *amount = got;
    return true;
}

static const char *part_end(const char *at)
{
    while (*at && *at != ',')
        at++;
    return at;
}

/* "512M,max:1G,min:256M": in any order. */
static bool take_dom0_mem(const char *value)
{
    struct params got = params;

    for (;; value++) {
        const char *end = part_end(value);
        struct amount *amount = &got.dom0_size;

        if (!strncmp(value, "min:", 4))
            amount = &got.dom0_min;
        if (!strncmp(value, "max:", 4))
            amount = &got.dom0_max;
        if (!take_amount(amount == &got.dom0_size ? value : value + 4, end, amount)) return false;
        value = end;
        if (!*value)
            break;
    }
    params = got;
    return true;
}

/* A number, or Xen's names. */
static bool take_level(const char *value)
{
    static const struct { const char *name; int level;
    } names[] = {
        { "0", LOG_ERROR },      { "1", LOG_WARN },     { "2", LOG_INFO },
        { "3", LOG_DEBUG },      { "none", LOG_ERROR }, { "error", LOG_ERROR },
        { "warning", LOG_WARN }, { "info", LOG_INFO },  { "debug", LOG_DEBUG },
        { "all", LOG_DEBUG },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (same(value, names[i].name)) {
            log_level = names[i].level;
            return true;
        }
    return false;
}

/* "115200", "115200,8n1": what the line's divisor can make. */
static bool take_baud(const char *value)
{
    uint64_t baud;

    if (!take_number(&value, &baud) || baud == 0 || baud > 115200 || 115200 % baud) return false;
    if (*value && !same(value, ",8n1")) return false;
    params.baud = (uint32_t)baud;
    return true;
}

static bool take_console(const char *value)
{
    return !strncmp(value, "com1", 4) && (!value[4] || (value[4] == ',' && take_baud(value + 5)));
}

static bool take_switch(const char *value, bool *off)
{
    if (!same(value, "on") && !same(value, "off")) return false;
    *off = same(value, "off");
    return true;
}

static bool take_acpi(const char *value)
{
    return take_switch(value, &params.no_acpi);
}

static bool take_svm(const char *value)
{
    return take_switch(value, &params.no_svm);
}

static bool take_count(const char *value, uint32_t *count)
{
    uint64_t number;

    if (!take_number(&value, &number) || *value || !number || number > UINT32_MAX) return false;
    *count = (uint32_t)number;
    return true;
}

static bool take_max_cpus(const char *value)
{
    return take_count(value, &params.max_cpus);
}

static bool take_dom0_max_vcpus(const char *value)
{
    return take_count(value, &params.dom0_max_vcpus);
}

static bool take_dom0_vcpus_pin(const char *value)
{
    if (*value && !same(value, "=on") && !same(value, "=off")) return false;
    params.dom0_vcpus_pin = !same(value, "=off");
    return true;
}

#define LEVELS "0 to 3, none, error, warning, info, debug or all"

static const struct {
    const char *name;
    bool (*take)(const char *value);
    const char *known;
} options[] = {
    { "dom0_mem=", take_dom0_mem,
      "SIZE, min:SIZE, max:SIZE or several of them with commas; SIZE is 512M, 524288 (KiB) or "
      "-128M (all but that)" },
    { "loglevel=", take_level, LEVELS },
    { "loglvl=", take_level, LEVELS },
    { "console=", take_console, "com1 or com1,BAUD" },
    { "com1=", take_baud, "a divisor of 115200, alone or with ,8n1" },
    { "dom0_vcpus_pin", take_dom0_vcpus_pin,
      "alone, =on, or =off: a CPU for each of dom0's vCPUs, where it stays" },
    { "acpi=", take_acpi, "on, or off: the firmware's tables are not read" },
    { "svm=", take_svm, "on, or off: no hardware assistance for guests' virtual machines" },
    { "maxcpus=", take_max_cpus, "how many CPUs are started, from 1" },
    { "dom0_max_vcpus=", take_dom0_max_vcpus, "how many vCPUs dom0 may have, from 1" },
};

static void parse_word(const char *word)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        size_t size = strlen(options[i].name);

        if (strncmp(word, options[i].name, size))
            continue;
        if (!options[i].take(word + size))
            log_warn("command line: \"%s\" is ignored; it can be %s", word, options[i].known);
        return;
    }
    log_warn("command line: \"%s\" is ignored: it is no option here; those are dom0_mem= "
             "dom0_vcpus_pin dom0_max_vcpus= maxcpus= loglevel= (loglvl=) console= com1= acpi= "
             "svm=",
             word);
}

void params_parse(const char *line)
{
    char word[128];

    while (*line) {
        size_t n = 0;
        while (*line == ' ')
            line++;
        while (line[n] && line[n] != ' ')
            n++;
        strlcpy(word, line, MIN(n + 1, sizeof(word)));
        if (n >= sizeof(word))
            log_warn("command line: \"%s...\" is ignored: it is too long for a word", word);
        else if (n)
            parse_word(word);
        line += n;
    }
}

/* --- dom0's memory --- */

static uint64_t pages_of(const struct amount *amount, uint64_t free)
{
    uint64_t pages = amount->bytes / PAGE_BYTES;

    return !amount->but ? pages : free > pages ? free - pages : 0;
}

uint64_t params_dom0_pages(uint64_t free, uint64_t usual)
{
    uint64_t pages = params.dom0_size.given ? pages_of(&params.dom0_size, free) : usual;

    if (params.dom0_min.given)
        pages = MAX(pages, pages_of(&params.dom0_min, free));
    return params.dom0_max.given ? MIN(pages, pages_of(&params.dom0_max, free)) : pages;
}

uint64_t params_dom0_max_pages(uint64_t free, uint64_t pages)
{
    return params.dom0_max.given ? MAX(pages, pages_of(&params.dom0_max, free)) : pages;
}
