/* SPDX-License-Identifier: MIT */
/* I/O ports of guests (emulate/ports.c): which a vCPU may use, and how. */
#ifndef DOMUS_EMULATE_PORTS_H
#define DOMUS_EMULATE_PORTS_H

#include "lib/types.h"

struct vcpu_ports {
    uint32_t iopl;                  /* PHYSDEVOP_set_iopl: emulated IOPL for in/out/cli/sti */
    /* PHYSDEVOP_set_iobitmap: guest VA of a bit a port, 0 allows; and how many ports it covers */
    uint64_t bitmap;
    uint32_t bitmap_ports;
};

#endif
