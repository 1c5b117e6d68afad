/* SPDX-License-Identifier: MIT */
/*
 * A probe: one instruction that leads into ring 0, done with every register and flag of your
 * choice, and all of them as they are when the guest goes on, wherever that is: behind the
 * instruction, in a handler, in a callback. For what C cannot say: poisoned flags, two vCPUs that
 * differ in every register, single steps.
 *
 * probe_gates(true) takes every exception, INT 0x80, system calls, the event and the failsafe
 * callback of the vCPU that asks to the probes' own entries (ways.asm); the SDK's traps
 * (try_read64, catch_trap) do not work meanwhile, and events are masked, since no handler could
 * take them. probe_gates(false) gives all back to the SDK.
 *
 * Each probe has its own stack, at whose foot it stands: so the entries find it, on every vCPU.
 */
#ifndef PROBE_H
#define PROBE_H

#include "test.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, REGISTERS };

/* no trap: the instruction was done, or the call came back */
#define PROBE_THROUGH  (-1)
#define PROBE_EVENT    TRAP_FRAME_EVENT
#define PROBE_SYSCALL  TRAP_FRAME_SYSCALL
#define PROBE_FAILSAFE 258
#define PROBE_NMI      TRAP_NMI         /* by the NMI callback, if it is set to probe_nmi */
#define VECTOR_INT80   0x80

#define PROBE_STACK 16384               /* bytes, and the alignment; ways.asm knows it */

struct probe {
    uint64_t saved_sp;                  /* ways.asm's */
    /* in: all but RSP, which is the probe's own stack; out: as they are afterwards */
    uint64_t registers[REGISTERS];
    uint64_t flags;                     /* in */
    void (*way)(void);                  /* in: one of the labels below */
    /* where the guest went on */
    int64_t vector;
    /* what the frame says; without a trap only frame_flags: the flags */
    uint64_t error, rip, cs, frame_flags, frame_rsp, ss;
    uint64_t handler_flags;             /* as they are at the handler's first instruction */
    uint64_t selectors[4];              /* failsafe: ds es fs gs */
    uint64_t under_way;                 /* ways.asm's: a trap belongs to this probe */
};

union probe_stack {
    struct probe probe;
    uint8_t bytes[PROBE_STACK];
} __attribute__((aligned(PROBE_STACK)));

/* Goes this way with the registers and flags in p. Returns p->vector. Lines of the test run with
 * clean flags. */
int64_t probe_run(struct probe *p);

void probe_gates(bool on);
/* entries for NMIs and for system calls, to be registered by hand; not C */
void probe_nmi(void);
void probe_syscall(void);

/* The same for a vCPU that is yet to come: the gates as its context names them. */
void probe_context(struct vcpu_guest_context *context);

/*
 * The ways. NAME is where the instruction stands, less the POPFQ before it; NAME_end is behind it.
 */
#define WAYS(WAY) \
    WAY(nothing) \
    WAY(syscall) WAY(call_page) WAY(int3) WAY(int80) WAY(int_gate) WAY(ud2) WAY(store) WAY(load) \
        WAY(hlt) WAY(read_cr0) WAY(read_cr4) WAY(write_cr4) WAY(forced_cpuid) WAY(divide) \
            WAY(spin) WAY(load_es) WAY(cli) WAY(fpu) WAY(copy) WAY(wrmsr) WAY(rdmsr) WAY(rdtscp) \
                WAY(xsetbv) WAY(wait_0) WAY(wait_1) WAY(iret) WAY(iret_sysret) WAY(iretq) \
                    WAY(user)
#define WAY(name) void way_##name(void); extern const char way_##name##_at[], way_##name##_end[];
WAYS(WAY)
#undef WAY

/* A way of any one instruction, given as bytes; good until the next one is asked for. */
void (*probe_instruction(const uint8_t *bytes, unsigned int length))(void);
unsigned long probe_instruction_at(void);       /* where it stands */
/* in two pages of code; the POPFQ before it stands there. 0 unless it is set */
extern unsigned int probe_instruction_offset;

extern volatile uint64_t probe_spinning;    /* way_spin goes round until this is 0 */
/* where way_user goes; CS is the flat 64-bit one unless it is set */
extern uint64_t probe_user_cs, probe_user_rip, probe_user_rsp;
/* SS, the flat one; VGCF_* of the frame, 0 */
extern uint64_t probe_user_ss, probe_user_how;

#endif
