/* SPDX-License-Identifier: MIT */
/*
 * Guests' lives (domains.h): from a configuration file to a running domain, and to its end by the
 * operator's will; by its own: ended.c.
 *
 * Everything a domain holds hangs on struct domain and is let go in domains_end(), whatever state
 * it is in; creating stops at the first error and ends what there is. So there is one way to make
 * and one way to end.
 *
 * What one domain has to wait for, its disk's last answers or its last words, is waited for without
 * the lock.
 */
#include "dom0/guests/domains.h"
#include "dom0/console/terminal.h"
#include "dom0/devices/devices.h"
#include "dom0/guests/ended.h"
#include "dom0/guests/home.h"
#include "dom0/guests/recipe.h"
#include "dom0/xc/control.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

#define LOOK_NS (10 * NS_PER_MS)        /* At what somebody waits for. */

static struct domain *domains;
static domid_t highest;                 /* Number that any has had. */
static struct archive files;
static MUTEX(lock);                     /* One change of the set of domains at a time. */

/* --- the end of a domain --- */

static void unlink(struct domain *domain)
{
    struct domain **link = &domains;

    while (*link && *link != domain)
        link = &(*link)->next;
    if (*link)
        *link = domain->next;
}

static void let_others(void)
{
    mutex_unlock(&lock);
    thread_sleep(LOOK_NS);
    mutex_lock(&lock);
}

/* Is there nothing that its end would have to wait for? Its disks take nothing new from it. */
bool domain_is_quiet(struct domain *domain)
{
    bool closed = devices_close(domain->devices);

    return (!domain->console || guest_console_is_drained(domain->console)) && closed;
}

static char gone[32][CONFIG_MAX_NAME + 1];      /* Names of the last that went. */
static unsigned gone_count;

/* It does not run. It stays in the list until all is done: who waits for its end, or wants its name
 * or its disk, waits for all of it. */
enum config_action domains_end(struct domain *domain)
{
    struct xen_domctl_getdomaininfo info;
    enum config_action action;

    domain->leaving = true;
    if (domain->domid != DOMID_INVALID) {
        while (!domain_is_quiet(domain))
            let_others();
        devices_detach(domain->devices);
        if (domain->console)
            guest_console_close(domain->console);
        domain->console = NULL;                 /* We are still to be found, and sleep. */
        home_release(domain->domid);
        domain_destroy(domain->domid);
        /* All mappings of its memory are gone, so it must be gone too; a moment's patience for
         * deferred work. */
        for (int i = 0; i < 100 && domain_get_info(domain->domid, &info) == 0; i++)
            thread_sleep(NS_PER_MS);
        if (domain_get_info(domain->domid, &info) == 0)
            printk("dom0: domain %u does not go away: %lu of its pages are still in use\n",
                   (unsigned)domain->domid, (unsigned long)info.tot_pages);
    }
    unlink(domain);
    action = domain->action;
    snprintf(gone[gone_count++ % ARRAY_SIZE(gone)], sizeof(gone[0]), "%s", domain->config.name);
    free(domain);
    return action;
}

bool domains_had(const char *name)
{
    for (unsigned i = 0; i < MIN(gone_count, ARRAY_SIZE(gone)); i++)
        if (!strcmp(gone[i], name))
            return true;
    return false;
}

/* --- the beginning --- */

/* How much of the CPUs it gets; what its configuration leaves open is the hypervisor's. */
static int set_share(const struct domain *domain, struct problem *problem)
{
    const struct config *config = &domain->config;
    struct domain_share share;
    int error;

    if (!config->cpu_weight && !config->cap) return 0;
    error = domain_get_share(domain->domid, &share);
    if (config->cpu_weight)
        share.weight = config->cpu_weight;
    share.cap = config->cap;
    error = error ? error : domain_set_share(domain->domid, &share);
    return error ? problem_set(problem, error, "cannot set weight and cap: %s", errno_name(error))
                 : 0;
}

static int set_affinity(const struct domain *domain, struct problem *problem)
{
    const struct config *config = &domain->config;
    int error = 0;

    for (unsigned i = 0; i < config->vcpus && !error; i++) {
        if (!config->cpus[i] && !config->cpus_soft[i])
            continue;
        error = domain_set_affinity(domain->domid, i, config->cpus[i], config->cpus_soft[i],
                                    false);
        if (error == -EINVAL)
            problem_set(problem, error, "vCPU %u: no CPU that cpus allows is there", i);
        else if (error)
            problem_set(problem, error, "vCPU %u: cannot set its CPUs: %s", i, errno_name(error));
    }
    return problem_at(problem, error, config->at.cpus);
}

/*
 * With the lock held. On an error nothing is left, and `domain` is freed. `before`: the life that
 * this one follows, or NULL. `source` NULL: the archive.
 */
