/* SPDX-License-Identifier: MIT */
/*
 * The heap, around the 4 GiB line: a storm of allocations beside the plainest of models, a mark for
 * each frame. Nothing is given out twice, blocks are aligned and below their limit, low memory
 * comes last, buddies join again, whoever looks long pays for it, and translations of what is
 * reused are flushed. Small objects: cleared, apart from each other, used again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the hypervisor has one, too */
#include "machine/budget.h"
#include "domain/domain.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/tlb.h"
#include "cpus_host.h"

_Alignas(4096) char host_ram[HOST_FRAMES * 4096ul], host_frames[HOST_FRAMES * sizeof(struct frame)];
_Alignas(4096) char host_m2p[8];

#define LINE  0x100000ul /* 4 GiB */
#define FIRST (HOST_FIRST + 512)
#define END   (HOST_FIRST + HOST_FRAMES - 3) /* the last block is no power of two */
#define LOOK  12

uint64_t max_frame = END;
struct domain_memory special_io;
uint32_t tlb_clock, tlb_flushed_at[MAX_CPUS];
static struct cpu cpu;
static struct vcpu vcpu;
static bool given[HOST_FRAMES];
static unsigned int flushes;
static uint32_t flushed;

void tlb_flush_stale_slow(uint32_t stamp)
{
    flushes++;
    flushed = stamp;
    tlb_flushed_at[cpu.id] = stamp + 1;
}

