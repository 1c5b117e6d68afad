/* SPDX-License-Identifier: MIT */
/*
 * Hardware assistance: a processor of a guest's making runs until something happens (DOMUS_run,
 * <abi/domus.h>). The essay is in svm.c.
 */
#ifndef DOMUS_SVM_SVM_H
#define DOMUS_SVM_SVM_H

#include "lib/types.h"

struct vcpu;

/* Once, by the boot CPU, when there is a heap; then by each CPU for itself. Where it cannot be had,
 * or is not wanted (svm=off), nothing is done, and svm_run says so. */
void svm_init(void);
void svm_cpu_init(void);

/* DOMUS_run, by v, which is current: its errors are there. */
long svm_run(struct vcpu *v, uint64_t arg) must_check;

/* For the auditor: the table that each CPU holds a reference of while a processor runs there. */
void svm_for_each_table(void (*seen)(mfn_t m));

#endif
