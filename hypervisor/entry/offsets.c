/* SPDX-License-Identifier: MIT */
/* Offsets into C structures for entry.asm. Never linked: build.mk reads the @define lines out of
 * the assembly text. */
#include "domain/domain.h"
#include "machine/budget.h"
#include "entry/trap.h"
#include "machine/ring0.h"

#define DEFINE(name, value) __asm__ volatile("\n@define " #name " %0" : : "i"(value))
#define REG(name) DEFINE(REGS_##name, offsetof(struct cpu_user_regs, r##name))

void offsets(void);
void offsets(void)
{
    DEFINE(CPU_current, offsetof(struct cpu, running));
    DEFINE(CPU_syscall_rsp, offsetof(struct cpu, syscall_rsp));
    DEFINE(CPU_stack_top, offsetof(struct cpu, stack_top));
    DEFINE(CPU_work, offsetof(struct cpu, work));
    DEFINE(CPU_locks, offsetof(struct cpu, locks.count));
    DEFINE(CPU_budget, offsetof(struct cpu, budget));
    DEFINE(RING0_held, offsetof(struct ring0_lock, held));
    DEFINE(RING0_uses, offsetof(struct ring0_lock, uses));
    DEFINE(RING0_hungry, offsetof(struct ring0_lock, hungry));
    DEFINE(BUDGET, ENTRY_BUDGET);

    DEFINE(VCPU_regs, offsetof(struct vcpu, regs));
    DEFINE(VCPU_frame_top, offsetof(struct vcpu, regs) + offsetof(struct cpu_user_regs, es));
    DEFINE(VCPU_info, offsetof(struct vcpu, info));
    DEFINE(VCPU_in_kernel, offsetof(struct vcpu, in_kernel));
    DEFINE(VCPU_restart, offsetof(struct vcpu, hypercall_restart));
    DEFINE(VCPU_hypercalls, offsetof(struct vcpu, entry.hypercalls));
    DEFINE(HYPERCALL_LAST, DOMUS_HYPERCALL_SLOTS - 1);
    DEFINE(VCPU_counts, offsetof(struct vcpu, counters.hypercalls));

    DEFINE(INFO_pending, offsetof(struct vcpu_info, evtchn_upcall_pending));
    DEFINE(INFO_mask, offsetof(struct vcpu_info, evtchn_upcall_mask));

    REG(15); REG(14); REG(13); REG(12); REG(bp); REG(bx); REG(11); REG(10);
    REG(9); REG(8); REG(ax); REG(cx); REG(dx); REG(si); REG(di); REG(ip); REG(flags); REG(sp);
    DEFINE(TRAP_SYSCALL, TRAP_SYSCALL);
    DEFINE(REGS_vector, offsetof(struct cpu_user_regs, entry_vector));
    DEFINE(REGS_cs, offsetof(struct cpu_user_regs, cs));
    DEFINE(REGS_ss, offsetof(struct cpu_user_regs, ss));
}
