/* SPDX-License-Identifier: MIT */
/*
 * update_va_mapping changes the one entry that maps an address, for our own frames only, with every
 * form of flush; what it cannot do (no table there, not canonical, the hypervisor's half, another's
 * frame) is an error and changes nothing. Idea: XSA-279 (flush after a failed update with a
 * non-canonical address).
 */
#include "../lib/test.h"

static uint64_t mfn_of[2];
static volatile uint64_t *page[2];

static long map(const volatile void *va, uint64_t entry, unsigned long flags)
{
    return HYPERVISOR_update_va_mapping((unsigned long)va, entry, flags);
}

static void remap_and_flush(void)
{
    static const unsigned long flushes[] = { UVMF_INVLPG, UVMF_TLB_FLUSH, UVMF_INVLPG | UVMF_ALL,
                                             UVMF_TLB_FLUSH | UVMF_ALL };

    for (unsigned int i = 0; i < sizeof(flushes) / sizeof(flushes[0]); i++) {
        CHECK_IS(*page[0], 100);
        CHECK_IS(map(page[0], mfn_of[1] << PAGE_SHIFT | PROT_RW, flushes[i]), 0);
        CHECK_IS(*page[0], 200);
        CHECK_IS(map(page[0], mfn_of[0] << PAGE_SHIFT | PROT_RW, flushes[i]), 0);
    }
    CHECK_IS(map(page[0], 0, UVMF_INVLPG), 0);
    uint64_t value;
    CHECK_IS(try_read64(ADDRESS(page[0]), &value), -EFAULT);
    CHECK_IS(map(page[0], mfn_of[0] << PAGE_SHIFT | PROT_RO, UVMF_INVLPG), 0);
    CHECK_IS(*page[0], 100);
    CHECK_IS(try_write64(ADDRESS(page[0]), 1), -EFAULT);
    CHECK_IS(map(page[0], mfn_of[0] << PAGE_SHIFT | PROT_RW, UVMF_INVLPG), 0);
    /* The mask of vCPUs: our own, and a pointer that is none. */
    unsigned long mask = 1;
    CHECK_IS(map(page[0], mfn_of[0] << PAGE_SHIFT | PROT_RW, UVMF_INVLPG | (unsigned long)&mask),
             0);
    CHECK_IS(map(page[0], mfn_of[0] << PAGE_SHIFT | PROT_RW,
                 UVMF_TLB_FLUSH | UVMF_MULTI | (unsigned long)&mask),
             0);
}

static void refused_and_unchanged(void)
{
    static const unsigned long nowhere[] = {
        0x800000000000UL, 0xffff7ffffffff000UL, 0x123456789000000UL,     /* not canonical */
        0xffff800000000000UL, 0xffff820000000000UL, 0xffff87fffffff000UL,   /* the hypervisor's */
        0x600000000000UL,                                                   /* no tables there */
    };
    static const unsigned long flushes[] = { UVMF_NONE, UVMF_INVLPG, UVMF_TLB_FLUSH,
                                             UVMF_INVLPG | UVMF_ALL, UVMF_TLB_FLUSH | UVMF_ALL };
    unsigned long foreign = foreign_mfn();

    for (unsigned int i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
        for (unsigned int j = 0; j < sizeof(flushes) / sizeof(flushes[0]); j++)
            CHECK_REFUSED(map((void *)nowhere[i], mfn_of[0] << PAGE_SHIFT | PROT_RW, flushes[j]));

    if (foreign != INVALID_MFN) {
        CHECK_REFUSED(map(page[0], foreign << PAGE_SHIFT | PROT_RO, UVMF_INVLPG));
        CHECK_REFUSED(map(page[0], foreign << PAGE_SHIFT | PROT_RW, UVMF_INVLPG));
    }
    CHECK_REFUSED(map(page[0], PTE_MFN_MASK | PROT_RW, UVMF_INVLPG));       /* beyond all memory */
    /* our own page table */
    CHECK_REFUSED(
        map(page[0], virt_to_machine(pt_walk((unsigned long)page[0], 1)) | PROT_RW, UVMF_INVLPG));
    CHECK_IS(*page[0], 100);
}

/* Interrupt controllers that the hypervisor uses itself: no device's page, by whatever name. (Xen
 * shows dom0 the one for I/O.) */
static void the_hypervisors_devices(void)
{
    static const domid_t owners[] = { DOMID_SELF, DOMID_IO };
    static const unsigned long frames[] = { 0xfee00, 0xfec00 };

    for (unsigned int i = 0; i < 4 && on_domus(); i++) {
        CHECK_REFUSED(map_page((unsigned long)page[0], frames[i / 2], PROT_RW, owners[i & 1]));
        CHECK_REFUSED(map_page((unsigned long)page[0], frames[i / 2], PROT_RO, owners[i & 1]));
    }
    CHECK_IS(*page[0], 100);
}

static void in_another_domain(void)
{
    CHECK_REFUSED(HYPERVISOR_update_va_mapping_otherdomain(
        (unsigned long)page[0], mfn_of[0] << PAGE_SHIFT | PROT_RW, UVMF_INVLPG, 4242));
    CHECK_REFUSED(HYPERVISOR_update_va_mapping_otherdomain(
        (unsigned long)page[0], mfn_of[1] << PAGE_SHIFT | PROT_RW, UVMF_INVLPG, DOMID_XEN));
    CHECK_IS(*page[0], 100);
}

void test_main(void)
{
    for (int i = 0; i < 2; i++) {
        page[i] = alloc_zeroed_page();
        NEED(page[i] != NULL);
        mfn_of[i] = virt_to_mfn(ADDRESS(page[i]));
        *page[i] = (unsigned int)(i + 1) * 100;
    }
    remap_and_flush();
    refused_and_unchanged();
    the_hypervisors_devices();
    in_another_domain();
}
