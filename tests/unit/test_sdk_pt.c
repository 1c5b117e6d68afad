/* SPDX-License-Identifier: MIT */
/*
 * The page-table queue and the address space for foreign frames: what reaches the hypervisor, in
 * which order and in how few calls; that errors come out once; that addresses are given once, with
 * a free page behind each area.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pvguest/bits.h>
#include <pvguest/mm.h>
#include "masked_host.h"
#include "pvguest-sdk/lib/smp.h"

/* --- the hypervisor: writes down what it is asked, and does it to the tables below ------------ */

static struct { char kind; uint64_t a, b; domid_t owner; } done[2000];
static unsigned int done_count, hypercalls, multicalls;
static uint64_t refused_value = ~0ull;  /* an update with this value is refused */
static unsigned int refused_op = ~0u;
static bool refuse_multicall, refuse_late;     /* all is done, and an error is said */

static long update(const struct mmu_update *at, unsigned long count, unsigned int *how_many,
                   domid_t owner)
{
    for (unsigned long i = 0; i < count; i++) {
        uint64_t value = at[i].val;

        if (value == refused_value) {
            if (how_many)
                *how_many = (unsigned int)i;
            return -22;
        }
        assert_true(done_count < 2000);
        done[done_count].kind = (char)('0' + (at[i].ptr & 3));
        done[done_count].a = at[i].ptr & ~3ull;
        done[done_count].b = value;
        done[done_count++].owner = owner;
        if ((at[i].ptr & 3) == MMU_NORMAL_PT_UPDATE && at[i].ptr < ~0xfffull)
            *(uint64_t *)(uintptr_t)at[i].ptr = value;
    }
    if (how_many)
        *how_many = (unsigned int)count;
    return refuse_late ? -22 : 0;
}

static long extended(const struct mmuext_op *at, unsigned long count, domid_t owner)
{
    assert_int_equal(owner, DOMID_SELF);
    for (unsigned long i = 0; i < count; i++) {
        if (at[i].cmd == refused_op) return -1;
        done[done_count].kind = 'x';
        done[done_count].a = at[i].cmd;
        done[done_count++].b = at[i].arg1.mfn;
    }
    return 0;
}

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    struct multicall_entry *call = (struct multicall_entry *)a;

    hypercalls++;
    if (nr == __HYPERVISOR_mmu_update)
        return update((struct mmu_update *)a, b, (unsigned int *)c, (domid_t)d);
    if (nr == __HYPERVISOR_mmuext_op) return extended((struct mmuext_op *)a, b, (domid_t)d);
    assert_int_equal(nr, __HYPERVISOR_multicall);
    multicalls++;
    if (refuse_multicall) return -14;
    for (unsigned long i = 0; i < b; i++) {
        assert_int_equal(call[i].args[2], 0);
        call[i].result =
            call[i].op == __HYPERVISOR_mmu_update
                ? (unsigned long)update((struct mmu_update *)call[i].args[0], call[i].args[1], NULL,
                                        (domid_t)call[i].args[3])
                : (unsigned long)extended((struct mmuext_op *)call[i].args[0], call[i].args[1],
                                          (domid_t)call[i].args[3]);
        call[i].args[1] = 0;                    /* as a preempted call leaves it */
    }
    return 0;
}

/* One L1 table after the other, from MAP_BASE; those that are populated. */
static _Alignas(4096) uint64_t tables[1024][512];
static bool populated[1024];
static unsigned long unpopulatable = ~0ul;

static unsigned long l1_of(unsigned long va)
{
    return (va - MAP_BASE) >> 21;
}

int pt_populate(unsigned long va)
{
    assert_true(va >= MAP_BASE && l1_of(va) < 1024);
    if (l1_of(va) == unpopulatable) return -ENOMEM;
    populated[l1_of(va)] = true;
    return 0;
}

const uint64_t *pt_walk(unsigned long va, unsigned int level)
{
    assert_int_equal(level, 1);
    return va >= MAP_BASE && l1_of(va) < 1024 && populated[l1_of(va)]
               ? &tables[l1_of(va)][va >> 12 & 511]
               : NULL;
}

static uint64_t entry_of(const void *va)
{
    return *pt_walk((unsigned long)va, 1);
}

static int set_up(void **state)
{
    done_count = hypercalls = multicalls = 0;
    refused_value = ~0ull;
    refused_op = ~0u;
    refuse_multicall = refuse_late = false;
    memset(&pt_statistics, 0, sizeof pt_statistics);
    return 0;
}

