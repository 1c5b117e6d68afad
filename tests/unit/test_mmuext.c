/* SPDX-License-Identifier: MIT */
/*
 * mmuext_op, update_va_mapping, mappings of grants and frames that are shared or given up, on a
 * small machine on the host: what each operation does and to whom, each refusal with nothing
 * changed, which translations are flushed, and what is paid for. After each the auditor finds the
 * books right and nothing locked.
 */
#include <signal.h>
#include <ucontext.h>
#include "tests/unit/memory_host.h"

enum { L4 = CODE(0), L3, L2, L1, DATA, READ, USER, EMPTY, BARE };
#define VA(l3, l2, l1) ((uint64_t)(l3) << 30 | (uint64_t)(l2) << 21 | (uint64_t)(l1) << 12)
#define HERE VA(3, 2, 1)

static uint32_t *const done = (uint32_t *)(page + 400);

static long ext(unsigned int cmd, uint64_t one, uint64_t two, unsigned int domid)
{
    struct mmuext_op *op = (struct mmuext_op *)page;
    long result;

    *op = (struct mmuext_op){ .cmd = cmd, .arg1.mfn = one };
    op->arg2.src_mfn = two;
    *done = 77;
    memset(&about, 0, sizeof(about));
    result = do_mmuext_op((unsigned long)page, 1, (unsigned long)done, domid);
    if (*done != 77)
        assert_int_equal(*done, result == 0);
    return result;
}

static int with_tables(void **state)
{
    set_up(state);
    entry_init();
    table(L4)[0] = ENTRY(L3, 0);
    table(L3)[3] = ENTRY(L2, 0);
    table(L2)[2] = ENTRY(L1, 0);
    table(L1)[1] = ENTRY(DATA, PTE_WRITE);
    assert_int_equal(mmu_get_table(&guest.memory, MFN(L4), FRAME_L4), 0);
    vcpu[0].tables.kernel_cr3 = (uint64_t)L4 << 12;
    all_is_well();
    return 0;
}

#define TABLES (&vcpu[0].tables)

/* --- mmuext_op --- */

static void operations_that_are_refused(void **state)
{
    static const struct {
        unsigned int cmd, domid;
        bool dom0s;
        uint64_t one, two;
        int error;
    } rows[] = {
        { 21, DOMID_SELF, false, 0, 0, -ENOSYS }, { 14, DOMID_SELF, false, 0, 0, -ENOSYS },
        { ~0u, DOMID_SELF, false, 0, 0, -ENOSYS },
        { MMUEXT_MARK_SUPER, DOMID_SELF, false, 0, 0, -EOPNOTSUPP },
        { MMUEXT_UNMARK_SUPER, DOMID_SELF, false, 0, 0, -EOPNOTSUPP },
        { MMUEXT_FLUSH_CACHE, DOMID_SELF, false, 0, 0, -EACCES },
        { MMUEXT_FLUSH_CACHE_GLOBAL, DOMID_SELF, false, 0, 0, -EACCES },
        { MMUEXT_CLEAR_PAGE, 6, false, OTHERS(0), 0, -EPERM },
        { MMUEXT_CLEAR_PAGE, 6, true, OTHERS(0), 0, 0 },
        { MMUEXT_CLEAR_PAGE, 6, true, DOM0S(0), 0, -EINVAL },
        { MMUEXT_CLEAR_PAGE, DOMID_IO, true, DEVICE(0), 0, -EPERM },
        { MMUEXT_CLEAR_PAGE, DOMID_XEN, true, DEVICE(0), 0, -EPERM },
        { MMUEXT_PIN_L1_TABLE, 6, true, OTHERS(1), 0, 0 },
        { MMUEXT_UNPIN_TABLE, 6, true, OTHERS(1), 0, 0 },
        { MMUEXT_UNPIN_TABLE, 6, true, OTHERS(1), 0, -EINVAL },
        { MMUEXT_PIN_L1_TABLE, DOMID_IO, true, DEVICE(0), 0, -EPERM },
        { MMUEXT_TLB_FLUSH_ALL, 6, true, 0, 0, -EPERM },
        { MMUEXT_NEW_BASEPTR, 6, true, OTHERS(2), 0, -EPERM },
        { MMUEXT_SET_LDT, 6, true, 0, 0, -EPERM },
        { MMUEXT_TLB_FLUSH_ALL, 7, true, 0, 0, -ESRCH },
        { MMUEXT_CLEAR_PAGE, DOMID_SELF, false, L1, 0, -EINVAL },
        { MMUEXT_CLEAR_PAGE, DOMID_SELF, false, NO_RAM(0), 0, -EINVAL },
        { MMUEXT_COPY_PAGE, DOMID_SELF, false, L1, DATA, -EINVAL },
        { MMUEXT_COPY_PAGE, DOMID_SELF, false, READ, OTHERS(0), -EINVAL },
        { MMUEXT_COPY_PAGE, DOMID_SELF, false, READ, L1, 0 },
        { MMUEXT_NEW_BASEPTR, DOMID_SELF, false, L3, 0, -EINVAL },
        { MMUEXT_NEW_BASEPTR, DOMID_SELF, false, NO_RAM(0), 0, -EINVAL },
        { MMUEXT_NEW_USER_BASEPTR, DOMID_SELF, false, L3, 0, -EINVAL },
        { MMUEXT_PIN_L4_TABLE, DOMID_SELF, false, L3, 0, -EINVAL },
        { MMUEXT_PIN_L1_TABLE, DOMID_SELF, false, OTHERS(0), 0, -EINVAL },
        { MMUEXT_PIN_L1_TABLE, DOMID_SELF, false, DATA, 0, -EINVAL },
        { MMUEXT_UNPIN_TABLE, DOMID_SELF, false, L4, 0, -EINVAL },
        { MMUEXT_UNPIN_TABLE, DOMID_SELF, false, OTHERS(0), 0, -EINVAL },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        run_as(rows[i].dom0s ? &dom0_ : &guest);
        assert_int_equal(ext(rows[i].cmd, rows[i].one, rows[i].two, rows[i].domid), rows[i].error);
        if (rows[i].error == -ENOSYS)
            assert_int_equal(about.value, rows[i].cmd);
        assert_true(vcpu[0].tables.kernel_cr3 == L4 << 12 && loads == 0);
        assert_true(flushes == 0 && page_flushes == 0 && ldt.entries == 0);
        all_is_well();
    }
}

