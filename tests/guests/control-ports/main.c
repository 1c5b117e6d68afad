/* SPDX-License-Identifier: MIT */
/*
 * Control registers, debug registers and I/O ports, bit by bit and port by port: what a guest
 * kernel may change changes, what it may not is #GP and stays; ports go by IOPL and by the bit map,
 * in every form (in, out, their string forms with and without REP, either direction, all sizes),
 * and the hypervisor's own devices are out of reach at any IOPL. PCI's address register is each
 * domain's own. Idea: XSA-105 (mode checks in the emulator), 123, 190, 196; "ports and PCI space at
 * IOPL 3".
 */
#include "../lib/user.h"

#define CR0_TS 8UL
#define CR4_DE 8UL
#define DF     0x400UL

static union probe_stack stack;
static struct probe *const p = &stack.probe;

static int64_t run(const uint8_t *bytes, unsigned int length, uint64_t rax, uint64_t rdx)
{
    p->registers[RAX] = rax;
    p->registers[RDX] = rdx;
    p->way = probe_instruction(bytes, length);
    return probe_run(p);
}
#define RUN(rax, rdx, ...) \
    ({ \
        static const uint8_t bytes_[] = { __VA_ARGS__ }; \
        run(bytes_, sizeof(bytes_), rax, rdx); \
    })
#define DONE(rax, rdx, ...) CHECK_IS(RUN(rax, rdx, __VA_ARGS__), PROBE_THROUGH)
#define REFUSED(rax, rdx, ...) \
    do { \
        CHECK_IS(RUN(rax, rdx, __VA_ARGS__), TRAP_GP); \
        CHECK_IS(p->rip, probe_instruction_at()); \
    } while (0)

/* ---- control registers ---- */

static uint64_t read_cr0(void)
{
    DONE(0, 0, 0x0f, 0x20, 0xc0);
    return p->registers[RAX];
}
static uint64_t read_cr4(void)
{
    DONE(0, 0, 0x0f, 0x20, 0xe0);
    return p->registers[RAX];
}

static void cr0(void)
{
    uint64_t value = read_cr0();

    CHECK_IS(value & CR0_TS, 0);
    for (unsigned int bit = 0; bit < 64; bit++)
        if (1UL << bit != CR0_TS)
            REFUSED(value ^ 1UL << bit, 0, 0x0f, 0x22, 0xc0);
    CHECK_IS(read_cr0(), value);
    DONE(value | CR0_TS, 0, 0x0f, 0x22, 0xc0);
    CHECK_IS(read_cr0(), value | CR0_TS);
    p->way = way_fpu;
    CHECK_IS(probe_run(p), TRAP_NM);
    CHECK_IS(read_cr0(), value);                            /* gone with the trap */
    DONE(value | CR0_TS, 0, 0x0f, 0x22, 0xc0);
    DONE(value, 0, 0x0f, 0x22, 0xc0);
    p->way = way_fpu;
    CHECK_IS(probe_run(p), PROBE_THROUGH);
    CHECK_IS(HYPERVISOR_fpu_taskswitch(1), 0);
    CHECK_IS(read_cr0(), value | CR0_TS);
    DONE(0, 0, 0x0f, 0x06);                                 /* clts */
    CHECK_IS(read_cr0(), value);
    p->way = way_fpu;
    CHECK_IS(probe_run(p), PROBE_THROUGH);
}

