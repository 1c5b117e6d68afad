/* SPDX-License-Identifier: MIT */
/*
 * From linear addresses to guest memory: the guest's four levels of page tables, the TLB before
 * them, and loads and stores that go through both (Intel SDM vol. 3, chapter 4).
 *
 * The TLB has an entry for each page lately used, apart for supervisor and user. A flush is a new
 * generation, which no tag has. It forgets global pages, and INVLPG forgets everything: a CPU may.
 */
#include "internal.h"

static bool page_fault(struct vcpu *vcpu, uint64_t linear, unsigned int access,
                       unsigned int found)
{
    /* without it, the error code does not tell fetches */
    if (!(vcpu->efer & EFER_NXE))
        access &= ~(unsigned int)ACCESS_FETCH;
    raise_with(vcpu, VECTOR_PF, access | found);
    vcpu->fault.address = linear;
    return false;
}

static bool permitted(const struct vcpu *vcpu, const struct translation *page, unsigned int access)
{
    bool user = access & ACCESS_USER;
    if (user && !(page->entry & ENTRY_USER)) return false;
    if (access & ACCESS_FETCH) return !(page->entry & ENTRY_NX);
    return !(access & ACCESS_WRITE) || page->entry & ENTRY_WRITABLE ||
           (!user && !(vcpu->cr0 & CR0_WP));
}

static unsigned int shift_at(unsigned int level)
{
    return 12 + 9 * (level - 1);
}

static inline bool reserved_bits(const struct vcpu *vcpu, uint64_t entry, unsigned int level)
{
    if ((entry & ENTRY_NX) && !(vcpu->efer & EFER_NXE)) return true;
    if (level == 1 || !(entry & ENTRY_LARGE)) return false;
    /* of a large page's address, the bits below its size, but for PAT (bit 12) */
    return level == 4 || (entry & ENTRY_ADDRESS & ((1ull << shift_at(level)) - 1) & ~(1ull << 12));
}

/* `write`: bits will be set there. */
static void descend(struct vcpu *vcpu, struct way *way, uint64_t entry, bool write)
{
    way->level--;
    way->above = entry & (ENTRY_TOGETHER | ENTRY_NX);
    way->table = vcpu->ops->memory(vcpu, entry & ENTRY_ADDRESS, write);
}

static void set_out(struct vcpu *vcpu, struct way *way, bool write)
{
    way->level = 5;
    descend(vcpu, way, (vcpu->cr3 & ENTRY_ADDRESS) | ENTRY_TOGETHER, write);
}

static inline uint8_t *slot_on(const struct way *way)
{
    return way->table + 8 * (way->linear >> shift_at(way->level) & 511);
}

/* The next entry, together with those above; false: it faults. */
static inline bool look(const struct vcpu *vcpu, const struct way *way, uint64_t *entry)
{
    *entry = way->table ? load_place(slot_on(way), 8) : 0;
    if (!(*entry & ENTRY_PRESENT) || reserved_bits(vcpu, *entry, way->level)) return false;
    *entry = (*entry & (way->above | ~(ENTRY_TOGETHER | ENTRY_LEVEL))) | (way->above & ENTRY_NX) |
             way->level * ENTRY_LEVEL_1;
    return true;
}

static bool is_last(const struct way *way, uint64_t entry)
{
    return way->level == 1 || entry & ENTRY_LARGE;
}

struct translation translation_by(uint64_t entry, uint64_t linear)
{
    uint64_t size = 1ull << shift_at((entry & ENTRY_LEVEL) / ENTRY_LEVEL_1);
    return (struct translation){
        (entry & ENTRY_ADDRESS & ~(size - 1)) | (linear & (size - 1)), size, entry
    };
}

bool walk(struct vcpu *vcpu, uint64_t linear, unsigned int access, struct translation *page)
{
    struct way way = { .linear = linear };
    uint8_t *slots[5];
    uint64_t entry, dirty = access & ACCESS_WRITE ? ENTRY_DIRTY : 0;

    *page = (struct translation){ (uint32_t)linear, 0, ENTRY_TOGETHER | ENTRY_DIRTY };
    if (!(vcpu->cr0 & CR0_PG)) return true;
    if (!is_canonical(linear)) return raise_with(vcpu, VECTOR_GP, 0);
    for (set_out(vcpu, &way, true);; descend(vcpu, &way, entry, true)) {
        slots[way.level] = slot_on(&way);
        if (!look(vcpu, &way, &entry))
            return page_fault(vcpu, linear, access,
                              entry & ENTRY_PRESENT ? ACCESS_PRESENT | ACCESS_RESERVED : 0);
        if (is_last(&way, entry))
            break;
    }
    *page = translation_by(entry | ENTRY_ACCESSED | dirty, linear);
    if (!permitted(vcpu, page, access)) return page_fault(vcpu, linear, access, ACCESS_PRESENT);
    for (unsigned int level = 4; level >= way.level; level--)
        store_place(slots[level], 8, load_place(slots[level], 8) | ENTRY_ACCESSED |
                    (level == way.level ? dirty : 0));
    return true;
}

