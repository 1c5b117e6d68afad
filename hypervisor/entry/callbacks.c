/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls by which a guest says where its handlers are and how its vCPU's segments and modes
 * stand: trap table, callbacks, IRET, kernel stack, segment bases, FPU switch, assists. All work on
 * the current vCPU only.
 */
#include "domain/domain.h"
#include "entry/hypercall.h"
#include "entry/trap.h"
#include "machine/entry_asm.h"
#include "lib/fail.h"
#include "lib/string.h"
#include "machine/io.h"
#include "memory/access.h"
#include <xen/callback.h>

/* The list ends with an entry whose address is 0; a NULL list clears the table. */
long do_set_trap_table(uint64_t traps)
{
    struct vcpu *v = current;
    struct trap_info t;

    if (traps == 0) {
        memset(v->entry.traps, 0, sizeof(v->entry.traps));
        spend(COST_CLEAR);
        return 0;
    }
    for (;; traps += sizeof(t)) {
        if (read_guest(&t, traps) != 0) return fail(-EFAULT, "the trap table cannot be read");
        if (t.address == 0) return 0;
        if (!is_canonical(t.address))
            return fail(-EINVAL, "a trap handler at a non-canonical address");
        v->entry.traps[t.vector] = t;
        spend(COST_CALL);
        if (spent()) return hypercall_continue(set_trap_table, traps + sizeof(t));
    }
}

long do_set_callbacks(unsigned long event, unsigned long failsafe, unsigned long syscall)
{
    struct vcpu *v = current;

    if (!is_canonical(event) || !is_canonical(failsafe) || !is_canonical(syscall))
        return fail(-EINVAL, "a callback at a non-canonical address");
    v->entry.event = (struct guest_callback){ event, true };
    v->entry.failsafe.rip = failsafe;
    v->entry.syscall.rip = syscall;
    return 0;
}

static struct guest_callback *callback_of(struct vcpu *v, uint16_t type)
{
    switch (type) {
    case CALLBACKTYPE_event: return &v->entry.event;
    case CALLBACKTYPE_failsafe: return &v->entry.failsafe;
    case CALLBACKTYPE_syscall: return &v->entry.syscall;
    case CALLBACKTYPE_syscall32: return &v->entry.syscall32;
    case CALLBACKTYPE_sysenter: return &v->entry.sysenter;
    case CALLBACKTYPE_nmi: return &v->entry.nmi;
    default: return NULL;
    }
}

static int register_callback(struct vcpu *v, const struct callback_register *op)
{
    struct guest_callback *callback = callback_of(v, op->type);

    if (!callback) return fail(-ENOSYS, "no callback of this type");
    if (!is_canonical(op->address)) return fail(-EINVAL, "a callback at a non-canonical address");
    callback->rip = op->address;
    callback->mask_events = op->type == CALLBACKTYPE_event || op->type == CALLBACKTYPE_nmi ||
                            op->flags & CALLBACKF_mask_events;
    return 0;
}

static int unregister_callback(struct vcpu *v, const struct callback_unregister *op)
{
    if (!callback_of(v, op->type)) return fail(-ENOSYS, "no callback of this type");
    if (op->type != CALLBACKTYPE_nmi)
        return fail(-EINVAL, "only the NMI callback can be taken back");
    v->entry.nmi.rip = 0;
    return 0;
}

static const struct operation callback_operations[] = {
    ROW(CALLBACKOP_register, vcpu, callback_register, register_callback),
    ROW(CALLBACKOP_unregister, vcpu, callback_unregister, unregister_callback),
};

long do_callback_op(unsigned int op, uint64_t arg)
{
    return operation_call(callback_operations, ARRAY_SIZE(callback_operations), op, current, arg,
                          NULL);
}

/*
 * Return from an exception: nine words on the guest's stack say where to. CS with RPL 3 means guest
 * user mode, which is only possible with user page tables. RAX is the guest's own, so it is what we
 * "return".
 */
