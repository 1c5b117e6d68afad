/* SPDX-License-Identifier: MIT */
/* The heap's largest blocks, in one whose largest are eight frames: they are given out, they do not
 * join, and whatever is larger comes in several. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#undef fail /* the hypervisor has one, too */
#include "machine/budget.h"
#include "domain/domain.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/tlb.h"
#include "cpus_host.h"

_Alignas(4096) char host_ram[4096], host_frames[HOST_FRAMES * sizeof(struct frame)];
_Alignas(4096) char host_m2p[8];

#define BLOCKS 8ul
#define LARGEST (1ul << HEAP_MAX_ORDER)

uint64_t max_frame = (2 * BLOCKS + 1) * LARGEST;
struct domain_memory special_io;
uint32_t tlb_clock = 1, tlb_flushed_at[MAX_CPUS];

void tlb_flush_stale_slow(uint32_t stamp) {}

static void largest_blocks(void **state)
{
    static struct cpu cpu = { .budget = 1 << 20 };
    mfn_t m[BLOCKS];

    be_cpu(&cpu);
    tlb_flushed_at[0] = 1;
    heap_init();
    heap_add(BLOCKS * LARGEST, 2 * BLOCKS * LARGEST);
    assert_int_equal(heap_total_count(), BLOCKS * LARGEST);
    for (unsigned int again = 0; again < 2; again++) {
        assert_int_equal(heap_alloc_frames(HEAP_MAX_ORDER + 1, 0).n, INVALID_MFN.n);
        for (unsigned int i = 0; i < BLOCKS; i++) {
            m[i] = heap_alloc_frames(HEAP_MAX_ORDER, 0);
            assert_in_range(m[i].n, BLOCKS * LARGEST, (2 * BLOCKS - 1) * LARGEST);
            assert_int_equal(m[i].n % LARGEST, 0);
        }
        assert_int_equal(heap_alloc_frames(0, 0).n, INVALID_MFN.n);
        for (unsigned int i = 0; i < BLOCKS; i++)
            heap_free_frames(m[i], HEAP_MAX_ORDER);
    }
    assert_int_equal(heap_free_count(), BLOCKS * LARGEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(largest_blocks) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
