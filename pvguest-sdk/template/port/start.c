/* SPDX-License-Identifier: MIT */
/*
 * What @NAME@ begins with as a guest, in the place of its boot sector and its first page tables: 64
 * bits, paging on, a stack, .bss clear. This much is steps 1 and 2 of the guide. PORT.md says what
 * the others will meet.
 */
#include <pvguest/console.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/traps.h>

void guest_start(struct start_info *si)
{
    start_init(si);
    console_init();
    traps_init();       /* step 3: set_trap_handler() names the kernel's own */
    mm_init();          /* step 5: alloc_pages(), or take_memory() for your own */
    pvguest_printk("@NAME@: %lu MiB, command line \"%s\"\n", nr_pages / 256, command_line());

    /* step 8: events_init(), time_init(); then the kernel's own main() */

    pvguest_poweroff();
}
