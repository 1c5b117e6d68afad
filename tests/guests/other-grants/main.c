/* SPDX-License-Identifier: MIT */
/*
 * Grants between two domains: the grant is for one domain, for one frame and for reading or
 * writing, and each of the three holds by every way of using it. All users of an entry share the
 * frame that the first of them saw, whatever the giver writes there meanwhile. The marks in the
 * entry stand while somebody uses it and go with the last. A handle is its owner's only. What a
 * domain granted outlives it for as long as it is mapped, and no longer. Idea: XSA-218, 224, 227,
 * 234, 295, 380, 500.
 */
#include "../lib/other.h"

#include <pvguest/bits.h>

#define REF 8u                              /* the first one that is not reserved */
enum { PAGE_A = OTHER_FREE, PAGE_B, PAGES };

static struct other other, third;
static domid_t self;
static uint64_t *a, *b;                     /* their pages, seen by dom0's foreign mapping */
static uint64_t *va;                        /* where grants are mapped */

static struct gnttab_map_grant_ref map_at(uint64_t address, unsigned int ref, unsigned int flags)
{
    struct gnttab_map_grant_ref op = {
        .host_addr = address, .flags = flags, .ref = ref, .dom = other.id, .status = 1
    };

    NEED(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1) == 0);
    return op;
}

static int16_t map(unsigned int flags, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = map_at((unsigned long)va, REF, flags);

    *handle = op.handle;
    return op.status;
}

static int16_t unmap_at(uint64_t address, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref op = { .host_addr = address, .handle = handle, .status = 1 };

    NEED(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1) == 0);
    return op.status;
}

static int16_t unmap(grant_handle_t handle)
{
    return unmap_at((unsigned long)va, handle);
}

static void give(domid_t to, unsigned int pfn, unsigned int flags)
{
    other_grant(&other, REF, to, other.frame[pfn], GTF_permit_access | flags);
}

/* Xen counts no more than some hundred users of one entry. */
static void give_many(domid_t to)
{
    for (unsigned int i = 0; i < 7; i++)
        other_grant(&other, REF + i, to, other.frame[PAGE_A], GTF_permit_access);
}

static uint16_t marks(void)
{
    return other_grant_flags(&other, REF) & (GTF_reading | GTF_writing);
}

static int16_t copy(bool to_them, void *ours, unsigned int length)
{
    struct gnttab_copy op = { .len = (uint16_t)length,
                              .flags = to_them ? GNTCOPY_dest_gref : GNTCOPY_source_gref,
                              .status = 1 };
    struct gnttab_copy_ptr mine = { .u.gmfn = virt_to_mfn(ours),
                                    .domid = DOMID_SELF,
                                    .offset = (uint16_t)((uintptr_t)ours & ~PAGE_MASK) };
    struct gnttab_copy_ptr theirs = { .u.ref = REF, .domid = other.id };

    op.source.u = to_them ? mine.u : theirs.u;
    op.source.domid = to_them ? mine.domid : theirs.domid;
    op.source.offset = to_them ? mine.offset : 0;
    op.dest.u = to_them ? theirs.u : mine.u;
    op.dest.domid = to_them ? theirs.domid : mine.domid;
    op.dest.offset = to_them ? 0 : mine.offset;
    NEED(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1) == 0);
    return op.status;
}

/* ---- for whom, and for what ---- */

static void writable(void)
{
    grant_handle_t handle;

    give(self, PAGE_A, 0);
    CHECK_IS(map(GNTMAP_host_map, &handle), GNTST_okay);
    CHECK_IS(marks(), GTF_reading | GTF_writing);
    a[1] = 111;
    CHECK_IS(va[1], 111);
    va[2] = 222;
    CHECK_IS(a[2], 222);
    CHECK_IS(unmap(handle), GNTST_okay);
    CHECK_IS(marks(), 0);
    CHECK_IS(TRAP_IN((void)READ_ONCE(va[1])), TRAP_PF);
}

