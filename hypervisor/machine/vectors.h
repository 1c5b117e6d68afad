/* SPDX-License-Identifier: MIT */
/*
 * Interrupt vectors: who gets which. Handlers run in ring 0 on any CPU's stack, never nested but
 * over the idle loop, so they only note what happened: raise an event, set a work bit. The local
 * APIC is acknowledged after them.
 */
#ifndef DOMUS_MACHINE_VECTORS_H
#define DOMUS_MACHINE_VECTORS_H

#include "lib/types.h"

/* below: exceptions. The 8259s, masked, have the first sixteen; spurious ones may still come */
#define VECTOR_EXTERNAL 0x20
#define VECTOR_FIRST    0x30
#define VECTOR_LAST     0xef
#define VECTOR_INT80    0x80        /* guests' Linux system call gate: never given out */
#define VECTOR_TIMER    0xf0
#define VECTOR_SPURIOUS 0xff

/* A free vector that calls handler(arg) from now on, or -1. */
int vector_alloc(void (*handler)(void *arg), void *arg) must_check;
void vector_free(int vector);
void vector_claim(int vector, void (*handler)(void *arg));  /* a fixed one: the timer */
void vectors_init(void);            /* the IDT */
void interrupt(unsigned int vector);        /* entry/traps.c: one arrived */
void idt_load(void);

#endif
