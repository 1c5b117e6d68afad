/* SPDX-License-Identifier: MIT */
/*
 * Two vCPUs of one guest differ in every register that a guest has, take turns, and each finds its
 * own: general registers (by a yield, and where the end of a slice finds it), x87, SSE and AVX with
 * their control words, XCR0, TS, segment selectors from GDTs and LDTs of their own, bases of FS and
 * both of GS, TSC_AUX, IOPL, debug registers. A breakpoint of one is none of the other's, whether
 * that has some itself or not. A selector that is gone when its vCPU comes back is reported by the
 * failsafe callback. Idea: XSA-52, 62, 267 (state left behind), 444; "registers and breakpoints
 * left over a switch".
 * machine: vcpus
 * also on: max,-xsave
 */
#include "../lib/other.h"
#include "../lib/user.h"
#include "../lib/turns.h"

#include <xen/nmi.h>

#define DATA_DPL3   0x00cff3000000ffffUL
#define CR4_DE      (1UL << 3)
#define CR4_FSGSBASE (1UL << 16)
#define CR4_OSXSAVE (1UL << 18)
#define WITH_A_BASE 60UL                        /* a descriptor of vCPU 1's GDT */
#define ROUNDS      8
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX        0xc0000103

static union probe_stack stacks[2];
static uint64_t *gdt[2], *ldt[2], cells[2][2];
static uint8_t image[2][4096] __attribute__((aligned(64))),
    image_now[2][4096] __attribute__((aligned(64)));
static volatile uint64_t watched[2][4];
static unsigned long root_of_user;
static bool has_xsave, has_avx, has_tsc_aux;

/* What each one's selectors are: no two alike, none in the other's table. ES comes from the LDT. */
static unsigned int selector_of(uint64_t me, unsigned int which)
{
    return which == 1 ? (unsigned int)(5 + me) << 3 | 7
                      : (unsigned int)(20 + 8 * me + which) << 3 | 3;
}

/* Domus gives two vCPUs of the control domain one CPU where there is no other. */
static bool share_a_cpu(void)
{
    return on_domus() && cpus_of_machine() == 1;
}

static struct probe *probe_of(uint64_t me)
{
    return &stacks[me].probe;
}

static struct probe *fresh(uint64_t me, void (*way)(void))
{
    struct probe *p = probe_of(me);

    for (unsigned int i = 0; i < REGISTERS; i++)
        p->registers[i] = 0x0101010101010101UL * (i + 1 + 100 * me);
    p->flags = 0x2;
    p->way = way;
    return p;
}

/* ---- each part: made different, and looked at again ---- */

static void compare_registers(uint64_t me, const struct probe *p, uint64_t but)
{
    for (unsigned int i = 0; i < REGISTERS; i++)
        if (i != RSP && !(but >> i & 1) &&
            p->registers[i] != 0x0101010101010101UL * (i + 1 + 100 * me))
            test_failure(__FILE__, __LINE__, "vCPU %lu: register %u is %lx", me, i,
                         p->registers[i]);
    test_passed();
}

/* The turn goes away and comes back while a probe holds all registers: it asks to give way, or is
 * made to. */
static void general_registers(uint64_t me)
{
    struct probe *p = fresh(me, way_syscall);

    p->registers[RAX] = __HYPERVISOR_sched_op;
    p->registers[RDI] = SCHEDOP_yield;
    p->registers[RSI] = 0;
    turn = !me;
    do {
        p->registers[RAX] = __HYPERVISOR_sched_op;
        p->registers[RCX] = 0x0101010101010101UL * (RCX + 1 + 100 * me);
        p->registers[R11] = 0x0101010101010101UL * (R11 + 1 + 100 * me);
        CHECK_IS(probe_run(p), PROBE_THROUGH);
        CHECK_IS(p->registers[RAX], 0);
        p->registers[RAX] = 0x0101010101010101UL * (RAX + 1 + 100 * me);
        compare_registers(me, p, 1 << RDI | 1 << RSI | 1 << RCX | 1 << R11);
    } while (turn != me);
    p = fresh(me, me ? way_wait_1 : way_wait_0);
    turn = !me;
    CHECK_IS(probe_run(p), PROBE_THROUGH);
    compare_registers(me, p, 0);
}

