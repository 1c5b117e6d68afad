/* SPDX-License-Identifier: MIT */
/*
 * What is refused by design is refused last: a call of it that is wrong in itself gets the errno
 * that Xen has for that, in Xen's order. Guests are written to look at these (a control block in a
 * frame that is not there, a version that nobody has), and a kernel that asks whether something
 * exists must not be told so by a mistake of its own. Only calls that both refuse are made on both.
 */
#include "../lib/test.h"

#include <xen/event_channel.h>
#include <xen/memory.h>

#define NOWHERE ((void *)8)

static long grant_op(unsigned int op, void *arg, unsigned int count)
{
    return HYPERVISOR_grant_table_op(op, arg, count);
}
static long event_op(unsigned int op, void *arg)
{
    return HYPERVISOR_event_channel_op(op, arg);
}

/* ---- FIFO event channels ---- */

static long init_control(unsigned long frame, uint32_t offset, uint32_t vcpu)
{
    struct evtchn_init_control op = { .control_gfn = frame, .offset = offset, .vcpu = vcpu };

    return event_op(EVTCHNOP_init_control, &op);
}

static void fifo_channels(void)
{
    void *block = alloc_zeroed_page();
    unsigned long good = virt_to_mfn(block), l1 = virt_to_mfn(pt_walk((unsigned long)block, 1));
    struct evtchn_set_priority priority = { .port = 4000 };
    struct evtchn_expand_array array = { .array_gfn = good };

    NEED(block);
    CHECK_IS(event_op(EVTCHNOP_init_control, NOWHERE), -EFAULT);
    /* who, then where, then in what */
    CHECK_IS(init_control(INVALID_MFN, 4090, 99), -ENOENT);
    CHECK_IS(init_control(good, 0, 31), -ENOENT);
    CHECK_IS(init_control(good, PAGE_SIZE - sizeof(evtchn_fifo_control_block_t) + 8, 0), -EINVAL);
    CHECK_IS(init_control(good, PAGE_SIZE, 0), -EINVAL);
    CHECK_IS(init_control(good, ~0u & ~7u, 0), -EINVAL);
    CHECK_IS(init_control(good, 4, 0), -EINVAL);
    CHECK_IS(init_control(INVALID_MFN, 0, 0), -EINVAL);
    CHECK_IS(init_control(1ul << 40, 0, 0), -EINVAL);
    CHECK_IS(init_control(foreign_mfn(), 0, 0), -EINVAL);
    /* a page table: nothing else writes there */
    CHECK_IS(init_control(l1, 0, 0), -EINVAL);
    CHECK_IS(event_op(EVTCHNOP_expand_array, NOWHERE), -EFAULT);
    CHECK_IS(event_op(EVTCHNOP_expand_array, &array), -EOPNOTSUPP);
    array.array_gfn = INVALID_MFN;
    CHECK_IS(event_op(EVTCHNOP_expand_array, &array), -EOPNOTSUPP);
    CHECK_IS(event_op(EVTCHNOP_set_priority, NOWHERE), -EFAULT);
    CHECK_IS(event_op(EVTCHNOP_set_priority, &priority), -EINVAL);
    priority.port = 1u << 31;
    CHECK_IS(event_op(EVTCHNOP_set_priority, &priority), -EINVAL);
    CHECK_IS(event_op(99, NOWHERE), -ENOSYS);
    /* what is in order is what falls back */
    if (on_domus())
        CHECK_IS(init_control(good, 0, 0), -ENOSYS);
    if (on_domus())
        CHECK_IS(init_control(good, PAGE_SIZE - sizeof(evtchn_fifo_control_block_t), 0), -ENOSYS);
    free_page(block);
}

/* ---- grants: version 2, transfers, swaps, cache flushes ---- */

static long set_version(uint32_t version, uint32_t *stands)
{
    struct gnttab_set_version op = { .version = version };
    long error = grant_op(GNTTABOP_set_version, &op, 1);

    *stands = op.version;
    return error;
}

static long flush(uint32_t what, uint16_t offset, uint16_t length)
{
    struct gnttab_cache_flush op = { .op = what, .offset = offset, .length = length };

    op.a.dev_bus_addr = virt_to_machine(&shared_info);
    return grant_op(GNTTABOP_cache_flush, &op, 1);
}

