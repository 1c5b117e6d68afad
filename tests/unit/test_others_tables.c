/* SPDX-License-Identifier: MIT */
/* Page tables and frames of another domain, as a guest may name them in place of its own, and a
 * frame that becomes another's while it is looked at: no reference is kept, and what is refused
 * says what was wrong. */
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

/* --wrap: while a type is taken, the frame changes hands. */
static struct frame *taken_away;
enum pt_result __real_pt_get_type(struct frame *f, enum frame_type t);
enum pt_result __wrap_pt_get_type(struct frame *f, enum frame_type t);
enum pt_result __wrap_pt_get_type(struct frame *f, enum frame_type t)
{
    if (f == taken_away)
        f->owner = &other.memory;
    return __real_pt_get_type(f, t);
}

static void a_frame_that_changes_hands(void **state)
{
    static const uint64_t owns = 1;

    for (unsigned int users = 0; users < 2; users++) {
        if (users)
            assert_int_equal(frame_get_writable(MFN(CODE(5)), &guest.memory), 0);
        taken_away = frame(CODE(5));
        assert_int_equal(frame_get_type(MFN(CODE(5)), &guest.memory, FRAME_WRITABLE), -EINVAL);
        assert_string_equal(about.why, "the frame changed hands");
        assert_int_equal(about.value, CODE(5));
        assert_int_equal(frame_typed(frame(CODE(5))), users);
        assert_int_equal(frame_total(frame(CODE(5))), owns + users);
        taken_away = NULL;
        frame(CODE(5))->owner = &guest.memory;
    }
    frame_put_writable(MFN(CODE(5)));
    all_is_well();
}

static void what_there_is_not(void **state)
{
    *(struct mmuext_op *)page = (struct mmuext_op){ .cmd = MMUEXT_MARK_SUPER };
    run_as(&dom0_);
    assert_int_equal(do_mmuext_op((unsigned long)page, 1, 0, DOMID_SELF), -EOPNOTSUPP);
    assert_string_equal(about.why, "there are no superpages");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tables, with_tables),
        cmocka_unit_test_setup(pages, with_tables),
        cmocka_unit_test_setup(a_frame_that_changes_hands, with_tables),
        cmocka_unit_test_setup(what_there_is_not, with_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