/* An image of all vector registers, different in each byte that may be. */
static void make_image(uint64_t me, unsigned int seed)
{
    uint8_t *a = image[me];
    uint64_t present = has_avx ? 7 : 3;
    uint32_t mxcsr = 0x1f80 | (me ? 0x6000 : 0x2000);
    uint16_t control = me ? 0x37f : 0x27f;

    memset(a, 0, 4096);
    memcpy(a, &control, 2);
    a[4] = 0xff;                                /* all eight x87 registers are in use */
    memcpy(a + 24, &mxcsr, 4);
    for (unsigned int i = 32; i < 416; i++)
        if (i >= 160 || i % 16 < 10)
            a[i] = (uint8_t)(i * 3 + 101 * me + seed);
    memcpy(a + 512, &present, 8);
    for (unsigned int i = 576; has_avx && i < 832; i++)
        a[i] = (uint8_t)(i * 7 + 53 * me + 1 + seed);
}

static void load_image(uint64_t me)
{
    asm volatile("xrstor64 %0" : : "m" (image[me]), "a" (~0u), "d" (~0u));
}

static void vectors_set(uint64_t me)
{
    struct probe *p = fresh(me, way_xsetbv);

    if (!has_xsave) return;
    p->registers[RCX] = p->registers[RDX] = 0;
    p->registers[RAX] = has_avx ? 7 : 3;
    CHECK_IS(probe_run(p), PROBE_THROUGH);
    make_image(me, 0);
    load_image(me);
}

static void vectors_look(uint64_t me)
{
    uint8_t *now = image_now[me];

    if (!has_xsave) return;
    asm volatile("xsave64 %0" : "+m" (image_now[me]) : "a" (~0u), "d" (~0u));
    CHECK_IS(memcmp(now, image[me], 5), 0);     /* control, status and tags */
    CHECK_IS(memcmp(now + 24, image[me] + 24, 4), 0);
    CHECK_IS(memcmp(now + 32, image[me] + 32, 384), 0);
    if (has_avx)
        CHECK_IS(memcmp(now + 576, image[me] + 576, 256), 0);
}

static void segments_set(uint64_t me)
{
    unsigned long frame = virt_to_mfn(gdt[me]);
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT,
                            .arg1.linear_addr = (unsigned long)ldt[me],
                            .arg2.nr_ents = 512 };

    CHECK_IS(HYPERVISOR_set_gdt(&frame, 512), 0);
    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    asm volatile("mov %0, %%ds; mov %1, %%es; mov %2, %%fs; mov %3, %%gs"
                 :
                 : "r"(selector_of(me, 0)), "r"(selector_of(me, 1)), "r"(selector_of(me, 2)),
                   "r"(selector_of(me, 3)));
    cells[me][0] = 1000 + me;
    cells[me][1] = 2000 + me;
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_FS, (unsigned long)&cells[me][0]), 0);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, (unsigned long)&cells[me][1]), 0);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, 0x7000000 + me), 0);
}

static uint64_t read_msr(uint64_t me, uint32_t index)
{
    struct probe *p = fresh(me, way_rdmsr);

    p->registers[RCX] = index;
    CHECK_IS(probe_run(p), PROBE_THROUGH);
    return p->registers[RDX] << 32 | (uint32_t)p->registers[RAX];
}

static void segments_look(uint64_t me)
{
    unsigned int ds, es, fs, gs;
    uint64_t at_fs, at_gs;

    asm volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
                 : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
    CHECK_IS(ds, selector_of(me, 0));
    CHECK_IS(es, selector_of(me, 1));
    CHECK_IS(fs, selector_of(me, 2));
    CHECK_IS(gs, selector_of(me, 3));
    asm volatile("mov %%fs:0, %0; mov %%gs:0, %1" : "=r" (at_fs), "=r" (at_gs));
    CHECK_IS(at_fs, 1000 + me);
    CHECK_IS(at_gs, 2000 + me);
    CHECK_IS(read_msr(me, MSR_KERNEL_GS_BASE), 0x7000000 + me);
    /* The tables are each one's own, too. */
    for (unsigned int which = 0; which < 2; which++) {
        struct probe *p = fresh(me, way_load_es);

        p->registers[RAX] = selector_of(!me, which);
        CHECK_IS(probe_run(p), TRAP_GP);
        p->registers[RAX] = selector_of(me, which);
        CHECK_IS(probe_run(p), PROBE_THROUGH);
    }
}

