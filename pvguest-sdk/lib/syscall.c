/* SPDX-License-Identifier: MIT */
/*
 * For kernels with user mode: the `syscall` instruction of their processes, and the stack on which
 * the kernel is entered.
 */
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/traps.h>
#include "entry.h"

static syscall_handler current_handler;

int set_syscall_handler(syscall_handler handler, bool mask_events)
{
    struct callback_register callback = {
        .type = CALLBACKTYPE_syscall, .flags = mask_events ? CALLBACKF_mask_events : 0,
        .address = (unsigned long)syscall_entry,
    };

    current_handler = handler;
    return (int)HYPERVISOR_callback_op(CALLBACKOP_register, &callback);
}

void syscall_dispatch(struct trap_frame *frame)
{
    if (!current_handler)
        die(frame, "a system call, and no handler for it");
    current_handler(frame);
}

void set_kernel_stack(unsigned long top)
{
    HYPERVISOR_stack_switch(FLAT_KERNEL_SS, top);
}
