/* SPDX-License-Identifier: MIT */
/*
 * Domus's own extension: one hypercall, number 55 (__HYPERVISOR_arch_7 in <xen/xen.h>), long
 * HYPERVISOR_domus_op(op, arg).
 *
 * Real Xen answers -ENOSYS to this number, so a guest may always ask and must do without the
 * answer. Nothing here is needed to run: it is for people who want to know why, and how often.
 * Shared by the hypervisor and the guests; it includes nothing but fixed-size integers.
 */
#ifndef ABI_DOMUS_H
#define ABI_DOMUS_H

#include <abi/types.h>

#define __HYPERVISOR_domus_op 55

/* Numbers of hypercalls are smaller than this; the last one stands for itself and all above it. */
#define DOMUS_HYPERCALL_SLOTS 64

/*
 * DOMUS_last_error: why this vCPU's last refused hypercall was refused. arg is a struct
 * domus_last_error, filled in. Any domain may ask about itself. Returns 0; -ENOENT when no call of
 * this vCPU has been refused yet; -EFAULT. Asking does not change the answer. (It has grown once,
 * and its number with it: to number 0 the answer is -ENOSYS.)
 *
 * Every negative result of a hypercall is written down, and of each call of a multicall; so are
 * those whose answer is another: a request of grant_table_op with a status of its own, a memory_op
 * that did fewer extents than it was asked for. So is, with DOMUS_NO_HYPERCALL, what the hypervisor
 * did not do for a fault of the kernel's: a store to its page tables, a page of its LDT.
 */
#define DOMUS_last_error 4
#define DOMUS_NO_HYPERCALL 0xffffffffu
struct domus_last_error {
    int32_t  error;          /* the errno, or with DOMUS_ABOUT_STATUS a request's GNTST_* status */
    uint32_t hypercall;      /* the refused one's number */
    char     file[40];       /* where in the hypervisor, NUL-terminated */
    uint32_t line;
    uint32_t about;          /* DOMUS_ABOUT_*: which of these say something; the others are 0: */
    uint32_t level;          /* of the page table: 1 to 4 */
    uint32_t slot;           /* of the entry in it: 0 to 511 */
    uint64_t frame;          /* the table that the entry is in, or the frame that was named */
    uint64_t value;          /* the entry as it is, or was to be; or the argument */
    uint64_t refusals;       /* refused calls: more than before a call, if this is about it */
    char     reason[140];    /* a sentence, NUL-terminated */
    char     words[260];     /* all of this in one line, NUL-terminated */
};
#define DOMUS_ABOUT_FRAME   1u
#define DOMUS_ABOUT_LEVEL   2u
#define DOMUS_ABOUT_SLOT    4u
#define DOMUS_ABOUT_VALUE   8u
#define DOMUS_ABOUT_STATUS  16u

/*
 * DOMUS_audit: recount every page type and reference from the page tables, grants and tables that
 * are really there, and compare with what the hypervisor believes. Control domain only (-EPERM).
 * arg is a struct domus_audit, filled in, or NULL. Returns the number of violations (0: the
 * invariants I1 to I4 of the hypervisor hold). Stops the machine meanwhile.
 */
#define DOMUS_audit 1
struct domus_audit {
    uint64_t frames;         /* frames looked at */
    uint64_t typed;          /* of these, frames whose type is a page table or a descriptor page */
    uint64_t free;           /* frames that belong to nobody */
    uint64_t violations;
    uint64_t first_bad_mfn;  /* ~0 when there is none */
    char     first_bad[96];  /* what was wrong with it, NUL-terminated */
};

/*
 * DOMUS_counters: how often things happened in a domain since it began. Control domain only
 * (-EPERM). arg is a struct domus_counters: the caller sets `domid`, the rest is filled in. -ESRCH
 * for an unknown domain.
 */
#define DOMUS_counters 2
struct domus_counters {
    uint16_t domid;
    uint16_t pad[3];
    uint64_t hypercalls[DOMUS_HYPERCALL_SLOTS];   /* by number; those inside multicalls too */
    uint64_t refused;            /* hypercalls that returned an error */
    uint64_t exceptions;         /* exceptions delivered to the guest */
    uint64_t emulated;           /* privileged instructions emulated */
    uint64_t emulated_pte;       /* stores to read-only page tables emulated */
    uint64_t events;             /* event upcalls delivered */
    uint64_t switches;           /* times a vCPU was switched to */
    uint64_t continuations;      /* preempted hypercalls that were continued */
    uint64_t run_ns;             /* nanoseconds on a CPU */
};

/*
 * DOMUS_work_for: what this vCPU does from now on it does on behalf of a domain, whose part of the
 * CPU it is and whose urgency it has. Control domain only (-EPERM). arg is the domain's number; the
 * caller's own, or that of a domain that is gone: on nobody's behalf but its own. Returns the
 * nanoseconds that the vCPU has run since it last said so.
 */
#define DOMUS_work_for 3

/*
 * DOMUS_destroy: XEN_DOMCTL_destroydomain by steps. That call is made again and again until there
 * is nothing left of the domain, which is long for a large one, and its caller, a toolstack of one
 * vCPU, runs no other thread meanwhile. Control domain only (-EPERM). arg is the domain's number.
 * Returns 0: it is gone; -EAGAIN: ask again; -ESRCH; -EINVAL: the caller's own.
 */
