/* SPDX-License-Identifier: MIT */
/*
 * A guest that can be saved, and goes on where it was: `xl save saved PARTITION`, `xl restore
 * PARTITION`. It counts, on its console, and says when another life has begun. What it knows, it
 * knows in its own memory.
 */
#include <pvguest/console.h>
#include <pvguest/start.h>
#include <pvguest/suspend.h>
#include <pvguest/thread.h>

static void tell(struct suspend_hook *hook, bool restored)
{
    printk("saved: %s, as domain %u\n", restored ? "restored" : "going on", own_domid());
}

void guest_main(void)
{
    static struct suspend_hook hook = { .after = tell };

    suspend_hook(&hook);
    if (suspend_when_asked())
        printk("saved: there is no XenStore to ask\n");
    for (unsigned int count = 1; ; count++) {
        printk("saved: counted to %u\n", count);
        thread_sleep(500 * NS_PER_MS);
    }
}
