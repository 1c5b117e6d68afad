/* SPDX-License-Identifier: MIT */
/*
 * Exceptions of a PV guest, and the stack frame they leave.
 *
 * There is no IDT: set_trap_table names a handler per vector, and the hypervisor builds the frame
 * on our kernel stack. Kernel and user of a 64-bit PV guest both run in ring 3 of the real CPU. In
 * the frame the hypervisor tells them apart as on bare hardware: the low two bits of `cs` are 0 for
 * a trap in kernel mode, 3 for one in user mode.
 *
 * Handlers are those of all vCPUs, and run where the exception was.
 *
 * Callers: kernels that handle faults of their own; the rest of the SDK needs only try_read64 and
 * friends.
 */
#ifndef PVGUEST_TRAPS_H
#define PVGUEST_TRAPS_H

#include <pvguest/cpu.h>

/* The registers at an exception, an event or a system call, as lib/entry.asm pushes them. Lowest
 * address first. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector;        /* exception number; TRAP_FRAME_EVENT or TRAP_FRAME_SYSCALL */
    uint64_t error;         /* the CPU's error code; 0 where the CPU gives none */
    uint64_t rip;
    uint16_t cs, pad0;
    uint8_t  saved_mask;    /* evtchn_upcall_mask before the entry */
    uint8_t  pad1[3];
    uint64_t rflags;        /* IF here is !saved_mask, and is what the return restores */
    uint64_t rsp, ss;
};

#define TRAP_FRAME_EVENT   256
#define TRAP_FRAME_SYSCALL 257

enum {
    TRAP_DE = 0,
    TRAP_DB = 1,
    TRAP_NMI = 2,
    TRAP_BP = 3,
    TRAP_OF = 4,
    TRAP_BR = 5,
    TRAP_UD = 6,
    TRAP_NM = 7,
    TRAP_DF = 8,
    TRAP_TS = 10,
    TRAP_NP = 11,
    TRAP_SS = 12,
    TRAP_GP = 13,
    TRAP_PF = 14,
    TRAP_MF = 16,
    TRAP_AC = 17,
    TRAP_MC = 18,
    TRAP_XM = 19
};

/* Page-fault error code bits. */
#define PF_PRESENT 1
#define PF_WRITE   2
#define PF_USER    4
#define PF_RESERVED 8
#define PF_FETCH   16

/* Registers the trap table and the event and failsafe callbacks. guest_start calls it. */
void traps_init(void);

/*
 * A handler for one vector (0..31). It returns true when it dealt with the trap; with false, or
 * without a handler, the fixup table is tried, and then the guest dies with its registers printed.
 * It runs on the kernel stack where the exception was (of user mode: the process's), at a page
 * fault with events masked, else as they were, and may sleep and switch to another process there:
 * a page that has to be fetched first, for a program or for the kernel's own access to its memory.
 * It need not return: a program that is killed. Returns the handler that was there.
 */
typedef bool (*trap_handler)(struct trap_frame *frame);
trap_handler set_trap_handler(unsigned int vector, trap_handler handler);

/*
 * A gate of your own for software interrupts (int n, vectors 32..255), or an exception vector with
 * your own assembly entry: `entry` gets Xen's frame (rcx, r11, [error], rip, cs, rflags, rsp, ss).
 * dpl 3: user mode may call it; 1: the kernel only. Of this vCPU: each has a table of its own.
 * Returns a negative errno.
 */
int set_trap_gate(unsigned int vector, unsigned int dpl, bool mask_events, void *entry);

/* fault_address(), below: the address of the page fault being handled. Read it before anything that
 * could fault again. */

/* Is this trap from user mode (entered by enter_user_mode, other page tables)? */
bool frame_from_user(const struct trap_frame *frame);

/* Prints all of it on the console; die() ends with SHUTDOWN_crash after it. */
void dump_frame(const struct trap_frame *frame);
void PVGUEST_NAME(die)(const struct trap_frame *frame, const char *why)
    __attribute__((__noreturn__));

/*
 * Fault-tolerant access: reads or writes that may hit anything. Return 0, or -EFAULT when the CPU
 * faulted; a faulting try_copy has copied some first part. These serve a kernel's copyin and
 * tests that poke at forbidden addresses.
 */
int try_read64(const void *address, uint64_t *value);
int try_read8(const void *address, uint8_t *value);
int try_write64(void *address, uint64_t value);
int try_write8(void *address, uint8_t value);
int try_copy(void *to, const void *from, size_t length);

/*
 * Runs fn(arg) and catches the first CPU exception inside it: returns the vector (with *error and
 * *address when not NULL), or -1 when it ran through. Registers are restored as by longjmp; what fn
 * changed in memory stays changed. Not nestable, not for code that switches threads; each vCPU may
 * do it.
 */
int catch_trap(void (*fn)(void *arg), void *arg, uint64_t *error, uint64_t *address);

/*
 * User mode. enter_user_mode leaves the kernel for good on this stack: the next trap or system call
 * from user mode arrives on the stack named by set_kernel_stack (HYPERVISOR_stack_switch). Page
 * tables: the user half is what MMUEXT_NEW_USER_BASEPTR names. Stack and half are this vCPU's.
 */
struct user_context { uint64_t rip, rsp, rflags, rdi, rsi, rdx; };
void enter_user_mode(const struct user_context *context) __attribute__((__noreturn__));
void set_kernel_stack(unsigned long top);

/*
 * Called each time the kernel is about to go back to user mode from a trap, an event or a system
 * call, when its handler has returned: the one place where a kernel takes the CPU from a process.
 * It runs on the kernel stack on which that process came in, with events masked, so nothing comes
 * between its last look and user mode (the way back restores the frame's mask, and what came
 * meanwhile is delivered then). It may unmask, sleep, switch to another process's stack and come
 * back when it is this one's turn again, change the frame, or never return (a process that is
 * killed). Whose kernel stacks are switched calls set_kernel_stack for the one that goes on. Not
 * called by enter_user_mode and return_to_frame, nor on the way back into the kernel: the kernel
 * itself is not preempted. NULL: none. Of all vCPUs; it runs where the process does.
 */
typedef void (*user_return_hook)(struct trap_frame *frame);
void set_return_hook(user_return_hook hook);

/* Returns from a trap frame, to user or kernel mode, restoring every register and the event
 * mask. */
void return_to_frame(struct trap_frame *frame) __attribute__((__noreturn__));

/*
 * System calls from user mode (the `syscall` instruction). The handler gets the frame: number in
 * rax, arguments in rdi rsi rdx r10 r8 r9; it sets frame->rax. rcx and r11 are the CPU's. Events
 * stay masked in it when mask_events. The handler is that of all vCPUs, the mask this one's: each
 * with user mode calls it. Without one, the instruction is an invalid opcode (TRAP_UD) of the
 * program that executes it, as on a machine that does not have it on.
 */
typedef void (*syscall_handler)(struct trap_frame *frame);
int set_syscall_handler(syscall_handler handler, bool mask_events);

static inline unsigned long fault_address(void)
{
    return cpu_info()->arch.cr2;
}

#endif
