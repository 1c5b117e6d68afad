/* SPDX-License-Identifier: MIT */
/* Lets drivers compile on the host for unit tests: there, an address is its own machine address. */
#ifndef DRIVERS_HOST_H
#define DRIVERS_HOST_H

#include <pvguest/mm.h>

#define virt_to_mfn(va) ((unsigned long)(uintptr_t)(va) >> PAGE_SHIFT)
static inline uint64_t host_virt_to_machine(const void *va)
{
    return (uint64_t)(uintptr_t)va;
}
#define virt_to_machine host_virt_to_machine    /* also where its address is taken */

#endif
