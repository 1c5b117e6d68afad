/* SPDX-License-Identifier: MIT */
/* See suspend.h: through XenStore, in the guest's folder `control`. */
#include "dom0/guests/suspend.h"
#include "dom0/xc/control.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

#define LOOK_NS (1 * NS_PER_MS)

static void control_path(const struct domain *domain, const char *key, char path[64])
{
    snprintf(path, 64, "/local/domain/%u/control/%s", (unsigned)domain->domid, key);
}

int suspend_can(const struct domain *domain, struct problem *problem)
{
    unsigned long can = 0;
    char home[32];

    snprintf(home, sizeof(home), "/local/domain/%u", (unsigned)domain->domid);
    if (xs_read_ulong(XS_NONE, home, "control/feature-suspend", &can) || !can)
        return problem_set(problem, -EOPNOTSUPP, "'%s' does not say that it can be suspended "
                           "(control/feature-suspend): its kernel cannot, or has not come so far",
                           domain->config.name);
    return 0;
}

static int ask(const struct domain *domain, struct problem *problem)
{
    char path[64];
    int error;

    control_path(domain, "shutdown", path);
    error = xs_write(XS_NONE, path, "suspend", strlen("suspend"));
    return error ? problem_set(problem, error, "cannot ask '%s': XenStore: %s",
                               domain->config.name, errno_name(error))
                 : 0;
}

/* Takes the question back. False: it was heard. */
static bool take_back(const struct domain *domain)
{
    char path[64], *word;
    bool unheard;

    control_path(domain, "shutdown", path);
    word = xs_read(XS_NONE, path, NULL);
    unheard = !IS_ERR(word) && !strcmp(word, "suspend");
    if (!IS_ERR(word))
        free(word);
    return unheard && !xs_write(XS_NONE, path, "", 0);
}

int suspend_now(const struct domain *domain, uint64_t until, bool (*give_up)(void), uint64_t *ran,
                struct problem *problem)
{
    struct xen_domctl_getdomaininfo info = { .flags = 0 };
    int error = ask(domain, problem);
    bool given_up;

    if (error) return error;
    *ran = now_ns();
    while (!(error = domain_get_info(domain->domid, &info)) &&
           !(info.flags & XEN_DOMINF_shutdown)) {
        *ran = now_ns();
        thread_sleep(LOOK_NS);
        given_up = give_up();
        if (given_up || now_ns() > until)
            return problem_set(problem, given_up ? -EAGAIN : -ETIMEDOUT, "'%s' %s: %s",
                               domain->config.name,
                               given_up ? "is waited for no longer" : "does not suspend itself",
                               take_back(domain) ? "it has not listened"
                                                 : "it has heard, and may yet");
    }
    if (error || (info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) !=
                     SHUTDOWN_suspend)
        return problem_set(problem, -ESRCH, "'%s' has ended instead of suspending itself",
                           domain->config.name);
    return 0;
}

/* --- what it has said of itself: Linux says it once in all its lives --- */

static const char *const features[] = { FEATURE_FIRST, "feature-poweroff", "feature-reboot" };

void suspend_write_said(const struct domain *domain, char text[CONFIG_TEXT_BYTES])
{
    size_t size = strlen(text);
    char path[64];

    size += (size_t)snprintf(text + size, CONFIG_TEXT_BYTES - size, FEATURES);
    for (unsigned i = 0; i < ARRAY_SIZE(features) && size < CONFIG_TEXT_BYTES; i++) {
        unsigned long can;

        snprintf(path, sizeof(path), "/local/domain/%u/control", (unsigned)domain->domid);
        if (!xs_read_ulong(XS_NONE, path, features[i], &can) && can)
            size += (size_t)snprintf(text + size, CONFIG_TEXT_BYTES - size, " %s", features[i]);
    }
    if (size + 1 < CONFIG_TEXT_BYTES)
        strlcpy(text + size, "\n", 2);
}

void suspend_say_again(const struct domain *domain, const char *said)
{
    char path[64];
    int error = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(features) && !error; i++) {
        control_path(domain, features[i], path);
        if (strstr(said, features[i]))
            error = xs_write(XS_NONE, path, "1", 1);
    }
    if (error)
        printk("Warning: what '%s' said of itself is lost\n", domain->config.name);
}
