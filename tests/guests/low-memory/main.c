/* SPDX-License-Identifier: MIT */
/*
 * The first MiB of the machine, RAM or not, is the control domain's to map as it maps devices:
 * firmware leaves its tables there, and kernels that look for them map it by machine addresses, in
 * their own name or DOMID_IO's. What the hypervisor itself uses there (where other CPUs start) it
 * keeps. It is no memory of anybody's: not to be pinned, granted, exchanged, or given back. Idea: a
 * kernel of ours that could not start as control domain, since it may read what every PC's kernel
 * reads.
 */
#include "../lib/test.h"

#include <xen/memory.h>

#define FRAMES      0x100UL
#define BDA_MEMORY  0x413               /* the BIOS data area: KiB of low memory */
#define BDA_SPARE   0x4f0               /* 16 bytes there that are programs' */
#define TRAMPOLINE  8UL                 /* hypervisor/boot/smp.c */

static char *va, *again;

static long map(void *at, unsigned long frame, uint64_t flags, domid_t owner)
{
    struct mmu_update update = { .ptr = entry_address(at, 1), .val = frame << PAGE_SHIFT | flags };
    struct mmuext_op invlpg = { .cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = (unsigned long)at };
    long error = HYPERVISOR_mmu_update(&update, 1, NULL, owner);

    NEED(HYPERVISOR_mmuext_op(&invlpg, 1, NULL, DOMID_SELF) == 0);
    return error;
}

static void every_frame_is_to_be_had(void)
{
    unsigned long refused = 0, first = 0;

    for (unsigned long frame = 0; frame < FRAMES; frame++) {
        uint64_t value;
        long error = map(va, frame, PROT_RW, DOMID_IO);

        if (error == 0 && try_read64(va, &value))
            test_failure(__FILE__, __LINE__, "frame %lx is mapped but not to be read", frame);
        if (error)
            first = refused++ ? first : frame;
        CHECK_IS(map(va, frame, PROT_RO, DOMID_SELF) != 0, error != 0);
        CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)va, frame << PAGE_SHIFT | PROT_RW,
                                              UVMF_INVLPG) != 0,
                 error != 0);
        CHECK_IS(map(va, frame, PROT_RW | PTE_PCD | PTE_PWT, DOMID_IO) != 0, error != 0);
        CHECK_IS(map(va, 0, 0, DOMID_SELF), 0);
    }
    printk("of %lu frames %lu are refused, the first is %lx\n", FRAMES, refused, first);
    CHECK(refused <= 16);
    if (on_domus())
        CHECK(refused == 1 && first == TRAMPOLINE);
}

static void it_is_the_machine_s(void)
{
    static const char word[] = "fifteen letters";

    CHECK_IS(map(va, 0, PROT_RW, DOMID_IO), 0);
    CHECK_IS(map(again, 0, PROT_RO, DOMID_SELF), 0);
    unsigned int kib = *(volatile uint16_t *)(void *)(va + BDA_MEMORY);
    CHECK(kib >= 512 && kib <= 640);
    memcpy(va + BDA_SPARE, word, sizeof(word));
    CHECK_IS(memcmp(again + BDA_SPARE, word, sizeof(word)), 0);
    CHECK_IS(map(va, 0, 0, DOMID_SELF), 0);
    CHECK_IS(map(again, 0, 0, DOMID_SELF), 0);
}

static void it_is_nobody_s(void)
{
    xen_pfn_t frame = 0x60;
    struct xen_memory_reservation give = { .nr_extents = 1, .domid = DOMID_SELF };
    struct mmu_update m2p = { .ptr = frame << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, .val = 1 };
    struct grant_map mapping;
    int ref = grant_access(own_domid(), frame, false);

    set_xen_guest_handle(give.extent_start, &frame);
    NEED(ref > 0);
    CHECK_REFUSED(grant_map(own_domid(), (grant_ref_t)ref, false, &mapping));
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, frame));
    CHECK_REFUSED(mmuext_mfn(MMUEXT_CLEAR_PAGE, frame));
    CHECK_REFUSED(HYPERVISOR_set_gdt(&frame, 8));
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &give), 0);
    CHECK_REFUSED(write_entry(frame << PAGE_SHIFT, 0));
    CHECK_REFUSED(HYPERVISOR_mmu_update(&m2p, 1, NULL, DOMID_SELF));
    CHECK_REFUSED(write_entry(entry_address(va, 2), frame << PAGE_SHIFT | PROT_TABLE));
}

void test_main(void)
{
    if (!is_dom0())
        test_skip("the first MiB is the control domain's");
    va = vspace_alloc(1);
    again = vspace_alloc(1);
    NEED(va && again);
    every_frame_is_to_be_had();
    it_is_the_machine_s();
    it_is_nobody_s();
}