/* --- the queue -------------------------------------------------------------------------------- */

static uint64_t word[200];

static void nothing_is_no_call(void **state)
{
    assert_int_equal(pt_flush(), 0);
    assert_int_equal(hypercalls, 0);
}

static void order_is_kept(void **state)
{
    pt_set((uintptr_t)&word[0], 1);
    pt_set((uintptr_t)&word[1], 2);
    pt_invlpg(0x5000);
    pt_flush_tlb();
    pt_set_preserving_ad((uintptr_t)&word[2], 3);
    pt_set_m2p(77, 88);
    pt_pin(3, 9);
    pt_unpin(8);
    pt_new_base(7);
    pt_new_user_base(6);
    assert_int_equal(done_count, 0);
    assert_int_equal(pt_flush(), 0);
    assert_int_equal(hypercalls, 1);
    assert_int_equal(multicalls, 1);
    assert_int_equal(done_count, 10);
    const struct { char kind; uint64_t a, b; } expected[] = {
        { '0', (uintptr_t)&word[0], 1 }, { '0', (uintptr_t)&word[1], 2 },
        { 'x', MMUEXT_INVLPG_LOCAL, 0x5000 },
        { 'x', MMUEXT_TLB_FLUSH_LOCAL, 0 }, { '2', (uintptr_t)&word[2], 3 }, { '1', 77 << 12, 88 },
        { 'x', MMUEXT_PIN_L3_TABLE, 9 },
        { 'x', MMUEXT_UNPIN_TABLE, 8 }, { 'x', MMUEXT_NEW_BASEPTR, 7 },
        { 'x', MMUEXT_NEW_USER_BASEPTR, 6 },
    };
    for (unsigned int i = 0; i < 10; i++) {
        assert_int_equal(done[i].kind, expected[i].kind);
        assert_int_equal(done[i].a, expected[i].a);
        assert_int_equal(done[i].b, expected[i].b);
        if (done[i].kind != 'x')
            assert_int_equal(done[i].owner, DOMID_SELF);
    }
    assert_int_equal(pt_statistics.hypercalls, 5);      /* four, and the multicall */
    assert_int_equal(pt_statistics.updates, 4);
    assert_int_equal(pt_statistics.operations, 6);
    assert_int_equal(pt_statistics.flushes, 1);
    pt_set((uintptr_t)&word[0], 1);
    assert_int_equal(pt_flush(), 0);
    assert_int_equal(multicalls, 1);            /* one run needs none */
    assert_int_equal(pt_statistics.hypercalls, 6);
}

/* Full in any of three ways: flushed by itself, nothing lost or out of order, nothing written
 * behind the arrays. */
static void a_full_queue_flushes_itself(void **state)
{
    for (unsigned int i = 0; i < 300; i++)
        pt_set((uintptr_t)&word[i % 200], i);
    assert_int_equal(done_count, 256);
    pt_flush();
    for (unsigned int i = 0; i < 300; i++)
        assert_int_equal(done[i].b, i);
    set_up(state);
    for (unsigned int i = 0; i < 150; i++)
        pt_invlpg(i);
    assert_int_equal(done_count, 128);
    pt_flush();
    for (unsigned int i = 0; i < 150; i++)
        assert_int_equal(done[i].b, i);
    set_up(state);
    for (unsigned int i = 0; i < 100; i++) {
        pt_set((uintptr_t)&word[i], i);
        pt_invlpg(i);
    }
    assert_int_equal(done_count, 192);          /* six times 32 runs */
    pt_flush();
    for (unsigned int i = 0; i < 200; i++)
        assert_true(done[i].b == i / 2 && (done[i].kind == 'x') == (i % 2));
}

