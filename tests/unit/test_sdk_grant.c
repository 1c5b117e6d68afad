/* SPDX-License-Identifier: MIT */
/*
 * Grants, given and taken, against a hypervisor that refuses: what the entries say and when,
 * references that come back, mappings that are undone when one of them fails, and no address used
 * again under one that would not go away.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include "pvguest-sdk/lib/suspend.h"
#include "masked_host.h"

#define FRAMES 3u                       /* of the table: 1,536 references */
#define AREA ((uint8_t *)0xa0000000)

static _Alignas(4096) grant_entry_v1_t table[FRAMES * 512];
static bool refuse_map_frames;
static int refuse_query, refuse_setup;
static unsigned int max_frames = FRAMES;

static unsigned int unmapped;
void unmap_frames(void *va, unsigned long n)
{
    unmapped++;
}
void *map_frames(const unsigned long *mfns, unsigned long n, uint64_t prot, domid_t owner,
                 int *errors)
{
    assert_true(n == FRAMES && prot == PROT_RW && owner == DOMID_SELF && !errors);
    for (unsigned long i = 0; i < n; i++)
        assert_int_equal(mfns[i], 500 + i);
    return refuse_map_frames ? ERR_PTR(-ENOMEM) : table;
}

/* --- the hypervisor: mappings by handle ------------------------------------------------------- */

static struct { bool used; uint64_t address, bus; grant_ref_t ref; uint32_t flags; } mapping[200];
static unsigned int mappings, largest_call, calls;
static grant_ref_t bad_ref = UINT32_MAX;
static uint64_t stuck;                  /* an address that does not go away */
static bool whole_call_fails;
static unsigned int failing_from;       /* this call and all behind it fail; 0: none */
static unsigned int areas, area_pages;

void *vspace_alloc(unsigned long n)
{
    if (area_pages == UINT32_MAX) return ERR_PTR(-ENOSPC);
    areas++;
    area_pages = (unsigned int)n;
    return AREA;
}

void vspace_free(void *va, unsigned long n)
{
    assert_true(va == AREA && n == area_pages);
    areas--;
}

static void map_one(struct gnttab_map_grant_ref *op)
{
    unsigned int handle = 0;

    assert_int_equal(op->dom, 7);
    if (op->ref == bad_ref) {
        op->status = GNTST_bad_gntref;
        return;
    }
    while (mapping[handle].used)
        handle++;
    mapping[handle].used = true;
    mapping[handle].address = op->host_addr;
    mapping[handle].ref = op->ref;
    mapping[handle].flags = op->flags;
    mapping[handle].bus = op->dev_bus_addr = (uint64_t)(op->ref + 1000) << 12;
    op->handle = handle + 50;
    op->status = GNTST_okay;
    mappings++;
}

static void unmap_one(struct gnttab_unmap_grant_ref *op)
{
    unsigned int handle = op->handle - 50;

    op->status = GNTST_bad_handle;
    if (handle >= 200 || !mapping[handle].used) return;
    assert_true(op->host_addr == mapping[handle].address);
    assert_true(op->host_addr ? op->dev_bus_addr == 0 : op->dev_bus_addr == mapping[handle].bus);
    if (stuck && op->host_addr == stuck) return;
    mapping[handle].used = false;
    mappings--;
    op->status = GNTST_okay;
}

static struct gnttab_copy last_copy;
static int16_t copy_status;

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    void *ops = (void *)b;

    assert_int_equal(nr, __HYPERVISOR_grant_table_op);
    calls++;
    if (c > largest_call)
        largest_call = (unsigned int)c;
    if (a == GNTTABOP_query_size) {
        struct gnttab_query_size *query = ops;

        assert_int_equal(query->dom, DOMID_SELF);
        query->max_nr_frames = max_frames;
        query->status = refuse_query == 1 ? GNTST_general_error : GNTST_okay;
        return refuse_query == 2 ? -38 : 0;
    }
    if (a == GNTTABOP_setup_table) {
        struct gnttab_setup_table *setup = ops;
        unsigned long *list = *(unsigned long **)&setup->frame_list;

        assert_int_equal(setup->dom, DOMID_SELF);
        assert_int_equal(setup->nr_frames, max_frames < 8 ? max_frames : 8);
        for (unsigned int i = 0; i < setup->nr_frames; i++)
            list[i] = 500 + i;
        setup->status = refuse_setup == 1 ? GNTST_general_error : GNTST_okay;
        return refuse_setup == 2 ? -38 : 0;
    }
    if (whole_call_fails || (failing_from && calls >= failing_from)) return -14;
    if (a == GNTTABOP_copy) {
        last_copy = *(struct gnttab_copy *)ops;
        ((struct gnttab_copy *)ops)->status = copy_status;
    }
    for (unsigned long i = 0; i < c && a == GNTTABOP_map_grant_ref; i++)
        map_one((struct gnttab_map_grant_ref *)ops + i);
    for (unsigned long i = 0; i < c && a == GNTTABOP_unmap_grant_ref; i++)
        unmap_one((struct gnttab_unmap_grant_ref *)ops + i);
    return 0;
}

