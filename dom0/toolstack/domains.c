/* SPDX-License-Identifier: MIT */
/*
 * Guests' lives (domains.h): from a configuration file to a running domain, and to its end, by its own will (poweroff,
 * reboot, crash: VIRQ_DOM_EXC tells) or the operator's.
 *
 * Everything a domain holds hangs on struct domain and is let go in tear_down(), whatever state it is in; creating stops
 * at the first error and tears down what there is. So there is one way to make and one way to end.
 */
#include "dom0/toolstack/domains.h"
#include "dom0/builder/build.h"
#include "dom0/builder/control.h"
#include "dom0/builder/unpack.h"
#include "dom0/toolstack/devices.h"
#include "dom0/toolstack/home.h"
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>
#include <stdarg.h>

#define QUICK_NS (2 * NS_PER_S)         /* A life shorter than this ... */
#define QUICK_LIMIT 5                   /* ... so many times in a row is a domain that cannot start. */

static struct domain *domains;
static const struct archive *files;
static MUTEX(lock);                     /* One change of the set of domains at a time. */
static bool somebody_ended;             /* Set by VIRQ_DOM_EXC. */
static WAIT_QUEUE(ended_queue);

int trouble_set(struct trouble *trouble, int error, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(trouble->text, sizeof(trouble->text), format, arguments);
    va_end(arguments);
    return error;
}

/* --- the end of a domain --- */

static void unlink(struct domain *domain) {
    struct domain **link = &domains;

    while (*link && *link != domain)
        link = &(*link)->next;
    if (*link)
        *link = domain->next;
}

/* Stays in the list until all is done: who waits for its end, or wants its name or its disk, waits for all of it. */
static void tear_down(struct domain *domain) {
    struct xen_domctl_getdomaininfo info;

    domain->leaving = true;
    if (domain->domid != DOMID_INVALID) {
        domain_pause(domain->domid);
        devices_detach(domain->devices);
        if (domain->console)
            guest_console_close(domain->console);
        domain->console = NULL;                 /* We are still to be found, and sleep. */
        home_release(domain->domid);
        domain_destroy(domain->domid);
        /* All mappings of its memory are gone, so it must be gone too; a moment's patience for deferred work. */
        for (int i = 0; i < 100 && domain_get_info(domain->domid, &info) == 0; i++)
            thread_sleep(NS_PER_MS);
        if (domain_get_info(domain->domid, &info) == 0)
            printk("dom0: domain %u does not go away: %lu of its pages are still in use\n", (unsigned)domain->domid,
                   (unsigned long)info.tot_pages);
    }
    unlink(domain);
    free(domain);
}

/* --- the beginning --- */

/* "guest.cfg:7", or which of the words behind the file's name, or the file alone. */
static void say_where(const char *file, const struct config_problem *problem, char *where, size_t size) {
    if (problem->behind)
        snprintf(where, size, "word %u behind %s", problem->line, file);
    else if (problem->line)
        snprintf(where, size, "%s:%u", file, problem->line);
    else
        snprintf(where, size, "%s", file);
}

/* A line each, however long; the terminal takes no more than some hundred characters at a time. */
static void show_warnings(const char *file, const struct config_warnings *warnings) {
    bool begins = true;

    for (const char *at = warnings->text; *at; at++) {
        if (begins)
            printk("Warning: %s: ", file);
        printk("%c", *at);
        begins = *at == '\n';
    }
}

static int read_config(const char *file, const char *more, struct config *config, struct trouble *trouble) {
    static struct config_warnings warnings;     /* Used under the lock. */
    struct config_problem problem;
    struct archive_file found;
    char where[120];
    int error = archive_find(files, file, &found);

    if (error)
        return trouble_set(trouble, error, "no file '%s' in the boot archive", file);
    error = config_parse((const char *)found.data, found.size, more, config, &problem, &warnings);
    if (error) {
        say_where(file, &problem, where, sizeof(where));
        return trouble_set(trouble, error, "%s: %s", where, problem.text);
    }
    show_warnings(file, &warnings);
    return 0;
}

static int find_kernel(const struct config *config, struct unpacked *kernel, struct trouble *trouble) {
    struct archive_file file;
    int error;

    if (archive_find(files, config->kernel, &file))
        return trouble_set(trouble, -ENOENT, "no kernel '%s' in the boot archive", config->kernel);
    error = unpack_kernel(file.data, file.size, thread_yield, kernel);
    return error ? trouble_set(trouble, error, "the kernel cannot be used: %s", kernel->why) : 0;
}

static int find_ramdisk(const struct config *config, struct unpacked *ramdisk, struct trouble *trouble) {
    struct archive_file file;

    if (archive_find(files, config->ramdisk, &file))
        return trouble_set(trouble, -ENOENT, "no ramdisk '%s' in the boot archive", config->ramdisk);
    return unpack_ramdisk(file.data, file.size, thread_yield, ramdisk);
}

