/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU data: everything a processor owns. GS points here while we run in ring 0 (entry.asm
 * swaps), so `this_cpu()` is one load. There is no global "current": the running vCPU is
 * this_cpu()->running, or `current`.
 *
 * Ring 0 runs with interrupts off, except in the idle loop. So an interrupt never nests in code
 * that holds a lock, and locks need not mask interrupts. All that is here, of whichever CPU, is
 * read and changed under the lock around ring 0 (machine/ring0.h) unless it says otherwise.
 */
#ifndef DOMUS_MACHINE_CPU_H
#define DOMUS_MACHINE_CPU_H

#include "lib/cpumask.h"
#include "lib/spinlock.h"
#include "lib/timer.h"
#include "lib/types.h"

struct turn;
struct vcpu;

#define CPU_STACK_SIZE (16 * 1024)

struct tss {                        /* Intel SDM vol. 3, 8.7 "Task management in 64-bit mode" */
    uint32_t reserved0;
    uint64_t rsp0, rsp1, rsp2;
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, iomap_base;
} __attribute__((packed));

/* What waits for the way back to a guest; any bit sends the exit path into C (entry/exit.c). */
#define WORK_RESCHEDULE 1u          /* the slice ended or somebody more urgent woke */
#define WORK_TIMERS     2u          /* the timer interrupt fired: run expired timers */
#define WORK_REFUSAL    4u          /* log what the running vCPU was refused (lib/fail.h) */

struct cpu {
    struct cpu *self;               /* gs:0 */
    /* `current`: the vCPU whose frame, address space and registers are loaded */
    struct vcpu *running;
    /* scratch of the syscall entry: the guest's RSP for two instructions */
    uint64_t syscall_rsp;
    uint64_t stack_top;             /* of this CPU's ring-0 stack: every entry starts here */
    uint32_t work;                  /* WORK_* */
    /* instructions that this stay in ring 0 may still spend (machine/budget.h) */
    int32_t budget;
    uint32_t id, apic_id;
    /* has no guest, on our own tables: what it runs while it sleeps (machines of several CPUs), and
     * until its first guest */
    struct vcpu *idle;
    bool flush_wanted;              /* machine/ring0.h: cpus_flush */
    /* times it had to wait for ring 0, and the longest wait, in TSC ticks */
    uint64_t waits, longest_wait;
    /* what CR3 holds (XSA-494: one truth about the loaded tables) */
    uint64_t loaded_cr3;
    uint64_t loaded_cr4;            /* what CR4 holds now (domain/switch.h) */
    /* our page of every GDT (machine/segments.h): page 14 of each vCPU's window maps it */
    uint64_t *gdt_page;
    struct timer_queue timers;      /* domain/timers.c */
    /* scheduling (domain/policy.c) */
    struct turn *runs;              /* who has it; NULL: nobody */
    struct turn *comes;             /* who left another one for it; NULL: nobody */
    uint64_t slice_from;            /* ns: since then the others wait for who runs */
    bool yielded;                   /* who runs wants others to run first */
    /* ns: up to here all of this CPU's time has been charged to somebody */
    uint64_t since;
    struct domain *payer;           /* who is charged for it now; NULL: who runs */
    uint64_t idle_ns;
    /* NMIs so far, in guests and in ring 0, where the last one struck, and how many were told of
     * (nmi_tell). Not under the lock: the NMI's own CPU writes it */
    uint32_t nmis[2], nmis_told[2];
    uint64_t nmi_rip;
    struct locks_held locks;        /* the debug build's (machine/lock_check.c) */
    struct tss tss aligned(16);
};

extern struct cpu boot_cpu;
/* by id, without holes: cpus[0] is boot_cpu */
extern struct cpu *cpus[MAX_CPUS];
extern uint32_t cpus_online;
static inline cpumask_t cpu_map_online(void)
{
    return ALL_CPUS >> (MAX_CPUS - cpus_online);
}
#define for_each_cpu(cpu) \
    for (uint32_t cpu_id_ = 0; cpu_id_ < cpus_online && ((cpu) = cpus[cpu_id_]); cpu_id_++)

/* Somebody else should perhaps run on it: it comes to schedule() before it enters a guest again. */
void cpu_reschedule(struct cpu *cpu);

/* What else a CPU needs, page-aligned: its ring-0 stack, a page for each IST stack, its page of the
 * GDT. */
struct cpu_stacks {
    uint8_t main[CPU_STACK_SIZE];
    uint8_t ist[4][4096];
    uint64_t gdt[512];
};
/* control registers, GDT, TSS, SYSCALL of the CPU we are on */
void cpu_init(struct cpu *cpu, struct cpu_stacks *stacks);
/* GDTR and LDTR as they were before there was a vCPU */
void cpu_own_descriptors(struct cpu *cpu);
bool cpu_has_smap(void);
/* Says of this CPU's NMIs what was not said yet: an NMI may strike while its own CPU, or another
 * that it has struck, too, has the console's lock. */
void nmi_tell(void);

/* CR4 with all of this machine that ring 0 uses; while a vCPU runs some of its bits are that one's
 * choice (vcpu_choose_cr4). All names of CR4: domain/switch.h. */
extern uint64_t host_cr4;

/* XSAVE: the state components we switch (XCR0 while a guest may use all), and the size of one area.
 * 0: FXSAVE only. */
extern uint64_t xsave_mask;
extern uint32_t xsave_size;
#define MXCSR_OFFSET 24             /* in the area; reserved bits would fault the loading */
#define MXCSR_VALID 0xffffu

/* XCR0: x87 always on, AVX needs SSE, AVX-512 comes in one piece, all within the host's. */
static inline bool xcr0_valid(uint64_t value)
{
    uint64_t avx512 = value & 0xe0;

    return (value & 1) && !(value & ~xsave_mask) && (!(value & 4) || (value & 2)) &&
           (!avx512 || (avx512 == 0xe0 && (value & 4)));
}

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    __asm__("movq %%gs:0, %0" : "=r"(cpu));   /* not volatile: it never changes on one CPU */
    return cpu;
}

static inline struct vcpu *current_vcpu(void)
{
    struct vcpu *v;
    __asm__ volatile("movq %%gs:8, %0" : "=r"(v));
    return v;
}
#define current current_vcpu()

#endif
