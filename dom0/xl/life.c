/* SPDX-License-Identifier: MIT */
/*
 * A guest's life as commands: made, listed, joined at its console, stopped, asked to end, ended;
 * its name and number. `xl`'s words, options and exit statuses.
 */
#include "dom0/config/text.h"
#include "dom0/console/guests.h"
#include "dom0/console/terminal.h"
#include "dom0/guests/recipe.h"
#include "dom0/xc/control.h"
#include "dom0/xl/info.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>

#define MORE_BYTES 2048u                /* Of configuration, given behind `create FILE`. */
#define MAX_NAMED 64u
#define LOOK_NS (20 * NS_PER_MS)
#define PATIENCE_S 300ul                /* shutdown -w: a script's waiting ends by itself. */

static struct domain *find(const char *name)
{
    struct domain *domain = domains_find(name);
    struct problem problem;

    if (domain && !domain->leaving) return domain;
    if (domain)
        printk("Error: domain '%s' is just ending\n", name);
    else
        domains_unknown(name, &problem), verb_refuse(&problem);
    return NULL;
}

/* One that nobody else has: who has it says when it runs. One that is destroyed never does, however
 * long its disk takes. */
static struct domain *find_free(const char *name)
{
    struct domain *domain = find(name);

    if (!domain || (!domain->saving && !domain->unwanted)) return domain;
    printk("Error: domain '%s' is just %s\n", name,
           domain->unwanted ? "ending" : "being saved or moved");
    return NULL;
}

static bool refuse_errno(const char *what, int error)
{
    printk("Error: %s: %s\n", what, errno_name(error));
    return false;
}

/* --- the beginning --- */

/* Says what would be made, as a configuration with all that was left unsaid. */
static bool try_out(const char *file, const char *more)
{
    static char text[CONFIG_TEXT_BYTES];        /* Large, both; the prompt's alone. */
    static struct config config;
    struct problem problem;
    int error;

    domains_begin();
    error = domains_read(file, more, &config, &problem);
    error = error ? error : domains_check(&config, &problem);
    domains_unlock();
    if (error) {
        recipe_say_where(file, &problem);
        return verb_refuse(&problem);
    }
    config_write(&config, text);
    printk("%s", text);
    return true;
}

bool verb_create(const struct call *call)
{
    bool quiet = verb_option(call, 'q');
    struct domain *domain = NULL;
    struct problem problem;
    static char more[MORE_BYTES];       /* Large for a stack; only the prompt's thread creates. */
    const char *file = verb_option(call, 'f');
    size_t size = 0;

    for (int i = 0; i < call->count && size < sizeof(more); i++)
        if (!file && !strchr(call->word[i], '='))
            file = call->word[i];
        else
            size += (size_t)snprintf(more + size, sizeof(more) - size, "%s\n", call->word[i]);
    if (!file) {
        printk("Error: no configuration is named, and /dev/null is an empty one\n");
        return false;
    }
    if (size >= sizeof(more)) {
        printk("Error: more configuration than fits behind a file's name\n");
        return false;
    }
    more[size] = '\0';
    if (!quiet)
        printk("Parsing config from %s\n", file);
    if (call->dry || verb_option(call, 'n')) return try_out(file, more);
    if (domains_create(file, more, verb_option(call, 'p'), &domain, &problem))
        return verb_refuse(&problem);
    if (!quiet)
        printk("Domain '%s' is created: %u\n", domain->config.name, (unsigned)domain->domid);
    if (verb_option(call, 'c'))
        guest_console_attach(domain->console);
    return true;
}

/* --- who is there --- */

bool verb_list(const struct call *call)
{
    if (!verb_known(call->count, call->word)) return false;
    if (verb_option(call, 'l'))
        info_list_long(call->count, call->word);
    else
        info_list(call->count, call->word, verb_option(call, 'v'));
    return true;
}

bool verb_domid(const struct call *call)
{
    struct domain *domain = domains_is_dom0(call->word[0]) ? NULL : find(call->word[0]);

    if (domain || domains_is_dom0(call->word[0]))
        printk("%u\n", domain ? (unsigned)domain->domid : 0);
    return domain || domains_is_dom0(call->word[0]);
}

bool verb_domname(const struct call *call)
{
    struct domain *domain;
    char *end;

    strtoul(call->word[0], &end, 10);
    if (*end) {
        printk("Error: '%s' is no domain's number\n", call->word[0]);
        return false;
    }
    domain = domains_is_dom0(call->word[0]) ? NULL : find(call->word[0]);
    if (domain || domains_is_dom0(call->word[0]))
        printk("%s\n", domain ? domain->config.name : "Domain-0");
    return domain || domains_is_dom0(call->word[0]);
}

/* A PV guest has one console. */
bool verb_console(const struct call *call)
{
    const char *type = verb_option(call, 't'), *number = verb_option(call, 'n');
    struct domain *domain;

    if ((type && strcmp(type, "pv")) || (number && strcmp(number, "0"))) {
        printk("Error: a PV guest has one console: -t pv -n 0\n");
        return false;
    }
    if (!domains_find(call->word[0]) && domains_had(call->word[0])) {
        printk("Error: no domain '%s': it has ended; console-log shows what it said last\n",
               call->word[0]);
        return false;
    }
    domain = find(call->word[0]);

    if (domain)
        guest_console_attach(domain->console);
    return domain;
}

