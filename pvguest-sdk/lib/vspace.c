/* SPDX-License-Identifier: MIT */
/*
 * Address space for what is not ours: other domains' frames, granted pages, device registers. A
 * bitmap of 2 GiB of addresses from MAP_BASE; the page tables under it are made when first needed
 * and kept. One free page stays behind each area, so that running over its end faults.
 */
#include <pvguest/bits.h>
#include <pvguest/debug.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/spinlock.h>
#include <pvguest/string.h>

#define VSPACE_PAGES 524288UL

static unsigned long used[VSPACE_PAGES / 64];
static unsigned long next_search;
static struct spinlock lock;                    /* of both */

static unsigned long find_room(unsigned long from, unsigned long n)
{
    unsigned long run = 0;

    for (unsigned long page = from; page < VSPACE_PAGES; page++) {
        run = test_bit((unsigned int)page, used) ? 0 : run + 1;
        if (run == n) return page + 1 - n;
    }
    return VSPACE_PAGES;
}

/* VSPACE_PAGES: there is none. */
static unsigned long take_room(unsigned long n)
{
    bool masked = spin_lock(&lock);
    unsigned long page = find_room(next_search, n);

    if (page == VSPACE_PAGES)
        page = find_room(0, n);
    if (page != VSPACE_PAGES) {
        for (unsigned long i = 0; i < n; i++)
            set_bit((unsigned int)(page + i), used);
        next_search = page + n;
    }
    spin_unlock(&lock, masked);
    return page;
}

void *vspace_alloc(unsigned long n)
{
    unsigned long page = take_room(n + 1), va;

    if (page == VSPACE_PAGES) return ERR_PTR(refused(-ENOSPC));
    va = MAP_BASE + page * PAGE_SIZE;
    for (unsigned long at = va & ~0x1fffffUL; at < va + n * PAGE_SIZE; at += 0x200000) {
        int error = pt_populate(at);

        if (error) {
            vspace_free((void *)va, n);
            return ERR_PTR(error);
        }
    }
    return (void *)va;
}

void vspace_free(void *va, unsigned long n)
{
    unsigned long page = ((unsigned long)va - MAP_BASE) / PAGE_SIZE;
    bool masked = spin_lock(&lock);

    for (unsigned long i = 0; i <= n; i++)
        clear_bit((unsigned int)(page + i), used);
    next_search = MIN(next_search, page);       /* low addresses again: their page tables exist */
    spin_unlock(&lock, masked);
}

/* ---- mapping frames ---- */

struct mapping {
    unsigned long va;
    const unsigned long *mfns;      /* or NULL: consecutive from first_mfn */
    unsigned long first_mfn, n;
    uint64_t prot;
    domid_t owner;
    int *errors;
};

static void fill_update(const struct mapping *m, unsigned long i, struct mmu_update *update)
{
    uint64_t mfn = m->mfns ? m->mfns[i] : m->first_mfn + i;

    update->ptr = virt_to_machine(pt_walk(m->va + i * PAGE_SIZE, 1)) | MMU_NORMAL_PT_UPDATE;
    update->val = mfn << PAGE_SHIFT | m->prot;
}

/* Maps all; a frame that is refused is skipped when the caller wants to know each result, else it
 * ends the work. */
static int map_all(const struct mapping *m)
{
    struct mmu_update updates[64];

    for (unsigned long i = 0; i < m->n; ) {
        unsigned int count = (unsigned int)MIN(m->n - i, ARRAY_SIZE(updates)), done = 0;
        long error;

        for (unsigned int k = 0; k < count; k++)
            fill_update(m, i + k, &updates[k]);
        error = m->errors
            ? may_be_refused(HYPERVISOR_mmu_update(updates, count, &done, m->owner))
            : HYPERVISOR_mmu_update(updates, count, &done, m->owner);
        if (!error)
            done = count;
        for (unsigned int k = 0; k < done && m->errors; k++)
            m->errors[i + k] = 0;
        i += done;
        if (!error)
            continue;
        if (!m->errors || i >= m->n) return (int)error;
        m->errors[i++] = (int)error;
    }
    return 0;
}

static void *map_new_area(struct mapping *m)
{
    void *va = vspace_alloc(m->n);
    int error;

    if (IS_ERR(va)) return va;
    m->va = (unsigned long)va;
    error = map_all(m);
    if (error) {
        unmap_frames(va, m->n);
        return ERR_PTR(error);
    }
    return va;
}

void *map_frames(const unsigned long *mfns, unsigned long n, uint64_t prot, domid_t owner,
                 int *errors)
{
    struct mapping m = { .mfns = mfns, .n = n, .prot = prot, .owner = owner, .errors = errors };

    return map_new_area(&m);
}

void *map_frame_range(unsigned long mfn, unsigned long n, uint64_t prot, domid_t owner)
{
    struct mapping m = { .first_mfn = mfn, .n = n, .prot = prot, .owner = owner };

    return map_new_area(&m);
}

void unmap_frames(void *va, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        pt_set_va((unsigned long)va + i * PAGE_SIZE, 0);
    if (n <= 8) {
        for (unsigned long i = 0; i < n; i++)
            pt_invlpg((unsigned long)va + i * PAGE_SIZE);
    } else {
        pt_flush_tlb();
    }
    pt_flush();
    vspace_free(va, n);
}
