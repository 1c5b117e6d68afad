/* SPDX-License-Identifier: MIT */
/*
 * Changing and looking at a guest that runs: its memory, its vCPUs, its name; triggers. `xl`'s
 * words and columns.
 *
 * Memory and vCPUs are the guest's to give: we write what we want into XenStore and its kernel
 * obeys (Linux's balloon, Linux's CPU hotplug). For memory the hypervisor is told too, so that a
 * guest cannot take more than it was granted.
 */
#include "dom0/console/terminal.h"
#include "dom0/xc/control.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>
#include <pvguest/time.h>
#include <pvguest/xenstore.h>

/* As Xen's tools allow: a guest's own view of its target is a little coarse. */
#define MEMORY_SLACK_KIB 1024ul
#define LEAST_KIB 1024ul

bool verb_refuse(const struct problem *problem)
{
    printk("Error: %s\n", problem->text);
    return false;
}

bool verb_interrupted(void)
{
    return !terminal_sleep(0);
}

bool verb_number(const char *name, const char *text, unsigned long most, unsigned long *number)
{
    char *end;

    *number = strtoul(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && *number <= most) return true;
    printk("Error: %s is a number, %lu at most, and not '%s'\n", name, most, text);
    return false;
}

bool verb_known(int count, char **word)
{
    struct problem problem;

    for (int i = 0; i < count; i++)
        if (!domains_is_dom0(word[i]) && !domains_find(word[i])) {
            domains_unknown(word[i], &problem);
            return verb_refuse(&problem);
        }
    return true;
}

static bool refuse(const char *what, int error)
{
    printk("Error: %s: %s\n", what, errno_name(error));
    return false;
}

static int home_number(const struct domain *domain, const char *key, unsigned long value)
{
    char home[32];

    snprintf(home, sizeof(home), "/local/domain/%u", (unsigned)domain->domid);
    return xs_printf(XS_NONE, home, key, "%lu", value);
}

static int home_text(const struct domain *domain, const char *key, const char *value)
{
    char home[32];

    snprintf(home, sizeof(home), "/local/domain/%u", (unsigned)domain->domid);
    return xs_printf(XS_NONE, home, key, "%s", value);
}

/* --- memory --- */

static int set_target(struct domain *domain, unsigned long kib, struct problem *problem)
{
    unsigned long most = domain->config.maxmem_mib * 1024;
    int error;

    if (kib > most)
        return problem_set(problem, -EINVAL, "'%s' may have %lu MiB at most (maxmem)",
                           domain->config.name, most / 1024);
    error = domain_set_max_memory(domain->domid, (kib + MEMORY_SLACK_KIB) / (PAGE_BYTES / 1024));
    if (!error)
        error = home_number(domain, "memory/target", kib);
    return error ? problem_set(problem, error, "cannot set the target: %s", errno_name(error)) : 0;
}

static int set_most(struct domain *domain, unsigned long kib, struct problem *problem)
{
    struct xen_domctl_getdomaininfo info;
    int error = domain_get_info(domain->domid, &info);

    if (kib > CONFIG_MOST_MIB * 1024)           /* Else it is saved, and never restored. */
        return problem_set(problem, -EINVAL, "a guest has %lu MiB at most", CONFIG_MOST_MIB);
    if (!error && kib < info.tot_pages * (PAGE_BYTES / 1024))
        return problem_set(problem, -EINVAL, "'%s' has more than that now; mem-set first",
                           domain->config.name);
    error = error ? error : domain_set_max_memory(domain->domid, kib / (PAGE_BYTES / 1024));
    error = error ? error : home_number(domain, "memory/static-max", kib);
    if (error) return problem_set(problem, error, "cannot set the limit: %s", errno_name(error));
    domain->config.maxmem_mib = kib / 1024;
    return 0;
}

static bool set_memory(char **word,
                       int (*set)(struct domain *domain, unsigned long kib,
                                  struct problem *problem),
                       const char *what)
{
    struct problem problem;
    struct domain *domain;
    unsigned long kib;
    int error;

    if (!config_parse_size(word[1], &kib) || kib < LEAST_KIB) {
        printk("Error: '%s' is no size: MiB, or a number with b, k, m or g, 1 MiB at least\n",
               word[1]);
        return false;
    }
    domain = domains_lock(word[0], &problem);
    if (!domain) return verb_refuse(&problem);
    error = set(domain, kib, &problem);
    domains_unlock();
    if (error) return verb_refuse(&problem);
    printk("Domain '%s': %s %lu KiB\n", word[0], what, kib);
    return true;
}

