/* SPDX-License-Identifier: MIT */
/* Foreign domains in page-table calls: the control domain may name others, everybody else only
 * itself. */
#include "calls/foreign.h"
#include "calls/named.h"
#include "lib/fail.h"

static int find(domid_t id, struct domain_memory **owner)
{
    struct domain *d;
    int error;

    *owner = &current->domain->memory;
    if (id == DOMID_SELF) return 0;
    if (id == current->domain->id)
        return fail_value(-ESRCH, "one's own number is no foreign domain; say DOMID_SELF", id);
    if (current->domain->privileged && (id == DOMID_IO || id == DOMID_XEN)) {
        *owner = id == DOMID_IO ? &special_io : &special_xen;
        return 0;
    }
    /* what is being destroyed gets no new mappings or pins */
    d = domain_named(id, NAMED_CONTROL | NAMED_LIVING, &error);
    if (!d) return error;
    *owner = &d->memory;
    return 0;
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
