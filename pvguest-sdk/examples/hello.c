/* SPDX-License-Identifier: MIT */
/*
 * The smallest guest: says hello on its console, tells what it was given, and powers off.
 * As module 1 it is a dom0; from dom0's prompt (`xl create`) it is a domU: the same file.
 */
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/start.h>
#include <pvguest/time.h>

void guest_main(void)
{
    long version = HYPERVISOR_xen_version(XENVER_version, NULL);
    size_t module_size;

    boot_module(&module_size);
    printk("Hello from domain %u!\n", own_domid());
    printk("  hypervisor  Xen %ld.%ld interface, \"%s\"\n", version >> 16, version & 0xffff,
           start_info->magic);
    printk("  memory      %lu pages, %lu of them free\n", nr_pages, free_page_count());
    printk("  arguments   \"%s\", module of %lu bytes\n", command_line(), module_size);
    printk("  time        %lu s after the epoch\n", wall_clock_ns() / NS_PER_S);
    printk("Goodbye.\n");
}
