/* SPDX-License-Identifier: MIT */
/*
 * A mapping for the CPU and for devices has two halves. Each ends by itself, by its own address; an
 * address of zero names none and is not looked at, and neither is the address of a half that does
 * not stand. The grant is in use, for reading or writing, as long as one half is, and the handle
 * lives as long. What a request gets wrong is answered by the status that Xen has for it, and of
 * several mistakes by that of the one that Xen finds first. Idea: XSA-224 (a mapping of both kinds
 * dropped one reference too many), and the order of Xen's checks.
 */
#include "../lib/test.h"

#define BOTH (GNTMAP_host_map | GNTMAP_device_map)

static domid_t self;
static uint64_t *page;
static void *va, *other_va;
static uint64_t bus;

static struct gnttab_map_grant_ref map(int ref, unsigned int flags)
{
    struct gnttab_map_grant_ref op = { .host_addr = (unsigned long)va,
                                       .flags = flags,
                                       .ref = (grant_ref_t)ref,
                                       .dom = self,
                                       .status = 1 };

    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    return op;
}

static int16_t unmap(grant_handle_t handle, uint64_t host, uint64_t device)
{
    struct gnttab_unmap_grant_ref op = {
        .host_addr = host, .dev_bus_addr = device, .handle = handle, .status = 1
    };

    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    return op.status;
}

static int16_t replace(grant_handle_t handle, uint64_t host, uint64_t new)
{
    struct gnttab_unmap_and_replace op = {
        .host_addr = host, .new_addr = new, .handle = handle, .status = 1
    };

    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_and_replace, &op, 1), 0);
    return op.status;
}

static bool is_mapped(void)
{
    uint64_t value;

    return try_read64(va, &value) == 0;
}

static bool in_use(int ref)
{
    int error = grant_end_access((grant_ref_t)ref);

    if (error == 0)             /* give it again: nobody else takes references meanwhile */
        NEED(grant_page(self, page, false) == ref);
    return error == -EBUSY;
}

/* The order of the halves' ends, and what is asked of a half that is gone. */
static void each_half_ends_alone(void)
{
    int ref = grant_page(self, page, false);
    uint64_t host = (unsigned long)va;
    struct gnttab_map_grant_ref m;

    NEED(ref > 0);
    m = map(ref, BOTH);                                             /* the CPU's half first */
    CHECK_IS(m.status, GNTST_okay);
    CHECK_IS(m.dev_bus_addr, bus);
    CHECK(is_mapped() && in_use(ref));
    CHECK_IS(unmap(m.handle, 0, 0), GNTST_okay);                    /* no half at all */
    CHECK(is_mapped() && in_use(ref));
    CHECK_IS(unmap(m.handle, host, 0), GNTST_okay);
    CHECK(!is_mapped() && in_use(ref));
    CHECK_IS(unmap(m.handle, host, 0), GNTST_okay);                 /* it is gone: not looked at */
    CHECK(in_use(ref));
    CHECK_IS(unmap(m.handle, 0, bus + PAGE_SIZE), GNTST_bad_dev_addr);
    CHECK(in_use(ref));
    CHECK_IS(unmap(m.handle, 0, bus), GNTST_okay);
    CHECK(!in_use(ref));
    CHECK_IS(unmap(m.handle, 0, bus), GNTST_bad_handle);

    m = map(ref, BOTH);                                             /* the devices' half first */
    CHECK_IS(m.status, GNTST_okay);
    CHECK_IS(unmap(m.handle, 0, bus), GNTST_okay);
    CHECK(is_mapped() && in_use(ref));
    CHECK_IS(unmap(m.handle, 0, bus + PAGE_SIZE), GNTST_okay);      /* it is gone: not looked at */
    CHECK(is_mapped() && in_use(ref));
    CHECK_IS(unmap(m.handle, host, 0), GNTST_okay);
    CHECK(!is_mapped() && !in_use(ref));
    CHECK_IS(unmap(m.handle, host, 0), GNTST_bad_handle);

    /* both at once, and both in one list */
    m = map(ref, BOTH);
    CHECK_IS(unmap(m.handle, host, bus), GNTST_okay);
    CHECK(!is_mapped() && !in_use(ref));
    m = map(ref, BOTH);
    struct gnttab_unmap_grant_ref list[3] = { { .host_addr = host, .handle = m.handle },
                                              { .dev_bus_addr = bus, .handle = m.handle },
                                              { .host_addr = host, .handle = m.handle } };
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, list, 3), 0);
    CHECK(list[0].status == GNTST_okay && list[1].status == GNTST_okay);
    CHECK_IS(list[2].status, GNTST_bad_handle);
    CHECK(!is_mapped() && !in_use(ref));

    /* one half: the other's address is nothing */
    m = map(ref, GNTMAP_host_map);
    CHECK_IS(unmap(m.handle, host, bus + PAGE_SIZE), GNTST_okay);
    CHECK(!is_mapped() && !in_use(ref));
    m = map(ref, GNTMAP_device_map);
    CHECK(!is_mapped());
    CHECK_IS(unmap(m.handle, host, 0), GNTST_okay);
    CHECK(in_use(ref));
    CHECK_IS(unmap(m.handle, host, bus), GNTST_okay);
    CHECK(!in_use(ref));
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
}

