/* SPDX-License-Identifier: MIT */
/*
 * Page-table operations that interrupt each other, and that meet each other. A pool of frames is
 * pinned, unpinned, written to, cleared, used as user base and given back at random, by all vCPUs
 * at the same time; the tables are full, so validating and undoing them stops half way; and then a
 * timer event, or another vCPU, does the same things to the same frames before the interrupted call
 * goes on. Most requests are refused, and that is right; what counts is that nothing is lost:
 * afterwards every frame can be had back as ordinary memory, and the audit finds nothing. Idea:
 * XSA-45, 58, 264 (long operations), 299, 310 (references of half-done tables), 240 (deep undoing),
 * 401, 402 (races of types).
 * machine: vcpus4
 */
#include "../lib/vcpus.h"
#include <abi/domus.h>

#define POOL    48
#define ROUNDS  6000            /* of the first vCPU; or as many as there is time for: */
/* on Xen, to see that the test is right, and on each until all have done some */
#define TIME    ((on_domus() ? 20 : 5) * NS_PER_S)
#define PATIENCE (100 * NS_PER_S)
#define WORKERS 8U

static uint64_t *pool[POOL];

/* What each vCPU that takes part has of its own. */
static struct worker {
    uint64_t seed;
    unsigned int refused, accepted;
    struct mmu_update updates[512];
} workers[WORKERS];
static volatile unsigned int nested;
static volatile bool stop;
static struct timer timer;

static unsigned int any(struct worker *w, unsigned int n)
{
    return (unsigned int)(next_random(&w->seed) % n);
}
static uint64_t *any_page(struct worker *w)
{
    return pool[any(w, POOL)];
}
static unsigned long any_mfn(struct worker *w)
{
    return virt_to_mfn(any_page(w));
}

static uint64_t any_entry(struct worker *w)
{
    uint64_t frame = (uint64_t)any_mfn(w) << PAGE_SHIFT;

    switch (any(w, 8)) {
    case 0: return 0;
    case 1: return frame | PROT_RW;
    case 2: return frame | PROT_RO;
    case 3: return frame | PTE_PRESENT | PTE_WRITE | 1UL << any(w, 63);
    default: return frame | PROT_TABLE;
    }
}

static void note(struct worker *w, long result)
{
    if (result < 0)
        w->refused++;
    else
        w->accepted++;
}

/* All entries of a table, at once: whether it is one now or only will be. */
static void fill(struct worker *w)
{
    uint64_t base = virt_to_machine(any_page(w));
    bool same = any(w, 2);
    uint64_t entry = any_entry(w);

    for (unsigned int i = 0; i < 512; i++)
        w->updates[i] = (struct mmu_update){ base + i * 8, same ? entry : any_entry(w) };
    note(w, HYPERVISOR_mmu_update(w->updates, 512, NULL, DOMID_SELF));
}

static void several(struct worker *w)
{
    struct mmuext_op ops[8];

    for (unsigned int i = 0; i < 8; i++)
        ops[i] = (struct mmuext_op){ .cmd = any(w, 2) ? MMUEXT_UNPIN_TABLE
                                                      : MMUEXT_PIN_L1_TABLE + any(w, 4),
                                     .arg1.mfn = any_mfn(w) };
    note(w, HYPERVISOR_mmuext_op(ops, 8, NULL, DOMID_SELF));
}

static long one(struct worker *w)
{
    switch (any(w, 9)) {
    case 0: case 1: return mmuext_mfn(MMUEXT_PIN_L1_TABLE + any(w, 4), any_mfn(w));
    case 2: case 3: return mmuext_mfn(MMUEXT_UNPIN_TABLE, any_mfn(w));
    case 4: return mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, any(w, 3) ? any_mfn(w) : 0);
    case 5: return mmuext_mfn(MMUEXT_CLEAR_PAGE, any_mfn(w));
    case 6: return page_set_readonly(any_page(w), any(w, 4));
    default: return write_entry(virt_to_machine(any_page(w) + any(w, 512)), any_entry(w));
    }
}

static void one_operation(struct worker *w)
{
    switch (any(w, 12)) {
    case 0: fill(w); break;
    case 1: several(w); break;
    default: note(w, one(w)); break;
    }
}

static void interrupt(void *unused)
{
    nested++;
    one_operation(&workers[0]);
    timer_set(&timer, now_ns() + 50 * NS_PER_US + any(&workers[0], 300) * NS_PER_US, interrupt,
              NULL);
}

static void no_timer(void *unused)
{
}

