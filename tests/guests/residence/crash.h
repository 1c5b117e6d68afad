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

#endif
