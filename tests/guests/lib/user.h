/* SPDX-License-Identifier: MIT */
/*
 * Guest user mode with one page of code and one of stack, and nothing of the kernel in it. The
 * kernel is entered on the probe's own stack, so probes (way_user) go there and come back by
 * whatever their code does.
 */
#ifndef USER_H
#define USER_H

#include "probe.h"

#define USER_CODE  0x10000000UL
#define USER_STACK 0x10001000UL

/* User page tables with the two pages; the machine frame of their L4. */
unsigned long user_space(void);
void user_space_end(void);
/* What lies at USER_CODE: these bytes, and int3 behind them. */
void user_code(const void *bytes, size_t length);
extern unsigned char *user_stack;       /* the page at USER_STACK, as the kernel sees it */

#endif
