/* SPDX-License-Identifier: MIT */
/* See address.h. */
#include "dom0/config/address.h"
#include "dom0/config/settings.h"

static bool take_part(const char **at, uint32_t *part)
{
    const char *begin = *at;

    for (*part = 0; setting_digit(**at) < 10 && *part <= 255; ++*at)
        *part = *part * 10 + setting_digit(**at);
    return (*at != begin && *part <= 255) || refused(false);
}

bool address_take(const char **at, uint32_t *address)
{
    uint32_t part;

    *address = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (i && *(*at)++ != '.') return refused(false);
        if (!take_part(at, &part)) return false;
        *address = *address << 8 | part;
    }
    return true;
}

bool address_parse(const char *text, uint32_t *address)
{
    char *end;

    if (!address_take(&text, address)) return false;
    if (*text != '/') return !*text;
    return strtoul(++text, &end, 10) <= 32 && end != text && !*end;
}

const char *address_text(uint32_t address, char text[ADDRESS_TEXT])
{
    snprintf(text, ADDRESS_TEXT, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
             address >> 8 & 255, address & 255);
    return text;
}
