/* SPDX-License-Identifier: MIT */
/* Doubly linked lists with the link inside the object, in a ring through the head; for ring 0 and
 * for guests. No allocation, no locks. */
#ifndef ABI_LIST_H
#define ABI_LIST_H

#include <abi/types.h>

struct list { struct list *next, *prev; };

#define LIST_INIT(head) { &(head), &(head) }
#define LIST(name) struct list name = LIST_INIT(name)

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}
static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_insert_between(struct list *item, struct list *prev, struct list *next)
{
    item->prev = prev;
    item->next = next;
    prev->next = item;
    next->prev = item;
}
/* First, or last, in the list. */
static inline void list_push(struct list *head, struct list *item)
{
    list_insert_between(item, head, head->next);
}
static inline void list_append(struct list *head, struct list *item)
{
    list_insert_between(item, head->prev, head);
}

/* Out of whatever list it is in; a removed (or initialised) item may be removed again. */
static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

/* The object that holds the link. */
#define container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define list_first(head, type, member) \
    (list_empty(head) ? (type *)NULL : container_of((head)->next, type, member))

/* for (each object); the _safe form lets the body remove the current one. */
#define list_for_each(object, head, member) \
    for (object = container_of((head)->next, __typeof__(*object), member); \
         &object->member != (head); \
         object = container_of(object->member.next, __typeof__(*object), member))
#define list_for_each_safe(object, following, head, member) \
    for (object = container_of((head)->next, __typeof__(*object), member), \
        following = container_of(object->member.next, __typeof__(*object), member); \
         &object->member != (head); object = following, \
        following = container_of(object->member.next, __typeof__(*object), member))

#endif
