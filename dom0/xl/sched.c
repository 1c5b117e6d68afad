/* SPDX-License-Identifier: MIT */
/*
 * What a domain gets of the CPUs beside others (`xl sched-credit`), and which of them (`xl
 * vcpu-pin`). The hypervisor keeps it; here are the words, in xl's form. What is said of a guest is
 * kept for when it is started again. Of xl's parameters there are no pool-wide ones: the slices are
 * the hypervisor's own.
 */
#include "dom0/xc/control.h"
#include "dom0/xl/info.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>

/* Whom it is about, dom0 among them: with the toolstack's lock, unless it is that. */
struct target {
    domid_t domid;
    struct domain *domain;              /* NULL: dom0. */
};

static bool take_target(const char *name, struct target *target)
{
    struct problem problem;

    *target = (struct target){ .domid = 0 };
    if (domains_is_dom0(name)) return true;
    target->domain = domains_lock(name, &problem);
    if (!target->domain) return verb_refuse(&problem);
    target->domid = target->domain->domid;
    return true;
}

static void let_target(const struct target *target)
{
    if (target->domain)
        domains_unlock();
}

/* --- sched-credit --- */

struct wish { const char *domain, *weight, *cap; unsigned new_weight, new_cap; };

static bool parse_number(const char *text, unsigned least, unsigned most, unsigned *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *number = (unsigned)value;
    return *text >= '0' && *text <= '9' && !*end && value >= least && value <= most;
}

static bool parse(const struct call *call, struct wish *wish)
{
    wish->domain = verb_option(call, 'd');
    wish->weight = verb_option(call, 'w');
    wish->cap = verb_option(call, 'c');
    if (wish->weight && !parse_number(wish->weight, CONFIG_LEAST_WEIGHT, CONFIG_MOST_WEIGHT,
                                      &wish->new_weight)) {
        printk("Error: Cpu weight out of range, valid values are within range from %u to %u\n",
               CONFIG_LEAST_WEIGHT, CONFIG_MOST_WEIGHT);
        return false;
    }
    if ((wish->weight || wish->cap) && !wish->domain) {
        printk("Error: Must specify a domain.\n");
        return false;
    }
    return true;
}

static void row(const char *name, domid_t domid)
{
    struct domain_share share;

    if (!domain_get_share(domid, &share))
        printk("%-33s %4u %6u %4u\n", name, (unsigned)domid, share.weight, share.cap);
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

/* A hundred percent for each vCPU that it may have. */
static bool parse_cap(struct wish *wish, domid_t domid)
{
    struct xen_domctl_getdomaininfo info;
    unsigned most = domain_get_info(domid, &info) ? 0 : (info.max_vcpu_id + 1) * 100;

    if (!wish->cap || parse_number(wish->cap, 0, most, &wish->new_cap)) return true;
    printk("Error: Cpu cap out of range, valid range is from 0 to %u for specified number of "
           "vcpus\n", most);
    return false;
}

static bool change(const struct wish *wish, const struct target *target)
{
    struct domain_share share;
    int error = domain_get_share(target->domid, &share);

    if (wish->weight)
        share.weight = wish->new_weight;
    if (wish->cap)
        share.cap = wish->new_cap;
    error = error ? error : domain_set_share(target->domid, &share);
    if (error) {
        printk("Error: cannot set weight and cap: %s\n", errno_name(error));
        return false;
    }
    if (target->domain) {
        target->domain->config.cpu_weight = share.weight;
        target->domain->config.cap = share.cap;
    }
    return true;
}

bool verb_sched_credit(const struct call *call)
{
    struct wish wish = { 0 };
    struct target target = { .domid = 0 };
    bool done = true;

    if (!parse(call, &wish) || (wish.domain && !take_target(wish.domain, &target))) return false;
    if (wish.weight || wish.cap)
        done = parse_cap(&wish, target.domid) && change(&wish, &target);
    else
        show(target.domain, !wish.domain);
    let_target(&target);
    return done;
}

/* --- vcpu-pin --- */

struct pins { bool all; unsigned long vcpu; uint64_t hard, soft; bool force; };

/* NULL or "-": as before, 0. */
static bool parse_cpus(const char *text, uint64_t *cpus)
{
    const char *why;

    *cpus = 0;
    if (!text || !strcmp(text, "-")) return true;
    why = cpus_parse(text, cpus);
    if (why)
        printk("Error: '%s': %s\n", text, why);
    return !why;
}

static bool parse_pins(const struct call *call, struct pins *pins)
{
    char *end;

    pins->force = verb_option(call, 'f');
    pins->all = !strcmp(call->word[1], "all");
    pins->vcpu = strtoul(call->word[1], &end, 10);
    if (!pins->all && (*call->word[1] < '0' || *end)) {
        printk("Error: Invalid argument %s as VCPU.\n", call->word[1]);
        return false;
    }
    if (pins->all && pins->force) {
        printk("Error: --force and 'all' as VCPU not allowed.\n");
        return false;
    }
    if (!parse_cpus(call->word[2], &pins->hard) ||
        !parse_cpus(call->count > 3 ? call->word[3] : NULL, &pins->soft))
        return false;
    if (!pins->hard && !pins->soft)
        printk("Error: '-' leaves the affinity as it is\n");
    return pins->hard || pins->soft;
}

static bool pin_one(const struct pins *pins, const struct target *target, unsigned vcpu)
{
    int error = domain_set_affinity(target->domid, vcpu, pins->hard, pins->soft, pins->force);

    if (!error && pins->hard && target->domain && vcpu < CONFIG_MAX_VCPUS)
        target->domain->config.cpus[vcpu] = pins->hard;
    if (!error && pins->soft && target->domain && vcpu < CONFIG_MAX_VCPUS)
        target->domain->config.cpus_soft[vcpu] = pins->soft;
    if (!error) return true;
    printk("Error: Could not set affinity for vcpu `%u'.", vcpu);
    if (error == -EINVAL)
        printk(" None of these CPUs is there.\n");
    else
        printk(" %s\n", errno_name(error));
    return false;
}

bool verb_vcpu_pin(const struct call *call)
{
    struct xen_domctl_getdomaininfo info;
    struct pins pins;
    struct target target;
    bool done;

    if (!parse_pins(call, &pins) || !take_target(call->word[0], &target)) return false;
    done = !domain_get_info(target.domid, &info) && (pins.all || pins.vcpu <= info.max_vcpu_id);
    if (!done)
        printk("Error: '%s' has no vCPU %s\n", call->word[0], call->word[1]);
    for (unsigned vcpu = 0; done && vcpu <= info.max_vcpu_id; vcpu++)
        if (pins.all || vcpu == pins.vcpu)
            done = pin_one(&pins, &target, vcpu);
    let_target(&target);
    return done;
}
