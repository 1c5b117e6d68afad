/* SPDX-License-Identifier: MIT */
/*
 * A plain store to a read-only L1 entry is emulated: mov, xchg, lock cmpxchg, and, or, bts, btr.
 * The result is as if mmu_update had been called, checks included: a store that may not be made is
 * a page fault, and the entry keeps its value. Idea: Linux domUs rely on about 1,300 of these in
 * one boot; XSA-123, XSA-195, XSA-200 (decoder errors).
 */
#include "../lib/test.h"

#define ENTRY_BITS (PTE_MFN_MASK | PTE_PRESENT | PTE_WRITE)

static uint64_t *page, *other, mfn, other_mfn;
static volatile uint64_t *entry;

static uint64_t seen(void)
{
    return *entry & ENTRY_BITS;
}

static void stores(void)
{
    uint64_t rw = mfn << PAGE_SHIFT | PROT_RW, ro = mfn << PAGE_SHIFT | PROT_RO, old = ro;

    CHECK_IS(TRAP_IN(*entry = 0), -1);
    CHECK_IS(seen(), 0);
    *entry = rw;
    CHECK_IS(seen(), rw & ENTRY_BITS);
    mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0);
    CHECK_IS(try_write64(page, 77), 0);

    asm volatile("xchg %0, %1" : "+r" (old), "+m" (*entry));
    CHECK_IS(old & ENTRY_BITS, rw & ENTRY_BITS);
    CHECK_IS(seen(), ro & ENTRY_BITS);
    mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0);
    CHECK_IS(try_write64(page, 78), -EFAULT);

    uint64_t now = *entry;
    bool swapped;
    asm volatile("lock cmpxchg %3, %1; sete %2"
                 : "+a"(now), "+m"(*entry), "=q"(swapped)
                 : "r"(rw)
                 : "cc");
    CHECK(swapped);
    CHECK_IS(seen(), rw & ENTRY_BITS);
    now = 0x1234;
    asm volatile("lock cmpxchg %3, %1; sete %2"
                 : "+a"(now), "+m"(*entry), "=q"(swapped)
                 : "r"(ro)
                 : "cc");
    CHECK(!swapped);
    CHECK_IS(now & ENTRY_BITS, rw & ENTRY_BITS);
    CHECK_IS(seen(), rw & ENTRY_BITS);

    asm volatile("lock andq %1, %0" : "+m" (*entry) : "r" (~(uint64_t)PTE_WRITE) : "cc");
    CHECK_IS(seen(), ro & ENTRY_BITS);
    asm volatile("lock orq %1, %0" : "+m" (*entry) : "r" ((uint64_t)PTE_WRITE) : "cc");
    CHECK_IS(seen(), rw & ENTRY_BITS);
    bool bit;
    asm volatile("lock btrq %2, %0; setc %1" : "+m" (*entry), "=q" (bit) : "ir" (1) : "cc");
    CHECK(bit);
    CHECK_IS(seen(), ro & ENTRY_BITS);
    asm volatile("lock btsq %2, %0; setc %1" : "+m" (*entry), "=q" (bit) : "ir" (1) : "cc");
    CHECK(!bit);
    CHECK_IS(seen(), rw & ENTRY_BITS);
    /* Byte and word stores happen too: the low byte holds the flags. */
    asm volatile("movb %1, %0" : "=m"(*(volatile uint8_t *)entry) : "q"((uint8_t)(PROT_RO & 0xff)));
    CHECK_IS(seen(), ro & ENTRY_BITS);
    asm volatile("movl %1, %0" : "=m" (*(volatile uint32_t *)entry) : "r" ((uint32_t)rw));
    CHECK_IS(seen() & ~PTE_NX, rw & ENTRY_BITS);
}

