/* SPDX-License-Identifier: MIT */
/* See vif.h. Numbers are at most 32 bits wide, as xl has it, so that only the last product can be too large. */
#include "dom0/toolstack/vif.h"
#include <abi/sums.h>

#define USECS 1000000ull                /* In a second. */

/* Digits up to the first other character: false if there are none. What is too large is BEYOND. */
static bool take_number(const char **at, uint64_t *number) {
    const char *start = *at;

    for (*number = 0; **at >= '0' && **at <= '9'; ++*at)
        *number = sum_of(product_of(*number, 10), (uint64_t)(**at - '0'));
    return *at != start;
}

static uint64_t take_unit(const char **at, const char *units, const uint64_t *factors) {
    const char *unit = **at ? strchr(units, **at) : NULL;

    if (!unit)
        return 1;
    ++*at;
    return factors[unit - units];
}

static const char *take_speed(const char **at, uint64_t *bytes_per_second) {
    static const uint64_t factors[] = { 1000, 1000000, 1000000000 };
    uint64_t number, factor;
    bool bits;

    if (!take_number(at, &number))
        return refused("invalid rate");
    factor = take_unit(at, "KMG", factors);
    bits = **at == 'b';
    if ((!bits && **at != 'B') || strncmp(*at + 1, "/s", 2) || ((*at)[3] && (*at)[3] != '@'))
        return refused("invalid rate");
    if (!number || number > UINT32_MAX)
        return refused("rate overflow");
    *at += 3;
    *bytes_per_second = number * factor / (bits ? 8 : 1);
    return NULL;
}

static const char *take_interval(const char **at, uint64_t *usecs) {
    static const uint64_t factors[] = { 1000, 1 };
    uint64_t number, factor;
    bool seconds;

    if (!take_number(at, &number))
        return refused("invalid replenishment interval");
    seconds = **at != 'm' && **at != 'u';
    factor = take_unit(at, "mu", factors);
    if (**at == 's')
        ++*at;
    if (**at)
        return refused("invalid replenishment interval");
    *usecs = product_of(number, seconds ? USECS : factor);
    return *usecs && *usecs <= UINT32_MAX ? NULL : refused("replenishment interval overflow");
}

const char *vif_parse_rate(const char *text, uint64_t *bytes, uint32_t *usecs) {
    uint64_t speed, interval = 50000;
    const char *why = take_speed(&text, &speed);

    if (!why && *text == '@') {
        text++;
        why = take_interval(&text, &interval);
    }
    if (why)
        return why;
    if (product_of(speed, interval) == BEYOND)
        return refused("rate overflow");
    *bytes = speed * interval / USECS;
    *usecs = (uint32_t)interval;
    return *bytes ? NULL : refused("not a byte an interval: the rate is too small");
}

static bool take_address(const char **at, uint32_t *address) {
    *address = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t part;

        if ((i && *(*at)++ != '.') || !take_number(at, &part) || part > 255)
            return refused(false);
        *address = *address << 8 | (uint32_t)part;
    }
    return (*address && (!**at || **at == ' ')) || refused(false);
}

bool vif_parse_addresses(const char *text, uint32_t address[VIF_MAX_ADDRESSES], unsigned *count) {
    for (*count = 0; *text == ' '; text++)
        ;
    while (*text) {
        if (*count == VIF_MAX_ADDRESSES || !take_address(&text, &address[*count]))
            return refused(false);
        ++*count;
        while (*text == ' ')
            text++;
    }
    return *count || refused(false);
}
