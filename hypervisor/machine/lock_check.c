/* SPDX-License-Identifier: MIT */
/*
 * The debug build's locks (lib/spinlock.h): each CPU knows which it holds. Begins once the boot CPU
 * has its structure; entry.asm asks on each way out of ring 0 whether any is left.
 */
#include "machine/lock_check.h"
#include "lib/printk.h"
#include "machine/cpu.h"

#ifdef DEBUG

static bool watching;

void lock_check_start(void)
{
    watching = true;
}

/* What stops the machine has it said, which takes the console's lock. */
#define WRONG(...) do { watching = false; panic(__VA_ARGS__); } while (0)

static bool holds(const struct locks_held *locks, const spinlock_t *l)
{
    for (uint32_t i = 0; i < locks->count; i++)
        if (locks->lock[i] == l) return true;
    return false;
}

void lock_wanted(const spinlock_t *l)
{
    const struct locks_held *locks;

    if (!watching) return;
    locks = &this_cpu()->locks;
    if (l->rank == LOCK_NONE)
        WRONG("lock %lx is taken before it is initialised", (uint64_t)l);
    if (holds(locks, l))
        WRONG("lock %lx (rank %u) is taken twice by one CPU", (uint64_t)l, l->rank);
    for (uint32_t i = 0; i < locks->count; i++) {
        const spinlock_t *outer = locks->lock[i];

        if (outer->rank > l->rank || (outer->rank == l->rank && outer > l))
            WRONG("lock %lx (rank %u) is taken inside %lx (rank %u): the wrong order", (uint64_t)l,
                  l->rank, (uint64_t)outer, outer->rank);
    }
}

void lock_taken(const spinlock_t *l)
{
    struct locks_held *locks;

    if (!watching) return;
    locks = &this_cpu()->locks;
    if (locks->count == LOCKS_MAX)
        WRONG("more than %u locks are held by one CPU", LOCKS_MAX);
    locks->lock[locks->count++] = l;
}

void lock_dropped(const spinlock_t *l)
{
    struct locks_held *locks;
    uint32_t i = 0;

    if (!watching) return;
    locks = &this_cpu()->locks;
    while (i < locks->count && locks->lock[i] != l)
        i++;
    if (i == locks->count)
        WRONG("lock %lx (rank %u) is dropped by a CPU that does not hold it", (uint64_t)l, l->rank);
    for (locks->count--; i < locks->count; i++)
        locks->lock[i] = locks->lock[i + 1];
}

void lock_needed(const spinlock_t *l)
{
    if (watching && !holds(&this_cpu()->locks, l))
        WRONG("lock %lx (rank %u) must be held here", (uint64_t)l, l->rank);
}

/* entry.asm has found that some are held on the way out. */
void locks_left(void)
{
    const struct locks_held *locks = &this_cpu()->locks;

    WRONG("ring 0 is left with %u locks held; the innermost is %lx (rank %u)", locks->count,
          (uint64_t)locks->lock[locks->count - 1], locks->lock[locks->count - 1]->rank);
}

#endif