long do_iret(void)
{
    struct vcpu *v = current;
    struct cpu_user_regs *r = &v->regs;
    struct iret_context frame;

    if (read_guest(&frame, r->rsp) != 0) {
        domain_crash(v->domain, "iret with an unreadable frame at %lx", r->rsp);
        return 0;
    }
    if ((frame.cs & 3) == 3) {
        if (!v->tables.user_cr3) {
            domain_crash(v->domain, "iret to user mode without user page tables");
            return 0;
        }
        vcpu_enter_user(v);
    }
    if (v->domain->vm_assist & 1u << VMASST_TYPE_architectural_iopl)
        v->ports.iopl = (uint32_t)(frame.rflags & RFLAGS_IOPL) >> 12;
    r->rip = frame.rip;
    r->cs = (uint16_t)(frame.cs | 3);
    r->rflags = frame.rflags | RFLAGS_IF;               /* made harmless at exit */
    r->rsp = frame.rsp;
    r->ss = (uint16_t)(frame.ss | 3);
    if (!(frame.flags & VGCF_in_syscall)) {
        /* leave by IRETQ: rcx and r11 are the guest's */
        r->entry_vector = 0;
        r->rcx = frame.rcx;
        r->r11 = frame.r11;
    } else if (r->cs == FLAT_RING3_CS32) {
        /* what SYSRET can do, too, but ours does not */
        r->entry_vector = 0;
    } else {
        r->cs = FLAT_RING3_CS64;                        /* it knows no others */
        r->ss = FLAT_RING3_SS64;
        if (r->rflags & RFLAGS_RF)
            r->entry_vector = 0;
    }
    v->info->evtchn_upcall_mask = !(frame.rflags & RFLAGS_IF);
    return (long)frame.rax;
}

long do_stack_switch(unsigned long ss, unsigned long rsp)
{
    current->entry.kernel_ss = (uint16_t)(ss | 3);
    current->entry.kernel_sp = rsp;       /* checked when it is used: bounce.c survives any value */
    return 0;
}

long do_fpu_taskswitch(int set)
{
    if (set) {
        current->hw.guest_cr0 |= CR0_TS;
        write_cr0(read_cr0() | CR0_TS);
    } else {
        current->hw.guest_cr0 &= ~CR0_TS;
        __asm__ volatile("clts");
    }
    return 0;
}

/* In ring 0, MSR_KERNEL_GS_BASE holds the guest's active GS base, which is its kernel's, since this
 * is a hypercall. */
long do_set_segment_base(unsigned int which, unsigned long base)
{
    struct vcpu *v = current;
    uint64_t kernel_base;

    /* XSA-193 */
    if (which != OP(SEGBASE_GS_USER_SEL) && !is_canonical(base))
        return fail(-EINVAL, "a non-canonical segment base");
    switch (which) {
    case OP(SEGBASE_FS):
        wrmsr(MSR_FS_BASE, base);
        return 0;
    case OP(SEGBASE_GS_USER):
        v->hw.gs_base_user = base;
        return 0;
    case OP(SEGBASE_GS_KERNEL):
        wrmsr(MSR_KERNEL_GS_BASE, base);
        return 0;
    /* load it to learn its base; a bad selector becomes the null one, as on Xen */
    case OP(SEGBASE_GS_USER_SEL):
        kernel_base = rdmsr(MSR_KERNEL_GS_BASE);
        (void)load_gs_selector((uint16_t)base);
        v->hw.gs_base_user = rdmsr(MSR_KERNEL_GS_BASE);
        wrmsr(MSR_KERNEL_GS_BASE, kernel_base);
        return 0;
    default:
        return fail(-EINVAL, "no such segment base");
    }
}

#define ASSISTS \
    (1u << VMASST_TYPE_4gb_segments | 1u << VMASST_TYPE_4gb_segments_notify | \
     1u << VMASST_TYPE_writable_pagetables | 1u << VMASST_TYPE_pae_extended_cr3 | \
     1u << VMASST_TYPE_architectural_iopl | 1u << VMASST_TYPE_runstate_update_flag)

long do_vm_assist(unsigned int op, unsigned int type)
{
    uint32_t *assists = &current->domain->vm_assist;

    if (type >= 32 || !(ASSISTS >> type & 1)) return fail(-EINVAL, "no such assist");
    if (op == OP(VMASST_CMD_enable))
        __atomic_fetch_or(assists, 1u << type, __ATOMIC_RELAXED);
    else if (op == OP(VMASST_CMD_disable))
        __atomic_fetch_and(assists, ~(1u << type), __ATOMIC_RELAXED);
    else
        return fail(-ENOSYS, "neither enable nor disable");
    return 0;
}