static uint64_t dice(void)
{
    static uint64_t state = 88172645463325252;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static int set_up(void **state)
{
    cpu = (struct cpu){ .self = &cpu, .running = &vcpu, .budget = 1 << 30 };
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    tlb_flushed_at[0] = 1;
    return 0;
}

static void mark(mfn_t m, unsigned int order, bool now)
{
    assert_true(m.n >= FIRST && m.n + (1ul << order) <= END);
    assert_int_equal(m.n % (1ul << order), 0);
    for (uint64_t i = 0; i < 1ul << order; i++) {
        assert_int_equal(given[m.n + i - HOST_FIRST], !now);
        given[m.n + i - HOST_FIRST] = now;
    }
}

/* Once, before all others. */
static void all_is_given_to_it(void **state)
{
    heap_init();
    memset(given, 1, sizeof(given));
    assert_int_equal(heap_alloc_frames(0, 0).n, INVALID_MFN.n);
    heap_add(FIRST, LINE);
    heap_add(LINE, END);
    memset(given + 512, 0, END - FIRST);
    assert_int_equal(heap_free_count(), END - FIRST);
    assert_int_equal(heap_total_count(), END - FIRST);
    assert_int_equal(heap_alloc_frames(HEAP_MAX_ORDER + 1, 0).n, INVALID_MFN.n);
    assert_int_equal(heap_alloc_frames(12, 0).n,
                     INVALID_MFN.n); /* the largest pieces are 2,048 frames */
}

/* What is kept is free, and nobody is given it. */
static void some_is_kept(void **state)
{
    mfn_t m;

    assert_false(heap_keep(END - FIRST + 1));
    assert_true(heap_keep(END - FIRST - 3));
    assert_false(heap_keep(4));
    assert_int_equal(heap_kept_count(), END - FIRST - 3);
    assert_int_equal(heap_free_count(), END - FIRST);
    assert_int_equal(heap_alloc_frames(2, 0).n, INVALID_MFN.n);
    m = heap_alloc_frames(1, 0);
    assert_int_not_equal(m.n, INVALID_MFN.n);
    assert_int_equal(heap_alloc_frames(1, 0).n, INVALID_MFN.n);
    heap_let_go(END - FIRST - 3);
    assert_int_equal(heap_kept_count(), 0);
    heap_free_frames(m, 1);
}

static void a_storm(void **state)
{
    static struct {
        mfn_t m;
        unsigned int order;
    } blocks[400];
    unsigned int count = 0;
    uint64_t out = 0;

    for (unsigned int step = 0; step < 60000; step++) {
        unsigned int order = (unsigned int)(dice() % 8), bits = dice() % 4 ? 0 : 32;

        if (count < 400 && dice() % 1000 < (step / 5000 % 2 ? 400u : 600u)) {
            mfn_t m = heap_alloc_frames(order, bits);

            if (m.n == INVALID_MFN.n)
                continue;
            if (bits)
                assert_true(m.n + (1ul << order) <= LINE);
            mark(m, order, true);
            blocks[count].m = m;
            blocks[count++].order = order;
            out += 1ul << order;
        } else if (count) {
            unsigned int i = (unsigned int)(dice() % count);

            mark(blocks[i].m, blocks[i].order, false);
            heap_free_frames(blocks[i].m, blocks[i].order);
            out -= 1ul << blocks[i].order;
            blocks[i] = blocks[--count];
        }
        assert_int_equal(heap_free_count(), END - FIRST - out);
    }
    while (count--) {
        mark(blocks[count].m, blocks[count].order, false);
        heap_free_frames(blocks[count].m, blocks[count].order);
    }
    assert_int_equal(heap_free_count(), END - FIRST);
}

/* After all that, what was one piece is one piece again. High memory goes first. */
static void buddies_join(void **state)
{
    mfn_t m[5];

    m[0] = heap_alloc_frames(11, 0);
    assert_int_equal(m[0].n, LINE);
    m[1] = heap_alloc_frames(10, 0);
    assert_int_equal(m[1].n, LINE + 2048);
    m[2] = heap_alloc_frames(11, 0);
    assert_int_equal(m[2].n, LINE - 2048);
    m[3] = heap_alloc_frames(11, 0);
    assert_int_equal(m[3].n, INVALID_MFN.n);
    m[3] = heap_alloc_frames(10, 0);
    assert_int_equal(m[3].n, LINE - 3072);
    m[4] = heap_alloc_frames(9, 32);
    assert_int_equal(m[4].n, LINE - 3584);
    heap_free_frames(m[0], 11);
    heap_free_frames(m[1], 10);
    heap_free_frames(m[2], 11);
    heap_free_frames(m[3], 10);
    heap_free_frames(m[4], 9);
}

static void below_a_limit(void **state)
{
    static const struct {
        unsigned int bits;
        bool there, low;
    } rows[] = {
        { 0, true, false },  { 64, true, false }, { 52, true, false }, { 51, true, false },
        { 33, true, false }, { 32, true, true },  { 31, false, true }, { 13, false, true },
        { 12, false, true }, { 1, false, true },
        /* what is shifted by them has 64 bits */
        { 75, true, false }, { 76, true, false }, { 77, true, false }, { 255, true, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        mfn_t m = heap_alloc_frames(3, rows[i].bits);

        assert_int_equal(m.n != INVALID_MFN.n, rows[i].there);
        if (!rows[i].there)
            continue;
        assert_int_equal(m.n < LINE, rows[i].low);
        heap_free_frames(m, 3);
    }
}

/* A list is looked through for so long, and each look is paid for. */
static void looking_is_paid_for(void **state)
{
    int before = cpu.budget;

    assert_int_equal(heap_alloc_frames(0, 31).n, INVALID_MFN.n);
    assert_int_equal((before - cpu.budget) % LOOK, 0);
    assert_in_range((before - cpu.budget) / LOOK, 1, 12);
    for (uint64_t n = 0; n < 1024; n++) { /* every other frame of low memory: a list of 512 */
        mfn_t m = heap_alloc_frames(0, 32);

        given[m.n - HOST_FIRST] = true;
    }
    for (uint64_t i = 512; i < HOST_FRAMES - 4; i += 2)
        if (given[i] && given[i + 1])
            heap_free_frames(MFN(HOST_FIRST + i), 0), given[i] = false;
    before = cpu.budget;
    assert_int_equal(heap_alloc_frames(0, 31).n, INVALID_MFN.n);
    assert_in_range((before - cpu.budget) / LOOK, 64, 76);
    for (uint64_t i = 512; i < HOST_FRAMES - 3; i++)
        if (given[i])
            heap_free_frames(MFN(HOST_FIRST + i), 0), given[i] = false;
    assert_int_equal(heap_free_count(), END - FIRST);
}

static void what_is_reused_is_flushed(void **state)
{
    mfn_t m = heap_alloc_frames(2, 0);

    frame_of(MFN(m.n - 1))->flush_stamp = 99;   /* its neighbours are not */
    frame_of(MFN(m.n + 4))->flush_stamp = 500;
    for (unsigned int i = 0; i < 4; i++) { /* each of its frames, the last one, too */
        heap_free_frames(m, 2);
        frame_of(MFN(m.n + i))->flush_stamp = 100 + i;
        flushes = 0;
        assert_int_equal(heap_alloc_frames(2, 0).n, m.n);
        assert_true(flushes == 1 && flushed == 100 + i);
    }
    heap_free_frames(m, 2);
    flushes = 0;
    assert_int_equal(heap_alloc_frames(2, 0).n, m.n);
    assert_int_equal(flushes, 0);
    heap_free_frames(m, 2);
}

static void our_own_pages(void **state)
{
    int before = cpu.budget;
    uint64_t *p = hv_alloc_pages(1), free = heap_free_count();

    assert_int_equal(before - cpu.budget - COST_CLEAR * 2,
                     (before - cpu.budget - COST_CLEAR * 2) / LOOK * LOOK);
    assert_true(before - cpu.budget >= COST_CLEAR * 2);
    for (unsigned int i = 0; i < 1024; i++)
        assert_int_equal(p[i], 0);
    memset(p, 0xff, 8192);
    hv_free_pages(p, 1);
    assert_int_equal(heap_free_count(), free + 2);
    p = hv_alloc_pages(1);
    assert_int_equal(p[1023], 0);
    hv_free_pages(p, 1);
    hv_free_pages(NULL, 1);
    hv_free(NULL, 10);
    hv_free(NULL, 5000);
    assert_null(hv_alloc_pages(12));
    assert_null(hv_alloc(4096u << 12));
}

static void small_objects(void **state)
{
    static const struct {
        size_t size, really;
    } rows[] = {
        { 1, 32 },      { 32, 32 },     { 33, 64 },      { 64, 64 },     { 65, 128 },
        { 1024, 1024 }, { 1025, 2048 }, { 2048, 2048 },  { 2049, 4096 }, { 4096, 4096 },
        { 4097, 8192 }, { 8192, 8192 }, { 8193, 16384 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t free = heap_free_count(), cut = heap_cut_count(), used;
        uint8_t *a = hv_alloc(rows[i].size), *b = hv_alloc(rows[i].size), *c;

        used = free - heap_free_count();
        if (rows[i].really > 2048)
            assert_int_equal(used, 2 * rows[i].really / 4096);
        else
            assert_true(used <= 1); /* a page, cut up, or what is left of one */
        assert_true((size_t)llabs(a - b) >= rows[i].really);
        assert_int_equal((uintptr_t)a % rows[i].really % 4096, 0);
        for (unsigned int n = 0; n < rows[i].really; n++)
            assert_true(a[n] == 0 && b[n] == 0);
        memset(a, 0xff, rows[i].really);
        memset(b, 0xee, rows[i].really);
        hv_free(a, rows[i].size);
        c = hv_alloc(rows[i].size);
        assert_ptr_equal(c, a); /* the one that was free last, */
        for (unsigned int n = 0; n < rows[i].really; n++)
            assert_true(c[n] == 0 && b[n] == 0xee); /* and clean */
        hv_free(c, rows[i].size);
        hv_free(b, rows[i].size);
        assert_int_equal(heap_free_count(), free - (rows[i].really > 2048 ? 0 : used));
        assert_int_equal(heap_free_count() + heap_cut_count(), free + cut);
    }
}

/* All of a page's pieces, and the next page's when they are all out; none, when there is no page.
 */
static void until_there_is_nothing(void **state)
{
    uint64_t free = heap_free_count(), cut = heap_cut_count();
    static void *all[2 * HOST_FRAMES];
    unsigned int n = 0;

    while ((all[n] = hv_alloc(2048)))
        n++;
    assert_int_equal(heap_free_count(), 0);
    assert_in_range(n, 2 * free, 2 * free + 2);
    assert_null(hv_alloc_pages(0));
    assert_int_equal(heap_cut_count(), cut + free);     /* not the one that there was not */
    hv_free(all[n / 2], 2048);
    assert_ptr_equal(hv_alloc(2048), all[n / 2]);
    assert_null(hv_alloc(2048));
}

#define CASE_OF(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(all_is_given_to_it),
        CASE_OF(buddies_join),
        CASE_OF(some_is_kept), CASE_OF(a_storm),
        CASE_OF(buddies_join),
        CASE_OF(below_a_limit),
        CASE_OF(looking_is_paid_for),
        CASE_OF(buddies_join),
        CASE_OF(what_is_reused_is_flushed),
        CASE_OF(our_own_pages),
        CASE_OF(small_objects),
        CASE_OF(until_there_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
