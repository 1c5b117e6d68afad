/* SPDX-License-Identifier: MIT */
/*
 * What happens when a guest, or ring 0, is interrupted: one switch decides who deals with an
 * exception of a guest. Exceptions of ring 0 are either expected at the instruction that made them
 * (the fixup table) or the end of the machine.
 */
#include "entry/trap.h"
#include "domain/domain.h"
#include "machine/budget.h"
#include "entry/exit.h"
#include "entry/far_return.h"
#include "machine/dump.h"
#include "machine/entry_asm.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/io.h"
#include "machine/ring0.h"
#include "machine/stop.h"
#include "machine/vectors.h"
#include "memory/access.h"
#include "memory/window.h"

#define ERROR_IDT 2u                /* #GP error code: the index is a vector, the cause was INT n */
#define OPCODE_INT 0xcd
#define INT_BYTES 2
#define LDT_OVERDRAFT (2 * COST_DESCRIPTORS)
#define DR6_BITS 0xe00f             /* B0-B3, BD, BS, BT */

/* A #GP or #UD at an instruction of a guest that ring 0 may perform for it. */
static bool emulated(struct vcpu *v, bool done)
{
    if (done)
        v->counters.emulated++;
    return done;
}

/* INT n at rip: into the guest's own vector n if its gate's DPL lets it: 0 is nobody, 1 the kernel
 * too. */
static void software_interrupt(struct vcpu *v, uint8_t vector, uint64_t rip)
{
    const struct trap_info *t = &v->entry.traps[vector];
    bool lets = t->address && TI_GET_DPL(t) >= (v->in_kernel ? 1 : 3);

    v->regs.rip = lets ? rip + INT_BYTES : rip;
    inject_trap(v, lets ? vector : TRAP_GP,
                lets ? NO_ERROR_CODE : vector * 8 + (int)ERROR_IDT);
}

/* It met a gate of DPL 0 of ours. The vector is read from the instruction, because QEMU 7.2's error
 * code in long mode is n * 16 + 2 where hardware's is n * 8 + 2. */
static void refused_interrupt(struct vcpu *v)
{
    uint8_t code[INT_BYTES];

    if (copy_from_guest(code, VADDR(v->regs.rip), sizeof(code)) != 0 || code[0] != OPCODE_INT)
        inject_trap(v, TRAP_GP, (int)(v->regs.error_code & 0xffff));
    else
        software_interrupt(v, code[1], v->regs.rip);
}

static void general_protection(struct vcpu *v)
{
    uint32_t error = v->regs.error_code;

    if (error & ERROR_IDT)
        refused_interrupt(v);
    else if (error != 0 || !emulated(v, emulate_privileged(v)))
        inject_trap(v, TRAP_GP, (int)(error & 0xffff));
}

static bool in_window(uint64_t address)
{
    return address >= WINDOW_VIRT && address < IOREMAP_VIRT;
}

/* Where the guest has the descriptor that the CPU read for it in the window. */
static uint64_t ldt_address(const struct vcpu *v, uint64_t address)
{
    return v->window.ldt_base + (address - (v->window.base + LDT_WINDOW));
}

static void page_fault(struct vcpu *v)
{
    uint64_t address = read_cr2();
    uint32_t code = v->regs.error_code;

    if (in_window(address)) {
        if (ldt_fault(&v->window, &v->tables, address)) return;
        address = ldt_address(v, address);
    } else if ((code & (PF_PRESENT | PF_WRITE | PF_RESERVED | PF_FETCH)) ==
                   (PF_PRESENT | PF_WRITE) &&
               v->in_kernel && (address < HV_START || address >= HV_END) &&
               emulate_pt_write(v, address)) {
        return;
    }
    if ((code & (PF_PRESENT | PF_USER)) == PF_PRESENT && far_return(v)) return;
    inject_page_fault(v, address, code);
}

static void debug(struct vcpu *v)
{
    uint64_t dr6;

    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
    __asm__ volatile("mov %0, %%dr6" : : "r"(DR6_FIXED));
    v->hw.debugreg[6] = (v->hw.debugreg[6] & ~0xful) | (dr6 & DR6_BITS) | DR6_FIXED;
    inject_trap(v, TRAP_DEBUG, NO_ERROR_CODE);
}

/* CR0.TS is the guest's: set by fpu_taskswitch or an emulated write of CR0, cleared here as Xen
 * does. */
static void no_device(struct vcpu *v)
{
    __asm__ volatile("clts");
    if (!(v->hw.guest_cr0 & CR0_TS)) return;
    v->hw.guest_cr0 &= ~CR0_TS;
    inject_trap(v, TRAP_NO_DEVICE, NO_ERROR_CODE);
}

