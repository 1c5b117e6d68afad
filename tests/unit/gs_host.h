/* SPDX-License-Identifier: MIT */
/*
 * Several vCPUs on the host, in place of GS: included before everything else (a test's cflags). A
 * thread is the vCPU that it says it is.
 */
#ifndef TESTS_UNIT_GS_HOST_H
#define TESTS_UNIT_GS_HOST_H

struct cpu;
extern _Thread_local struct cpu *host_cpu;
#define cpu_by_gs() host_cpu

#endif