static void errors_come_out_once(void **state)
{
    refused_value = 5;
    pt_set((uintptr_t)&word[0], 4);
    pt_set((uintptr_t)&word[1], 5);
    pt_set((uintptr_t)&word[2], 6);
    assert_int_equal(pt_flush(), -22);
    assert_int_equal(pt_flush(), 0);
    pt_set((uintptr_t)&word[1], 5);             /* in a multicall, and the runs behind it */
    pt_invlpg(1);
    pt_set((uintptr_t)&word[2], 7);
    assert_int_equal(pt_flush(), -22);
    assert_int_equal(word[2], 7);
    refused_op = MMUEXT_INVLPG_LOCAL;
    pt_invlpg(1);
    pt_set((uintptr_t)&word[1], 5);
    assert_int_equal(pt_flush(), -1);           /* the first one */
    pt_invlpg(1);
    assert_int_equal(pt_flush(), -1);
    refused_op = ~0u;
    pt_set((uintptr_t)&word[1], 5);
    for (unsigned int i = 0; i < 200; i++)      /* of a flush that nobody asked for */
        pt_set((uintptr_t)&word[i], 1000 + i);
    assert_int_equal(pt_flush(), -22);
    refuse_multicall = true;
    pt_invlpg(1);
    pt_set((uintptr_t)&word[1], 6);
    assert_int_equal(pt_flush(), -14);
    pt_set_va(0x1000, 3);                       /* no table there */
    assert_int_equal(pt_flush(), -EFAULT);
    assert_int_equal(pt_flush(), 0);
}

static void owners_do_not_mix(void **state)
{
    pt_set((uintptr_t)&word[0], 1);
    pt_owner(7);
    assert_int_equal(done_count, 1);
    pt_set((uintptr_t)&word[0], 2);
    pt_owner(7);
    assert_int_equal(done_count, 1);
    pt_invlpg(3);
    pt_owner(DOMID_SELF);
    assert_int_equal(done_count, 3);
    assert_int_equal(done[0].owner, DOMID_SELF);
    assert_int_equal(done[1].owner, 7);
    assert_int_equal(pt_flush(), 0);
}

/* --- addresses -------------------------------------------------------------------------------- */

static void areas_do_not_touch(void **state)
{
    uint8_t *area[50];

    for (unsigned int i = 0; i < 50; i++) {
        area[i] = vspace_alloc(i + 1);
        assert_false(IS_ERR(area[i]) || ((uintptr_t)area[i] & 4095));
        for (unsigned int page = 0; page <= i; page++)
            assert_non_null(pt_walk((unsigned long)area[i] + page * 4096, 1));
        for (unsigned int j = 0; j < i; j++)
            assert_true(area[i] >= area[j] + (j + 2) * 4096 || area[i] + (i + 2) * 4096 <= area[j]);
    }
    for (unsigned int i = 0; i < 50; i += 2)
        vspace_free(area[i], i + 1);
    assert_ptr_equal(vspace_alloc(1), area[0]); /* low addresses first: their tables exist */
    vspace_free(area[0], 1);
    for (unsigned int i = 1; i < 50; i += 2)
        vspace_free(area[i], i + 1);
    assert_ptr_equal(vspace_alloc(3), area[0]);
    vspace_free(area[0], 3);
}

static void addresses_run_out(void **state)
{
    void *all = vspace_alloc(524287), *two;

    assert_true((unsigned long)all == MAP_BASE);
    assert_int_equal(PTR_ERR(vspace_alloc(1)), -ENOSPC);
    vspace_free(all, 524287);
    assert_int_equal(PTR_ERR(vspace_alloc(524288)), -ENOSPC);
    all = vspace_alloc(524285);
    two = vspace_alloc(1);
    assert_false(IS_ERR(two));
    assert_int_equal(PTR_ERR(vspace_alloc(1)), -ENOSPC);
    vspace_free(all, 524285);
    vspace_free(two, 1);
    unpopulatable = 3;                          /* no memory for the table in the middle of it */
    assert_int_equal(PTR_ERR(vspace_alloc(2000)), -ENOMEM);
    unpopulatable = ~0ul;
    two = vspace_alloc(2000);
    assert_true((unsigned long)two == MAP_BASE);
    vspace_free(two, 2000);
}

/* --- frames ----------------------------------------------------------------------------------- */

