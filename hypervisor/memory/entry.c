/* SPDX-License-Identifier: MIT */
/*
 * What a page-table entry of a guest may be, and the references it holds while it is in a valid
 * table:
 *
 *   level 1, writable      a total and a type reference (writable) of the frame
 *   level 1, read-only     a total reference
 *   level 1, device page   none: nobody can take device registers away. The control domain only,
 *                          and never our own devices
 *   levels 2 to 4          a type reference (table of the level below) and a total one, whatever
 *                          its RW bit says
 *   not present            none
 *
 * So an entry's bits alone say what to drop when it goes; no list of mappings exists anywhere.
 *
 * Every entry, by whatever way it comes, passes one allow-mask (XSA-148: a fast path that
 * forgot one bit). Refused are large pages, PAT, and on RAM every cacheability but write-back:
 * validation would read RAM by another memory type than the guest wrote it (XSA-402). The user
 * bit is set for the guest, which runs at ring 3; the global bit is dropped, so that each CR3 load
 * flushes.
 */
#include "memory/entry.h"
#include "machine/budget.h"
#include "memory/l1tf.h"
#include "lib/fail.h"
#include "lib/printk.h"
#include "machine/io.h"

static bool l1tf_vulnerable;
static uint64_t device_address_mask = PTE_MFN_MASK;

void entry_init(void)
{
    struct cpuid_regs vendor = cpuid(0, 0), features = cpuid(7, 0), sizes = cpuid(0x80000008, 0);
    uint64_t capabilities = 0;

    device_address_mask = PTE_MFN_MASK & ((1UL << (sizes.a & 0xff)) - 1);
    if (vendor.b != 0x756e6547) return;                             /* "Genu"ineIntel */
    if (vendor.a >= 7 && (features.d & 1u << 29) && !rdmsr_safe(0x10a, &capabilities))
        capabilities = 0;
    /* IA32_ARCH_CAPABILITIES.RDCL_NO */
    l1tf_vulnerable = !(capabilities & 1);
    if (l1tf_vulnerable)
        log_warn("this CPU has L1TF: a guest's not-present page-table entries may not name RAM");
}

/* A not-present entry may hold anything that the hardware ignores, and some hardware does not
 * (memory/l1tf.h). */
static int check_absent_entry(const struct walk *w, unsigned int level, uint64_t e)
{
    if (likely(!l1tf_vulnerable) || w->owner->trusted) return 0;
    if (l1tf_safe(e, level, device_address_mask, max_frame << PAGE_SHIFT)) return 0;
    return fail(-EINVAL, "a not-present entry with an address of RAM (L1TF)");
}

static int check_device_page(const struct walk *w, uint64_t e)
{
    if (!w->owner->trusted)
        return fail(-EINVAL, "not RAM: only the control domain may map device pages");
    if (w->frames != w->owner && w->frames != &special_io)
        return fail(-EINVAL, "not RAM of that domain");
    if (pte_mfn(e).n > device_address_mask >> PAGE_SHIFT)
        return fail(-EINVAL, "an address the CPU does not have");
    if (mfn_is_ours(pte_mfn(e))) return fail(-EINVAL, "the device is the hypervisor's");
    return 0;
}

static int l1_get_other(const struct walk *w, uint64_t e)
{
    mfn_t m = pte_mfn(e);

    if (!(e & PTE_PRESENT)) return check_absent_entry(w, 1, e);
    if (e & ~L1_ALLOWED) return fail(-EINVAL, "reserved or PAT bits in a level-1 entry");
    spend(COST_TYPE);
    if (mfn_is_io(m)) return check_device_page(w, e);
    if (e & (PTE_PWT | PTE_PCD)) return fail(-EINVAL, "RAM must be cached (XSA-402)");
    return e & PTE_WRITE ? frame_get_type(m, w->frames, FRAME_WRITABLE) : frame_get(m, w->frames);
}