bool verb_mem_set(const struct call *call)
{
    return set_memory(call->word, set_target, "memory target");
}

bool verb_mem_max(const struct call *call)
{
    return set_memory(call->word, set_most, "memory limit");
}

/* --- vCPUs --- */

bool verb_vcpu_set(const struct call *call)
{
    unsigned long wanted;
    struct problem problem;
    struct domain *domain;
    unsigned most;
    int error = 0;

    if (!verb_number("COUNT", call->word[1], CONFIG_MAX_VCPUS, &wanted)) return false;
    domain = domains_lock(call->word[0], &problem);
    if (!domain) return verb_refuse(&problem);
    most = domain->config.vcpus;
    for (unsigned i = 0; i < most && wanted && wanted <= most && !error; i++) {
        char key[32];

        snprintf(key, sizeof(key), "cpu/%u/availability", i);
        error = home_text(domain, key, i < wanted ? "online" : "offline");
    }
    domains_unlock();
    if (error) return refuse("XenStore", error);
    if (!wanted || wanted > most) {
        printk("Error: '%s' can have 1 to %u vCPUs\n", call->word[0], most);
        return false;
    }
    printk("Domain '%s' is asked to use %lu vCPUs\n", call->word[0], wanted);
    return true;
}

/* "all / all": where it may run, and where it prefers to. */
static void affinity_of(domid_t domid, unsigned vcpu)
{
    uint64_t hard = 0, soft = 0, there = machine_cpus();
    char hard_text[CPUS_TEXT], soft_text[CPUS_TEXT];

    if (domain_get_affinity(domid, vcpu, &hard, &soft)) return;
    cpus_print(hard, there, hard_text, sizeof(hard_text));
    cpus_print(soft, there, soft_text, sizeof(soft_text));
    printk("%s / %s", hard_text, soft_text);
}

static void vcpu_rows(domid_t domid, const char *name)
{
    struct xen_domctl_getdomaininfo domain;
    struct xen_domctl_getvcpuinfo vcpu;

    if (domain_get_info(domid, &domain)) return;
    for (unsigned i = 0; i <= domain.max_vcpu_id; i++) {
        unsigned long tenths;

        if (domain_get_vcpu(domid, i, &vcpu))
            continue;
        tenths = (unsigned long)(vcpu.cpu_time / (NS_PER_S / 10));
        printk("%-32s %5u %5u ", name, (unsigned)domid, i);
        if (vcpu.online)
            printk("%5u %3c%c- ", vcpu.cpu, vcpu.running ? 'r' : '-', vcpu.blocked ? 'b' : '-');
        else
            printk("%5c %3c%cp ", '-', '-', '-');
        printk("%7lu.%lu  ", tenths / 10, tenths % 10);
        affinity_of(domid, i);
        printk("\n");
    }
}

/* For each guest that was named and is there still, or for all and dom0, which is NULL. */
static void for_named(const struct call *call,
                      void (*visit)(const struct call *call, const struct domain *domain))
{
    const struct domain *domain = NULL;

    if (!call->count) {
        visit(call, NULL);
        while ((domain = domains_next(domain)))
            visit(call, domain);
    }
    for (int i = 0; i < call->count; i++) {
        bool dom0 = domains_is_dom0(call->word[i]);

        domain = dom0 ? NULL : domains_find(call->word[i]);
        if (dom0 || domain)
            visit(call, domain);
    }
}

static void vcpus_of(const struct call *call, const struct domain *domain)
{
    vcpu_rows(domain ? domain->domid : 0, domain ? domain->config.name : "Domain-0");
}

bool verb_vcpu_list(const struct call *call)
{
    if (!verb_known(call->count, call->word)) return false;
    printk("%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU", "State", "Time(s)",
           "Affinity (Hard / Soft)");
    for_named(call, vcpus_of);
    return true;
}

/* --- uptime --- */

