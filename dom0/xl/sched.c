/* SPDX-License-Identifier: MIT */
/*
 * `xl sched-credit`: what part of the CPU a domain gets beside others, as a weight. The hypervisor
 * keeps it; here are the words, in xl's form. Of xl's parameters there is only the weight: no caps,
 * and the slices are the hypervisor's own.
 */
#include "dom0/xc/control.h"
#include "dom0/xl/info.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>

struct wish { const char *domain; unsigned weight; };

static bool parse_weight(const char *text, unsigned *weight)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    *weight = (unsigned)number;
    return *text && !*end && number >= CONFIG_LEAST_WEIGHT && number <= CONFIG_MOST_WEIGHT;
}

static bool parse(const struct call *call, struct wish *wish)
{
    const char *weight = verb_option(call, 'w');

    wish->domain = verb_option(call, 'd');
    if (weight && !parse_weight(weight, &wish->weight)) {
        printk("Error: Cpu weight out of range, valid values are within range from %u to %u\n",
               CONFIG_LEAST_WEIGHT, CONFIG_MOST_WEIGHT);
        return false;
    }
    if (weight && !wish->domain) {
        printk("Error: Must specify a domain.\n");
        return false;
    }
    return true;
}

static void row(const char *name, domid_t domid)
{
    unsigned weight;

    if (!domain_get_weight(domid, &weight))
        printk("%-33s %4u %6u %4u\n", name, (unsigned)domid, weight, 0);
}

static void show(const struct domain *one, bool all)
{
    const struct domain *domain = NULL;

    if (all)
        printk("Cpupool Pool-0: tslice=10ms ratelimit=0us migration-delay=0us\n");
    printk("%-33s %4s %6s %4s\n", "Name", "ID", "Weight", "Cap");
    if (all || !one)
        row("Domain-0", 0);
    if (one)
        row(one->config.name, one->domid);
    while (all && (domain = domains_next(domain)))
        row(domain->config.name, domain->domid);
}

bool verb_sched_credit(const struct call *call)
{
    struct wish wish = { 0 };
    struct trouble trouble;
    struct domain *domain = NULL;
    int error = 0;

    if (!parse(call, &wish)) return false;
    if (wish.domain && !domains_is_dom0(wish.domain)) {
        domain = domains_lock(wish.domain, &trouble);
        if (!domain) return verb_refuse(&trouble);
    }
    if (wish.weight)
        error = domain_set_weight(domain ? domain->domid : 0, wish.weight);
    else
        show(domain, !wish.domain);
    if (domain && wish.weight && !error)
        domain->config.cpu_weight = wish.weight;        /* Kept when it restarts. */
    if (domain)
        domains_unlock();
    if (error)
        printk("Error: cannot set the weight: %s\n", errno_name(error));
    return !error;
}
