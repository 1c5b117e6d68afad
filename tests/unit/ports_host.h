/* SPDX-License-Identifier: MIT */
/*
 * Port instructions on the host: a driver's own `in` and `out` fault here, and
 * the test that includes this answers with read_port() and write_port(). Likewise RDTSC, while
 * prctl(PR_SET_TSC, PR_TSC_SIGSEGV) is on: it defines HOST_TSC and answers with host_tsc(). Needs
 * -D_GNU_SOURCE.
 */
#ifndef PORTS_HOST_H
#define PORTS_HOST_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

static uint32_t read_port(uint16_t port, unsigned int bytes);
static void write_port(uint16_t port, unsigned int bytes, uint32_t value);

#ifdef HOST_TSC
static uint64_t host_tsc(void);
#endif

static unsigned int port_accesses;

static void port_fault(int number, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)r[REG_RIP];
    bool half = *at == 0x66;
    uint8_t opcode = at[half];
    unsigned int bytes = opcode & 1 ? (half ? 2 : 4) : 1;
    bool immediate = (opcode & 0xfc) == 0xe4;       /* the port is in the instruction, not in dx */
    uint16_t port = immediate ? at[half + 1] : (uint16_t)r[REG_RDX];
    uint64_t mask = bytes == 4 ? UINT32_MAX : (1u << 8 * bytes) - 1;

#ifdef HOST_TSC
    if (at[0] == 0x0f && at[1] == 0x31) {
        uint64_t tsc = host_tsc();

        r[REG_RAX] = (greg_t)(uint32_t)tsc;
        r[REG_RDX] = (greg_t)(tsc >> 32);
        r[REG_RIP] += 2;
        return;
    }
#endif
    if ((opcode & 0xf4) != 0xe4)
        abort();
    port_accesses++;
    if (!(opcode & 2)) {
        uint64_t old = bytes == 4 ? 0 : (uint64_t)r[REG_RAX] & ~mask;

        r[REG_RAX] = (greg_t)(old | (read_port(port, bytes) & mask));
    } else {
        write_port(port, bytes, (uint32_t)((uint64_t)r[REG_RAX] & mask));
    }
    r[REG_RIP] += 1 + half + immediate;
}

/* Each test's first call: cmocka has a handler of its own, which it sets just before. */
static inline void take_port_faults(void)
{
    struct sigaction action = { .sa_sigaction = port_fault, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
}

#endif
