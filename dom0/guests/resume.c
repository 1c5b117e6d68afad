/* SPDX-License-Identifier: MIT */
/* One that has suspended itself, and was not moved or saved after all (saved.h). */
#include "dom0/guests/saved.h"
#include "dom0/save/hands.h"
#include "dom0/xc/control.h"

static bool is_suspended(const struct domain *domain)
{
    struct xen_domctl_getdomaininfo info;

    return domain->ended && !domain->saving && !domain_get_info(domain->domid, &info) &&
           (info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) == SHUTDOWN_suspend;
}

static int resume(struct domain *domain, struct problem *problem)
{
    struct guest guest;
    int error = guest_of(domain->domid, &guest);

    error = error ? error : guest_go_on(&guest);
    if (!error)
        guest_console_goes_on(domain->console);
    domain->ended = error;
    domain->news = domain->news && error;
    return error ? problem_set(problem, error, "'%s' cannot go on: %s", domain->config.name,
                               errno_name(error))
                 : 0;
}

int saved_resume(const char *name, struct problem *problem)
{
    struct domain *domain;
    int error;

    domains_begin();
    domain = domains_find(name);
    if (!domain)
        error = domains_unknown(name, problem);
    else if (domain->unwanted)          /* Its disks are closed already. */
        error = problem_set(problem, -ESRCH, "domain '%s' is just ending", name);
    else if (!is_suspended(domain))
        error = problem_set(problem, -EINVAL, "'%s' has not suspended itself", name);
    else
        error = resume(domain, problem);
    domains_unlock();
    return error;
}