static void cr2_and_cr3(void)
{
    uint64_t *page = alloc_zeroed_page(), *other = alloc_zeroed_page();

    NEED(page && other);
    DONE(0x123456789abcdef0, 0, 0x0f, 0x22, 0xd0);
    CHECK_IS(fault_address(), 0x123456789abcdef0);
    DONE(0, 0, 0x0f, 0x20, 0xd0);
    CHECK_IS(p->registers[RAX], 0x123456789abcdef0);
    DONE(0, 0, 0x0f, 0x20, 0xd8);
    CHECK_IS(p->registers[RAX], kernel_root_mfn << PAGE_SHIFT);
    /* A copy of our own L4, in which the direct map is seen a second time; then back. */
    memcpy(ADDRESS(page), pt_walk(0, 4), PAGE_SIZE);
    page[300] = page[DIRECT_BASE >> 39 & 511];
    NEED(page_set_readonly(page, true) == 0);
    *other = 0x1234567;
    p->registers[RDI] = (unsigned long)other - DIRECT_BASE + (0xffff000000000000UL | 300UL << 39);
    p->way = way_load;
    CHECK_IS(probe_run(p), TRAP_PF);
    DONE(virt_to_machine(page), 0, 0x0f, 0x22, 0xd8);
    p->way = way_load;
    CHECK_IS(probe_run(p), PROBE_THROUGH);
    CHECK_IS(p->registers[RAX], 0x1234567);
    DONE(0, 0, 0x0f, 0x20, 0xd8);
    CHECK_IS(p->registers[RAX], virt_to_machine(page));
    CHECK_REFUSED(page_set_readonly(page, false));          /* it is held as the table in use */
    DONE(kernel_root_mfn << PAGE_SHIFT, 0, 0x0f, 0x22, 0xd8);
    CHECK_IS(page_set_readonly(page, false), 0);            /* and let go */
    REFUSED(foreign_mfn() << PAGE_SHIFT, 0, 0x0f, 0x22, 0xd8);
    REFUSED(virt_to_machine(page), 0, 0x0f, 0x22, 0xd8);    /* writable: no table */
    REFUSED(~0UL << 51, 0, 0x0f, 0x22, 0xd8);
    DONE(0, 0, 0x0f, 0x20, 0xd8);
    CHECK_IS(p->registers[RAX], kernel_root_mfn << PAGE_SHIFT);
    REFUSED(0, 0, 0x0f, 0x20, 0xc8);                        /* cr1 */
    REFUSED(0, 0, 0x0f, 0x22, 0xc8);
    REFUSED(0, 0, 0x44, 0x0f, 0x20, 0xc0);                  /* cr8 */
    REFUSED(0, 0, 0x44, 0x0f, 0x22, 0xc0);
    free_page(other);
    free_page(page);
}

static void cr4(void)
{
    uint64_t value = read_cr4(), changeable = 1UL << 2 | CR4_DE | 1UL << 16 | 1UL << 18;

    CHECK_IS(value, 0x660);                                 /* PAE, MCE, OSFXSR, OSXMMEXCPT */
    DONE(~0UL, 0, 0x0f, 0x22, 0xe0);
    CHECK_IS(read_cr4(), 0x660 | changeable);
    DONE(0, 0, 0x0f, 0x22, 0xe0);
    CHECK_IS(read_cr4(), 0x660);
    DONE(value | CR4_DE, 0, 0x0f, 0x22, 0xe0);
    CHECK_IS(read_cr4() & CR4_DE, CR4_DE);
    DONE(value & ~CR4_DE, 0, 0x0f, 0x22, 0xe0);
    CHECK_IS(read_cr4() & CR4_DE, 0);
}

/* ---- debug registers, by instruction ---- */

