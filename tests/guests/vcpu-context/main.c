/* SPDX-License-Identifier: MIT */
/*
 * A second vCPU begins with every register of its context: general registers, selectors, bases,
 * vector registers, IOPL, TS, its own GDT and LDT, handlers and callbacks; the toolstack reads the
 * same out again. A context that cannot be is refused whole (addresses that are not canonical, bad
 * tables, descriptor tables too large), and leaves no reference. What one vCPU may do for another,
 * and what not. Idea: XSA-53 and 54 (reserved bits of an FPU image), 327 (registered areas); all of
 * arch_set_info_guest's checks.
 * machine: vcpus
 */
#include "../lib/user.h"
#include <xen/domctl.h>
#include <xen/nmi.h>

#define DATA_DPL3 0x00cff3000000ffffUL
#define NOWHERE   0x800000000000UL
#define PATTERN(i) (0x0202020202020202UL * ((uint64_t)(i) + 1))
#define SELECTOR(which) (((which) == 1 ? 9u << 3 | 7 : (40u + (which)) << 3 | 3))

static struct vcpu_guest_context context, read_back;
static union probe_stack stack, own_stack;
static struct probe *const p = &stack.probe, *const own = &own_stack.probe;
static uint64_t *gdt, *ldt, resume_stack[8];
static unsigned long user_root;
static uint8_t seen_image[4096] __attribute__((aligned(64)));
static volatile uint32_t loaded_mxcsr;
static volatile bool ran, go_on, has_fsgsbase;

static long initialise(void)
{
    return HYPERVISOR_vcpu_op(VCPUOP_initialise, 1, &context);
}
static long up(void)
{
    return HYPERVISOR_vcpu_op(VCPUOP_up, 1, NULL);
}
static long is_up(void)
{
    return HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, NULL);
}

/* Where the first trap of the new vCPU comes out, on resume_stack. */
static void second(void)
{
    uint64_t fs_base;

    asm volatile("fxsave64 %0; stmxcsr %1" : "=m" (seen_image), "=m" (loaded_mxcsr));
    asm volatile("cli");                                /* by the IOPL of its context */
    asm volatile("rdfsbase %0" : "=r" (fs_base));       /* by the CR4 of its context */
    has_fsgsbase = fs_base == context.fs_base;
    ran = true;
    while (!go_on)
        vcpu_yield();
    for (;;)
        (void)HYPERVISOR_vcpu_op(VCPUOP_down, 1, NULL);
}

/* The first instruction is UD2, which brings all registers into the probe. */
static void fill(void)
{
    uint64_t *registers[] = { &context.user_regs.rax,
                              &context.user_regs.rcx,
                              &context.user_regs.rdx,
                              &context.user_regs.rbx,
                              NULL,
                              &context.user_regs.rbp,
                              &context.user_regs.rsi,
                              &context.user_regs.rdi,
                              &context.user_regs.r8,
                              &context.user_regs.r9,
                              &context.user_regs.r10,
                              &context.user_regs.r11,
                              &context.user_regs.r12,
                              &context.user_regs.r13,
                              &context.user_regs.r14,
                              &context.user_regs.r15 };
    uint8_t *fpu = (uint8_t *)&context.fpu_ctxt;
    uint16_t control = 0x27f;
    uint32_t mxcsr = 0xffffffff;

    memset(&context, 0, sizeof(context));
    for (unsigned int i = 0; i < REGISTERS; i++)
        if (registers[i])
            *registers[i] = PATTERN(i);
    context.flags = VGCF_in_kernel | VGCF_i387_valid | VGCF_failsafe_disables_events |
                    VGCF_syscall_disables_events;
    context.user_regs.rip = (unsigned long)way_ud2_at;
    context.user_regs.rsp = (unsigned long)&stack + PROBE_STACK;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = 0x202 | 0x1000;          /* IOPL 1 */
    context.user_regs.ds = SELECTOR(0);
    context.user_regs.es = SELECTOR(1);
    context.user_regs.fs = SELECTOR(2);
    context.user_regs.gs = SELECTOR(3);
    context.fs_base = 0x1230000;
    context.gs_base_kernel = 0x4560000;
    context.gs_base_user = 0x7890000;
    context.kernel_ss = FLAT_KERNEL_SS & ~3;
    context.kernel_sp = (unsigned long)&stack + PROBE_STACK;
    context.ctrlreg[1] = xen_pfn_to_cr3(user_root);
    context.ctrlreg[3] = xen_pfn_to_cr3(kernel_root_mfn);
    /* DE, FSGSBASE; VMXE and SMAP are nobody's */
    context.ctrlreg[4] = 1UL << 3 | 1UL << 16 | 1UL << 13 | 1UL << 21;
    context.gdt_frames[0] = virt_to_mfn(gdt);
    context.gdt_ents = 512;
    context.ldt_base = (unsigned long)ldt;
    context.ldt_ents = 512;
    memcpy(fpu, &control, 2);
    memcpy(fpu + 24, &mxcsr, 4);
    for (unsigned int i = 160; i < 416; i++)
        fpu[i] = (uint8_t)(i * 5);
    probe_context(&context);
}

