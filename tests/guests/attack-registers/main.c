/* SPDX-License-Identifier: MIT */
/*
 * An attacker gives bad descriptors, selectors, callbacks and stacks, and goes through system calls
 * at the edge of the address space; all of it is refused, or faults in the attacker only. Idea:
 * XSA-7 and 9 (the canonical hole), 183 (bounce frames), 193, 214, 298; acceptance: "load a bad
 * base pointer, descriptor, selector or callback".
 */
#include "../lib/test.h"

static const unsigned long nowhere[] = { 0x800000000000UL, 0x7fffffffffffffffUL,
                                         0xffff7fffffffffffUL, 0x8000000000000000UL };

static void callbacks(void)
{
    for (unsigned int i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        for (uint16_t type = 0; type < 10; type++) {
            struct callback_register reg = { .type = type, .address = nowhere[i] };
            CHECK_REFUSED(HYPERVISOR_callback_op(CALLBACKOP_register, &reg));
        }
        /* Xen says 0 and leaves them as they were */
        (void)HYPERVISOR_set_callbacks(nowhere[i], nowhere[i], nowhere[i]);
        struct trap_info traps[] = { { 14, 0, 0xe033, nowhere[i] }, { 0, 0, 0, 0 } };
        CHECK_REFUSED(HYPERVISOR_set_trap_table(traps));
    }
    struct callback_register unknown = { .type = 200, .address = IMAGE_BASE };
    CHECK_REFUSED(HYPERVISOR_callback_op(CALLBACKOP_register, &unknown));
    CHECK_REFUSED(HYPERVISOR_callback_op(77, &unknown));
    CHECK_REFUSED(HYPERVISOR_callback_op(CALLBACKOP_register, (void *)0x10));
}

/* Every descriptor with random bits: it is refused, or what it becomes has DPL 3 and is code or
 * data, never a gate or a TSS. */
static void random_descriptors(void)
{
    uint64_t seed = 42, *gdt = alloc_zeroed_page();
    unsigned long frame = virt_to_mfn(gdt);
    unsigned int taken = 0;

    NEED(gdt && page_set_readonly(gdt, true) == 0);
    NEED(HYPERVISOR_set_gdt(&frame, 512) == 0);
    for (int i = 0; i < 4000; i++) {
        uint64_t wanted = next_random(&seed);

        if (i & 1)
            wanted |=
                0x0000900000000000UL; /* present, code or data: half of them pass the first looks */
        if (HYPERVISOR_update_descriptor(virt_to_machine(&gdt[20]), wanted))
            continue;
        uint64_t now = gdt[20];
        taken++;
        unsigned int type = now >> 40 & 31;                 /* with S as its top bit */
        /* not present, or type 0: the CPU refuses both */
        if (!(now >> 47 & 1) || type == 0)
            continue;
        /* Xen's, for 32-bit guests */
        bool harmless_gate = type == 0xc && (now >> 45 & 3) == 0 && !on_domus();
        if (type < 16 ? !harmless_gate : (now >> 45 & 3) != 3)
            test_failure(__FILE__, __LINE__, "descriptor %lx was taken as %lx", wanted, now);
    }
    CHECK(taken > 0);
    CHECK_IS(HYPERVISOR_update_descriptor(virt_to_machine(&gdt[20]), 0), 0);
    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    CHECK_IS(page_set_readonly(gdt, false), 0);
    free_page(gdt);
}

/* Every selector into every register that takes one. */
static void all_selectors(void)
{
    void load(void *selector)
    {
        unsigned int value = (unsigned int)(unsigned long)selector;
        asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" : : "r" (value));
    }
    void far_return(void *selector)
    {
        asm volatile("push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1:"
                     :
                     : "r"(selector)
                     : "rax", "memory");
    }
    void load_stack(void *selector)
    {
        asm volatile("mov %0, %%ss" : : "r"((unsigned int)(unsigned long)selector));
    }

    for (unsigned long selector = 0; selector < 0x10000;
         selector += selector < 0xe000 ? 0x107 : 1) {
        (void)trap_in(load, (void *)selector);
        if (selector >= 0xe000 && selector % 5)
            continue;
        (void)trap_in(load_stack, (void *)selector);
        asm volatile("mov %0, %%ss" : : "r" (FLAT_KERNEL_SS));
        /* 32-bit code would go astray in this guest alone */
        if ((selector | 3) == FLAT_USER_CS32 || (selector & 3) != 3)
            continue;
        (void)trap_in(far_return, (void *)selector);
    }
    unsigned int user = FLAT_KERNEL_DS;
    asm volatile("mov %0, %%ds; mov %0, %%es; mov %1, %%fs; mov %1, %%gs" : : "r" (user), "r" (0));
    CHECK(HYPERVISOR_xen_version(XENVER_version, NULL) > 0);
}

/* `syscall` as the last instruction before the hole: its return address is not canonical
 * (XSA-7). */
static void at_the_edge(void)
{
    unsigned long va = 0x7ffffffff000UL;
    unsigned char *code = alloc_zeroed_page();

    NEED(code != NULL);
    if (map_page(va, virt_to_mfn(code), PROT_EXEC, DOMID_SELF)) {
        test_passed();                                      /* refused outright: XSA-9's advice */
        return;
    }
    code[4094] = 0x0f;
    code[4095] = 0x05;
    void jump(void *target)
    {
        asm volatile("mov $17, %%eax; xor %%edi, %%edi; xor %%esi, %%esi; call *%0" : : "r" (target)
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
    }
    int vector = trap_in(jump, (void *)(va + 4094));
    CHECK(vector == TRAP_GP || vector == TRAP_PF);
    CHECK_IS(map_page(va, 0, 0, DOMID_SELF), 0);
    free_page(code);
}

static void stacks_and_bases(void)
{
    for (unsigned int i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
        for (unsigned int which = 0; which < 6; which++)
            if (which != SEGBASE_GS_USER_SEL)
                CHECK_REFUSED(HYPERVISOR_set_segment_base(which, nowhere[i]));
    for (unsigned int selector = 0; selector < 0x10000; selector += 0x33)
        (void)HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, selector);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);
    CHECK(HYPERVISOR_xen_version(XENVER_version, NULL) > 0);
}

void test_main(void)
{
    callbacks();
    random_descriptors();
    all_selectors();
    at_the_edge();
    stacks_and_bases();
}