static void readable(void)
{
    uint64_t *ours = alloc_zeroed_page();
    grant_handle_t handle;

    NEED(ours);
    give(self, PAGE_A, GTF_readonly);
    a[0] = 0x1234;
    CHECK_IS(map(GNTMAP_host_map, &handle), GNTST_general_error);
    CHECK_IS(map(GNTMAP_device_map, &handle), GNTST_general_error);
    CHECK_IS(copy(true, ours, 8), GNTST_general_error);
    CHECK_IS(marks(), 0);
    CHECK_IS(a[0], 0x1234);
    CHECK_IS(copy(false, ours, 8), GNTST_okay);
    CHECK_IS(ours[0], 0x1234);
    CHECK_IS(ours[1], 0);
    CHECK_IS(map(GNTMAP_host_map | GNTMAP_readonly, &handle), GNTST_okay);
    CHECK_IS(marks(), GTF_reading);
    CHECK_IS(va[0], 0x1234);
    CHECK_IS(TRAP_IN(va[0] = 1), TRAP_PF);
    CHECK_IS(unmap(handle), GNTST_okay);
    CHECK_IS(marks(), 0);
    free_page(ours);
}

static void refused_to_us(void)
{
    uint64_t *ours = alloc_zeroed_page();
    grant_handle_t handle;

    NEED(ours);
    CHECK(map(GNTMAP_host_map, &handle) < 0);
    CHECK(map(GNTMAP_host_map | GNTMAP_readonly, &handle) < 0);
    CHECK(copy(false, ours, 8) < 0);
    CHECK(copy(true, ours, 8) < 0);
    CHECK_IS(ours[0], 0);
    CHECK_IS(other_grant_flags(&other, REF) & (GTF_reading | GTF_writing), 0);
    free_page(ours);
}

static void not_for_us(void)
{
    struct gnttab_map_grant_ref op;

    a[0] = 0x7777;
    give((domid_t)(other.id + 1), PAGE_A, 0);
    refused_to_us();
    give(other.id, PAGE_A, 0);                                          /* itself */
    refused_to_us();
    other_grant(&other, REF, self, other.frame[PAGE_A], GTF_invalid);
    refused_to_us();
    other_grant(&other, REF, self, other.frame[PAGE_A], GTF_accept_transfer);
    refused_to_us();
    /* ours, not theirs to give */
    other_grant(&other, REF, self, virt_to_mfn(va == NULL ? NULL : alloc_zeroed_page()),
                GTF_permit_access);
    refused_to_us();
    other_grant(&other, REF, self, foreign_mfn(), GTF_permit_access);
    refused_to_us();
    other_grant(&other, REF, self, 0xffffffff, GTF_permit_access);
    refused_to_us();
    CHECK_IS(a[0], 0x7777);
    op = map_at((unsigned long)va, REF + 100000, GNTMAP_host_map);
    CHECK_IS(op.status, GNTST_bad_gntref);
    op.dom = (domid_t)(other.id + 1);
    NEED(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1) == 0);
    CHECK_IS(op.status, GNTST_bad_domain);
    /* Tables of theirs: read, but not written. */
    give(self, OTHER_L1, 0);
    CHECK(map_at((unsigned long)va, REF, GNTMAP_host_map).status < 0);
    CHECK_IS(marks(), 0);
}

/* ---- one frame for all users ---- */

