/* SPDX-License-Identifier: MIT */
/* Segments: in long mode only their privilege matters, and the task segment, which names the stack
 * that the CPU loads when it leaves user mode. Also the machine registers of the system call
 * instruction. */
#include "kernel.h"

struct task_state {
    u32 unused0;
    u64 kernel_stack;                   /* RSP0 */
    u64 unused1[11];
    u16 unused2, io_map;
} __attribute__((packed));

static struct task_state task = { .io_map = sizeof task };
/* where GS points in the kernel: entry.asm */
static struct { u64 user_stack, kernel_stack; } scratch;

static u64 descriptors[] = {
    0,
    0x00209a0000000000,                 /* kernel code: long, ring 0 */
    0x0000920000000000,                 /* kernel data */
    0x0000f20000000000,                 /* user data: ring 3 */
    0x0020fa0000000000,                 /* user code */
    0, 0,                               /* the task segment's, filled in below */
};

struct pointer { u16 limit; u64 base; } __attribute__((packed));

enum {
    EFER = 0xc0000080,
    STAR = 0xc0000081,
    LSTAR,
    CSTAR,
    FMASK,
    GS_BASE = 0xc0000101,
    KERNEL_GS_BASE
};

void use_kernel_stack(u64 top)
{
    task.kernel_stack = top;
    scratch.kernel_stack = top;
}

void segments_init(void)
{
    u64 base = (u64)&task;
    struct pointer gdt = { sizeof descriptors - 1, (u64)descriptors };

    descriptors[5] = (sizeof task - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 |
                     (base >> 24 & 0xff) << 56;
    descriptors[6] = base >> 32;
    __asm__ volatile("lgdt %0" : : "m"(gdt));
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs"
                     : : "r"(KERNEL_DATA), "r"(0));
    __asm__ volatile("ltr %w0" : : "r"(TASK));

    /* swapgs on the first way out to user mode exchanges them */
    wrmsr(GS_BASE, (u64)&scratch);
    wrmsr(KERNEL_GS_BASE, 0);
    wrmsr(STAR, (u64)KERNEL_CODE << 32);
    wrmsr(LSTAR, (u64)system_call_entry);
    /* also off: trap, direction, nested task (or iretq faults), alignment check */
    wrmsr(FMASK, FLAGS_IF | 0x44500);
    wrmsr(EFER, rdmsr(EFER) | 1);
}
