/* SPDX-License-Identifier: MIT */
/*
 * @NAME@: a guest of Domus, and of Xen. The SDK has brought everything up when guest_main() begins:
 * console, memory, events, the clock, threads, XenStore. When it returns the domain powers off.
 */
#include <pvguest/console.h>
#include <pvguest/mm.h>
#include <pvguest/start.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>

static void count(void *name)
{
    for (int i = 1; i <= 3; i++) {
        printk("%s: %d\n", (const char *)name, i);
        thread_sleep(100 * NS_PER_MS);
    }
}

void guest_main(void)
{
    char greeting[64] = "Hello";
    uint64_t begin = now_ns();

    command_option("greeting", greeting, sizeof(greeting));
    printk("%s from @NAME@, domain %u, with %lu MiB\n", greeting, own_domid(), nr_pages / 256);
    if (!thread_create("counter", count, "counter"))
        panic("no memory for a thread\n");
    thread_sleep(500 * NS_PER_MS);
    printk("@NAME@ is done after %lu ms\n", (now_ns() - begin) / NS_PER_MS);
}
