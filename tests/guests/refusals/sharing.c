/* SPDX-License-Identifier: MIT */
/* grant_table_op and event_channel_op: requests that cannot be read or answered, and one entry in
 * use as often as it can be. */
#include "refusals.h"

#define MOST    65535u              /* users of one kind that an entry counts */
#define BATCH   1023u

static void bad_requests(void)
{
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    struct gnttab_map_grant_ref map = { .flags = GNTMAP_device_map, .ref = 8, .dom = 900 }, *fixed;
    char *page = alloc_zeroed_page();
    struct gnttab_copy copy = { .source = { .u.ref = 8, .domid = 900 }, .len = 8,
                                .dest = { .domid = DOMID_SELF }, .flags = GNTCOPY_source_gref };

    NEED(page);
    setup.frame_list.p = NOWHERE;
    copy.dest.u.gmfn = virt_to_mfn(page);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, &copy, 1), 0);
    CHECK_IS(copy.status, GNTST_bad_domain);
    free_page(page);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_setup_table, NOWHERE, 1), -EFAULT);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_query_size, NOWHERE, 1), -EFAULT);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    CHECK_IS(setup.status, GNTST_bad_virt_addr);
    fixed = unwritable(&map, sizeof(map));
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, fixed, 1), -EFAULT);
    unwritable_end(fixed);
    for (unsigned int i = 0; i <= EVTCHNOP_reset; i++)
        CHECK_IS(HYPERVISOR_event_channel_op(i, NOWHERE), -EFAULT);
    struct gnttab_set_version version = { .version = 2 };
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_set_version, &version, 1), -ENOSYS);
    version.version = 3;
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_set_version, &version, 1), -EINVAL);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_set_version, NOWHERE, 1), -EFAULT);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_get_version, NOWHERE, 1), -EFAULT);
}

/* ---- one entry, many users ---- */

static grant_handle_t handle[MOST];
static uint64_t bus_address;

static struct gnttab_map_grant_ref mapping(grant_ref_t ref, uint32_t flags)
{
    return (struct gnttab_map_grant_ref){ .flags = GNTMAP_device_map | flags, .ref = ref,
                                          .dom = own_domid() };
}

static int16_t use(grant_ref_t ref, uint32_t flags, unsigned int from, unsigned int count)
{
    static struct gnttab_map_grant_ref maps[BATCH];

    for (unsigned int i = 0; i < count; i++)
        maps[i] = mapping(ref, flags);
    NEED(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, maps, count) == 0);
    for (unsigned int i = 0; i < count; i++) {
        if (maps[i].status != GNTST_okay) return maps[i].status;
        handle[from + i] = maps[i].handle;
        bus_address = maps[i].dev_bus_addr;
    }
    return GNTST_okay;
}

static void end_use(unsigned int from, unsigned int count)
{
    static struct gnttab_unmap_grant_ref unmaps[BATCH];

    for (unsigned int i = 0; i < count; i++)
        unmaps[i] = (struct gnttab_unmap_grant_ref){ .handle = handle[from + i],
                                                     .dev_bus_addr = bus_address };
    NEED(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, unmaps, count) == 0);
    for (unsigned int i = 0; i < count; i++)
        if (unmaps[i].status != GNTST_okay)
            test_failure(__FILE__, __LINE__, "use %u has no end: %d", from + i, unmaps[i].status);
}

/* One more than can be counted is refused, and one less makes room. */
static void used_too_often(uint32_t flags)
{
    void *page = alloc_zeroed_page();
    int ref = grant_page(own_domid(), page, false);

    NEED(page && ref >= 0);
    for (unsigned int n = 0; n < MOST; n += BATCH)
        CHECK_IS(use((grant_ref_t)ref, flags, n, n + BATCH <= MOST ? BATCH : MOST - n), GNTST_okay);
    struct gnttab_map_grant_ref more = mapping((grant_ref_t)ref, flags);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &more, 1), 0);
    CHECK_IS(more.status, GNTST_general_error);
    end_use(0, 1);
    CHECK_IS(use((grant_ref_t)ref, flags, 0, 1), GNTST_okay);
    for (unsigned int n = 0; n < MOST; n += BATCH)
        end_use(n, n + BATCH <= MOST ? BATCH : MOST - n);
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    free_page(page);
}

void refused_sharing(void)
{
    bad_requests();
    used_too_often(GNTMAP_readonly);
    used_too_often(0);
}
