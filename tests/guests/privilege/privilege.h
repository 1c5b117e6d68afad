/* SPDX-License-Identifier: MIT */
/*
 * What the parts of this guest share. TRY(x) defines how the operation x of abi/privilege.tbl is
 * called with arguments that are in order, aimed at a domain where it names one; its prototype
 * comes from the table, so there is none without a row. It returns what the call said (the
 * request's status, where requests have their own); what it needed for the call, it makes and takes
 * away itself.
 */
#ifndef PRIVILEGE_H
#define PRIVILEGE_H

#include "../lib/test.h"

#define ENDS (-4096L)                       /* the call was left out: it would not return */
#define TRY(operation) long try_##operation(domid_t target)
#define OPERATION(hypercall, operation, who, refused, result) long try_##operation(domid_t target);
#include <abi/operation_list.h>
#undef OPERATION

extern domid_t self;                        /* our own number */
#define VICTIM_PORT 1u                      /* of the victim: waits for the victim itself */
/* In everybody's first page of grants, far behind what is in use; the victim's is for itself. */
#define NOT_GRANTED 500u

/* ---- domains for dom0 to work upon: victim.c ---- */

extern domid_t victim;
void make_victim(void);
/* A domain of no further use, as the target of what ends it. domU: the target it was given. */
domid_t disposable(domid_t target);
long destroy(domid_t domain);

/* ---- frames of a target ---- */

/*
 * A frame of the target's that may be written, mapped nowhere but (ours) at its address; a domU,
 * which has no other's frames, takes one that is not its own. frame_done: ours is a free page
 * again.
 */
unsigned long frame_of(domid_t target);
void frame_done(domid_t target, unsigned long frame);
/* The same, fit to become a page table: zeroes, and read-only if ours. */
unsigned long table_of(domid_t target);
void table_done(domid_t target, unsigned long frame);

/* One page of address space, with an entry that maps nothing. */
extern void *hole;

/* A GSI that dom0 may have, mapped as PIRQ of the same number; others get the number alone. */
int map_gsi(int gsi);
void unmap_gsi(int gsi);

/* ---- beside the table: beside.c ---- */

void vcpus_that_are_not_there(void);
void operations_that_are_not_there(void);
void no_way_around(void);
void tables_of_others(domid_t other);
void contiguous_memory(void);
void ports(void);

#endif
