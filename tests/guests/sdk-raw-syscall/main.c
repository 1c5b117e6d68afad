/* SPDX-License-Identifier: MIT */
/*
 * The SDK's named hypercall stubs in their second form: compiled with PVGUEST_RAW_SYSCALL they
 * issue `syscall` themselves and never look at the hypercall page (which this guest overwrites to
 * prove it), with no to five arguments.
 */
#define PVGUEST_RAW_SYSCALL
#include "../lib/test.h"

void test_main(void)
{
    struct evtchn_status status = { .dom = DOMID_SELF, .port = 0 };
    unsigned long version = (unsigned long)HYPERVISOR_xen_version(XENVER_version, NULL);
    uint64_t *word = alloc_zeroed_page();
    unsigned int done = 0;
    char saved[128 * 32];

    NEED(word);
    CHECK(version >= 4UL << 16);
    CHECK_IS(hypercall_by_syscall(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0), version);
    CHECK_IS(hypercall_by_page(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0), version);

    /* A page full of int3: whoever calls into it now ends here. Handlers stay quiet meanwhile. */
    events_mask_all();
    memcpy(saved, hypercall_page, sizeof(saved));
    memset(hypercall_page, 0xcc, sizeof(saved));
    long by_page = TRAP_IN(hypercall_by_page(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0));
    long sched = HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
    long events = HYPERVISOR_event_channel_op(EVTCHNOP_status, &status);
    long va = HYPERVISOR_update_va_mapping((unsigned long)word,
                                           virt_to_mfn(word) << PAGE_SHIFT | PROT_RW, UVMF_INVLPG);
    struct mmu_update update = { .ptr = virt_to_machine(pt_walk((unsigned long)word, 1)) |
                                        MMU_NORMAL_PT_UPDATE,
                                 .val = virt_to_mfn(word) << PAGE_SHIFT | PROT_RO };
    long mmu = HYPERVISOR_mmu_update(&update, 1, &done, DOMID_SELF);
    long none = HYPERVISOR_xen_version(12345, NULL);
    memcpy(hypercall_page, saved, sizeof(saved));
    events_unmask_all();

    CHECK_IS(by_page, TRAP_BP);
    CHECK_IS(sched, 0);
    CHECK_IS(events, 0);
    CHECK_IS(va, 0);
    CHECK_IS(mmu, 0);
    CHECK_IS(done, 1);
    CHECK_IS(none, -ENOSYS);
    CHECK_IS(try_write64(word, 1), -EFAULT);
}
