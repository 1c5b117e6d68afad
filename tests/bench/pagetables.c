/* SPDX-License-Identifier: MIT */
/* Page-table updates: one by one, batched, trapped; and whole tables attached, pinned and given back. */
#include "bench.h"

static unsigned int turn;           /* entries alternate between two frames, so that each write is a real change */

static uint64_t lab_entry(void)
{
    return (lab_frame[turn & 1] << PAGE_SHIFT) | PROT_RW;
}

static void update_many(unsigned int count)
{
    static struct mmu_update requests[512];
    uint64_t value = lab_entry();

    turn++;
    for (unsigned int i = 0; i < count; i++)
        requests[i] = (struct mmu_update){ .ptr = lab_l1_machine + 8 * i, .val = value };
    must(HYPERVISOR_mmu_update(requests, count, NULL, DOMID_SELF));
}

static void update_1(void) { update_many(1); }
static void update_8(void) { update_many(8); }
static void update_64(void) { update_many(64); }
static void update_512(void) { update_many(512); }

/* Only the permission changes: what fork and copy-on-write do most. */
static void update_64_permission(void)
{
    static struct mmu_update requests[64];
    uint64_t value = (lab_frame[0] << PAGE_SHIFT) | (turn++ & 1 ? PROT_RW : PROT_RO);

    for (unsigned int i = 0; i < 64; i++)
        requests[i] = (struct mmu_update){ .ptr = lab_l1_machine + 8 * i, .val = value };
    must(HYPERVISOR_mmu_update(requests, 64, NULL, DOMID_SELF));
}

static void va_mapping(void)
{
    uint64_t value = lab_entry();

    turn++;
    must(HYPERVISOR_update_va_mapping(LAB_VA, value, UVMF_NONE));
}

static void va_mapping_invlpg(void)
{
    uint64_t value = lab_entry();

    turn++;
    must(HYPERVISOR_update_va_mapping(LAB_VA, value, UVMF_INVLPG | UVMF_LOCAL));
}

static void store(void)
{
    uint64_t value = lab_entry();

    turn++;
    *(volatile uint64_t *)lab_l1 = value;
}

static void compare_exchange(void)
{
    uint64_t value = lab_entry(), old = *(volatile uint64_t *)lab_l1;

    turn++;
    asm volatile("lock cmpxchgq %2, %1" : "+a" (old), "+m" (*(volatile uint64_t *)lab_l1) : "r" (value) : "memory");
}

/* Trapped stores need the mapping of LAB_VA only through lab_l1, which is read-only as every table. */
static long enable_writable_tables(void)
{
    return HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables);
}

/* A chain of four tables outside the current address space, each with one entry, or with 512. */
static uint64_t *chain[4];          /* L1 .. L4 */

static void fill_chain(unsigned int entries)
{
    for (unsigned int level = 0; level < 4; level++) {
        if (!chain[level])
            chain[level] = new_page();
        memset(chain[level], 0, PAGE_SIZE);
    }
    for (unsigned int i = 0; i < entries; i++)
        chain[0][i] = (lab_frame[0] << PAGE_SHIFT) | PROT_RW;
    for (unsigned int level = 1; level < 4; level++)
        chain[level][0] = (virt_to_mfn(chain[level - 1]) << PAGE_SHIFT) | PROT_TABLE;
}

static void chain_readonly(bool readonly)
{
    for (unsigned int level = 0; level < 4; level++)
        set_readonly(chain[level], readonly);
}

static long chain_of_one(void) { fill_chain(1); chain_readonly(true); return 0; }
static void chain_free(void) { chain_readonly(false); }

static void mmuext(unsigned int command, unsigned long mfn)
{
    struct mmuext_op op = { .cmd = command, .arg1.mfn = mfn };

    must(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF));
}

/* Pinning the L4 validates all four tables. What is measured is the pair; the table shows it per table and pair. */
static void pin_unpin(void)
{
    mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(chain[3]));
    mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(chain[3]));
}

static long full_l1(void)
{
    fill_chain(512);
    set_readonly(chain[0], true);
    return 0;
}

static void free_l1(void) { set_readonly(chain[0], false); }

static void pin_unpin_l1(void)
{
    mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(chain[0]));
    mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(chain[0]));
}

static void attach_detach(void)
{
    struct mmu_update request = { .ptr = lab_l2_entry, .val = (virt_to_mfn(chain[0]) << PAGE_SHIFT) | PROT_TABLE };

    must(HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF));
    request.val = 0;
    must(HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF));
}

#define UPDATE(name_, form_, units_, run_) { .group = "page tables", .name = name_, .form = form_, .units = units_, .run = run_ }
#define WHOLE(name_, units_, prepare_, run_, cleanup_) \
    { .group = "page tables", .name = name_, .form = "hypercall", .units = units_, .prepare = prepare_, .run = run_, .cleanup = cleanup_ }
const struct operation pagetable_operations[] = {
    UPDATE("1 PTE (mmu_update; a trapped store)", "hypercall", 1, update_1),
    { .group = "page tables", .name = "1 PTE (mmu_update; a trapped store)", .form = "trap", .units = 1,
      .prepare = enable_writable_tables, .run = store },
    UPDATE("1 PTE by lock cmpxchg", "trap", 1, compare_exchange),
    UPDATE("8 PTEs in one mmu_update, each", "hypercall", 8, update_8),
    UPDATE("64 PTEs in one mmu_update, each", "hypercall", 64, update_64),
    UPDATE("512 PTEs in one mmu_update, each", "hypercall", 512, update_512),
    UPDATE("64 PTEs RW<->RO on the same page, each", "hypercall", 64, update_64_permission),
    UPDATE("update_va_mapping, no flush", "hypercall", 1, va_mapping),
    UPDATE("update_va_mapping, INVLPG", "hypercall", 1, va_mapping_invlpg),
    WHOLE("attach and detach a full L1", 1, full_l1, attach_detach, free_l1),
    WHOLE("pin and unpin four levels of one entry, per table", 4, chain_of_one, pin_unpin, chain_free),
    WHOLE("pin and unpin a full L1", 1, full_l1, pin_unpin_l1, free_l1),
    { .name = NULL },
};