/* --- giving ----------------------------------------------------------------------------------- */

static void the_table_is_set_up(void **state)
{
    for (int i = 1; i <= 2; i++) {
        refuse_query = i;
        assert_int_equal(grants_init(), -ENODEV);
        refuse_query = 0;
        refuse_setup = i;
        assert_int_equal(grants_init(), -ENODEV);
        refuse_setup = 0;
    }
    refuse_map_frames = true;
    assert_int_equal(grants_init(), -ENOMEM);
    refuse_map_frames = false;
    assert_int_equal(grant_access(7, 1, false), -ENOSPC);   /* nothing to give before it is there */
    assert_int_equal(grants_init(), 0);
}

static void entries_say_what_was_given(void **state)
{
    int first = grant_access(7, 0x1234, false), second = grant_access(9, 0x99, true);

    assert_true(first >= (int)GNTTAB_NR_RESERVED_ENTRIES &&
                second >= (int)GNTTAB_NR_RESERVED_ENTRIES && first != second);
    assert_int_equal(table[first].flags, GTF_permit_access);
    assert_int_equal(table[first].domid, 7);
    assert_int_equal(table[first].frame, 0x1234);
    assert_int_equal(table[second].flags, GTF_permit_access | GTF_readonly);
    assert_int_equal(table[second].frame, 0x99);
    assert_int_equal(grants_in_use(), 2);
    assert_int_equal(grant_end_access((grant_ref_t)first), 0);
    assert_int_equal(table[first].flags, 0);
    assert_int_equal(grants_in_use(), 1);
    assert_int_equal(grant_access(7, 0x55, false), first);
    assert_int_equal(grant_end_access((grant_ref_t)first), 0);
    assert_int_equal(grant_end_access((grant_ref_t)second), 0);
    assert_false(masked);
}

/* While the domain is away the table is not mapped, if it ever was. */
static void over_a_suspend(void **state)
{
    int ref = grant_access(7, 0x1234, false);

    unmapped = 0;
    grants_suspend();
    assert_int_equal(unmapped, 1);
    refuse_map_frames = true;
    assert_int_equal(grants_resume(), -ENOMEM);
    refuse_map_frames = false;
    assert_int_equal(grants_resume(), 0);
    assert_int_equal(grant_end_access((grant_ref_t)ref), 0);
}

/* Who uses it keeps it, for reading or for writing; and it stays given. */
static void a_grant_in_use_stays(void **state)
{
    int ref = grant_access(7, 0x1234, false);

    for (unsigned int i = 0; i < 2; i++) {
        table[ref].flags |= i ? GTF_writing : GTF_reading;
        assert_int_equal(grant_end_access((grant_ref_t)ref), -EBUSY);
        assert_true(table[ref].flags & GTF_permit_access);
        assert_int_equal(grants_in_use(), 1);
        table[ref].flags = GTF_permit_access;
    }
    assert_int_equal(grant_end_access((grant_ref_t)ref), 0);
}

/* All of them, each once; then none; and all again. Nothing is written outside the table, nor
 * into what is reserved. */
static void references_run_out(void **state)
{
    static bool seen[FRAMES * 512];
    unsigned int count = 0;
    int ref;

    for (unsigned int round = 0; round < 2; round++) {
        memset(seen, 0, sizeof seen);
        for (count = 0; (ref = grant_access(7, 1, false)) >= 0; count++) {
            assert_true(ref >= (int)GNTTAB_NR_RESERVED_ENTRIES && ref < (int)(FRAMES * 512) &&
                        !seen[ref]);
            seen[ref] = true;
        }
        assert_int_equal(ref, -ENOSPC);
        assert_int_equal(count, FRAMES * 512 - GNTTAB_NR_RESERVED_ENTRIES);
        assert_int_equal(grants_in_use(), count);
        for (unsigned int i = GNTTAB_NR_RESERVED_ENTRIES; i < FRAMES * 512; i++)
            assert_int_equal(grant_end_access(i), 0);
        assert_int_equal(grants_in_use(), 0);
    }
    for (unsigned int i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++)
        assert_int_equal(table[i].flags | table[i].frame, 0);
}

/* --- taking ----------------------------------------------------------------------------------- */

#define MANY 70u

static void *vas[MANY];
static grant_ref_t refs[MANY];
static grant_handle_t handles[MANY];
static unsigned long mfns[MANY];
static int results[MANY];

