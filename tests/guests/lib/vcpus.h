/* SPDX-License-Identifier: MIT */
/* Further vCPUs of a micro-guest: each runs one function, on a stack of its own, with its events
 * masked. It must not return. */
#ifndef VCPUS_H
#define VCPUS_H

#include "test.h"

#define MOST_VCPUS 32

/* How many this domain has. */
unsigned int vcpu_count(void);
/* Gives vCPU id (not 0) what it is to run: 0, or the hypercall's error. Brought up by VCPUOP_up. */
long vcpu_prepare(unsigned int id, void (*run)(unsigned long id));
/* What it would be given: for who initialises it himself. */
void vcpu_context(struct vcpu_guest_context *context, unsigned int id,
                  void (*run)(unsigned long id));
/* The same, and more(context) says what else is in its context. */
long vcpu_prepare_with(unsigned int id, void (*run)(unsigned long id),
                       void (*more)(struct vcpu_guest_context *context));
/* Starts further vCPUs at run, so that with this one there are `most`, or all; how many. */
unsigned int vcpus_start(unsigned int most, void (*run)(unsigned long id));
/* How such a vCPU ends; and how this one waits until all have. */
void vcpu_end(unsigned long id) __attribute__((noreturn));
void vcpus_wait(unsigned int count);
/* The port of a vCPU's timer event; binds it if nobody has. */
int vcpu_timer_port(unsigned int id);
bool port_pending(int port);

#endif
