/* SPDX-License-Identifier: MIT */
/* Address spaces: switching them, with a hypercall or by a trapped mov to cr3, and the making of one as fork does. */
#include "bench.h"

static uint64_t *other;             /* a second L4 with the kernel's half */
static uint64_t *tables[3];         /* L1 L2 L3 of the process that fork_like makes; its L4 is tables_l4 */
static uint64_t *tables_l4;

static void copy_kernel_half(uint64_t *l4)
{
    const uint64_t *kernel = mfn_to_virt(kernel_root_mfn);

    for (unsigned int slot = 0; slot < 512; slot++)     /* 256 to 271 are the hypervisor's: it fills them in itself */
        l4[slot] = slot >= 256 && slot < 272 ? 0 : kernel[slot];
}

static long mmuext(unsigned int command, unsigned long mfn)
{
    struct mmuext_op op = { .cmd = command, .arg1.mfn = mfn };

    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static long make_other(void)
{
    if (other)
        return 0;
    other = new_page();
    copy_kernel_half(other);
    set_readonly(other, true);
    return mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(other));
}

static unsigned int turn;
static unsigned long next_root(void) { return turn++ & 1 ? kernel_root_mfn : virt_to_mfn(other); }
static void go_home(void) { mmuext(MMUEXT_NEW_BASEPTR, kernel_root_mfn); }

static void new_base(void) { must(mmuext(MMUEXT_NEW_BASEPTR, next_root())); }
static void write_cr3(void) { asm volatile("mov %0, %%cr3" : : "r" (next_root() << PAGE_SHIFT) : "memory"); }

static void read_cr3(void)
{
    unsigned long value;

    asm volatile("mov %%cr3, %0" : "=r" (value));
}

static uint64_t *gdt;
static unsigned long gdt_frame;

static long make_switch(void)
{
    long error = make_other();

    if (error)
        return error;
    gdt = new_page();
    set_readonly(gdt, true);
    gdt_frame = virt_to_mfn(gdt);
    return HYPERVISOR_set_gdt(&gdt_frame, 512);
}

static void drop_switch(void)
{
    go_home();
    mmuext(MMUEXT_NEW_USER_BASEPTR, 0);
    HYPERVISOR_set_gdt(NULL, 0);
}

/* What Linux does to switch processes: both base pointers, the kernel stack, three TLS descriptors, FS. */
static void context_switch(void)
{
    static struct mmuext_op bases[2];
    static struct multicall_entry calls[6];
    unsigned long root = next_root();

    bases[0] = (struct mmuext_op){ .cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = root };
    bases[1] = (struct mmuext_op){ .cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = root };
    calls[0] = (struct multicall_entry){ .op = __HYPERVISOR_mmuext_op, .args = { (unsigned long)bases, 2, 0, DOMID_SELF } };
    calls[1] = (struct multicall_entry){ .op = __HYPERVISOR_stack_switch, .args = { FLAT_KERNEL_SS, (unsigned long)hypercall_page } };
    for (unsigned int i = 0; i < 3; i++)
        calls[2 + i] = (struct multicall_entry){ .op = __HYPERVISOR_update_descriptor,
                                                 .args = { (gdt_frame << PAGE_SHIFT) + 8 * (12 + i), 0x00cff3000000ffffUL } };
    calls[5] = (struct multicall_entry){ .op = __HYPERVISOR_set_segment_base, .args = { SEGBASE_FS, 0x1000 } };
    must(HYPERVISOR_multicall(calls, 6));
    for (unsigned int i = 0; i < 6; i++)
        must((long)calls[i].result);
}

static long make_process(void)
{
    for (unsigned int i = 0; i < 3; i++)
        if (!tables[i])
            tables[i] = new_page();
    if (!tables_l4)
        tables_l4 = new_page();
    copy_kernel_half(tables_l4);
    for (unsigned int i = 0; i < 2; i++)
        tables[i + 1][0] = (virt_to_mfn(tables[i]) << PAGE_SHIFT) | PROT_TABLE;
    tables_l4[0] = (virt_to_mfn(tables[2]) << PAGE_SHIFT) | PROT_TABLE;     /* slot 0 is free in the SDK's kernel */
    return 0;
}

static void set_tables_readonly(bool readonly)
{
    for (unsigned int i = 0; i < 3; i++)
        set_readonly(tables[i], readonly);
    set_readonly(tables_l4, readonly);
}

/* Fill 256 PTEs, make the tables read-only, pin, switch there and back, unpin, make them writable again. */
static void fork_like(void)
{
    for (unsigned int i = 0; i < 256; i++)
        tables[0][i] = (lab_frame[i & 1] << PAGE_SHIFT) | PROT_RO;
    set_tables_readonly(true);
    must(mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(tables_l4)));
    must(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(tables_l4)));
    must(mmuext(MMUEXT_NEW_BASEPTR, kernel_root_mfn));
    must(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(tables_l4)));
    set_tables_readonly(false);
}

#define SPACE(name_, form_, prepare_, run_, cleanup_) \
    { .group = "address spaces", .name = name_, .form = form_, .units = 1, .prepare = prepare_, .run = run_, .cleanup = cleanup_ }
const struct operation space_operations[] = {
    SPACE("switch kernel tables (NEW_BASEPTR; mov to cr3)", "hypercall", make_other, new_base, go_home),
    SPACE("switch kernel tables (NEW_BASEPTR; mov to cr3)", "trap", make_other, write_cr3, go_home),
    SPACE("mov from cr3", "trap", NULL, read_cr3, NULL),
    SPACE("context switch: one multicall of 6", "hypercall", make_switch, context_switch, drop_switch),
    SPACE("fork-like: 256 PTEs, pin, switch, back, unpin", "hypercall", make_process, fork_like, NULL),
    { .name = NULL },
};