/* ---- what is refused ---- */

static void bad_addresses(void)
{
    uint64_t *const fields[] = { &context.user_regs.rip,
                                 &context.event_callback_eip,
                                 &context.failsafe_callback_eip,
                                 &context.syscall_callback_eip,
                                 &context.fs_base,
                                 &context.gs_base_kernel,
                                 &context.gs_base_user,
                                 &context.trap_ctxt[0].address,
                                 &context.trap_ctxt[14].address,
                                 &context.trap_ctxt[255].address };

    for (unsigned int i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        uint64_t kept = *fields[i];

        *fields[i] = NOWHERE;
        CHECK_IS(initialise(), -EINVAL);
        *fields[i] = kept;
    }
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_initialise, 1, (void *)0x1000), -EFAULT);
}

static void bad_tables(void)
{
    uint64_t *page = alloc_zeroed_page();

    NEED(page != NULL);
#define REFUSED_WITH(field, value) \
    do { \
        typeof(context.field) kept_ = context.field; \
        context.field = (value); \
        CHECK_REFUSED(initialise()); \
        context.field = kept_; \
    } while (0)
    REFUSED_WITH(ctrlreg[3], 0);
    /* mapped writable: no page table */
    REFUSED_WITH(ctrlreg[3], xen_pfn_to_cr3(virt_to_mfn(page)));
    REFUSED_WITH(ctrlreg[3], xen_pfn_to_cr3(foreign_mfn()));
    REFUSED_WITH(ctrlreg[1], xen_pfn_to_cr3(virt_to_mfn(page)));
    REFUSED_WITH(ctrlreg[1], xen_pfn_to_cr3(foreign_mfn()));
    REFUSED_WITH(gdt_ents, 14 * 512 + 1);
    REFUSED_WITH(gdt_ents, 1UL << 32 | 1);
    REFUSED_WITH(gdt_frames[0], virt_to_mfn(page));
    REFUSED_WITH(gdt_frames[0], foreign_mfn());
    REFUSED_WITH(ldt_ents, 8193);
    REFUSED_WITH(ldt_base, (unsigned long)ldt + 8);
    REFUSED_WITH(ldt_base, 0xffff830000000000UL);
    /* still without a context */
    CHECK_IS(up(), -EINVAL);
    CHECK_IS(is_up(), 0);
    free_page(page);
}

/* ---- the beginning ---- */

static long domctl(uint32_t cmd, uint32_t vcpu, void *to)
{
    struct xen_domctl op = { .cmd = cmd,
                             .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
                             .domain = 0 };

    op.u.vcpucontext.vcpu = vcpu;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, to);
    return HYPERVISOR_domctl(&op);
}

