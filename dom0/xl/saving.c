/* SPDX-License-Identifier: MIT */
/* Guests that are saved, and restored: `xl`'s words, on a partition instead of a file. */
#include "dom0/guests/saved.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>
#include <pvguest/time.h>

bool verb_save(const struct call *call)
{
    bool go_on = verb_option(call, 'c');
    uint64_t since = now_ns();
    struct problem problem;

    printk("Saving to %s\n", call->word[1]);
    if (saved_save(call->word[0], call->word[1], go_on, verb_option(call, 'f'), verb_interrupted,
                   &problem))
        return verb_refuse(&problem);
    printk("Domain '%s' is saved%s, in %lu ms\n", call->word[0], go_on ? ", and goes on" : "",
           (unsigned long)((now_ns() - since) / NS_PER_MS));
    return true;
}

bool verb_restore(const struct call *call)
{
    const char *file = call->count > 1 ? call->word[0] : NULL;
    const char *target = call->word[call->count - 1];
    struct domain *domain = NULL;
    struct problem problem;

    printk("Loading new save file %s\n", target);
    if (saved_restore(file, target, verb_option(call, 'p'), &domain, &problem))
        return verb_refuse(&problem);
    printk("Domain '%s' is restored: %u\n", domain->config.name, (unsigned)domain->domid);
    return true;
}
