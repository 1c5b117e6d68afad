/* SPDX-License-Identifier: MIT */
/*
 * Error numbers, as Xen counts them. Every fallible function of the SDK returns a negative one (or
 * an ERR_PTR, below); errno_name() turns one into its name for a message.
 */
#ifndef PVGUEST_ERRNO_H
#define PVGUEST_ERRNO_H

#include <abi/types.h>

enum {
#define XEN_ERRNO(name, value) name = value,
#undef __XEN_PUBLIC_ERRNO_H__
#include <xen/errno.h>
};

/* "EINVAL" for 22 or -22; "E?" for a number Xen does not know. */
const char *errno_name(long error);

/*
 * Why this vCPU's last refused hypercall was refused, in a line: the call, the error, a sentence,
 * which frame, level, slot and entry it was about, where in the hypervisor. 260 bytes have room for
 * all of it. 0; -ENOENT when none was refused yet; -ENOSYS on a hypervisor that does not say (real
 * Xen): then words is "".
 */
long hypercall_reason(char *words, size_t size);

/* A pointer that may be an error: the last page of the address space is never mapped. */
static inline void *ERR_PTR(long error)
{
    return (void *)error;
}
static inline long PTR_ERR(const void *p)
{
    return (long)p;
}
static inline _Bool IS_ERR(const void *p)
{
    return (unsigned long)p >= (unsigned long)-4095L;
}

#endif
