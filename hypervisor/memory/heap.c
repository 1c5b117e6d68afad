/* SPDX-License-Identifier: MIT */
/*
 * The heap: a buddy allocator. A free block of 2^n frames is aligned to its size; its first frame
 * carries FRAME_FREE and the order, and is linked in the list of that order. Freeing joins a block
 * with its buddy (the address with one bit changed) as long as the buddy is free and as big.
 * Everything is in the frame table: the heap has no memory of its own.
 *
 * RAM below 4 GiB has lists of its own and is given out last, because some devices can reach
 * nothing else.
 *
 * The heap hands out what nobody can reach any more: each frame remembers when it was let go, and
 * the allocation flushes TLBs that may be older (I9). It does not clear frames: domain_alloc_frames
 * and hv_alloc_pages do.
 */
#include "memory/heap.h"
#include "memory/frame.h"
#include "memory/tlb.h"
#include "machine/budget.h"
#include "lib/string.h"

#define LOW_FRAMES (1UL << (32 - PAGE_SHIFT))
#define MAX_LOOKS 64                /* for a block below an address, in each list */
#define COST_LOOK 12                /* instructions */
enum { LOW, HIGH, ZONES };

static spinlock_t heap_lock = SPINLOCK(LOCK_HEAP);
static struct list free_blocks[ZONES][HEAP_MAX_ORDER + 1];
static uint64_t free_frames, total_frames, kept_frames;

static unsigned int zone_of(uint64_t frame)
{
    return frame < LOW_FRAMES ? LOW : HIGH;
}

void heap_init(void)
{
    for (unsigned int z = 0; z < ZONES; z++)
        for (unsigned int o = 0; o <= HEAP_MAX_ORDER; o++)
            list_init(&free_blocks[z][o]);
}

static void insert_block(struct frame *f, unsigned int order)
{
    lock_needed(&heap_lock);
    f->state = FRAME_FREE;
    f->order = (uint8_t)order;
    list_push(&free_blocks[zone_of(mfn_of(f).n)][order], &f->link);
}

static void take_block(struct frame *f)
{
    lock_needed(&heap_lock);
    f->state = 0;
    list_remove(&f->link);
}

void heap_free_frames(mfn_t first, unsigned int order)
{
    uint64_t n = first.n;

    spin_lock(&heap_lock);
    free_frames += 1UL << order;
    for (; order < HEAP_MAX_ORDER; order++) {
        uint64_t buddy = n ^ 1UL << order;
        struct frame *b = frame_of(MFN(buddy));

        if (buddy >= max_frame || !(b->state & FRAME_FREE) || b->order != order)
            break;
        take_block(b);
        n &= buddy;
    }
    insert_block(frame_of(MFN(n)), order);
    spin_unlock(&heap_lock);
}

/*
 * The first block of the list that lies below the limit (a frame number). Bounded: devices with
 * short addresses are rare. Whoever asks pays for each look: a guest that gives back every other
 * block makes the lists long.
 */
static struct frame *find_block(struct list *blocks, unsigned int order, uint64_t limit)
{
    unsigned int tries = MAX_LOOKS;
    struct frame *f;

    list_for_each (f, blocks, link) {
        spend(COST_LOOK);
        if (mfn_of(f).n + (1UL << order) <= limit) return f;
        if (--tries == 0)
            break;
    }
    return NULL;
}

static struct frame *take_from_zone(unsigned int zone, unsigned int order, uint64_t limit)
{
    for (unsigned int o = order; o <= HEAP_MAX_ORDER; o++) {
        struct frame *f = find_block(&free_blocks[zone][o], order, limit);

        if (!f)
            continue;
        take_block(f);
        while (o > order) {                     /* give back the upper halves */
            o--;
            insert_block(f + (1UL << o), o);
        }
        return f;
    }
    return NULL;
}

static void flush_before_reuse(const struct frame *f, unsigned int order)
{
    for (uint64_t i = 0; i < 1UL << order; i++)
        tlb_flush_stale(f[i].flush_stamp);
}

