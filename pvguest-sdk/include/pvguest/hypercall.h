/* SPDX-License-Identifier: MIT */
/*
 * How a hypercall is made. The named calls, HYPERVISOR_<name>(), are generated on top of this file
 * into <pvguest/hypercalls.h>; include that one.
 *
 * Two forms exist and both are always there:
 *  - through the hypercall page: Xen fills a page of our image (the HYPERCALL_PAGE note) with 32
 *    bytes of code per call, and we call into it. This is what Xen documents, and the default;
 *  - a raw `syscall` with the number in rax: what the page's code does today.
 * Compile with -DPVGUEST_RAW_SYSCALL to have the named calls of that file use the second form.
 *
 * Arguments go in rdi, rsi, rdx, r10, r8, r9; the result comes in rax, negative for an error.
 * `syscall` destroys rcx and r11, and the hypervisor may destroy the argument registers: hence the
 * "+r" of every argument.
 */
#ifndef PVGUEST_HYPERCALL_H
#define PVGUEST_HYPERCALL_H

#include <abi/types.h>

extern char hypercall_page[];   /* lib/head.asm */


/* `nr` must be a constant: the macros paste it into the instruction as an immediate. */
#define PVGUEST_BY_PAGE    "call hypercall_page + %c[n] * 32"
#define PVGUEST_BY_SYSCALL "movl %[n], %%eax; syscall"
#ifdef PVGUEST_RAW_SYSCALL
#define PVGUEST_FORM PVGUEST_BY_SYSCALL
#else
#define PVGUEST_FORM PVGUEST_BY_PAGE
#endif

#define PVGUEST_ARG1(a) register unsigned long a1_ __asm__("rdi") = (a);
#define PVGUEST_ARG2(a) register unsigned long a2_ __asm__("rsi") = (a);
#define PVGUEST_ARG3(a) register unsigned long a3_ __asm__("rdx") = (a);
#define PVGUEST_ARG4(a) register unsigned long a4_ __asm__("r10") = (a);
#define PVGUEST_ARG5(a) register unsigned long a5_ __asm__("r8")  = (a);

/* What a call reads, beside its arguments, and what it leaves changed. */
#define PVGUEST_ENDS(nr) [n] "i" (nr) : "rcx", "r11", "memory"

#define pvguest_call0(nr) ({ long result_; \
    __asm__ volatile(PVGUEST_FORM : "=a" (result_) : PVGUEST_ENDS(nr)); result_; })
#define pvguest_call1(nr, a) ({ long result_; \
    PVGUEST_ARG1(a) \
    __asm__ volatile(PVGUEST_FORM : "=a" (result_), "+r" (a1_) : PVGUEST_ENDS(nr)); result_; })
#define pvguest_call2(nr, a, b) ({ long result_; \
    PVGUEST_ARG1(a) PVGUEST_ARG2(b) \
    __asm__ volatile(PVGUEST_FORM : "=a" (result_), "+r" (a1_), "+r" (a2_) \
                     : PVGUEST_ENDS(nr)); result_; })
#define pvguest_call3(nr, a, b, c) ({ long result_; \
    PVGUEST_ARG1(a) PVGUEST_ARG2(b) PVGUEST_ARG3(c) \
    __asm__ volatile(PVGUEST_FORM : "=a" (result_), "+r" (a1_), "+r" (a2_), "+r" (a3_) \
                     : PVGUEST_ENDS(nr)); result_; })
#define pvguest_call4(nr, a, b, c, d) ({ long result_; \
    PVGUEST_ARG1(a) PVGUEST_ARG2(b) PVGUEST_ARG3(c) PVGUEST_ARG4(d) \
    __asm__ volatile(PVGUEST_FORM : "=a" (result_), "+r" (a1_), "+r" (a2_), "+r" (a3_), "+r" (a4_) \
                     : PVGUEST_ENDS(nr)); result_; })
#define pvguest_call5(nr, a, b, c, d, e) ({ long result_; \
    PVGUEST_ARG1(a) PVGUEST_ARG2(b) PVGUEST_ARG3(c) PVGUEST_ARG4(d) PVGUEST_ARG5(e) \
    __asm__ volatile(PVGUEST_FORM : "=a" (result_), "+r" (a1_), "+r" (a2_), "+r" (a3_), \
                     "+r" (a4_), "+r" (a5_) : PVGUEST_ENDS(nr)); result_; })

/*
 * Any number, any arguments, in the form of your choice: for tests, benchmarks and fuzzers. The
 * page has room for 128 calls; a larger number through it is answered -ENOSYS here.
 */
long hypercall_by_page(unsigned long nr, unsigned long a1, unsigned long a2, unsigned long a3,
                       unsigned long a4, unsigned long a5);
long hypercall_by_syscall(unsigned long nr, unsigned long a1, unsigned long a2, unsigned long a3,
                          unsigned long a4, unsigned long a5);

#endif
