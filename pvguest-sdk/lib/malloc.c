/* SPDX-License-Identifier: MIT */
/*
 * malloc: powers of two from 32 bytes to half a page out of free lists, larger ones in whole pages.
 * A header of 16 bytes before each object says which. A page cut up for small objects counts those
 * in use, in its first header, and is given back when there are none, unless it is the last with
 * free ones of that size: what was a flood of one size serves all others.
 */
#include <pvguest/console.h>
#include <pvguest/list.h>
#include <pvguest/mm.h>
#include <pvguest/spinlock.h>
#include <pvguest/string.h>

#define SMALLEST_SHIFT 5
#define LARGEST_SHIFT  11
#define MOST           (1UL << 40)      /* Bytes; nobody has so many, and no sum wraps. */
#define MAGIC          0x504d414cU      /* a freed or foreign pointer does not have it */

struct header {
    uint32_t magic;
    uint16_t class;                     /* shift of a small object; 0: whole pages */
    /* of those; of a page of small ones, in the first of them: how many are in use */
    uint16_t order;
    size_t size;                        /* as asked for */
};

struct free_object { struct header header; struct list link; };

static struct list free_lists[LARGEST_SHIFT + 1] = {
    [5] = LIST_INIT(free_lists[5]),   [6] = LIST_INIT(free_lists[6]),
    [7] = LIST_INIT(free_lists[7]),   [8] = LIST_INIT(free_lists[8]),
    [9] = LIST_INIT(free_lists[9]),   [10] = LIST_INIT(free_lists[10]),
    [11] = LIST_INIT(free_lists[11]),
};

static struct spinlock lock;            /* of the lists, and the counts in first headers */

static struct header *first_of_page(const void *object)
{
    return (struct header *)((uintptr_t)object & PAGE_MASK);
}

static bool refill(unsigned int shift)
{
    char *page = alloc_page();

    if (!page) return false;
    for (size_t at = 0; at < PAGE_SIZE; at += 1UL << shift) {
        struct free_object *object = (struct free_object *)(void *)(page + at);

        object->header = (struct header){ .class = (uint16_t)shift };
        list_append(&free_lists[shift], &object->link);
    }
    return true;
}

static struct header *take_small(unsigned int shift)
{
    struct free_object *object;
    bool masked = spin_lock(&lock);

    if (list_empty(&free_lists[shift]) && !refill(shift)) {
        spin_unlock(&lock, masked);
        return NULL;
    }
    object = list_first(&free_lists[shift], struct free_object, link);
    list_remove(&object->link);
    first_of_page(object)->order++;
    spin_unlock(&lock, masked);
    return &object->header;
}

/* Under the lock. */
static void give_back(struct header *page)
{
    struct list *list = &free_lists[page->class];
    size_t each = 1UL << page->class;

    for (size_t at = 0; at < PAGE_SIZE; at += each)
        list_remove(&((struct free_object *)(void *)((char *)page + at))->link);
    if (!list_empty(list)) {
        free_page(page);
        return;
    }
    for (size_t at = 0; at < PAGE_SIZE; at += each)
        list_append(list, &((struct free_object *)(void *)((char *)page + at))->link);
}

static void free_small(struct header *header)
{
    struct header *page = first_of_page(header);
    bool masked = spin_lock(&lock);

    list_push(&free_lists[header->class], &((struct free_object *)(void *)header)->link);
    if (--page->order == 0)
        give_back(page);
    spin_unlock(&lock, masked);
}

static struct header *take_pages(size_t total)
{
    unsigned int order = 0;
    struct header *header;

    while (PAGE_SIZE << order < total)
        order++;
    header = alloc_pages(order);
    if (header) {
        header->class = 0;
        header->order = (uint16_t)order;
    }
    return header;
}

void *malloc(size_t size)
{
    size_t total = size + sizeof(struct header);
    unsigned int shift = SMALLEST_SHIFT;
    struct header *header;

    if (size > MOST - sizeof(struct header)) return NULL;
    while (shift <= LARGEST_SHIFT && 1UL << shift < total)
        shift++;
    header = shift <= LARGEST_SHIFT ? take_small(shift) : take_pages(total);
    if (!header) return NULL;
    header->magic = MAGIC;
    header->size = size;
    return header + 1;
}

void *calloc(size_t count, size_t size)
{
    size_t total;
    void *p;

    if (__builtin_mul_overflow(count, size, &total)) return NULL;
    p = malloc(total);
    if (p)
        memset(p, 0, total);
    return p;
}

void free(void *p)
{
    struct header *header;

    if (!p) return;
    header = (struct header *)p - 1;
    if (header->magic != MAGIC)
        panic("pvguest: free(%p): not allocated\n", p);
    header->magic = 0;
    if (header->class)
        free_small(header);
    else
        free_pages(header, header->order);
}

void *realloc(void *p, size_t size)
{
    void *bigger = malloc(size);

    if (bigger && p) {
        const struct header *header = (const struct header *)p - 1;

        memcpy(bigger, p, header->size < size ? header->size : size);
        free(p);
    }
    return bigger;
}

char *strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = malloc(size);

    return copy ? memcpy(copy, s, size) : NULL;
}
