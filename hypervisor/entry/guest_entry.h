/* SPDX-License-Identifier: MIT */
/*
 * Where a guest is entered: its kernel stack, its callbacks, its IDT. Changed by the hypercalls of
 * entry/callbacks.c and by a vCPU's context; read where something is delivered (entry/bounce.c).
 */
#ifndef DOMUS_ENTRY_GUEST_ENTRY_H
#define DOMUS_ENTRY_GUEST_ENTRY_H

#include "lib/types.h"
#include <xen/xen.h>

struct guest_callback {
    uint64_t rip;                   /* canonical, checked when set; 0: none */
    bool mask_events;               /* entering it masks events (CALLBACKF_mask_events) */
};

struct guest_entry {                /* of a vCPU */
    uint64_t kernel_sp;             /* stack_switch: where traps from user mode go */
    uint16_t kernel_ss;
    struct guest_callback event, failsafe, syscall, syscall32, sysenter, nmi;
    struct trap_info traps[256];    /* the guest's IDT; address 0: none */
};

#endif