uint64_t peek(struct vcpu *vcpu, uint64_t linear, struct way *way)
{
    uint64_t entry;

    if (!way->level || (way->linear ^ linear) >> shift_at(way->level + 1))
        set_out(vcpu, way, false);
    for (way->linear = linear; look(vcpu, way, &entry); descend(vcpu, way, entry, false))
        if (is_last(way, entry)) return entry;
    return 0;
}

void tlb_flush(struct vcpu *vcpu)
{
    if (++vcpu->tlb_generation <= PAGE_OFFSET) return;
    for (unsigned int i = 0; i < 2 * TLB_ENTRIES; i++)
        vcpu->tlb[i / TLB_ENTRIES][i % TLB_ENTRIES] = (struct tlb_entry){ 0 };
    vcpu->tlb_generation = 1;
}

/* Which kinds of access may use the entry from now on, without a walk that would set bits, and
 * without the platform's seeing them. */
static void tag_entry(struct vcpu *vcpu, struct tlb_entry *entry, uint64_t linear,
                      const struct translation *page, unsigned int access)
{
    uint64_t tag = (linear & ~PAGE_OFFSET) | vcpu->tlb_generation;
    unsigned int world = access & ACCESS_USER;
    *entry = (struct tlb_entry){ .place = entry->place };
    if (!entry->place) return;
    if (permitted(vcpu, page, world | ACCESS_READ))
        entry->tag[0] = tag;
    if (access & ACCESS_WRITE)
        entry->tag[1] = tag;
    if (permitted(vcpu, page, world | ACCESS_FETCH))
        entry->tag[2] = tag;
}

/* Fills the entry of the page at `linear`; its place is NULL and its tags void where the platform
 * wants to see accesses: then only `physical` tells. */
static bool tlb_fill(struct vcpu *vcpu, uint64_t linear, unsigned int access, uint64_t *physical)
{
    struct translation page;
    if (!walk(vcpu, linear, access, &page)) return false;
    struct tlb_entry *entry = tlb_slot(vcpu, linear, access);
    *physical = page.physical;
    entry->place = vcpu->ops->memory(vcpu, page.physical & ~PAGE_OFFSET, access & ACCESS_WRITE);
    tag_entry(vcpu, entry, linear, &page, access);
    return true;
}

/* Where it is: on one page, or on two. Both are found before any is touched; how many bytes are on
 * the first one, 0: there is a fault. */
static unsigned int find(struct vcpu *vcpu, uint64_t linear, unsigned int size,
                         unsigned int access, uint64_t physical[2])
{
    uint64_t room = PAGE_OFFSET + 1 - (linear & PAGE_OFFSET);
    unsigned int first = size < room ? size : (unsigned int)room;
    if (!tlb_fill(vcpu, linear, access, &physical[0])) return 0;
    if (first < size && !tlb_fill(vcpu, linear + first, access, &physical[1])) return 0;
    return first;
}

/* On one page. Memory whose writes alone are watched can be read. */
static uint64_t load_physical(struct vcpu *vcpu, uint64_t physical, unsigned int size)
{
    const uint8_t *page = vcpu->ops->memory(vcpu, physical & ~PAGE_OFFSET, false);
    uint64_t value = 0;
    if (!page) return vcpu->ops->load(vcpu, physical, size) & size_mask(size);
    for (unsigned int i = 0; i < size; i++)
        value |= (uint64_t)page[(physical & PAGE_OFFSET) + i] << 8 * i;
    return value;
}

static void store_physical(struct vcpu *vcpu, uint64_t physical, unsigned int size, uint64_t value)
{
    uint8_t *page = vcpu->ops->memory(vcpu, physical & ~PAGE_OFFSET, true);
    if (!page)
        vcpu->ops->store(vcpu, physical, size, value & size_mask(size));
    else
        for (unsigned int i = 0; i < size; i++)
            page[(physical & PAGE_OFFSET) + i] = (uint8_t)(value >> 8 * i);
}

bool load_slowly(struct vcpu *vcpu, uint64_t linear, unsigned int size, unsigned int access,
                 uint64_t *value)
{
    uint64_t physical[2];
    unsigned int first = find(vcpu, linear, size, access, physical);
    if (!first) return false;
    *value = load_physical(vcpu, physical[0], first);
    if (first < size)
        *value |= load_physical(vcpu, physical[1], size - first) << 8 * first;
    return true;
}

bool store_slowly(struct vcpu *vcpu, uint64_t linear, unsigned int size, unsigned int access,
                  uint64_t value)
{
    uint64_t physical[2];
    unsigned int first = find(vcpu, linear, size, access, physical);
    if (!first) return false;
    store_physical(vcpu, physical[0], first, value);
    if (first < size)
        store_physical(vcpu, physical[1], size - first, value >> 8 * first);
    return true;
}
