/* SPDX-License-Identifier: MIT */
/* A circular doubly linked list, its links inside the elements. An element not on a list points to
 * itself. */
#ifndef DOMUS_LIB_LIST_H
#define DOMUS_LIB_LIST_H

#include "lib/types.h"

struct list { struct list *next, *prev; };

#define LIST_INIT(name) { &(name), &(name) }
static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_before(struct list *e, struct list *at)
{
    e->prev = at->prev;
    e->next = at;
    at->prev->next = e;
    at->prev = e;
}
static inline void list_add_tail(struct list *e, struct list *head)
{
    list_insert_before(e, head);
}
static inline void list_add_head(struct list *e, struct list *head)
{
    list_insert_before(e, head->next);
}

static inline void list_remove(struct list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    list_init(e);
}

#define list_entry(l, type, member) container_of(l, type, member)
#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

#endif