/* The instruction that empties the caches, which a test may not execute. */
static unsigned int wbinvds;

static void ring0_instruction(int number, siginfo_t *info, void *context)
{
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

    if (memcmp((void *)*rip, "\x0f\x09", 2))
        abort();
    wbinvds++;
    *rip += 2;
}

static void caches(void **state)
{
    struct sigaction ours = { .sa_sigaction = ring0_instruction, .sa_flags = SA_SIGINFO }, before;

    assert_int_equal(sigaction(SIGSEGV, &ours, &before), 0);
    run_as(&dom0_);
    assert_int_equal(ext(MMUEXT_FLUSH_CACHE, 0, 0, DOMID_SELF), 0);
    assert_int_equal(wbinvds, 1);
    assert_int_equal(ext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0, DOMID_SELF), 0);
    assert_int_equal(wbinvds, 2);
    assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
}

static void pins(void **state)
{
    static const unsigned int level[] = { FRAME_L1, FRAME_L2, FRAME_L3, FRAME_L4 };

    for (unsigned int i = 0; i < 4; i++) {
        assert_int_equal(ext(MMUEXT_PIN_L1_TABLE + i, EMPTY, 0, DOMID_SELF), 0);
        assert_true(frame_type(frame(EMPTY)) == level[i] && frame(EMPTY)->state & FRAME_PINNED);
        assert_true(frame_typed(frame(EMPTY)) == 1 && frame_total(frame(EMPTY)) == 2);
        assert_int_equal(ext(MMUEXT_PIN_L1_TABLE + i, EMPTY, 0, DOMID_SELF), -EINVAL);
        all_is_well();
        assert_int_equal(ext(MMUEXT_UNPIN_TABLE, EMPTY, 0, DOMID_SELF), 0);
        assert_true(frame_typed(frame(EMPTY)) == 0 && frame_total(frame(EMPTY)) == 1);
        all_is_well();
    }
}

