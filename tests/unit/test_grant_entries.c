/* SPDX-License-Identifier: MIT */
/*
 * Grant table entries: which grant what to whom, what is marked in them and when the marks go;
 * mappings of both halves, made and ended in every order, and refused at every step with nothing
 * left behind.
 */
#include "grants_host.h"

#define ACCESS GTF_permit_access
#define R      GTF_reading
#define W      GTF_writing
#define HOST   GNTMAP_host_map
#define DEV    GNTMAP_device_map
#define RO     GNTMAP_readonly

/* Every word of flags, asked for reading and for writing, by the one it names and by others. */
static void which_entries_grant(void **state)
{
    for (uint32_t flags = 0; flags < 0x200; flags++)
        for (unsigned int writable = 0; writable < 2; writable++)
            for (domid_t to = 0; to < 3; to++) {
                bool good = (flags & 3) == ACCESS && to == 2 && !(writable && flags & GTF_readonly);
                mfn_t frame = MFN(99);

                grant(8, (uint16_t)flags, to, OWNERS);
                assert_int_equal(grant_acquire(&owner, 8, 2, writable, &frame),
                                 good ? GNTST_okay : GNTST_general_error);
                entry_is(8, (uint16_t)(flags | (good ? R | (writable ? W : 0) : 0)), to, OWNERS);
                assert_int_equal(refs[OWNERS], good);
                assert_int_equal(writers[OWNERS], good && writable);
                assert_int_equal(frame.n, good ? OWNERS : 99);
                if (!good)
                    continue;
                grant_release(&owner, 8, writable);
                entry_is(8, (uint16_t)(flags & ~(R | (writable ? W : 0u))), to, OWNERS);
                all_is_given_back();
            }
    /* Writable by a domain that has it mapped to read: only the writer's mark comes and goes. */
    mfn_t frame;
    grant(8, ACCESS, 2, OWNERS);
    assert_int_equal(grant_acquire(&owner, 8, 2, false, &frame), GNTST_okay);
    grant(8, ACCESS | GTF_readonly | R, 2, OWNERS);
    assert_int_equal(grant_acquire(&owner, 8, 2, true, &frame), GNTST_general_error);
    entry_is(8, ACCESS | GTF_readonly | R, 2, OWNERS);
    grant(8, ACCESS | R, 2, OWNERS + 1);                /* the users share one frame */
    assert_int_equal(grant_acquire(&owner, 8, 2, true, &frame), GNTST_okay);
    assert_int_equal(frame.n, OWNERS);
    entry_is(8, ACCESS | R | W, 2, OWNERS + 1);
    assert_true(refs[OWNERS] == 1 && writers[OWNERS] == 1 && refs[OWNERS + 1] == 0);
    grant_release(&owner, 8, true);
    entry_is(8, ACCESS | R, 2, OWNERS + 1);
    assert_true(refs[OWNERS] == 1 && writers[OWNERS] == 0);
    grant_release(&owner, 8, false);
    entry_is(8, ACCESS, 2, OWNERS + 1);
}

/* Two writers and two readers, ended in every order. */
static void marks_go_with_the_last(void **state)
{
    for (unsigned int order = 0; order < 24; order++) {
        unsigned int left[2] = { 2, 2 };
        mfn_t frame;

        grant(300, ACCESS, 2, OWNERS);
        for (unsigned int i = 0; i < 4; i++)
            assert_int_equal(grant_acquire(&owner, 300, 2, i & 1, &frame), GNTST_okay);
        assert_int_equal(owner.grants->slots[0].used, 1);
        for (unsigned int i = 0; i < 4; i++) {
            bool writable = !left[0] || (left[1] && order >> i & 1);

            left[writable]--;
            grant_release(&owner, 300, writable);
            entry_is(300, (uint16_t)(ACCESS | (left[0] + left[1] ? R : 0) | (left[1] ? W : 0)), 2,
                     OWNERS);
            assert_true(refs[OWNERS] == (left[0] + left[1] > 0) &&
                        writers[OWNERS] == (left[1] > 0));
        }
        all_is_given_back();
    }
}

