/* SPDX-License-Identifier: MIT */
/*
 * See vif.h. A rate's numbers are at most 32 bits wide, as xl has it, so that only the last product
 * can be too large.
 */
#include "dom0/config/vif.h"
#include "dom0/config/address.h"
#include <abi/sums.h>

#define USECS 1000000ull                /* In a second. */
#define SCRIPT "vif-bridge"
#define LEAST_MTU 68u                   /* Of IPv4: RFC 791. */
#define MOST_MTU 1500u

/* --- rates --- */

/* Digits up to the first other character: false if there are none. What is too large is BEYOND. */
static bool take_digits(const char **at, unsigned base, uint64_t *number)
{
    const char *start = *at;

    for (*number = 0; **at >= '0' && (unsigned)(**at - '0') < base; ++*at)
        *number = sum_of(product_of(*number, base), (uint64_t)(**at - '0'));
    return *at != start;
}

/* Of a rate: a zero before it makes it octal, as with xl. */
static bool take_number(const char **at, uint64_t *number)
{
    return take_digits(at, **at == '0' ? 8 : 10, number);
}

static uint64_t take_unit(const char **at, const char *units, const uint64_t *factors)
{
    const char *unit = **at ? strchr(units, **at) : NULL;

    if (!unit) return 1;
    ++*at;
    return factors[unit - units];
}

static const char *take_speed(const char **at, uint64_t *bytes_per_second)
{
    static const uint64_t factors[] = { 1000, 1000000, 1000000000 };
    uint64_t number, factor;
    bool bits;

    if (!take_number(at, &number)) return refused("invalid rate");
    factor = take_unit(at, "KMG", factors);
    bits = **at == 'b';
    if ((!bits && **at != 'B') || strncmp(*at + 1, "/s", 2) || ((*at)[3] && (*at)[3] != '@'))
        return refused("invalid rate");
    if (!number || number > UINT32_MAX) return refused("rate overflow");
    *at += 3;
    *bytes_per_second = number * factor / (bits ? 8 : 1);
    return NULL;
}

static const char *take_interval(const char **at, uint64_t *usecs)
{
    static const uint64_t factors[] = { 1000, 1 };
    uint64_t number, factor;
    bool seconds;

    if (!take_number(at, &number)) return refused("invalid replenishment interval");
    seconds = **at != 'm' && **at != 'u';
    factor = take_unit(at, "mu", factors);
    if (**at == 's')
        ++*at;
    if (**at) return refused("invalid replenishment interval");
    *usecs = product_of(number, seconds ? USECS : factor);
    return *usecs && *usecs <= UINT32_MAX ? NULL : refused("replenishment interval overflow");
}

const char *vif_parse_rate(const char *text, uint64_t *bytes, uint32_t *usecs)
{
    uint64_t speed, interval = 50000;
    const char *why = take_speed(&text, &speed);

    if (!why && *text == '@') {
        text++;
        why = take_interval(&text, &interval);
    }
    if (why) return why;
    if (product_of(speed, interval) == BEYOND) return refused("rate overflow");
    *bytes = speed * interval / USECS;
    *usecs = (uint32_t)interval;
    return *bytes ? NULL : refused("not a byte an interval: the rate is too small");
}

/* --- addresses --- */

static bool take_address(const char **at, uint32_t *address)
{
    return address_take(at, address) &&
           ((*address && (!**at || **at == ' ')) || refused(false));
}

