/* SPDX-License-Identifier: MIT */
/* The leftist tree of lib/pqueue.h. All there is to it is merging two trees along their right
 * spines. No locks: the callers'. */
#include "lib/pqueue.h"

static uint32_t rank(const struct pq_node *n)
{
    return n ? n->rank : 0;
}

/* The shorter spine to the right; n's rank from it. */
static void settle(struct pq_node *n)
{
    if (rank(n->left) < rank(n->right)) {
        struct pq_node *left = n->left;
        n->left = n->right;
        n->right = left;
    }
    n->rank = rank(n->right) + 1;
}

/* Down both right spines, the smaller key first; then up again, since what hangs on the right has
 * grown. Returns the root. */
static struct pq_node *merge(struct pq_node *a, struct pq_node *b)
{
    struct pq_node *root = NULL, *last = NULL;

    while (a && b) {
        struct pq_node *smaller = b->key < a->key ? b : a;
        if (smaller == b)
            b = a;
        a = smaller->right;
        smaller->parent = last;
        if (last)
            last->right = smaller;
        else
            root = smaller;
        last = smaller;
    }
    struct pq_node *rest = a ? a : b;
    if (!last) return rest;
    last->right = rest;
    if (rest)
        rest->parent = last;
    for (; last; last = last->parent)
        settle(last);
    return root;
}

void pq_join(struct pqueue *q, struct pq_node *n)
{
    q->first = merge(q->first, n);
}

/* What hung below n takes its place. Ranks above may have fallen, each by less than the one below
 * it: up until one has not. */
void pq_part(struct pqueue *q, struct pq_node *n)
{
    struct pq_node *parent = n->parent, *heir = merge(n->left, n->right);

    if (heir)
        heir->parent = parent;
    if (!parent)
        q->first = heir;
    else if (parent->left == n)
        parent->left = heir;
    else
        parent->right = heir;
    for (; parent; parent = parent->parent) {
        uint32_t before = parent->rank;
        settle(parent);
        if (parent->rank == before) return;
    }
}