static void begins_with_its_context(void)
{
    p->saved_sp = (unsigned long)resume_stack;          /* six registers, and then on at second() */
    resume_stack[6] = (unsigned long)second;
    p->under_way = 0x50524f42;
    shared_info.vcpu_info[1].evtchn_upcall_mask = 1;
    /* a toolstack does not do that to itself */
    CHECK_IS(domctl(XEN_DOMCTL_setvcpucontext, 1, &context), -EINVAL);
    CHECK_IS(initialise(), 0);
    CHECK_IS(initialise(), -EEXIST);
    CHECK_IS(is_up(), 0);
    CHECK_IS(up(), 0);
    CHECK_IS(is_up(), 1);
    CHECK_IS(up(), 0);
    while (!ran)
        vcpu_yield();
    CHECK_IS(p->vector, TRAP_UD);
    CHECK_IS(p->rip, (unsigned long)way_ud2_at);
    CHECK_IS(p->cs & 3, 0);
    for (unsigned int i = 0; i < REGISTERS; i++)
        if (i != RSP)
            CHECK_IS(p->registers[i], PATTERN(i));
    CHECK_IS(p->frame_rsp, (unsigned long)&stack + PROBE_STACK);
    CHECK_IS(p->frame_flags & 0x3000, 0);
    CHECK_IS(seen_image[0] | seen_image[1] << 8, 0x27f);
    CHECK_IS(memcmp(seen_image + 160, (uint8_t *)&context.fpu_ctxt + 160, 256), 0);
    /* the reserved bits are gone; a CPU would fault, QEMU keeps them */
    if (on_domus())
        CHECK_IS(loaded_mxcsr & 0xffff0000, 0);
    CHECK_IS(loaded_mxcsr & 0xff80, 0xff80);
}

/* ---- the toolstack's look ---- */

static void is_read_back(void)
{
    memset(&read_back, 0xa5, sizeof(read_back));
    CHECK_IS(domctl(XEN_DOMCTL_getvcpucontext, 1, &read_back), 0);
    CHECK_IS(read_back.flags & (VGCF_in_kernel | VGCF_i387_valid | VGCF_online),
             VGCF_in_kernel | VGCF_i387_valid | VGCF_online);
    CHECK_IS(read_back.flags & (VGCF_failsafe_disables_events | VGCF_syscall_disables_events),
             VGCF_failsafe_disables_events | VGCF_syscall_disables_events);
    CHECK_IS(read_back.user_regs.ds & 0xffff, SELECTOR(0));
    CHECK_IS(read_back.user_regs.es & 0xffff, SELECTOR(1));
    CHECK_IS(read_back.user_regs.fs & 0xffff, SELECTOR(2));
    CHECK_IS(read_back.user_regs.gs & 0xffff, SELECTOR(3));
    CHECK_IS(read_back.fs_base, context.fs_base);
    CHECK_IS(read_back.gs_base_kernel, context.gs_base_kernel);
    CHECK_IS(read_back.gs_base_user, context.gs_base_user);
    CHECK_IS(read_back.gdt_ents, 512);
    CHECK_IS(read_back.gdt_frames[0], virt_to_mfn(gdt));
    CHECK_IS(read_back.gdt_frames[1], 0);
    CHECK_IS(read_back.ldt_base, (unsigned long)ldt);
    CHECK_IS(read_back.ldt_ents, 512);
    CHECK_IS(read_back.kernel_sp, context.kernel_sp);
    CHECK_IS(read_back.kernel_ss, FLAT_KERNEL_SS);
    CHECK_IS(read_back.ctrlreg[1], context.ctrlreg[1]);
    CHECK_IS(read_back.ctrlreg[3], context.ctrlreg[3]);
    CHECK_IS(read_back.ctrlreg[0] & 0x80000001, 0x80000001);
    /* what may be chosen, and what is there for good */
    CHECK_IS(read_back.ctrlreg[4], 0x10668);
    CHECK(has_fsgsbase);
    CHECK_IS(read_back.event_callback_eip, context.event_callback_eip);
    CHECK_IS(read_back.failsafe_callback_eip, context.failsafe_callback_eip);
    CHECK_IS(read_back.syscall_callback_eip, context.syscall_callback_eip);
    for (unsigned int vector = 0; vector < 256; vector++)
        if (read_back.trap_ctxt[vector].address != context.trap_ctxt[vector].address)
            test_failure(__FILE__, __LINE__, "the gate of %u is %lx", vector,
                         read_back.trap_ctxt[vector].address);
    CHECK_IS(memcmp((uint8_t *)&read_back.fpu_ctxt + 160, (uint8_t *)&context.fpu_ctxt + 160, 256),
             0);
    CHECK_IS(read_back.debugreg[7], 0x400);
    /* no vCPU inspects itself */
    CHECK_IS(domctl(XEN_DOMCTL_getvcpucontext, 0, &read_back), -EINVAL);
    CHECK_REFUSED(domctl(XEN_DOMCTL_getvcpucontext, 2, &read_back));
}

