/* SPDX-License-Identifier: MIT */
/*
 * Exceptions arrive in the guest's own handlers with the CPU's vector, error code and address;
 * software interrupts obey the gate's DPL and an empty gate is #GP with the vector in its error
 * code. Idea: abi-level facts of 64-bit PV (a guest kernel runs in ring 3, so DPL 0 is "nobody from
 * ring 3"); XSA-106, XSA-196.
 */
#include "../lib/test.h"

static void exceptions(void)
{
    char *page = alloc_zeroed_page();

    CHECK_IS(TRAP_IN(asm volatile("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; div %%ecx" ::
                                      : "eax", "ecx", "edx")),
             TRAP_DE);
    CHECK_IS(TRAP_IN(asm volatile("int3")), TRAP_BP);
    CHECK_IS(TRAP_IN(asm volatile("ud2")), TRAP_UD);
    CHECK_IS(TRAP_IN(asm volatile("pushf; orl $0x100, (%%rsp); popf; nop" ::
                                      : "memory", "cc")),
             TRAP_DB);

    /* A page fault: not present, then read-only. */
    NEED(page != NULL);
    CHECK_IS(TRAP_IN(*(volatile char *)0x1230 = 1), TRAP_PF);
    CHECK_IS(trap_address, 0x1230);
    CHECK_IS(trap_error & (PF_PRESENT | PF_WRITE | PF_RESERVED | PF_FETCH), PF_WRITE);
    NEED(page_set_readonly(page, true) == 0);
    void write_page(void *p) { *(volatile char *)p = 1; }
    CHECK_IS(trap_in(write_page, page + 8), TRAP_PF);
    CHECK_IS(trap_address, (unsigned long)page + 8);
    CHECK_IS(trap_error & (PF_PRESENT | PF_WRITE | PF_RESERVED | PF_FETCH), PF_PRESENT | PF_WRITE);
    page_set_readonly(page, false);
    free_page(page);

    /* Execution of a data page: SDK maps data NX. */
    static char data[16] = { (char)0xc3 };
    void call_data(void *p) { ((void (*)(void))p)(); }
    int vector = trap_in(call_data, data);
    CHECK(vector == -1 || (vector == TRAP_PF && (trap_error & PF_FETCH)));

    /* A non-canonical address is #GP with error 0 (or #SS through the stack pointer). */
    CHECK_IS(TRAP_IN(*(volatile char *)0x800000000000UL = 1), TRAP_GP);
    CHECK_IS(trap_error, 0);
}

static void hypervisor_is_out_of_reach(void)
{
    uint64_t value;

    for (unsigned long va = 0xffff830000000000UL; va < 0xffff880000000000UL; va += 0x8000000000UL) {
        CHECK_IS(try_read64((void *)va, &value), -EFAULT);
        CHECK_IS(try_write64((void *)va, 0), -EFAULT);
    }
    /* The M2P may be read and not written. */
    CHECK_IS(try_read64((void *)MACH2PHYS_VIRT_START, &value), 0);
    CHECK_IS(try_write64((void *)MACH2PHYS_VIRT_START, 0), -EFAULT);
}

/* The error code of a refused `int n` is n * 8 + 2 (SDM volume 3, 6.13). QEMU 7.2's TCG says n * 16
 * + 2 in long mode. */
static bool names_vector(unsigned int vector)
{
    return trap_error == (vector * 8 | 2) || trap_error == (vector * 16 | 2);
}

static void software_interrupts(void)
{
    CHECK_IS(TRAP_IN(asm volatile("int $0x55")), TRAP_GP);
    CHECK(names_vector(0x55));
    CHECK_IS(TRAP_IN(asm volatile("int $0x80")), TRAP_GP);
    CHECK_IS(trap_error, 0x80 * 8 | 2);
    /* The gate of the page fault is there, but not for software. */
    CHECK_IS(TRAP_IN(asm volatile("int $14")), TRAP_GP);
    CHECK(names_vector(14));
    /* The hypervisor's own vectors are nobody's business either. */
    CHECK_IS(TRAP_IN(asm volatile("int $0xf0")), TRAP_GP);
    CHECK(names_vector(0xf0));
    CHECK_IS(TRAP_IN(asm volatile("int $0xff")), TRAP_GP);
    CHECK(names_vector(0xff));
    /* With a prefix it is no other. */
    CHECK_IS(TRAP_IN(asm volatile(".byte 0x66; int $0x55")), TRAP_GP);
    CHECK(names_vector(0x55));
}

static void table_is_checked(void)
{
    static struct trap_info bad[] = { { 32, 0, 0xe033, 0x800000000000UL }, { 0, 0, 0, 0 } };

    CHECK_REFUSED(HYPERVISOR_set_trap_table(bad));
    CHECK_IS(HYPERVISOR_set_trap_table((struct trap_info *)0x1000), -EFAULT);
    CHECK_IS(HYPERVISOR_set_trap_table((struct trap_info *)0xffff820000000000UL), -EFAULT);
}

void test_main(void)
{
    exceptions();
    hypervisor_is_out_of_reach();
    software_interrupts();
    table_is_checked();
}
