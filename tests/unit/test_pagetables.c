/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls that change page tables, on a small machine on the host: every bit of an entry at
 * every level by every way; every refusal, and what it says it was about; lists that stop half way,
 * wherever the budget ends. After each step the auditor finds the books right and nothing locked.
 */
#include "tests/unit/memory_host.h"

/* The guest's tables: L4, L3, L2, L1, pinned from above and loaded; what it maps. */
enum { L4 = CODE(0), L3, L2, L1, DATA, READ, SPARE_L3, SPARE_L2, SPARE_L1, LIST = CODE(20) };
#define SLOT(n, i) ((uint64_t)(n) << 12 | (i) * 8)

static struct mmu_update *const list = (struct mmu_update *)page;
static uint32_t *const done = (uint32_t *)(page + 400);

static long mmuext(struct mmuext_op op, unsigned int domid)
{
    memcpy(page, &op, sizeof(op));
    return do_mmuext_op((unsigned long)page, 1, (unsigned long)done, domid);
}

#define EXT(command, ...) \
    mmuext((struct mmuext_op){ .cmd = MMUEXT_##command, __VA_ARGS__ }, DOMID_SELF)

static int with_tables(void **state)
{
    set_up(state);
    entry_init();
    table(L4)[0] = ENTRY(L3, PTE_WRITE) & ~PTE_USER;
    table(L3)[260] = ENTRY(L2, PTE_WRITE) & ~PTE_USER; /* where level 4 has slots of ours */
    table(L2)[256] = ENTRY(L1, PTE_WRITE);
    table(L1)[1] = ENTRY(DATA, PTE_WRITE | PTE_G);
    table(L1)[271] = ENTRY(READ, 0) & ~PTE_USER;
    assert_int_equal(EXT(PIN_L4_TABLE, .arg1.mfn = L4), 0);
    vcpu[0].tables.kernel_cr3 = (uint64_t)L4 << 12;
    assert_int_equal(mmu_get_table(&guest.memory, MFN(L4), FRAME_L4), 0);
    assert_int_equal(EXT(PIN_L3_TABLE, .arg1.mfn = SPARE_L3), 0);
    assert_int_equal(EXT(PIN_L2_TABLE, .arg1.mfn = SPARE_L2), 0);
    assert_int_equal(EXT(PIN_L1_TABLE, .arg1.mfn = SPARE_L1), 0);
    assert_true(table(L4)[0] == ENTRY(L3, PTE_WRITE) && table(L3)[260] == ENTRY(L2, PTE_WRITE));
    assert_true(table(L1)[1] == ENTRY(DATA, PTE_WRITE) && table(L1)[271] == ENTRY(READ, 0));
    all_is_well();
    return 0;
}

static void *const nowhere = (void *)UNREADABLE_FROM;

/* One request. */
static long update(uint64_t ptr, uint64_t value, unsigned int domid)
{
    long result;

    memset(&about, 0, sizeof(about));
    list[0] = (struct mmu_update){ ptr, value };
    *done = 77;
    result = do_mmu_update((unsigned long)list, 1, (unsigned long)done, domid);
    assert_int_equal(*done, result == 0);               /* whatever the error was */
    all_is_well();
    return result;
}

#define VA(l3, l2, l1) ((uint64_t)(l3) << 30 | (uint64_t)(l2) << 21 | (uint64_t)(l1) << 12)

static const uint64_t always =
    PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY | PTE_NX | 0x7ff0000000000e00;

static bool address_bit(unsigned int bit)
{
    return bit >= 12 && bit < 52;
}

/* Each bit that is no address, at each level: taken, or refused with the slot left alone; in an
 * empty slot, over an entry of the same frame, with accessed and dirty bits kept, or by address. */
static void each_bit_at_each_level(void **state)
{
    static const struct { unsigned int table, slot, to; uint64_t more; } rows[] = {
        { SPARE_L1, 511, DATA, PTE_G }, { L2, 300, SPARE_L1, 0 }, { L3, 256, SPARE_L2, 0 },
        { L4, 272, SPARE_L3, 0 },
    };

    for (unsigned int level = 1; level <= 4; level++)
        for (unsigned int bit = 0; bit < 64; bit++)
            for (unsigned int before = 0; before < 4; before++) {
                uint64_t *slot = &table(rows[level - 1].table)[rows[level - 1].slot], was;
                uint64_t at = SLOT(rows[level - 1].table, rows[level - 1].slot);
                uint64_t plain = ENTRY(rows[level - 1].to, 0), e = plain | 1ul << bit;
                bool good = (always | rows[level - 1].more) >> bit & 1;

                if (address_bit(bit))
                    continue;
                if (before)
                    assert_int_equal(update(at, plain, DOMID_SELF), 0);
                if (before > 1)
                    *slot |= PTE_ACCESSED | PTE_DIRTY;
                was = *slot;
                assert_int_equal(update(at | (before == 2 ? MMU_PT_UPDATE_PRESERVE_AD : 0), e,
                                        DOMID_SELF), good ? 0 : -EINVAL);
                if (good) {
                    assert_int_equal(*slot, (e & ~PTE_G) |
                                                (before == 2 ? PTE_ACCESSED | PTE_DIRTY : 0));
                } else {
                    assert_int_equal(*slot, was);
                    assert_true(about.entry && about.level == level && about.value == e &&
                                about.frame == rows[level - 1].table &&
                                about.slot == rows[level - 1].slot);
                }
                assert_int_equal(update(at, before == 3 ? plain & ~PTE_PRESENT : 0, DOMID_SELF), 0);
                assert_int_equal(update(at, 0, DOMID_SELF), 0);
            }
}

/* U is set for the guest, wherever an entry comes from. */
static void each_entry_is_for_ring_3(void **state)
{
    static const struct { unsigned int table, slot, to; } rows[] = {
        { SPARE_L1, 0, DATA }, { L2, 0, SPARE_L1 }, { L3, 0, SPARE_L2 }, { L4, 255, SPARE_L3 },
    };

    for (unsigned int i = 0; i < 4; i++)
        for (unsigned int again_ = 0; again_ < 2; again_++) {
            uint64_t e = ENTRY(rows[i].to, again_ ? PTE_ACCESSED : 0);

            assert_int_equal(update(SLOT(rows[i].table, rows[i].slot), e & ~PTE_USER, DOMID_SELF),
                             0);
            assert_int_equal(table(rows[i].table)[rows[i].slot], e);
        }
}

/* What is not there may have any bits, and holds nothing; what is refused is told as it came. */
static void absent_and_refused_ones(void **state)
{
    static const unsigned int tables[] = { SPARE_L1, SPARE_L2, SPARE_L3, L4 };

    for (unsigned int level = 1; level <= 4; level++) {
        uint64_t at = SLOT(tables[level - 1], 300);
        uint64_t absent = ENTRY(DATA, ~0xffful | 0xffe) ^ PTE_PRESENT;
        uint64_t wrong = (uint64_t)OTHERS(0) << 12 | PTE_PRESENT | PTE_WRITE |
                         (level == 1 ? PTE_G : 0);

        assert_int_equal(update(at, absent & ~PTE_PRESENT, DOMID_SELF), 0);
        assert_int_equal(table(tables[level - 1])[300], absent & ~PTE_PRESENT);
        assert_int_equal(update(at, wrong, DOMID_SELF), -EINVAL);
        assert_true(about.value == wrong && about.level == level);
        assert_int_equal(update(at, (uint64_t)DATA << 12 | PTE_WRITE, DOMID_SELF), 0);
        assert_int_equal(update(at, (uint64_t)DATA << 12 | PTE_WRITE | PTE_PS, DOMID_SELF), 0);
        assert_int_equal(table(tables[level - 1])[300], (uint64_t)DATA << 12 | PTE_WRITE | PTE_PS);
        assert_int_equal(update(at, 0, DOMID_SELF), 0);
    }
}

static void what_an_entry_may_name(void **state)
{
    static const struct { unsigned int at, flags, domid, to; int guests, dom0s; } rows[] = {
        { 1, PTE_WRITE, DOMID_SELF, 0, 0, 0 },
        { 1, PTE_WRITE | PTE_PCD, DOMID_SELF, 0, -EINVAL, -EINVAL },
        { 1, PTE_WRITE | PTE_PWT, DOMID_SELF, 0, -EINVAL, -EINVAL },
        { 1, 0, DOMID_SELF, OTHERS(1), -EINVAL, -EINVAL },
        { 1, PTE_WRITE, DOMID_SELF, OTHERS(1), -EINVAL, -EINVAL },
        { 1, 0, 6, OTHERS(1), -EPERM, 0 },
        { 1, PTE_WRITE, 6, OTHERS(1), -EPERM, 0 },
        { 1, PTE_WRITE, 6, DEVICE(1), -EPERM, -EINVAL },
        { 1, PTE_WRITE, DOMID_SELF, DEVICE(1), -EINVAL, 0 },
        { 1, PTE_WRITE, DOMID_IO, DEVICE(1), -EPERM, 0 },
        { 1, PTE_WRITE | PTE_PCD | PTE_PWT | PTE_G, DOMID_SELF, DEVICE(1), -EINVAL, 0 },
        { 1, PTE_PCD, DOMID_SELF, DEVICE(1), -EINVAL, 0 },
        { 1, PTE_PCD, DOMID_IO, NO_RAM(0), -EPERM, 0 },
        { 1, PTE_PS, DOMID_IO, NO_RAM(0), -EPERM, -EINVAL },
        { 1, PTE_PCD, DOMID_SELF, DEVICE(2), -EINVAL, -EINVAL },    /* the hypervisor's */
        { 1, PTE_WRITE, DOMID_SELF, NOBODYS, -EINVAL, -EINVAL },
        { 1, 0, DOMID_SELF, NOBODYS, -EINVAL, -EINVAL },
        { 2, 0, DOMID_SELF, OTHERS(1), -EINVAL, -EINVAL },
        { 2, 0, DOMID_SELF, NO_RAM(0), -EINVAL, -EINVAL },
        { 2, 0, DOMID_SELF, DEVICE(0), -EINVAL, -EINVAL },
        { 2, 0, DOMID_SELF, 1, -EINVAL, -EINVAL },                  /* a table of level 2 */
    };

    mfn_reserve(MFN(DEVICE(2)));
    mfn_reserve(MFN(DEVICE(2)));
    for (unsigned int who = 0; who < 2; who++)
        for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
            unsigned int mine = who ? DOM0S(0) : CODE(40);
            unsigned int to = rows[i].to == 0 ? mine + 3 : rows[i].to == 1 ? mine + 1 : rows[i].to;

            run_as(who ? &dom0_ : &guest);
            if (i == 0) {
                assert_int_equal(EXT(PIN_L1_TABLE, .arg1.mfn = mine), 0);
                assert_int_equal(EXT(PIN_L2_TABLE, .arg1.mfn = mine + 1), 0);
            }
            assert_int_equal(update(SLOT(mine - 1 + rows[i].at, 5), ENTRY(to, rows[i].flags),
                                    rows[i].domid), who ? rows[i].dom0s : rows[i].guests);
            assert_int_equal(update(SLOT(mine - 1 + rows[i].at, 5), 0, DOMID_SELF), 0);
        }
}

/* Which CPUs let an absent entry read RAM, and which bits of an address they have. */
static void cpus_and_absent_entries(void **state)
{
    static const struct {
        uint32_t vendor, leaves, features;
        bool msr;
        uint64_t value;
        bool warned;
    } rows[] = {
        { 0x68747541, 7, ~0u, true, 0, false }, /* first: not Intel's, and nothing was noted yet */
        { 0x756e6547, 7, 1u << 29, true, 1, false }, { 0x756e6547, 8, ~0u, true, 3, false },
        { 0x756e6547, 7, 1u << 29, true, 2, true },  { 0x756e6547, 7, 1u << 29, false, 1, true },
        { 0x756e6547, 7, 0, true, 1, true },         { 0x756e6547, 6, ~0u, true, 1, true },
        { 0x756e6547, 7, ~(1u << 29), true, 1, true },
    };
    static const uint64_t absent[] = { ENTRY(DATA, 0) & ~PTE_PRESENT,
                                       ENTRY(OTHERS(0), 0) & ~PTE_PRESENT, PTE_USER,
                                       ENTRY(NO_RAM(0), 0) & ~PTE_PRESENT,
                                       1ul << 41 | (ENTRY(DATA, 0) ^ PTE_PRESENT) };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        bool unsafe = rows[i].warned;
        const int error = unsafe ? -EINVAL : 0;

        leaf0 = (struct cpuid_regs){ .a = rows[i].leaves, .b = rows[i].vendor };
        leaf7.d = rows[i].features;
        has_capabilities = rows[i].msr;
        capabilities = rows[i].value;
        warnings = 0;
        entry_init();
        assert_int_equal(warnings, unsafe);
        for (unsigned int j = 0; j < ARRAY_SIZE(absent); j++) {
            bool ram = j < 2 || j == 4;         /* a CPU with 41 bits does not see the 42nd */

            assert_int_equal(update(SLOT(SPARE_L1, 7), absent[j], DOMID_SELF), ram ? error : 0);
            assert_int_equal(update(SLOT(SPARE_L1, 7), 0, DOMID_SELF), 0);
        }
        /* of an upper level it may be a large page: RAM begins in it */
        assert_int_equal(update(SLOT(SPARE_L2, 7), PTE_PS, DOMID_SELF), error);
        assert_int_equal(update(SLOT(SPARE_L2, 7), ENTRY(512, 0) & ~PTE_PRESENT, DOMID_SELF), 0);
        assert_int_equal(update(SLOT(SPARE_L3, 7), ENTRY(512, 0) & ~PTE_PRESENT, DOMID_SELF),
                         error);
        run_as(&dom0_);
        assert_int_equal(mmu_pin(&dom0_.memory, MFN(DOM0S(i)), FRAME_L1), 0);
        assert_int_equal(update(SLOT(DOM0S(i), 7), ENTRY(DATA, 0) & ~PTE_PRESENT, DOMID_SELF), 0);
        /* no device behind the CPU's last address */
        assert_int_equal(update(SLOT(DOM0S(i), 8), ENTRY(1 << 28, PTE_PCD), DOMID_SELF), 0);
        assert_int_equal(update(SLOT(DOM0S(i), 8), ENTRY(1 << 28, PTE_PCD) | 1ul << 52, DOMID_SELF),
                         0);
        assert_int_equal(update(SLOT(DOM0S(i), 8), ENTRY((1 << 29) - 1, PTE_PCD), DOMID_SELF), 0);
        assert_int_equal(update(SLOT(DOM0S(i), 9), ENTRY(1 << 29, PTE_PCD), DOMID_SELF), -EINVAL);
        run_as(&guest);
    }
}

