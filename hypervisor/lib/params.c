/* SPDX-License-Identifier: MIT */
/* The command line: words of the form name=value. */
#include "lib/params.h"
#include "lib/printk.h"
#include "lib/string.h"
#include <abi/sums.h>

struct params params = { .baud = 115200 };

/* A decimal number with an optional K, M or G; stops at the first other byte. */
static uint64_t parse_size(const char *s)
{
    uint64_t n = 0;

    for (; *s >= '0' && *s <= '9'; s++) n = sum_of(product_of(n, 10), (uint64_t)(*s - '0'));
    switch (*s) {
    case 'G': case 'g': n = product_of(n, 1024); /* fall through */
    case 'M': case 'm': n = product_of(n, 1024); /* fall through */
    case 'K': case 'k': n = product_of(n, 1024); break;
    default: break;
    }
    return n;
}

static void parse_word(const char *word)
{
    const char *value = strchr(word, '=');

    value = value ? value + 1 : "";
    if (!strncmp(word, "dom0_mem=", 9)) params.dom0_memory = parse_size(value);
    else if (!strncmp(word, "loglevel=", 9)) log_level = (int)MIN(parse_size(value), (uint64_t)LOG_DEBUG);
    else if (!strncmp(word, "console=com1", 12)) {
        if (value[4] == ',' && parse_size(value + 5)) params.baud = (uint32_t)parse_size(value + 5);
    } else log_warn("command line: \"%s\" is not an option; known: dom0_mem=SIZE loglevel=0..3 console=com1[,BAUD]", word);
}

void params_parse(const char *line)
{
    char word[64];

    while (*line) {
        size_t n = 0;
        while (*line == ' ') line++;
        while (line[n] && line[n] != ' ') n++;
        strlcpy(word, line, MIN(n + 1, sizeof(word)));
        if (n) parse_word(word);
        line += n;
    }
}