static void uptime_of(const struct call *call, const struct domain *domain)
{
    const char *name = domain ? domain->config.name : "Domain-0";
    domid_t domid = domain ? domain->domid : 0;
    uint64_t since = domain ? domain->life.started : 0;
    unsigned long seconds = (unsigned long)((now_ns() - since) / NS_PER_S), days = seconds / 86400;
    unsigned long day = (unsigned long)(wall_clock_ns() / NS_PER_S % 86400);
    char text[40] = "";

    if (days)
        snprintf(text, sizeof(text), "%lu day%s, ", days, days > 1 ? "s" : "");
    if (verb_option(call, 's')) {
        printk(" %02lu:%02lu:%02lu up %s%2lu:%02lu, %s (%u)\n", day / 3600, day / 60 % 60, day % 60,
               text, seconds / 3600 % 24, seconds / 60 % 60, name, (unsigned)domid);
        return;
    }
    printk("%-33s %4u %s%2lu:%02lu:%02lu\n", name, (unsigned)domid, text, seconds / 3600 % 24,
           seconds / 60 % 60, seconds % 60);
}

bool verb_uptime(const struct call *call)
{
    if (!verb_known(call->count, call->word)) return false;
    if (!verb_option(call, 's'))
        printk("%-33s %4s %s\n", "Name", "ID", "Uptime");
    for_named(call, uptime_of);
    return true;
}

/* --- the name --- */

static int rename(struct domain *domain, const char *name, struct problem *problem)
{
    int error;

    if (!config_name_valid(name))
        return problem_set(problem, -EINVAL,
                           "a name has 1 to %u characters, and no control characters",
                           CONFIG_MAX_NAME);
    if (!strcmp(name, domain->config.name)) return 0;
    if (domains_find(name) || domains_is_dom0(name))
        return problem_set(problem, -EEXIST, "a domain '%s' runs already", name);
    error = home_text(domain, "name", name);
    if (error) return problem_set(problem, error, "XenStore: %s", errno_name(error));
    strlcpy(domain->config.name, name, sizeof(domain->config.name));
    if (domain->console)                        /* It may have ended while we told XenStore. */
        guest_console_rename(domain->console, name);
    return 0;
}

bool verb_rename(const struct call *call)
{
    struct problem problem;
    struct domain *domain = domains_lock(call->word[0], &problem);
    int error;

    if (!domain) return verb_refuse(&problem);
    error = rename(domain, call->word[1], &problem);
    domains_unlock();
    if (error) return verb_refuse(&problem);
    printk("Domain '%s' is now '%s'\n", call->word[0], call->word[1]);
    return true;
}

/* --- triggers --- */

static const struct { const char *name; unsigned number; } triggers[] = {
    { "nmi", XEN_DOMCTL_SENDTRIGGER_NMI },     { "reset", XEN_DOMCTL_SENDTRIGGER_RESET },
    { "init", XEN_DOMCTL_SENDTRIGGER_INIT },   { "power", XEN_DOMCTL_SENDTRIGGER_POWER },
    { "sleep", XEN_DOMCTL_SENDTRIGGER_SLEEP },
};

bool verb_trigger(const struct call *call)
{
    unsigned long vcpu = 0;
    struct problem problem;
    struct domain *domain;
    size_t i = 0;
    int error;

    if (call->count > 2 && !verb_number("VCPU", call->word[2], CONFIG_MAX_VCPUS - 1, &vcpu))
        return false;
    while (i < ARRAY_SIZE(triggers) && strcmp(triggers[i].name, call->word[1]))
        i++;
    if (i == ARRAY_SIZE(triggers)) {
        printk("Error: invalid trigger '%s': nmi, reset, init, power or sleep\n", call->word[1]);
        return false;
    }
    domain = domains_lock(call->word[0], &problem);
    if (!domain) return verb_refuse(&problem);
    error = domain_trigger(domain->domid, triggers[i].number, (unsigned)vcpu);
    domains_unlock();
    if (error == -ENOSYS || error == -EINVAL) {
        printk("Error: a paravirtual guest has no wire for '%s' (%s)\n", call->word[1],
               errno_name(error));
        return false;
    }
    if (error == -ESRCH) {
        printk("Error: '%s' has no vCPU %lu\n", call->word[0], vcpu);
        return false;
    }
    return error ? refuse("trigger", error) : true;
}

bool verb_sysrq(const struct call *call)
{
    struct problem problem;
    struct domain *domain;
    int error;

    if (!call->word[1][0] || call->word[1][1]) {
        printk("Error: sysrq takes one letter\n");
        return false;
    }
    domain = domains_lock(call->word[0], &problem);
    if (!domain) return verb_refuse(&problem);
    error = home_text(domain, "control/sysrq", call->word[1]);
    domains_unlock();
    return error ? refuse("XenStore", error) : true;
}