static int build(struct domain *domain, struct build_result *built, struct trouble *trouble) {
    const struct config *config = &domain->config;
    struct build_request request = {
        .command_line = config->extra, .pages = config->memory_mib * 256,
        .max_pages = config->maxmem_mib * 256, .vcpus = config->vcpus,
        .grant_frames = config->grant_frames, .maptrack_frames = config->maptrack_frames,
        .uuid = config->has_uuid ? config->uuid : NULL,
    };
    struct unpacked kernel, ramdisk = { .memory = NULL };
    int error = find_kernel(config, &kernel, trouble);

    if (error)
        return error;
    if (config->ramdisk[0])
        error = find_ramdisk(config, &ramdisk, trouble);
    if (!error) {
        request.kernel = kernel.bytes;
        request.kernel_size = kernel.size;
        request.ramdisk = ramdisk.bytes;
        request.ramdisk_size = ramdisk.size;
        error = build_domain(&request, built, trouble->text, sizeof(trouble->text));
    }
    unpack_free(&ramdisk);
    unpack_free(&kernel);
    return error;
}

/* With the lock held. On an error nothing is left, and `domain` is freed. */
static int bring_up(struct domain *domain, bool paused, struct trouble *trouble) {
    struct build_result built;
    int error = build(domain, &built, trouble);

    if (!error) {
        domain->domid = built.domid;
        error = domain->config.cpu_weight ? domain_set_weight(built.domid, domain->config.cpu_weight) : 0;
        if (error)
            trouble_set(trouble, error, "cannot set its weight: %s", errno_name(error));
    }
    if (!error) {
        error = guest_console_open(built.domid, domain->config.name, built.console_mfn, built.console_port,
                                   &domain->console);
        error = error ? error : home_write(&domain->config, &built);
        if (error)
            trouble_set(trouble, error, "cannot set up console and XenStore: %s", errno_name(error));
    }
    if (!error)
        error = devices_attach(domain->domid, &domain->config, &domain->devices, trouble);
    if (!error) {
        error = home_introduce(&built);
        if (!error && !paused)
            error = domain_unpause(domain->domid);
        if (error)
            trouble_set(trouble, error, "cannot start the domain: %s", errno_name(error));
    }
    if (error) {
        tear_down(domain);
        return error;
    }
    domain->started = now_ns();
    domain->next = domains;
    domains = domain;
    return 0;
}

static struct domain *new_domain(const struct config *config) {
    struct domain *domain = calloc(1, sizeof(*domain));

    if (domain) {
        domain->domid = DOMID_INVALID;
        domain->config = *config;
    }
    return domain;
}

/* A name means one domain, and so does a uuid: /vm/UUID is its own. */
static int check_unique(const struct config *config, struct trouble *trouble) {
    if (domains_is_dom0(config->name))
        return trouble_set(trouble, -EEXIST, "a domain named '%s' runs already", config->name);
    for (const struct domain *domain = domains; domain; domain = domain->next) {
        if (!strcmp(domain->config.name, config->name))
            return trouble_set(trouble, -EEXIST, "a domain named '%s' runs already", config->name);
        if (config->has_uuid && domain->config.has_uuid && !memcmp(domain->config.uuid, config->uuid, sizeof(config->uuid)))
            return trouble_set(trouble, -EEXIST, "the domain '%s' has this uuid already", domain->config.name);
    }
    return 0;
}

int domains_create(const char *file, const char *more, bool paused, struct domain **made, struct trouble *trouble) {
    static struct config config;                /* Large; used under the lock. */
    struct domain *domain;
    int error;

    mutex_lock(&lock);
    error = read_config(file, more, &config, trouble);
    if (!error)
        error = check_unique(&config, trouble);
    if (!error)
        error = devices_check(&config, trouble);        /* Before the work of building, not after it. */
    if (!error) {
        domain = new_domain(&config);
        error = domain ? bring_up(domain, paused, trouble) : trouble_set(trouble, -ENOMEM, "dom0 has no memory left");
        *made = domain;
    }
    mutex_unlock(&lock);
    return error;
}

/* --- the operator's wishes --- */

struct domain *domains_find(const char *name) {
    char *end;
    unsigned long number = strtoul(name, &end, 10);

    for (struct domain *domain = domains; domain; domain = domain->next)
        if (*name && !*end && domain->domid == number)
            return domain;
    for (struct domain *domain = domains; domain; domain = domain->next)
        if (!strcmp(domain->config.name, name))
            return domain;
    return NULL;
}

bool domains_is_dom0(const char *name) {
    return !strcmp(name, "0") || !strcmp(name, "Domain-0");
}

int domains_unknown(const char *name, struct trouble *trouble) {
    return trouble_set(trouble, -ESRCH, domains_is_dom0(name) ? "'%s' is the control domain, no guest" : "no domain '%s'", name);
}

void domains_for_each(void (*visit)(struct domain *domain)) {
    for (struct domain *domain = domains; domain; domain = domain->next)
        visit(domain);
}

struct domain *domains_lock(const char *name, struct trouble *trouble) {
    struct domain *domain;

    mutex_lock(&lock);
    domain = domains_find(name);
    if (domain && !domain->ended)
        return domain;
    if (domain)
        trouble_set(trouble, -ESRCH, "domain '%s' has ended", name);
    else
        domains_unknown(name, trouble);
    mutex_unlock(&lock);
    return NULL;
}

