/* SPDX-License-Identifier: MIT */
/*
 * What the CPU has of a vCPU while it runs, beside its general registers, and how it changes hands
 * (domain/switch.c).
 */
#ifndef DOMUS_DOMAIN_SWITCH_H
#define DOMUS_DOMAIN_SWITCH_H

#include "lib/types.h"

struct vcpu;

struct vcpu_hardware {
    /* segments: not in regs while the guest runs; saved and loaded by vCPU switches */
    uint16_t ds, es, fs, gs;
    uint64_t fs_base, gs_base_kernel, gs_base_user;
    uint64_t guest_cr0;             /* as the guest sees it; only its TS is loaded */
    /*
     * CR4 has four names. guest_cr4: the bits that are the guest's to choose, as it chose them; it
     * reads them together with cr4_fixed() (domain/cr4.h). cr4: all of the register while this vCPU
     * runs. host_cr4 (machine/cpu.h): what ring 0 has set on this machine. loaded_cr4 (there, of
     * each CPU): what its register holds now. That of a processor which a guest has run by
     * DOMUS_run is none of these: struct domus_run has it (svm/state.c).
     */
    uint64_t guest_cr4;
    uint64_t cr4;
    uint64_t debugreg[8];
    uint32_t tsc_aux;               /* MSR 0xc0000103: what RDTSCP and RDPID give */
    uint64_t xcr0;
    /* of the size CPUID says; on a 64-byte boundary, as all of the heap's that are so large */
    void *xsave_area;
};

/* registers, FPU, tables; regs need no copy. If `to` is a guest's, vcpu_load_segments follows */
void vcpu_switch(struct vcpu *from, struct vcpu *to);
/* The last of it, and the only part that may be long: pages of v's LDT are looked at. */
void vcpu_load_segments(struct vcpu *v);
/* guest_cr4 and what follows; loaded when v runs next */
void vcpu_choose_cr4(struct vcpu *v, uint64_t value);
void vcpu_load_cr4(const struct vcpu *v);
/* CR3 after in_kernel, kernel_cr3 or user_cr3 changed */
void vcpu_load_tables(struct vcpu *v);
/* guest user -> guest kernel mode: CR3 and GS base */
void vcpu_enter_kernel(struct vcpu *v);
/* guest kernel -> user mode; needs user_cr3 */
void vcpu_enter_user(struct vcpu *v);
/* current's DS and ES become null, and what they were; what has no descriptor now stays null */
void vcpu_data_segments_away(struct vcpu *v);
void vcpu_data_segments_back(struct vcpu *v);
/* into the areas that current has registered, if any; in kernel mode */
void vcpu_runstate_publish(struct vcpu *v);
void vcpu_time_publish(struct vcpu *v);

/* entry/bounce.c: where a guest goes on that has a segment which cannot be loaded */
void bounce_failsafe(struct vcpu *v);

#endif