#define DOMUS_destroy 5

/*
 * DOMUS_console: how many bytes of what was said on the machine's console the serial line has not
 * taken yet. Who writes there (CONSOLEIO_write) while it is some 16 KiB behind waits in the call, a
 * whole vCPU: whoever has other work asks before. Control domain only (-EPERM). arg is not looked
 * at.
 */
#define DOMUS_console 7

/*
 * DOMUS_run: a processor of the caller's making runs on this CPU, by its hardware assistance (AMD's
 * SVM with nested paging), until something happens that is the caller's to deal with. arg is a
 * struct domus_run: all of that processor's state, as it is and as it then has become. Any domain.
 *
 * What the processor takes for physical memory is what the page tables under `tables` map, with the
 * guest-physical address as the virtual one: a level-4 table of the caller's, as for a base pointer
 * and under the same rules, mapped or not. So it reaches what the caller could reach itself, may
 * write what the caller may, and each frame is held by the entry that maps it. (Pin the table:
 * without a reference it is looked through again at each call.) A change of an entry counts from
 * the next call on; a caller of several vCPUs flushes their TLBs, as for its own tables.
 *
 * The FPU's registers are the caller's. Debug registers, ports, MSRs, CPUID, HLT, control registers
 * but CR2 and CR3, and all that concerns the machine comes back as an exit; so do #DB and #AC, and
 * interrupts of the machine (DOMUS_EXIT_INTERRUPT: call again). A call with an event pending for
 * this vCPU, masked or not, comes back at once like this.
 *
 * Returns 0: `exit` says what happened; with DOMUS_EXIT_INVALID the state is as it was.
 * -EOPNOTSUPP: the CPU has no such thing, or the hypervisor was told svm=off. -EFAULT; -EINVAL:
 * state that no processor has here, or a table that is none; nothing ran. (All of it in AMD64
 * Architecture Programmer's Manual, volume 2, chapter 15 and appendices B and C.)
 */
#define DOMUS_run 6

struct domus_run_segment {
    uint16_t selector;
    uint16_t flags;          /* bits 40 to 47 and 52 to 55 of the descriptor, in this order */
    uint32_t limit;          /* in bytes, the last that is inside */
    uint64_t base;
};

enum { DOMUS_RUN_ES, DOMUS_RUN_CS, DOMUS_RUN_SS, DOMUS_RUN_DS, DOMUS_RUN_FS, DOMUS_RUN_GS,
       DOMUS_RUN_SEGMENTS };

struct domus_run {
    uint64_t tables;         /* in: frame number of the level-4 table */
    uint64_t inject;         /* in: an event, as DOMUS_EVENT_*; 0: none. 0 when it went in */
    uint64_t tsc_offset;     /* in: added to what RDTSC gives */
    uint32_t wishes;         /* in: DOMUS_RUN_* */
    uint32_t shadow;         /* in and out: 1 right behind STI or a load of SS */
    uint64_t general[16];    /* in and out: by their numbers, RAX RCX RDX RBX RSP RBP RSI RDI ... */
    uint64_t rip, rflags;
    uint64_t cr2, cr3;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    struct domus_run_segment segment[DOMUS_RUN_SEGMENTS];    /* the privilege level is SS's DPL */
    struct domus_run_segment ldtr, tr, gdtr, idtr;           /* of the last two: limit and base */
    uint64_t cr0, cr4, efer; /* in; the CPU's own needs (CR4.MCE, EFER.SVME) are not seen here */
    uint64_t exit;           /* out: the exit's number, and what belongs to it */
    uint64_t info[2];
    uint64_t interrupted;    /* out: the event whose delivery it came in, as DOMUS_EVENT_*; or 0 */
    uint64_t dr6;            /* out */
};

/* Come back (DOMUS_EXIT_WINDOW) as soon as it would take an interrupt. */
#define DOMUS_RUN_WINDOW         1u

/* An event: bits 0 to 7 the vector, an error code in bits 32 to 63. */
#define DOMUS_EVENT_INTERRUPT    (0ull << 8)
#define DOMUS_EVENT_EXCEPTION    (3ull << 8)
#define DOMUS_EVENT_SOFTWARE     (4ull << 8)     /* INT n; never to be injected */
#define DOMUS_EVENT_KIND         (7ull << 8)
#define DOMUS_EVENT_HAS_ERROR    (1ull << 11)
#define DOMUS_EVENT_VALID        (1ull << 31)

/* Exits, some of those that there are; exceptions are DOMUS_EXIT_EXCEPTION + the vector. */
#define DOMUS_EXIT_EXCEPTION     0x40u
#define DOMUS_EXIT_INTERRUPT     0x60u
#define DOMUS_EXIT_WINDOW        0x64u
#define DOMUS_EXIT_CPUID         0x72u
#define DOMUS_EXIT_HALT          0x78u
#define DOMUS_EXIT_PORT          0x7bu
#define DOMUS_EXIT_MSR           0x7cu
#define DOMUS_EXIT_TASK_SWITCH   0x7du
#define DOMUS_EXIT_SHUTDOWN      0x7fu
/* info[0] is a page fault's error code, info[1] the guest-physical address */
#define DOMUS_EXIT_NESTED_FAULT  0x400u
#define DOMUS_EXIT_INVALID       0xffffffffu

#endif