static void the_frame_that_the_first_saw(void)
{
    grant_handle_t reader, writer;
    uint64_t *second = vspace_alloc(1), *mine = alloc_zeroed_page();
    struct gnttab_map_grant_ref op;

    NEED(second && mine);
    a[3] = 0xaaaa;
    b[3] = 0xbbbb;
    mine[3] = 0xcccc;
    give(self, PAGE_A, 0);
    CHECK_IS(map(GNTMAP_host_map | GNTMAP_readonly, &reader), GNTST_okay);
    CHECK_IS(marks(), GTF_reading);
    /* The giver writes another frame there: first one of its own, then one that is not. */
    other_grant(&other, REF, self, other.frame[PAGE_B], GTF_permit_access | GTF_reading);
    op = map_at((unsigned long)second, REF, GNTMAP_host_map);
    CHECK_IS(op.status, GNTST_okay);
    CHECK_IS(op.dev_bus_addr, (uint64_t)other.frame[PAGE_A] << PAGE_SHIFT);
    writer = op.handle;
    CHECK_IS(marks(), GTF_reading | GTF_writing);
    second[4] = 0xdddd;
    CHECK_IS(a[4], 0xdddd);
    CHECK_IS(va[3], 0xaaaa);
    CHECK_IS(b[4], 0);
    CHECK_IS(unmap_at((unsigned long)second, writer), GNTST_okay);
    CHECK_IS(marks(), GTF_reading);
    other_grant(&other, REF, self, virt_to_mfn(mine), GTF_permit_access | GTF_reading);
    op = map_at((unsigned long)second, REF, GNTMAP_host_map);
    CHECK_IS(op.status, GNTST_okay);
    second[5] = 0xeeee;
    CHECK_IS(a[5], 0xeeee);
    CHECK_IS(mine[5], 0);
    /* The reader goes first, the marks with the last. */
    CHECK_IS(unmap(reader), GNTST_okay);
    CHECK_IS(marks(), GTF_reading | GTF_writing);
    CHECK_IS(second[5], 0xeeee);
    CHECK_IS(unmap_at((unsigned long)second, op.handle), GNTST_okay);
    CHECK_IS(marks(), 0);
    vspace_free(second, 1);
    free_page(mine);
}

/* ---- entries named by their machine address, and exchanged ---- */

static void by_entry(void)
{
    uint64_t slot = entry_address(va, 1);
    struct gnttab_map_grant_ref op;

    give(self, PAGE_A, 0);
    op = map_at(slot, REF, GNTMAP_host_map | GNTMAP_contains_pte);
    CHECK_IS(op.status, GNTST_okay);
    va[6] = 66;
    CHECK_IS(a[6], 66);
    CHECK(unmap_at((unsigned long)va + 8, op.handle) < 0);
    /* an entry that maps something else, or nothing */
    CHECK(unmap_at(slot + 8, op.handle) < 0);
    CHECK_IS(va[6], 66);
    CHECK_IS(marks(), GTF_reading | GTF_writing);
    CHECK_IS(unmap_at(slot, op.handle), GNTST_okay);
    CHECK_IS(marks(), 0);
    CHECK_IS(TRAP_IN((void)READ_ONCE(va[6])), TRAP_PF);
    /* In no table of ours. */
    CHECK(map_at((uint64_t)other.frame[OTHER_L1] << PAGE_SHIFT, REF,
                 GNTMAP_host_map | GNTMAP_contains_pte)
              .status < 0);
    CHECK(
        map_at((uint64_t)kernel_root_mfn << PAGE_SHIFT, REF, GNTMAP_host_map | GNTMAP_contains_pte)
            .status < 0);
    CHECK(map_at(virt_to_machine(pt_walk((unsigned long)va, 2)), REF,
                 GNTMAP_host_map | GNTMAP_contains_pte)
              .status < 0);
    CHECK_IS(marks(), 0);
}

/* The guest's three bits of the entry, and the mapping's own: what a mapping is, is what was asked
 * for. */
