/* SPDX-License-Identifier: MIT */
/*
 * The SDK on the host: included before everything else by the tests of its files (their cflags). A
 * hypercall is a call of the test's host_hypercall(), with the number and the arguments as the
 * hypervisor gets them; an address is its own machine address.
 */
#ifndef TESTS_UNIT_SDK_HOST_H
#define TESTS_UNIT_SDK_HOST_H

/* In place of <pvguest/hypercall.h>, on which the generated calls stand. */
#define PVGUEST_HYPERCALL_H
long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e);
#define pvguest_call0(nr) host_hypercall(nr, 0, 0, 0, 0, 0)
#define pvguest_call1(nr, a) host_hypercall(nr, a, 0, 0, 0, 0)
#define pvguest_call2(nr, a, b) host_hypercall(nr, a, b, 0, 0, 0)
#define pvguest_call3(nr, a, b, c) host_hypercall(nr, a, b, c, 0, 0)
#define pvguest_call4(nr, a, b, c, d) host_hypercall(nr, a, b, c, d, 0)
#define pvguest_call5(nr, a, b, c, d, e) host_hypercall(nr, a, b, c, d, e)

#include <pvguest/mm.h>

#define virt_to_mfn(va) ((unsigned long)(uintptr_t)(va) >> PAGE_SHIFT)
#define virt_to_machine(va) ((uint64_t)(uintptr_t)(va))
#define mfn_to_pfn(mfn) host_pfn_of(mfn)        /* the test's, if it comes to that */
unsigned long host_pfn_of(unsigned long mfn);
#define mfn_to_virt(mfn) ((void *)(uintptr_t)((mfn) << PAGE_SHIFT))

#endif