/* Whatever the entry says meanwhile, who comes second gets the frame that the first has. */
static void users_share_a_frame(void **state)
{
    for (unsigned int order = 0; order < 4; order++) {
        bool first = order & 1, second = order >> 1;
        mfn_t frame;

        grant(300, ACCESS, 2, OWNERS);
        assert_int_equal(grant_acquire(&owner, 300, 2, first, &frame), GNTST_okay);
        grant(300, (uint16_t)(ACCESS | R | (first ? W : 0)), 2, OWNERS + 1);
        assert_int_equal(grant_acquire(&owner, 300, 2, second, &frame), GNTST_okay);
        assert_int_equal(frame.n, OWNERS);
        assert_true(refs[OWNERS] == 1 && writers[OWNERS] == (first || second));
        assert_true(refs[OWNERS + 1] == 0 && writers[OWNERS + 1] == 0);
        grant_release(&owner, 300, first);
        grant_release(&owner, 300, second);
        all_is_given_back();
    }
}

static void refused_entries(void **state)
{
    struct active *a = active_of(owner.grants, 8);
    mfn_t frame;

    assert_int_equal(grant_acquire(&owner, 512, 2, false, &frame), GNTST_bad_gntref);
    assert_int_equal(grant_acquire(&owner, ~0u, 2, false, &frame), GNTST_bad_gntref);
    grant(511, ACCESS, 2, OWNERS);
    assert_int_equal(grant_acquire(&owner, 511, 2, false, &frame), GNTST_okay);
    grant(511, ACCESS | R, 0, OWNERS);                  /* another one's now, but in use */
    assert_int_equal(grant_acquire(&owner, 511, 0, false, &frame), GNTST_general_error);
    assert_int_equal(grant_acquire(&owner, 511, 2, false, &frame), GNTST_okay);
    grant_release(&owner, 511, false);
    entry_is(511, ACCESS | R, 0, OWNERS);
    grant_release(&owner, 511, false);
    entry_is(511, ACCESS, 0, OWNERS);
    /* Frames that are not the owner's, or cannot be written. */
    grant(8, ACCESS, 2, USERS);
    assert_int_equal(grant_acquire(&owner, 8, 2, false, &frame), GNTST_bad_page);
    assert_int_equal(grant_acquire(&owner, 8, 2, true, &frame), GNTST_bad_page);
    entry_is(8, ACCESS, 2, USERS);
    grant(8, ACCESS, 2, OWNERS + TABLE);
    assert_int_equal(grant_acquire(&owner, 8, 2, true, &frame), GNTST_general_error);
    entry_is(8, ACCESS, 2, OWNERS + TABLE);
    all_is_given_back();
    assert_int_equal(grant_acquire(&owner, 8, 2, false, &frame), GNTST_okay);
    assert_int_equal(grant_acquire(&owner, 8, 2, true, &frame), GNTST_general_error);
    entry_is(8, ACCESS | R, 2, OWNERS + TABLE);
    assert_true(refs[OWNERS + TABLE] == 1 && a->readers == 1 && a->writers == 0);
    grant_release(&owner, 8, false);
    /* Counts end at 65535. */
    grant(8, ACCESS, 2, OWNERS);
    assert_int_equal(grant_acquire(&owner, 8, 2, true, &frame), GNTST_okay);
    a->readers = UINT16_MAX - 1;
    assert_int_equal(grant_acquire(&owner, 8, 2, false, &frame), GNTST_okay);
    assert_int_equal(grant_acquire(&owner, 8, 2, false, &frame), GNTST_general_error);
    assert_int_equal(grant_acquire(&owner, 8, 2, true, &frame), GNTST_general_error);
    a->readers = 0;
    a->writers = UINT16_MAX;
    assert_int_equal(grant_acquire(&owner, 8, 2, true, &frame), GNTST_general_error);
    a->writers = 1;
    grant_release(&owner, 8, true);
    owner.life = DOMAIN_DYING;
    assert_int_equal(grant_acquire(&owner, 8, 2, false, &frame), GNTST_bad_domain);
    owner.life = DOMAIN_ALIVE;
    control.grants->frames = 0;
    assert_int_equal(grant_acquire(&control, 8, 2, false, &frame), GNTST_bad_gntref);
    control.grants->frames = 1;
    struct domain none = { .id = 7 };
    assert_int_equal(grant_acquire(&none, 0, 2, false, &frame), GNTST_bad_domain);
}

