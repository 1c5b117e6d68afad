/* SPDX-License-Identifier: MIT */
/*
 * A debug build of a guest says what it is refused, on whatever hypervisor: behind a flush of many
 * updates, behind a function that returns nothing, and its own calls; not what is asked only to
 * know, and not the same again and again. tests/guests/test_debug_build.py reads the lines. Idea: a
 * port of xv6, whose writer saw nothing of a mistake in a page table but -22 from pt_flush.
 */
#include "../lib/test.h"

static void begin(const char *what)
{
    printk("BEGIN %s\n", what);
}

void test_main(void)
{
    uint64_t *page = alloc_zeroed_page(), good = virt_to_machine(page) | PROT_RW;
    uint64_t at = entry_address(page, 1);

    begin("updates");
    pt_invlpg(0x1000);                                  /* more than one call */
    pt_set(at, good);
    pt_set(at, (uint64_t)kernel_root_mfn << PAGE_SHIFT | PROT_RW);      /* a page table */
    pt_set(at, good);
    CHECK_REFUSED(pt_flush());
    begin("operations");
    pt_pin(4, virt_to_mfn(page));                       /* somebody can write it */
    CHECK_REFUSED(pt_flush());
    begin("hidden");
    event_unbind(4000);                                 /* nobody's */
    begin("own");
    CHECK_REFUSED(HYPERVISOR_xen_version(9999, NULL));
    begin("again");
    for (unsigned int i = 0; i < 100; i++)
        CHECK_REFUSED(HYPERVISOR_set_debugreg(9, 0));
    begin("asked");
    CHECK_REFUSED(may_be_refused(HYPERVISOR_xen_version(9999, NULL)));
    begin("end");
}
