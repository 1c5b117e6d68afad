/* SPDX-License-Identifier: MIT */
/*
 * Error numbers, as Xen counts them. Every fallible function of the SDK returns a negative one (or
 * an ERR_PTR, below); errno_name() turns one into its name for a message.
 */
#ifndef PVGUEST_ERRNO_H
#define PVGUEST_ERRNO_H

enum {
#define XEN_ERRNO(name, value) name = value,
#undef __XEN_PUBLIC_ERRNO_H__
#include <xen/errno.h>
};

/* "EINVAL" for 22 or -22; "E?" for a number Xen does not know. */
const char *errno_name(long error);

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
