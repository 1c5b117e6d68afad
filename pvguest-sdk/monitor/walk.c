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

bool permitted(const struct vcpu *vcpu, const struct translation *page, unsigned int access)
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

static void set_out(struct vcpu *vcpu, struct way *way)
{
    way->level = 4;
    way->above = ENTRY_TOGETHER;
    way->table = vcpu->ops->memory(vcpu, vcpu->cr3 & ENTRY_ADDRESS, false);
}

static void descend(struct vcpu *vcpu, struct way *way, uint64_t entry)
{
    way->level--;
    way->above = entry;
    way->table = vcpu->ops->memory(vcpu, entry & ENTRY_ADDRESS, false);
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
    for (set_out(vcpu, &way);; descend(vcpu, &way, entry)) {
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
        set_out(vcpu, way);
    for (way->linear = linear; look(vcpu, way, &entry); descend(vcpu, way, entry))
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

struct tlb_entry *tlb_fill(struct vcpu *vcpu, uint64_t linear, unsigned int access,
                           uint64_t *physical)
{
    struct translation page;
    if (!walk(vcpu, linear, access, &page)) return NULL;
    struct tlb_entry *entry = tlb_slot(vcpu, linear, access);
    *physical = page.physical;
    entry->place = vcpu->ops->memory(vcpu, page.physical & ~PAGE_OFFSET, access & ACCESS_WRITE);
    tag_entry(vcpu, entry, linear, &page, access);
    return entry;
}

/* A piece of one page. */
struct piece {
    uint8_t *place;             /* NULL: by load() and store() */
    uint64_t physical;
    unsigned int size;
};

static bool find_piece(struct vcpu *vcpu, uint64_t linear, unsigned int size, unsigned int access,
                       struct piece *piece)
{
    const struct tlb_entry *entry = tlb_fill(vcpu, linear, access, &piece->physical);
    if (!entry) return false;
    piece->size = size;
    piece->place = entry->place ? entry->place + (linear & PAGE_OFFSET) : NULL;
    return true;
}

/* At most two, all found before any is touched. */
static bool find_pieces(struct vcpu *vcpu, uint64_t linear, unsigned int size,
                        unsigned int access, struct piece piece[2])
{
    uint64_t room = PAGE_OFFSET + 1 - (linear & PAGE_OFFSET);
    unsigned int first = size < room ? size : (unsigned int)room;
    piece[1].size = 0;
    if (!find_piece(vcpu, linear, first, access, &piece[0])) return false;
    return first == size || find_piece(vcpu, linear + first, size - first, access, &piece[1]);
}

static uint64_t load_piece(struct vcpu *vcpu, const struct piece *piece)
{
    const uint8_t *place = piece->place;
    if (!place) {   /* memory whose writes alone are watched can be read */
        place = vcpu->ops->memory(vcpu, piece->physical & ~PAGE_OFFSET, false);
        if (!place) return vcpu->ops->load(vcpu, piece->physical, piece->size);
        place += piece->physical & PAGE_OFFSET;
    }
    uint64_t value = 0;
    for (unsigned int i = 0; i < piece->size; i++)
        value |= (uint64_t)place[i] << 8 * i;
    return value;
}

static void store_piece(struct vcpu *vcpu, const struct piece *piece, uint64_t value)
{
    if (!piece->place)
        vcpu->ops->store(vcpu, piece->physical, piece->size, value & size_mask(piece->size));
    else
        for (unsigned int i = 0; i < piece->size; i++)
            piece->place[i] = (uint8_t)(value >> 8 * i);
}

bool load_slowly(struct vcpu *vcpu, uint64_t linear, unsigned int size, unsigned int access,
                 uint64_t *value)
{
    struct piece piece[2];
    if (!find_pieces(vcpu, linear, size, access, piece)) return false;
    *value = load_piece(vcpu, &piece[0]);
    if (piece[1].size)
        *value |= load_piece(vcpu, &piece[1]) << 8 * piece[0].size;
    *value &= size_mask(size);
    return true;
}

bool store_slowly(struct vcpu *vcpu, uint64_t linear, unsigned int size, unsigned int access,
                  uint64_t value)
{
    struct piece piece[2];
    if (!find_pieces(vcpu, linear, size, access, piece)) return false;
    store_piece(vcpu, &piece[0], value);
    if (piece[1].size)
        store_piece(vcpu, &piece[1], value >> 8 * piece[0].size);
    return true;
}
