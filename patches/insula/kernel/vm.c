/* SPDX-License-Identifier: MIT */
/* Virtual memory: the page tables of each process, and the kernel's way into user memory.
 *
 * A process owns the first slot of its top-level table; the slots from the direct map up are the
 * kernel's, the same in all, copied from the boot tables. Heap and stack pages come on first touch
 * (space_fault). The kernel never follows a user pointer: it walks the process's tables and goes
 * through the direct map, so a bad pointer is just -EFAULT. */
#include "kernel.h"

enum { SLOTS = 512, TOP = 4, USER_SLOT = 0 };
static u64 *kernel_root;                /* the top-level table that we booted with */

static u32 slot(u64 va, int level)
{
    return va >> (12 + 9 * (level - 1)) & (SLOTS - 1);
}

/* From now on addresses below the kernel's half mean nothing until a process gives them a
 * meaning. */
void vm_init(void)
{
    kernel_root = to_virtual(PTE_ADDR(read_cr3()));
    kernel_root[USER_SLOT] = 0;
    write_cr3(to_physical(kernel_root));
}

/* The lowest-level entry for va; NULL if a table on the way is missing and not to be created (or
 * memory is out). */
static u64 *walk(struct space *space, u64 va, bool create)
{
    u64 *table = space->root;

    for (int level = TOP; level > 1; level--) {
        u64 *entry = &table[slot(va, level)];
        if (!(*entry & PTE_P)) {
            u64 *lower = create ? page_alloc() : NULL;
            if (!lower) return NULL;
            *entry = to_physical(lower) | PTE_P | PTE_W | PTE_U;
        }
        table = to_virtual(PTE_ADDR(*entry));
    }
    return &table[slot(va, 1)];
}

int space_create(struct space *space)
{
    memset(space, 0, sizeof *space);
    space->root = page_alloc();
    if (!space->root) return -ENOMEM;
    for (u32 i = slot(DIRECT_MAP, TOP); i < SLOTS; i++)
        space->root[i] = kernel_root[i];
    return 0;
}

/* Gives va a zeroed page of its own, with the given rights. */
int space_map_new(struct space *space, u64 va, u64 flags, u8 **result)
{
    u64 *entry = walk(space, va, true);
    u8 *page = entry ? page_alloc() : NULL;

    if (!page) return -ENOMEM;
    *entry = to_physical(page) | flags | PTE_P | PTE_U;
    space->pages++;
    if (result)
        *result = page;
    return 0;
}

/* Copies one table's worth of user memory, and what hangs below it. */
static int copy_table(struct space *to, u64 *table, int level, u64 va)
{
    for (u32 i = 0; i < SLOTS; i++, va += 1ul << (12 + 9 * (level - 1))) {
        int error = 0;
        if (!(table[i] & PTE_P))
            continue;
        u8 *below = to_virtual(PTE_ADDR(table[i])), *page;
        if (level > 1) {
            error = copy_table(to, (u64 *)below, level - 1, va);
        } else {
            error = space_map_new(to, va, table[i] & (PTE_W | PTE_XD), &page);
            if (!error)
                page_copy(page, below);
        }
        if (error) return error;
    }
    return 0;
}

int space_copy(struct space *to, struct space *from)
{
    int error = space_create(to);

    if (error) return error;
    to->heap_start = from->heap_start;
    to->heap_end = from->heap_end;
    if (from->root[USER_SLOT] & PTE_P)
        error = copy_table(to, to_virtual(PTE_ADDR(from->root[USER_SLOT])), TOP - 1, 0);
    if (error)
        space_free(to);
    return error;
}

static void free_table(u64 *table, int level)
{
    for (u32 i = 0; i < SLOTS; i++) {
        if (!(table[i] & PTE_P))
            continue;
        void *below = to_virtual(PTE_ADDR(table[i]));
        if (level > 1)
            free_table(below, level - 1);
        else
            page_free(below);
    }
    page_free(table);
}

/* Never called for the space the CPU is in. */
void space_free(struct space *space)
{
    u64 user = space->root[USER_SLOT];

    if (user & PTE_P)
        free_table(to_virtual(PTE_ADDR(user)), TOP - 1);
    page_free(space->root);
    space->root = NULL;
}

void space_switch(struct space *space)
{
    write_cr3(to_physical(space->root));
}

/* Moves the end of the heap. Growing only promises; shrinking takes the pages back. */
int space_set_heap(struct space *space, u64 end)
{
    if (end < space->heap_start || end > USER_STACK_TOP - USER_STACK_SIZE - PAGE_SIZE)
        return -ENOMEM;
    for (u64 va = PAGE_CEILING(end); va < PAGE_CEILING(space->heap_end); va += PAGE_SIZE) {
        u64 *entry = walk(space, va, false);
        if (!entry || !(*entry & PTE_P))
            continue;
        void *page = to_virtual(PTE_ADDR(*entry));
        *entry = 0;
        invlpg(va);
        page_free(page);
        space->pages--;
    }
    space->heap_end = end;
    return 0;
}

/* A page that the process was promised: in its heap, or in its stack's range. */
int space_fault(struct space *space, u64 va, bool write)
{
    bool heap = va >= space->heap_start && va < space->heap_end;
    bool stack = va >= USER_STACK_TOP - USER_STACK_SIZE && va < USER_STACK_TOP;
    u64 *entry;

    if (!heap && !stack) return -EFAULT;
    entry = walk(space, va, false);
    if (entry && *entry & PTE_P)
        return -EFAULT;                 /* it is there, so the access itself was wrong */
    return space_map_new(space, PAGE_FLOOR(va), PTE_W | PTE_XD, NULL);
}

/* The direct-map address of a user byte, or NULL. */
static u8 *user_byte(struct space *space, u64 va, bool write)
{
    u64 *entry;

    if (va < USER_BASE || va >= USER_STACK_TOP) return NULL;
    entry = walk(space, va, false);
    if (!entry || !(*entry & PTE_P)) {
        if (space_fault(space, va, write) < 0) return NULL;
        entry = walk(space, va, false);
    }
    if (write && !(*entry & PTE_W)) return NULL;
    return (u8 *)to_virtual(PTE_ADDR(*entry)) + va % PAGE_SIZE;
}

static int copy(struct space *space, u64 user, u8 *kernel, size_t n, bool write)
{
    while (n) {
        size_t chunk = PAGE_SIZE - user % PAGE_SIZE;
        u8 *at = user_byte(space, user, write);
        if (!at) return -EFAULT;
        if (chunk > n)
            chunk = n;
        if (write)
            memcpy(at, kernel, chunk);
        else
            memcpy(kernel, at, chunk);
        user += chunk;
        kernel += chunk;
        n -= chunk;
    }
    return 0;
}

int copy_in(void *to, u64 user, size_t n)
{
    return copy(&current->space, user, to, n, false);
}
int copy_out(u64 user, const void *from, size_t n)
{
    return copy_to_space(&current->space, user, from, n);
}

int copy_to_space(struct space *space, u64 user, const void *from, size_t n)
{
    return copy(space, user, (u8 *)(uintptr_t)from, n, true);
}

int copy_in_string(char *to, u64 user, size_t size)
{
    for (size_t n = 0; n < size; n++, user++) {
        u8 *at = user_byte(&current->space, user, false);
        if (!at) return -EFAULT;
        to[n] = (char)*at;
        if (!to[n]) return (int)n;
    }
    return -ENAMETOOLONG;
}