/* What a guest said last is asked for when it is gone. */
bool verb_console_log(const struct call *call)
{
    struct domain *domain = domains_find(call->word[0]);

    if (guest_console_show_log(domain ? domain->config.name : call->word[0])) return true;
    printk("Error: nothing is known of a console of '%s'\n", call->word[0]);
    return false;
}

/* --- stop and go --- */

bool verb_pause(const struct call *call)
{
    struct domain *domain = find_free(call->word[0]);
    int error = domain ? domain_pause(domain->domid) : 0;

    if (domain && !error)
        printk("Domain '%s' is paused\n", domain->config.name);
    return error ? refuse_errno("pause", error) : domain != NULL;
}

/* One that is not paused runs: that was wanted, and is no error with xl either. */
bool verb_unpause(const struct call *call)
{
    struct domain *domain = find_free(call->word[0]);
    int error = domain ? domain_unpause(domain->domid) : 0;
    struct xen_domctl_getdomaininfo info;
    bool still;

    if (error && error != -EINVAL) return refuse_errno("unpause", error);
    if (!domain) return false;
    still = !domain_get_info(domain->domid, &info) && info.flags & XEN_DOMINF_paused;
    printk("Domain '%s' %s\n", domain->config.name,
           error   ? "was not paused"
           : still ? "was paused more than once, and still is"
                   : "runs");
    return true;
}

/* --- the end --- */

/* The guests that -a means, by number: names may change while we wait, and a guest that restarts
 * gets another number. */
struct named {
    unsigned count;
    char number[MAX_NAMED][8];
};

static void name_one(struct named *named, const struct domain *domain)
{
    if ((!domain->ended || domain->action == ACTION_RESTART) && named->count < MAX_NAMED)
        snprintf(named->number[named->count++], sizeof(named->number[0]), "%u",
                 (unsigned)domain->domid);
}

/* Is there still a domain of that name or number, but as one that is kept when it has ended? */
static bool runs(const char *name)
{
    struct domain *domain = domains_find(name);

    return domain && !(domain->ended && domain->action == ACTION_PRESERVE);
}

static bool wait_for(const char *name, unsigned long limit_s)
{
    uint64_t until = now_ns() + limit_s * NS_PER_S;

    bool waiting = true;

    while (waiting && runs(name) && now_ns() < until)
        waiting = terminal_sleep(LOOK_NS);
    if (runs(name)) {
        if (waiting)
            printk("Error: domain '%s' still runs after %lu second%s\n", name, limit_s,
                   plural(limit_s));
        else
            printk("Error: domain '%s' still runs, but is not waited for\n", name);
        return false;
    }
    printk("Domain '%s' has ended\n", name);
    return true;
}

bool verb_wait(const struct call *call)
{
    struct problem problem;
    unsigned long seconds = 60;

    if (call->count > 1 &&
        !verb_number("SECONDS", call->word[1], VERB_MOST_SECONDS, &seconds))
        return false;
    if (!domains_find(call->word[0]) && !domains_had(call->word[0])) {
        domains_unknown(call->word[0], &problem);
        return verb_refuse(&problem);
    }
    return wait_for(call->word[0], seconds);
}

/* Asks one guest, or with -a all of them; with -w it is over when they have ended. */
static bool ask_to_end(const struct call *call, const char *what, const char *doing)
{
    struct named named = { .count = 0 };
    struct domain *domain = NULL, *each = NULL;
    bool well = true, waiting = verb_option(call, 'w');
    struct problem problem;

    if ((call->count == 1) == (verb_option(call, 'a') != NULL)) {
        printk("Error: say which domain, or -a for all (the machine: poweroff, restart)\n");
        return false;
    }
    if (call->count && !(domain = find(call->word[0]))) return false;
    if (domain)
        name_one(&named, domain);
    while (!domain && (each = domains_next(each)))
        name_one(&named, each);
    if (domain && !named.count) {
        printk("Error: domain '%s' has ended\n", call->word[0]);
        return false;
    }
    for (unsigned i = 0; i < named.count; i++) {
        printk("%s domain %s\n", doing, named.number[i]);
        if (domains_ask(named.number[i], what, &problem))
            well = verb_refuse(&problem);
    }
    for (unsigned i = 0; i < named.count && waiting; i++)
        waiting = wait_for(named.number[i], PATIENCE_S);
    return well && waiting == (verb_option(call, 'w') != NULL);
}

bool verb_shutdown(const struct call *call)
{
    return ask_to_end(call, "poweroff", "Shutting down");
}

bool verb_reboot(const struct call *call)
{
    return ask_to_end(call, "reboot", "Rebooting");
}

bool verb_destroy(const struct call *call)
{
    struct problem problem;

    if (domains_destroy(call->word[0], &problem)) return verb_refuse(&problem);
    printk("Domain '%s' is destroyed\n", call->word[0]);
    return true;
}
