/* SPDX-License-Identifier: MIT */
/*
 * A plain IRETQ of a guest, ring 3 to ring 3, under QEMU. QEMU 7.2 reads the frame of an IRETQ with supervisor rights whatever ring
 * executes it, and with SMAP on the guest's own stack is then out of reach: a page fault that says "supervisor" though it came
 * from ring 3, which no real CPU reports for a guest's address. We pop the frame for it. On hardware this is never reached.
 */
#include "emulate/privileged.h"
#include "entry/trap.h"
#include "machine/io.h"
#include "memory/access.h"

struct iret_frame { uint64_t rip, cs, rflags, rsp, ss; };

/* What IRETQ leaves alone at ring 3 with IOPL 0. */
#define RFLAGS_KEPT (RFLAGS_IF | RFLAGS_IOPL | RFLAGS_VM | 1u << 19 | 1u << 20)

bool emulate_iret(struct vcpu *v, uint64_t address, uint32_t error_code)
{
    struct cpu_user_regs *r = &v->regs;
    struct iret_frame f;
    uint8_t code[2];

    if (error_code != PF_PRESENT || address != r->rsp) return false;
    if (copy_from_guest(code, VADDR(r->rip), sizeof(code)) || code[0] != 0x48 || code[1] != 0xcf) return false;
    if (read_guest(&f, r->rsp)) return false;
    if ((f.cs & 3) != 3 || (f.ss & 3) != 3 || !is_canonical(f.rip)) {
        inject_trap(v, TRAP_GP, (int)(f.cs & 0xfffc));
        return true;
    }
    r->rip = f.rip;
    r->cs = (uint16_t)f.cs;         /* a bad selector faults on our way out, and ends in the guest's failsafe callback */
    r->rflags = (r->rflags & RFLAGS_KEPT) | (f.rflags & ~(uint64_t)RFLAGS_KEPT);
    r->rsp = f.rsp;
    r->ss = (uint16_t)f.ss;
    return true;
}
