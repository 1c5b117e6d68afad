/* SPDX-License-Identifier: MIT */
/*
 * The LDT is mapped when a descriptor of it is first read, and some of these first reads are ring
 * 0's own: its IRETQ into a code segment of the LDT, its load of GS for SEGBASE_GS_USER_SEL, its
 * look at the selector of a far return. Each must come out as if the LDT had been there, or as an
 * exception of the guest's where it is not. Idea: ring 0 holds the guest's GS base at two of the
 * three instructions; XSA-298.
 */
#include "../lib/test.h"

#define CODE64_DPL3 0x00affb000000ffffUL
#define DATA_DPL3   0x00cff3000000ffffUL
#define CODE_IN_LDT (1 << 3 | 4)
#define DATA_IN_LDT (2 << 3 | 7)
#define NOT_MAPPED  ((void *)0x10000000000UL)

static uint64_t *ldt;

static long set_ldt(const void *address, unsigned long entries)
{
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT,
                            .arg1.linear_addr = (unsigned long)address,
                            .arg2.nr_ents = entries };

    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

/* An LDT of which no page is mapped yet. */
static void fresh_ldt(const void *address)
{
    NEED(set_ldt(NULL, 0) == 0);
    NEED(set_ldt(address, 512) == 0);
}

/* The iret hypercall into this segment, to the next instruction; which segment it then is. */
static unsigned int iret_into(unsigned int segment)
{
    unsigned int got;

    asm volatile(
        "mov %%rsp, %%rbx\n\tmov %%ss, %%ecx\n\tpush %%rcx\n\tpush %%rbx\n\tpush $0x202\n\tpush "
        "%[segment]\n\t"
        "lea 1f(%%rip), %%rcx\n\tpush %%rcx\n\tpush $0\n\tpush $0\n\tpush $0\n\tpush $0\n\t"
        "mov %[number], %%eax\n\tsyscall\n\tud2\n1:\tmov %%cs, %[got]"
        : [got] "=r"(got)
        : [segment] "r"((unsigned long)segment), [number] "i"(__HYPERVISOR_iret)
        : "rax", "rbx", "rcx", "rdx", "r11", "memory", "cc");
    return got;
}

static void far_return_into(void *selector)
{
    asm volatile("push %0\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\tlretq\n1:"
                 :
                 : "r"(selector)
                 : "rax", "memory");
}

/* Which selector GS holds: SEGBASE_GS_USER_SEL leaves it there, to be loaded again whenever this
 * vCPU comes back to a CPU. */
static unsigned int gs_selector(void)
{
    unsigned int selector;

    asm volatile("mov %%gs, %0" : "=r" (selector));
    return selector;
}

static void no_gs(void)
{
    NEED(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 0) == 0);
}

void test_main(void)
{
    ldt = alloc_zeroed_page();
    NEED(ldt != NULL);
    ldt[1] = CODE64_DPL3;
    ldt[2] = DATA_DPL3;
    NEED(page_set_readonly(ldt, true) == 0);

    fresh_ldt(NOT_MAPPED);
    CHECK(trap_in(far_return_into, (void *)(CODE_IN_LDT | 3)) >= 0);
    /* the null selector instead */
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, DATA_IN_LDT), 0);
    CHECK_IS(gs_selector() & ~3u, 0);
    no_gs();

    fresh_ldt(ldt);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, DATA_IN_LDT), 0);
    CHECK_IS(gs_selector(), DATA_IN_LDT);
    CHECK(HYPERVISOR_xen_version(XENVER_version, NULL) > 0);
    no_gs();

    fresh_ldt(ldt);
    CHECK_IS(iret_into(CODE_IN_LDT), CODE_IN_LDT | 3);
    CHECK(HYPERVISOR_xen_version(XENVER_version, NULL) > 0);

    CHECK_IS(set_ldt(NULL, 0), 0);
    CHECK_IS(page_set_readonly(ldt, false), 0);
}
