/* SPDX-License-Identifier: MIT */
/*
 * Code in other segments than the flat 64-bit one: the flat 32-bit one, and a guest's own. What
 * ring 0 does for a guest is done there by the bytes as that segment's CPU mode reads them; where
 * the segment has a base, or is a 16-bit one, or of the LDT, nothing is done. SYSCALL from 32-bit
 * code goes to its own callback, and is an invalid instruction without one. Far returns and IRETQ
 * go where the CPU would, into code of ring 3 only. Idea: XSA-42, 110 (far returns); the decoder's
 * two modes; abi: 32-bit processes of a 64-bit guest.
 */
#include "../lib/user.h"
#include <xen/callback.h>

#define CODE32   0x00cffb000000ffffUL
#define CODE64   0x00affb000000ffffUL
#define DATA     0x00cff3000000ffffUL
#define CODE16   0x008ffb000000ffffUL
#define BASED    (CODE32 | 0x400UL << 16)
#define ABSENT   (CODE64 & ~(1UL << 47))
#define SEL(n)   ((n) << 3 | 3)

static union probe_stack stack;
static struct probe *const p = &stack.probe;
static uint64_t *gdt, *ldt;

static int64_t user(uint64_t cs, const uint8_t *bytes, unsigned int length, uint64_t rax)
{
    user_code(bytes, length);
    probe_user_cs = cs;
    p->way = way_user;
    p->registers[RAX] = rax;
    return probe_run(p);
}
#define USER(cs, rax, ...) \
    ({ \
        static const uint8_t bytes_[] = { __VA_ARGS__ }; \
        user(cs, bytes_, sizeof(bytes_), rax); \
    })

/* CLI with IOPL 3 is done or it is not; int3 stands behind it. In the segment with a base there is
 * another CLI where it would be without. */
static void emulated_where_it_may_be(void)
{
    static const struct { uint64_t cs; bool done;
    } segments[] = {
        { FLAT_USER_CS64, true }, { FLAT_USER_CS32, true }, { SEL(32), true },
        { SEL(33), true },        { SEL(34), false },       { SEL(35), false },
        { SEL(2) | 4, false },    { SEL(3) | 4, false },
    };
    struct physdev_set_iopl iopl = { .iopl = 3 };

    uint8_t two[0x401] = { 0xfa, [0x400] = 0xfa };

    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    two[1] = 0xcc;
    for (unsigned int i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
        if (!segments[i].done && !on_domus())
            continue;                                       /* Xen does more */
        CHECK_IS(user(segments[i].cs, two, sizeof(two), 0), segments[i].done ? TRAP_BP : TRAP_GP);
        CHECK_IS(p->rip, USER_CODE + (segments[i].done ? 2 : 0));
        CHECK_IS(p->cs & 0xffff, segments[i].cs);
    }
    /* 0x41 is REX in one mode and INC in the other: with it before it, CLI is one instruction or
     * two. */
    CHECK_IS(USER(FLAT_USER_CS64, 0, 0x41, 0xfa), TRAP_BP);
    CHECK_IS(USER(FLAT_USER_CS32, 0, 0x66, 0xfa), TRAP_BP);
    CHECK_IS(p->rip, USER_CODE + 3);
    /* in $0x71, %eax: the operand's size */
    if (is_dom0()) {
        CHECK_IS(USER(FLAT_USER_CS32, ~0UL, 0xe5, 0x71), TRAP_BP);
        CHECK_IS(p->registers[RAX] >> 32, 0);
    }
    iopl.iopl = 0;
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    CHECK_IS(USER(FLAT_USER_CS32, 0, 0xfa), TRAP_GP);
}

static void system_calls(void)
{
    struct callback_register reg = { .type = CALLBACKTYPE_syscall32, .address = 0 };

    CHECK_IS(USER(FLAT_USER_CS64, 7, 0x0f, 0x05), PROBE_SYSCALL);
    CHECK_IS(USER(FLAT_USER_CS32, 7, 0x0f, 0x05), TRAP_UD);
    CHECK_IS(p->rip, USER_CODE);
    CHECK_IS(p->cs & 0xffff, FLAT_USER_CS32);
    reg.address = (unsigned long)probe_syscall;
    CHECK_IS(HYPERVISOR_callback_op(CALLBACKOP_register, &reg), 0);
    CHECK_IS(USER(FLAT_USER_CS32, 7, 0x0f, 0x05), PROBE_SYSCALL);
    CHECK_IS(p->registers[RAX], 7);
    CHECK_IS(p->rip, USER_CODE + 2);
    CHECK_IS(p->cs & 0xffff, FLAT_USER_CS32);
    CHECK_IS(p->ss & 0xffff, FLAT_USER_SS);
    CHECK_IS(p->frame_rsp, USER_STACK + 0xf00);
    /* The 64-bit one may be absent as well: an invalid instruction, too. */
    NEED(HYPERVISOR_set_callbacks(0, 0, 0) == 0);
    CHECK_IS(USER(FLAT_USER_CS64, 7, 0x0f, 0x05), TRAP_UD);
    CHECK_IS(p->rip, USER_CODE);
    probe_gates(true);
}

