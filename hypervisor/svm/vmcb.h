/* SPDX-License-Identifier: MIT */
/*
 * The control block of SVM, as the CPU has it: AMD64 Architecture Programmer's Manual, volume 2,
 * appendix B. Also the way between it and a guest's struct domus_run (svm/state.c). Pure.
 */
#ifndef DOMUS_SVM_VMCB_H
#define DOMUS_SVM_VMCB_H

#include "lib/types.h"
#include <abi/domus.h>

struct vmcb {
    uint16_t read_cr, write_cr, read_dr, write_dr;      /* what is intercepted: a bit each */
    uint32_t exceptions, intercepts, more_intercepts;
    uint8_t reserved_1[0x40 - 0x14];
    uint64_t port_map, msr_map, tsc_offset;
    uint32_t asid, tlb_control;
    uint64_t interrupts;            /* VMCB_VIRTUAL_* */
    uint64_t shadow;                /* bit 0: no interrupt before the next instruction is done */
    uint64_t exit, info[2], interrupted;
    uint64_t nested;                /* bit 0: nested paging */
    uint8_t reserved_2[0xa8 - 0x98];
    uint64_t inject, nested_cr3;
    uint8_t reserved_3[0x400 - 0xb8];
    struct domus_run_segment segment[DOMUS_RUN_SEGMENTS], gdtr, ldtr, idtr, tr;
    uint8_t reserved_4[0xcb - 0xa0];
    uint8_t cpl;
    uint32_t reserved_5;
    uint64_t efer;
    uint8_t reserved_6[0x148 - 0xd8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_7[0x1d8 - 0x180];
    uint64_t rsp;
    uint8_t reserved_8[0x1f8 - 0x1e0];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter[3], cr2;
    uint8_t reserved_9[0x268 - 0x248];
    uint64_t pat;
    uint8_t reserved_10[0x1000 - 0x670];
};
#define VMCB_AT(field, offset) _Static_assert(offsetof(struct vmcb, field) == (offset), #field)
VMCB_AT(port_map, 0x40);
VMCB_AT(asid, 0x58);
VMCB_AT(interrupts, 0x60);
VMCB_AT(exit, 0x70);
VMCB_AT(nested, 0x90);
VMCB_AT(inject, 0xa8);
VMCB_AT(segment, 0x400);
VMCB_AT(tr, 0x490);
VMCB_AT(cpl, 0x4cb);
VMCB_AT(efer, 0x4d0);
VMCB_AT(cr4, 0x548);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, 0x5d8);
VMCB_AT(rax, 0x5f8);
VMCB_AT(cr2, 0x640);
VMCB_AT(pat, 0x668);
_Static_assert(sizeof(struct vmcb) == PAGE_SIZE, "a page");

/* vmcb.interrupts */
#define VMCB_VIRTUAL_PENDING (1ul << 8)
#define VMCB_VIRTUAL_ALWAYS  (1ul << 20)    /* whatever its priority is */
#define VMCB_VIRTUAL_MASKING (1ul << 24)    /* the guest's RFLAGS.IF is for virtual ones alone */

/* May a CPU have that state? 0, or -EINVAL. */
int run_check(const struct domus_run *run) must_check;
/* All of the block but what svm.c puts into it: where the maps and the nested tables are. */
void run_to_vmcb(const struct domus_run *run, struct vmcb *vmcb);
/* What became of it. General registers but RAX and RSP are not in the block. */
void run_from_vmcb(struct domus_run *run, const struct vmcb *vmcb);

#endif
