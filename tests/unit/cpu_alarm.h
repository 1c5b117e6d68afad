/* SPDX-License-Identifier: MIT */
/* A limit in seconds of the CPU that this process really gets, for what may never end: waiting for
 * a CPU that others use is not its fault. SIGPROF ends it. 0: no limit any more. */
#ifndef TESTS_UNIT_CPU_ALARM_H
#define TESTS_UNIT_CPU_ALARM_H

#include <stddef.h>
#include <sys/time.h>

static inline void cpu_alarm(unsigned int seconds)
{
    setitimer(ITIMER_PROF, &(struct itimerval){ .it_value.tv_sec = seconds }, NULL);
}

#endif