static void debug_registers(void)
{
    static volatile uint64_t word;

    for (int reg = 0; reg < 4; reg++) {
        const uint8_t write[] = { 0x0f, 0x23, (uint8_t)(0xc0 | reg << 3) },
                      read[] = { 0x0f, 0x21, (uint8_t)(0xc0 | reg << 3) };

        CHECK_IS(run(write, 3, 0x1000UL * (unsigned int)(reg + 1), 0), PROBE_THROUGH);
        CHECK_IS(HYPERVISOR_get_debugreg(reg), 0x1000 * (reg + 1));
        CHECK_IS(run(read, 3, 0, 0), PROBE_THROUGH);
        CHECK_IS(p->registers[RAX], 0x1000 * (reg + 1));
        CHECK_IS(run(write, 3, 0xffff830000000000UL, 0), TRAP_GP);
        CHECK_IS(HYPERVISOR_get_debugreg(reg), 0x1000 * (reg + 1));
    }
    if (!on_domus()) return;
    /* 4 and 5 are 6 and 7, unless CR4.DE says that they are nothing. */
    DONE(0, 0, 0x0f, 0x23, 0xf0);                           /* dr6 */
    CHECK_IS(HYPERVISOR_get_debugreg(6), 0xffff0ff0);
    DONE(0xffffffff, 0, 0x0f, 0x23, 0xe0);                  /* dr4 */
    CHECK_IS(HYPERVISOR_get_debugreg(6), 0xffffefff);
    DONE(0, 0, 0x0f, 0x21, 0xe0);
    CHECK_IS(p->registers[RAX], 0xffffefff);
    DONE(0x700, 0, 0x0f, 0x23, 0xe8);                       /* dr5 */
    CHECK_IS(HYPERVISOR_get_debugreg(7), 0x700);
    DONE(0, 0, 0x0f, 0x21, 0xe8);
    CHECK_IS(p->registers[RAX], 0x700);
    DONE(read_cr4() | CR4_DE, 0, 0x0f, 0x22, 0xe0);
    CHECK_IS(RUN(0, 0, 0x0f, 0x23, 0xe0), TRAP_UD);
    CHECK_IS(RUN(0, 0, 0x0f, 0x21, 0xe8), TRAP_UD);
    DONE(0, 0, 0x0f, 0x21, 0xf8);
    DONE(read_cr4() & ~CR4_DE, 0, 0x0f, 0x22, 0xe0);
    /* What is kept of DR7: always bit 10, no reserved bits; general detect, a breakpoint on ports,
     * or more than 32 bits, not at all. */
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0xdf00), 0);
    CHECK_IS(HYPERVISOR_get_debugreg(7), 0x700);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0), 0);
    CHECK_IS(HYPERVISOR_get_debugreg(7), 0x400);
    for (unsigned int n = 0; n < 4; n++)
        CHECK_IS(HYPERVISOR_set_debugreg(7, 1 | 2UL << (16 + 4 * n)), -EPERM);
    CHECK_REFUSED(HYPERVISOR_set_debugreg(7, 1UL << 32));
    /* eight bytes reach over the end */
    CHECK_REFUSED(HYPERVISOR_set_debugreg(0, 0x7ffffffffff9UL));
    CHECK_REFUSED(HYPERVISOR_set_debugreg(0, 0xffff87fffffffff9UL));
    /* An address that is set while breakpoints are on counts at once, for each of the four. */
    for (unsigned int n = 0; n < 4; n++) {
        CHECK_IS(HYPERVISOR_set_debugreg((int)n, 0x1000), 0);
        CHECK_IS(HYPERVISOR_set_debugreg(7, 2UL << 2 * n | 9UL << (16 + 4 * n)), 0);
        CHECK_IS(HYPERVISOR_set_debugreg((int)n, (unsigned long)&word), 0);
        p->registers[RDI] = (unsigned long)&word;
        p->way = way_store;
        CHECK_IS(probe_run(p), TRAP_DB);
        CHECK_IS(HYPERVISOR_get_debugreg(6) & 15, 1 << n);
        CHECK_IS(HYPERVISOR_set_debugreg(6, 0), 0);
        CHECK_IS(HYPERVISOR_set_debugreg(7, 0), 0);
        CHECK_IS(probe_run(p), PROBE_THROUGH);
    }
}

/* --- ports: the real-time clock's index and data; its registers 0x70 to 0x7f are memory --- */

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71
#define CELL       0x7e
#define VALUE      0xa7

static void iopl_is(unsigned int level)
{
    struct physdev_set_iopl iopl = { .iopl = level };

    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
}

static void bit_map_is(uint8_t *map, unsigned int ports)
{
    struct physdev_set_iobitmap set = { .nr_ports = ports };

    set_xen_guest_handle(set.bitmap, map);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &set), 0);
}

static void out_byte(uint16_t port, uint8_t value)
{
    DONE(value, port, 0xee);
}
static uint8_t in_byte(uint16_t port)
{
    DONE(0x5555555555555500UL, port, 0xec);
    return (uint8_t)p->registers[RAX];
}

