/* SPDX-License-Identifier: MIT */
/*
 * How fast a guest echoes what is typed at its console: the command `keys`. A thread types, so that
 * the prompt is free meanwhile. A key's time begins when it was due, not when dom0 got round to it:
 * an operator does not wait until it suits dom0.
 */
#include "dom0/console/guests.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>

#define MOST_KEYS 100u
#define KEY '.'
/* Not in step with a neighbour's timers, mostly of so many milliseconds: keys come at all moments
 * between two of these, one after the other. */
#define BETWEEN_NS (17 * NS_PER_MS + 382 * NS_PER_US)
#define PATIENCE_NS (2 * NS_PER_S)

static struct {
    bool busy;
    char name[CONFIG_MAX_NAME + 1], number[8];
    unsigned long wanted;
    unsigned count, lost;
    uint32_t us[MOST_KEYS];             /* Sorted. */
} keys;

static void note(uint64_t ns)
{
    uint32_t us = (uint32_t)(ns / NS_PER_US);
    unsigned at = keys.count++;

    for (; at && keys.us[at - 1] > us; at--)
        keys.us[at] = keys.us[at - 1];
    keys.us[at] = us;
}

static void say(void)
{
    unsigned last = keys.count - 1;

    if (!keys.count)
        printk("keys: %s has echoed none\n", keys.name);
    else
        printk("keys: %s has echoed %u, %u lost; least %u, median %u, 99%% %u, longest %u us\n",
               keys.name, keys.count, keys.lost, keys.us[0], keys.us[last / 2],
               keys.us[last * 99 / 100], keys.us[last]);
}

static void type(void *unused)
{
    keys.count = keys.lost = 0;
    while (keys.count + keys.lost < keys.wanted) {
        uint64_t due = now_ns() + BETWEEN_NS;
        struct domain *domain;

        thread_sleep(BETWEEN_NS);
        domain = domains_find(keys.number);
        if (!domain || !domain->console)
            break;
        if (guest_console_type(domain->console, KEY, PATIENCE_NS))
            note(now_ns() - due);
        else
            keys.lost++;
    }
    say();
    keys.busy = false;
}

static const char *why_not(const struct domain *domain, unsigned long wanted)
{
    if (!domain || domain->leaving) return "there is no such guest";
    if (!wanted) return "1 key at least";
    if (keys.busy) return "keys are being typed already";
    return NULL;
}

bool verb_keys(const struct call *call)
{
    const struct domain *domain = domains_find(call->word[0]);
    unsigned long wanted;
    const char *why;

    if (!verb_number("COUNT", call->word[1], MOST_KEYS, &wanted)) return false;
    why = why_not(domain, wanted);
    if (!why) {
        strlcpy(keys.name, domain->config.name, sizeof(keys.name));
        snprintf(keys.number, sizeof(keys.number), "%u", (unsigned)domain->domid);
        keys.wanted = wanted;
        keys.busy = thread_create("keys", type, NULL);
        why = keys.busy ? NULL : "no memory for a thread";
    }
    if (why)
        printk("Error: %s\n", why);
    return !why;
}
