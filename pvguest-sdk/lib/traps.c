/* SPDX-License-Identifier: MIT */
/*
 * Exceptions: the trap table, and what happens with a trap: a handler of the kernel's, a fixup of
 * try_read64 and friends, catch_trap, or the end with all registers on the console. lib/entry.asm
 * calls trap_dispatch with the frame.
 */
#include <pvguest/console.h>
#include <pvguest/debug.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/traps.h>
#include "entry.h"
#include "smp.h"

struct fixup { unsigned long access, resume; };
extern const struct fixup fixups_start[], fixups_end[];

static trap_handler handlers[32];

bool frame_from_user(const struct trap_frame *frame)
{
    return (frame->cs & 3) == 3;
}

trap_handler set_trap_handler(unsigned int vector, trap_handler handler)
{
    return __atomic_exchange_n(&handlers[vector], handler, __ATOMIC_ACQ_REL);
}

int set_trap_gate(unsigned int vector, unsigned int dpl, bool mask_events, void *entry)
{
    /* set_trap_table adds to what is there; an entry with address 0 ends the list. */
    struct trap_info table[2] = {
        { .vector = (uint8_t)vector,
          .flags = (uint8_t)(dpl | (mask_events ? 4 : 0)),
          .cs = FLAT_KERNEL_CS,
          .address = (unsigned long)entry },
    };
    return (int)HYPERVISOR_set_trap_table(table);
}

/* NMI comes by a callback of its own, 15 and 9 and those above 19 are not given to guests. */
static bool is_ours(unsigned int vector)
{
    return vector != TRAP_NMI && vector != 9 && vector != 15 && vector <= TRAP_XM;
}

static struct trap_info gate(unsigned int vector)
{
    struct trap_info info = { .vector = (uint8_t)vector, .cs = FLAT_KERNEL_CS };

    /* int3 and into are for everyone to use; the other exceptions only the CPU may raise. */
    info.flags = vector == TRAP_BP || vector == TRAP_OF ? 3 : 0;
    /* A second fault would overwrite cr2 before the handler of the first has read it: events wait
     * meanwhile. */
    if (vector == TRAP_PF || vector == TRAP_DF)
        info.flags |= 4;
    info.address = trap_entries[vector];
    return info;
}

/* The same of another vCPU, by vector; its system calls are set_syscall_handler's, too. */
void traps_context(struct vcpu_guest_context *context)
{
    for (unsigned int vector = 0; vector < 32; vector++)
        if (is_ours(vector))
            context->trap_ctxt[vector] = gate(vector);
    context->event_callback_eip = (unsigned long)event_entry;
    context->failsafe_callback_eip = (unsigned long)failsafe_entry;
}

void traps_init(void)
{
    static struct trap_info table[33];
    unsigned int n = 0;

    for (unsigned int vector = 0; vector < 32; vector++)
        if (is_ours(vector))
            table[n++] = gate(vector);
    /* None for system calls: as long as nobody handles them, `syscall` is an invalid opcode. */
    if (HYPERVISOR_set_trap_table(table) ||
        HYPERVISOR_set_callbacks((unsigned long)event_entry, (unsigned long)failsafe_entry, 0))
        panic("pvguest: trap table refused\n");
}

static bool apply_fixup(struct trap_frame *frame)
{
    for (const struct fixup *fixup = fixups_start; fixup < fixups_end; fixup++) {
        if (fixup->access == frame->rip) {
            frame->rip = fixup->resume;
            return true;
        }
    }
    return false;
}