/* An entry is exchanged for another, if it is what one saw. */
static void entries_that_are_compared(void **state)
{
    static const struct {
        uint64_t expected, new, there;
        int error;
    } rows[] = {
        { ENTRY(DATA, PTE_WRITE), ENTRY(DATA, PTE_WRITE | PTE_ACCESSED),
          ENTRY(DATA, PTE_WRITE), 0 },
        { ENTRY(DATA, PTE_WRITE), ENTRY(DATA, PTE_WRITE | PTE_G), ENTRY(DATA, PTE_WRITE), 0 },
        { ENTRY(DATA, PTE_WRITE), ENTRY(DATA, PTE_WRITE) & ~PTE_USER, ENTRY(DATA, PTE_WRITE), 0 },
        { ENTRY(DATA, PTE_WRITE), ENTRY(DATA, PTE_WRITE | PTE_PS),
          ENTRY(DATA, PTE_WRITE), -EINVAL },
        { ENTRY(DATA, PTE_WRITE), ENTRY(DATA, PTE_WRITE | PTE_PCD),
          ENTRY(DATA, PTE_WRITE), -EINVAL },
        { ENTRY(DATA, PTE_WRITE), ENTRY(DATA, 0), ENTRY(DATA, PTE_WRITE), 0 },
        { ENTRY(DATA, PTE_WRITE), ENTRY(READ, PTE_WRITE), ENTRY(DATA, PTE_WRITE), 0 },
        { ENTRY(DATA, PTE_WRITE), ENTRY(OTHERS(0), PTE_WRITE), ENTRY(DATA, PTE_WRITE), -EINVAL },
        { ENTRY(DATA, PTE_WRITE), 0, ENTRY(DATA, PTE_WRITE), 0 },
        { 0, ENTRY(READ, PTE_WRITE), 0, 0 },
        { ENTRY(DATA, PTE_WRITE), ENTRY(DATA, PTE_WRITE | PTE_DIRTY),
          ENTRY(DATA, PTE_WRITE | PTE_ACCESSED), -EAGAIN },
        { ENTRY(DATA, PTE_WRITE), ENTRY(READ, PTE_WRITE), ENTRY(DATA, 0), -EAGAIN },
        { ENTRY(DATA, PTE_WRITE), 0, ENTRY(READ, 0), -EAGAIN },
        { 0, ENTRY(DATA, PTE_WRITE), ENTRY(READ, 0), -EAGAIN },
    };
    struct walk w = { &guest.memory, &guest.memory };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t *slot = &table(SPARE_L1)[9], seen = 0;
        int error;

        assert_int_equal(update(SLOT(SPARE_L1, 9), rows[i].there, DOMID_SELF), 0);
        error = entry_compare_update(&w, slot, rows[i].expected, rows[i].new, &seen);
        assert_int_equal(error, rows[i].error);
        if (error == -EAGAIN)
            assert_int_equal(seen, rows[i].there);
        assert_int_equal(*slot, error ? rows[i].there
                                : rows[i].new ? (rows[i].new | PTE_USER) & ~PTE_G : 0);
        all_is_well();
    }
}

