/* SPDX-License-Identifier: MIT */
/*
 * What a table of operations cannot say: rights that depend on an argument, operations that do not
 * exist, and the machine's ports, which need no hypercall at all.
 */
#include "privilege.h"

#include <abi/domus.h>

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define COM1        0x3f8

/* ---- vCPUs ---- */

void vcpus_that_are_not_there(void)
{
    static const unsigned int ids[] = { 2, 31, 32, 33, 63, 64, 255, 8191, 0x7fffffff, 0xffffffff };
    static uint64_t argument[1024];

    for (unsigned int i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        for (unsigned int command = 0; command <= VCPUOP_register_vcpu_time_memory_area; command++)
            CHECK_IS(HYPERVISOR_vcpu_op(command, ids[i], argument), -ENOENT);
}

/* ---- operations ---- */

/* The control plane's calls have operation and version in their argument; neither is looked at. */
static uint32_t unknown[256] = { 9999, 9999 };

void operations_that_are_not_there(void)
{
    static const unsigned int plain[] = { __HYPERVISOR_memory_op,        __HYPERVISOR_xen_version,
                                          __HYPERVISOR_grant_table_op,   __HYPERVISOR_nmi_op,
                                          __HYPERVISOR_sched_op,         __HYPERVISOR_callback_op,
                                          __HYPERVISOR_event_channel_op, __HYPERVISOR_physdev_op,
                                          __HYPERVISOR_domus_op };
    struct mmuext_op op = { .cmd = 9999 };

    for (unsigned int i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        CHECK_IS(hypercall_by_syscall(plain[i], 60, (unsigned long)unknown, 1, 0, 0), -ENOSYS);
    CHECK_IS(HYPERVISOR_vcpu_op(9999, 0, unknown), -ENOSYS);
    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), -ENOSYS);
    CHECK_IS(HYPERVISOR_console_io(9999, 1, (char *)unknown), is_dom0() ? -ENOSYS : -EPERM);
    /* Whoever may not, may not know why not, either. */
    CHECK_IS(HYPERVISOR_domctl((void *)unknown), is_dom0() ? -EACCES : -EPERM);
    CHECK_IS(HYPERVISOR_sysctl((void *)unknown), is_dom0() ? -EACCES : -EPERM);
    CHECK_IS(HYPERVISOR_platform_op((void *)unknown), is_dom0() ? -EACCES : -EPERM);
    CHECK_IS(HYPERVISOR_domctl((void *)0x1000), is_dom0() ? -EFAULT : -EPERM);
    CHECK_IS(HYPERVISOR_sysctl((void *)0x1000), is_dom0() ? -EFAULT : -EPERM);
    CHECK_IS(HYPERVISOR_platform_op((void *)0x1000), is_dom0() ? -EFAULT : -EPERM);
}

/* A multicall is no way around the checks. NULL is no argument, but that is seen later. */
void no_way_around(void)
{
    static struct multicall_entry calls[] = {
        { .op = __HYPERVISOR_domctl },
        { .op = __HYPERVISOR_sysctl },
        { .op = __HYPERVISOR_platform_op },
        { .op = __HYPERVISOR_console_io, .args = { CONSOLEIO_read, 1 } },
        { .op = __HYPERVISOR_memory_op, .args = { XENMEM_machine_memory_map } },
        { .op = __HYPERVISOR_sched_op, .args = { SCHEDOP_remote_shutdown } },
        { .op = __HYPERVISOR_physdev_op, .args = { PHYSDEVOP_setup_gsi } },
        { .op = __HYPERVISOR_domus_op, .args = { DOMUS_counters } },
    };

    CHECK_IS(HYPERVISOR_multicall(calls, sizeof(calls) / sizeof(calls[0])), 0);
    for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        CHECK_IS((long)calls[i].result == -EPERM, !is_dom0());
}

/* ---- mmu_update names two domains: whose frames, and (one more, in the upper half) whose tables
 * ---- */

static long clear_entry(uint64_t machine_address, unsigned int whose)
{
    struct mmu_update update = { .ptr = machine_address, .val = 0 };

    return HYPERVISOR_mmu_update(&update, 1, NULL, whose);
}

static unsigned int tables_of(domid_t domain)
{
    return (domain + 1u) << 16 | DOMID_SELF;
}

