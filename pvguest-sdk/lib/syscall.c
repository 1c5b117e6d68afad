/* SPDX-License-Identifier: MIT */
/*
 * For kernels with user mode: the `syscall` instruction of their processes, the stack on which the
 * kernel is entered, and what it does last before it leaves.
 */
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/traps.h>
#include "entry.h"

static syscall_handler current_handler;

int set_syscall_handler(syscall_handler handler, bool mask_events)
{
    struct callback_register callback = {
        .type = CALLBACKTYPE_syscall, .flags = mask_events ? CALLBACKF_mask_events : 0,
        .address = handler ? (unsigned long)syscall_entry : 0,
    };

    current_handler = handler;
    return (int)HYPERVISOR_callback_op(CALLBACKOP_register, &callback);
}

void syscall_dispatch(struct trap_frame *frame)
{
    current_handler(frame);
}

void set_kernel_stack(unsigned long top)
{
    HYPERVISOR_stack_switch(FLAT_KERNEL_SS, top);
}

/* ---- the way back ---- */

void (*return_hook)(struct trap_frame *frame);

void set_return_hook(user_return_hook hook)
{
    return_hook = hook;
}

/* entry.asm calls it when there is a hook. What unmasks events is the return itself. */
void before_user_mode(struct trap_frame *frame)
{
    events_mask_all();
    return_hook(frame);
    events_mask_all();
}
