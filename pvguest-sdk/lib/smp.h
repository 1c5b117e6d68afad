/* SPDX-License-Identifier: MIT */
/* What starts a vCPU, and what of the other files has a part for each. Inside the library only. */
#ifndef LIB_SMP_H
#define LIB_SMP_H

#include <pvguest/smp.h>

/* lib/smp.c, while the guest is saved (lib/suspend.c); on vCPU 0, with events masked. Each that was
 * ever started is up and stands still, so that its context is saved; in another life they have
 * their ports again, and each asks for its own things when it goes on to be what it was. They do
 * that by smp_release(), after an error of the hypervisor's, too. */
int smp_hold(void);
void smp_resume(void);                          /* restored */
void smp_release(void);

/* lib/smp_call.c: the queue of a vCPU's calls is closed while it is down. */
void calls_open(struct cpu *cpu);
bool calls_close(struct cpu *cpu);              /* false: there are some */
void calls_run(struct cpu *cpu);                /* there, events masked */
/* Waits until `ready`, or some time is over; answers calls. Events are masked. */
void calls_sleep(struct cpu *cpu, uint64_t timeout_ns);

void traps_context(struct vcpu_guest_context *context);
int time_start(unsigned int id);                /* the timer of another vCPU: its port, or error */
void time_go_on(void);                          /* restored: this vCPU's deadline */
struct pt_queue *pt_queue_create(void);

#endif