void tables_of_others(domid_t other)
{
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE };
    unsigned long table = table_of(DOMID_SELF);
    unsigned int special[] = { DOMID_IO, DOMID_XEN };

    CHECK_IS(clear_entry((uint64_t)table << PAGE_SHIFT, tables_of(self)), 0);
    table_done(DOMID_SELF, table);
    op.arg1.mfn = table = table_of(other);
    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, other), is_dom0() ? 0 : -EPERM);
    CHECK_IS(clear_entry((uint64_t)table << PAGE_SHIFT, tables_of(other)), is_dom0() ? 0 : -EPERM);
    for (unsigned int i = 0; i < 2; i++) {
        long result = clear_entry(entry_address(hole, 1), tables_of((domid_t)special[i]));

        CHECK(is_dom0() ? result < 0 : result == -EPERM);           /* who has no tables */
        CHECK_IS(clear_entry(entry_address(hole, 1), special[i]), is_dom0() ? 0 : -EPERM);
        CHECK_IS(HYPERVISOR_update_va_mapping_otherdomain((unsigned long)hole, 0, 0, special[i]),
                 is_dom0() ? 0 : -EPERM);
    }
}

/* ---- contiguous memory: with it, a guest would choose where in the machine it lies ---- */

void contiguous_memory(void)
{
    void *area = alloc_machine_contiguous(1, 0);

    CHECK_IS(area != NULL, is_dom0());
    if (area)
        free_pages(area, 1);
}

/* ---- ports ---- */

static uint32_t in(uint16_t port, unsigned int size)
{
    uint32_t value = 0;

    if (size == 1)
        asm volatile("inb %w1, %b0" : "+a" (value) : "d" (port));
    else if (size == 2)
        asm volatile("inw %w1, %w0" : "+a" (value) : "d" (port));
    else
        asm volatile("inl %w1, %0" : "+a" (value) : "d" (port));
    return value;
}

static void out(uint16_t port, unsigned int size, uint32_t value)
{
    if (size == 1)
        asm volatile("outb %b0, %w1" : : "a" (value), "d" (port));
    else if (size == 2)
        asm volatile("outw %w0, %w1" : : "a" (value), "d" (port));
    else
        asm volatile("outl %0, %w1" : : "a" (value), "d" (port));
}

/* Of the machine's first PCI device: its numbers are never all ones. */
static uint32_t pci_numbers(void)
{
    out(PCI_ADDRESS, 4, 0x80000000);
    return in(PCI_DATA, 4);
}

static void dom0_has_ports(void)
{
    CHECK(pci_numbers() != ~0u);
    CHECK(in(PCI_DATA + 2, 2) == pci_numbers() >> 16);
    out(0x80, 1, 0);                        /* the firmware's progress code: nobody reads it */
}

/* What would end or hurt the machine if it went through, and what would tell about it. */
static void guests_have_none(void)
{
    static const struct {
        uint16_t port;
        uint8_t size;
        uint16_t value;
    } writes[] = {
        { 0xcf9, 1, 0x06 },   { 0x64, 1, 0xfe }, { 0x92, 1, 0x01 }, /* three ways to reset it */
        { 0x604, 2, 0x2000 },                                       /* and one to switch it off */
        { 0x21, 1, 0xff },    { 0xa1, 1, 0xff }, { 0x43, 1, 0x30 },    { 0x40, 1, 0xff },
        { 0x70, 1, 0x0f },    { 0x71, 1, 0x00 }, { 0x4d0, 2, 0xffff },
    };
    static const uint16_t reads[] = { 0x20, 0x21,  0x40,  0x60,  0x61,  0x64, 0x71,
                                      0x92, 0x3f8, 0x3fd, 0x4d0, 0x604, 0x608 };
    static const char text[] = "(written to a port)\r\n";

    for (unsigned int i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        out(writes[i].port, writes[i].size, writes[i].value);
    for (unsigned int i = 0; i < sizeof(text) - 1; i++)
        out(COM1, 1, (uint32_t)text[i]);
    for (unsigned int i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        CHECK_IS(in(reads[i], 1), 0xff);
        CHECK_IS(in(reads[i], 2), 0xffff);
        CHECK_IS(in(reads[i], 4), 0xffffffff);
    }
    CHECK_IS(pci_numbers(), 0xffffffff);
    for (uint16_t port = PCI_DATA; port < PCI_DATA + 4; port++)
        CHECK_IS(in(port, 1), 0xff);
    out(PCI_ADDRESS, 4, 0x80000004);
    out(PCI_DATA, 4, 0);                    /* all decoding and bus mastering off */
}

void ports(void)
{
    struct physdev_set_iopl iopl = { .iopl = 3 };

    NEED(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl) == 0);
    if (is_dom0())
        dom0_has_ports();
    else
        guests_have_none();
    iopl.iopl = 0;
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
}
