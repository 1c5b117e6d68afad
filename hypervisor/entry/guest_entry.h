/* SPDX-License-Identifier: MIT */
/*
 * Where a guest is entered: its kernel stack, its callbacks, its IDT; and what it enters: its
 * hypercalls. Changed by the hypercalls of
 * entry/callbacks.c and by a vCPU's context; read where something is delivered (entry/bounce.c).
 */
#ifndef DOMUS_ENTRY_GUEST_ENTRY_H
#define DOMUS_ENTRY_GUEST_ENTRY_H

#include "lib/types.h"
#include <xen/xen.h>
#include <abi/domus.h>

/* A handler as the dispatch sees it: all six registers that can hold arguments. */
typedef long hypercall_fn(unsigned long, unsigned long, unsigned long, unsigned long, unsigned long,
                          unsigned long);

/* The hypercalls of the control domain ([true]), and everybody else's. Holes and the last slot
 * answer -ENOSYS. */
extern hypercall_fn *const hypercall_table[2][DOMUS_HYPERCALL_SLOTS];

struct guest_callback {
    uint64_t rip;                   /* canonical, checked when set; 0: none */
    bool mask_events;               /* entering it masks events (CALLBACKF_mask_events) */
};

struct guest_entry {                /* of a vCPU */
    hypercall_fn *const *hypercalls;        /* by number: those of its domain (hypercall.c) */
    uint64_t kernel_sp;             /* stack_switch: where traps from user mode go */
    uint16_t kernel_ss;
    struct guest_callback event, failsafe, syscall, syscall32, sysenter, nmi;
    struct trap_info traps[256];    /* the guest's IDT; address 0: none */
};

#endif
