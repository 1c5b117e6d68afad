/* SPDX-License-Identifier: MIT */
/* Lets drivers compile on the host for unit tests: there, an address is its own machine address. */
#ifndef DRIVERS_HOST_H
#define DRIVERS_HOST_H

#include <pvguest/mm.h>

#define virt_to_mfn(va) ((unsigned long)(uintptr_t)(va) >> PAGE_SHIFT)
#define virt_to_machine(va) ((uint64_t)(uintptr_t)(va))

#endif