static void forget_mappings(void)
{
    memset(mapping, 0, sizeof mapping);
    mappings = failing_from = 0;
    stuck = 0;
    bad_ref = UINT32_MAX;
}

static int set_up(void **state)
{
    assert_int_equal(mappings, 0);
    bad_ref = UINT32_MAX;
    stuck = 0;
    whole_call_fails = false;
    failing_from = 0;
    largest_call = calls = area_pages = 0;
    memset(mfns, 0xff, sizeof mfns);
    memset(results, 0xff, sizeof results);
    for (unsigned int i = 0; i < MANY; i++) {
        vas[i] = AREA + i * 4096;
        refs[i] = 8 + i;
    }
    return 0;
}

static void many_at_once(void **state)
{
    assert_int_equal(grant_map_at(7, vas, refs, MANY, true, handles, mfns, results), 0);
    assert_int_equal(mappings, MANY);
    assert_true(largest_call <= 32 && calls == 3);
    for (unsigned int i = 0; i < MANY; i++) {
        unsigned int at = handles[i] - 50;

        assert_int_equal(mapping[at].address, (uintptr_t)vas[i]);
        assert_int_equal(mapping[at].ref, refs[i]);
        assert_int_equal(mapping[at].flags, GNTMAP_host_map | GNTMAP_readonly);
        assert_int_equal(mfns[i], refs[i] + 1000);
        assert_int_equal(results[i], 0);
    }
    assert_int_equal(grant_unmap_at(vas, handles, MANY), 0);
    assert_int_equal(mappings, 0);
    assert_int_equal(grant_map_dma(7, refs, 33, false, handles, mfns, results), 0);
    for (unsigned int i = 0; i < 33; i++) {
        assert_int_equal(mapping[handles[i] - 50].address, 0);
        assert_int_equal(mapping[handles[i] - 50].flags, GNTMAP_device_map);
    }
    assert_int_equal(grant_unmap_dma(mfns, handles, 33), 0);
}

static void one_of_many_fails(void **state)
{
    for (unsigned int bad = 0; bad < MANY; bad += 23) {
        set_up(state);
        bad_ref = 8 + bad;
        assert_int_equal(grant_map_at(7, vas, refs, MANY, false, handles, mfns, results), -EINVAL);
        assert_int_equal(mappings, MANY - 1);
        for (unsigned int i = 0; i < MANY; i++) {
            assert_int_equal(results[i], i == bad ? -EINVAL : 0);
            if (i != bad)
                assert_int_equal(grant_unmap_at(&vas[i], &handles[i], 1), 0);
        }
        assert_true(mfns[bad] == ~0ul);
        assert_int_equal(grant_unmap_at(&vas[bad], &(grant_handle_t){ 249 }, 1), -EINVAL);
    }
    whole_call_fails = true;
    assert_int_equal(grant_map_at(7, vas, refs, MANY, false, handles, mfns, results), -EFAULT);
    for (unsigned int i = 0; i < MANY; i++)
        assert_int_equal(results[i], -EIO);
    assert_int_equal(grant_unmap_at(vas, handles, 3), -EFAULT);
}

/* Of several errors the first is told: it says what was wrong, later ones what came of it. */
static void the_first_error_is_told(void **state)
{
    bad_ref = refs[3];
    failing_from = 2;
    assert_int_equal(grant_map_at(7, vas, refs, MANY, false, handles, mfns, results), -EINVAL);
    assert_int_equal(mappings, 31);
    failing_from = 0;
    handles[31] = handles[3] = 249;
    calls = 0;
    failing_from = 2;
    assert_int_equal(grant_unmap_at(vas, handles, 40), -EINVAL);
    assert_int_equal(mappings, 1);      /* the one whose handle was wrong, too */
    forget_mappings();
    grant_map_many(7, refs, 5, false, handles);
    stuck = (uintptr_t)AREA + 4096;
    calls = 0;
    failing_from = 3;
    assert_int_equal(grant_unmap_many(AREA, handles, 5), -EINVAL);
    assert_int_equal(mappings, 4);
    forget_mappings();
    areas = 0;
}