static void requests_that_are_refused(void **state)
{
    static const struct { uint64_t ptr, value; unsigned int domid; int error; } rows[] = {
        { SLOT(L1, 5) | 4, 0, DOMID_SELF, -EINVAL },
        { SLOT(L4, 256), 0, DOMID_SELF, -EINVAL },
        { SLOT(L4, 271), 0, DOMID_SELF, -EINVAL },
        { SLOT(L4, 255), 0, DOMID_SELF, 0 },
        { SLOT(L4, 272), 0, DOMID_SELF, 0 },
        { SLOT(L3, 256), 0, DOMID_SELF, 0 },
        { SLOT(OTHERS(0), 0), 5, DOMID_SELF, -EINVAL },
        { SLOT(DEVICE(0), 0), 5, DOMID_SELF, -EINVAL },
        { SLOT(NO_RAM(0), 0), 5, DOMID_SELF, -EINVAL },
        { SLOT(READ, 9), 5, DOMID_SELF, 0 },                        /* a plain store */
        { SLOT(READ, 9) | MMU_PT_UPDATE_PRESERVE_AD, 6, DOMID_SELF, 0 },
        { SLOT(READ, 9) | MMU_PT_UPDATE_NO_TRANSLATE, 7, DOMID_SELF, 0 },
        { SLOT(CODE(9), 0) | MMU_MACHPHYS_UPDATE, 99, DOMID_SELF, 0 },
        { SLOT(OTHERS(0), 0) | MMU_MACHPHYS_UPDATE, 99, DOMID_SELF, -EINVAL },
        { SLOT(NO_RAM(0), 0) | MMU_MACHPHYS_UPDATE, 99, DOMID_SELF, -EINVAL },
        { SLOT(L1, 5), 0, 5, -ESRCH },                              /* its own number */
        { SLOT(L1, 5), 0, 6, -EPERM },
        { SLOT(L1, 5), 0, DOMID_IO, -EPERM },
        { SLOT(L1, 5), 0, 6 << 16 | DOMID_SELF, 0 },                /* itself, by its number */
        { SLOT(L1, 5), 0, 7 << 16 | DOMID_SELF, -EPERM },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(update(rows[i].ptr, rows[i].value, rows[i].domid), rows[i].error);
        if (rows[i].error == -EINVAL && rows[i].ptr & 5)
            assert_int_equal(about.value, rows[i].ptr);
        else if (rows[i].error == -EINVAL && rows[i].ptr >> 12 != L4)
            assert_true(about.entry && about.level == 0 && about.value == rows[i].value);
    }
    assert_int_equal(table(READ)[9], 7);
    assert_int_equal(m2p[CODE(9)], 99);
    assert_int_equal(m2p[OTHERS(0)], ~0ul);
    frame(CODE(30))->state += 1ul << 27 | 1 | (uint64_t)FRAME_SEGDESC << FRAME_TYPE_SHIFT |
                              FRAME_VALID;              /* descriptors: no plain store */
    list[0] = (struct mmu_update){ SLOT(CODE(30), 0), 1 };
    assert_int_equal(do_mmu_update((unsigned long)list, 1, 0, DOMID_SELF), -EINVAL);
    assert_int_equal(table(CODE(30))[0], 0);
}