static void the_entry(void)
{
    for (unsigned int bits = 0; bits < 8; bits++) {
        unsigned int flags = GNTMAP_host_map | bits << _GNTMAP_guest_avail0 |
                             (bits & 1 ? GNTMAP_readonly : 0);
        struct gnttab_map_grant_ref op = map_at((unsigned long)va, REF, flags);
        uint64_t entry = *pt_walk((unsigned long)va, 1);

        CHECK_IS(op.status, GNTST_okay);
        CHECK_IS(entry >> 9 & 7, bits);
        CHECK_IS(entry & (PTE_PRESENT | PTE_WRITE), PTE_PRESENT | (bits & 1 ? 0 : PTE_WRITE));
        CHECK_IS((entry & PTE_MFN_MASK) >> PAGE_SHIFT, other.frame[PAGE_A]);
        CHECK_IS(unmap(op.handle), GNTST_okay);
        CHECK_IS(*pt_walk((unsigned long)va, 1), 0);
    }
}

static void replaced(void)
{
    uint64_t *page = alloc_zeroed_page(), *second = vspace_alloc(1);
    struct gnttab_unmap_and_replace op = { .host_addr = (unsigned long)va,
                                           .new_addr = (unsigned long)second };
    grant_handle_t handle;

    NEED(page && second);
    page[0] = 4711;
    a[0] = 1;
    NEED(map_page((unsigned long)second, virt_to_mfn(page), PROT_RW, DOMID_SELF) == 0);
    CHECK_IS(map(GNTMAP_host_map, &handle), GNTST_okay);
    op.handle = handle;
    /* by itself: Xen loses the entry */
    if (on_domus()) {
        op.new_addr = (unsigned long)va;
        CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_and_replace, &op, 1), 0);
        CHECK(op.status < 0);
        CHECK_IS(va[0], 1);
    }
    op.new_addr = (unsigned long)second;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_and_replace, &op, 1), 0);
    CHECK_IS(op.status, GNTST_okay);
    CHECK_IS(va[0], 4711);                                          /* moved here */
    CHECK_IS(TRAP_IN((void)READ_ONCE(second[0])), TRAP_PF);
    CHECK_IS(marks(), 0);
    CHECK_IS(map_page((unsigned long)va, 0, 0, DOMID_SELF), 0);
    vspace_free(second, 1);
    free_page(page);
}

/* ---- handles, and what they cannot do ---- */

static void handles(void)
{
    struct gnttab_unmap_grant_ref there = { .host_addr = (unsigned long)va };
    grant_handle_t handle, again;

    give(self, PAGE_A, 0);
    CHECK_IS(map(GNTMAP_host_map, &handle), GNTST_okay);
    there.handle = handle;
    CHECK_IS(other_grant_op(&other, GNTTABOP_unmap_grant_ref, &there, sizeof(there)), 0);
    /* dom0's handle is no handle of theirs */
    CHECK_IS(there.status, GNTST_bad_handle);
    va[7] = 7;
    CHECK_IS(a[7], 7);
    /* The entry does not map it any more: then the handle cannot be used on it. */
    NEED(map_page((unsigned long)va, virt_to_mfn(alloc_zeroed_page()), PROT_RW, DOMID_SELF) == 0);
    CHECK(unmap(handle) < 0);
    CHECK_IS(marks(), GTF_reading | GTF_writing);
    CHECK_IS(va[7], 0);
    NEED(map_page((unsigned long)va, 0, 0, DOMID_SELF) == 0);
    /* Mapped again by another handle: the first one unmaps that, as the entry is the same; then the
     * second has none. */
    CHECK_IS(map(GNTMAP_host_map, &again), GNTST_okay);
    CHECK(again != handle);
    CHECK_IS(unmap(handle), GNTST_okay);
    CHECK_IS(marks(), GTF_reading | GTF_writing);
    CHECK_IS(unmap(handle), GNTST_bad_handle);
    CHECK(unmap(again) < 0);
    NEED(write_entry(entry_address(va, 1), (uint64_t)other.frame[PAGE_A] << PAGE_SHIFT) == 0);
    CHECK(unmap(again) < 0);
    NEED(map_page((unsigned long)va, other.frame[PAGE_A], PROT_RW, other.id) == 0);
    CHECK_IS(unmap(again), GNTST_okay);
    CHECK_IS(marks(), 0);
}

