/* SPDX-License-Identifier: MIT */
/*
 * An attacker masks all events and spins for ever, never calling the hypervisor: the scheduler must
 * take the CPU from it. As dom0 it can only be looked at for a while, by the clock; as a domU the
 * system test destroys it. Idea: acceptance "spinning with interrupts masked".
 */
#include "../lib/test.h"

void test_main(void)
{
    uint64_t start = now_ns();

    events_mask_all();
    printk("attack-spin: spinning with events masked\n");
    while (!is_dom0() || now_ns() < start + 2 * NS_PER_S)
        asm volatile("pause");
    CHECK(HYPERVISOR_xen_version(XENVER_version, NULL) > 0);
}
