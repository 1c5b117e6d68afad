/* SPDX-License-Identifier: MIT */
/*
 * What dom0 holds for whom: each quota to the byte, the reserve that is the operator's, the half of
 * it for who holds little, and records that come and go.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/account.h"

unsigned allocations_until_failure;
static size_t left;

static size_t memory_left(void)
{
    return left;
}

static int set_up(void **state)
{
    left = ACCOUNT_RESERVE;
    account_start(memory_left);
    for (uint16_t domid = 0; domid < 200; domid++)
        for (enum held kind = 0; kind < HELD_KINDS; kind++)
            assert_int_equal(account_held(domid, kind), 0);
    return 0;
}

static void quotas(void **state)
{
    for (enum held kind = 0; kind < HELD_KINDS; kind++) {
        size_t quota = account_rules[kind].quota;

        assert_int_equal(account_check(5, kind, quota + 1), -ENOSPC);
        assert_int_equal(account_check(5, kind, SIZE_MAX), -ENOSPC);
        assert_int_equal(account_charge(5, kind, quota - 1), 0);
        assert_int_equal(account_charge(5, kind, 2), -ENOSPC);
        assert_int_equal(account_charge(5, kind, SIZE_MAX), -ENOSPC);
        assert_int_equal(account_charge(5, kind, 1), 0);
        assert_int_equal(account_charge(5, kind, 1), -ENOSPC);
        assert_int_equal(account_check(5, kind, 0), 0);
        assert_int_equal(account_add(5, kind, 3), 0);           /* whatever the quota */
        assert_int_equal(account_check(5, kind, 0), -ENOSPC);
        assert_int_equal(account_held(5, kind), quota + 3);
        assert_int_equal(account_charge(69, kind, 1), 0);       /* of the same bucket */
        /* of the operator's, those are bound that guests make for him */
        assert_int_equal(account_charge(0, kind, 10 * quota), kind == HELD_EVENTS ? -ENOSPC : 0);
        account_credit(5, kind, quota + 3);
        assert_true(account_held(5, kind) == 0 && account_held(69, kind) == 1);
        if (kind != HELD_EVENTS)
            account_credit(0, kind, 10 * quota);
        account_credit(69, kind, 1);
    }
}

/* A guest gets what leaves the reserve alone; half of the reserve, too, while it holds little by
 * its own doing. Dom0 gets all but events. */
static void the_reserve(void **state)
{
    static const bool own[HELD_KINDS] = { [HELD_NODE_BYTES] = true, [HELD_TRANSACTIONS] = true,
                                          [HELD_WATCHES] = true, [HELD_EVENTS] = true };

    assert_int_equal(account_check(5, HELD_NODE_BYTES, ACCOUNT_LITTLE + 1), 0);
    left--;
    assert_int_equal(account_check(5, HELD_NODE_BYTES, ACCOUNT_LITTLE), 0);
    assert_int_equal(account_check(5, HELD_NODE_BYTES, ACCOUNT_LITTLE + 1), -ENOMEM);
    for (enum held kind = 0; kind < HELD_KINDS; kind++) {
        assert_int_equal(account_add(5, kind, 1), 0);
        assert_int_equal(account_check(5, HELD_NODE_BYTES, ACCOUNT_LITTLE),
                         own[kind] ? -ENOMEM : 0);
        assert_int_equal(account_check(6, HELD_NODE_BYTES, ACCOUNT_LITTLE), 0);
        account_credit(5, kind, 1);
    }
    assert_int_equal(account_check(0, HELD_NODE_BYTES, ACCOUNT_RESERVE), 0);
    assert_int_equal(account_check(0, HELD_EVENTS, 1), -ENOMEM);
    left = ACCOUNT_RESERVE / 2;
    assert_false(account_memory_is_low());
    assert_int_equal(account_check(5, HELD_RING, 1), 0);
    left--;
    assert_true(account_memory_is_low());
    assert_int_equal(account_check(5, HELD_RING, 1), -ENOMEM);
    assert_int_equal(account_check(0, HELD_RING, 1), 0);
    account_start(NULL);                                        /* enough, always */
    assert_false(account_memory_is_low());
    assert_int_equal(account_check(0, HELD_EVENTS, 32 * 1024), 0);
    assert_int_equal(account_check(0, HELD_EVENTS, 32 * 1024 + 1), -ENOSPC);
    assert_int_equal(account_check(5, HELD_NODE_BYTES, ACCOUNT_LITTLE + 1), 0);
}

/* One for each domain that holds something. */
static void records(void **state)
{
    allocations_until_failure = 1;
    assert_int_equal(account_charge(7, HELD_WATCHES, 10), -ENOMEM);
    allocations_until_failure = 1;
    assert_false(account_known(7));
    assert_true(account_known(7));
    allocations_until_failure = 1;
    assert_int_equal(account_add(7, HELD_WATCHES, 10), 0);      /* as was promised */
    allocations_until_failure = 0;
    assert_int_equal(account_add(71, HELD_RING, 1), 0);
    assert_int_equal(account_add(135, HELD_RING, 2), 0);
    account_credit(71, HELD_RING, 1);                           /* from between the two */
    assert_true(account_held(135, HELD_RING) == 2 && account_held(7, HELD_WATCHES) == 10);
    account_credit(71, HELD_RING, 0);                           /* nothing, of nothing */
    account_credit(135, HELD_RING, 2);
    account_credit(7, HELD_WATCHES, 4);
    account_credit(7, HELD_WATCHES, 6);
    account_credit(7, HELD_WATCHES, 0);
    /* It stays as long as anything is held, of whatever kind, and then it is gone. */
    for (enum held kind = 0; kind < HELD_KINDS; kind++)
        for (enum held other = 0; other < HELD_KINDS; other++) {
            assert_int_equal(account_add(7, kind, 1), 0);
            assert_int_equal(account_add(7, other, 2), 0);
            account_credit(7, kind, 1);
            assert_int_equal(account_held(7, other), 2);
            account_credit(7, other, 2);
            allocations_until_failure = 1;
            assert_false(account_known(7));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(quotas, set_up),
        cmocka_unit_test_setup(the_reserve, set_up),
        cmocka_unit_test_setup(records, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
