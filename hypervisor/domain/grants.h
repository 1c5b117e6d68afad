/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, version 1: a domain lists frames in a shared table, and the domain it names may map
 * them or have them copied.
 *
 * A mapping is known by a handle, a number of the mapping domain; the records of its handles are
 * called its maptrack.
 *
 * Locks: each table has one (grant_table.lock). That of the domain that grants is held for what is
 * done to its entries. That of the domain that maps is held for its list of free handles; a record
 * in use has no lock of its own (RING0_LOCK). Nobody holds two of these locks at once, or one while
 * page tables change.
 */
#ifndef DOMUS_DOMAIN_GRANTS_H
#define DOMUS_DOMAIN_GRANTS_H

#include "domain/domain.h"

/* shared frames a table may grow to unless createdomain says otherwise */
#define GRANTS_DEFAULT_FRAMES   64
/* maptrack frames (256 handles each) likewise; our dom0 always says how many: dom0/README.md */
#define GRANTS_DEFAULT_MAPTRACK 1024
/* of these the control domain has so many from the beginning: for the pages that two dozen guests
 * can have at their disks at once, and their rings */
#define GRANTS_CONTROL_MAPTRACK 8
/* more are not given, whoever asks: the end of a table must not take long */
#define GRANTS_MAX_FRAMES       128
#define GRANTS_MAX_MAPTRACK     4096

/* Limits in frames; negative: the default (XEN_DOMCTL_createdomain). 0, -ENOMEM, -EINVAL. */
int grants_create(struct domain *d, int32_t max_frames, int32_t max_maptrack_frames) must_check;

/* So many of its maptrack frames are there from now on. For who maps on behalf of others: a guest
 * that takes the machine's last page must not keep their disks from them. False: no memory. */
bool grants_keep_handles(struct domain *d, uint32_t frames) must_check;

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