static inline int l1_get(const struct walk *w, uint64_t *e)
{
    int error = likely(l1_get_common(w, *e)) ? 0 : l1_get_other(w, *e);

    if (error == 0 && (*e & PTE_PRESENT))
        *e = loadable(*e);
    return error;
}

int entry_get(struct walk *w, unsigned int level, uint64_t *e)
{
    int error;

    if (level == 1) return l1_get(w, e);
    if (!(*e & PTE_PRESENT)) return check_absent_entry(w, level, *e);
    if (*e & ~TABLE_ALLOWED)
        return fail(-EINVAL, "reserved, large-page or cacheability bits in an upper-level entry");
    error = table_get(w, pte_mfn(*e), level - 1);
    if (error) return error;
    *e |= PTE_USER;
    return 0;
}

void entry_put(unsigned int level, uint64_t e)
{
    if (level == 1)
        l1_put(e);
    else if (e & PTE_PRESENT)
        frame_put_type(pte_mfn(e)); /* the last one queues the table below for undoing */
}

int entry_refused(int error, unsigned int level, const uint64_t *slot, uint64_t e)
{
    unsigned int number = (unsigned int)((uint64_t)slot % PAGE_SIZE / sizeof(*slot));

    return about_entry(error, virt_to_mfn(slot), level, number, e);
}

/* The CPU sets accessed and dirty bits in the slot behind our back; nobody else writes, the lock is
 * held. */
static uint64_t write_slot(uint64_t *slot, uint64_t new, bool preserve)
{
    uint64_t old = __atomic_load_n(slot, __ATOMIC_RELAXED);

    race_point();
    if (!preserve) return __atomic_exchange_n(slot, new, __ATOMIC_ACQ_REL);
    while (!__atomic_compare_exchange_n(slot, &old, new | (old & (PTE_ACCESSED | PTE_DIRTY)), false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {}
    return old;
}

/* Only bits change that decide nothing about references: same frame, and for level 1 same access
 * and cacheability. */
static inline bool same_references(unsigned int level, uint64_t old, uint64_t new)
{
    uint64_t decides = PTE_MFN_MASK | PTE_PRESENT |
                       (level == 1 ? PTE_WRITE | PTE_PWT | PTE_PCD : 0);

    return ((old ^ new) & decides) == 0 && (old & PTE_PRESENT);
}

int entry_update(struct walk *w, unsigned int level, uint64_t *slot, uint64_t new, bool preserve)
{
    uint64_t old = __atomic_load_n(slot, __ATOMIC_RELAXED);
    int error;

    lock_needed(&w->owner->pagetable_lock);
    if (same_references(level, old, new)) {
        if (new & ~(level == 1 ? L1_ALLOWED : TABLE_ALLOWED))
            return entry_refused(fail(-EINVAL, "reserved bits in a page-table entry"), level, slot,
                                 new);
        write_slot(slot, loadable(new), preserve);
        return 0;
    }
    /* first what may fail */
    error = level == 1 ? l1_get(w, &new) : entry_get(w, level, &new);
    if (error) return entry_refused(error, level, slot, new);
    old = write_slot(slot, new, preserve);
    if (level == 1)
        l1_put(old);
    else
        entry_put(level, old);
    return 0;
}

int entry_compare_update(struct walk *w, uint64_t *slot, uint64_t expected, uint64_t new,
                         uint64_t *seen)
{
    bool same = same_references(1, expected, new) && !(new & ~L1_ALLOWED);
    int error = 0;

    lock_needed(&w->owner->pagetable_lock);
    if (same)
        new = loadable(new);
    else
        error = l1_get(w, &new);
    if (error) return error;
    *seen = expected;
    race_point();
    if (!__atomic_compare_exchange_n(slot, seen, new, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        error = -EAGAIN;
    if (!same)
        l1_put(error ? new : expected); /* what did not get in, or what went out */
    return error;
}