/* A mapping for reading and one for writing are not each other's, though the frame is the same. */
static void by_the_wrong_handle(void)
{
    grant_handle_t reader, writer;

    give(self, PAGE_A, 0);
    CHECK_IS(map(GNTMAP_host_map | GNTMAP_readonly, &reader), GNTST_okay);
    /* in the same place: the reader's entry is gone */
    CHECK_IS(map(GNTMAP_host_map, &writer), GNTST_okay);
    /* Xen compares the frame only */
    if (on_domus())
        CHECK(unmap(reader) < 0);
    CHECK_IS(unmap(writer), GNTST_okay);
    CHECK_IS(marks(), GTF_reading);
    CHECK_IS(map(GNTMAP_host_map | GNTMAP_readonly, &writer), GNTST_okay);
    CHECK_IS(unmap(reader), GNTST_okay);
    NEED(map_page((unsigned long)va, other.frame[PAGE_A], PROT_RO, other.id) == 0);
    CHECK_IS(unmap(writer), GNTST_okay);
    CHECK_IS(marks(), 0);
}

static void numbers_of_others(void)
{
    struct gnttab_copy op = { .len = 8,
                              .source = { .u.gmfn = other.frame[PAGE_A], .domid = other.id },
                              .dest = { .u.gmfn = virt_to_mfn(alloc_zeroed_page()),
                                        .domid = DOMID_SELF } };

    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1), 0);
    CHECK_IS(op.status, GNTST_permission_denied);
    op.source.u.gmfn = op.dest.u.gmfn;                              /* ours, in their name */
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1), 0);
    CHECK_IS(op.status, GNTST_permission_denied);
    op.source.u.gmfn = other.frame[PAGE_A];
    op.source.domid = DOMID_SELF;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1), 0);
    CHECK(op.status < 0);
    /* And they of ours. */
    op.source.u.gmfn = op.dest.u.gmfn;
    op.source.domid = self;
    op.dest.u.gmfn = other.frame[PAGE_B];
    CHECK_IS(other_grant_op(&other, GNTTABOP_copy, &op, sizeof(op)), 0);
    CHECK(op.status < 0);
    op.source.domid = DOMID_SELF;
    CHECK_IS(other_grant_op(&other, GNTTABOP_copy, &op, sizeof(op)), 0);
    CHECK(op.status < 0);
}

/* An entry in use by one domain is no other's, whatever the giver writes there meanwhile. */
static void one_user_at_a_time(void)
{
    struct gnttab_map_grant_ref there = { .host_addr = OTHER_VA(OTHER_FREE),
                                          .flags = GNTMAP_host_map,
                                          .ref = REF,
                                          .dom = other.id,
                                          .status = 1 };
    grant_handle_t handle;

    give(self, PAGE_A, 0);
    CHECK_IS(map(GNTMAP_host_map, &handle), GNTST_okay);
    other_grant(&other, REF, third.id, other.frame[PAGE_A],
                GTF_permit_access | GTF_reading | GTF_writing);
    CHECK_IS(other_grant_op(&third, GNTTABOP_map_grant_ref, &there, sizeof(there)), 0);
    CHECK(there.status < 0);
    there.flags |= GNTMAP_readonly;
    CHECK_IS(other_grant_op(&third, GNTTABOP_map_grant_ref, &there, sizeof(there)), 0);
    CHECK(there.status < 0);
    CHECK_IS(unmap(handle), GNTST_okay);
    CHECK_IS(marks(), 0);
    /* Now it is theirs, and ours no more. */
    CHECK_IS(other_grant_op(&third, GNTTABOP_map_grant_ref, &there, sizeof(there)), 0);
    CHECK_IS(there.status, GNTST_okay);
    CHECK(map(GNTMAP_host_map | GNTMAP_readonly, &handle) < 0);
    struct gnttab_unmap_grant_ref end = { .host_addr = OTHER_VA(OTHER_FREE),
                                          .handle = there.handle };
    CHECK_IS(other_grant_op(&third, GNTTABOP_unmap_grant_ref, &end, sizeof(end)), 0);
    CHECK_IS(end.status, GNTST_okay);
    CHECK_IS(marks(), 0);
}

