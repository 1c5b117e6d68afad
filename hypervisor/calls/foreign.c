/* SPDX-License-Identifier: MIT */
/* Foreign domains in page-table calls: the control domain may name others, everybody else only
 * itself. */
#include "calls/foreign.h"
#include "lib/fail.h"

static int find(domid_t id, struct domain_memory **owner)
{
    bool privileged = current->domain->privileged;
    struct domain *d;

    *owner = &current->domain->memory;
    if (id == DOMID_SELF) return 0;
    if (id == current->domain->id)
        return fail_value(-ESRCH, "one's own number is no foreign domain; say DOMID_SELF", id);
    if (!privileged)
        return fail_value(-EPERM, "only the control domain may name another domain", id);
    if (id == DOMID_IO || id == DOMID_XEN) {
        *owner = id == DOMID_IO ? &special_io : &special_xen;
        return 0;
    }
    d = domain_get(id);
    if (d && !domain_is_dying(d)) {
        *owner = &d->memory;
        return 0;
    }
    /* what is being destroyed gets no new mappings or pins */
    if (d)
        domain_put(d);
    return fail_value(-ESRCH, "no such domain", id);
}

void foreign_put(struct domain_memory *owner)
{
    if (owner != &current->domain->memory && owner != &special_io && owner != &special_xen)
        domain_put(domain_of(owner));
}

int foreign_begin(struct walk *w, uint32_t foreigndom)
{
    uint32_t tables = foreigndom >> 16;
    int error = find((domid_t)foreigndom, &w->frames);

    w->owner = &current->domain->memory;
    if (error || tables == 0 || tables - 1 == current->domain->id) return error;
    error = find((domid_t)(tables - 1), &w->owner);
    if (!error && (w->owner == &special_io || w->owner == &special_xen))
        error = fail(-EINVAL, "that owner has no page tables");
    if (error)
        foreign_put(w->frames);
    return error;
}
