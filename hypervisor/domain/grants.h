/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, version 1: a domain lists frames in a shared table, and the domain it names may map
 * them or have them copied.
 *
 * Lock: grant_table.lock of the granting domain for its entries; of the mapping domain for which of
 * its handles (maptrack) are free, while the record of one in use has none (RING0_LOCK). Never both
 * at once; neither is held while page tables change.
 */
#ifndef DOMUS_DOMAIN_GRANTS_H
#define DOMUS_DOMAIN_GRANTS_H

#include "domain/domain.h"

/* shared frames a table may grow to unless createdomain says otherwise */
#define GRANTS_DEFAULT_FRAMES   64
#define GRANTS_DEFAULT_MAPTRACK 1024    /* maptrack frames likewise */
/* more are not given, whoever asks: the end of a table must not take long */
#define GRANTS_MAX_FRAMES       128
#define GRANTS_MAX_MAPTRACK     4096

/* Limits in frames; negative: the default (XEN_DOMCTL_createdomain). 0, -ENOMEM, -EINVAL. */
int grants_create(struct domain *d, int32_t max_frames, int32_t max_maptrack_frames) must_check;

/* Release what d has mapped of others. d is dying and its vCPUs never run again. -ERESTART while
 * there is more. */
int grants_release_mappings(struct domain *d) must_check;

/* The table itself; when the last reference to d goes, so that nobody can have one of its grants
 * mapped any more. */
void grants_free(struct domain *d);

/*
 * d is gone but for what others have mapped: that is counted against them, and its table shrinks to
 * it. -ERESTART likewise.
 */
int grants_retire(struct domain *d) must_check;

/* Shared frame number `index`, below the table's limit; the table grows so far. */
int grants_shared_frame(struct domain *d, uint32_t index, mfn_t *frame) must_check;


/* Every frame that somebody uses through d's table now: `seen` once for its reference, and once
 * more for the writable one. */
void grants_for_each_hold(const struct domain *d, void (*seen)(mfn_t frame, bool writable));
void grants_dump(struct domain *d);       /* debug key 'g' */

#endif