/* Whose tables, whose frames. */
static void of_other_domains(void **state)
{
    static const struct { unsigned int domid; int error; } rows[] = {
        { DOMID_SELF, 0 }, { 5, 0 }, { 6, 0 }, { DOMID_IO, 0 }, { DOMID_XEN, 0 }, { 0, -ESRCH },
        { 7, -ESRCH }, { DOMID_IDLE, -ESRCH }, { 6 << 16 | DOMID_SELF, 0 }, { 6 << 16 | 5, 0 },
        { 8 << 16 | DOMID_SELF, -ESRCH }, { 1 << 16 | DOMID_SELF, 0 }, { 6 << 16 | 7, -ESRCH },
        { 8 << 16 | 6, -ESRCH }, { (DOMID_IO + 1u) << 16 | 6, -EINVAL },
        { (DOMID_XEN + 1u) << 16 | 6, -EINVAL }, { (DOMID_XEN + 1u) << 16 | DOMID_IO, -EINVAL },
    };

    run_as(&dom0_);
    for (unsigned int dying = 0; dying < 2; dying++) {
        other.life = (other.memory.closed = dying) ? DOMAIN_DYING : DOMAIN_ALIVE;
        for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
            bool names_it = (rows[i].domid & 0xffff) == 6;
            struct walk w;

            assert_int_equal(foreign_begin(&w, rows[i].domid),
                             dying && names_it ? -ESRCH : rows[i].error);
            if (!rows[i].error && !(dying && names_it))
                foreign_end(&w);
            assert_int_equal(domain_refs, 0);
        }
    }
    other.life = DOMAIN_ALIVE;
    other.memory.closed = false;
    /* the guest's table gets a frame of the other's: only if that is what is named */
    assert_int_equal(update(SLOT(L1, 9), ENTRY(OTHERS(2), 0), 6 << 16 | DOMID_SELF), -EINVAL);
    assert_int_equal(update(SLOT(L1, 9), ENTRY(OTHERS(2), 0), 6 << 16 | 6), 0);
    assert_int_equal(update(SLOT(L1, 9), ENTRY(READ, 0), 6 << 16 | 6), -EINVAL);
    assert_int_equal(update(SLOT(L1, 9), ENTRY(READ, 0), 6 << 16 | 5), 0);
    /* what is there already may change its bits, whoever's it is */
    run_as(&guest);
    assert_int_equal(update(SLOT(L1, 9), ENTRY(READ, PTE_ACCESSED), DOMID_SELF), 0);
    run_as(&dom0_);
    assert_int_equal(update(SLOT(L1, 9), ENTRY(OTHERS(2), 0), 6 << 16 | 6), 0);
    run_as(&guest);
    assert_int_equal(update(SLOT(L1, 9), ENTRY(OTHERS(2), PTE_ACCESSED | PTE_G), DOMID_SELF), 0);
    assert_int_equal(table(L1)[9], ENTRY(OTHERS(2), PTE_ACCESSED));
    assert_int_equal(update(SLOT(L1, 9), ENTRY(OTHERS(2), PTE_WRITE), DOMID_SELF), -EINVAL);
    run_as(&dom0_);
    /* a type that its frames' owner is about to lose is waited for: done before */
    assert_int_equal(mmu_pin(&other.memory, MFN(OTHERS(3)), FRAME_L1), 0);
    assert_int_equal(mmu_unpin(&other.memory, MFN(OTHERS(3))), 0);
    assert_false(list_empty(&other.memory.undoing));
    assert_int_equal(update(SLOT(L1, 9), ENTRY(OTHERS(3), PTE_WRITE), 6 << 16 | 6), 0);
}

