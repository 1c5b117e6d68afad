/* SPDX-License-Identifier: MIT */
/*
 * The benchmark guest: what each operation of a PV kernel costs, in ticks of the TSC. Under QEMU's
 * `-icount shift=0,sleep=off` one tick is one instruction, guest and hypervisor together, the same in every run; without
 * it a tick is time. The guest boots unchanged as dom0 of Domus and of real Xen, and prints one line an operation:
 *
 *     BENCH group|name|form|median ticks for one unit
 *
 * form is "hypercall" or "trap", so that the presenter (bench.py) can put the two ways of the same work side by side, or
 * "-" where the ABI has only one. The name `refused` in place of a number: this hypervisor does not do it.
 */
#ifndef BENCH_H
#define BENCH_H

#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/time.h>
#include <pvguest/traps.h>

struct operation {
    const char *group, *name, *form;
    unsigned int units;             /* the run does so many; the result is divided by it */
    long (*prepare)(void);          /* once, before; negative: cannot be measured here. NULL: nothing to do */
    void (*run)(void);              /* what is measured, SAMPLES times */
    void (*cleanup)(void);          /* once, after; or NULL */
};

/* Each file's operations, ended by an entry without a name. */
extern const struct operation call_operations[], pagetable_operations[], space_operations[], trap_operations[],
                              event_operations[], grant_operations[];

/* Prints the median of a user-mode measurement, which cannot go through `run` (user.c). */
void measure_user_mode(void);
void report(const char *group, const char *name, const char *form, uint64_t ticks);
void report_refused(const char *group, const char *name, const char *form, long error);

#define SAMPLES 51
uint64_t median(uint64_t *samples, unsigned int count);

/* A run that fails says so once per operation instead of a figure. */
extern long run_error;
static inline void must(long result) { if (result < 0) run_error = result; }

/* A place in the address space for experiments, with L3, L2 and L1 tables of its own; 512 pages. */
#define LAB_VA 0x0000100000000000UL
void lab_init(void);
extern uint64_t *lab_l1;            /* its L1, read-only to us */
extern uint64_t lab_l1_machine, lab_l2_entry;      /* machine addresses: of the L1; of the L2 entry for LAB_VA + 2 MiB */
extern unsigned long lab_frame[2];  /* two ordinary frames of ours, mapped nowhere else writable */
/* A fresh page of zeroes, for a table; tables_readonly makes n of them read-only or writable in the kernel's mapping. */
uint64_t *new_page(void);
void set_readonly(void *page, bool readonly);

/* entry.asm */
void bench_int3_iretq(void);
void bench_int3_hypercall(void);
void bench_page_fault(void);
void bench_event(void);
void bench_syscall(void);
void bench_int80(void);
void bench_user_fault(void);
void bench_kernel_iret(void);
void bench_run_user(unsigned long rip, unsigned long rsp);
extern uint64_t *bench_event_word;
extern char bench_user_code[], bench_user_code_end[];

#endif
