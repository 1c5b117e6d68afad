/* SPDX-License-Identifier: MIT */
/*
 * Granted frames in page tables. A grant mapping is an ordinary level-1 entry with the ordinary
 * references, of a frame that belongs to another domain; only the way it comes in differs:
 * domain/grants.c has taken the references, because the entry's own checks would refuse a foreign
 * frame. Going out is ordinary too: if the guest overwrites the entry instead of unmapping the
 * grant, the references are dropped like any other's, and the grant stays recorded as mapped until
 * it is unmapped or the domain ends.
 */
#include "memory/entry.h"
#include "lib/fail.h"
#include <xen/grant_table.h>

/* what an entry's references depend on */
#define GRANT_BITS (PTE_PRESENT | PTE_WRITE | PTE_MFN_MASK)

/* The slot: of a valid level-1 table of t's owner, by machine address or through t itself. A
 * type reference of the table is taken. */
static int16_t find_slot(const struct vcpu_tables *t, uint64_t host_addr, bool contains_pte,
                         uint64_t **slot)
{
    mfn_t m = maddr_to_mfn(MADDR(host_addr));

    if (contains_pte) {
        if (host_addr & 7)
            return refuse(GNTST_general_error, "the entry's address is not aligned (XSA-227)");
        *slot = maddr_to_virt(MADDR(host_addr));
    } else {
        *slot = mmu_walk(t, host_addr);
        if (!*slot) return refuse(GNTST_general_error, "no level-1 table behind the address");
        m = virt_to_mfn(*slot);
    }
    if (!mfn_valid(m) || frame_of(m)->owner != t->owner || !pt_get_same(frame_of(m), FRAME_L1))
        return refuse(GNTST_general_error, "the address is in no level-1 table of yours");
    return GNTST_okay;
}

int16_t mmu_map_grant(const struct vcpu_tables *t, uint64_t host_addr, mfn_t frame, uint64_t flags,
                      bool contains_pte)
{
    uint64_t *slot, new = mfn_to_maddr(frame).a | PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_NX |
                          (flags & (PTE_WRITE | PTE_DIRTY | 0xe00));

    spin_lock(&t->owner->pagetable_lock);
    int16_t status = find_slot(t, host_addr, contains_pte, &slot);
    if (status == GNTST_okay) {
        entry_put(1, __atomic_exchange_n(slot, new, __ATOMIC_ACQ_REL));
        frame_put_type(virt_to_mfn(slot));
    }
    spin_unlock(&t->owner->pagetable_lock);
    return status;
}

/* The entry that takes the place of the grant's: nothing, or the one at new_va, which moves with
 * its references. */
static int16_t take_replacement(const struct vcpu_tables *t, uint64_t new_va, const uint64_t *slot,
                                uint64_t *entry)
{
    uint64_t *from;

    *entry = 0;
    if (!new_va) return GNTST_okay;
    from = mmu_walk(t, new_va);
    if (!from || from == slot)
        return refuse_value(GNTST_general_error, "no other entry at the replacing address", new_va);
    *entry = __atomic_exchange_n(from, 0, __ATOMIC_ACQ_REL);
    return GNTST_okay;
}

int16_t mmu_unmap_grant(const struct vcpu_tables *t, uint64_t host_addr, mfn_t frame,
                        uint64_t flags, bool contains_pte, uint64_t new_va)
{
    uint64_t *slot, expected = mfn_to_maddr(frame).a | PTE_PRESENT | (flags & PTE_WRITE), new;

    if (contains_pte && new_va)
        return refuse(GNTST_general_error, "an entry named by its machine address is not replaced");
    spin_lock(&t->owner->pagetable_lock);
    int16_t status = find_slot(t, host_addr, contains_pte, &slot);
    if (status == GNTST_okay) {
        if ((*slot & GRANT_BITS) != expected)
            status = (int16_t)entry_refused(
                refuse(GNTST_general_error, "the entry is not the grant's mapping (XSA-234)"),
                1, slot, __atomic_load_n(slot, __ATOMIC_RELAXED));
        if (status == GNTST_okay)
            status = take_replacement(t, new_va, slot, &new);
        if (status == GNTST_okay)
            __atomic_store_n(slot, new, __ATOMIC_RELEASE);
        frame_put_type(virt_to_mfn(slot));
    }
    spin_unlock(&t->owner->pagetable_lock);
    return status;
}