static void grants(void)
{
    static const unsigned int lists[] = { GNTTABOP_map_grant_ref,     GNTTABOP_unmap_grant_ref,
                                          GNTTABOP_unmap_and_replace, GNTTABOP_copy,
                                          GNTTABOP_transfer,          GNTTABOP_swap_grant_ref,
                                          GNTTABOP_cache_flush };
    struct gnttab_get_status_frames status = { .dom = DOMID_SELF };
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    uint32_t stands;

    CHECK_IS(set_version(3, &stands), -EINVAL);
    CHECK_IS(stands, 1);
    CHECK_IS(set_version(0, &stands), -EINVAL);
    CHECK_IS(stands, 1);
    CHECK_IS(set_version(1, &stands), 0);
    CHECK_IS(grant_op(GNTTABOP_set_version, NOWHERE, 1), -EFAULT);
    for (unsigned int i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        CHECK_IS(grant_op(lists[i], NOWHERE, 1), -EFAULT);
        /* before anything is read */
        CHECK_IS(grant_op(lists[i], NOWHERE, 0x80000000), -EINVAL);
    }
    /* more than a number of an operation */
    for (unsigned int i = GNTTABOP_map_grant_ref; i <= GNTTABOP_swap_grant_ref; i++)
        CHECK_IS(grant_op(0x1000 | i, NOWHERE, 1), -EINVAL);
    CHECK_IS(grant_op(GNTTABOP_get_status_frames, NOWHERE, 2), -EINVAL);
    CHECK_IS(grant_op(GNTTABOP_get_status_frames, NOWHERE, 1), -EFAULT);
    CHECK_IS(grant_op(GNTTABOP_setup_table, NOWHERE, 2), -EINVAL);
    /* nobody's list, whoever is meant */
    setup.frame_list.p = (xen_pfn_t *)0xffff810000000000;
    setup.dom = 4242;
    CHECK_IS(grant_op(GNTTABOP_setup_table, &setup, 1), -EFAULT);
    status.frame_list.p = (void *)0xffff810000000000;
    status.nr_frames = 1;
    CHECK_IS(grant_op(GNTTABOP_get_status_frames, &status, 1), -EFAULT);
    CHECK_IS(flush(4, 0, 8), -EINVAL);
    CHECK_IS(flush(GNTTAB_CACHE_CLEAN, 4090, 8), -EINVAL);
    CHECK_IS(flush(GNTTAB_CACHE_CLEAN, 0, 4097), -EINVAL);
    CHECK_IS(flush(GNTTAB_CACHE_CLEAN, 4096, 0), -EINVAL);
    CHECK_IS(grant_op(99, NOWHERE, 1), -ENOSYS);
    if (on_domus()) {
        CHECK_IS(set_version(2, &stands), -ENOSYS);
        CHECK_IS(stands, 1);
        CHECK_IS(flush(GNTTAB_CACHE_CLEAN, 0, 8), -ENOSYS);
        CHECK_IS(grant_op(GNTTABOP_transfer, NOWHERE, 0), -ENOSYS);     /* is it there? */
        status.frame_list.p = NOWHERE;
        CHECK_IS(grant_op(GNTTABOP_get_status_frames, &status, 1), -ENOSYS);
    }
}

/* ---- the physical map of a PV guest, superpages, what there is none of ---- */

static void memory(void)
{
    struct xen_add_to_physmap add = { .domid = 4242, .space = XENMAPSPACE_shared_info };
    struct xen_add_to_physmap_batch batch = { .domid = 4242,
                                              .space = XENMAPSPACE_shared_info,
                                              .size = 1 };
    struct xen_remove_from_physmap remove = { .domid = 4242 };
    struct mmuext_op super = { .cmd = MMUEXT_MARK_SUPER };

    CHECK_IS(HYPERVISOR_memory_op(XENMEM_add_to_physmap, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_add_to_physmap_batch, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_remove_from_physmap, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_add_to_physmap, &add), -ESRCH);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_add_to_physmap_batch, &batch), -ESRCH);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_remove_from_physmap, &remove), -ESRCH);
    add.domid = DOMID_SELF;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_add_to_physmap, &add), -EACCES);
    CHECK_IS(HYPERVISOR_mmuext_op(&super, 1, NULL, DOMID_SELF), -EOPNOTSUPP);
    super.cmd = MMUEXT_UNMARK_SUPER;
    CHECK_IS(HYPERVISOR_mmuext_op(&super, 1, NULL, DOMID_SELF), -EOPNOTSUPP);
    super.cmd = 99;
    CHECK_IS(HYPERVISOR_mmuext_op(&super, 1, NULL, DOMID_SELF), -ENOSYS);
}

static void version(void)
{
    xen_build_id_t id = { .len = 0 };

    CHECK_IS(HYPERVISOR_xen_version(XENVER_pagesize, NULL), 4096);
    CHECK_IS(HYPERVISOR_xen_version(XENVER_pagesize, &id), -EINVAL);
    CHECK_IS(HYPERVISOR_xen_version(XENVER_build_id, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_xen_version(XENVER_build_id, &id), -EINVAL);
    CHECK_IS(HYPERVISOR_xen_version(99, NULL), -ENOSYS);
}

/* Types there are 33 of. The last hides the table of machine frames from user mode: Domus has it in
 * every L4, and does not say it were hidden. */
static void assists(void)
{
    static const unsigned int none[] = { 6, 31, 33, 63, 64, 0x80000000u, ~0u };

    CHECK_IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_m2p_strict),
             on_domus() ? -EINVAL : 0);
    CHECK_IS(HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_m2p_strict),
             on_domus() ? -EINVAL : 0);
    for (unsigned int i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        CHECK_IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, none[i]), -EINVAL);
        CHECK_IS(HYPERVISOR_vm_assist(7, none[i]), -EINVAL);            /* which, then what */
    }
    CHECK_IS(HYPERVISOR_vm_assist(7, VMASST_TYPE_runstate_update_flag), -ENOSYS);
}

void test_main(void)
{
    assists();
    fifo_channels();
    grants();
    memory();
    version();
}