bool vif_parse_addresses(const char *text, uint32_t address[VIF_MAX_ADDRESSES], unsigned *count)
{
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

bool vif_parse_mac(const char *text, uint8_t mac[6])
{
    for (unsigned i = 0; i < 6; i++) {
        unsigned digits = 0, value = 0;

        for (; digits < 2 && setting_digit(*text) < 16; digits++)
            value = value << 4 | setting_digit(*text++);
        if (!digits || (i < 5 && *text++ != ':')) return refused(false);
        mac[i] = (uint8_t)value;
    }
    if (*text) return refused(false);
    return !(mac[0] & 1) || refused(false);                     /* A station, not a group. */
}

/* --- words --- */

struct reading {
    struct config_vif *vif;
    struct problem *problem;
};

#define refuse(reading, ...) setting_refuse(NULL, (reading)->problem, __VA_ARGS__)

static int set_mac(struct reading *reading, const char *value)
{
    if (!vif_parse_mac(value, reading->vif->mac))
        return refuse(reading, "'%.20s' is no station's address", value);
    return 0;
}

static int set_name(struct reading *reading, const char *value, char *to, size_t room)
{
    if (strlen(value) >= room || !*value)
        return refuse(reading, "'%.40s': a network device's name has 1 to %zu characters", value,
                      room - 1);
    snprintf(to, room, "%s", value);
    return 0;
}

static int set_bridge(struct reading *reading, const char *value)
{
    return set_name(reading, value, reading->vif->bridge, sizeof(reading->vif->bridge));
}

static int set_vifname(struct reading *reading, const char *value)
{
    return set_name(reading, value, reading->vif->name, sizeof(reading->vif->name));
}

static int set_ip(struct reading *reading, const char *value)
{
    struct config_vif *vif = reading->vif;

    if ((size_t)snprintf(vif->ip, sizeof(vif->ip), "%s", value) >= sizeof(vif->ip) ||
        !vif_parse_addresses(value, vif->address, &vif->addresses))
        return refuse(reading, "'%.40s' are not one to %u addresses like 10.0.2.30", value,
                      VIF_MAX_ADDRESSES);
    return 0;
}

static int set_rate(struct reading *reading, const char *value)
{
    const char *why = vif_parse_rate(value, &reading->vif->rate_bytes, &reading->vif->rate_usecs);

    return why ? refuse(reading, "%s in '%.30s'", why, value) : 0;
}

static int set_spoof(struct reading *reading, const char *value)
{
    if (strcmp(value, "0") && strcmp(value, "1"))
        return refuse(reading, "spoof is 0 or 1, not '%.20s'", value);
    reading->vif->spoof = *value == '1';
    return 0;
}

static int set_type(struct reading *reading, const char *value)
{
    if (strcmp(value, "vif"))
        return refuse(reading, "type=%.20s: only type=vif, for PV drivers, can be had", value);
    return 0;
}

/* No script runs here; what vif-bridge does is done without one. */
static int set_script(struct reading *reading, const char *value)
{
    const char *slash = strrchr(value, '/');

    if (strcmp(slash ? slash + 1 : value, SCRIPT))
        return refuse(reading, "script=%.40s: cards are bridged here, as by " SCRIPT, value);
    return 0;
}

static int set_backend(struct reading *reading, const char *value)
{
    if (strcmp(value, "0") && strcmp(value, "Domain-0") && strcmp(value, "dom0"))
        return refuse(reading, "backend=%.40s: a card's backend can only be dom0", value);
    return 0;
}

static int set_mtu(struct reading *reading, const char *value)
{
    char *end;
    unsigned long mtu = *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;

    if (mtu < LEAST_MTU || mtu > MOST_MTU || *end)
        return refuse(reading, "mtu=%.20s: it must be %u to %u", value, LEAST_MTU, MOST_MTU);
    reading->vif->mtu = (unsigned)mtu;
    return 0;
}

static int set_model(struct reading *reading, const char *value)
{
    reading->vif->model = true;
    return 0;
}

static int take_word(struct reading *reading, char *word)
{
    static const struct {
        const char *name;
        int (*set)(struct reading *reading, const char *value);
    } words[] = {
        { "mac", set_mac },       { "bridge", set_bridge },   { "ip", set_ip },
        { "rate", set_rate },     { "spoof", set_spoof },     { "type", set_type },
        { "script", set_script }, { "backend", set_backend }, { "vifname", set_vifname },
        { "mtu", set_mtu },       { "model", set_model },
    };
    char *equals = strchr(word, '=');

    if (!strcmp(word, "trusted") || !strcmp(word, "untrusted")) {
        reading->vif->untrusted = word[0] == 'u';
        return 0;
    }
    if (!equals) return refuse(reading, "a vif is 'mac=...,bridge=...', not '%.40s'", word);
    *equals = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (!strcmp(words[i].name, word))
            return words[i].set(reading, equals + 1);
    return refuse(reading, "a vif has no '%.40s' here", word);
}

/* Words between commas; blanks around them are of no meaning. */
int vif_parse(const char *text, struct config_vif *vif, struct problem *problem)
{
    struct reading reading = { .vif = vif, .problem = problem };
    char copy[DEVICE_MOST_BYTES], *rest = copy, *word;
    int error = 0;

    memset(vif, 0, sizeof(*vif));
    snprintf(vif->bridge, sizeof(vif->bridge), "br0");
    vif->mtu = MOST_MTU;
    if (strlen(text) >= sizeof(copy))
        return refuse(&reading, "a vif has at most %zu characters", sizeof(copy) - 1);
    snprintf(copy, sizeof(copy), "%s", text);
    while (!error && (word = strsep(&rest, ","))) {
        size_t size;

        while (*word == ' ')
            word++;
        for (size = strlen(word); size && word[size - 1] == ' '; )
            word[--size] = '\0';
        error = size ? take_word(&reading, word) : 0;
    }
    return error;
}

/* --- among a guest's devices --- */

static int parse(const char *text, struct config_device *device, struct problem *problem)
{
    return vif_parse(text, config_of(struct config_vif, device), problem);
}

static const char *warning(const struct config_device *device)
{
    return config_of(struct config_vif, device)->model
               ? "model= does nothing: PV guests have no emulated card"
               : NULL;
}

__attribute__((format(printf, 2, 3))) static void add(char text[DEVICE_TEXT_BYTES],
                                                      const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + length, DEVICE_TEXT_BYTES - length, format, arguments);
    va_end(arguments);
}

static void write(const struct config_device *device, char text[DEVICE_TEXT_BYTES])
{
    static const uint8_t none[6];
    const struct config_vif *vif = config_of(struct config_vif, device);
    const uint8_t *mac = vif->mac;

    text[0] = '\0';
    add(text, "bridge=%s", vif->bridge);
    if (memcmp(mac, none, sizeof(none)))
        add(text, ",mac=%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
            mac[5]);
    if (vif->name[0])
        add(text, ",vifname=%s", vif->name);
    if (vif->ip[0])
        add(text, ",ip=%s", vif->ip);
    if (vif->mtu)
        add(text, ",mtu=%u", vif->mtu);
    if (vif->rate_bytes)
        add(text, ",rate=%luB/s@%uus",
            (unsigned long)((vif->rate_bytes * 1000000 + vif->rate_usecs - 1) / vif->rate_usecs),
            vif->rate_usecs);
    add(text, "%s%s", vif->spoof ? ",spoof=1" : "", vif->untrusted ? ",untrusted" : "");
}

const struct device_syntax vif_syntax = {
    .key = "vif",
    .example = "mac=00:16:3e:01:02:03,bridge=br0",
    .parse = parse,
    .write = write,
    .warning = warning,
};