mfn_t heap_alloc_frames(unsigned int order, unsigned int address_bits)
{
    unsigned int bits = MAX(address_bits, PAGE_SHIFT) - PAGE_SHIFT;
    uint64_t limit = address_bits && bits < 64 ? 1UL << bits : max_frame;
    struct frame *f = NULL;
    bool enough;

    if (order > HEAP_MAX_ORDER) return INVALID_MFN;
    spin_lock(&heap_lock);
    enough = free_frames - kept_frames >= 1UL << order;
    if (enough && limit > LOW_FRAMES)
        f = take_from_zone(HIGH, order, limit);
    if (enough && !f)
        f = take_from_zone(LOW, order, limit);
    if (f)
        free_frames -= 1UL << order;
    spin_unlock(&heap_lock);
    if (!f) return INVALID_MFN;
    flush_before_reuse(f, order);
    return mfn_of(f);
}

bool heap_keep(uint64_t frames)
{
    bool enough;

    spin_lock(&heap_lock);
    enough = frames <= free_frames - kept_frames;
    if (enough)
        kept_frames += frames;
    spin_unlock(&heap_lock);
    return enough;
}

void heap_let_go(uint64_t frames)
{
    spin_lock(&heap_lock);
    kept_frames -= frames;
    spin_unlock(&heap_lock);
}

uint64_t heap_kept_count(void)
{
    return kept_frames;
}
uint64_t heap_free_count(void)
{
    return free_frames;
}
uint64_t heap_total_count(void)
{
    return total_frames;
}

/* Boot: hand over whole frames [first, end), in blocks as big as alignment allows. */
void heap_add(uint64_t first, uint64_t end)
{
    while (first < end) {
        unsigned int order = 0;

        while (order < HEAP_MAX_ORDER && !(first & ((2UL << order) - 1)) &&
               first + (2UL << order) <= end)
            order++;
        heap_free_frames(MFN(first), order);
        total_frames += 1UL << order;
        first += 1UL << order;
    }
}

void *hv_alloc_pages(unsigned int order)
{
    mfn_t m = heap_alloc_frames(order, 0);

    spend(COST_CLEAR << order);
    return m.n == INVALID_MFN.n ? NULL : memset(map_frame(m), 0, PAGE_SIZE << order);
}

void hv_free_pages(void *p, unsigned int order)
{
    if (p)
        heap_free_frames(virt_to_mfn(p), order);
}

/* --- small objects: a list of free pieces for each power of two from 32 to 2048 bytes --- */
/* Pages once cut up stay cut up: there are as many as were ever needed at once. */

#define SMALLEST 5
#define BIGGEST  11
struct piece { struct piece *next; };
static struct piece *pieces[BIGGEST + 1];
static spinlock_t pieces_lock = SPINLOCK(LOCK_PIECES);
static uint64_t cut_pages;

/* The smallest power of two that holds it, from `least` on; beyond BIGGEST: whole pages. */
static unsigned int size_class(size_t size, unsigned int least)
{
    while (size > 1UL << least)
        least++;
    return least;
}

static unsigned int page_order(size_t size)
{
    return size_class(size, PAGE_SHIFT) - PAGE_SHIFT;
}

void *hv_alloc(size_t size)
{
    unsigned int c = size_class(size, SMALLEST);
    struct piece *p;

    if (c > BIGGEST) return hv_alloc_pages(page_order(size));
    spin_lock(&pieces_lock);
    if (!pieces[c]) {
        char *page = hv_alloc_pages(0);

        cut_pages += page != NULL;
        for (size_t at = 0; page && at < PAGE_SIZE; at += 1UL << c) {
            p = (struct piece *)(void *)(page + at);
            p->next = pieces[c];
            pieces[c] = p;
        }
    }
    p = pieces[c];
    if (p)
        pieces[c] = p->next;
    spin_unlock(&pieces_lock);
    return p ? memset(p, 0, 1UL << c) : NULL;
}

uint64_t heap_cut_count(void)
{
    return cut_pages;
}

void hv_free(void *p, size_t size)
{
    unsigned int c = size_class(size, SMALLEST);
    struct piece *piece = p;

    if (!p) return;
    if (c > BIGGEST) {
        hv_free_pages(p, page_order(size));
        return;
    }
    spin_lock(&pieces_lock);
    piece->next = pieces[c];
    pieces[c] = piece;
    spin_unlock(&pieces_lock);
}
