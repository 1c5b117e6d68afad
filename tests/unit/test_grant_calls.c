/* SPDX-License-Identifier: MIT */
/*
 * grant_table_op: lists of requests in batches, each answered in its place and paid for; copies,
 * byte for byte, with every mistake in the order in which it is found; the table's size; and what
 * is not offered.
 */
#include "grants_host.h"

#define ACCESS GTF_permit_access
#define HOST   GNTMAP_host_map
#define DEV    GNTMAP_device_map

/* --- copies --- */

static struct gnttab_copy copy;

/* From the owner's frame 16, granted as 8, into the user's 32; or the other way, into granted 9. */
static void good_copy(bool out)
{
    struct gnttab_copy_ptr granted = { .u.ref = out ? 9 : 8, .domid = 1 };
    struct gnttab_copy_ptr own = { .u.gmfn = USERS, .domid = DOMID_SELF };

    grant(8, ACCESS | GTF_readonly, 2, OWNERS);
    grant(9, ACCESS, 2, OWNERS + 1);
    copy = (struct gnttab_copy){ .source = out ? own : granted, .dest = out ? granted : own,
                                 .flags = out ? GNTCOPY_dest_gref : GNTCOPY_source_gref,
                                 .status = 99 };
}

/* Does it; exactly these bytes of the machine change. */
static int16_t copies(uint64_t from, uint64_t to)
{
    static uint8_t want[RAM * 4096];

    for (unsigned int i = 0; i < RAM * 4096; i++)
        want[i] = (uint8_t)(i % 253 + i / 4096);
    memcpy(host_ram, want, sizeof(want));
    assert_int_equal(grant_op(GNTTABOP_copy, &copy, 1), 0);
    if (copy.status == GNTST_okay)
        memmove(want + to * 4096 + copy.dest.offset, want + from * 4096 + copy.source.offset,
                copy.len);
    assert_memory_equal(host_ram, want, sizeof(want));
    all_is_given_back();
    entry_is(9, ACCESS, 2, OWNERS + 1);
    budget_refill();
    return copy.status;
}

