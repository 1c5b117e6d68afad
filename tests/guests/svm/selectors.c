/* SPDX-License-Identifier: MIT */
/*
 * Our DS and ES while a processor runs. At the exit a CPU may read their descriptors again, with
 * the processor's LDT, and shuts the machine down if one is bad: so the hypervisor must not have
 * ours loaded then. Here: they come back as they were, of either table, and one whose descriptor is
 * gone comes back null, since it was loaded anew and not kept by the CPU.
 */
#include "parts.h"
#include <pvguest/bits.h>

enum { FLAT = 7, OTHER = 8 };
#define DATA_DESCRIPTOR 0x00cff3000000ffff
#define SELECTOR(index, table) ((index) << 3 | (table) | 3)
#define OF_LDT 4

static uint64_t descriptors[512] __attribute__((aligned(4096)));

static void load(uint16_t ds, uint16_t es)
{
    asm volatile("mov %0, %%ds; mov %1, %%es" : : "r"((uint32_t)ds), "r"((uint32_t)es));
}

static void after_a_run(uint16_t ds, uint16_t es)
{
    uint16_t found_ds, found_es;

    vm_long(SAME("\xf4"));
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    asm volatile("mov %%ds, %0" : "=r"(found_ds));
    asm volatile("mov %%es, %0" : "=r"(found_es));
    CHECK_IS(found_ds, ds);
    CHECK_IS(found_es, es);
}

static void of_a_table(uint16_t table)
{
    uint64_t at = virt_to_machine(&descriptors[FLAT]);

    load(SELECTOR(FLAT, table), SELECTOR(OTHER, table));
    after_a_run(SELECTOR(FLAT, table), SELECTOR(OTHER, table));
    CHECK_IS(HYPERVISOR_update_descriptor(at, 0), 0);
    after_a_run(0, SELECTOR(OTHER, table));
    CHECK_IS(HYPERVISOR_update_descriptor(at, DATA_DESCRIPTOR), 0);
    load(0, 0);
}

static long set_ldt(const uint64_t *table, unsigned int entries)
{
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT };

    op.arg1.linear_addr = (unsigned long)table;
    op.arg2.nr_ents = entries;
    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

void data_segments(void)
{
    unsigned long frame = virt_to_mfn(descriptors);

    descriptors[FLAT] = descriptors[OTHER] = DATA_DESCRIPTOR;
    NEED(page_set_readonly(descriptors, true) == 0);
    CHECK_IS(HYPERVISOR_set_gdt(&frame, 512), 0);
    of_a_table(0);
    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    CHECK_IS(set_ldt(descriptors, 512), 0);
    of_a_table(OF_LDT);
    /* the whole table goes while they are loaded, and again there is none */
    load(SELECTOR(FLAT, OF_LDT), SELECTOR(OTHER, OF_LDT));
    CHECK_IS(set_ldt(NULL, 0), 0);
    after_a_run(0, 0);
    NEED(page_set_readonly(descriptors, false) == 0);
}
