/* SPDX-License-Identifier: MIT */
/* PCI configuration space by the two ports every PC has. A function is bus << 8 | device << 3 |
 * function. */
#pragma once
#include "x86.h"

enum {
    PCI_ID = 0,
    PCI_COMMAND = 4,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM = 0x2c,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT = 0x3c
};

static inline u32 pci_read(u32 function, u32 offset)
{
    outl(0xcf8, 0x80000000 | function << 8 | (offset & ~3u));
    return inl(0xcfc) >> 8 * (offset & 3);
}

static inline void pci_write(u32 function, u32 offset, u32 value)
{
    outl(0xcf8, 0x80000000 | function << 8 | (offset & ~3u));
    outl(0xcfc, value);
}
