/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions of a guest kernel are emulated where the ABI says so and #GP where it
 * does not; none of them changes the machine. Control registers read as the guest's own; MSRs sweep
 * without harm; ports need permission. Idea: XSA-105, 186, 190, 293 (guest CR4 derived from the
 * hardware's), 333 (an MSR that only some CPUs have).
 */
#include "../lib/test.h"

static uint64_t result;

#define READS(instruction) \
    ({ \
        void run_(void *unused_) \
        { \
            asm volatile(instruction : "=r"(result)); \
        } \
        trap_in(run_, NULL); \
    })

static void control_registers(void)
{
    CHECK_IS(READS("mov %%cr0, %0"), -1);
    CHECK(result & 1);                                              /* protection */
    CHECK(result & 0x80000000);                                     /* paging */
    CHECK_IS(READS("mov %%cr2, %0"), -1);
    CHECK_IS(READS("mov %%cr3, %0"), -1);
    CHECK_IS(result >> PAGE_SHIFT, kernel_root_mfn);
    CHECK_IS(READS("mov %%cr4, %0"), -1);
    CHECK(result & 0x20);                                           /* PAE */
    CHECK_IS(result & 1ul << 13, 0);                                /* VMXE is nobody's to see */
    uint64_t cr4 = result;

    void write_cr4(void *value) { asm volatile("mov %0, %%cr4" : : "r" (value)); }
    CHECK_IS(trap_in(write_cr4, (void *)cr4), -1);
    (void)trap_in(write_cr4, (void *)~0UL);
    CHECK_IS(READS("mov %%cr4, %0"), -1);
    CHECK_IS(result & 1ul << 13, 0);
    void write_cr0(void *value) { asm volatile("mov %0, %%cr0" : : "r" (value)); }
    CHECK_IS(READS("mov %%cr0, %0"), -1);
    uint64_t cr0 = result;
    CHECK_IS(trap_in(write_cr0, (void *)(cr0 | 8)), -1);            /* TS may be toggled */
    CHECK_IS(TRAP_IN(asm volatile("clts")), -1);
    CHECK_IS(trap_in(write_cr0, (void *)(cr0 & ~0x80000000UL)), TRAP_GP);   /* paging may not */
    void write_cr3(void *value) { asm volatile("mov %0, %%cr3" : : "r" (value) : "memory"); }
    CHECK_IS(trap_in(write_cr3, (void *)(kernel_root_mfn << PAGE_SHIFT)), -1);
    CHECK(trap_in(write_cr3, (void *)(foreign_mfn() << PAGE_SHIFT)) != -1);
    CHECK_IS(READS("mov %%cr8, %0"), TRAP_GP);
}

static void never(void)
{
    static struct { uint16_t limit; uint64_t base; } __attribute__((packed)) table;

    CHECK_IS(TRAP_IN(asm volatile("lgdt %0" : : "m" (table))), TRAP_GP);
    CHECK_IS(TRAP_IN(asm volatile("lidt %0" : : "m" (table))), TRAP_GP);
    CHECK_IS(TRAP_IN(asm volatile("lldt %w0" : : "r" (0))), TRAP_GP);
    CHECK_IS(TRAP_IN(asm volatile("ltr %w0" : : "r" (8))), TRAP_GP);
    CHECK_IS(TRAP_IN(asm volatile("swapgs")), TRAP_GP);
    CHECK_IS(TRAP_IN(asm volatile("sysretq" : : "c" (0x1000))), TRAP_GP);
    int vector = TRAP_IN(asm volatile("vmrun" : : "a" (0)));
    CHECK(vector == TRAP_UD || vector == TRAP_GP);
    vector = TRAP_IN(asm volatile("vmmcall"));
    CHECK(vector == TRAP_UD || vector == TRAP_GP);
    vector = TRAP_IN(asm volatile("monitor" : : "a" (0), "c" (0), "d" (0)));
    CHECK(vector == TRAP_UD || vector == TRAP_GP);
}

static int read_msr(uint32_t index)
{
    void run(void *at)
    {
        uint32_t low, high;
        asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" ((uint32_t)(unsigned long)at));
        result = (uint64_t)high << 32 | low;
    }
    return trap_in(run, (void *)(unsigned long)index);
}

static void msrs(void)
{
    unsigned int refused = 0;

    CHECK_IS(read_msr(0xc0000080), -1);                             /* EFER */
    CHECK_IS(result & 0x500, 0x500);                                /* long mode, and on */
    for (uint32_t i = 0; i < 0x2000; i++)
        refused += read_msr(i) == TRAP_GP;
    CHECK(refused > 0x1000);
    for (uint32_t i = 0xc0000000; i < 0xc0002000; i++)
        (void)read_msr(i);
    CHECK_IS(read_msr(0x12345678), TRAP_GP);

    void write_lstar(void *value) { asm volatile("wrmsr" : : "c" (0xc0000082), "a" (0), "d" (0)); }
    /* refused or dropped: the next hypercall tells */
    int vector = trap_in(write_lstar, NULL);
    CHECK(vector == -1 || vector == TRAP_GP);
    CHECK(HYPERVISOR_xen_version(XENVER_version, NULL) > 0);
}

static void ports(void)
{
    struct physdev_set_iopl iopl = { .iopl = 1 };
    void in_port(void *port)
    {
        uint8_t v;
        asm volatile("inb %w1, %0" : "=a"(v) : "d"((unsigned int)(unsigned long)port));
        result = v;
    }

    CHECK_IS(trap_in(in_port, (void *)0x61), TRAP_GP);              /* no I/O privilege yet */
    CHECK_IS(TRAP_IN(asm volatile("cli")), TRAP_GP);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    CHECK_IS(TRAP_IN(asm volatile("cli")), -1);
    CHECK(!events_masked());                                        /* and cli masks no events */
    CHECK_IS(TRAP_IN(asm volatile("sti")), -1);
    if (is_dom0())
        CHECK_IS(trap_in(in_port, (void *)0x61), -1);
    iopl.iopl = 0;
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    CHECK_IS(trap_in(in_port, (void *)0x61), TRAP_GP);
    iopl.iopl = 4;
    CHECK_REFUSED(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl));
}

static void forced_cpuid(uint32_t leaf, uint32_t out[4])
{
    asm volatile("ud2a; .ascii \"xen\"; cpuid"
                 : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                 : "a"(leaf), "c"(0));
}

static void emulation_prefix(void)
{
    uint32_t leaf[4];
    char name[13] = { 0 };

    forced_cpuid(0x40000000, leaf);
    memcpy(name, &leaf[1], 12);
    CHECK_IS(strcmp(name, "XenVMMXenVMM"), 0);
    CHECK(leaf[0] >= 0x40000002);
    forced_cpuid(0x40000001, leaf);
    CHECK_IS(leaf[0], 4 << 16 | 17);
    forced_cpuid(1, leaf);
    CHECK_IS(leaf[2] >> 5 & 1, 0);                                  /* no VMX for a PV guest */
    CHECK_IS(TRAP_IN(asm volatile("ud2a; .ascii \"xen\"; nop")), TRAP_UD);
}

void test_main(void)
{
    control_registers();
    never();
    msrs();
    ports();
    emulation_prefix();
    CHECK_IS(TRAP_IN(asm volatile("wbinvd")), -1);
}