/* A far return of user mode: two words on its stack, of eight bytes or four, say where to. */
static void far_returns(void)
{
    static const struct { uint64_t selector; int64_t vector;
    } to[] = {
        { FLAT_USER_CS64, TRAP_BP }, { SEL(33), TRAP_BP },
        { SEL(1) | 4, TRAP_BP },     { SEL(50), TRAP_GP },
        { SEL(37), TRAP_GP },        { 0, TRAP_GP },
        { 0xe008, TRAP_GP },         { FLAT_USER_CS64 & ~3, TRAP_GP },
        { FLAT_USER_SS, TRAP_GP },   { SEL(38), TRAP_GP },
        { SEL(600) | 4, TRAP_GP },
    };
    uint64_t *words = (uint64_t *)(void *)(user_stack + 0xf00);
    uint32_t *narrow = (uint32_t *)(void *)(user_stack + 0xf00);

    for (unsigned int i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
        words[0] = USER_CODE + 0x100;
        words[1] = to[i].selector;
        int64_t vector = USER(FLAT_USER_CS64, 0, 0x48, 0xcb);
        CHECK(vector == to[i].vector || (to[i].selector == SEL(38) && vector == TRAP_NP));
        if (to[i].vector == TRAP_BP) {
            CHECK_IS(p->rip, USER_CODE + 0x101);
            CHECK_IS(p->cs & 0xffff, to[i].selector);
            CHECK_IS(p->frame_rsp, USER_STACK + 0xf10);
        } else {
            CHECK_IS(p->rip, USER_CODE);
            CHECK_IS(p->error & 0xffff, to[i].selector & 0xfffc);
        }
    }
    narrow[0] = (uint32_t)USER_CODE + 0x100;
    narrow[1] = FLAT_USER_CS32;
    CHECK_IS(USER(FLAT_USER_CS64, 0, 0xcb), TRAP_BP);
    CHECK_IS(p->rip, USER_CODE + 0x101);
    CHECK_IS(p->cs & 0xffff, FLAT_USER_CS32);
    CHECK_IS(p->frame_rsp, USER_STACK + 0xf08);
    words[0] = 0x800000000000UL;
    words[1] = FLAT_USER_CS64;
    CHECK_IS(USER(FLAT_USER_CS64, 0, 0x48, 0xcb), TRAP_GP);
    CHECK_IS(p->error & 0xffff, on_domus() ? FLAT_USER_CS64 & 0xfffc : p->error & 0xffff);
}

/* IRETQ of user mode: five words; flags that are not its own stay as they were, and so do RCX and
 * R11. */
static void hardware_returns(void)
{
    uint64_t *words = (uint64_t *)(void *)(user_stack + 0xf00);

    words[0] = USER_CODE + 0x100;
    words[1] = FLAT_USER_CS64;
    words[2] = 0x8d5 | 2 | 0x3000;
    words[3] = USER_STACK + 0x800;
    words[4] = FLAT_USER_SS;
    p->registers[RCX] = 0x1234567890;
    p->registers[R11] = 0x9876543210;
    CHECK_IS(USER(FLAT_USER_CS64, 0, 0x48, 0xcf), TRAP_BP);
    CHECK_IS(p->rip, USER_CODE + 0x101);
    CHECK_IS(p->frame_rsp, USER_STACK + 0x800);
    CHECK_IS(p->frame_flags & 0x3fd5, 0x8d5 | (p->frame_flags & 0x200));
    CHECK_IS(p->registers[RCX], 0x1234567890);
    CHECK_IS(p->registers[R11], 0x9876543210);
    CHECK_IS(p->ss & 0xffff, FLAT_USER_SS);
    /* into 32-bit code: where its stack is 32 bits wide as well */
    words[1] = FLAT_USER_CS32;
    CHECK_IS(USER(FLAT_USER_CS64, 0, 0x48, 0xcf), TRAP_BP);
    CHECK_IS(p->cs & 0xffff, FLAT_USER_CS32);
    words[1] = 0xe008;
    CHECK_IS(USER(FLAT_USER_CS64, 0, 0x48, 0xcf), TRAP_GP);
    CHECK_IS(p->rip, USER_CODE);
    /* The stack itself is not there: a page fault of the guest's. */
    probe_user_rsp = 0x20000000;
    CHECK_IS(USER(FLAT_USER_CS64, 0, 0x48, 0xcf), TRAP_PF);
    CHECK_IS(fault_address() & PAGE_MASK, 0x20000000);
    probe_user_rsp = USER_STACK + 0xf00;
}

void test_main(void)
{
    unsigned long frame;
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT, .arg2.nr_ents = 512 };

    gdt = alloc_zeroed_page();
    ldt = alloc_zeroed_page();
    NEED(gdt && ldt);
    gdt[32] = CODE32;
    gdt[33] = CODE64;
    gdt[34] = BASED;
    gdt[35] = CODE16;
    gdt[37] = DATA;
    gdt[38] = ABSENT;
    ldt[1] = ldt[2] = CODE64;
    ldt[3] = CODE32;
    NEED(page_set_readonly(gdt, true) == 0);
    NEED(page_set_readonly(ldt, true) == 0);
    frame = virt_to_mfn(gdt);
    NEED(HYPERVISOR_set_gdt(&frame, 512) == 0);
    op.arg1.linear_addr = (unsigned long)ldt;
    NEED(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF) == 0);
    (void)user_space();
    set_kernel_stack((unsigned long)&stack + PROBE_STACK);
    probe_user_rip = USER_CODE;
    probe_user_rsp = USER_STACK + 0xf00;
    p->flags = 2;
    probe_gates(true);
    emulated_where_it_may_be();
    far_returns();
    hardware_returns();
    system_calls();
    probe_gates(false);
    user_space_end();
}
