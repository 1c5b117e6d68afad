/* SPDX-License-Identifier: MIT */
/* Guests that move to another machine, and those that come: move.h. */
#include "dom0/xl/moving.h"
#include "dom0/config/address.h"
#include "dom0/guests/move.h"
#include "dom0/guests/saved.h"
#include "dom0/network/own.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>
#include <pvguest/time.h>

static bool refuse(const char *why)
{
    printk("Error: %s\n", why);
    return false;
}

static unsigned long ms(uint64_t ns)
{
    return (unsigned long)(ns / NS_PER_MS);
}

bool verb_migrate(const struct call *call)
{
    const char *name = call->word[0], *host = call->word[1];
    bool live = verb_option(call, 'l');
    uint64_t since = now_ns();
    struct problem problem;
    struct move_told told;
    uint32_t address;

    if (!address_parse(host, &address)) return refuse("HOST is an address like 10.0.2.11");
    if (!own_endpoint.address)
        return refuse("dom0 has no address to call from: `ip 10.0.2.10` gives it one");
    if (address == own_endpoint.address) return refuse("that is this machine's own address");
    printk("Moving '%s' to %s\n", name, host);
    if (move_send(name, address, live, verb_interrupted, &told, &problem))
        return verb_refuse(&problem);
    printk("Domain '%s' has moved to %s, in %lu ms; it stood still for %lu ms\n", name, host,
           ms(now_ns() - since), ms(told.still_ns));
    if (live)
        printk("%lu page%s went in %u round%s before, and %lu then, with %lu ms of dom0's work\n",
               (unsigned long)told.pages, plural(told.pages), told.rounds, plural(told.rounds),
               (unsigned long)told.rest, ms(told.worked_ns));
    return true;
}

static bool take_from(const char *from)
{
    uint32_t address = 0;

    if (strcmp(from, "any") && (!address_parse(from, &address) || !address))
        return refuse("whose guests? An address like 10.0.2.11, any, or off");
    return move_take(address) ? refuse("dom0 has no memory left") : true;
}

static void show(void)
{
    char text[ADDRESS_TEXT];
    uint32_t from;

    if (!move_takes(&from))
        printk("No guests are taken from other machines: `migrate-receive ADDRESS` would\n");
    else if (!from)
        printk("Guests are taken from any machine at the net, without proof who it is\n");
    else
        printk("Guests are taken from %s, without proof that it is\n", address_text(from, text));
    if (move_takes(&from) && !own_endpoint.address)
        printk("But dom0 has no address: `ip 10.0.2.10` would give it one\n");
}

bool verb_migrate_receive(const struct call *call)
{
    if (call->count && !strcmp(call->word[0], "off"))
        move_refuse();
    else if (call->count && !take_from(call->word[0]))
        return false;
    show();
    return true;
}

bool verb_resume(const struct call *call)
{
    struct problem problem;

    return saved_resume(call->word[0], &problem) ? verb_refuse(&problem) : true;
}

void moving_start(const char *from)
{
    if (*from)
        take_from(from);
}
