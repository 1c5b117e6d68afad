/* SPDX-License-Identifier: MIT */
/*
 * Lists of CPUs, read and printed (cpus.h).
 */
#include "dom0/config/cpus.h"

/* The numbers from..to. */
static uint64_t range(unsigned from, unsigned to)
{
    return (CPUS_ALL << from) & (CPUS_ALL >> (CPUS_MOST - 1 - to));
}

/* Moves on behind the digits; false: there are none. What is too large is CPUS_MOST. */
static bool take_number(const char **at, unsigned *number)
{
    const char *start;

    while (**at == ' ')
        ++*at;
    for (start = *at, *number = 0; **at >= '0' && **at <= '9'; ++*at)
        *number = MIN(*number * 10 + (unsigned)(**at - '0'), CPUS_MOST);
    return *at != start;
}

/* One part: "2", "0-3", "^1", "all". */
static const char *take_part(const char **at, uint64_t *cpus)
{
    bool without = **at == '^';
    unsigned from, to;
    uint64_t part;

    *at += without;
    if (!strncmp(*at, "node", 4)) return "nodes are not told apart here, only CPUs";
    if (!strncmp(*at, "all", 3)) {
        if (without) return "^all would leave none";
        *at += 3;
        *cpus = CPUS_ALL;
        return NULL;
    }
    if (!take_number(at, &from)) return "CPUs are all, numbers, or ranges like 0-3 or ^2";
    to = from;
    if (**at == '-') {
        ++*at;
        if (!take_number(at, &to) || to < from) return "a range of CPUs is like 0-3";
    }
    part = from == CPUS_MOST ? 0 : range(from, MIN(to, CPUS_MOST - 1));
    *cpus = without ? *cpus & ~part : *cpus | part;
    return NULL;
}

const char *cpus_parse(const char *text, uint64_t *cpus)
{
    uint64_t map = 0;

    for (const char *at = text; *at; at += *at == ',') {
        const char *why = *at == ',' ? NULL : take_part(&at, &map);

        if (why) return why;
        if (*at && *at != ',') return "between CPUs stands a comma";
    }
    if (!map) return "no CPU that there could be is left (0 to 63)";
    *cpus = map;
    return NULL;
}

static int take_value(const char *key, const struct setting_value *value, uint64_t *cpus,
                      struct problem *problem)
{
    const char *why;

    if (!value->text) return setting_refuse(value, problem, "in the list %s stands a list", key);
    why = cpus_parse(value->text, cpus);
    return why ? setting_refuse(value, problem, "%s, '%s': %s", key, value->text, why) : 0;
}

int cpus_take(const struct setting *setting, uint64_t *cpus, unsigned count,
              struct problem *problem)
{
    const struct setting_value *value = setting->value->first;
    unsigned taken = 0;
    int error = 0;

    if (setting->value->text) {
        error = take_value(setting->name, setting->value, &cpus[0], problem);
        for (unsigned i = 1; i < count; i++)
            cpus[i] = cpus[0];
        return error;
    }
    for (; value && !error; value = value->next) {
        if (taken == count)
            return setting_refuse(value, problem, "%s has a place for each of at most %u vCPUs",
                                  setting->name, count);
        error = take_value(setting->name, value, &cpus[taken++], problem);
    }
    return error;
}

void cpus_print(uint64_t cpus, uint64_t there, char *text, size_t size)
{
    size_t used = 0;

    cpus &= there;
    snprintf(text, size, "%s", cpus ? "all" : "none");
    if (cpus == there) return;
    for (unsigned from = 0; from < CPUS_MOST; from++) {
        unsigned to = from;

        if (!(cpus >> from & 1))
            continue;
        while (to + 1 < CPUS_MOST && cpus >> (to + 1) & 1)
            to++;
        used += (size_t)snprintf(text + used, size - used, to > from ? "%s%u-%u" : "%s%u",
                                 used ? "," : "", from, to);
        from = to;
    }
}