/* Every register as source and as base: the decoder must get REX and SIB right. */
static void registers(void)
{
#define THROUGH(base, source) \
    do { \
        *entry = 0; \
        asm volatile("mov %0, %%" base "\n\tmov %1, %%" source "\n\tmov %%" source ", 8(%%" base \
                     ")" \
                     : \
                     : "m"(base_address), "m"(rw) \
                     : base, source, "memory"); \
        if (seen() != (rw & ENTRY_BITS)) \
            test_failure(__FILE__, __LINE__, "mov %%" source ", 8(%%" base ") wrote %lx", *entry); \
        else \
            test_passed(); \
    } while (0)
    static uint64_t base_address, rw;

    base_address = (unsigned long)entry - 8;
    rw = mfn << PAGE_SHIFT | PROT_RW;
    THROUGH("rax", "rbx");
    THROUGH("rcx", "rdx");
    THROUGH("rsi", "rdi");
    THROUGH("r8", "r9");
    THROUGH("r12", "r13");
    THROUGH("r13", "r12");
    THROUGH("r15", "r14");
    THROUGH("r10", "r11");
    asm volatile("mov %0, %%rax\n\tmov $1, %%ecx\n\tmov %1, %%rdx\n\tmov %%rdx, 0(%%rax, %%rcx, 8)"
                 : : "m" (base_address), "m" (rw) : "rax", "rcx", "rdx", "memory");
    CHECK_IS(seen(), rw & ENTRY_BITS);
}

static void forbidden_stores_fault(void)
{
    uint64_t before = seen();
    void store(void *value) { *entry = (uint64_t)value; }

    /* the table itself */
    CHECK_IS(trap_in(store, (void *)(virt_to_machine(ADDRESS(entry)) | PROT_RW)), TRAP_PF);
    CHECK_IS(seen(), before);
    CHECK_IS(trap_in(store, (void *)((uint64_t)foreign_mfn() << PAGE_SHIFT | PROT_RO)), TRAP_PF);
    CHECK_IS(seen(), before);
    CHECK_IS(trap_in(store, (void *)(PTE_MFN_MASK | PROT_RO)), TRAP_PF);
    CHECK_IS(seen(), before);
    /* Entries of upper levels are not emulated: there only mmu_update does. */
    volatile uint64_t *upper = ADDRESS(pt_walk((unsigned long)page, 2));
    uint64_t l2 = *upper;
    void store_upper(void *value) { *upper = (uint64_t)value; }
    CHECK_IS(trap_in(store_upper, (void *)0), TRAP_PF);
    CHECK_IS(*upper, l2);
}

/* The store's last byte is the last of its page, and the next page is not there. */
static void at_the_end_of_the_code(void)
{
    static const uint8_t code[] = { 0x48, 0x89, 0x37, 0xc3 };      /* mov %rsi, (%rdi); ret */
    static uint64_t wanted;
    static uint8_t *at;
    uint8_t *pages = alloc_pages(1);
    uint64_t frames[2];
    void call(void *unused)
    {
        asm volatile("call *%2" : : "D"(entry), "S"(wanted), "r"(at) : "memory");
    }

    NEED(pages);
    at = pages + PAGE_SIZE - sizeof(code);
    wanted = mfn << PAGE_SHIFT | PROT_RO;
    memcpy(at, code, sizeof(code));
    for (unsigned int i = 0; i < 2; i++)
        frames[i] = virt_to_machine(pages + i * PAGE_SIZE);
    NEED(HYPERVISOR_update_va_mapping((unsigned long)pages, frames[0] | PROT_EXEC, UVMF_INVLPG) ==
         0);
    NEED(HYPERVISOR_update_va_mapping((unsigned long)pages + PAGE_SIZE, 0, UVMF_INVLPG) == 0);
    *entry = 0;
    CHECK_IS(trap_in(call, NULL), -1);
    CHECK_IS(seen(), wanted & ENTRY_BITS);
    for (unsigned int i = 0; i < 2; i++)
        NEED(HYPERVISOR_update_va_mapping((unsigned long)pages + i * PAGE_SIZE, frames[i] | PROT_RW,
                                          UVMF_INVLPG) == 0);
    free_pages(pages, 1);
}

void test_main(void)
{
    page = alloc_zeroed_page();
    other = alloc_zeroed_page();
    NEED(page && other);
    mfn = virt_to_mfn(page);
    other_mfn = virt_to_mfn(other);
    entry = ADDRESS(pt_walk((unsigned long)page, 1));
    NEED(entry != NULL);
    stores();
    registers();
    forbidden_stores_fault();
    at_the_end_of_the_code();
    *entry = mfn << PAGE_SHIFT | PROT_RW;
}