static void base_pointers(void **state)
{
    struct vcpu *v = &vcpu[0];

    table(L4)[M2P_SLOT] = 0;
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, L4, 0, DOMID_SELF), 0);
    assert_true(loads == 0 && table(L4)[M2P_SLOT] == 0);
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, EMPTY, 0, DOMID_SELF), 0);
    assert_true(loads == 1 && v->tables.kernel_cr3 == EMPTY << 12);
    assert_int_equal(table(EMPTY)[M2P_SLOT], hv_l4[M2P_SLOT]);
    assert_int_equal(frame_typed(frame(L4)), 0);
    all_is_well();
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, 0, 0, DOMID_SELF), 0);        /* none, still */
    assert_true(v->tables.user_cr3 == 0);
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, USER, 0, DOMID_SELF), 0);
    assert_true(v->tables.user_cr3 == USER << 12);
    assert_int_equal(table(USER)[M2P_SLOT], 0);
    all_is_well();
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, USER, 0, DOMID_SELF), 0);
    assert_int_equal(frame_typed(frame(USER)), 1);
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, L3, 0, DOMID_SELF), 0);       /* empty one, too */
    assert_int_equal(frame_typed(frame(USER)), 0);
    all_is_well();
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, 0, 0, DOMID_SELF), 0);
    assert_true(v->tables.user_cr3 == 0 && loads == 1);
    assert_int_equal(frame_typed(frame(L3)), 0);
    all_is_well();
}

static void what_is_flushed(void **state)
{
    static uint64_t vcpus = 0x55;
    static const struct { unsigned int cmd; bool page, masked; uint64_t mask; } rows[] = {
        { MMUEXT_TLB_FLUSH_LOCAL, false, false, 8 },
        { MMUEXT_INVLPG_LOCAL, true, false, 8 },
        { MMUEXT_TLB_FLUSH_MULTI, false, true, 0x55 },
        { MMUEXT_INVLPG_MULTI, true, true, 0x55 },
        { MMUEXT_TLB_FLUSH_ALL, false, false, ~0ul },
        { MMUEXT_INVLPG_ALL, true, false, ~0ul },
    };
    static const struct { uint64_t flags; int error; bool all, one; uint64_t mask; } vas[] = {
        { UVMF_NONE, 0, false, false, 0 }, { UVMF_LOCAL | UVMF_NONE, 0, false, false, 0 },
        { UVMF_TLB_FLUSH | UVMF_LOCAL, 0, true, false, 8 },
        { UVMF_TLB_FLUSH | UVMF_ALL, 0, true, false, ~0ul },
        { UVMF_INVLPG | UVMF_LOCAL, 0, false, true, 8 },
        { UVMF_INVLPG | UVMF_ALL, 0, false, true, ~0ul },
        { 3, -EINVAL, false, false, 0 }, { 3 | UVMF_ALL, -EINVAL, false, false, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        flushes = page_flushes = 0;
        assert_int_equal(ext(rows[i].cmd, HERE, (uintptr_t)&vcpus, DOMID_SELF), 0);
        assert_true(flushes == !rows[i].page && page_flushes == rows[i].page);
        assert_true(flushed_mask == rows[i].mask && flushed_domain == &guest);
        assert_true(!rows[i].page || flushed_va == HERE);
        flushes = page_flushes = 0;
        assert_int_equal(ext(rows[i].cmd, HERE, UNREADABLE_FROM, DOMID_SELF),
                         rows[i].masked ? -EINVAL : 0);
        assert_int_equal(flushes + page_flushes, !rows[i].masked);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(vas); i++)
        for (unsigned int other_ = 0; other_ < 2; other_++) {
            uint64_t e = ENTRY(READ, i & 1 ? PTE_ACCESSED : PTE_DIRTY);

            flushes = page_flushes = 0;
            assert_int_equal(other_ ? do_update_va_mapping_otherdomain(HERE, e, vas[i].flags,
                                                                       DOMID_SELF)
                                    : do_update_va_mapping(HERE, e, vas[i].flags),
                             vas[i].error);
            assert_true(flushes == vas[i].all && page_flushes == vas[i].one);
            assert_true(!(vas[i].all || vas[i].one) || flushed_mask == vas[i].mask);
            assert_true(!vas[i].one || flushed_va == HERE);
            assert_int_equal(table(L1)[1], e);
            all_is_well();
        }
    flushes = page_flushes = 0;
    assert_int_equal(do_update_va_mapping(HERE, 0, (uintptr_t)&vcpus | UVMF_INVLPG), 0);
    assert_true(page_flushes == 1 && flushed_mask == 0x55);
    assert_int_equal(do_update_va_mapping(HERE, 0, UNREADABLE_FROM | UVMF_INVLPG), -EFAULT);
    assert_int_equal(page_flushes, 1);
}

static void pages_and_the_ldt(void **state)
{
    for (unsigned int i = 0; i < 512; i++)
        table(READ)[i] = i * 3 + 1;
    cpu.budget = 5000;
    assert_int_equal(ext(MMUEXT_COPY_PAGE, DATA, READ, DOMID_SELF), 0);
    assert_int_equal(cpu.budget, 5000 - COST_TYPE - COST_CLEAR);
    assert_memory_equal(table(DATA), table(READ), 4096);
    all_is_well();
    assert_int_equal(ext(MMUEXT_COPY_PAGE, DATA, DATA, DOMID_SELF), 0);
    assert_memory_equal(table(DATA), table(READ), 4096);
    cpu.budget = 5000;
    assert_int_equal(ext(MMUEXT_CLEAR_PAGE, DATA, 0, DOMID_SELF), 0);
    assert_int_equal(cpu.budget, 5000 - COST_TYPE - COST_CLEAR);
    assert_true(table(DATA)[0] == 0 && table(DATA)[511] == 0 && table(READ)[511] == 1534);
    all_is_well();
    assert_int_equal(ext(MMUEXT_SET_LDT, 0x5000, 99, DOMID_SELF), 0);
    assert_true(ldt.base == 0x5000 && ldt.entries == 99 && ldts_loaded == 1);
    ldt_error = -EINVAL;
    assert_int_equal(ext(MMUEXT_SET_LDT, 0x6000, 99, DOMID_SELF), -EINVAL);
    assert_int_equal(ldts_loaded, 1);
    ldt_error = 0;
    ldt.entries = 0;
}

/* A list is done up to a refusal or the end of the budget, which comes behind the first. */
static void lists_of_operations(void **state)
{
    static const struct { int budget; long result; unsigned int made; } rows[] = {
        { 1 << 30, 0, 5 }, { 1, -ERESTART, 1 }, { COST_TYPE + COST_CLEAR, -ERESTART, 1 },
        { COST_TYPE + COST_CLEAR + 1, -ERESTART, 2 }, { 5 * (COST_TYPE + COST_CLEAR), 0, 5 },
    };
    struct mmuext_op *op = (struct mmuext_op *)page;

    for (unsigned int i = 0; i < 5; i++)
        op[i] = (struct mmuext_op){ .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = CODE(20 + i) };
    for (unsigned int before = 0; before < 8; before += 7)
        for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
            cpu.budget = rows[i].budget;
            *done = before;
            memset(&again, 0, sizeof(again));
            assert_int_equal(do_mmuext_op((unsigned long)op, 5 | (before ? 1u << 31 : 0),
                                          (unsigned long)done, DOMID_SELF), rows[i].result);
            assert_int_equal(*done, before + rows[i].made);
            if (!rows[i].result)
                continue;
            assert_true(again.op == __HYPERVISOR_mmuext_op && again.count == 4);
            assert_int_equal(again.argument[0], (uintptr_t)(op + rows[i].made));
            assert_int_equal(again.argument[1], (5 - rows[i].made) | 1u << 31);
            assert_true(again.argument[2] == (uintptr_t)done && again.argument[3] == DOMID_SELF);
        }
    cpu.budget = 1 << 30;
    op[3].arg1.mfn = OTHERS(0);
    assert_int_equal(do_mmuext_op((unsigned long)op, 5, (unsigned long)done, DOMID_SELF),
                     -EINVAL);
    assert_int_equal(*done, 3);
    assert_int_equal(do_mmuext_op((unsigned long)op, 3, 0, DOMID_SELF), 0);
    all_is_well();
}

