/* SPDX-License-Identifier: MIT */
/*
 * A domU that is never where dom0 looks: what it shares with back ends changes while they read it,
 * by a second vCPU, and so do grants, and its grant table; XenBus goes from any state to any other,
 * with rings that are none; XenStore's requests are of every kind, with transactions, watches,
 * trees and permissions up to the quota; its console's indices jump; it says that it is suspended
 * when nobody has asked. storm=KIND on its command line says which. Nothing of it may be noticed
 * beside it, and whatever the operator does to it comes to an end (test_attackers.py). Skips when
 * it runs bare, without a XenStore. Idea: XSA-155 (double fetches), 390, 391 (rings and events),
 * 326, 418 to 421 (XenStore), 424 (a netback's locks).
 */
#include "storm.h"
#include "../lib/vcpus.h"

uint64_t strange(uint64_t *seed)
{
    static const uint64_t values[] = { 0, 1, 7, 8, 31, 32, 33, 255, 256, 4095, 4096, 65535, 65536,
                                       0x7fffffff, 0x80000000, 0xffffffff, 1ull << 52, ~0ull };
    uint64_t dice = next_random(seed);

    return dice % 4 ? dice >> 8 & 15 : values[(dice >> 8) % ARRAY_SIZE(values)];
}

void beside(void (*run)(unsigned long id))
{
    NEED(vcpu_count() > 1 && vcpu_prepare(1, run) == 0);
    NEED(HYPERVISOR_vcpu_op(VCPUOP_up, 1, NULL) == 0);
}

static const struct {
    const char *kind;
    void (*storm)(void);
} storms[] = {
    { "disk", storm_disk },     { "card", storm_card },       { "states", storm_states },
    { "store", storm_store },   { "console", storm_console }, { "grants", storm_grants },
    { "suspend", storm_suspend },
};

void test_main(void)
{
    char kind[16];

    if (!xs_available())
        test_skip("no XenStore");
    NEED(command_option("storm", kind, sizeof(kind)));
    printk("attack-storm: %s\n", kind);
    for (unsigned int i = 0; i < ARRAY_SIZE(storms); i++)
        if (!strcmp(kind, storms[i].kind))
            storms[i].storm();
    test_error("no storm=%s", kind);
}