/* --- lists --- */

static void lists_that_cannot_be_read_to_the_end(void **state)
{
    for (unsigned int readable = 0; readable < 40; readable++) {
        struct mmu_update *from = (struct mmu_update *)(UNREADABLE_FROM - readable * sizeof(*from));

        memset(table(SPARE_L1), 0, 4096);
        for (unsigned int i = 0; i < readable; i++)
            from[i] = (struct mmu_update){ SLOT(SPARE_L1, i), 1000 + 2 * i };
        *done = 77;
        assert_int_equal(do_mmu_update((unsigned long)from, 50, (unsigned long)done, DOMID_SELF),
                         -EFAULT);
        assert_int_equal(*done, readable);
        for (unsigned int i = 0; i < 50; i++)
            assert_int_equal(table(SPARE_L1)[i], i < readable ? 1000 + 2 * i : 0);
        all_is_well();
    }
    /* where the count goes, too */
    assert_int_equal(do_mmu_update((unsigned long)list, 0, (unsigned long)nowhere, DOMID_SELF),
                     -EFAULT);
    assert_int_equal(do_mmu_update((unsigned long)list, 1u << 31, (unsigned long)nowhere,
                                   DOMID_SELF), -EFAULT);
    assert_int_equal(do_mmu_update((unsigned long)list, 0, 0, DOMID_SELF), 0);
    assert_int_equal(do_mmuext_op((unsigned long)nowhere, 1, (unsigned long)done, DOMID_SELF),
                     -EFAULT);
    assert_int_equal(do_mmuext_op((unsigned long)page, 0, (unsigned long)nowhere, DOMID_SELF),
                     -EFAULT);
    assert_int_equal(do_mmuext_op((unsigned long)page, 1u << 31, (unsigned long)nowhere,
                                  DOMID_SELF),
                     -EFAULT);
}