/* What went wrong with one half is the other's, too: nothing stands, nothing is taken. */
static void a_mapping_that_fails(void)
{
    int ref = grant_page(self, page, false),
        table = grant_access(self, virt_to_mfn(pt_walk((unsigned long)page, 1)), false);
    struct gnttab_map_grant_ref op = {
        .host_addr = 0xffff830000000000UL, .flags = BOTH, .ref = (grant_ref_t)ref, .dom = self
    };

    NEED(ref > 0 && table > 0);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK_IS(op.status, GNTST_general_error);
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    /* I2, for the CPU as for devices */
    CHECK_IS(map(table, BOTH).status, GNTST_general_error);
    CHECK_IS(map(table, GNTMAP_device_map).status, GNTST_general_error);
    CHECK_IS(map(table, GNTMAP_host_map).status, GNTST_general_error);
    CHECK_IS(grant_end_access((grant_ref_t)table), 0);
}

/* Two mappings of one entry, their halves ended crosswise: the marks go with the last. */
static void crosswise(void)
{
    int ref = grant_page(self, page, false);
    struct gnttab_map_grant_ref readable, writable;

    NEED(ref > 0);
    writable = map(ref, GNTMAP_device_map);
    readable = map(ref, BOTH | GNTMAP_readonly);
    CHECK(readable.status == GNTST_okay && writable.status == GNTST_okay);
    CHECK_IS(unmap(writable.handle, 0, bus), GNTST_okay);
    CHECK(is_mapped() && in_use(ref));
    CHECK_IS(unmap(readable.handle, 0, bus), GNTST_okay);
    CHECK(is_mapped() && in_use(ref));
    CHECK_IS(unmap(readable.handle, (unsigned long)va, bus), GNTST_okay);
    CHECK(!is_mapped() && !in_use(ref));
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
}

static void replacing(void)
{
    int ref = grant_page(self, page, false);
    struct gnttab_map_grant_ref m;

    NEED(ref > 0);
    m = map(ref, BOTH);
    CHECK_IS(replace(m.handle, 0, (unsigned long)other_va), GNTST_okay);    /* names no half */
    CHECK(is_mapped() && in_use(ref));
    /* by nothing: the CPU's half only */
    CHECK_IS(replace(m.handle, (unsigned long)va, 0), GNTST_okay);
    CHECK(!is_mapped() && in_use(ref));
    CHECK_IS(unmap(m.handle, 0, bus), GNTST_okay);
    CHECK(!in_use(ref));

    /* Named by its entry's address it cannot be replaced. */
    struct gnttab_map_grant_ref by_entry = { .host_addr = entry_address(va, 1),
                                             .flags = GNTMAP_host_map | GNTMAP_contains_pte,
                                             .ref = (grant_ref_t)ref,
                                             .dom = self,
                                             .status = 1 };
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &by_entry, 1), 0);
    CHECK_IS(by_entry.status, GNTST_okay);
    CHECK_IS(replace(by_entry.handle, by_entry.host_addr, (unsigned long)other_va),
             GNTST_general_error);
    CHECK(is_mapped() && in_use(ref));
    CHECK_IS(replace(by_entry.handle, by_entry.host_addr, 0), GNTST_okay);
    CHECK(!is_mapped());
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
}

static int16_t copy(struct gnttab_copy op)
{
    op.status = 1;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1), 0);
    return op.status;
}

/* Who is judged before what, the source before the destination, and the page's bounds last of
 * all. */
