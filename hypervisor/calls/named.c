/* SPDX-License-Identifier: MIT */
/* Domains by number, for calls; who asks in another order than Xen asks is told another error. */
#include "calls/named.h"
#include "lib/fail.h"

struct domain *domain_named(domid_t id, unsigned int rule, int *error)
{
    const struct domain *self = current->domain;
    bool may = !(rule & NAMED_CONTROL) || self->privileged || id == DOMID_SELF || id == self->id;
    struct domain *d = domain_get_self_or(id);
    bool there = d && !((rule & NAMED_LIVING) && domain_is_dying(d));

    if (there && may) return d;
    if (d)
        domain_put(d);
    if (!may && (there || !(rule & NAMED_IF_THERE)))
        *error = fail_value(-EPERM, "only the control domain may name another domain", id);
    else
        *error = fail_value(-ESRCH, "there is no such domain", id);
    return NULL;
}