typedef long call(uint64_t list, unsigned int count, uint64_t done, unsigned int domid);

/* Until it has an answer, with so much for each time; how often it went on. */
static long to_the_end(call *f, unsigned int op, int budget, unsigned long a, unsigned int b,
                       unsigned long c, unsigned int d, unsigned int *times)
{
    uint64_t left = b;

    for (*times = 0; ; ++*times) {
        long result;

        memset(&again, 0, sizeof(again));
        cpu.budget = budget;
        result = f(a, b, c, d);
        cpu.budget = 1 << 30;
        all_is_well();
        if (result != -ERESTART || !again.op) return result;
        assert_true(again.op == op && again.argument[2] == c);
        assert_true(again.count < 4 || again.argument[3] == d);
        if (again.count == 4 && op != __HYPERVISOR_update_va_mapping_otherdomain) {
            assert_true(again.argument[1] & 1u << 31);
            assert_true((again.argument[1] & ~(1u << 31)) <= left);
            left = again.argument[1] & ~(1u << 31);
        }
        a = again.argument[0];
        b = (unsigned int)again.argument[1];
        assert_in_range(*times, 0, 3000);
    }
}

/* However little each stay in ring 0 does, in the end all is done, and counted. */
static void lists_go_on_where_they_stopped(void **state)
{
    static const struct { int budget; unsigned int least, most; } rows[] = {
        { 1 << 30, 0, 0 }, { 1, 69, 71 }, { COST_TYPE, 69, 71 }, { COST_TYPE + 1, 34, 36 },
        { 40 * COST_TYPE, 1, 2 }, { 70 * COST_TYPE + 1, 0, 0 },
    };
    unsigned int times;

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        for (unsigned int n = 0; n < 70; n++)
            list[n] = (struct mmu_update){ SLOT(SPARE_L1, n), ENTRY(DATA, (n & 1) * PTE_WRITE) };
        memset(page + 300, 0, 200 * 8);
        assert_int_equal(to_the_end(do_mmu_update, __HYPERVISOR_mmu_update, rows[i].budget,
                                    (unsigned long)list, 70, (unsigned long)done, DOMID_SELF,
                                    &times), 0);
        assert_in_range(times, rows[i].least, rows[i].most);
        assert_int_equal(*done, 70);
        for (unsigned int n = 0; n < 70; n++) {
            assert_int_equal(table(SPARE_L1)[n], ENTRY(DATA, (n & 1) * PTE_WRITE));
            list[n] = (struct mmu_update){ SLOT(SPARE_L1, n), 0 };
        }
        assert_int_equal(do_mmu_update((unsigned long)list, 70, 0, DOMID_SELF), 0);
    }
}