/* CR4, IOPL and TSC_AUX: numbers that ring 0 keeps for a vCPU, or the CPU does. */
static void numbers_set(uint64_t me)
{
    struct physdev_set_iopl iopl = { .iopl = me ? 0 : 1 };
    struct probe *p = fresh(me, way_read_cr4);

    CHECK_IS(probe_run(p), PROBE_THROUGH);
    p->registers[RAX] = (p->registers[RAX] & ~(CR4_DE | CR4_FSGSBASE)) |
                        (has_xsave ? CR4_OSXSAVE : 0) | (me ? CR4_DE | CR4_FSGSBASE : 0);
    p->way = way_write_cr4;
    CHECK_IS(probe_run(p), PROBE_THROUGH);
    p = fresh(me, way_wrmsr);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    p->registers[RCX] = MSR_TSC_AUX;
    p->registers[RAX] = 4711 + me;
    p->registers[RDX] = 0;
    if (probe_run(p) == PROBE_THROUGH)
        has_tsc_aux = true;
}

static void numbers_look(uint64_t me)
{
    static const uint8_t rdfsbase[] = { 0xf3, 0x48, 0x0f, 0xae, 0xc0 };
    struct probe *p = fresh(me, way_cli);

    CHECK_IS(probe_run(p), me ? TRAP_GP : PROBE_THROUGH);
    CHECK_IS(probe_run(fresh(me, way_read_cr4)), PROBE_THROUGH);
    CHECK_IS(p->registers[RAX] & (CR4_DE | CR4_FSGSBASE), me ? CR4_DE | CR4_FSGSBASE : 0);
    CHECK_IS(probe_run(fresh(me, probe_instruction(rdfsbase, sizeof(rdfsbase)))),
             me ? PROBE_THROUGH : TRAP_UD);
    if (!has_tsc_aux) return;
    CHECK_IS(probe_run(fresh(me, way_rdtscp)), PROBE_THROUGH);
    CHECK_IS(probe_of(me)->registers[RCX], 4711 + me);
    CHECK_IS(read_msr(me, MSR_TSC_AUX), 4711 + me);
}

/* ---- breakpoints ---- */

/* All four on words of one's own, on writes; or none. */
static void breakpoints_set(uint64_t me, bool on)
{
    for (unsigned int i = 0; i < 4; i++)
        CHECK_IS(HYPERVISOR_set_debugreg((int)i, (unsigned long)&watched[me][(i + me) % 4]), 0);
    CHECK_IS(HYPERVISOR_set_debugreg(7, on ? 0x99990455 : 0x400), 0);
}

static void breakpoints_look(uint64_t me, bool on)
{
    for (unsigned int i = 0; i < 4; i++) {
        struct probe *p = fresh(me, way_store);

        CHECK_IS(HYPERVISOR_get_debugreg((int)i), (unsigned long)&watched[me][(i + me) % 4]);
        p->registers[RDI] = (unsigned long)&watched[!me][i];
        CHECK_IS(probe_run(p), PROBE_THROUGH);
        HYPERVISOR_set_debugreg(6, 0);
        p->registers[RDI] = (unsigned long)&watched[me][(i + me) % 4];
        CHECK_IS(probe_run(p), on ? TRAP_DB : PROBE_THROUGH);
        CHECK_IS(HYPERVISOR_get_debugreg(6) & 15, on ? 1 << i : 0);
    }
    CHECK_IS(HYPERVISOR_get_debugreg(7), on ? 0x99990455 : 0x400);
}

/* ---- what both do, in step ---- */

