/* SPDX-License-Identifier: MIT */
/* The machine in C's clothes: privileged instructions, the bits of page-table entries and flags,
 * the layout of memory.
 *
 *   0x0000000000400000  a process: text, data, heap upwards; its stack ends at USER_STACK_TOP
 *   0xffff880000000000  all of physical memory, byte for byte (the direct map)
 *   0xffffffff80000000  the kernel image, mapped from physical address 0
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE_SIZE       4096UL
#define KERNEL_BASE     0xffffffff80000000ul
#define DIRECT_MAP      0xffff880000000000ul
#define USER_BASE       0x400000ul
/* everything of a process lies in one slot of the top-level table */
#define USER_STACK_TOP  0x40000000ul
#define USER_STACK_SIZE 0x10000ul

#define PAGE_CEILING(x)      (((x) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))
#define PAGE_FLOOR(x)    ((x) & ~(PAGE_SIZE - 1))

#define PTE_P   0x001ul
#define PTE_W   0x002ul
#define PTE_U   0x004ul
#define PTE_XD  (1ul << 63)
#define PTE_ADDR(entry) ((entry) & 0x000ffffffffff000ul)

#define FLAGS_IF 0x200ul

/* Pointers of the direct map and of the kernel image to physical addresses, and back. */
static inline void *to_virtual(u64 physical)
{
    return (void *)(physical + DIRECT_MAP);
}

static inline u64 to_physical(const void *address)
{
    u64 va = (u64)address;
    return va >= KERNEL_BASE ? va - KERNEL_BASE : va - DIRECT_MAP;
}

static inline void page_clear(void *page)
{
    u64 count = PAGE_SIZE / 8;
    __asm__ volatile("rep stosq" : "+D"(page), "+c"(count) : "a"(0) : "memory");
}

static inline void page_copy(void *to, const void *from)
{
    u64 count = PAGE_SIZE / 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static inline u8 inb(u16 port)
{
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline u32 inl(u16 port)
{
    u32 v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void outb(u16 port, u8 v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline void outw(u16 port, u16 v)
{
    __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}
static inline void outl(u16 port, u32 v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

/* Interrupts. A critical section is `bool on = interrupts_off(); ... interrupts_restore(on);`, and
 * nests. */
static inline void interrupts_on(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline bool interrupts_off(void)
{
    u64 flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags & FLAGS_IF;
}

static inline void interrupts_restore(bool on)
{
    if (on)
        interrupts_on();
}

/* Sleep until an interrupt; called with interrupts off. `sti` takes effect one instruction later,
 * so that an interrupt arriving now still ends the `hlt`: no wake-up is lost between them. Returns
 * with interrupts on. */
static inline void wait_for_interrupt(void)
{
    __asm__ volatile("sti; hlt" ::: "memory");
}

static inline u64 read_cr2(void)
{
    u64 v;
    __asm__ volatile("mov %%cr2, %0" : "=r"(v));
    return v;
}
static inline u64 read_cr3(void)
{
    u64 v;
    __asm__ volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}
static inline void write_cr3(u64 v)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}
static inline void invlpg(u64 va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline void wrmsr(u32 msr, u64 v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline u64 rdmsr(u32 msr)
{
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (u64)high << 32 | low;
}
