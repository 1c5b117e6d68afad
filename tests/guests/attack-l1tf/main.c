/* SPDX-License-Identifier: MIT */
/*
 * Not-present entries that name RAM: on a CPU with L1TF they read whatever the first-level cache
 * holds of it, at the size of the level they stand in, and long after the frame has gone to
 * somebody else. With the word "affected" on the command line (a domU on such a CPU:
 * tests/system/test_l1tf.py) each must be refused, by mmu_update, update_va_mapping, a plain store
 * and validation, and each that names no RAM must be taken; without it (the control domain, or
 * another CPU) all are taken. Idea: XSA-273.
 */
#include "../lib/test.h"

#define PLACE     0x0000018000000000UL
#define PS        0x80UL
/* accessed, dirty, and a bit of the guest's own: with P taken away below */
#define FLAGS     0x61UL
#define MIB_2     (2UL << 20)

static bool affected;
static uint64_t ram_end, foreign, own;      /* Machine addresses. */
static unsigned int address_bits;

static long by_update(unsigned int level, uint64_t value)
{
    return write_entry(entry_address((const void *)PLACE, level) + (level == 1 ? 8 : 8 * 5), value);
}

static long by_va(uint64_t value)
{
    return HYPERVISOR_update_va_mapping(PLACE + PAGE_SIZE, value, UVMF_NONE);
}

static void store(void *value)
{
    volatile uint64_t *entry = ADDRESS(pt_walk(PLACE + PAGE_SIZE, 1));

    *entry = *(uint64_t *)value;
}

static long by_store(uint64_t value)
{
    return trap_in(store, &value) < 0 ? 0 : -EFAULT;
}

/* The entry is there before the page becomes a table. */
static long by_validation(unsigned int level, uint64_t value)
{
    static const unsigned int pin[] = { 0, MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                        MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE };
    uint64_t *table = alloc_zeroed_page();
    long result;

    NEED(table);
    table[7] = value;
    NEED(page_set_readonly(table, true) == 0);
    result = mmuext_mfn(pin[level], virt_to_mfn(table));
    if (result == 0)
        NEED(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)) == 0);
    NEED(page_set_readonly(table, false) == 0);
    free_page(table);
    return result;
}

#define JUDGE(call, fine) \
    do { \
        if (!affected || (fine)) \
            CHECK_IS(call, 0); \
        else \
            CHECK_REFUSED(call); \
    } while (0)

static void by_every_way(unsigned int level, uint64_t value, bool fine)
{
    value &= ~PTE_PRESENT;
    JUDGE(by_update(level, value), fine);
    NEED(by_update(level, 0) == 0);
    JUDGE(by_validation(level, value), fine);
    if (level > 1) return;
    JUDGE(by_va(value), fine);
    NEED(by_va(0) == 0);
    JUDGE(by_store(value), fine);
    NEED(by_va(0) == 0);
}

void test_main(void)
{
    uint32_t a = 0x80000008, b, c, d;
    uint64_t behind;

    affected = strstr(command_line(), "affected");
    own = virt_to_machine(alloc_zeroed_page());
    foreign = foreign_mfn() << PAGE_SHIFT;
    /* one behind, on Xen too */
    ram_end = (uint64_t)HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL) << PAGE_SHIFT;
    asm volatile("cpuid" : "+a" (a), "=b" (b), "=c" (c), "=d" (d));
    address_bits = a & 0xff;
    NEED(ram_end > MIB_2 && address_bits >= 36 && pt_populate(PLACE) == 0);
    behind = (((ram_end - 1) >> 30) + 1) << 30;                 /* Of the next GiB. */

    for (unsigned int level = 1; level <= 4; level++) {
        by_every_way(level, own, false);                        /* It may leave us. */
        by_every_way(level, own | FLAGS, false);
        by_every_way(level, foreign, false);
        by_every_way(level, foreign | PTE_NX | PTE_USER | PTE_WRITE, false);
        by_every_way(level, ram_end - PAGE_SIZE, false);
        by_every_way(level, PAGE_SIZE, false);
        by_every_way(level, foreign | PTE_MFN_MASK >> address_bits << address_bits,
                     address_bits >= 52);
        by_every_way(level, FLAGS, true);                       /* Nothing, with flags. */
        by_every_way(level, PTE_MFN_MASK, true);
        /* As Linux writes what nobody may touch. */
        by_every_way(level, ~own & PTE_MFN_MASK, true);
        by_every_way(level, ~own & PTE_MFN_MASK & ((1UL << address_bits) - 1), true);
    }
    by_every_way(1, ram_end, true);
    by_every_way(1, PS, true);                                  /* There it is PAT. */
    /* What a large page would reach, below or within. */
    by_every_way(2, PS, false);
    by_every_way(2, foreign | PS, false);
    by_every_way(2, behind | PS, true);
    by_every_way(2, (behind + MIB_2 - PAGE_SIZE) | PS, true);
    by_every_way(3, PS, false);
    by_every_way(3, behind | PS, true);
    by_every_way(3, foreign | PS, false);
    by_every_way(4, PS, false);
    by_every_way(4, behind | PS, false);
    if (ram_end & (MIB_2 - 1))
        by_every_way(2, ram_end | PS, false);
    if (ram_end & ((1UL << 30) - 1))
        by_every_way(3, ram_end | PS, false);
}