static int16_t map_there(unsigned int ref, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = { .host_addr = OTHER_VA(OTHER_FREE),
                                       .flags = GNTMAP_host_map | GNTMAP_readonly,
                                       .ref = ref,
                                       .dom = other.id };

    NEED(other_grant_op(&third, GNTTABOP_map_grant_ref, &op, sizeof(op)) == 0);
    *handle = op.handle;
    return op.status;
}

/* The third domain has one page for handles. What is refused costs none; when all are in use, one
 * that comes back is the next. */
static void as_many_handles_as_there_are(void)
{
    static grant_handle_t handle[600];
    struct gnttab_unmap_grant_ref end = { .host_addr = OTHER_VA(OTHER_FREE) };
    unsigned int n = 0;
    grant_handle_t last;

    give_many(third.id);
    for (unsigned int i = 0; i < 600; i++)
        NEED(map_there(REF + 100, &last) < 0);
    while (n < 600 && map_there(REF + n / 100, &handle[n]) == GNTST_okay)
        n++;
    CHECK(n >= 200 && n < 600);
    CHECK_IS(map_there(REF + 6, &last), GNTST_no_space);
    end.handle = handle[n - 1];
    CHECK_IS(other_grant_op(&third, GNTTABOP_unmap_grant_ref, &end, sizeof(end)), 0);
    CHECK_IS(end.status, GNTST_okay);
    for (unsigned int i = 0; i < 3; i++) {
        CHECK_IS(map_there(REF + 6, &last), GNTST_okay);
        end.handle = last;
        CHECK_IS(other_grant_op(&third, GNTTABOP_unmap_grant_ref, &end, sizeof(end)), 0);
        CHECK_IS(end.status, GNTST_okay);
    }
    /* All the others go with the domain. */
    other_end(&third);
    CHECK_IS(marks(), 0);
}

/* More of ours than one page of handles has room for. */
static void many_handles(void)
{
    enum { MANY = 700 };
    static grant_handle_t handle[MANY];
    unsigned char *place = vspace_alloc(MANY);
    unsigned int wrong = 0;

    NEED(place);
    give_many(self);
    for (unsigned int i = 0; i < MANY; i++) {
        struct gnttab_map_grant_ref op = map_at((unsigned long)place + i * PAGE_SIZE, REF + i / 100,
                                                GNTMAP_host_map);
        wrong += op.status != GNTST_okay;
        handle[i] = op.handle;
        for (unsigned int j = 0; j < i && j < 4; j++)
            wrong += handle[j] == op.handle;
    }
    CHECK_IS(wrong, 0);
    for (unsigned int i = 0; i < MANY; i++)
        wrong += unmap_at((unsigned long)place + i * PAGE_SIZE, handle[i]) != GNTST_okay;
    CHECK_IS(wrong, 0);
    CHECK_IS(marks(), 0);
    vspace_free(place, MANY);
}

/* The first reference behind the table's end. */
static void behind_the_end(void)
{
    struct gnttab_query_size size = { .dom = other.id };

    NEED(HYPERVISOR_grant_table_op(GNTTABOP_query_size, &size, 1) == 0);
    CHECK_IS(map_at((unsigned long)va, size.nr_frames * 512, GNTMAP_host_map).status,
             GNTST_bad_gntref);
    CHECK_IS(map_at((unsigned long)va, ~0u, GNTMAP_host_map).status, GNTST_bad_gntref);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &size, 0x80000000u), -EINVAL);
}

/* ---- whose table ---- */

