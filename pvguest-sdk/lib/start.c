/* SPDX-License-Identifier: MIT */
/*
 * Start of day: from the first C instruction to guest_main(). The order is the order of need:
 * printing needs the console, everything that may fault needs traps, memory needs nothing but
 * start_info, and so on. A kernel with its own idea defines its own guest_start and calls what it
 * wants; then this file is not linked, but for the small facts in lib/start_info.c.
 */
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <pvguest/traps.h>
#include <pvguest/xenstore.h>

static void main_thread(void *unused)
{
    int error = xs_init();

    /* dom0 starts without a store: it is the one who will run it. */
    if (error && error != -ENODEV)
        printk("pvguest: no XenStore: %s\n", errno_name(error));
    guest_main();
    poweroff();
}

void guest_start(struct start_info *si)
{
    start_init(si);
    console_init();
    traps_init();
    mm_init();
    events_init();
    time_init();
    threads_init();
    console_init_events();
    if (grants_init())
        printk("pvguest: no grant table\n");
    events_unmask_all();
    if (!thread_create("main", main_thread, NULL))
        panic("pvguest: no memory for the first thread\n");
    /* the boot stack has done its duty; the scheduler goes on with the main thread */
    thread_exit();
}