static void everything(uint64_t me)
{
    numbers_set(me);
    vectors_set(me);
    segments_set(me);
    for (int round = 0; round < ROUNDS; round++) {
        /* Both have breakpoints, one of them, the other, none. */
        bool on = me ? round & 1 : !(round & 2);

        breakpoints_set(me, on);
        give_turn(me);
        breakpoints_look(me, on);
        general_registers(me);
        vectors_look(me);
        segments_look(me);
        numbers_look(me);
        breakpoints_look(me, on);
        give_turn(me);
    }
    breakpoints_set(me, false);
}

/* One has switched AVX off for itself; the other's stays, and what the first one had in it is there
 * again when it is on. */
static void extended_control(uint64_t me)
{
    uint32_t low, high;
    struct probe *p = fresh(me, way_xsetbv);

    if (!has_avx) return;
    make_image(me, 19);
    load_image(me);
    if (me) {
        p->registers[RCX] = p->registers[RDX] = 0;
        p->registers[RAX] = 3;
        CHECK_IS(probe_run(p), PROBE_THROUGH);
    }
    give_turn(me);
    asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
    CHECK_IS(low & 7, me ? 3 : 7);
    give_turn(me);
    if (me) {
        p->registers[RCX] = p->registers[RDX] = 0;
        p->registers[RAX] = 7;
        CHECK_IS(probe_run(p), PROBE_THROUGH);
    }
    vectors_look(me);
    give_turn(me);
}

/* TS of one is not the other's; it is still there after a switch. */
static void task_switched(uint64_t me)
{
    for (uint64_t whose = 0; whose < 2; whose++) {
        if (me == whose)
            CHECK_IS(HYPERVISOR_fpu_taskswitch(1), 0);
        give_turn(me);
        CHECK_IS(probe_run(fresh(me, way_fpu)), me == whose ? TRAP_NM : PROBE_THROUGH);
        CHECK_IS(probe_run(fresh(me, way_fpu)), PROBE_THROUGH);
        give_turn(me);
    }
}

/* vCPU 1 is in user mode, with its own GS base, when the other gets the CPU, which stays in the
 * kernel, and asks for it back. */
static void in_user_mode(uint64_t me)
{
    /* mov %gs:0, %rax */
    static const uint8_t code[] = { 0x65, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0,
                                    /* movb $1, (%rsp): here we are */
                                    0xc6, 0x04, 0x24, 1,
                                    0x80, 0x3c, 0x24, 2, 0x75, 0xfa,            /* wait for 2 */
                                    /* mov %gs:0, %rbx */
                                    0x65, 0x48, 0x8b, 0x1c, 0x25, 0, 0, 0, 0,
                                    /* mov %ecx, %gs: its base is the descriptor's */
                                    0x8e, 0xe9,
                                    0x0f, 0x05 };                               /* syscall */
    static struct vcpu_runstate_info area;
    struct vcpu_register_runstate_memory_area area_call = { 0 };
    volatile uint8_t *word;

    if (me) {
        struct probe *p = fresh(me, way_user);

        user_code(code, sizeof(code));
        *(uint64_t *)(void *)(user_stack + 0x100) = 0x12345;
        user_stack[0x800] = 0;
        CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, USER_STACK + 0x100), 0);
        HYPERVISOR_stack_switch(FLAT_KERNEL_SS, (unsigned long)&stacks[1] + PROBE_STACK);
        probe_user_rip = USER_CODE;
        probe_user_rsp = USER_STACK + 0x800;
        p->registers[RCX] = WITH_A_BASE << 3 | 3;
        area_call.addr.v = &area;
        CHECK_IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
        CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 1, &area_call), 0);
        uint64_t waited = area.time[RUNSTATE_runnable] + area.time[RUNSTATE_running];
        turn = 0;
        CHECK_IS(probe_run(p), PROBE_SYSCALL);
        CHECK_IS(p->registers[RAX], 0x12345);
        CHECK_IS(p->registers[RBX], 0x12345);
        CHECK_IS(read_msr(me, MSR_KERNEL_GS_BASE), 0x567000);
        /* It was waiting, and running again, while its kernel's memory was out of reach; that is
         * made up for. */
        CHECK_IS(area.state, RUNSTATE_running);
        CHECK_IS(area.state_entry_time & XEN_RUNSTATE_UPDATE, 0);
        if (share_a_cpu())
            CHECK(area.time[RUNSTATE_runnable] + area.time[RUNSTATE_running] > waited + NS_PER_MS);
        segments_set(me);
        segments_look(me);
        wait_for_turn(1);
        turn = 0;
    } else {
        for (word = user_stack + 0x800; *word != 1;)
            vcpu_yield();
        segments_look(me);
        for (int i = 0; i < 20; i++)
            vcpu_yield();
        segments_look(me);
*word = 2;
        give_turn(me);
    }
}

