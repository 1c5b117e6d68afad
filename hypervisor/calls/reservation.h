/* SPDX-License-Identifier: MIT */
/* The parts of memory_op that move frames. Private to memory/: called by memory_op.c. Each returns
 * the hypercall's result. */
#ifndef DOMUS_CALLS_RESERVATION_H
#define DOMUS_CALLS_RESERVATION_H

#include "calls/named.h"
#include "memory/frame.h"
#include <xen/memory.h>

#define MEMOP_EXTENT_SHIFT 6            /* a continuation's op is op | extents done << 6 */
#define MAX_EXTENT_ORDER 9              /* 2 MiB */

#define RESERVATION_OF (NAMED_CONTROL | NAMED_LIVING)   /* whose memory a call may be about */

/* What memory_op's command says: the operation, and for those on extents how many are done. */
struct memory_call { unsigned int op; uint64_t start; };

/* increase_reservation, decrease_reservation, populate_physmap */
long memory_reservation(struct memory_call *c, uint64_t arg);
long memory_exchange(struct memory_call *c, uint64_t arg);

#endif