static int bring_up(struct domain *domain, const struct domain_source *source, bool paused,
                    const struct life *before, struct problem *problem)
{
    struct build_result built;
    uint64_t since = now_ns();
    int error = source ? source->build(source, &domain->config, &built, problem)
                       : recipe_build(&files, &domain->config, &built, problem);

    if (!error) {
        domain->domid = built.domid;
        highest = MAX(highest, built.domid);
        error = set_share(domain, problem);
        error = error ? error : set_affinity(domain, problem);
    }
    if (!error) {
        error = guest_console_open(built.domid, domain->config.name, built.console_mfn,
                                   built.console_port, &domain->console);
        error = error ? error : home_write(&domain->config, &built);
        if (error)
            problem_set(problem, error, "cannot set up console and XenStore: %s",
                        errno_name(error));
    }
    if (!error)
        error = devices_attach(domain->domid, &domain->config, &domain->devices, problem);
    if (!error) {
        error = home_introduce(&built);
        if (!error && !paused)
            error = domain_unpause(domain->domid);
        if (error)
            problem_set(problem, error, "cannot start the domain: %s", errno_name(error));
    }
    if (error) {
        domains_end(domain);
        return error;
    }
    life_begin(&domain->life, before, since, now_ns());
    domain->next = domains;
    domains = domain;
    return 0;
}

static struct domain *new_domain(const struct config *config)
{
    struct domain *domain = calloc(1, sizeof(*domain));

    if (domain) {
        domain->domid = DOMID_INVALID;
        domain->config = *config;
    }
    return domain;
}

/* A name means one domain, and so does a uuid: /vm/UUID is its own. */
int domains_check(const struct config *config, struct problem *problem)
{
    if (domains_is_dom0(config->name))
        return problem_at(
            problem,
            problem_set(problem, -EEXIST, "a domain named '%s' runs already", config->name),
            config->at.name);
    for (const struct domain *domain = domains; domain; domain = domain->next) {
        if (!strcmp(domain->config.name, config->name))
            return problem_at(problem,
                              problem_set(problem, -EEXIST, "a domain named '%s' %s", config->name,
                                          domain->leaving || domain->unwanted ? "is just ending"
                                                                              : "runs already"),
                              config->at.name);
        if (config->has_uuid && domain->config.has_uuid &&
            !memcmp(domain->config.uuid, config->uuid, sizeof(config->uuid)))
            return problem_at(problem,
                              problem_set(problem, -EEXIST, "the domain '%s' has this uuid already",
                                          domain->config.name),
                              config->at.uuid);
    }
    return devices_check(config, problem);
}

int domains_bring_up(const struct config *config, const struct domain_source *source, bool paused,
                     struct domain **made, struct problem *problem)
{
    struct domain *domain;
    /* Before the work of building, not after it. */
    int error = domains_check(config, problem);

    if (error) return error;
    domain = new_domain(config);
    error = domain ? bring_up(domain, source, paused, NULL, problem)
                   : problem_set(problem, -ENOMEM, "dom0 has no memory left");
    *made = domain;
    return error;
}

int domains_read(const char *file, const char *more, struct config *config,
                 struct problem *problem)
{
    problem->at = (struct config_place){ .line = 0 };
    return recipe_read(&files, file, more, config, problem);
}

int domains_create(const char *file, const char *more, bool paused, struct domain **made,
                   struct problem *problem)
{
    static struct config config;                /* Large; used under the lock. */
    int error;

    mutex_lock(&lock);
    error = domains_read(file, more, &config, problem);
    error = error ? error : domains_bring_up(&config, NULL, paused, made, problem);
    mutex_unlock(&lock);
    if (error)
        recipe_say_where(file, problem);
    return error;
}

struct archive *domains_files(void)
{
    return &files;
}

/* --- the operator's wishes --- */

static struct domain *with_number(unsigned long number)
{
    struct domain *domain = domains;

    while (domain && domain->domid != number)
        domain = domain->next;
    return domain;
}

struct domain *domains_find(const char *name)
{
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    struct domain *numbered = *name && !*end ? with_number(number) : NULL;

    /* Who had that number has gone: what he is wanted for is for nobody who calls himself so. */
    if (numbered || (*name && !*end && number <= highest)) return numbered;
    for (struct domain *domain = domains; domain; domain = domain->next)
        if (!strcmp(domain->config.name, name))
            return domain;
    return NULL;
}

bool domains_is_dom0(const char *name)
{
    return !strcmp(name, "0") || !strcmp(name, "Domain-0");
}

int domains_unknown(const char *name, struct problem *problem)
{
    return problem_set(
        problem, -ESRCH,
        domains_is_dom0(name) ? "'%s' is the control domain, no guest" : "no domain '%s'", name);
}

struct domain *domains_next(const struct domain *domain)
{
    return domain ? domain->next : domains;
}

struct domain *domains_lock(const char *name, struct problem *problem)
{
    struct domain *domain;

    mutex_lock(&lock);
    domain = domains_find(name);
    if (domain && !domain->ended && !domain->leaving && !domain->saving) return domain;
    if (domain)
        problem_set(problem, -ESRCH, "domain '%s' %s", name,
                    domain->saving ? "is just being saved or moved" : "has ended");
    else
        domains_unknown(name, problem);
    mutex_unlock(&lock);
    return NULL;
}

void domains_begin(void)
{
    mutex_lock(&lock);
}

