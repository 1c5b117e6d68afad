/* SPDX-License-Identifier: MIT */
/* What happens when the CPU comes into the kernel: a system call, an interrupt, or something
 * somebody did wrong. */
#include "kernel.h"

struct gate { u16 low, selector; u8 stack, type; u16 middle; u32 high, zero; };
static struct gate gates[VECTOR_IRQ + IRQS];

static const char *const exceptions[32] = {
    "divide error",
    "debug",
    "NMI",
    "breakpoint",
    "overflow",
    "bound",
    "invalid opcode",
    "no FPU",
    "double fault",
    "",
    "invalid TSS",
    "no segment",
    "stack fault",
    "general protection",
    "page fault",
    "",
    "FPU error",
    "alignment check",
    "machine check",
    "SIMD error",
};

void trap_init(void)
{
    struct { u16 limit; u64 base; } __attribute__((packed)) idt = { sizeof gates - 1, (u64)gates };

    for (u32 i = 0; i < VECTOR_IRQ + IRQS; i++) {
        u64 to = trap_stubs[i];
        gates[i] = (struct gate){
            (u16)to, KERNEL_CODE, 0, 0x8e, (u16)(to >> 16), (u32)(to >> 32), 0
        };
    }
    __asm__ volatile("lidt %0" : : "m"(idt));
}

/* A page that the process may have but has not touched yet is given now; anything else ends the
 * process. */
static void user_fault(struct frame *frame)
{
    u64 address = read_cr2();

    if (frame->vector == VECTOR_PAGE_FAULT &&
        space_fault(&current->space, address, frame->error & 2) == 0)
        return;
    kprintf("Insula: process %d (%s): %s at %lx", current->pid, current->name,
            exceptions[frame->vector], frame->rip);
    if (frame->vector == VECTOR_PAGE_FAULT)
        kprintf(", address %lx", address);
    kprintf("\n");
    current->killed = true;
}

void trap(struct frame *frame)
{
    bool user = frame->cs & 3;

    if (frame->vector == VECTOR_SYSCALL) {
        interrupts_on();
        system_call(frame);
        interrupts_off();
    } else if (frame->vector >= VECTOR_IRQ) {
        irq_dispatch((u32)frame->vector - VECTOR_IRQ);
    } else if (user) {
        user_fault(frame);
    } else {
        kpanic("%s in the kernel at %lx, error %lx, address %lx", exceptions[frame->vector],
               frame->rip, frame->error, read_cr2());
    }
    if (!user) return;
    if (current->killed)
        process_exit(-EINTR);
    if (reschedule)
        yield();
    if (current->killed)
        process_exit(-EINTR);
}