/* ---- one for the other ---- */

static void for_another(void)
{
    struct vcpu_set_singleshot_timer timer = { .timeout_abs_ns = now_ns() + NS_PER_S };
    static uint8_t page[4096] __attribute__((aligned(4096))),
        fixed[4096] __attribute__((aligned(4096)));
    struct vcpu_register_vcpu_info info = { .mfn = virt_to_mfn(page), .offset = 0x100 };
    struct vcpu_runstate_info runstate;

    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, 1, &timer), -EINVAL);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_stop_singleshot_timer, 1, NULL), -EINVAL);
    /* while it is up */
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 1, &info), -EINVAL);
    CHECK_IS(HYPERVISOR_vcpu_op(99, 1, NULL), -ENOSYS);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_initialise, 2, &context), -ENOENT);
    go_on = true;
    while (is_up())
        vcpu_yield();
    /* it may be on another CPU, and not quite gone */
    do
        CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, 1, &runstate), 0);
    while (runstate.state == RUNSTATE_running);
    CHECK_IS(runstate.state, RUNSTATE_offline);
    CHECK(runstate.time[RUNSTATE_running] > 0);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, 1, (void *)0x1000), -EFAULT);
    NEED(page_set_readonly(fixed, true) == 0);
    info.mfn = virt_to_mfn(fixed);
    CHECK_IS(mmuext_mfn(MMUEXT_PIN_L1_TABLE, info.mfn), 0);
    /* a page table */
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 1, &info), -EINVAL);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, info.mfn), 0);
    info.mfn = virt_to_mfn(page);
    shared_info.vcpu_info[1].arch.cr2 = 0x12345678;
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 1, &info), 0);
    /* it moved with what was in it */
    CHECK_IS(((struct vcpu_info *)(void *)(page + 0x100))->arch.cr2, 0x12345678);
    CHECK_IS(((struct vcpu_info *)(void *)(page + 0x100))->evtchn_upcall_pending, 1);
    /* once and for all */
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 1, &info), -EINVAL);
}

/* ---- NMIs ---- */

static void nmis(void)
{
    struct xennmi_callback nmi = { .handler_address = (unsigned long)probe_nmi };

    CHECK_IS(HYPERVISOR_nmi_op(XENNMI_register_callback, &nmi), 0);
    memset(own->registers, 0, sizeof(own->registers));
    own->registers[RAX] = __HYPERVISOR_vcpu_op;
    own->registers[RDI] = VCPUOP_send_nmi;
    own->flags = 2;
    own->way = way_syscall;
    CHECK_IS(probe_run(own), PROBE_NMI);
    CHECK_IS(own->rip, (unsigned long)way_syscall_end);
    CHECK_IS(own->registers[RAX], 0);
    CHECK(events_masked());
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_send_nmi, 0, &nmi), -EINVAL);
    CHECK_IS(HYPERVISOR_nmi_op(77, &nmi), -ENOSYS);
    CHECK_IS(HYPERVISOR_nmi_op(XENNMI_register_callback, (void *)0x1000), -EFAULT);
    nmi.handler_address = NOWHERE;
    CHECK_IS(HYPERVISOR_nmi_op(XENNMI_register_callback, &nmi), -EINVAL);
    CHECK_IS(HYPERVISOR_nmi_op(XENNMI_unregister_callback, NULL), 0);
}

void test_main(void)
{
    if (is_up() < 0)
        test_skip("there is no second vCPU");
    gdt = alloc_zeroed_page();
    ldt = alloc_zeroed_page();
    NEED(gdt && ldt);
    for (unsigned int which = 0; which < 4; which++)
        (which == 1 ? ldt : gdt)[SELECTOR(which) >> 3] = DATA_DPL3;
    NEED(page_set_readonly(gdt, true) == 0);
    NEED(page_set_readonly(ldt, true) == 0);
    user_root = user_space();
    fill();
    bad_addresses();
    bad_tables();
    begins_with_its_context();
    is_read_back();
    for_another();
    probe_gates(true);
    nmis();
    probe_gates(false);
}