static void forms(void)
{
    static uint8_t buffer[64] __attribute__((aligned(64)));

    out_byte(CMOS_INDEX, CELL);
    out_byte(CMOS_DATA, VALUE);
    CHECK_IS(in_byte(CMOS_DATA), VALUE);
    /* al, and nothing of the rest */
    CHECK_IS(p->registers[RAX], 0x5555555555555500UL | VALUE);
    DONE(0x11, 0, 0xe6, CMOS_DATA);                                     /* out %al, $0x71 */
    DONE(0, 0, 0xe4, CMOS_DATA);                                        /* in $0x71, %al */
    CHECK_IS(p->registers[RAX], 0x11);
    DONE(VALUE, 0, 0xe6, CMOS_DATA);
    DONE(~0UL, 0x70, 0x66, 0xed);                                       /* in %dx, %ax */
    CHECK_IS(p->registers[RAX] >> 16, 0xffffffffffffUL);
    CHECK_IS(p->registers[RAX] >> 8 & 0xff, VALUE);
    DONE(0xbb00 | CELL, 0x70, 0x66, 0xef);                              /* out %ax, %dx */
    CHECK_IS(in_byte(CMOS_DATA), 0xbb);
    /* in %dx, %eax: the upper half goes */
    DONE(~0UL, 0x70, 0xed);
    CHECK_IS(p->registers[RAX] >> 32, 0);
    out_byte(CMOS_DATA, VALUE);
    /* Strings: one, many, backwards, with a narrow pointer, none. */
    memset(buffer, 0, sizeof(buffer));
    p->registers[RDI] = (unsigned long)buffer;
    DONE(0, CMOS_DATA, 0x6c);                                           /* insb */
    CHECK_IS(p->registers[RDI], (unsigned long)buffer + 1);
    CHECK_IS(buffer[0], VALUE);
    CHECK_IS(buffer[1], 0);
    p->registers[RDI] = (unsigned long)buffer;
    p->registers[RCX] = 10;
    DONE(0, CMOS_DATA, 0xf3, 0x6c);
    CHECK_IS(p->registers[RCX], 0);
    CHECK_IS(p->registers[RDI], (unsigned long)buffer + 10);
    CHECK_IS(buffer[9], VALUE);
    CHECK_IS(buffer[10], 0);
    p->flags |= DF;
    p->registers[RDI] = (unsigned long)buffer + 40;
    p->registers[RCX] = 3;
    DONE(0, 0x70, 0xf2, 0x66, 0x6d);                                    /* insw */
    p->flags &= ~DF;
    CHECK_IS(p->registers[RDI], (unsigned long)buffer + 34);
    CHECK_IS(buffer[35], 0);
    CHECK_IS(buffer[37], VALUE);
    CHECK_IS(buffer[41], VALUE);
    CHECK_IS(buffer[43], 0);
    p->registers[RDI] = (unsigned long)buffer;
    p->registers[RCX] = 0;
    DONE(0, CMOS_DATA, 0xf3, 0x6c);
    CHECK_IS(p->registers[RDI], (unsigned long)buffer);
    buffer[0] = 0x66;
    p->registers[RSI] = (unsigned long)buffer;
    DONE(0, CMOS_DATA, 0x6e);                                           /* outsb */
    CHECK_IS(p->registers[RSI], (unsigned long)buffer + 1);
    CHECK_IS(in_byte(CMOS_DATA), 0x66);
    buffer[1] = 0x67;
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_FS, (unsigned long)buffer), 0);
    p->registers[RSI] = 1;
    DONE(0, CMOS_DATA, 0x64, 0x6e);                                     /* from %fs */
    CHECK_IS(in_byte(CMOS_DATA), 0x67);
    buffer[2] = 0x68;
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, (unsigned long)buffer), 0);
    p->registers[RSI] = 2;
    DONE(0, CMOS_DATA, 0x65, 0x6e);
    CHECK_IS(in_byte(CMOS_DATA), 0x68);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_FS, 0), 0);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, 0), 0);
    /* More than a burst, to the last one. */
    static uint8_t many[300];
    p->registers[RDI] = (unsigned long)many;
    p->registers[RCX] = 299;
    DONE(0, CMOS_DATA, 0xf3, 0x6c);
    CHECK_IS(p->registers[RCX], 0);
    CHECK_IS(many[298], 0x68);
    CHECK_IS(many[299], 0);
}

/* Where the memory of a string is not there, the guest hears of it, at the element at which it
 * happened. */
static void strings_that_fault(void)
{
    uint8_t *page = alloc_zeroed_page();

    NEED(page && page_set_readonly(page, true) == 0);
    p->registers[RDI] = 0x5000;
    p->registers[RCX] = 4;
    CHECK_IS(RUN(0, CMOS_DATA, 0xf3, 0x6c), TRAP_PF);
    CHECK_IS(fault_address(), 0x5000);
    CHECK_IS(p->error & 0xffffffff & ~4UL, PF_WRITE);
    CHECK_IS(p->registers[RCX], 4);
    CHECK_IS(p->rip, probe_instruction_at());
    p->registers[RDI] = (unsigned long)page;
    CHECK_IS(RUN(0, CMOS_DATA, 0x6c), TRAP_PF);
    if (on_domus())                                                     /* Xen says "not present" */
        CHECK_IS(p->error & 0xffffffff & ~4UL, PF_WRITE | PF_PRESENT);
    p->registers[RSI] = 0x5000;
    CHECK_IS(RUN(0, CMOS_DATA, 0x6e), TRAP_PF);
    CHECK_IS(p->error & 0xffffffff & ~4UL, 0);
    p->registers[RDI] = 0xabcd00005000UL;
    CHECK_IS(RUN(0, CMOS_DATA, 0x67, 0x6c), TRAP_PF);                   /* a 32-bit address */
    CHECK_IS(fault_address(), 0x5000);
    p->registers[RSI] = 0xffff830000000000UL;
    /* the hypervisor's memory goes out of no port */
    CHECK(RUN(0, CMOS_DATA, 0x6e) != PROBE_THROUGH);
    NEED(page_set_readonly(page, false) == 0);
    free_page(page);
}

