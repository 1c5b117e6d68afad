/* SPDX-License-Identifier: MIT */
/*
 * Page-table operations that interrupt each other. A pool of frames is pinned, unpinned, written
 * to, cleared, used as user base and given back at random; the tables are full, so validating and
 * undoing them stops half way; and a timer event, which then gets its turn, does the same things to
 * the same frames before the interrupted call goes on. Most requests are refused, and that is
 * right; what counts is that nothing is lost: afterwards every frame can be had back as ordinary
 * memory, and the audit finds nothing. Idea: XSA-45, 58, 264 (long operations), 299, 310
 * (references of half-done tables), 240 (deep undoing).
 */
#include "../lib/test.h"
#include <abi/domus.h>

#define POOL   48
#define ROUNDS 6000

static uint64_t *pool[POOL];
static uint64_t seed = 88172645463325252UL;
static volatile unsigned int nested, refused, accepted;
static struct timer timer;

static unsigned int any(unsigned int n)
{
    return (unsigned int)(next_random(&seed) % n);
}
static unsigned long any_mfn(void)
{
    return virt_to_mfn(pool[any(POOL)]);
}

static uint64_t any_entry(void)
{
    uint64_t frame = (uint64_t)any_mfn() << PAGE_SHIFT;

    switch (any(8)) {
    case 0: return 0;
    case 1: return frame | PROT_RW;
    case 2: return frame | PROT_RO;
    case 3: return frame | PTE_PRESENT | PTE_WRITE | 1UL << any(63);
    default: return frame | PROT_TABLE;
    }
}

static void note(long result)
{
    if (result < 0)
        refused++;
    else
        accepted++;
}

/* All entries of a table, at once: whether it is one now or only will be. */
static void fill(void)
{
    static struct mmu_update updates[512];
    uint64_t base = virt_to_machine(pool[any(POOL)]);
    bool same = any(2);
    uint64_t entry = any_entry();

    for (unsigned int i = 0; i < 512; i++)
        updates[i] = (struct mmu_update){ base + i * 8, same ? entry : any_entry() };
    note(HYPERVISOR_mmu_update(updates, 512, NULL, DOMID_SELF));
}

static void several(void)
{
    struct mmuext_op ops[8];

    for (unsigned int i = 0; i < 8; i++)
        ops[i] = (struct mmuext_op){ .cmd = any(2) ? MMUEXT_UNPIN_TABLE
                                                   : MMUEXT_PIN_L1_TABLE + any(4),
                                     .arg1.mfn = any_mfn() };
    note(HYPERVISOR_mmuext_op(ops, 8, NULL, DOMID_SELF));
}

static void one_operation(void)
{
    switch (any(12)) {
    case 0:
    case 1:
    case 2: note(write_entry(virt_to_machine(pool[any(POOL)] + any(512)), any_entry())); break;
    case 3: fill(); break;
    case 4: case 5: note(mmuext_mfn(MMUEXT_PIN_L1_TABLE + any(4), any_mfn())); break;
    case 6: case 7: note(mmuext_mfn(MMUEXT_UNPIN_TABLE, any_mfn())); break;
    case 8: several(); break;
    case 9: note(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, any(3) ? any_mfn() : 0)); break;
    case 10: note(mmuext_mfn(MMUEXT_CLEAR_PAGE, any_mfn())); break;
    case 11: note(page_set_readonly(pool[any(POOL)], any(4))); break;
    }
}

static void interrupt(void *unused)
{
    nested++;
    one_operation();
    timer_set(&timer, now_ns() + 50 * NS_PER_US + any(300) * NS_PER_US, interrupt, NULL);
}

static void no_timer(void *unused)
{
}

/* A tree that takes long: an L2 of full L1s. It is pinned and unpinned with interruptions, and
 * comes out whole. */
static void long_walks(void)
{
    static struct mmu_update updates[512];
    uint64_t *l2 = pool[0];
    struct domus_counters before = { .domid = DOMID_INVALID }, after = { .domid = DOMID_INVALID };

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
        timer_set(&timer, now_ns() + 100 * NS_PER_US + any(400) * NS_PER_US, no_timer, NULL);
        CHECK_IS(mmuext_mfn(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), 0);
        CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l2)));
        CHECK_REFUSED(page_set_readonly(pool[3], false));
        timer_set(&timer, now_ns() + 100 * NS_PER_US + any(400) * NS_PER_US, no_timer, NULL);
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

void test_main(void)
{
    for (int i = 0; i < POOL; i++)
        pool[i] = new_table();
    long_walks();
    timer_set(&timer, now_ns() + NS_PER_MS, interrupt, NULL);
    for (int i = 0; i < ROUNDS; i++)
        one_operation();
    timer_cancel(&timer);
    printk("%u requests accepted, %u refused, %u interruptions\n", accepted, refused, nested);
    CHECK(accepted > 500 && refused > 500 && nested > 10);
    have_all_back();
}
