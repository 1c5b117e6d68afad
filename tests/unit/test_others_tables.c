/* SPDX-License-Identifier: MIT */
/* Page tables and frames of another domain, as a guest may name them in place of its own: whatever
 * is looked at, no reference is kept, and what is refused says what was wrong. */
#include "tests/unit/memory_host.h"

enum { L1 = CODE(2), THEIR_L1 = OTHERS(4), THEIRS };

static long update(uint64_t entry)
{
    struct mmu_update *request = (struct mmu_update *)page;
    long result;

    memset(&about, 0, sizeof(about));
    *request = (struct mmu_update){ (uint64_t)L1 << 12, entry };
    result = do_mmu_update((unsigned long)request, 1, 0, DOMID_SELF);
    all_is_well();
    return result;
}

static int with_tables(void **state)
{
    set_up(state);
    entry_init();
    table(THEIR_L1)[0] = ENTRY(THEIRS, 0);
    assert_int_equal(mmu_pin(&other.memory, MFN(THEIR_L1), FRAME_L1), 0);
    assert_int_equal(mmu_pin(&guest.memory, MFN(L1), FRAME_L1), 0);
    all_is_well();
    return 0;
}

static void tables(void **state)
{
    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(mmu_get_table(&guest.memory, MFN(THEIR_L1), FRAME_L1), -EINVAL);
        assert_int_equal(frame_typed(frame(THEIR_L1)), 1);
        assert_int_equal(frame_total(frame(THEIR_L1)), 2);
        all_is_well();
    }
    assert_int_equal(mmu_get_table(&other.memory, MFN(THEIR_L1), FRAME_L1), 0);
    assert_int_equal(frame_typed(frame(THEIR_L1)), 2);
    mmu_put_table(MFN(THEIR_L1));
    all_is_well();
}

/* What is only to be read is not asked to be writable. */
static void pages(void **state)
{
    assert_int_equal(update(ENTRY(THEIRS, 0)), -EINVAL);
    assert_string_equal(about.why, "the frame belongs to another domain");
    assert_int_equal(update(ENTRY(THEIRS, PTE_WRITE)), -EINVAL);
    assert_string_equal(about.why, "the frame is not RAM, or another domain's");
    assert_int_equal(frame_total(frame(THEIRS)), 2);    /* its own, and the table's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tables, with_tables),
        cmocka_unit_test_setup(pages, with_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
