/* SPDX-License-Identifier: MIT */
/* SCHEDOP calls: giving way, sleeping, ending. */
#include <pvguest/bits.h>
#include <pvguest/hypercalls.h>
#include <pvguest/sched.h>
#include <pvguest/time.h>

void shutdown(unsigned int reason)
{
    struct sched_shutdown op = { .reason = reason };

    HYPERVISOR_sched_op(SCHEDOP_shutdown, &op);
}

/* The hypervisor may let a domain that has shut down run a last moment; it must not run on. */
static void __attribute__((noreturn)) stop(unsigned int reason)
{
    for (;;) {
        shutdown(reason);
        vcpu_yield();
    }
}

void poweroff(void)
{
    stop(SHUTDOWN_poweroff);
}
void crash(void)
{
    stop(SHUTDOWN_crash);
}

void vcpu_yield(void)
{
    HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
}

void vcpu_block(void)
{
    HYPERVISOR_sched_op(SCHEDOP_block, NULL);
}

int vcpu_poll(const uint32_t *ports, unsigned int count, uint64_t timeout_ns)
{
    struct sched_poll op = { .nr_ports = count, .timeout = time_to_system(timeout_ns) };

    set_xen_guest_handle(op.ports, (uint32_t *)(uintptr_t)ports);
    return (int)HYPERVISOR_sched_op(SCHEDOP_poll, &op);
}