static void mistakes_in_copies(void)
{
    static uint64_t mine[512] __attribute__((aligned(4096)));
    int ref = grant_page(self, page, false), ref_ro = grant_page(self, page, true);
    int table = grant_access(self, virt_to_mfn(pt_walk((unsigned long)page, 1)), false);
    unsigned long frame = virt_to_mfn(mine), l1 = virt_to_mfn(pt_walk((unsigned long)mine, 1)),
                  not_ours = foreign_mfn();
    struct gnttab_copy_ptr good = { .u.gmfn = frame, .domid = DOMID_SELF },
                           by_ref = { .u.ref = (grant_ref_t)ref, .domid = self };
    struct gnttab_copy_ptr nobody = { .u.ref = 8, .domid = 4242 },
                           foreign = { .u.gmfn = frame, .domid = 4242 };
    struct gnttab_copy_ptr own_number = { .u.gmfn = frame, .domid = self };
    struct gnttab_copy_ptr beyond = { .u.gmfn = frame, .domid = DOMID_SELF, .offset = 4090 };
    struct gnttab_copy_ptr a_table = { .u.gmfn = l1, .domid = DOMID_SELF },
                           nobodys = { .u.gmfn = not_ours, .domid = DOMID_SELF };
    struct gnttab_copy_ptr no_ref = { .u.ref = 99999999, .domid = self },
                           no_grant = { .u.ref = (grant_ref_t)table + 1, .domid = self };
    struct gnttab_copy_ptr readable = { .u.ref = (grant_ref_t)ref_ro, .domid = self },
                           granted_table = { .u.ref = (grant_ref_t)table, .domid = self };

    NEED(ref > 0 && ref_ro > 0 && table > 0 && not_ours != INVALID_MFN);
#define COPY(from, to, how) \
    copy((struct gnttab_copy){ .source = (from), .dest = (to), .len = 8, .flags = (how) })
#define S GNTCOPY_source_gref
#define D GNTCOPY_dest_gref
    CHECK_IS(COPY(good, by_ref, D), GNTST_okay);
    CHECK_IS(COPY(by_ref, good, S), GNTST_okay);
    CHECK_IS(COPY(readable, good, S), GNTST_okay);
    CHECK_IS(COPY(granted_table, good, S), GNTST_okay);
    CHECK_IS(COPY(a_table, good, 0), GNTST_okay);
    /* a frame is the caller's, who calls himself DOMID_SELF */
    CHECK_IS(COPY(own_number, good, 0), GNTST_permission_denied);
    CHECK_IS(COPY(good, own_number, 0), GNTST_permission_denied);
    CHECK_IS(COPY(nobody, good, S), GNTST_bad_domain);
    CHECK_IS(COPY(good, nobody, D), GNTST_bad_domain);
    /* both are looked for, then judged */
    CHECK_IS(COPY(own_number, nobody, D), GNTST_bad_domain);
    CHECK_IS(COPY(nobody, own_number, S), GNTST_bad_domain);
    CHECK_IS(COPY(foreign, good, 0), GNTST_bad_domain);
    CHECK_IS(COPY(good, foreign, 0), GNTST_bad_domain);
    CHECK_IS(COPY(own_number, no_ref, D), GNTST_permission_denied);
    CHECK_IS(COPY(no_ref, nobody, S | D), GNTST_bad_domain);        /* who, before what */
    /* the source, before the destination */
    CHECK_IS(COPY(no_ref, nobodys, S), GNTST_bad_gntref);
    CHECK_IS(COPY(no_ref, beyond, S), GNTST_bad_gntref);            /* the bounds last */
    CHECK_IS(COPY(nobodys, beyond, 0), GNTST_bad_page);
    CHECK_IS(COPY(beyond, nobodys, 0), GNTST_bad_page);
    CHECK_IS(COPY(beyond, by_ref, D), GNTST_bad_copy_arg);
    CHECK_IS(COPY(good, beyond, 0), GNTST_bad_copy_arg);
    CHECK_IS(COPY(no_grant, good, S), GNTST_general_error);
    CHECK_IS(COPY(good, readable, D), GNTST_general_error);
    CHECK_IS(COPY(good, granted_table, D), GNTST_general_error);
    CHECK_IS(COPY(good, a_table, 0), GNTST_general_error);
    CHECK_IS(COPY(good, nobodys, 0), GNTST_bad_page);
    CHECK(!in_use(ref));
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    CHECK_IS(grant_end_access((grant_ref_t)ref_ro), 0);
    CHECK_IS(grant_end_access((grant_ref_t)table), 0);
}

/* Statuses of map, whose checks the other guests only know to refuse. */
static void mistakes_in_maps(void)
{
    int ref = grant_page(self, page, false), ref_ro = grant_page(self, page, true),
        nobodys = grant_access(self, foreign_mfn(), false);
    struct gnttab_map_grant_ref m;

    NEED(ref > 0 && ref_ro > 0 && nobodys > 0);
    m = map(ref, 0);
    CHECK_IS(m.status, GNTST_bad_gntref);
    CHECK_IS(map(ref_ro, GNTMAP_host_map).status, GNTST_general_error);
    CHECK_IS(map(nobodys, BOTH).status, GNTST_bad_page);
    CHECK_IS(map(99999999, BOTH).status, GNTST_bad_gntref);
    struct gnttab_map_grant_ref other = { .flags = 0, .ref = 99999999, .dom = 4242 };
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &other, 1), 0);
    CHECK_IS(other.status, GNTST_bad_gntref);                       /* flags, then who, then what */
    other.flags = GNTMAP_device_map;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &other, 1), 0);
    CHECK_IS(other.status, GNTST_bad_domain);
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    CHECK_IS(grant_end_access((grant_ref_t)ref_ro), 0);
    CHECK_IS(grant_end_access((grant_ref_t)nobodys), 0);
}

void test_main(void)
{
    self = own_domid();
    page = alloc_zeroed_page();
    va = vspace_alloc(1);
    other_va = alloc_page();
    NEED(page && va && other_va);
    bus = virt_to_mfn(page) << PAGE_SHIFT;
    each_half_ends_alone();
    a_mapping_that_fails();
    crosswise();
    replacing();
    mistakes_in_copies();
    mistakes_in_maps();
}
