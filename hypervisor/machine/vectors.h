/* SPDX-License-Identifier: MIT */
/*
 * Interrupt vectors: who gets which. Handlers run in ring 0 on any CPU's stack, never nested but
 * over the idle loop, so they only note what happened: raise an event, set a work bit. The local
 * APIC is acknowledged after them.
 */
#ifndef DOMUS_MACHINE_VECTORS_H
#define DOMUS_MACHINE_VECTORS_H

#include "lib/types.h"

enum {                              /* exceptions */
    TRAP_DIVIDE = 0,
    TRAP_DEBUG = 1,
    TRAP_NMI = 2,
    TRAP_BREAKPOINT = 3,
    TRAP_OVERFLOW = 4,
    TRAP_BOUNDS = 5,
    TRAP_INVALID_OP = 6,
    TRAP_NO_DEVICE = 7,
    TRAP_DOUBLE_FAULT = 8,
    TRAP_INVALID_TSS = 10,
    TRAP_NO_SEGMENT = 11,
    TRAP_STACK = 12,
    TRAP_GP = 13,
    TRAP_PAGE_FAULT = 14,
    TRAP_FPU = 16,
    TRAP_ALIGNMENT = 17,
    TRAP_MACHINE_CHECK = 18,
    TRAP_SIMD = 19,
};

#define PF_PRESENT  1u      /* page-fault error code: the entry was present (a protection fault) */
#define PF_WRITE    2u
#define PF_USER     4u
#define PF_RESERVED 8u
#define PF_FETCH    16u

/* below: exceptions. The 8259s, masked, have the first sixteen; spurious ones may still come */
#define VECTOR_EXTERNAL 0x20
#define VECTOR_FIRST    0x30
#define VECTOR_LAST     0xef
#define VECTOR_INT80    0x80        /* guests' Linux system call gate: never given out */
#define VECTOR_TIMER    0xf0
#define VECTOR_CALL     0xf1        /* another CPU wants this one in ring 0 (machine/ring0.h) */
#define VECTOR_SPURIOUS 0xff

/* One table for all CPUs; devices' handlers run on the boot CPU.
 * A free vector that calls handler(arg) from now on, or -1. */
int vector_alloc(void (*handler)(void *arg), void *arg) must_check;
void vector_free(int vector);
void vector_claim(int vector, void (*handler)(void *arg));  /* a fixed one: the timer */
void vectors_init(void);            /* the IDT */
void interrupt(unsigned int vector);        /* entry/traps.c: one arrived */
void idt_load(void);

#endif