/* The same frame costs less than one whose type changes. */
static void what_an_update_costs(void **state)
{
    static const struct { uint64_t e; int price; } rows[] = {
        { ENTRY(DATA, PTE_WRITE), COST_TYPE }, { ENTRY(DATA, PTE_WRITE | PTE_ACCESSED), COST_TYPE },
        { ENTRY(CODE(45), PTE_WRITE), 2 * COST_TYPE }, { ENTRY(READ, 0), COST_TYPE },
        { 0, COST_TYPE },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        cpu.budget = 5000;
        assert_int_equal(update(SLOT(SPARE_L1, 3), rows[i].e, DOMID_SELF), 0);
        assert_int_equal(5000 - cpu.budget, rows[i].price);
    }
}

/* Accessed and dirty stay where that is asked for, and nowhere else. */
static void what_is_preserved(void **state)
{
    static const struct { unsigned int how; uint64_t kept; } rows[] = {
        { 0, 0 }, { 2, PTE_ACCESSED | PTE_DIRTY }, { 3, 0 },
    };
    uint64_t at = SLOT(SPARE_L1, 3), used = PTE_WRITE | PTE_ACCESSED | PTE_DIRTY;

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(update(at, ENTRY(DATA, used), DOMID_SELF), 0);
        assert_int_equal(update(at | rows[i].how, ENTRY(DATA, PTE_WRITE), DOMID_SELF), 0);
        assert_int_equal(table(SPARE_L1)[3], ENTRY(DATA, PTE_WRITE | rows[i].kept));
    }
}

/* A page of entries is looked at 32 at a time, and paid for by their number. */
static void a_table_is_validated_in_steps(void **state)
{
    struct walk w = { &guest.memory, &guest.memory };
    unsigned int steps = 0;
    int costs[2];

    for (unsigned int i = 0; i < 512; i++)
        table(CODE(31))[i] = ENTRY(DATA, 0);
    spin_lock(&guest.memory.pagetable_lock);
    for (;;) {
        cpu.budget = 1;
        if (table_get(&w, MFN(CODE(31)), FRAME_L1) == 0)
            break;
        steps++;
        assert_int_equal(frame(CODE(31))->cursor, 32 * steps);
        assert_int_equal(cpu.budget, 1 - 40 * COST_ENTRY);
    }
    assert_int_equal(steps, 15);
    frame_put_type(MFN(CODE(31)));
    spin_unlock(&guest.memory.pagetable_lock);
    for (steps = 1; ; steps++) {                /* and undone, one by one */
        cpu.budget = 1;
        if (mmu_undo(&guest.memory) == 0)
            break;
        assert_int_equal(frame(CODE(31))->cursor, 512 - steps);
        assert_int_equal(cpu.budget, 1 - COST_ENTRY);
    }
    assert_int_equal(steps, 512);
    assert_int_equal(cpu.budget, 1 - COST_ENTRY - COST_SCAN);
    cpu.budget = 1 << 30;
    all_is_well();
    memset(table(CODE(31)), 0, 4096);
    for (unsigned int i = 0; i < 2; i++) {      /* one whose type changes costs that, and a look */
        table(CODE(31))[0] = ENTRY(i ? CODE(45) : DATA, PTE_WRITE);
        cpu.budget = 100 * COST_TYPE;
        assert_int_equal(mmu_get_table(&guest.memory, MFN(CODE(31)), FRAME_L1), 0);
        costs[i] = 100 * COST_TYPE - cpu.budget;
        mmu_put_table(MFN(CODE(31)));
        assert_int_equal(mmu_undo(&guest.memory), 0);
    }
    assert_int_equal(costs[1] - costs[0], COST_TYPE + COST_ENTRY);
    memset(table(CODE(31)), 0, 4096);
    /* an upper one: each of a group of eight with something in it */
    table(CODE(31))[0] = ENTRY(SPARE_L1, 0);
    table(CODE(31))[511] = ENTRY(SPARE_L1, 0);
    cpu.budget = 40 * COST_TYPE;
    assert_int_equal(mmu_get_table(&guest.memory, MFN(CODE(31)), FRAME_L2), 0);
    assert_int_equal(cpu.budget, 24 * COST_TYPE - COST_SCAN);
    mmu_put_table(MFN(CODE(31)));
    assert_int_equal(mmu_undo(&guest.memory), 0);
    assert_int_equal(cpu.budget, 24 * COST_TYPE - 16 * COST_CHILD - 2 * COST_SCAN);
    cpu.budget = 1 << 30;
    all_is_well();
}

