/* SPDX-License-Identifier: MIT */
/*
 * The CPUs of a machine on the host, one of them or several: what one asks of others is written
 * down, and no lock is taken. The thread is on the CPU that be_cpu() said last.
 */
#ifndef TESTS_UNIT_CPUS_HOST_H
#define TESTS_UNIT_CPUS_HOST_H

#include <asm/prctl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "machine/ring0.h"

bool ring0_shared;
struct cpu *cpus[MAX_CPUS];
uint32_t cpus_online;

static uint64_t cpus_interrupted, cpus_flushed;         /* a bit each */
static int ring0_depth = 1;                             /* 1: in it */
static void (*when_outside)(void), (*when_asked)(void); /* what other CPUs do then */
static void (*before_inside)(void);                     /* this one waits */

void cpu_interrupt(struct cpu *cpu)
{
    if (cpu != this_cpu())
        cpus_interrupted |= 1ul << cpu->id;
}

void cpu_reschedule(struct cpu *cpu)
{
    if (cpu->work & WORK_RESCHEDULE) return;
    cpu->work |= WORK_RESCHEDULE;
    cpu_interrupt(cpu);
}

void cpus_flush(cpumask_t set)
{
    assert_true(set);                   /* each is asked for something */
    cpus_flushed |= set & ~(1ul << this_cpu()->id);
    if (when_asked)
        when_asked();
}

void ring0_leave(void)
{
    ring0_depth--;
    if (when_outside)
        when_outside();
}

void ring0_enter(void)
{
    if (before_inside)
        before_inside();
    ring0_depth++;
}

static inline void be_cpu(struct cpu *cpu)
{
    cpu->self = cpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, cpu);
}

/* One more, of a machine that is several now. */
static inline void cpus_add(struct cpu *cpu)
{
    cpu->self = cpu;
    cpu->id = cpus_online;
    cpus[cpus_online++] = cpu;
    ring0_shared = cpus_online > 1;
}

static inline void cpus_begin(struct cpu *only)
{
    cpus_online = 0;
    cpus_add(only);
    cpus_interrupted = cpus_flushed = 0;
    ring0_depth = 1;
    when_outside = when_asked = before_inside = NULL;
}

#endif