static void bytes_are_copied(void **state)
{
    static const struct { uint16_t from, to, len; bool good; } rows[] = {
        { 0, 0, 0, true }, { 0, 0, 1, true }, { 0, 0, 4096, true }, { 1, 0, 4095, true },
        { 0, 1, 4095, true }, { 4095, 4095, 1, true }, { 4096, 0, 0, true }, { 5, 77, 1000, true },
        { 1, 0, 4096, false }, { 0, 1, 4096, false }, { 4096, 0, 1, false }, { 0, 4096, 1, false },
        { 0, 0, 4097, false }, { 0xffff, 0, 1, false }, { 0, 0xffff, 0xffff, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
        for (unsigned int out = 0; out < 2; out++) {
            good_copy(out);
            copy.source.offset = rows[i].from;
            copy.dest.offset = rows[i].to;
            copy.len = rows[i].len;
            assert_int_equal(copies(out ? USERS : OWNERS, out ? OWNERS + 1 : USERS),
                             rows[i].good ? GNTST_okay : GNTST_bad_copy_arg);
        }
    good_copy(false);                                   /* both sides granted */
    copy.dest = (struct gnttab_copy_ptr){ .u.ref = 9, .domid = 1 };
    copy.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
    copy.len = 100;
    assert_int_equal(copies(OWNERS, OWNERS + 1), GNTST_okay);
    good_copy(false);                                   /* both its own; the same frame */
    copy.source = (struct gnttab_copy_ptr){ .u.gmfn = USERS, .domid = DOMID_SELF, .offset = 4 };
    copy.flags = 0;
    copy.len = 100;
    assert_int_equal(copies(USERS, USERS), GNTST_okay);
}

static void copies_that_are_refused(void **state)
{
    for (unsigned int out = 0; out < 2; out++) {
        struct gnttab_copy_ptr *granted = out ? &copy.dest : &copy.source,
                               *own = out ? &copy.source : &copy.dest;

        good_copy(out);
        granted->domid = 7;
        assert_int_equal(copies(0, 0), GNTST_bad_domain);
        good_copy(out);
        own->domid = 7;
        assert_int_equal(copies(0, 0), GNTST_bad_domain);
        good_copy(out);                                 /* by number, but not DOMID_SELF */
        own->domid = 2;
        assert_int_equal(copies(0, 0), GNTST_permission_denied);
        own->domid = 1;
        assert_int_equal(copies(0, 0), GNTST_permission_denied);
        good_copy(out);
        copy.flags = 0;
        assert_int_equal(copies(0, 0), GNTST_permission_denied);
        good_copy(out);
        granted->u.ref = 10;
        assert_int_equal(copies(0, 0), GNTST_general_error);
        granted->u.ref = 512;
        assert_int_equal(copies(0, 0), GNTST_bad_gntref);
        good_copy(out);
        granted->domid = DOMID_SELF;                    /* one's own grant, to nobody like him */
        assert_int_equal(copies(0, 0), GNTST_general_error);
        good_copy(out);
        own->u.gmfn = OWNERS;
        assert_int_equal(copies(0, 0), GNTST_bad_page);
        good_copy(out);
        own->u.gmfn = USERS + TABLE;
        assert_int_equal(copies(USERS + TABLE, OWNERS + 1), out ? GNTST_okay : GNTST_general_error);
        good_copy(out);
        copy.len = 8;
        own->offset = 4090;
        assert_int_equal(copies(0, 0), GNTST_bad_copy_arg);
    }
    good_copy(true);
    grant(9, ACCESS | GTF_readonly, 2, OWNERS + 1);
    assert_int_equal(grant_op(GNTTABOP_copy, &copy, 1), 0);
    assert_int_equal(copy.status, GNTST_general_error);
    /* who is meant comes before what of theirs, and how much of it last */
    good_copy(false);
    copy.source.domid = 7;
    copy.dest.domid = 1;
    copy.source.offset = 4097;
    assert_int_equal(copies(0, 0), GNTST_bad_domain);
}

/* --- lists --- */

#define MANY 40
static struct gnttab_map_grant_ref map[MANY], map_was[MANY];
static struct gnttab_unmap_grant_ref unmap[MANY];
static struct gnttab_unmap_and_replace replace[MANY];
static struct gnttab_copy copy_list[MANY];

/* As the guest does it: again with the rest. So many pieces. */
static unsigned int in_pieces(unsigned int cmd, void *list, size_t size, unsigned int count)
{
    unsigned int pieces = 1;
    char *at = list;

    for (budget_refill(); grant_op(cmd, at, count) == CONTINUED; budget_refill(), pieces++) {
        uint64_t done = (said.arguments[1] - (uint64_t)at) / size;

        assert_true(said.op == __HYPERVISOR_grant_table_op && said.count == 3);
        assert_true(said.arguments[0] == cmd && done > 0 && done < count);
        assert_int_equal(said.arguments[2], count - done);
        count -= (unsigned int)done;
        at = (char *)said.arguments[1];
    }
    return pieces;
}

static void lists(void **state)
{
    for (unsigned int n = 0; n <= MANY; n += 8) {
        for (unsigned int i = 0; i < MANY; i++) {
            grant(100 + i, ACCESS, 2, OWNERS + i % 4);
            map[i] = (struct gnttab_map_grant_ref){ .host_addr = 0x5000, .flags = HOST | DEV,
                                                    .ref = i % 9 == 8 ? 8 : 100 + i, .dom = 1,
                                                    .status = 77, .handle = 55 };
        }
        grant(8, 0, 0, 0);
        memcpy(map_was, map, sizeof(map));
        assert_int_equal(in_pieces(GNTTABOP_map_grant_ref, map, sizeof(*map), n),
                         n <= 24 ? 1 : 2);              /* 1000 each */
        for (unsigned int i = 0; i < n; i++) {
            bool good = i % 9 != 8;

            map_was[i].status = good ? GNTST_okay : GNTST_general_error;
            map_was[i].handle = good ? map[i].handle : NO_HANDLE;
            if (good)
                map_was[i].dev_bus_addr = (OWNERS + i % 4) << 12;
            unmap[i] = (struct gnttab_unmap_grant_ref){ .host_addr = 0x5000, .status = 77,
                                                        .dev_bus_addr = map[i].dev_bus_addr,
                                                        .handle = map[i].handle };
        }
        assert_memory_equal(map, map_was, sizeof(map));
        flushes = 0;
        in_pieces(GNTTABOP_unmap_grant_ref, unmap, sizeof(*unmap), n);
        assert_int_equal(flushes, n > 24 ? 3 : (n + 15) / 16);      /* 16; 9; the rest */
        for (unsigned int i = 0; i < n; i++)
            assert_int_equal(unmap[i].status, i % 9 == 8 ? GNTST_bad_handle : GNTST_okay);
        all_is_given_back();
    }
}

/* Each is paid for, and however little is left, one is done. */
static void one_at_a_time(void **state)
{
    unsigned int done = 0;

    grant(8, ACCESS | GTF_readonly, 2, OWNERS);
    for (unsigned int i = 0; i < 5; i++) {
        good_copy(false);
        copy_list[i] = copy;
        copy_list[i].len = 4;
    }
    for (; done < 5; done++) {
        cpu.budget = 1;
        assert_int_equal(grant_op(GNTTABOP_copy, copy_list + done, 5 - done),
                         done < 4 ? CONTINUED : 0);
        assert_int_equal(cpu.budget, 1 - COST_CLEAR - 1000);
        assert_int_equal(copy_list[done].status, GNTST_okay);
        assert_true(done == 4 || copy_list[done + 1].status == 99);
    }
    cpu.budget = 2 * (COST_CLEAR + 1000);
    for (unsigned int i = 0; i < 5; i++)
        copy_list[i].status = 99;
    assert_int_equal(grant_op(GNTTABOP_copy, copy_list, 5), CONTINUED);
    assert_true(copy_list[1].status == 0 && copy_list[2].status == 99);
    for (unsigned int i = 0; i < 3; i++)
        map[i] = (struct gnttab_map_grant_ref){ .flags = DEV, .ref = 8, .dom = 1, .status = 99 };
    cpu.budget = 1001;
    for (unsigned int i = 0; i < 3; i++)
        map[i].flags |= GNTMAP_readonly;
    assert_int_equal(grant_op(GNTTABOP_map_grant_ref, map, 3), CONTINUED);
    assert_true(map[1].status == 0 && map[2].status == 99);
    budget_refill();
    assert_int_equal(grant_op(GNTTABOP_map_grant_ref, map + 2, 1), 0);
    for (unsigned int i = 0; i < 3; i++)
        unmap[i] = (struct gnttab_unmap_grant_ref){ .dev_bus_addr = OWNERS << 12, .status = 99,
                                                    .handle = map[i].handle };
    /* A mapping of a domain that is gone may be the last: it ends its batch. */
    owner.life = DOMAIN_DESTROYED;
    cpu.budget = 3001;
    assert_int_equal(grant_op(GNTTABOP_unmap_grant_ref, unmap, 3), 0);
    assert_int_equal(cpu.budget, 1);
    for (unsigned int i = 0; i < 3; i++)
        assert_int_equal(unmap[i].status, GNTST_okay);
    owner.life = DOMAIN_ALIVE;
}

/* The entry that takes its place is named in the request. */
static void replaced(void **state)
{
    grant_handle_t handle;

    grant(8, ACCESS, 2, OWNERS);
    for (unsigned int i = 0; i < 2; i++) {
        assert_int_equal(maps(HOST, 8, 0x5000, &handle), GNTST_okay);
        replace[0] = (struct gnttab_unmap_and_replace){ .host_addr = 0x6000, .handle = handle,
                                                        .new_addr = i ? 0x7000 : 0, .status = 9 };
        replace[1] = replace[0];
        assert_int_equal(grant_op(GNTTABOP_unmap_and_replace, replace, 2), 0);
        assert_true(replace[0].status == GNTST_okay && replace[1].status == GNTST_bad_handle);
        assert_true(entry.address == 0x6000 && entry.new == (i ? 0x7000 : 0));
        all_is_given_back();
    }
}

static void lists_that_cannot_be_read(void **state)
{
    static const unsigned int cmds[] = { GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref,
                                         GNTTABOP_unmap_and_replace, GNTTABOP_copy };

    for (unsigned int i = 0; i < 4; i++) {
        assert_int_equal(grant_op(cmds[i], (void *)NOT_THERE, 1), -EFAULT);
        assert_int_equal(grant_op(cmds[i], (void *)NOT_THERE, 0), 0);
        assert_int_equal(grant_op(cmds[i], (void *)NOT_THERE, 1ul << 31), -EINVAL);
        assert_int_equal(grant_op(cmds[i], (void *)NOT_THERE, 1ul << 32), 0);
        assert_int_equal(grant_op(cmds[i] | 1ul << 12, map, 0), -EINVAL);
        assert_int_equal(grant_op(cmds[i] | 1ul << 31, map, 0), -EINVAL);
        assert_int_equal(grant_op(cmds[i] | 1ul << 32, map, 0), 0);
    }
    good_copy(false);
    read_only = (uint64_t *)&copy;
    assert_int_equal(grant_op(GNTTABOP_copy, &copy, 1), -EFAULT);
    read_only = NULL;
    assert_int_equal(grant_op(99, map, 1), -ENOSYS);
}

/* --- the table --- */

static int16_t sets_up(domid_t id, uint32_t frames, uint64_t *list)
{
    struct gnttab_setup_table op = { .dom = id, .nr_frames = frames, .status = 99 };

    op.frame_list.p = list;
    assert_int_equal(grant_op(GNTTABOP_setup_table, &op, 1), 0);
    for (unsigned int i = 0; i < 3; i++)
        assert_int_equal(all[i]->refs, 1);
    return op.status;
}

static void sizes(void **state)
{
    struct gnttab_setup_table op = { .dom = DOMID_SELF };
    struct gnttab_query_size size = { .dom = 1 };
    uint64_t list[5] = { 1, 2, 3, 4, 5 };

    assert_int_equal(sets_up(1, 1, list), GNTST_permission_denied);
    assert_int_equal(sets_up(7, 1, list), GNTST_bad_domain);
    assert_int_equal(sets_up(DOMID_SELF, 5, list), GNTST_general_error);
    assert_int_equal(list[0], 1);
    assert_int_equal(sets_up(DOMID_SELF, 0, (void *)NOT_THERE), GNTST_okay);
    assert_int_equal(user.grants->frames, 1);
    assert_int_equal(sets_up(DOMID_SELF, 2, list), GNTST_okay);
    for (unsigned int i = 0; i < 2; i++)
        assert_int_equal(list[i], virt_to_mfn(user.grants->slots[i].shared).n);
    assert_true(list[2] == 3 && user.grants->frames == 2);
    read_only = &list[1];
    assert_int_equal(sets_up(DOMID_SELF, 2, list), GNTST_bad_virt_addr);
    read_only = NULL;
    run_as(&control);
    assert_int_equal(sets_up(2, 4, list), GNTST_okay);
    assert_int_equal(user.grants->frames, 4);
    allocations_left = 1;
    assert_int_equal(sets_up(1, 2, list), GNTST_general_error);
    allocations_left = ~0u;
    user.life = DOMAIN_DYING;
    assert_int_equal(sets_up(2, 4, list), GNTST_bad_domain);
    user.life = DOMAIN_ALIVE;
    run_as(&user);
    assert_int_equal(grant_op(GNTTABOP_setup_table, &op, 0), -EINVAL);
    assert_int_equal(grant_op(GNTTABOP_setup_table, &op, 2), -EINVAL);
    assert_int_equal(grant_op(GNTTABOP_setup_table, (void *)NOT_THERE, 1), -EFAULT);
    op.nr_frames = 1;
    op.frame_list.p = (void *)0x7fffffffffff;
    assert_int_equal(grant_op(GNTTABOP_setup_table, &op, 1), -EFAULT);
    op.frame_list.p = (void *)0x7ffffffffff8;           /* there, if it could be had */
    op.nr_frames = 0;
    assert_int_equal(grant_op(GNTTABOP_setup_table, &op, 1), 0);

    assert_int_equal(grant_op(GNTTABOP_query_size, &size, 1), 0);
    assert_int_equal(size.status, GNTST_permission_denied);
    size.dom = DOMID_SELF;
    assert_int_equal(grant_op(GNTTABOP_query_size, &size, 1), 0);
    assert_true(size.status == GNTST_okay && size.nr_frames == 4 && size.max_nr_frames == 4);
    assert_int_equal(grant_op(GNTTABOP_query_size, &size, 2), -EINVAL);
    assert_int_equal(grant_op(GNTTABOP_query_size, (void *)NOT_THERE, 1), -EFAULT);
    run_as(&control);
    size.dom = 1;
    assert_int_equal(grant_op(GNTTABOP_query_size, &size, 1), 0);
    assert_true(size.nr_frames == 1 && size.max_nr_frames == 4);
    assert_int_equal(owner.refs, 1);
}

/* New frames take long; those that are there do not. */
static void a_table_grows_in_turns(void **state)
{
    struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = 4, .status = 99 };
    uint64_t list[4];

    op.frame_list.p = list;
    cpu.budget = 2 * COST_ENTRY;
    assert_int_equal(grant_op(GNTTABOP_setup_table, &op, 1), CONTINUED);
    assert_true(user.grants->frames == 2 && user.refs == 1 && op.status == 99);
    assert_true(said.op == __HYPERVISOR_grant_table_op && said.count == 3);
    assert_true(said.arguments[0] == GNTTABOP_setup_table && said.arguments[1] == (uint64_t)&op &&
                said.arguments[2] == 1);
    budget_refill();
    assert_int_equal(grant_op(GNTTABOP_setup_table, &op, 1), 0);
    assert_true(user.grants->frames == 4 && op.status == GNTST_okay);
    cpu.budget = 1;
    assert_int_equal(grant_op(GNTTABOP_setup_table, &op, 1), 0);
}

static void versions(void **state)
{
    struct gnttab_get_version get = { .dom = DOMID_SELF };
    struct gnttab_set_version set;

    assert_int_equal(grant_op(GNTTABOP_get_version, &get, 1), 0);
    assert_int_equal(get.version, 1);
    get.dom = 1;
    assert_int_equal(grant_op(GNTTABOP_get_version, &get, 1), -EPERM);
    get.dom = 7;
    assert_int_equal(grant_op(GNTTABOP_get_version, &get, 1), -ESRCH);
    assert_int_equal(grant_op(GNTTABOP_get_version, (void *)NOT_THERE, 1), -EFAULT);
    for (uint32_t v = 0; v < 4; v++) {
        set.version = v;
        assert_int_equal(grant_op(GNTTABOP_set_version, &set, 1),
                         v == 1 ? 0 : v == 2 ? -ENOSYS : -EINVAL);
        assert_int_equal(set.version, 1);
    }
    assert_int_equal(grant_op(GNTTABOP_set_version, (void *)NOT_THERE, 1), -EFAULT);
    set.version = 1;
    read_only = &set;
    assert_int_equal(grant_op(GNTTABOP_set_version, &set, 1), -EFAULT);
}

/* Of a domain that has no grant table nothing is held when that has been said. */
static void without_a_table(void **state)
{
    struct gnttab_query_size size = { .dom = 1 };
    struct grant_table *had = all[1]->grants;
    unsigned int refs = all[1]->refs;

    run_as(&control);
    all[1]->grants = NULL;
    assert_int_equal(grant_op(GNTTABOP_query_size, &size, 1), 0);
    assert_int_equal(size.status, GNTST_bad_domain);
    assert_int_equal(all[1]->refs, refs);
    all[1]->grants = had;
}

static void not_offered(void **state)
{
    static const struct { uint16_t offset, length; uint32_t op; long error; } rows[] = {
        { 0, 4096, 1, -ENOSYS }, { 4095, 1, 2, -ENOSYS }, { 0, 0, 3, -ENOSYS },
        { 4096, 0, 1, -EINVAL }, { 4095, 2, 1, -EINVAL }, { 1, 4096, 1, -EINVAL },
        { 0, 1, 4, -EINVAL }, { 0, 1, 1u << 31, -EINVAL }, { 4095, 0, 0, -ENOSYS },
    };
    struct gnttab_get_status_frames frames = { .nr_frames = 1 };
    static const unsigned int cmds[] = { GNTTABOP_transfer, GNTTABOP_swap_grant_ref,
                                         GNTTABOP_cache_flush };
    uint64_t nothing[4] = { 0 };

    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(grant_op(cmds[i], (void *)NOT_THERE, 0), -ENOSYS);
        assert_int_equal(grant_op(cmds[i], (void *)NOT_THERE, 1), -EFAULT);
        assert_int_equal(grant_op(cmds[i], nothing, 1), -ENOSYS);
    }
    assert_int_equal(grant_op(99, nothing, INT32_MAX), -ENOSYS);
    assert_int_equal(grant_op(99, nothing, INT32_MAX + 1u), -EINVAL);
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        struct gnttab_cache_flush op = { .offset = rows[i].offset, .length = rows[i].length,
                                         .op = rows[i].op };
        assert_int_equal(grant_op(GNTTABOP_cache_flush, &op, 1), rows[i].error);
    }
    assert_int_equal(grant_op(GNTTABOP_get_status_frames, &frames, 0), -EINVAL);
    assert_int_equal(grant_op(GNTTABOP_get_status_frames, (void *)NOT_THERE, 1), -EFAULT);
    assert_int_equal(grant_op(GNTTABOP_get_status_frames, &frames, 1), -ENOSYS);
    frames.frame_list.p = (void *)0x7fffffffffff;
    assert_int_equal(grant_op(GNTTABOP_get_status_frames, &frames, 1), -EFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_are_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(copies_that_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_that_cannot_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_grows_in_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_offered, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
