/* SPDX-License-Identifier: MIT */
/* What residence/main.c has of crash.c, and gives it. */
#ifndef CRASH_H
#define CRASH_H

#include "../lib/test.h"
#include <xen/domctl.h>

void a_crash(unsigned long frame_to_clear);
long control(struct xen_domctl *op, uint32_t command, domid_t domain);

/* The longest questions about a domain that has never run, and has that frame (told.c). */
void told(domid_t domain, unsigned long frame);

/* All domains walked over, when there are many. */
void a_crowd(void);

/* Many domains that end at their first turn, one behind the other. */
void many_crashes(void);

/* Every row of the table of privileges, 64 times each (again.c). */
void every_row(void);

/* What the control domain asks at its longest, of a vCPU and of the machine (asked.c). */
void asked_at_length(void);

/* The same call, as often as a multicall of CALLS has it. */
#define CALLS 64
#define MANY(number, ...) many((number), (const unsigned long[6]){ __VA_ARGS__ })
void many(unsigned long number, const unsigned long arguments[6]);

static inline unsigned long address(const void *p)
{
    return (unsigned long)p;
}

#endif