/* One entry that is not allowed, wherever it stands: it is told, and all others are let go. */
static void tables_with_a_bad_entry(void **state)
{
    static const unsigned int slots[] = { 0, 1, 31, 32, 255, 272, 511 };
    static const unsigned int good[] = { DATA, SPARE_L1, SPARE_L2, SPARE_L3 };

    for (unsigned int level = 1; level <= 4; level++)
        for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++) {
            for (unsigned int n = 0; n < 512; n++)
                table(CODE(31))[n] = level == 4 && n >= 256 && n < 272 ? 0xbad
                                                                       : ENTRY(good[level - 1], 0);
            uint64_t bad = i & 1 ? PTE_MFN_MASK | PTE_PRESENT       /* no such frame */
                                 : ENTRY(OTHERS(0), PTE_ACCESSED);
            table(CODE(31))[slots[i]] = bad;
            memset(&about, 0, sizeof(about));
            assert_int_equal(mmu_pin(&guest.memory, MFN(CODE(31)), level), -EINVAL);
            assert_true(about.entry && about.level == level && about.slot == slots[i]);
            assert_true(about.frame == CODE(31) && about.value == bad);
            all_is_well();
            assert_int_equal(mmu_undo(&guest.memory), 0);
            all_is_well();
            assert_int_equal(frame_typed(frame(CODE(31))), 0);
            table(CODE(31))[slots[i]] = 0;
            assert_int_equal(mmu_pin(&guest.memory, MFN(CODE(31)), level), 0);
            assert_int_equal(mmu_pin(&guest.memory, MFN(CODE(31)), level), -EINVAL);   /* again */
            assert_true(about.frame == CODE(31) && about.level == 0);
            assert_int_equal(mmu_unpin(&guest.memory, MFN(CODE(31))), 0);
            assert_int_equal(mmu_undo(&guest.memory), 0);
            all_is_well();
        }
}

/* A table that goes is undone, and one that comes is looked at, a little each time. */
static void big_tables_come_and_go_in_steps(void **state)
{
    for (int budget = 1; budget < 4000; budget = budget * 3 + 100) {
        struct mmuext_op *op = (struct mmuext_op *)page;
        unsigned int times;

        for (unsigned int i = 0; i < 512; i += 1 + i % 3) {
            table(CODE(31))[i] = ENTRY(DATA, i & 1 ? PTE_WRITE : 0);
            table(CODE(32))[i] = ENTRY(CODE(31), 0);
            table(CODE(33))[i] = ENTRY(CODE(32), PTE_ACCESSED);
            if (i < 256 || i > 271)
                table(CODE(34))[i] = ENTRY(CODE(33), 0);
        }
        op[0] = (struct mmuext_op){ .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = CODE(34) };
        op[1] = (struct mmuext_op){ .cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = CODE(34) };
        *done = 0;
        assert_int_equal(to_the_end(do_mmuext_op, __HYPERVISOR_mmuext_op, budget,
                                    (unsigned long)op, 1, (unsigned long)done, DOMID_SELF, &times),
                         0);
        assert_int_equal(*done, 1);
        assert_in_range(times, 1400 * COST_TYPE / (budget + 8 * 600), 3000);
        assert_int_equal(frame_typed(frame(CODE(33))), 331);
        assert_int_equal(table(CODE(34))[270], hv_l4[270]);
        *done = 0;
        assert_int_equal(to_the_end(do_mmuext_op, __HYPERVISOR_mmuext_op, budget,
                                    (unsigned long)(op + 1), 1, (unsigned long)done, DOMID_SELF,
                                    &times), 0);
        assert_int_equal(*done, 1);
        assert_true(list_empty(&guest.memory.undoing));
        for (unsigned int i = 31; i < 35; i++)
            assert_int_equal(frame_typed(frame(CODE(i))), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_bit_at_each_level, with_tables),
        cmocka_unit_test_setup(each_entry_is_for_ring_3, with_tables),
        cmocka_unit_test_setup(absent_and_refused_ones, with_tables),
        cmocka_unit_test_setup(what_an_entry_may_name, with_tables),
        cmocka_unit_test_setup(cpus_and_absent_entries, with_tables),
        cmocka_unit_test_setup(entries_that_are_compared, with_tables),
        cmocka_unit_test_setup(requests_that_are_refused, with_tables),
        cmocka_unit_test_setup(of_other_domains, with_tables),
        cmocka_unit_test_setup(lists_that_cannot_be_read_to_the_end, with_tables),
        cmocka_unit_test_setup(lists_go_on_where_they_stopped, with_tables),
        cmocka_unit_test_setup(what_an_update_costs, with_tables),
        cmocka_unit_test_setup(what_is_preserved, with_tables),
        cmocka_unit_test_setup(a_table_is_validated_in_steps, with_tables),
        cmocka_unit_test_setup(tables_with_a_bad_entry, with_tables),
        cmocka_unit_test_setup(big_tables_come_and_go_in_steps, with_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