void domains_unlock(void) {
    mutex_unlock(&lock);
}

int domains_destroy(const char *name, struct trouble *trouble) {
    struct domain *domain;

    mutex_lock(&lock);
    domain = domains_find(name);
    if (domain)
        tear_down(domain);
    mutex_unlock(&lock);
    return domain ? 0 : domains_unknown(name, trouble);
}

void domains_destroy_all(void) {
    mutex_lock(&lock);
    while (domains)
        tear_down(domains);
    mutex_unlock(&lock);
}

static int ask(const struct domain *domain, const char *what) {
    char path[64];

    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", (unsigned)domain->domid);
    return xs_write(XS_NONE, path, what, strlen(what));
}

int domains_ask(const char *name, const char *what, struct trouble *trouble) {
    struct domain *domain;
    int error;

    mutex_lock(&lock);
    domain = domains_find(name);
    error = domain ? ask(domain, what) : -ESRCH;
    mutex_unlock(&lock);
    if (!domain)
        return domains_unknown(name, trouble);
    if (error)
        trouble_set(trouble, error, "cannot ask '%s': XenStore: %s", name, errno_name(error));
    return error;
}

bool domains_ask_all(const char *what) {
    bool any = false;

    mutex_lock(&lock);
    for (struct domain *domain = domains; domain; domain = domain->next) {
        unsigned long can;
        char home[32];

        snprintf(home, sizeof(home), "/local/domain/%u", (unsigned)domain->domid);
        domain->config.on_poweroff = ACTION_DESTROY;    /* The machine goes: nothing is started again. */
        if (xs_read_ulong(XS_NONE, home, "control/feature-poweroff", &can) == 0 && can && ask(domain, what) == 0)
            any = true;
    }
    mutex_unlock(&lock);
    return any;
}

/* --- domains that end by themselves --- */

static const char *reason_name(unsigned reason) {
    static const char *const names[] = {
        [SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot",     [SHUTDOWN_suspend] = "suspend",
        [SHUTDOWN_crash] = "crash",       [SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft reset",
    };

    return reason < ARRAY_COUNT(names) ? names[reason] : "a reason unknown";
}

static void restart(struct domain *old) {
    unsigned quick = now_ns() - old->started < QUICK_NS ? old->quick_restarts + 1 : 0;
    struct domain *domain = new_domain(&old->config);
    struct trouble trouble;

    tear_down(old);
    if (!domain) {
        printk("dom0: no memory left to restart a domain\n");
        return;
    }
    if (quick > QUICK_LIMIT) {
        printk("dom0: domain '%s' has ended %u times at once; it is not started again\n", domain->config.name, quick);
        free(domain);
        return;
    }
    domain->quick_restarts = quick;
    if (bring_up(domain, false, &trouble))
        printk("dom0: a domain cannot be restarted: %s\n", trouble.text);
    else
        printk("dom0: domain '%s' is restarted as %u\n", domain->config.name, (unsigned)domain->domid);
}

static void act_on_end(struct domain *domain, unsigned reason) {
    const struct config *config = &domain->config;
    enum config_action action = config->on_crash;

    if (reason == SHUTDOWN_poweroff || reason == SHUTDOWN_suspend)
        action = config->on_poweroff;
    else if (reason == SHUTDOWN_reboot)
        action = config->on_reboot;
    else if (reason == SHUTDOWN_watchdog)
        action = config->on_watchdog;
    else if (reason == SHUTDOWN_soft_reset)
        action = config->on_soft_reset;
    guest_console_drain(domain->console);
    printk("dom0: domain %u '%s' has ended: %s\n", (unsigned)domain->domid, config->name, reason_name(reason));
    if (action == ACTION_DESTROY)
        tear_down(domain);
    else if (action == ACTION_RESTART)
        restart(domain);
    else
        domain->ended = true;
}

/* One domain that has ended and was not seen to yet; the list changes under our hands, so the caller asks again. */
static struct domain *find_ended(unsigned *reason) {
    struct xen_domctl_getdomaininfo info;

    for (struct domain *domain = domains; domain; domain = domain->next) {
        if (domain->ended || domain_get_info(domain->domid, &info))
            continue;
        if (info.flags & XEN_DOMINF_shutdown) {
            *reason = info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
            return domain;
        }
    }
    return NULL;
}

static void life_thread(void *argument) {
    for (;;) {
        struct domain *domain;
        unsigned reason;

        wait_event(ended_queue, somebody_ended);
        somebody_ended = false;
        mutex_lock(&lock);
        while ((domain = find_ended(&reason)))
            act_on_end(domain, reason);
        mutex_unlock(&lock);
    }
}

static void on_dom_exc(evtchn_t port, void *data) {
    somebody_ended = true;
    wake_all(&ended_queue);
}

int domains_start(const struct archive *archive) {
    int error;

    files = archive;
    error = event_bind_virq(VIRQ_DOM_EXC, on_dom_exc, NULL);
    if (error < 0)
        return error;
    return thread_create("domains", life_thread, NULL) ? 0 : -ENOMEM;
}