static void permission(void)
{
    static uint8_t map[8192] __attribute__((aligned(4096)));
    static const uint8_t in_dx[] = { 0xec }, cli[] = { 0xfa }, string[] = { 0x6c };

    iopl_is(0);
    REFUSED(0, CMOS_DATA, 0xec);
    REFUSED(0, CMOS_DATA, 0x6c);
    REFUSED(0, 0, 0xe4, CMOS_DATA);
    REFUSED(0, 0, 0xfa);
    REFUSED(0, 0, 0xfb);
    for (unsigned int level = 1; level < 4; level++) {
        iopl_is(level);
        DONE(0, CMOS_DATA, 0xec);
        DONE(0, 0, 0xfa);
        DONE(0, 0, 0xfb);
        /* User mode needs all three. */
        p->way = way_user;
        user_code(in_dx, 1);
        p->registers[RDX] = CMOS_DATA;
        CHECK_IS(probe_run(p), level == 3 ? TRAP_BP : TRAP_GP);
        user_code(cli, 1);
        CHECK_IS(probe_run(p), level == 3 ? TRAP_BP : TRAP_GP);
        user_code(string, 1);
        p->registers[RDI] = USER_STACK;
        CHECK_IS(probe_run(p), level == 3 ? TRAP_BP : TRAP_GP);
    }
    /* The bit map: a port is free if all its bits are clear and within the map. */
    iopl_is(0);
    memset(map, 0xff, sizeof(map));
    bit_map_is(map, 65536);
    REFUSED(0, CMOS_DATA, 0xec);
    map[CMOS_DATA / 8] &= (uint8_t)~(1u << CMOS_DATA % 8);
    DONE(0, CMOS_DATA, 0xec);
    REFUSED(0, CMOS_INDEX, 0xec);
    REFUSED(0, CMOS_INDEX, 0x66, 0xed);
    REFUSED(0, CMOS_DATA, 0x66, 0xed);
    REFUSED(0, 0, 0xfa);                                                /* cli is no port */
    map[CMOS_INDEX / 8] &= (uint8_t)~(1u << CMOS_INDEX % 8);
    DONE(0, CMOS_INDEX, 0x66, 0xed);
    REFUSED(0, CMOS_INDEX, 0xed);
    /* a word over two bytes of the map */
    map[0xef] = 0x7f;
    REFUSED(0, 0x77f, 0x66, 0xed);
    map[0xf0] = 0xfe;
    DONE(0, 0x77f, 0x66, 0xed);
    map[0xef] = 0xff;
    REFUSED(0, 0x77f, 0x66, 0xed);
    p->way = way_user;
    user_code(in_dx, 1);
    p->registers[RDX] = CMOS_DATA;
    /* the map is read in the mode that asks; there is none there */
    CHECK(probe_run(p) == TRAP_GP || p->vector == TRAP_BP);
    bit_map_is(map, CMOS_DATA);
    REFUSED(0, CMOS_DATA, 0xec);
    bit_map_is(map, CMOS_DATA + 1);
    DONE(0, CMOS_DATA, 0xec);
    bit_map_is((uint8_t *)0x1000, 65536);
    REFUSED(0, CMOS_DATA, 0xec);
    bit_map_is(NULL, 0);
    REFUSED(0, CMOS_DATA, 0xec);
}

static uint64_t in(uint16_t port, unsigned int size)
{
    static const uint8_t byte[] = { 0xec }, word[] = { 0x66, 0xed }, dword[] = { 0xed };

    CHECK_IS(size == 1   ? run(byte, 1, 0, port)
             : size == 2 ? run(word, 2, 0, port)
                         : run(dword, 1, 0, port),
             PROBE_THROUGH);
    return p->registers[RAX];
}

