/* SPDX-License-Identifier: MIT */
/* The domain that a call names: by its number, or as DOMID_SELF. */
#ifndef DOMUS_CALLS_NAMED_H
#define DOMUS_CALLS_NAMED_H

#include "domain/domain.h"

/* Who may name whom; several of these, or'ed. */
#define NAMED_ANY      0u           /* everybody, every domain that there is */
#define NAMED_CONTROL  1u           /* another than the caller's own: the control domain only */
#define NAMED_IF_THERE 2u           /* which others hear only of a domain that there is */
#define NAMED_LIVING   4u           /* not one that is being destroyed */

/* The domain, with a reference. NULL: *error is -EPERM, or -ESRCH. */
struct domain *domain_named(domid_t id, unsigned int rule, int *error) must_check;

#endif
