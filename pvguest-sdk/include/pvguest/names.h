/* SPDX-License-Identifier: MIT */
/*
 * For kernels with names of their own. Some of the SDK's are those of a C library (memcpy, malloc)
 * or such as every kernel has (panic, printk, PAGE_SIZE). Compiled with -DPVGUEST_PREFIXED these
 * headers declare them as pvguest_memcpy, pvguest_panic, ... and leave macros of that kind out, so
 * that a kernel may have the plain ones for itself. The installed library itself uses nothing but
 * the prefixed names; the plain ones are in libpvlibc.a, a member each: who defines one of his own
 * gets his own. Which they are: pvguest-sdk/lib/names.
 */
#ifndef PVGUEST_NAMES_H
#define PVGUEST_NAMES_H

#ifdef PVGUEST_PREFIXED
#define PVGUEST_NAME(name) pvguest_##name
#else
#define PVGUEST_NAME(name) name
#endif

/* A clearer sentence than the compiler's. */
#if defined(__has_include)
#if !__has_include(<xen/xen.h>)
#error "Xen's public headers are missing; on Debian: apt-get install libxen-dev"
#endif
#endif

#endif
