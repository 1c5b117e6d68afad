/* SPDX-License-Identifier: MIT */
/*
 * What dom0 holds on behalf of each domain, counted where it is allocated and where it is freed:
 * never recounted, and a test compares with a recount. Every allocation that a guest can cause is
 * charged here first, in bytes of what was asked for; so two things are checked at one place: the
 * domain's quota, and that enough is left for the operator. All quotas together may be more than
 * there is: who holds little is served when those who hold much have left no more than that.
 *
 * Domain 0 is counted, and bound by neither, but for events: of these guests make many for it.
 */
#ifndef DOM0_ACCOUNT_H
#define DOM0_ACCOUNT_H

#include "dom0/base.h"

enum held {
    HELD_NODES,                         /* XenStore's nodes it owns: how many, */
    /* and with names, values, permissions, lists of children. */
    HELD_NODE_BYTES,
    HELD_TRANSACTIONS,                  /* All that its open transactions remember. */
    HELD_WATCHES,                       /* With their paths, as if nobody shared one. */
    HELD_EVENTS,                        /* Fired, not yet sent. */
    HELD_RING,                          /* XenStore's ring: buffers, an answer that waits. */
    HELD_CONSOLE,                       /* Its console's log. */
    HELD_DEVICES,                       /* Its back ends: slots, grants, copies in flight. */
    HELD_KINDS
};

struct account_rule {
    const char *name;
    size_t quota;                       /* Bytes; of HELD_NODES, nodes. */
};

extern const struct account_rule account_rules[HELD_KINDS];

/* Bytes that guests leave to the operator, who must be able to look, destroy, and create one more
 * guest; but half of it is for those who hold less than so much by their own doing. */
#define ACCOUNT_RESERVE (4u * 1024 * 1024)
#define ACCOUNT_LITTLE (64u * 1024)

/* `left`: bytes that dom0 has. NULL: always enough. */
void account_start(size_t (*left)(void));

/*
 * Is so little left that guests who hold little get no more either? Then the operator's wishes that
 * would have it become less are refused, too: each of them looks when it has what it wants, and
 * gives that back. What is left has dom0 answer everybody, and end them.
 */
bool account_memory_is_low(void);
#define ACCOUNT_IS_LOW "dom0 has little memory left, and keeps it for the guests that are there: " \
                       "end one, or give dom0 more (dom0_mem=)"

/* 0, and it is counted; -ENOSPC: beyond the quota; -ENOMEM: dom0 is short of memory. */
int account_charge(uint16_t domid, enum held kind, size_t amount);

/* Counts what is there whatever the quota. -ENOMEM only for a domain that account_known() has not
 * promised. */
int account_add(uint16_t domid, enum held kind, size_t amount);

/* From now on account_add() cannot fail for this domain. False without memory. */
bool account_known(uint16_t domid);

void account_credit(uint16_t domid, enum held kind, size_t amount);

/* What account_charge() would say; nothing is counted. */
int account_check(uint16_t domid, enum held kind, size_t amount);

size_t account_held(uint16_t domid, enum held kind);

#endif