/* From entry.asm: the guest's registers are in its vCPU, `regs` points there. */
void guest_trap(struct cpu_user_regs *regs);
void guest_trap(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;

    switch (regs->entry_vector) {
    case TRAP_PAGE_FAULT: page_fault(v); break;
    case TRAP_GP: general_protection(v); break;
    case TRAP_INVALID_OP:
        if (!emulated(v, emulate_forced_cpuid(v)))
            inject_trap(v, TRAP_INVALID_OP, NO_ERROR_CODE);
        break;
    case TRAP_DEBUG: debug(v); break;
    case TRAP_NO_DEVICE: no_device(v); break;
    /* it has a gate of its own: RIP is behind the instruction */
    case VECTOR_INT80: software_interrupt(v, VECTOR_INT80, regs->rip - INT_BYTES); break;
    case TRAP_DIVIDE:
    case TRAP_BREAKPOINT:
    case TRAP_OVERFLOW:
    case TRAP_BOUNDS:
    case TRAP_FPU:
    case TRAP_SIMD: inject_trap(v, regs->entry_vector, NO_ERROR_CODE); break;
    case TRAP_INVALID_TSS: case TRAP_NO_SEGMENT: case TRAP_STACK: case TRAP_ALIGNMENT:
        inject_trap(v, regs->entry_vector, (int)(regs->error_code & 0xffff));
        break;
    default:
        if (regs->entry_vector >= VECTOR_EXTERNAL)
            interrupt(regs->entry_vector);
        else
            inject_trap(v, TRAP_INVALID_OP,
                        NO_ERROR_CODE); /* a vector no CPU of today raises in ring 3 */
    }
}

/*
 * IRETQ refused current's frame, for a reason that ring0_trap wrote down: the guest hears it as if
 * its first instruction there had been the one to fault. No instruction is looked at, let alone
 * done for it: the frame would be refused again, and nothing counts how often.
 */
void exit_failed(void)
{
    struct vcpu *v = current;
    uint64_t address = read_cr2();

    if (v->regs.entry_vector == TRAP_PAGE_FAULT)
        inject_page_fault(v, in_window(address) ? ldt_address(v, address) : address,
                          v->regs.error_code);
    else
        inject_trap(v, v->regs.entry_vector, (int)(v->regs.error_code & 0xffff));
}

/* ---- ring 0 ---- */

struct fixup { uint64_t fault, target; };
extern const struct fixup fixups_start[], fixups_end[];

static uint64_t find_fixup(uint64_t rip)
{
    for (const struct fixup *f = fixups_start; f < fixups_end; f++)
        if (f->fault == rip) return f->target;
    return 0;
}

static __attribute__((noreturn)) void ring0_fault(const struct cpu_user_regs *regs)
{
    static bool telling;

    if (__atomic_exchange_n(&telling, true, __ATOMIC_RELAXED))
        machine_halt(); /* a fault while telling of one */
    log_error("exception %u (error code %x, CR2 %lx) in the hypervisor, on CPU %u",
              regs->entry_vector, regs->error_code, read_cr2(), this_cpu()->id);
    print_registers(regs, read_cr3());
    print_stack_trace(regs->rip, regs->rbp);
    panic("unexpected exception %u at %lx", regs->entry_vector, regs->rip);
}

/* IRETQ or a selector load read the guest's LDT, which is mapped lazily. Nobody gives way between
 * six selectors: so not after a long call, and two pages of it, too. */
static bool ring0_ldt_fault(bool outside)
{
    uint64_t address = read_cr2();
    bool mapped;

    if (!in_window(address) || this_cpu()->budget <= -LDT_OVERDRAFT) return false;
    if (outside)
        ring0_enter();
    mapped = ldt_fault(&current->window, &current->tables, address);
    if (outside)
        ring0_leave();
    return mapped;
}

/* From entry.asm: ring 0 was interrupted; `regs` is on its stack. The idle loop and IRETQ are
 * without the lock. */
void ring0_trap(struct cpu_user_regs *regs);
void ring0_trap(struct cpu_user_regs *regs)
{
    uint64_t target;

    if (regs->entry_vector >= VECTOR_EXTERNAL) {
        ring0_enter();
        interrupt(regs->entry_vector);
        ring0_leave();
        return;
    }
    if (regs->entry_vector == TRAP_PAGE_FAULT &&
        ring0_ldt_fault(regs->rip == (uint64_t)guest_iretq))
        return;
    target = find_fixup(regs->rip);
    if (!target)
        ring0_fault(regs);
    spend(COST_FAULT);
    if (regs->rip == (uint64_t)guest_iretq) {       /* the guest's to hear (exit_failed) */
        current->regs.entry_vector = regs->entry_vector;
        current->regs.error_code = regs->error_code;
    }
    regs->rip = target;
}

/* From entry.asm: an exception on a stack of its own, that came from ring 0 or is none of the
 * guest's. */
void paranoid_trap(struct cpu_user_regs *regs);
void paranoid_trap(struct cpu_user_regs *regs)
{
    switch (regs->entry_vector) {
    case TRAP_DEBUG:
        /* A guest's breakpoint that struck in ring 0: on memory that a hypercall reads for it, or
         * held back by MOV SS until the first instruction of an entry (XSA-260). No business
         * of anybody's: drop it, do not even say so. But a list of calls may come to it often. */
        spend(COST_FAULT);
        __asm__ volatile("mov %0, %%dr6" : : "r"(DR6_FIXED));
        regs->rflags &= ~(uint64_t)RFLAGS_TF;
        break;
    case TRAP_NMI:
        if (machine_stopping())
            cpu_stopped(regs);
        this_cpu()->nmis[!(regs->cs & 3)]++;
        this_cpu()->nmi_rip = regs->rip;
        break;
    default:
        ring0_fault(regs);
    }
}
