/* SPDX-License-Identifier: MIT */
/*
 * An entry that is not present may hold anything, but on a CPU that reads its address speculatively
 * (L1TF: Intel's before they were mended) not the address of any memory. By each way that an entry
 * can come: update_va_mapping, mmu_update at every level, a table that is pinned. The control
 * domain is trusted and may. Idea: XSA-273.
 * machine: intel
 */
#include "../lib/other.h"

static struct other other;

static bool intel(void)
{
    uint32_t a = 0, b, c = 0, d;

    asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
    return b == 0x756e6547;
}

static long set_l1(uint64_t entry)
{
    return other_call(&other, __HYPERVISOR_update_va_mapping, OTHER_VA(OTHER_FREE), entry,
                      UVMF_INVLPG, 0);
}

static long update(unsigned int table, uint64_t entry)
{
    struct mmu_update op = { (uint64_t)other.frame[table] << PAGE_SHIFT |
                                 (table == OTHER_L1 ? OTHER_FREE : 300) * 8,
                             entry };

    memcpy(other.data, &op, sizeof(op));
    return other_call(&other, __HYPERVISOR_mmu_update, OTHER_VA(OTHER_DATA), 1, 0, DOMID_SELF);
}

/* As an entry of a page that becomes a table. */
static long pin(uint64_t entry, unsigned int command)
{
    struct mmuext_op op = { .cmd = command, .arg1.mfn = other.frame[OTHER_FREE + 1] };
    uint64_t *page = other_map(&other, OTHER_FREE + 1);
    long result;

    page[9] = entry;
    unmap_frames(page, 1);
    NEED(other_call(&other, __HYPERVISOR_update_va_mapping, OTHER_VA(OTHER_FREE + 1),
                    (uint64_t)other.frame[OTHER_FREE + 1] << PAGE_SHIFT | PROT_RO, UVMF_INVLPG,
                    0) == 0);
    memcpy(other.data, &op, sizeof(op));
    result = other_call(&other, __HYPERVISOR_mmuext_op, OTHER_VA(OTHER_DATA), 1, 0, DOMID_SELF);
    op.cmd = MMUEXT_UNPIN_TABLE;
    memcpy(other.data, &op, sizeof(op));
    if (result == 0)
        NEED(other_call(&other, __HYPERVISOR_mmuext_op, OTHER_VA(OTHER_DATA), 1, 0, DOMID_SELF) ==
             0);
    return result;
}

static void by_every_way(uint64_t entry, bool refused)
{
    CHECK_IS(set_l1(entry), refused ? -EINVAL : 0);
    for (unsigned int table = OTHER_L4; table <= OTHER_L1; table++)
        CHECK_IS(update(table, entry), refused ? -EINVAL : 0);
    CHECK_IS(pin(entry, MMUEXT_PIN_L1_TABLE), refused ? -EINVAL : 0);
    CHECK_IS(pin(entry, MMUEXT_PIN_L3_TABLE), refused ? -EINVAL : 0);
}

void test_main(void)
{
    uint64_t *ours = alloc_zeroed_page();

    if (!on_domus())
        test_skip("Xen has other remedies");
    other_begin(&other, 16);
    for (unsigned int flags = 0; flags < 2; flags++) {
        uint64_t more = flags ? PTE_WRITE | PTE_USER | 1UL << 11 : 0;

        by_every_way(virt_to_machine(ours) | more, intel());
        by_every_way((uint64_t)foreign_mfn() << PAGE_SHIFT | more, intel());
        /* its own: it may leave it */
        by_every_way((uint64_t)other.frame[OTHER_L4] << PAGE_SHIFT | more, intel());
        /* no RAM there: nothing to be read */
        by_every_way(0xfffffffff000UL | more, false);
        by_every_way(more, false);                              /* and no address at all */
    }
    struct mmu_update op = { entry_address(ours, 1), (uint64_t)foreign_mfn() << PAGE_SHIFT };
    CHECK_IS(HYPERVISOR_mmu_update(&op, 1, NULL, DOMID_SELF), 0);
    /* the machine that the runner was asked for */
    CHECK(intel());
    other_end(&other);
}
