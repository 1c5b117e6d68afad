/* SPDX-License-Identifier: MIT */
/*
 * Two vCPUs on two CPUs that make calls at the same time: how often one waits for the other to
 * leave ring 0 is counted there, and bench.py reads it from the console (debug key `l`). Once with
 * work of their own in between, as guests have; once with nothing else, which is the most that
 * there can be.
 */
#include "bench.h"
#include <pvguest/smp.h>
#include <xen/sysctl.h>

#define CALLS 100000u

static unsigned int own_work;       /* instructions between two calls, about */
static unsigned int here;           /* so many have come */

static void call_often(void *unused)
{
    __atomic_add_fetch(&here, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&here, __ATOMIC_SEQ_CST) % 2)
        ;
    for (unsigned int i = 0; i < CALLS; i++) {
        for (unsigned int n = own_work / 2; n; n--)
            asm volatile("");
        (void)HYPERVISOR_xen_version(XENVER_version, NULL);
    }
}

static void show(const char *title)
{
    char key = 'l';
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys,
                             .interface_version = XEN_SYSCTL_INTERFACE_VERSION,
                             .u.debug_keys.nr_keys = 1 };

    set_xen_guest_handle(op.u.debug_keys.keys, &key);
    printk("BENCH %s\n", title);
    must(HYPERVISOR_sysctl(&op), "debug key");
}

static void both_call(const char *title, unsigned int instructions)
{
    own_work = instructions;
    must(smp_start(1, call_often, NULL), "smp_start");
    call_often(NULL);
    smp_wait(1);
    show(title);
}

void bench_contention(void)
{
    show("before");
    both_call("2,000 instructions between two null hypercalls", 2000);
    both_call("null hypercalls, one after the other", 0);
}