/* All or nothing, at addresses of its own. */
static void an_area_of_grants(void **state)
{
    struct grant_map one;

    assert_ptr_equal(grant_map_many(7, refs, 5, false, handles), AREA);
    assert_int_equal(mappings, 5);
    assert_int_equal(areas, 1);
    for (unsigned int i = 0; i < 5; i++)
        assert_int_equal(mapping[handles[i] - 50].address, (uintptr_t)AREA + i * 4096);
    assert_int_equal(grant_unmap_many(AREA, handles, 5), 0);
    assert_int_equal(mappings + areas, 0);
    for (unsigned int bad = 0; bad < 5; bad++) {
        bad_ref = 8 + bad;
        assert_int_equal(PTR_ERR(grant_map_many(7, refs, 5, false, handles)), -EINVAL);
        assert_int_equal(mappings + areas, 0);
    }
    bad_ref = UINT32_MAX;
    area_pages = UINT32_MAX;
    assert_int_equal(PTR_ERR(grant_map_many(7, refs, 5, false, handles)), -ENOSPC);
    area_pages = 0;
    assert_int_equal(grant_map(7, 9, true, &one), 0);
    assert_ptr_equal(one.va, AREA);
    assert_int_equal(mapping[one.handle - 50].flags, GNTMAP_host_map | GNTMAP_readonly);
    assert_int_equal(grant_unmap(&one), 0);
    bad_ref = 9;
    assert_int_equal(grant_map(7, 9, true, &one), -EINVAL);
    assert_int_equal(mappings + areas, 0);
}

/* One page that the hypervisor does not let go: the others go, and the addresses are never used
 * again. */
static void a_page_that_stays(void **state)
{
    grant_map_many(7, refs, 5, false, handles);
    stuck = (uintptr_t)AREA + 2 * 4096;
    assert_int_equal(grant_unmap_many(AREA, handles, 5), -EINVAL);
    assert_int_equal(mappings, 1);
    assert_int_equal(areas, 1);
    stuck = 0;
    assert_int_equal(grant_unmap_at((void *[]){ AREA + 2 * 4096 }, &handles[2], 1), 0);
    areas = 0;
}

static void copies(void **state)
{
    static _Alignas(4096) uint8_t page[4096];

    copy_status = GNTST_okay;
    assert_int_equal(grant_copy_to(7, 12, 100, page + 200, 300), 0);
    assert_int_equal(last_copy.source.u.gmfn, virt_to_mfn(page));
    assert_int_equal(last_copy.source.domid, DOMID_SELF);
    assert_int_equal(last_copy.source.offset, 200);
    assert_int_equal(last_copy.dest.u.ref, 12);
    assert_int_equal(last_copy.dest.domid, 7);
    assert_int_equal(last_copy.dest.offset, 100);
    assert_int_equal(last_copy.len, 300);
    assert_int_equal(last_copy.flags, GNTCOPY_dest_gref);
    assert_int_equal(last_copy.status, GNTST_general_error);    /* so that silence is no success */
    assert_int_equal(grant_copy_from(page + 4000, 7, 13, 5, 96), 0);
    assert_int_equal(last_copy.dest.u.gmfn, virt_to_mfn(page));
    assert_int_equal(last_copy.dest.domid, DOMID_SELF);
    assert_int_equal(last_copy.dest.offset, 4000);
    assert_int_equal(last_copy.source.u.ref, 13);
    assert_int_equal(last_copy.source.domid, 7);
    assert_int_equal(last_copy.source.offset, 5);
    assert_int_equal(last_copy.len, 96);
    assert_int_equal(last_copy.flags, GNTCOPY_source_gref);
    copy_status = GNTST_permission_denied;
    assert_int_equal(grant_copy_to(7, 12, 100, page, 1), -EPERM);
    whole_call_fails = true;
    assert_int_equal(grant_copy_to(7, 12, 100, page, 1), -14);
}

static void statuses_have_errnos(void **state)
{
    static const struct { int16_t status; int error; } cases[] = {
        { GNTST_okay, 0 }, { GNTST_general_error, -EIO }, { GNTST_bad_domain, -ESRCH },
        { GNTST_bad_gntref, -EINVAL },
        { GNTST_bad_handle, -EINVAL }, { GNTST_bad_virt_addr, -EINVAL },
        { GNTST_bad_dev_addr, -EINVAL },
        { GNTST_no_device_space, -ENOSPC }, { GNTST_permission_denied, -EPERM },
        { GNTST_bad_page, -EINVAL },
        { GNTST_bad_copy_arg, -EINVAL }, { GNTST_address_too_big, -E2BIG },
        { GNTST_eagain, -EAGAIN }, { GNTST_no_space, -ENOSPC },
        { 1, -EIO }, { -99, -EIO },
    };

    for (unsigned int i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(gnttab_errno(cases[i].status), cases[i].error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_set_up),
        cmocka_unit_test(entries_say_what_was_given),
        cmocka_unit_test(over_a_suspend),
        cmocka_unit_test(a_grant_in_use_stays),
        cmocka_unit_test(references_run_out),
        cmocka_unit_test_setup(many_at_once, set_up),
        cmocka_unit_test_setup(one_of_many_fails, set_up),
        cmocka_unit_test_setup(the_first_error_is_told, set_up),
        cmocka_unit_test_setup(an_area_of_grants, set_up),
        cmocka_unit_test_setup(a_page_that_stays, set_up),
        cmocka_unit_test_setup(copies, set_up),
        cmocka_unit_test(statuses_have_errnos),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
