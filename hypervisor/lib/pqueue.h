/* SPDX-License-Identifier: MIT */
/*
 * A priority queue, its links inside the elements: who has the smallest key is found at once, put
 * in and taken out (from anywhere) in O(log n) steps at worst, and nothing is ever allocated.
 * Timers wait in one by their deadline, domains and vCPUs by their virtual time. Pure:
 * tests/unit/test_timers.c.
 *
 * It is a leftist tree: no element has a smaller key than its parent, and the shorter way down to
 * where an element is missing is always on the right. So the right spine of n elements has at most
 * log2(n + 1), whatever was done in whatever order, and everything walks right spines only. An
 * element of zeroes is on no queue.
 */
#ifndef DOMUS_LIB_PQUEUE_H
#define DOMUS_LIB_PQUEUE_H

#include "lib/types.h"
#include <abi/list.h>            /* container_of */

struct pq_node {
    struct pq_node *parent, *left, *right;
    uint64_t key;
    /* elements on its right spine, itself included; 0: on no queue */
    uint32_t rank;
};

struct pqueue { struct pq_node *first; };       /* the smallest, or NULL */

static inline bool pq_queued(const struct pq_node *n)
{
    return n->rank != 0;
}

/* the two below, where there are others */
void pq_join(struct pqueue *q, struct pq_node *n);
void pq_part(struct pqueue *q, struct pq_node *n);

/* n is on no queue. */
static inline void pq_insert(struct pqueue *q, struct pq_node *n, uint64_t key)
{
    *n = (struct pq_node){ .key = key, .rank = 1 };
    if (q->first)
        pq_join(q, n);
    else
        q->first = n;
}

/* n is on this queue. */
static inline void pq_remove(struct pqueue *q, struct pq_node *n)
{
    if (q->first == n && !n->left)
        q->first = NULL;
    else
        pq_part(q, n);
    n->rank = 0;
}

#endif
