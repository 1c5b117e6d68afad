/* SPDX-License-Identifier: MIT */
/*
 * Granted frames in page tables. A grant mapping is an ordinary level-1 entry with the ordinary references, of a frame that
 * belongs to another domain; only the way it comes in differs: domain/grants.c has taken the references, because the entry's own
 * checks would refuse a foreign frame. Going out is ordinary too: if the guest overwrites the entry instead of unmapping the
 * grant, the references are dropped like any other's, and the grant stays recorded as mapped until it is unmapped or the domain ends.
 */
#include "memory/entry.h"
#include "memory/tlb.h"
#include "lib/fail.h"

#define GRANT_BITS (PTE_P | PTE_RW | PTE_ADDRESS)       /* what an entry's references depend on */

/* The slot: of a valid level-1 table of v's domain, by machine address or through v's tables. A type reference of the table is taken. */
static int find_slot(struct vcpu *v, uint64_t host_addr, bool contains_pte, uint64_t **slot)
{
    struct walk w = { v->domain, v->domain };

    if (contains_pte) {
        mfn_t m = maddr_to_mfn(MADDR(host_addr));

        if (host_addr & 7) return fail(-EINVAL, "the entry's address is not aligned (advisory 227)");
        if (!mfn_valid(m) || frame_of(m)->owner != v->domain || frame_type(frame_of(m)) != FRAME_L1)
            return fail(-EINVAL, "the address is in no level-1 table of yours");
        *slot = maddr_to_virt(MADDR(host_addr));
    } else {
        *slot = mmu_walk(v, host_addr);
        if (!*slot) return fail(-EINVAL, "no level-1 table behind the address");
    }
    return table_get(&w, virt_to_mfn(*slot), FRAME_L1);
}

int mmu_map_grant(struct vcpu *v, uint64_t host_addr, mfn_t frame, uint64_t flags, bool contains_pte)
{
    uint64_t *slot, new = mfn_to_maddr(frame).a | PTE_P | PTE_US | PTE_A | PTE_NX | (flags & (PTE_RW | PTE_D | 0xe00));
    int error;

    spin_lock(&v->domain->pagetable_lock);
    error = find_slot(v, host_addr, contains_pte, &slot);
    if (!error) {
        entry_put(1, __atomic_exchange_n(slot, new, __ATOMIC_ACQ_REL));
        frame_put_type(virt_to_mfn(slot));
    }
    spin_unlock(&v->domain->pagetable_lock);
    return error;
}

/* The entry that takes the place of the grant's: nothing, or the one at new_va, which moves with its references. */
static int take_replacement(struct vcpu *v, uint64_t new_va, const uint64_t *slot, uint64_t *entry)
{
    uint64_t *from;

    *entry = 0;
    if (!new_va) return 0;
    from = mmu_walk(v, new_va);
    if (!from || from == slot) return fail(-EINVAL, "no other entry at the replacing address");
    *entry = __atomic_exchange_n(from, 0, __ATOMIC_ACQ_REL);
    return 0;
}

int mmu_unmap_grant(struct vcpu *v, uint64_t host_addr, mfn_t frame, uint64_t flags, bool contains_pte, uint64_t new_va)
{
    uint64_t *slot, expected = mfn_to_maddr(frame).a | PTE_P | (flags & PTE_RW), new;
    int error;

    spin_lock(&v->domain->pagetable_lock);
    error = find_slot(v, host_addr, contains_pte, &slot);
    if (!error) {
        if ((*slot & GRANT_BITS) != expected) error = fail(-EINVAL, "the entry is not the grant's mapping (advisory 234)");
        if (!error) error = take_replacement(v, new_va, slot, &new);
        if (!error) __atomic_store_n(slot, new, __ATOMIC_RELEASE);
        frame_put_type(virt_to_mfn(slot));
    }
    spin_unlock(&v->domain->pagetable_lock);
    return error;
}
