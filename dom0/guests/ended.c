/* SPDX-License-Identifier: MIT */
/*
 * Guests that have ended (ended.h): by their own will or fault (poweroff, reboot, crash:
 * VIRQ_DOM_EXC says that one has, and not who), or by the operator's, who does not wait for their
 * disks.
 *
 * The thread is with others while one of them has to be waited for, be it his last words, his
 * disk's last answers or his time to be started again (restart.h); and whoever waits for the
 * toolstack's lock has it between two of them.
 */
#include "dom0/guests/ended.h"
#include "dom0/devices/devices.h"
#include "dom0/guests/domains.h"
#include "dom0/xc/control.h"
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/thread.h>

#define LOOK_NS (10 * NS_PER_MS)        /* At what somebody waits for. */
#define NEVER UINT64_MAX

static bool somebody_ended;             /* Set by VIRQ_DOM_EXC. */
static WAIT_QUEUE(ended_queue);

void domains_look(void)
{
    somebody_ended = true;
    wake_all(&ended_queue);
}

static const char *reason_name(unsigned reason)
{
    static const char *const names[] = {
        [SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot",
        [SHUTDOWN_suspend] = "suspend",   [SHUTDOWN_crash] = "crash",
        [SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft reset",
    };

    return reason < ARRAY_SIZE(names) ? names[reason] : "a reason unknown";
}

/* One that suspends itself when nobody waits for that, or no longer, stays: as by Xen's xl. */
static enum config_action action_for(const struct config *config, unsigned reason)
{
    if (reason == SHUTDOWN_suspend) return ACTION_PRESERVE;
    if (reason == SHUTDOWN_poweroff) return config->on_poweroff;
    if (reason == SHUTDOWN_reboot) return config->on_reboot;
    if (reason == SHUTDOWN_soft_reset) return config->on_soft_reset;
    return reason == SHUTDOWN_watchdog ? config->on_watchdog : config->on_crash;
}

bool domain_waits(const struct domain *domain, char *why, size_t size)
{
    const struct life *life = &domain->life;
    uint64_t now = now_ns(), due = life_due(life);
    unsigned long tenths = (unsigned long)((due - now) / (NS_PER_S / 10));
    unsigned long built = (unsigned long)(life->build_ns / NS_PER_MS);

    if (!domain->ended || domain->action != ACTION_RESTART || life_is_hopeless(life) || due <= now)
        return false;
    snprintf(why, size, "domain '%s' is started again in %lu.%lu s: building it took %lu.%03lu s,"
             " and may take a tenth of the time", domain->config.name, tenths / 10, tenths % 10,
             built / 1000, built % 1000);
    return true;
}

/* What is to become of one that has shut down is decided once. One that is saved ends later. */
static void look_at(struct domain *domain)
{
    struct xen_domctl_getdomaininfo info;

    if (domain->ended || domain->leaving || domain->saving ||
        domain_get_info(domain->domid, &info) || !(info.flags & XEN_DOMINF_shutdown))
        return;
    domain->reason = info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
    domain->action = action_for(&domain->config, domain->reason);
    domain->ended = domain->news = true;
    life_end(&domain->life, now_ns());
}

/* Somebody has ended: who? */
static void look_at_all(void)
{
    struct domain *domain = NULL;

    if (!somebody_ended) return;
    somebody_ended = false;
    while ((domain = domains_next(domain)))
        look_at(domain);
}

/* Behind his last words. */
static void tell(struct domain *domain)
{
    char why[200];

    domain->news = false;
    printk("dom0: domain %u '%s' has ended: %s\n", (unsigned)domain->domid, domain->config.name,
           reason_name(domain->reason));
    if (domain->reason == SHUTDOWN_suspend)
        printk("dom0: nobody waits for that (any more): `resume %s` lets it go on\n",
               domain->config.name);
    if (domain_waits(domain, why, sizeof(why)))
        printk("dom0: %s\n", why);
}

/* When one that has ended can be seen to without waiting. One that is kept keeps its disks. */
static uint64_t ready_at(struct domain *domain)
{
    uint64_t look = now_ns() + LOOK_NS, due = 0;

    if (domain->news && !guest_console_is_drained(domain->console)) return look;
    if (domain->news)
        tell(domain);
    if (domain->action == ACTION_PRESERVE) return NEVER;
    if (domain->action == ACTION_RESTART && !life_is_hopeless(&domain->life))
        due = life_due(&domain->life);
    return domain_is_quiet(domain) ? due : MAX(due, look);
}

/*
 * Of the domains that have ended, the one whose time came first: with many that end again and
 * again there is always one whose time has come, and nobody is passed over. NULL: it is too early
 * for all, or nobody has; *next is when it is not.
 */
static struct domain *first_due(uint64_t *next)
{
    struct domain *first = NULL;

    *next = NEVER;
    look_at_all();
    for (struct domain *domain = NULL; (domain = domains_next(domain));) {
        uint64_t ready;

        if (!domain->ended || domain->leaving || domain->saving)
            continue;
        ready = ready_at(domain);
        if (ready < *next) {
            *next = ready;
            first = domain;
        }
    }
    return *next <= now_ns() ? first : NULL;
}

static void life_thread(void *argument)
{
    struct domain *domain;

    for (uint64_t next = NEVER, now;;) {
        now = now_ns();
        if (next == NEVER)
            wait_event(ended_queue, somebody_ended);
        else if (now < next)
            (void)wait_event_timeout(ended_queue, somebody_ended, next - now);
        domains_begin();
        while ((domain = first_due(&next))) {
            if (domain->action == ACTION_RESTART)
                domains_restart(domain);
            else
                domains_end(domain);
            domains_unlock();           /* Whoever waits for it has it between two of them. */
            domains_begin();
        }
        domains_unlock();
    }
}

static void on_dom_exc(evtchn_t port, void *data)
{
    domains_look();
}

int ended_start(void)
{
    int error = event_bind_virq(VIRQ_DOM_EXC, on_dom_exc, NULL);

    if (error < 0) return error;
    return thread_create("domains", life_thread, NULL) ? 0 : -ENOMEM;
}
