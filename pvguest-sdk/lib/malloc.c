/* SPDX-License-Identifier: MIT */
/*
 * malloc: powers of two from 32 bytes to half a page out of free lists, larger ones in whole pages. A header of 16 bytes
 * before each object says which. Pages cut up for small objects are not given back: a kernel's need for a size comes again.
 */
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/string.h>

#define SMALLEST_SHIFT 5
#define LARGEST_SHIFT  11
#define MAGIC          0x504d414cU      /* a freed or foreign pointer does not have it */

struct header {
    uint32_t magic;
    uint16_t class;                     /* shift of a small object; 0: whole pages */
    uint16_t order;
    size_t size;                        /* as asked for */
};

union free_object { union free_object *next; struct header header; };

static union free_object *free_lists[LARGEST_SHIFT + 1];

static bool refill(unsigned int shift)
{
    char *page = alloc_page();

    if (!page)
        return false;
    for (size_t at = 0; at < PAGE_SIZE; at += 1UL << shift) {
        union free_object *object = (union free_object *)(void *)(page + at);

        object->next = free_lists[shift];
        free_lists[shift] = object;
    }
    return true;
}

static struct header *take_small(unsigned int shift)
{
    union free_object *object;
    bool masked = events_save();

    if (!free_lists[shift] && !refill(shift)) {
        events_restore(masked);
        return NULL;
    }
    object = free_lists[shift];
    free_lists[shift] = object->next;
    events_restore(masked);
    object->header.class = (uint16_t)shift;
    return &object->header;
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

    if (total < size || total > 1UL << 40)
        return NULL;
    while (shift <= LARGEST_SHIFT && 1UL << shift < total)
        shift++;
    header = shift <= LARGEST_SHIFT ? take_small(shift) : take_pages(total);
    if (!header)
        return NULL;
    header->magic = MAGIC;
    header->size = size;
    return header + 1;
}

void *calloc(size_t count, size_t size)
{
    size_t total;
    void *p;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    p = malloc(total);
    if (p)
        memset(p, 0, total);
    return p;
}

void free(void *p)
{
    union free_object *object;
    struct header *header;
    unsigned int shift;
    bool masked;

    if (!p)
        return;
    header = (struct header *)p - 1;
    object = (union free_object *)header;
    if (header->magic != MAGIC)
        panic("pvguest: free(%p): not allocated\n", p);
    header->magic = 0;
    shift = header->class;
    if (!shift) {
        free_pages(header, header->order);
        return;
    }
    masked = events_save();
    object->next = free_lists[shift];
    free_lists[shift] = object;
    events_restore(masked);
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
