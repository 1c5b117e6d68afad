/* SPDX-License-Identifier: MIT */
/*
 * For kernels with user mode: the `syscall` instruction of their processes, the stack on which the
 * kernel is entered, and what it does last before it leaves.
 */
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/traps.h>
#include "entry.h"

#define SYSCALL_BYTES 2             /* of the instruction, behind which the frame's rip is */

static syscall_handler current_handler;

int set_syscall_handler(syscall_handler handler, bool mask_events)
{
    struct callback_register callback = {
        .type = CALLBACKTYPE_syscall, .flags = mask_events ? CALLBACKF_mask_events : 0,
        .address = handler ? (unsigned long)syscall_entry : 0,
    };

    __atomic_store_n(&current_handler, handler, __ATOMIC_RELEASE);
    return (int)HYPERVISOR_callback_op(CALLBACKOP_register, &callback);
}

/* Where another vCPU has just taken the handler away, the instruction is what it is without one. */
void syscall_dispatch(struct trap_frame *frame)
{
    syscall_handler handler = __atomic_load_n(&current_handler, __ATOMIC_ACQUIRE);

    if (handler) {
        handler(frame);
        return;
    }
    frame->vector = TRAP_UD;
    frame->rip -= SYSCALL_BYTES;
    trap_dispatch(frame);
}

void set_kernel_stack(unsigned long top)
{
    HYPERVISOR_stack_switch(FLAT_KERNEL_SS, top);
}

/* ---- the way back ---- */

void (*return_hook)(struct trap_frame *frame);

void set_return_hook(user_return_hook hook)
{
    __atomic_store_n(&return_hook, hook, __ATOMIC_RELEASE);
}

/* entry.asm calls it when there is a hook, which another vCPU may take away at once. What unmasks
 * events is the return itself. */
void before_user_mode(struct trap_frame *frame)
{
    user_return_hook hook = __atomic_load_n(&return_hook, __ATOMIC_ACQUIRE);

    if (!hook) return;
    events_mask_all();
    hook(frame);
    events_mask_all();
}