static void tables(void)
{
    struct gnttab_setup_table setup = { .dom = self, .nr_frames = 1, .status = 1 };
    struct gnttab_query_size size = { .dom = self, .status = 1 };
    struct gnttab_get_version version = { .dom = self };
    struct gnttab_set_version set = { .version = 1 };

    set_xen_guest_handle(setup.frame_list, (xen_pfn_t *)OTHER_VA(PAGE_B));
    b[0] = 0;
    CHECK_IS(other_grant_op(&other, GNTTABOP_setup_table, &setup, sizeof(setup)), 0);
    CHECK_IS(setup.status, GNTST_permission_denied);
    CHECK_IS(b[0], 0);
    CHECK_IS(other_grant_op(&other, GNTTABOP_query_size, &size, sizeof(size)), 0);
    CHECK_IS(size.status, GNTST_permission_denied);
    CHECK_IS(other_grant_op(&other, GNTTABOP_get_version, &version, sizeof(version)), -EPERM);
    setup.dom = DOMID_SELF;
    CHECK_IS(other_grant_op(&other, GNTTABOP_setup_table, &setup, sizeof(setup)), 0);
    CHECK_IS(setup.status, GNTST_okay);
    CHECK(b[0] != 0);
    size.dom = other.id;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_query_size, &size, 1), 0);
    CHECK_IS(size.status, GNTST_okay);
    CHECK(size.nr_frames >= 1 && size.max_nr_frames >= size.nr_frames);
    version.dom = other.id;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_get_version, &version, 1), 0);
    CHECK_IS(version.version, 1);
    CHECK_IS(other_grant_op(&other, GNTTABOP_set_version, &set, sizeof(set)), 0);
    set.version = 3;
    CHECK_IS(other_grant_op(&other, GNTTABOP_set_version, &set, sizeof(set)), -EINVAL);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 2), -EINVAL);
}

/* ---- the end ---- */

static void what_outlives_its_domain(void)
{
    grant_handle_t handle, device;
    struct xen_domctl gone = { .cmd = XEN_DOMCTL_destroydomain, .domain = other.id };

    give(self, PAGE_A, 0);
    a[8] = 88;
    CHECK_IS(map(GNTMAP_host_map, &handle), GNTST_okay);
    struct gnttab_map_grant_ref op = map_at(0, REF, GNTMAP_device_map);
    CHECK_IS(op.status, GNTST_okay);
    device = op.handle;
    unmap_frames(ADDRESS(other.mailbox), 1);
    unmap_frames(other.data, 1);
    unmap_frames(a, 1);
    unmap_frames(b, 1);
    CHECK_IS(domctl(&gone), 0);
    CHECK_IS(va[8], 88);
    va[8] = 89;
    CHECK_IS(va[8], 89);
    /* Xen lets more be mapped of a dead domain */
    if (on_domus())
        CHECK_IS(map_at((unsigned long)va + PAGE_SIZE, REF, GNTMAP_host_map).status,
                 GNTST_bad_domain);
    CHECK_IS(unmap(handle), GNTST_okay);
    struct gnttab_unmap_grant_ref last = { .dev_bus_addr = op.dev_bus_addr, .handle = device };
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &last, 1), 0);
    CHECK_IS(last.status, GNTST_okay);
    CHECK(COMES(domain_pages(other.id) == -ESRCH));
}

void test_main(void)
{
    self = own_domid();
    other_begin(&other, PAGES);
    a = other_map(&other, PAGE_A);
    b = other_map(&other, PAGE_B);
    va = vspace_alloc(2);
    NEED(va);
    writable();
    readable();
    not_for_us();
    the_frame_that_the_first_saw();
    by_entry();
    the_entry();
    replaced();
    handles();
    by_the_wrong_handle();
    numbers_of_others();
    tables();
    behind_the_end();
    many_handles();
    domain_maptrack_frames = 1;
    other_begin(&third, 16);
    one_user_at_a_time();
    as_many_handles_as_there_are();
    what_outlives_its_domain();
}