static void soon(void)
{
    timer_set(&timer, now_ns() + (100 + any(&workers[0], 400)) * NS_PER_US, no_timer, NULL);
}

/* One of the other vCPUs. */
static void work(unsigned long id)
{
    while (!stop)
        one_operation(&workers[id]);
    while (mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0) != 0)
        ;
    vcpu_end(id);
}

/* A tree that takes long: an L2 of full L1s. It is pinned and unpinned with interruptions, and
 * comes out whole. */
static void long_walks(void)
{
    struct mmu_update *updates = workers[0].updates;
    uint64_t *l2 = pool[0];
    struct domus_counters before = { .domid = own_domid() }, after = before;

    for (unsigned int t = 1; t < 40; t++) {
        for (unsigned int i = 0; i < 512; i++)
            updates[i] = (struct mmu_update){
                virt_to_machine(pool[t]) + i * 8,
                (uint64_t)virt_to_mfn(pool[40 + i % 8]) << PAGE_SHIFT | PROT_RO
            };
        CHECK_IS(HYPERVISOR_mmu_update(updates, 512, NULL, DOMID_SELF), 0);
        CHECK_IS(write_entry(virt_to_machine(l2 + t * 7),
                             (uint64_t)virt_to_mfn(pool[t]) << PAGE_SHIFT | PROT_TABLE),
                 0);
    }
    HYPERVISOR_domus_op(DOMUS_counters, &before);
    for (int i = 0; i < 40; i++) {
        soon();
        CHECK_IS(mmuext_mfn(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), 0);
        CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l2)));
        CHECK_REFUSED(page_set_readonly(pool[3], false));
        soon();
        CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(l2)), 0);
        CHECK_IS(page_set_readonly(pool[3], false), 0);
        CHECK_IS(page_set_readonly(pool[3], true), 0);
    }
    if (HYPERVISOR_domus_op(DOMUS_counters, &after) == 0)       /* dom0 of Domus can know */
        CHECK(after.continuations > before.continuations);
    for (unsigned int t = 0; t < 40; t++)
        CHECK_IS(mmuext_mfn(MMUEXT_CLEAR_PAGE, virt_to_mfn(pool[t])), 0);
}

/* Unpin all (a table in use by another is refused as memory until that one is gone), and write to
 * every page again. */
static void have_all_back(void)
{
    CHECK_IS(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    /* a validation that nobody came back to: finish it, as the right type */
    for (int i = 0; i < POOL; i++)
        for (unsigned int level = 0; level < 4; level++)
            (void)mmuext_mfn(MMUEXT_PIN_L1_TABLE + level, virt_to_mfn(pool[i]));
    for (int i = 0; i < POOL; i++)
        (void)mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(pool[i]));
    for (int i = 0; i < POOL; i++)
        (void)mmuext_mfn(MMUEXT_CLEAR_PAGE, virt_to_mfn(pool[i]));
    for (int i = 0; i < POOL; i++) {
        CHECK_IS(page_set_readonly(pool[i], false), 0);
        pool[i][i] = 1;
    }
}

static bool all_have_done_some(unsigned int count)
{
    unsigned int refused = 0, accepted = 0;

    for (unsigned int id = 0; id < count; id++) {
        if (!workers[id].accepted || !workers[id].refused) return false;
        accepted += workers[id].accepted;
        refused += workers[id].refused;
    }
    return accepted > 100 && refused > 100 && nested > 10;
}

void test_main(void)
{
    unsigned int count, refused = 0, accepted = 0;
    uint64_t end;

    for (int i = 0; i < POOL; i++)
        pool[i] = new_table();
    for (unsigned int id = 0; id < WORKERS; id++)
        workers[id].seed = 88172645463325252UL + id;
    long_walks();
    count = vcpus_start(WORKERS, work);
    timer_set(&timer, now_ns() + NS_PER_MS, interrupt, NULL);
    end = now_ns() + TIME;
    for (int i = 0; i < ROUNDS && (now_ns() < end || (!all_have_done_some(count) &&
                                                      now_ns() < end + PATIENCE)); i++)
        one_operation(&workers[0]);
    timer_cancel(&timer);
    stop = true;
    vcpus_wait(count);
    for (unsigned int id = 0; id < count; id++) {
        accepted += workers[id].accepted;
        refused += workers[id].refused;
    }
    printk("%u vCPUs: %u requests accepted, %u refused, %u interruptions\n", count, accepted,
           refused, nested);
    CHECK(all_have_done_some(count));
    have_all_back();
}