/* --- by virtual address --- */

static void addresses_with_and_without_a_table(void **state)
{
    static const struct { uint64_t va; int error; } rows[] = {
        { HERE, 0 }, { HERE | 0xfff, 0 }, { VA(3, 2, 511), 0 }, { VA(3, 3, 1), -EINVAL },
        { VA(4, 2, 1), -EINVAL }, { HERE | 1ul << 39, -EINVAL }, { HV_START, -EINVAL },
        { HERE | 1ul << 48, -EINVAL }, { HV_END - 4096, -EINVAL }, { ~0ul, -EINVAL },
    };

    table(L4)[256] = table(L4)[271] = ENTRY(L3, 0);     /* as if there were something */
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        memset(&about, 0, sizeof(about));
        assert_int_equal(do_update_va_mapping(rows[i].va, ENTRY(READ, 0), UVMF_TLB_FLUSH),
                         rows[i].error);
        assert_true(!rows[i].error || (about.value == rows[i].va && flushes == 3));
    }
    hv_fill_l4(table(L4));
    assert_true(table(L1)[1] == ENTRY(READ, 0) && table(L1)[511] == ENTRY(READ, 0));
    assert_int_equal(do_update_va_mapping(HERE, ENTRY(OTHERS(0), 0), 0), -EINVAL);
    assert_true(about.entry && about.level == 1 && about.slot == 1);
    all_is_well();
    vcpu[0].tables.kernel_cr3 = 0;                             /* a vCPU that has no tables yet */
    assert_null(mmu_walk(TABLES, HERE));
    vcpu[0].tables.kernel_cr3 = (uint64_t)L4 << 12;
    /* another's frames in one's own tables: dom0 only */
    assert_int_equal(do_update_va_mapping_otherdomain(HERE, ENTRY(OTHERS(0), 0), 0, 6),
                     -EPERM);
    table(DOM0S(0))[0] = ENTRY(DOM0S(1), 0);
    table(DOM0S(1))[3] = ENTRY(DOM0S(2), 0);
    table(DOM0S(2))[2] = ENTRY(DOM0S(3), 0);
    assert_int_equal(mmu_get_table(&dom0_.memory, MFN(DOM0S(0)), FRAME_L4), 0);
    dom0_.vcpus[0]->tables.kernel_cr3 = (uint64_t)DOM0S(0) << 12;
    run_as(&dom0_);
    assert_int_equal(do_update_va_mapping_otherdomain(HERE, ENTRY(DOM0S(9), 0), 0, 6),
                     -EINVAL);
    assert_int_equal(do_update_va_mapping_otherdomain(HERE, ENTRY(OTHERS(0), PTE_WRITE), 0, 6),
                     0);
    assert_int_equal(table(DOM0S(3))[1], ENTRY(OTHERS(0), PTE_WRITE));
    all_is_well();
}

