/* SPDX-License-Identifier: MIT */
/*
 * The calls of the guest `privilege`, one or more for each row of the table of privileges, each
 * made again 64 times in a list (again.c). Its files are compiled here with this header before
 * them, by which HYPERVISOR_<name>() comes here. What it checks is not looked at: a call that was
 * made 64 times more leaves other things than it expects.
 */
#ifndef AGAIN_H
#define AGAIN_H

#define PVGUEST_HYPERCALL_H             /* in place of that header */
#include <abi/types.h>

long again(unsigned int number, unsigned long a1, unsigned long a2, unsigned long a3,
           unsigned long a4, unsigned long a5);
long hypercall_by_syscall(unsigned long nr, unsigned long a1, unsigned long a2, unsigned long a3,
                          unsigned long a4, unsigned long a5);

#define pvguest_call0(nr)                again((nr), 0, 0, 0, 0, 0)
#define pvguest_call1(nr, a)             again((nr), (a), 0, 0, 0, 0)
#define pvguest_call2(nr, a, b)          again((nr), (a), (b), 0, 0, 0)
#define pvguest_call3(nr, a, b, c)       again((nr), (a), (b), (c), 0, 0)
#define pvguest_call4(nr, a, b, c, d)    again((nr), (a), (b), (c), (d), 0)
#define pvguest_call5(nr, a, b, c, d, e) again((nr), (a), (b), (c), (d), (e))

#include "../lib/test.h"

#undef CHECK
#undef CHECK_IS
#undef CHECK_REFUSED
#undef NEED
#define CHECK(condition)              ((void)!(condition))
#define CHECK_IS(expression, wanted)  ((void)((long)(expression) == (long)(wanted)))
#define CHECK_REFUSED(expression)     ((void)(expression))
#define NEED(condition)               ((void)!(condition))

#endif