/* --- mappings --- */

static uint64_t pte(uint32_t flags)
{
    return 5 | (flags & RO ? 0 : 2) | (uint64_t)(flags >> 16 & 7) << 9;
}

/* Every kind of mapping, from request to page table, and its end. */
static void kinds_of_mappings(void **state)
{
    static const uint32_t extra[] = { 0, RO, GNTMAP_contains_pte, GNTMAP_contains_pte | RO,
                                      1u << 16, 2u << 16, 4u << 16 | RO, 7u << 16,
                                      GNTMAP_application_map, 1u << 19 };

    for (unsigned int halves = 1; halves < 4; halves++)
        for (unsigned int i = 0; i < ARRAY_SIZE(extra); i++) {
            uint32_t flags = extra[i] | (halves & 1 ? DEV : 0) | (halves & 2 ? HOST : 0);
            bool cpu_half = halves & 2, dev_half = halves & 1, rw = !(flags & RO);
            grant_handle_t handle;

            memset(&entry, 0, sizeof(entry));
            flushes = 0;
            grant(8, ACCESS | (rw ? 0 : GTF_readonly), 2, OWNERS + 3);
            assert_int_equal(maps(flags, 8, 0x5000, &handle), GNTST_okay);
            assert_int_equal(entry.made, cpu_half);
            if (cpu_half)
                assert_true(entry.address == 0x5000 && entry.frame.n == OWNERS + 3 &&
                            entry.flags == pte(flags) &&
                            entry.is_pte == !!(flags & GNTMAP_contains_pte));
            /* the grant's own, and the page table's */
            assert_int_equal(refs[OWNERS + 3], 1 + (cpu_half && !rw));
            assert_int_equal(writers[OWNERS + 3], rw ? 1 + cpu_half : 0);
            assert_true(owner.refs == 2 && user.refs == 1);
            assert_int_equal(active_of(owner.grants, 8)->readers, rw ? 0 : cpu_half + dev_half);
            assert_int_equal(active_of(owner.grants, 8)->writers, rw ? cpu_half + dev_half : 0);
            assert_int_equal(unmaps(handle, 0, 0), GNTST_okay);         /* neither: both stay */
            assert_int_equal(unmaps(handle, 0, (OWNERS + 4) << 12),
                             dev_half ? GNTST_bad_dev_addr : GNTST_okay);
            assert_int_equal(unmaps(handle, BAD_ADDRESS, 0),
                             cpu_half ? GNTST_bad_virt_addr : GNTST_okay);
            assert_true(flushes == 0 && owner.refs == 2);
            if (i & 1)                                  /* one after the other */
                assert_int_equal(unmaps(handle, 0, (OWNERS + 3) << 12), GNTST_okay);
            if (i & 1 && halves == 3)
                assert_int_equal(active_of(owner.grants, 8)->readers
                                 + active_of(owner.grants, 8)->writers, 1);
            assert_int_equal(unmaps(handle, 0x6000, (OWNERS + 3) << 12),
                             i & 1 && halves == 1 ? GNTST_bad_handle : GNTST_okay);
            assert_int_equal(entry.ended, cpu_half);
            if (cpu_half)
                assert_true(entry.address == 0x6000 && entry.frame.n == OWNERS + 3 &&
                            entry.flags == pte(flags) && entry.new == 0 && flushes == 1 &&
                            entry.is_pte == !!(flags & GNTMAP_contains_pte));
            entry_is(8, ACCESS | (rw ? 0 : GTF_readonly), 2, OWNERS + 3);
            all_is_given_back();
            assert_int_equal(unmaps(handle, 0x6000, 0), GNTST_bad_handle);
        }
}

