/* SPDX-License-Identifier: MIT */
/*
 * The benchmark guest: what each operation of the PV interface costs, as seen by the guest that
 * asks for it.
 *
 * An operation is one row. It runs 51 times; each run is measured by two reads of the TSC around it
 * and the median counts, less what an empty row costs. Under QEMU's `-icount shift=0,sleep=off` the
 * TSC counts executed instructions exactly, so the figures are instructions, the same on every
 * machine; elsewhere they are ticks. Rows carry the names of the reference table, so that columns
 * of other hypervisors can stand beside ours. The guest is plain Xen ABI: it runs unchanged on real
 * Xen.
 *
 * Output, one line a row, for bench.py:   BENCH group|operation|form|ticks
 * where form is "hypercall", "trap" (the same done by an instruction that traps), or "-" when there
 * is only one way.
 */
#ifndef BENCH_H
#define BENCH_H

#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/time.h>
#include <pvguest/traps.h>

#define RUNS 51

/* The rows that follow belong to this group. */
void group(const char *name);
/* Measures one row: run() is called RUNS times, before() (may be NULL) untimed ahead of each; the
 * result is divided by `per`. */
void measure(const char *operation, const char *form, unsigned int per, void (*before)(void),
             void (*run)(void));
#define CALL "hypercall"
#define TRAP "trap"
#define ONLY "-"
/* The median of samples that somebody else took (user mode); sorts them. */
uint64_t median(uint64_t *samples);
void report(const char *operation, const char *form, uint64_t ticks);
/* What must not fail. */
void must(long result, const char *what);

void bench_calls(void);
void bench_tables(void);
void bench_spaces(void);
void bench_traps(void);
void bench_user(void);
void bench_sharing(void);
void bench_contention(void);        /* with two vCPUs, and nothing else */

/* A zeroed page that is read-only: fit to become a page table. Shared by the table rows. */
uint64_t *bench_table(void);
long write_entry(uint64_t machine_address, uint64_t value);
long mmuext(unsigned int command, unsigned long mfn);
static inline uint64_t table_entry(const uint64_t *table)
{
    return virt_to_machine(table) | PROT_TABLE;
}

#endif