void trap_dispatch(struct trap_frame *frame)
{
    uint64_t address = fault_address();
    struct cpu *cpu = this_cpu();
    trap_handler handler = __atomic_load_n(&handlers[frame->vector], __ATOMIC_ACQUIRE);

    frame->error = (uint32_t)frame->error;
    if (cpu->caught.active && !frame_from_user(frame)) {
        cpu->caught.active = false;
        cpu->caught.vector = (unsigned int)frame->vector;
        cpu->caught.error = frame->error;
        cpu->caught.address = address;
        frame->rip = (unsigned long)catch_trap_resume;
        frame->rsp = cpu->caught.sp;
        frame->rflags &= ~0x500UL;      /* no single-stepping on; copies go upwards again */
        return;
    }
    if (handler && handler(frame)) return;
    if (!frame_from_user(frame) && apply_fixup(frame)) return;
    die(frame, "unexpected trap");
}

int catch_trap(void (*fn)(void *arg), void *arg, uint64_t *error, uint64_t *address)
{
    bool masked = events_masked();
    struct cpu *cpu = this_cpu();
    int trapped;

    cpu->caught.active = true;
    trapped = catch_trap_run(fn, arg, &cpu->caught.sp);
    cpu->caught.active = false;
    if (masked)
        events_mask_all();
    else
        events_unmask_all();
    if (!trapped) return -1;
    if (error)
        *error = cpu->caught.error;
    if (address)
        *address = cpu->caught.address;
    return (int)cpu->caught.vector;
}

static const char *const trap_names[] = {
    "divide error",
    "debug",
    "NMI",
    "breakpoint",
    "overflow",
    "bound",
    "invalid opcode",
    "device not available",
    "double fault",
    "9",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "15",
    "x87 error",
    "alignment check",
    "machine check",
    "SIMD error",
};

void print_callers(unsigned long rsp)
{
    for (unsigned long slot = rsp & ~7UL, found = 0;
         found < 12 && slot < (rsp & ~7UL) + 4096; slot += 8) {
        uint64_t word;

        if (try_read64((void *)slot, &word))
            break;
        if (word >= (unsigned long)image_start && word < (unsigned long)image_text_end) {
            printk(" %lx", word);
            found++;
        }
    }
    printk("\n");
}

void dump_frame(const struct trap_frame *frame)
{
    printk("%s (vector %lu), error %lx, cr2 %lx, %s mode\n",
           frame->vector < 20 ? trap_names[frame->vector] : "entry", frame->vector, frame->error,
           (unsigned long)fault_address(), frame_from_user(frame) ? "user" : "kernel");
    printk("rip %04x:%016lx  rsp %04lx:%016lx  rflags %08lx  saved mask %u\n", frame->cs,
           frame->rip, frame->ss & 0xffff, frame->rsp, frame->rflags, frame->saved_mask);
    printk("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", frame->rax, frame->rbx, frame->rcx,
           frame->rdx);
    printk("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", frame->rsi, frame->rdi, frame->rbp,
           frame->r8);
    printk("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", frame->r9, frame->r10, frame->r11,
           frame->r12);
    printk("r13 %016lx r14 %016lx r15 %016lx\n", frame->r13, frame->r14, frame->r15);
    printk("return addresses on the stack:");
    print_callers(frame->rsp);
}

/* Perhaps the fault is one: a store to a page table, say. */
static void tell_last_refusal(void)
{
    static char words[260];

    if (!hypercall_reason(words, sizeof(words)))
        printk("pvguest: what the hypervisor refused last: %s\n", words);
}

enum { TELLING = 100000 };              /* yields that it may take */

void die(const struct trap_frame *frame, const char *why)
{
    static unsigned int dying;              /* 1 + the vCPU that tells why; 0: none does */
    unsigned int first = 0;

    if (__atomic_compare_exchange_n(&dying, &first, cpu_id() + 1, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST)) {
        printk("\npvguest: %s\n", why);
        dump_frame(frame);
        if (PVGUEST_DEBUGGED)
            tell_last_refusal();
    } else if (first != cpu_id() + 1) {
        /* One tells its fault, and then ends the domain; unless it waits for what this one has. */
        for (unsigned int i = 0; i < TELLING; i++)
            vcpu_yield();
    }
    crash();                                /* at once where the telling itself faults */
}