/* What waits to be undone comes first, and as much as the budget has room for. */
static void undoing_comes_first(void **state)
{
    for (unsigned int i = 0; i < 512; i++)
        table(EMPTY)[i] = ENTRY(DATA, 0);
    for (unsigned int how = 0; how < 4; how++) {
        long result;

        assert_int_equal(mmu_pin(&guest.memory, MFN(EMPTY), FRAME_L1), 0);
        assert_int_equal(mmu_unpin(&guest.memory, MFN(EMPTY)), 0);
        assert_false(list_empty(&guest.memory.undoing));
        cpu.budget = 1;
        memset(&again, 0, sizeof(again));
        result = how == 0   ? do_update_va_mapping(HERE, 0, 0)
                 : how == 1 ? do_update_va_mapping_otherdomain(HERE, 0, 0, DOMID_SELF)
                 : how == 2 ? ext(MMUEXT_TLB_FLUSH_ALL, 0, 0, DOMID_SELF)
                            : mmu_pin(&guest.memory, MFN(BARE), FRAME_L1);
        cpu.budget = 1 << 30;
        assert_int_equal(frame_typed(frame(BARE)), 0);
        assert_int_equal(result, -ERESTART);
        assert_int_equal(frame(EMPTY)->cursor, 511);
        if (how < 2)
            assert_true(again.argument[0] == HERE && again.count == 3 + how);
        if (how == 1)
            assert_int_equal(again.argument[3], DOMID_SELF);
        assert_int_equal(mmu_undo(&guest.memory), 0);
        all_is_well();
    }
}

/* --- grants in tables --- */

