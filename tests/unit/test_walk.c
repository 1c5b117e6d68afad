/* SPDX-License-Identifier: MIT */
/*
 * A walk of a guest's page tables by the direct map: for every bit of an address, and for every
 * level that is not there.
 */
#include "ring0_host.h"
#include "memory/mmu.h"

_Alignas(4096) char host_ram[8 * 4096];
char host_frames[64], host_m2p[8];
static struct vcpu_tables t;

static uint64_t *table(unsigned int n)
{
    return (uint64_t *)host_ram + 512 * n;
}

/* One way, through frames 5, 4, 2 and 7; every other entry of them leads to where there is none. */
static void tables_for(uint64_t va)
{
    static const unsigned int way[] = { 5, 4, 2, 7 };

    for (unsigned int i = 0; i < 8 * 512; i++)
        table(0)[i] = 0;
    for (unsigned int i = 0; i < 3; i++)
        table(way[i])[va >> (39 - 9 * i) & 511] = (uint64_t)way[i + 1] << 12 | 0x8000000000000067;
    t.kernel_cr3 = 5 << 12;
}

static void finds(uint64_t va)
{
    tables_for(va);
    assert_ptr_equal(mmu_walk(&t, va), &table(7)[va >> 12 & 511]);
    for (unsigned int bit = 0; bit < 47; bit++) {
        uint64_t *found = mmu_walk(&t, va ^ 1ul << bit);

        if (bit >= 21)
            assert_null(found);
        else
            assert_ptr_equal(found, &table(7)[(va ^ 1ul << bit) >> 12 & 511]);
    }
    for (unsigned int i = 0; i < 3; i++) {          /* no longer present: its other bits stay */
        static const unsigned int way[] = { 5, 4, 2 };

        tables_for(va);
        table(way[i])[va >> (39 - 9 * i) & 511] &= ~1ul;
        assert_null(mmu_walk(&t, va));
    }
}

static void every_bit(void **state)
{
    finds(0);
    for (unsigned int bit = 0; bit < 47; bit++) {
        finds(1ul << bit);
        finds(0x7ffffffff000 ^ 1ul << bit);
    }
    finds(0xffff880000000000);
    finds(0xfffffffffffff000);
}

static void not_a_guests(void **state)
{
    tables_for(0xffff800000000000);
    assert_null(mmu_walk(&t, 0xffff800000000000));
    tables_for(0x800000000000);
    assert_null(mmu_walk(&t, 0x800000000000));
    tables_for(0);
    assert_ptr_equal(mmu_walk(&t, 8), table(7));
    t.kernel_cr3 = 0;
    assert_null(mmu_walk(&t, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit), cmocka_unit_test(not_a_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