static void frames_are_mapped(void **state)
{
    unsigned long mfns[700];
    int errors[700];
    uint8_t *at;

    for (unsigned int i = 0; i < 700; i++)
        mfns[i] = 3000 + 7 * i;
    at = map_frames(mfns, 700, PROT_RW, 9, NULL);
    assert_false(IS_ERR(at));
    for (unsigned int i = 0; i < 700; i++)
        assert_int_equal(entry_of(at + i * 4096), (uint64_t)mfns[i] << 12 | PROT_RW);
    for (unsigned int i = 0; i < done_count; i++)
        assert_int_equal(done[i].owner, 9);
    done_count = 0;
    unmap_frames(at, 700);
    for (unsigned int i = 0; i < 700; i++)
        assert_int_equal(entry_of(at + i * 4096), 0);
    assert_int_equal(done[done_count - 1].a, MMUEXT_TLB_FLUSH_LOCAL);
    assert_ptr_equal(map_frame_range(0xfee00, 8, PROT_RW | PROT_UNCACHED, DOMID_IO), at);
    for (unsigned int i = 0; i < 8; i++)
        assert_int_equal(entry_of(at + i * 4096), (0xfee00ull + i) << 12 | PROT_RW | PROT_UNCACHED);
    done_count = 0;
    unmap_frames(at, 8);
    assert_int_equal(done_count, 16);           /* few: one by one */
    for (unsigned int i = 0; i < 8; i++) {
        assert_int_equal(done[8 + i].a, MMUEXT_INVLPG_LOCAL);
        assert_int_equal(done[8 + i].b, (uintptr_t)at + i * 4096);
    }
    /* One that is refused: none, or all but it. */
    for (unsigned int bad = 0; bad < 700; bad += 233) {
        refused_value = (uint64_t)mfns[bad] << 12 | PROT_RO;
        assert_int_equal(PTR_ERR(map_frames(mfns, 700, PROT_RO, 9, NULL)), -22);
        for (unsigned int i = 0; i < 700; i++)
            assert_int_equal(entry_of(at + i * 4096), 0);
        memset(errors, 0xff, sizeof errors);
        done_count = 0;
        assert_ptr_equal(map_frames(mfns, 700, PROT_RO, 9, errors), at);
        for (unsigned int i = 0; i < 700; i++) {
            assert_int_equal(errors[i], i == bad ? -22 : 0);
            assert_int_equal(entry_of(at + i * 4096),
                             i == bad ? 0 : (uint64_t)mfns[i] << 12 | PROT_RO);
        }
        done_count = 0;
        unmap_frames(at, 700);
        done_count = 0;
    }
    refuse_late = true;                         /* whose, nobody can say */
    errors[8] = 77;
    assert_int_equal(PTR_ERR(map_frames(mfns, 8, PROT_RO, 9, errors)), -22);
    assert_int_equal(errors[8], 77);
}

/* Each vCPU has its own updates, owner and errors; the TLBs are everybody's. */
_Thread_local struct cpu *host_cpu;

static void queues_of_several(void **state)
{
    static struct cpu second = { .self = &second, .id = 1 };
    static uint64_t words[4];

    second.queue = pt_queue_create();
    several_cpus = true;
    host_cpu = &first_cpu;
    pt_set(virt_to_machine(&words[0]), 1);
    pt_owner(9);
    pt_set(virt_to_machine(&words[1]), 2);
    host_cpu = &second;
    done_count = 0;
    assert_int_equal(pt_flush(), 0);
    assert_int_equal(done_count, 0);
    refused_value = 3;
    pt_set(virt_to_machine(&words[2]), 3);
    assert_int_equal(pt_flush(), -22);
    pt_set(virt_to_machine(&words[3]), 4);
    pt_invlpg(0x5000);
    pt_flush_tlb();
    host_cpu = &first_cpu;
    assert_int_equal(pt_flush(), 0);
    assert_true(done_count == 1 && done[0].b == 2 && done[0].owner == 9);
    host_cpu = &second;
    assert_int_equal(pt_flush(), 0);
    assert_int_equal(done_count, 4);
    assert_true(done[1].b == 4 && done[1].owner == DOMID_SELF);
    assert_true(done[2].a == MMUEXT_INVLPG_ALL && done[2].b == 0x5000);
    assert_int_equal(done[3].a, MMUEXT_TLB_FLUSH_ALL);
    host_cpu = &first_cpu;
    pt_owner(DOMID_SELF);
    several_cpus = false;
    free(second.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_no_call, set_up),
        cmocka_unit_test_setup(order_is_kept, set_up),
        cmocka_unit_test_setup(a_full_queue_flushes_itself, set_up),
        cmocka_unit_test_setup(errors_come_out_once, set_up),
        cmocka_unit_test_setup(owners_do_not_mix, set_up),
        cmocka_unit_test_setup(areas_do_not_touch, set_up),
        cmocka_unit_test_setup(addresses_run_out, set_up),
        cmocka_unit_test_setup(frames_are_mapped, set_up),
        cmocka_unit_test_setup(queues_of_several, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