static void grants_that_are_mapped(void **state)
{
    static const struct { uint64_t address; bool pte; bool good; } rows[] = {
        { HERE, false, true }, { (uint64_t)L1 << 12 | 8, true, true },
        { ((uint64_t)L1 << 12 | 8) + 4, true, false }, { (uint64_t)L2 << 12 | 8, true, false },
        { (uint64_t)L1 << 12 | 9, true, false }, { (uint64_t)L1 << 12 | 10, true, false },
        { (uint64_t)DATA << 12, true, false }, { (uint64_t)OTHERS(1) << 12, true, false },
        { (uint64_t)NO_RAM(0) << 12, true, false }, { VA(9, 9, 9), false, false },
    };
    static const uint64_t flags[] = { PTE_PRESENT | PTE_USER, PTE_PRESENT | PTE_USER | PTE_WRITE,
                                      PTE_PRESENT | PTE_USER | PTE_WRITE | 0xe00 };

    assert_int_equal(mmu_pin(&other.memory, MFN(OTHERS(1)), FRAME_L1), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
        for (unsigned int f = 0; f < 3; f++) {
            uint64_t was = table(L1)[1], e = ENTRY(OTHERS(4), PTE_ACCESSED | PTE_NX | flags[f]);
            bool rw = flags[f] & PTE_WRITE;

            assert_int_equal(rw ? frame_get_writable(MFN(OTHERS(4)), &other.memory)
                                : frame_get(MFN(OTHERS(4)), &other.memory), 0);
            assert_int_equal(mmu_map_grant(TABLES, rows[i].address, MFN(OTHERS(4)), flags[f],
                                           rows[i].pte) == 0, rows[i].good);
            assert_int_equal(table(L1)[1], rows[i].good ? e : was);
            if (rows[i].good) {
                all_is_well();
                table(L1)[1] |= PTE_DIRTY;
                /* not with another frame's number, or as the other kind */
                assert_int_not_equal(mmu_unmap_grant(TABLES, rows[i].address, MFN(OTHERS(5)),
                                                     flags[f], rows[i].pte, 0), 0);
                assert_true(about.entry && about.level == 1 && about.slot == 1);
                assert_int_not_equal(mmu_unmap_grant(TABLES, rows[i].address, MFN(OTHERS(4)),
                                                     flags[f] ^ PTE_WRITE, rows[i].pte, 0), 0);
                all_is_well();
                assert_int_equal(mmu_unmap_grant(TABLES, rows[i].address, MFN(OTHERS(4)),
                                                 flags[f], rows[i].pte, 0), 0);
                assert_int_equal(table(L1)[1], 0);
            } else {
                assert_int_not_equal(mmu_unmap_grant(TABLES, rows[i].address, MFN(OTHERS(4)),
                                                     flags[f], rows[i].pte, 0), 0);
                assert_true(rows[i].pte || strstr(about.why, "behind the address"));
            }
            if (rw)
                frame_put_writable(MFN(OTHERS(4)));
            else
                frame_put(MFN(OTHERS(4)));
            assert_int_equal(do_update_va_mapping(HERE, ENTRY(DATA, PTE_WRITE), 0), 0);
            all_is_well();
        }
}

/* Another entry takes the grant's place. */
static void grants_that_are_replaced(void **state)
{
    static const struct { uint64_t from; bool pte, good; } rows[] = {
        { VA(3, 2, 7), false, true }, { HERE, false, false }, { VA(9, 9, 9), false, false },
        { VA(3, 2, 7), true, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(do_update_va_mapping(VA(3, 2, 7), ENTRY(READ, 0), 0), 0);
        assert_int_equal(frame_get(MFN(OTHERS(4)), &other.memory), 0);
        assert_int_equal(mmu_map_grant(TABLES, HERE, MFN(OTHERS(4)),
                                       PTE_PRESENT | PTE_USER, false), 0);
        assert_int_equal(mmu_unmap_grant(TABLES, rows[i].pte ? (uint64_t)L1 << 12 | 8 : HERE,
                                         MFN(OTHERS(4)), PTE_PRESENT | PTE_USER, rows[i].pte,
                                         rows[i].from) == 0, rows[i].good);
        assert_int_equal(table(L1)[7], rows[i].good ? 0 : ENTRY(READ, 0));
        if (rows[i].good) {
            assert_int_equal(table(L1)[1], ENTRY(READ, 0));
            frame_put(MFN(OTHERS(4)));
        }
        all_is_well();
        assert_int_equal(do_update_va_mapping(HERE, 0, 0), 0);
    }
}

/* --- frames --- */

static void frames_by_owner(void **state)
{
    static const struct { uint64_t n; int error; } rows[] = {
        { DATA, 0 }, { OTHERS(0), -EINVAL }, { NO_RAM(0), -EINVAL }, { NOBODYS, -EINVAL },
        { DEVICE(0), -EINVAL },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        mfn_t m = MFN(rows[i].n);

        assert_int_equal(frame_get(m, &guest.memory), rows[i].error);
        assert_int_equal(frame_try_get(m, &guest.memory), !rows[i].error);
        if (!rows[i].error) {
            frame_put(m);
            frame_put(m);
        }
        all_is_well();
        assert_int_equal(frame_get_writable(m, &guest.memory), rows[i].error);
        if (!rows[i].error)
            frame_put_writable(m);
        all_is_well();
    }
    for (unsigned int i = 0; i < 40; i++) {
        assert_false(mfn_is_ours(MFN(1000 + i)));
        mfn_reserve(MFN(1000 + i));
        assert_int_equal(mfn_is_ours(MFN(1000 + i)), i < 32);   /* there is room for so many */
    }
}

/* Descriptors are looked at when a page becomes one of theirs, after a flush; and paid for. */
static void pages_of_descriptors(void **state)
{
    descriptors_ok = false;
    cpu.budget = 1 << 20;
    assert_int_equal(frame_get_type(MFN(BARE), &guest.memory, FRAME_SEGDESC), -EINVAL);
    assert_true(frame_total(frame(BARE)) == 1 && frame_typed(frame(BARE)) == 0);
    assert_int_equal(cpu.budget, (1 << 20) - COST_DESCRIPTORS);
    descriptors_ok = true;
    frame(BARE)->flush_stamp = tlb_clock + 5;
    stale_flushes = 0;
    assert_int_equal(frame_get_type(MFN(BARE), &guest.memory, FRAME_SEGDESC), 0);
    assert_int_equal(stale_flushes, 1);
    cpu.budget = 1 << 20;
    assert_int_equal(frame_get_type(MFN(BARE), &guest.memory, FRAME_SEGDESC), 0);
    assert_int_equal(cpu.budget, 1 << 20);
    for (unsigned int i = 0; i < 2; i++)
        frame_put_type(MFN(BARE));
    all_is_well();
    frame(BARE)->flush_stamp = tlb_flushed_at[0];       /* neither does a table come unflushed */
    assert_int_equal(mmu_pin(&guest.memory, MFN(BARE), FRAME_L1), 0);
    assert_int_equal(stale_flushes, 2);
    assert_int_equal(mmu_unpin(&guest.memory, MFN(BARE)), 0);
    assert_int_equal(mmu_undo(&guest.memory), 0);
    descriptors_ok = false;                             /* of other types anything may be */
    assert_int_equal(frame_get_writable(MFN(BARE), &guest.memory), 0);
    assert_int_equal(stale_flushes, 3);
    frame_put_writable(MFN(BARE));
}

/* A page of ours is the guest's to map, never to have: it goes when its last mapping does. */
static void pages_of_ours(void **state)
{
    void *shared = map_frame(MFN(NOBODYS));

    share_hv_frame(shared, &guest.memory);
    assert_int_equal(guest.memory.page_count, 48);
    assert_true(frame(NOBODYS)->owner == &guest.memory);
    assert_int_equal(mmu_pin(&guest.memory, MFN(NOBODYS), FRAME_L1), -EINVAL);
    assert_int_equal(domain_free_frame(&guest.memory, MFN(NOBODYS)), -EBUSY);
    assert_int_equal(do_update_va_mapping(HERE, ENTRY(NOBODYS, PTE_WRITE), 0), 0);
    all_is_well();
    unshare_hv_frame(shared);
    assert_true(frame(NOBODYS)->owner == &special_xen && freed_count == 0);
    assert_true(guest.memory.page_count == 48 && special_xen.page_count == 0);
    assert_int_equal(do_update_va_mapping(HERE, 0, 0), 0);
    assert_true(freed_count == 1 && freed[0] == NOBODYS && !frame(NOBODYS)->owner);
    assert_true(list_empty(&special_xen.pages));
    all_is_well();
}

/* A domain ends: pins, tables, half-done ones, all frames go; what others hold is special_xen's. */
static void the_end_of_a_domain(void **state)
{
    for (int budget = 1; budget < 20000; budget = budget * 4 + 1) {
        struct walk w = { &guest.memory, &guest.memory };
        unsigned int calls = 0;
        int error;

        with_tables(state);
        next_frame = 0;
        assert_int_equal(mmu_pin(&guest.memory, MFN(EMPTY), FRAME_L2), 0);
        table(BARE)[0] = ENTRY(DATA, 0);
        table(BARE)[300] = ENTRY(DATA, 0);
        cpu.budget = 1;
        assert_int_equal(table_get(&w, MFN(BARE), FRAME_L1), -ERESTART);
        assert_true(frame_is_parked(frame(BARE)));
        cpu.budget = 1 << 30;
        assert_int_equal(frame_get(MFN(READ), &guest.memory), 0);          /* another's mapping */
        mmu_put_table(MFN(L4));
        vcpu[0].tables.kernel_cr3 = 0;
        guest.memory.leaving.next = NULL;
        do {
            cpu.budget = budget;
            error = domain_relinquish_memory(&guest.memory);
            assert_in_range(++calls, 1, 400);
        } while (error == -ERESTART);
        cpu.budget = 1 << 30;
        assert_true(error == 0 && freed_count == 47);
        assert_in_range(calls, 48 * COST_FRAME / (budget + 2000), 400);
        assert_true(guest.memory.page_count == 0 && special_xen.page_count == 1);
        assert_true(frame(READ)->owner == &special_xen && frame_total(frame(READ)) == 1);
        assert_true(list_empty(&guest.memory.pages) && list_empty(&guest.memory.leaving));
        frame_put(MFN(READ));
        assert_true(freed_count == 48 && special_xen.page_count == 0);
        all_is_well();
    }
}

static bool listed(const struct list *list, uint64_t n)
{
    const struct frame *f;

    list_for_each (f, list, link)
        if (f == frame(n)) return true;
    return false;
}

/* A gigabyte of its page tables maps one frame and nothing else: no more references of it can be
 * had when the domain ends, and it is let go like any other. */
static void the_end_of_a_frame_with_the_most_users(void **state)
{
    uint64_t users;
    int error;

    next_frame = 0;
    assert_int_equal(mmu_pin(&guest.memory, MFN(EMPTY), FRAME_L2), 0);
    users = FRAME_TOTAL_FULL - frame_total(frame(EMPTY));
    frame(EMPTY)->state += users;
    assert_int_equal(frame_get(MFN(EMPTY), &guest.memory), -EINVAL);
    mmu_put_table(MFN(L4));
    vcpu[0].tables.kernel_cr3 = 0;
    guest.memory.leaving.next = NULL;
    do {
        cpu.budget = 1;
        error = domain_relinquish_memory(&guest.memory);
        if (users && listed(&guest.memory.leaving, EMPTY)) {    /* now those tables go */
            frame(EMPTY)->state -= users - 1;
            frame_put(MFN(EMPTY));
            users = 0;
        }
    } while (error == -ERESTART);
    assert_true(error == 0 && freed_count == 48);
    assert_true(guest.memory.page_count == 0 && special_xen.page_count == 0);
    all_is_well();
}

/* Frames that there are not, and those of others: neither pinned nor unpinned. */
static void pins_of_others(void **state)
{
    const uint64_t none[] = { max_frame, max_frame + 1, 1ul << 40, 1ul << 52, ~0ul };

    for (unsigned int i = 0; i < ARRAY_SIZE(none); i++) {
        assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, none[i], 0, DOMID_SELF), -EINVAL);
        assert_int_equal(ext(MMUEXT_UNPIN_TABLE, none[i], 0, DOMID_SELF), -EINVAL);
    }
    assert_int_equal(mmu_pin(&other.memory, MFN(OTHERS(3)), FRAME_L1), 0);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, OTHERS(3), 0, DOMID_SELF), -EINVAL);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, OTHERS(3), 0, DOMID_SELF), -EINVAL);
    all_is_well();
    assert_true(frame(OTHERS(3))->state & FRAME_PINNED);
}

