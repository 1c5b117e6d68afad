/* SPDX-License-Identifier: MIT */
/*
 * dom0: the control domain. The SDK has brought the guest up; this is its program, from top to
 * bottom the order in which the system comes to life. Each step needs only those before it.
 *
 * Command line: run="COMMANDS" runs commands separated by ';' before the prompt; consoles=on|off
 * says whether guests' output is shown on the terminal (on when there is a script); ip=10.0.2.10 is
 * dom0's own address on the bridge (none without); migrate=10.0.2.11 or any has guests taken
 * from other machines. A file init.rc in the boot archive runs first.
 */
#include "dom0/account.h"
#include "dom0/base.h"
#include "dom0/console/guests.h"
#include "dom0/console/terminal.h"
#include "dom0/guests/domains.h"
#include "dom0/network/br0.h"
#include "dom0/options.h"
#include "dom0/storage/archive.h"
#include "dom0/storage/disks.h"
#include "dom0/storage/files.h"
#include "dom0/worker.h"
#include "dom0/xc/control.h"
#include "dom0/xenstore/rings.h"
#include "dom0/xl/address.h"
#include "dom0/xl/commands.h"
#include "dom0/xl/moving.h"
#include <drivers/real.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/start.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

static struct archive archive;

static size_t memory_left(void)
{
    return free_page_count() * PAGE_BYTES;
}

static void must(int error, const char *what)
{
    if (error)
        panic("dom0: cannot start %s: %s\n", what, errno_name(error));
}

static void start_xenstore(void)
{
    must(xenstore_start(&xenstore_rings), "XenStore");
    must(xenstore_local_start(), "XenStore");
    must(xs_printf(XS_NONE, "/local/domain/0", "name", "Domain-0"), "XenStore");
    must(xs_printf(XS_NONE, "/local/domain/0", "domid", "0"), "XenStore");
}

/* One that has files for us is none of the guests', who have the first of the others. */
static void start_disks(void)
{
    struct blockdev *guests = NULL, *files = NULL, *disk;

    for (unsigned i = 0; (disk = real_disk(i)); i++) {
        if (!files && files_is_disk(disk))
            files = disk;
        else if (!guests)
            guests = disk;
        else
            printk("dom0: disk %s is not used: guests have the first one\n", disk->name);
    }
    disks_start(guests);
    files_start(files);
}

/* A machine without disk or card is a machine too. */
static void start_devices(const char *ip)
{
    int found = pci_scan();
    struct netport *card;

    if (found < 0)
        printk("dom0: no PCI: %s\n", errno_name(found));
    start_disks();
    card = found < 0 ? NULL : real_card(0);
    pci_name_undriven();
    must(br0_start(card), "the bridge");
    must(address_start(card, ip), "its own place at the bridge");
}

static void open_archive(void)
{
    struct archive_file file;
    size_t position = 0;
    unsigned files = 0;
    int more;

    archive.bytes = boot_module(&archive.size);
    if (!archive.bytes)
        archive.size = 0;
    while ((more = archive_next(&archive, &position, &file)) > 0)
        files++;
    if (more < 0)
        printk("dom0: the boot archive is damaged behind its file %u\n", files);
    printk("dom0: %u files in the boot archive\n", files);
}

static void complain(const char *word, size_t size)
{
    printk("dom0: \"%.*s\" on the command line is left out: known are run=\"COMMANDS\", "
           "consoles=on or off, "
           "ip=ADDRESS, migrate=ADDRESS or any\n",
           (int)MIN(size, (size_t)60), word);
}

static void run_scripts(const struct options *options)
{
    struct archive_file init;
    bool has_init = archive_find(&archive, "init.rc", &init, thread_yield) == 0;

    guest_consoles_show(options->consoles == CONSOLES_AS_USUAL ? options->run || has_init
                                                               : options->consoles == CONSOLES_ON);
    if (has_init)
        commands_script((const char *)init.data, init.size);
    if (options->run)
        commands_script(options->run, options->run_size);
}

void guest_main(void)
{
    static struct options options;

    terminal_start();
    printk("dom0: the control domain of Domus, %lu MiB\n", start_info->nr_pages / 256);
    options_parse(command_line(), &options, complain);
    event_storms = machine_cpus() != 1;
    account_start(memory_left);
    must(workers_start(), "its workers");
    start_xenstore();
    open_archive();
    start_devices(options.ip);
    must(domains_start(&archive), "the toolstack");
    moving_start(options.migrate);
    printk("dom0: ready; \"help\" lists the commands\n");
    run_scripts(&options);
    commands_prompt();
}
