/* SPDX-License-Identifier: MIT */
/*
 * The bounce: how ring 0 makes a guest's kernel see an exception, an event, or a system call of its
 * own processes. The guest's kernel stack gets this frame (Xen's ABI; 16-byte aligned at its top),
 * and the guest goes on at the handler:
 *
 *        ss                                 <- highest address
 *        rsp
 *        rflags     IF is "events were unmasked"; IOPL 0, or the emulated one
 *        cs         RPL 0 from guest kernel mode; bits 32-39: the old event mask
 *        rip
 *        gs fs es ds (failsafe callback only), or the error code of exceptions that have one
 *        r11
 *        rcx                                <- new rsp
 *
 * rcx and r11 are saved because the way into the handler is SYSRET, which needs them.
 */
#include "entry/trap.h"
#include "machine/io.h"
#include "lib/layout.h"

#define FRAME_MAX 88                /* bytes */

uint64_t bounce_write(uint64_t top, const struct cpu_user_regs *regs, uint64_t cs, uint64_t rflags,
                      const uint64_t *extra, unsigned int extras);

/* What the guest sees pushed as RFLAGS: its own, with IF standing for the event mask. */
static uint64_t visible_flags(const struct vcpu *v, uint8_t mask)
{
    uint64_t flags = v->regs.rflags & ~(uint64_t)(RFLAGS_IF | RFLAGS_IOPL);

    if (!mask)
        flags |= RFLAGS_IF;
    if (v->domain->vm_assist & 1u << VMASST_TYPE_architectural_iopl)
        flags |= (uint64_t)v->ports.iopl << 12;
    return flags;
}

/* extra: the words between r11 and rip. */
static void bounce(struct vcpu *v, uint64_t handler, bool mask_events, const uint64_t *extra,
                   unsigned int extras)
{
    struct cpu_user_regs *r = &v->regs;
    uint8_t mask = v->info->evtchn_upcall_mask;
    uint64_t sp = r->rsp, cs = r->cs;

    if (v->in_kernel) {
        cs &= ~3ul;
    } else {
        vcpu_enter_kernel(v);
        sp = v->entry.kernel_sp;
    }
    sp &= ~15ul;
    if (sp > HV_START && sp < HV_END + FRAME_MAX) {
        domain_crash(v->domain, "its kernel stack %lx is in the hypervisor's part", sp);
        return;
    }
    sp = bounce_write(sp, r, cs | (uint64_t)mask << 32, visible_flags(v, mask), extra, extras);
    if (unlikely(!sp)) {
        domain_crash(v->domain, "its kernel stack cannot take an exception frame (for %lx, at %lx)",
                     handler, r->rip);
        return;
    }
    if (mask_events)
        v->info->evtchn_upcall_mask = 1;
    r->rsp = sp;
    r->rip = handler;
    r->cs = FLAT_KERNEL_CS;
    r->ss = FLAT_KERNEL_SS;
    /* NT and VM never leave ring 0 (entry.asm) */
    r->rflags &= ~(uint64_t)(RFLAGS_RF | RFLAGS_TF | RFLAGS_AC);
    r->entry_vector = TRAP_SYSCALL;
}

void inject_trap(struct vcpu *v, unsigned int vector, int error)
{
    const struct trap_info *t = &v->entry.traps[vector];
    uint64_t code = (uint32_t)error;

    v->counters.exceptions++;
    if (!t->address) {
        domain_crash(v->domain, "exception %u (error code %x) at %lx, for which it has no handler",
                     vector, error, v->regs.rip);
        return;
    }
    bounce(v, t->address, TI_GET_IF(t), &code, error != NO_ERROR_CODE);
}

void inject_page_fault(struct vcpu *v, uint64_t address, uint32_t code)
{
    code = v->in_kernel ? code & ~PF_USER : code | PF_USER;
    v->info->arch.cr2 = address;
    if (!v->entry.traps[TRAP_PAGE_FAULT].address) {
        domain_crash(
            v->domain,
            "page fault at %lx on address %lx (error code %x), for which it has no handler",
            v->regs.rip, address, code);
        return;
    }
    inject_trap(v, TRAP_PAGE_FAULT, (int)code);
}

void bounce_callback(struct vcpu *v, const struct guest_callback *callback)
{
    if (!callback->rip) {
        domain_crash(v->domain, "it has no callback for what just happened at %lx", v->regs.rip);
        return;
    }
    bounce(v, callback->rip, callback->mask_events, NULL, 0);
}

/* A data selector of the guest's could not be loaded when its turn came. */
void bounce_failsafe(struct vcpu *v)
{
    uint64_t selectors[4] = { v->hw.ds, v->hw.es, v->hw.fs, v->hw.gs };

    if (!v->entry.failsafe.rip) {
        domain_crash(v->domain,
                     "it cannot go on at %x:%lx (ss:rsp %x:%lx), and it has no failsafe callback",
                     v->regs.cs, v->regs.rip, v->regs.ss, v->regs.rsp);
        return;
    }
    bounce(v, v->entry.failsafe.rip, v->entry.failsafe.mask_events, selectors, 4);
}

/* SYSCALL from guest user mode (or 32-bit code): the guest kernel's business. Without a callback,
 * the instruction is invalid. */
void guest_syscall(struct vcpu *v);
void guest_syscall(struct vcpu *v)
{
    const struct guest_callback *callback = v->regs.cs == FLAT_RING3_CS32 ? &v->entry.syscall32
                                                                          : &v->entry.syscall;

    if (callback->rip) {
        bounce_callback(v, callback);
        return;
    }
    v->regs.rip -= 2;
    inject_trap(v, TRAP_INVALID_OP, NO_ERROR_CODE);
}
