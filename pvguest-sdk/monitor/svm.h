/* SPDX-License-Identifier: MIT */
/* Hardware assistance: the guest runs on a processor of its own (DOMUS_run, <abi/domus.h>). */
#ifndef MONITOR_SVM_H
#define MONITOR_SVM_H

#include "interpret.h"

struct machine;

/* The nested tables, of all memory. -ENOSYS: the hypervisor is not Domus; -EOPNOTSUPP: there is no
 * such hardware, or it is switched off; -ENOMEM. */
int svm_prepare(struct machine *machine);
/* Runs it until something happens, and deals with that: what the interpreter says of the
 * instruction, if it was asked, else STEP_DONE. */
enum step run_assisted(struct machine *machine);

#endif