/* Who is refused a type hears of what, and why. */
static void what_is_said_of_types(void **state)
{
    static const struct { enum pt_result r; int error; const char *why; } rows[] = {
        { PT_BUSY, -EBUSY, "the frame is on its way out of being a page table" },
        { PT_FULL, -EINVAL, "too many references" },
        { PT_REFUSED, -EINVAL, "the frame is in use as another type, or is nobody's" },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(frame_type_error(rows[i].r, MFN(READ), 3), rows[i].error);
        assert_true(!strcmp(about.why, rows[i].why) && about.frame == READ && about.level == 3);
    }
    assert_int_equal(frame_get_type(MFN(L1), &guest.memory, FRAME_WRITABLE), -EINVAL);
    assert_true(!strcmp(about.why, rows[2].why) && about.frame == L1 && about.level == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(operations_that_are_refused, with_tables),
        cmocka_unit_test_setup(caches, with_tables),
        cmocka_unit_test_setup(pins, with_tables),
        cmocka_unit_test_setup(base_pointers, with_tables),
        cmocka_unit_test_setup(what_is_flushed, with_tables),
        cmocka_unit_test_setup(pages_and_the_ldt, with_tables),
        cmocka_unit_test_setup(lists_of_operations, with_tables),
        cmocka_unit_test_setup(addresses_with_and_without_a_table, with_tables),
        cmocka_unit_test_setup(undoing_comes_first, with_tables),
        cmocka_unit_test_setup(grants_that_are_mapped, with_tables),
        cmocka_unit_test_setup(grants_that_are_replaced, with_tables),
        cmocka_unit_test_setup(frames_by_owner, with_tables),
        cmocka_unit_test_setup(pages_of_descriptors, with_tables),
        cmocka_unit_test_setup(pages_of_ours, with_tables),
        cmocka_unit_test_setup(the_end_of_a_domain, with_tables),
        cmocka_unit_test_setup(the_end_of_a_frame_with_the_most_users, with_tables),
        cmocka_unit_test_setup(pins_of_others, with_tables),
        cmocka_unit_test_setup(what_is_said_of_types, with_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