/* Ports of the hypervisor's own devices look like an empty slot, and so does every access that only
 * touches one. */
static void out_of_reach(void)
{
    static const uint16_t ours[] = { 0x20,  0x21,  0xa0,  0xa1,  0x40,  0x41,  0x42, 0x43,
                                     0x3f8, 0x3f9, 0x3fb, 0x3fd, 0x3ff, 0x4d0, 0x4d1 };

    for (unsigned int i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        CHECK_IS(in(ours[i], 1), 0xff);
    CHECK_IS(in(0x1f, 2), 0xffff);
    CHECK_IS(in(0x21, 2), 0xffff);
    CHECK_IS(in(0x3f5, 4), 0xffffffff);
    CHECK_IS(in(0x3ff, 2), 0xffff);
    CHECK_IS(in(0xcf9, 1), 0xff);                                       /* the reset register */
    CHECK_IS(in(0xcfb, 1), 0xff);
    CHECK_IS(in(0xffff, 2), 0xffff);                                    /* beyond the last port */
    /* would reset the machine */
    out_byte(0xcf9, 6);
    DONE(0x0606, 0xcf8, 0x66, 0xef);
    out_byte(0x21, 0);                                                  /* the interrupt masks */
    out_byte(0x43, 0x30);
}

static void pci(void)
{
    uint32_t id;

    DONE(0x80000000, 0xcf8, 0xef);
    CHECK_IS(in(0xcf8, 4), 0x80000000);
    id = (uint32_t)in(0xcfc, 4);
    CHECK_IS(id & 0xffff, 0x8086);                                      /* QEMU's host bridge */
    CHECK_IS(in(0xcfc, 2), 0x8086);
    CHECK_IS(in(0xcfe, 2), id >> 16);
    CHECK_IS(in(0xcfd, 1), 0x80);
    /* over the end of the register */
    CHECK_IS(in(0xcfe, 4), 0xffffffff);
    CHECK_IS(in(0xcff, 2), 0xffff);
    DONE(0, 0xcf8, 0xef);                                               /* not enabled */
    CHECK_IS(in(0xcfc, 4), 0xffffffff);
    /* the LPC bridge, another device */
    DONE(0x8000f800, 0xcf8, 0xef);
    CHECK(in(0xcfc, 4) != id);
    DONE(0x80000040, 0xcf8, 0xef);
    CHECK_IS(in(0xcf8, 4), 0x80000040);
}

/* The instruction's bytes are read up to the end of its page, and further only if it goes on
 * there. */
static void over_the_edge(void)
{
    unsigned long second = PAGE_UP(probe_instruction_at());
    uint64_t entry;

    iopl_is(1);
    (void)probe_instruction((const uint8_t[]){ 0x90 }, 1);
    entry = *pt_walk(second, 1);
    for (unsigned int before = 1; before <= 4; before++) {
        probe_instruction_offset = PAGE_SIZE - before;
        DONE(0x1234, 0, 0x0f, 0x20, 0xc0);
        CHECK_IS(p->registers[RAX] & 0x80000001, 0x80000001);
    }
    /* It ends where its page does, and behind it there is nothing: it is done, and then the next
     * one is not there. */
    probe_instruction_offset = PAGE_SIZE - 4;
    NEED(map_page(second, 0, 0, DOMID_SELF) == 0);
    CHECK_IS(RUN(0x1234, 0, 0x0f, 0x20, 0xc0), TRAP_PF);
    CHECK_IS(p->rip, second);
    CHECK_IS(fault_address(), second);
    CHECK_IS(p->registers[RAX] & 0x80000001, 0x80000001);
    NEED(HYPERVISOR_update_va_mapping(second, entry, UVMF_INVLPG) == 0);
    probe_instruction_offset = 0;
    iopl_is(0);
}

void test_main(void)
{
    (void)user_space();
    set_kernel_stack((unsigned long)&stack + PROBE_STACK);
    probe_user_rip = USER_CODE;
    probe_user_rsp = USER_STACK + 0xff8;
    p->flags = 2;
    probe_gates(true);
    cr0();
    cr2_and_cr3();
    cr4();
    debug_registers();
    over_the_edge();
    permission();
    iopl_is(1);
    if (is_dom0()) {
        forms();
        strings_that_fault();
        if (on_domus()) {
            out_of_reach();
            pci();
        }
    }
    iopl_is(0);
    probe_gates(false);
    user_space_end();
}