/* The descriptor of a register goes away while its vCPU waits: when it comes back it hears of it,
 * with all four as they were. */
static void lost_selectors(uint64_t me)
{
    for (unsigned int which = 0; which < 4; which++) {
        uint64_t *descriptor = which == 1 ? &ldt[1][6] : &gdt[1][28 + which];

        if (me) {
            struct probe *p = fresh(me, way_wait_1);
            unsigned int now[4];

            segments_set(1);
            turn = 0;
            CHECK_IS(probe_run(p), PROBE_FAILSAFE);
            for (unsigned int i = 0; i < 4; i++)
                CHECK_IS(p->selectors[i] & 0xffff, selector_of(1, i));
            CHECK(p->rip >= (unsigned long)way_wait_1_at && p->rip < (unsigned long)way_wait_1_end);
            CHECK_IS(p->frame_rsp, (unsigned long)&stacks[1] + PROBE_STACK);
            asm volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
                         : "=r"(now[0]), "=r"(now[1]), "=r"(now[2]), "=r"(now[3]));
            for (unsigned int i = 0; i < 4; i++)
                CHECK_IS(now[i], i == which ? 0 : selector_of(1, i));
            compare_registers(me, p, 0);
            wait_for_turn(1);
        } else {
            wait_for_turn(0);
            CHECK_IS(HYPERVISOR_update_descriptor(virt_to_machine(descriptor), 0), 0);
            vcpu_yield();
            vcpu_yield();
            CHECK_IS(HYPERVISOR_update_descriptor(virt_to_machine(descriptor), DATA_DPL3), 0);
            turn = 1;
        }
    }
}

static void all_of_it(uint64_t me)
{
    everything(me);
    extended_control(me);
    task_switched(me);
    in_user_mode(me);
    /* real Xen loads no selectors when a vCPU comes back to a CPU that idled */
    if (share_a_cpu())
        lost_selectors(me);
}

static void other(unsigned long id)
{
    struct mmuext_op op = { .cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = root_of_user };
    struct xennmi_callback nmi = { .handler_address = (unsigned long)probe_nmi };

    wait_for_turn(1);
    CHECK_IS(HYPERVISOR_nmi_op(XENNMI_register_callback, &nmi), 0);     /* its own, by this, too */
    CHECK_IS(HYPERVISOR_nmi_op(XENNMI_unregister_callback, NULL), 0);
    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    all_of_it(1);
    wait_for_turn(1);
    for (;;)
        (void)HYPERVISOR_vcpu_op(VCPUOP_down, 1, NULL);
}

static uint64_t *table(void)
{
    uint64_t *page = alloc_zeroed_page();

    NEED(page != NULL);
    return page;
}

void test_main(void)
{
    uint32_t eax = 1, ebx, ecx, edx;

    asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "=c" (ecx), "=d" (edx));
    has_xsave = ecx >> 27 & 1;
    has_avx = has_xsave && (ecx >> 28 & 1);
    for (uint64_t me = 0; me < 2; me++) {
        gdt[me] = table();
        ldt[me] = table();
        for (unsigned int which = 0; which < 4; which++)
            (which == 1 ? ldt : gdt)[me][selector_of(me, which) >> 3] = DATA_DPL3;
        gdt[me][WITH_A_BASE] = DATA_DPL3 | 0x567000UL << 16;
        NEED(page_set_readonly(gdt[me], true) == 0);
        NEED(page_set_readonly(ldt[me], true) == 0);
    }
    root_of_user = user_space();
    second_vcpu(other);
    probe_gates(true);
    give_turn(0);
    all_of_it(0);
    turn = 1;
    while (HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, NULL) == 1)
        vcpu_yield();
}