/* What fails leaves nothing, and its handle is the next one's. */
static void refused_mappings(void **state)
{
    struct gnttab_map_grant_ref op = { .ref = 8, .dom = 1 };
    grant_handle_t handle, first;

    grant(8, ACCESS, 2, OWNERS);
    assert_int_equal(maps(HOST, 8, 0x5000, &first), GNTST_okay);
    assert_int_equal(unmaps(first, 0x5000, 0), GNTST_okay);
    assert_int_equal(maps(0, 8, 0x5000, &handle), GNTST_bad_gntref);
    assert_int_equal(maps(RO, 8, 0x5000, &handle), GNTST_bad_gntref);
    for (domid_t id = 3; id < 6; id++) {
        op.flags = HOST;
        op.dom = id == 5 ? DOMID_SELF : id == 4 ? 2 : id;   /* nobody; oneself; by name */
        op.ref = 8;
        assert_int_equal(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
        assert_int_equal(op.status, id == 4 ? GNTST_general_error : GNTST_bad_domain);
        assert_int_equal(op.handle, NO_HANDLE);
        all_is_given_back();
    }
    for (uint32_t halves = 1; halves < 4; halves++) {
        assert_int_equal(maps(halves, 9, 0x5000, &handle), GNTST_general_error);
        assert_int_equal(maps(halves, 512, 0x5000, &handle), GNTST_bad_gntref);
        all_is_given_back();
        for (uint32_t ro = 0; ro < 2; ro++) {
            if (halves & HOST)
                assert_int_equal(maps(halves | (ro ? RO : 0), 8, BAD_ADDRESS, &handle),
                                 GNTST_general_error);
            all_is_given_back();
            for (int n = 0; n < 6; n++) {               /* too many references, one by one */
                int16_t status;

                refs_left = n;
                status = maps(halves | (ro ? RO : 0), 8, 0x5000, &handle);
                refs_left = 1 << 30;
                if (status == GNTST_okay)
                    assert_int_equal(unmaps(handle, 0x5000, OWNERS << 12), GNTST_okay);
                else
                    assert_in_range(n, 0, 2);
                entry_is(8, ACCESS, 2, OWNERS);
                all_is_given_back();
            }
        }
    }
    assert_int_equal(maps(HOST, 8, 0x5000, &handle), GNTST_okay);
    assert_int_equal(handle, first);
    assert_int_equal(unmaps(handle + 1, 0x5000, 0), GNTST_bad_handle);
    assert_int_equal(unmaps(256 * 2, 0x5000, 0), GNTST_bad_handle);
    assert_int_equal(unmaps(NO_HANDLE, 0x5000, 0), GNTST_bad_handle);
    assert_int_equal(unmaps(handle, 0x5000, 0), GNTST_okay);
}

/* However little each stay in ring 0 may do: a handle, then a page of them. */
static void an_end_in_small_steps(void **state)
{
    grant_handle_t handle;
    unsigned int turns = 0;

    grant(8, ACCESS, 2, OWNERS);
    for (unsigned int i = 0; i < 257; i++)
        assert_int_equal(maps(DEV | RO, 8, 0x5000, &handle), GNTST_okay);
    assert_int_equal(user.grants->maptrack_frames, 2);
    for (cpu.budget = 1; grants_release_mappings(&user); cpu.budget = 1, turns++)
        assert_int_equal(user.grants->release_cursor, MIN(turns + 1, 512u));
    assert_int_equal(turns, 512 + 2);
    entry_is(8, ACCESS, 2, OWNERS);
}

/* All there are, from the lowest up; then none, until one is given back; and all of them end with
 * the domain, in turns. */
static void handles(void **state)
{
    grant_handle_t handle;
    unsigned int turns = 1;
    int spent_in_all = 0;

    grant(8, ACCESS, 2, OWNERS);
    grant(9, ACCESS, 2, OWNERS + 1);
    for (unsigned int i = 0; i < 512; i++) {
        if (i == 256) {
            allocations_left = 0;                       /* no memory is no more handles */
            assert_int_equal(maps(HOST, 8, 0x5000, &handle), GNTST_no_space);
            allocations_left = ~0u;
        }
        assert_int_equal(maps((i & 1 ? HOST | DEV : i & 2 ? DEV | RO : HOST | RO) |
                                  (i & 4 ? GNTMAP_application_map : 0), 8 + i % 2, 0x5000, &handle),
                         GNTST_okay);
        assert_int_equal(handle, i);
    }
    about.value = 0;
    assert_int_equal(maps(HOST, 8, 0x5000, &handle), GNTST_no_space);
    assert_int_equal(about.value, 8);                   /* what the refusal is about */
    budget_refill();
    assert_int_equal(unmaps(77, 0x5000, (OWNERS + 1) << 12), GNTST_okay);
    assert_int_equal(maps(DEV, 8, 0x5000, &handle), GNTST_okay);
    assert_int_equal(handle, 77);
    /* the page tables' own go with the page tables */
    writers[OWNERS + 1] = writers[OWNERS + 1] > 0;
    refs[OWNERS] = refs[OWNERS + 1] = 1;
    for (budget_refill(); grants_release_mappings(&user); budget_refill(), turns++) {
        spent_in_all += ENTRY_BUDGET - cpu.budget;
        assert_true(cpu.budget > -(COST_FRAME + COST_ENTRY));   /* it stops where it is spent */
    }
    spent_in_all += ENTRY_BUDGET - cpu.budget;
    assert_int_equal(spent_in_all, 512 * (COST_FRAME + COST_ENTRY) + 2 * COST_FRAME);
    assert_in_range(turns, 512 * 290 / 25000, 512 * 290 / 25000 + 2);
    assert_true(user.grants->maptrack_frames == 0 && user.grants->release_cursor == 512);
    assert_int_equal(refs[OWNERS] + refs[OWNERS + 1], 0);
    entry_is(8, ACCESS, 2, OWNERS);
    entry_is(9, ACCESS, 2, OWNERS + 1);
}

/* --- for the auditor and the operator --- */

static char holds[256];
static void seen(mfn_t frame, bool writable)
{
    sprintf(holds + strlen(holds), "%lu%s ", frame.n, writable ? "w" : "");
}

static void what_is_in_use(void **state)
{
    struct domain none = { .id = 7 };
    grant_handle_t a, b, c, d;

    grant(3, ACCESS, 2, OWNERS + 2);
    grant(9, ACCESS, 2, OWNERS + 3);
    grant(511, ACCESS, 2, OWNERS + 4);
    assert_int_equal(maps(HOST | RO, 3, 0x5000, &a), GNTST_okay);
    assert_int_equal(maps(HOST | DEV, 511, 0x5000, &b), GNTST_okay);
    assert_int_equal(maps(DEV | RO, 511, 0x5000, &c), GNTST_okay);
    assert_int_equal(maps(DEV, 9, 0, &d), GNTST_okay);
    *holds = '\0';
    grants_for_each_hold(&owner, seen);
    grants_for_each_hold(&user, seen);
    grants_for_each_hold(&none, seen);
    assert_string_equal(holds, "18 19 19w 20 20w ");
    grants_dump(&owner);
    grants_dump(&user);
    grants_dump(&none);
    assert_string_equal(logged,
        "d1: grant table of 1 frames (limit 4), 0 maptrack frames (limit 2), 0 mappings of"
        " domains that are gone\n"
        "  ref 3: frame 12 used by d2, 1 readers, 0 writers\n"
        "  ref 9: frame 13 used by d2, 0 readers, 1 writers\n"
        "  ref 511: frame 14 used by d2, 1 readers, 2 writers\n"
        "d2: grant table of 1 frames (limit 4), 1 maptrack frames (limit 2), 0 mappings of"
        " domains that are gone\n");
    assert_int_equal(unmaps(a, 0x5000, 0), GNTST_okay);
    assert_int_equal(unmaps(b, 0x5000, (OWNERS + 4) << 12), GNTST_okay);
    assert_int_equal(unmaps(c, 0, (OWNERS + 4) << 12), GNTST_okay);
    assert_int_equal(unmaps(d, 0, (OWNERS + 3) << 12), GNTST_okay);
}

/* Every entry can be in use: the operator is not told all of them. */
static void not_more_than_one_waits_for(void **state)
{
    mfn_t frame;

    for (grant_ref_t i = 8; i < 74; i++) {
        grant(i, ACCESS, 2, OWNERS);
        assert_int_equal(grant_acquire(&owner, i, 2, false, &frame), GNTST_okay);
    }
    *logged = '\0';
    grants_dump(&owner);
    assert_non_null(strstr(logged, "  ref 71: frame 10 used by d2, 1 readers, 0 writers\n"
                                   "  and 2 more\n"));
    grant_release(&owner, 72, false);
    grant_release(&owner, 73, false);
    *logged = '\0';
    grants_dump(&owner);
    assert_null(strstr(logged, "more"));
    for (grant_ref_t i = 8; i < 72; i++)
        grant_release(&owner, i, false);
    all_is_given_back();
}

/* Whose handles' pages are there has them, whatever became of the machine's memory since. */
static void handles_that_are_kept(void **state)
{
    struct domain d = { .id = 9 };
    size_t before = held;

    assert_int_equal(grants_create(&d, 2, 4), 0);
    failing_allocation = 2;
    assert_false(grants_keep_handles(&d, 3));
    assert_int_equal(d.grants->maptrack_frames, 1);
    assert_true(grants_keep_handles(&d, 3));
    assert_true(grants_keep_handles(&d, 2));
    assert_int_equal(d.grants->maptrack_frames, 3);
    for (uint32_t n = 0; n < 3 * HANDLES_PER_FRAME; n++) {
        failing_allocation = 1;
        assert_in_range(handle_alloc(d.grants), 0, 3 * HANDLES_PER_FRAME - 1);
        assert_int_equal(failing_allocation, 1);
    }
    assert_int_equal(handle_alloc(d.grants), NO_HANDLE);
    assert_false(grants_keep_handles(&d, 5));           /* Not more than it may have. */
    for (budget_refill(); grants_release_mappings(&d); budget_refill())
        continue;
    grants_free(&d);
    assert_int_equal(held, before);
}

static void tables(void **state)
{
    static const struct { int32_t frames, maptrack; uint32_t is, is_maptrack; } limits[] = {
        { -1, -1, 64, 1024 }, { 0, 0, 1, 1 }, { 1, 1, 1, 1 }, { 128, 4096, 128, 4096 },
        { 129, 4097, 128, 4096 }, { INT32_MAX, INT32_MIN, 128, 1024 },
    };
    size_t before = held;

    for (unsigned int i = 0; i < ARRAY_SIZE(limits); i++) {
        struct domain d = { .id = 9 };
        mfn_t first, frame;

        assert_int_equal(grants_create(&d, limits[i].frames, limits[i].maptrack), 0);
        assert_int_equal(d.grants->max_frames, limits[i].is);
        assert_int_equal(d.grants->max_maptrack_frames, limits[i].is_maptrack);
        assert_true(d.grants->frames == 1 && d.grants->free_handle == NO_HANDLE);
        assert_int_equal(grants_shared_frame(&d, 0, &first), 0);
        assert_int_equal(first.n, virt_to_mfn(d.grants->slots[0].shared).n);
        assert_int_equal(d.grants->frames, 1);
        if (limits[i].is > 3) {
            assert_int_equal(grants_shared_frame(&d, 3, &frame), 0);
            assert_int_equal(frame.n, virt_to_mfn(d.grants->slots[3].shared).n);
            assert_true(d.grants->frames == 4 && shared_pages == 3 + 4);
            for (unsigned int n = 1; n < 3; n++) {      /* each page of a frame may be missing */
                failing_allocation = n;
                assert_int_equal(grants_shared_frame(&d, 4, &frame), -ENOMEM);
                assert_int_equal(d.grants->frames, 4);
            }
        }
        grants_free(&d);
        assert_int_equal(held, before);
        grants_free(&d);
    }
    for (unsigned int n = 1; n < 6; n++) {
        struct domain d = { .id = 9 };

        failing_allocation = n;
        assert_int_equal(grants_create(&d, 2, 2), -ENOMEM);
        assert_true(held == before && !d.grants && failing_allocation == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(which_entries_grant, set_up, tear_down),
        cmocka_unit_test_setup_teardown(marks_go_with_the_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(users_share_a_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kinds_of_mappings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_mappings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_in_small_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_in_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_more_than_one_waits_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handles_that_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