void domains_unlock(void)
{
    mutex_unlock(&lock);
}

/*
 * It is not wanted any more, and runs no more; who has it ends it by himself, or gives it up. True:
 * nobody has it, and it can end without waiting. Who does not wait for that need not: it is one of
 * those that have ended (ended.c).
 */
static bool may_end(struct domain *domain)
{
    domain->unwanted = true;
    domain->action = ACTION_DESTROY;
    if (domain->leaving || domain->saving) return false;
    if (!domain->ended)
        domain_pause(domain->domid);
    domain->ended = true;
    return domain_is_quiet(domain);
}

/* With the lock, which others have meanwhile. False: the operator does not want to wait. */
static bool wait_a_moment(void)
{
    bool waits;

    mutex_unlock(&lock);
    waits = terminal_sleep(LOOK_NS);
    mutex_lock(&lock);
    return waits;
}

/* The one that is meant is the one of now: another may have its name when it has gone. */
int domains_destroy(const char *name, struct problem *problem)
{
    struct domain *domain;
    bool waits = true, ready = false;
    domid_t domid;
    int error;

    mutex_lock(&lock);
    domain = domains_find(name);
    error = domain ? 0 : domains_unknown(name, problem);
    domid = domain ? domain->domid : DOMID_INVALID;
    while (domain && !(ready = may_end(domain)) && waits) {
        waits = wait_a_moment();
        domain = with_number(domid);
    }
    if (domain && ready)
        domains_end(domain);
    else if (domain)
        error = problem_set(problem, -EBUSY, "'%s' is not waited for: it runs no more, and is gone "
                            "when its disk has answered", name);
    mutex_unlock(&lock);
    if (error)
        domains_look();
    return error;
}

bool domains_destroy_all(uint64_t patience)
{
    uint64_t until = now_ns() + patience;
    bool waits = true;

    mutex_lock(&lock);
    while (domains && waits) {
        struct domain *domain = domains, *next;

        for (; domain && !may_end(domain); domain = next)
            next = domain->next;
        if (domain)
            domains_end(domain);
        else
            waits = now_ns() < until && wait_a_moment();
    }
    mutex_unlock(&lock);
    if (domains)
        domains_look();
    return !domains;
}

/* One that waits to be started again need not be asked. */
static int ask(struct domain *domain, const char *what)
{
    bool reboot = !strcmp(what, "reboot");
    char path[64];
    int error;

    if (domain->ended && domain->action == ACTION_RESTART) {
        domain->action = reboot ? ACTION_RESTART : ACTION_DESTROY;
        domain->life.asked = true;
        domains_look();
        return 0;
    }
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", (unsigned)domain->domid);
    error = xs_write(XS_NONE, path, what, strlen(what));
    domain->life.asked |= reboot && !error;
    return error;
}

int domains_ask(const char *name, const char *what, struct problem *problem)
{
    struct domain *domain;
    int error;

    mutex_lock(&lock);
    domain = domains_find(name);
    error = domain ? ask(domain, what) : -ESRCH;
    mutex_unlock(&lock);
    if (!domain) return domains_unknown(name, problem);
    if (error)
        problem_set(problem, error, "cannot ask '%s': XenStore: %s", name, errno_name(error));
    return error;
}

void domains_ask_all(const char *what)
{
    mutex_lock(&lock);
    for (struct domain *domain = domains; domain; domain = domain->next) {
        unsigned long can;
        char home[32];

        if (domain->ended) {
            domain->action = domain->action == ACTION_RESTART ? ACTION_DESTROY : domain->action;
            continue;
        }
        snprintf(home, sizeof(home), "/local/domain/%u", (unsigned)domain->domid);
        /* The machine goes: nothing is started again. */
        domain->config.on_poweroff = ACTION_DESTROY;
        domain->asked = xs_read_ulong(XS_NONE, home, "control/feature-poweroff", &can) == 0 &&
                        can && ask(domain, what) == 0;
    }
    mutex_unlock(&lock);
}

bool domains_asked_run(void)
{
    struct domain *domain = domains;

    while (domain && (!domain->asked || domain->ended))
        domain = domain->next;
    return domain;
}

/* --- those that are started again --- */

/* What is to become of it may change while its end is waited for. */
void domains_restart(struct domain *old)
{
    struct domain *domain = new_domain(&old->config);
    struct life before = old->life;
    struct problem problem;

    if (domains_end(old) != ACTION_RESTART) {
        free(domain);
        return;
    }
    if (!domain) {
        printk("dom0: no memory left to restart a domain\n");
        return;
    }
    if (life_is_hopeless(&before)) {
        printk("dom0: domain '%s' has ended %u times at once; it is not started again\n",
               domain->config.name, before.short_lives);
        free(domain);
        return;
    }
    if (bring_up(domain, NULL, false, &before, &problem))
        printk("dom0: a domain cannot be restarted: %s\n", problem.text);
    else
        printk("dom0: domain '%s' is restarted as %u\n", domain->config.name,
               (unsigned)domain->domid);
}

int domains_start(const struct archive *archive)
{
    files = *archive;
    return ended_start();
}
