/* SPDX-License-Identifier: MIT */
/* Lets the back ends compile on the host for test_backends.c: there, an address is its own machine address. */
#ifndef BACKENDS_HOST_H
#define BACKENDS_HOST_H

#include <pvguest/mm.h>

#define virt_to_mfn(va) ((unsigned long)(uintptr_t)(va) >> PAGE_SHIFT)

#endif
