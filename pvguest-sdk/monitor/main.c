/* SPDX-License-Identifier: MIT */
/*
 * The monitor: a paravirtual guest that runs another kernel, unmodified, as a PC would. README.md
 * says how and why. Its words on the command line (`extra` of a configuration):
 *
 *   mode=emulate      the guest's kernel is interpreted, its user mode runs directly
 *   user=emulate      that is interpreted, too
 *   mode=trap         both run directly, and what traps is emulated
 *   mode=translate    user mode runs directly, the kernel is translated to code that does
 *   mode=svm          both run on the CPU's hardware assistance
 *   sites=tell        says where the kernel traps, each place once
 *   memory=32         of the guest, in MiB; else all that the domain has to spare
 *   kernel=NAME       what to boot, where the ramdisk is an archive (ustar) of several files
 *   module=NAME       a file of the archive that the kernel gets as its module
 *   args=...          the rest is the kernel's own command line, so it is the last word
 */
#include <pvguest/console.h>
#include <pvguest/errno.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include "code.h"
#include "interpret.h"
#include "machine.h"
#include "shadow.h"
#include "svm.h"
#include "translate.h"
#include "trap.h"

enum { SPARE_PAGES = 2048, LEAST = 4, MOST = 2048 };

static struct options {
    char text[1024], mode[16], user[16], sites[16], memory[16], kernel[100], module[100];
    const char *arguments;
} options;

static struct machine machine;

static void __attribute__((format(printf, 1, 0))) say(const char *format, va_list values)
{
    printk("monitor: ");
    vprintk(format, values);
    printk("\n");
}

static void __attribute__((format(printf, 1, 2), noreturn)) give_up(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    say(format, values);
    va_end(values);
    poweroff();
}

static bool take_word(char *word)
{
    static const struct { const char *name; char *value; size_t size; } known[] = {
        { "mode=", options.mode, sizeof(options.mode) },
        { "user=", options.user, sizeof(options.user) },
        { "sites=", options.sites, sizeof(options.sites) },
        { "memory=", options.memory, sizeof(options.memory) },
        { "kernel=", options.kernel, sizeof(options.kernel) },
        { "module=", options.module, sizeof(options.module) },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        size_t length = strlen(known[i].name);
        if (!strncmp(word, known[i].name, length))
            return strlcpy(known[i].value, word + length, known[i].size) < known[i].size;
    }
    return false;
}

static void read_options(void)
{
    char *rest = options.text, *word, *arguments;

    strlcpy(options.text, command_line(), sizeof(options.text));
    options.arguments = "";
    arguments = strstr(options.text, "args=");
    if (arguments && (arguments == options.text || arguments[-1] == ' ')) {
        options.arguments = arguments + 5;
        *arguments = 0;
    }
    while ((word = strsep(&rest, " ")) != NULL)
        if (*word && !take_word(word))
            give_up("`%s` is no word of mine: mode=, user=, sites=, memory=, kernel=, module=, "
                    "and args= as the last one", word);
}

static void choose_mode(void)
{
    machine.translating = !strcmp(options.mode, "translate");
    machine.kernel_direct = machine.translating || !strcmp(options.mode, "trap");
    machine.user_direct = strcmp(options.user, "emulate");
    machine.assisted = !strcmp(options.mode, "svm");
    machine.tells_sites = options.sites[0];
    if (!machine.kernel_direct && !machine.assisted && options.mode[0] &&
        strcmp(options.mode, "emulate"))
        give_up("mode=%s is not there: emulate, trap, translate or svm", options.mode);
    if (options.user[0] && (machine.user_direct || machine.kernel_direct || machine.assisted))
        give_up("user=%s: the word is user=emulate, and for mode=emulate", options.user);
}

static uint64_t memory_size(void)
{
    uint64_t spare = free_page_count() > SPARE_PAGES ? free_page_count() - SPARE_PAGES : 0, size;
    char *end = options.memory;

    spare -= spare / 256;                       /* memory.c has 16 bytes for each page */
    size = spare >> 8;
    if (options.memory[0]) {
        size = strtoul(options.memory, &end, 10);
        if (*end)
            give_up("memory=%s: a number of MiB", options.memory);
    }
    if (size < LEAST || size > MOST || size << 8 > spare)
        give_up("memory=%lu MiB: a guest has %d to %d, and this domain has %lu to spare; its "
                "`memory` is what to make larger", size, LEAST, MOST, spare >> 8);
    return size << 20;
}

static struct image find(struct image ramdisk, const char *name, const char *option)
{
    struct image file;

    if (archive_find(ramdisk, name, &file))
        give_up(*name ? "%s%s: no such file in the ramdisk"
                      : "the ramdisk is an archive: %sNAME says which of its files is the kernel",
                option, name);
    return file;
}

/* What of the guest runs directly needs its code known, and page tables. */
static void prepare_directly(struct image kernel)
{
    struct code_found found;
    int error = trap_init();

    if (error)
        give_up("the guest cannot run directly here: %s", errno_name(error));
    if (machine.translating && translate_init(&machine))
        give_up("no memory for a cache of translations: 5 MiB");
    if (!machine.kernel_direct || machine.translating) return;
    if (code_scan(&machine, kernel, &found))
        give_up("no memory for copies of the kernel's code");
    printk("monitor: %u functions of the kernel run directly, in them %u instructions replaced; %u "
           "not understood\n", found.functions, found.sites, found.left_out);
}

static void prepare_assisted(void)
{
    int error = svm_prepare(&machine);

    if (error == -ENOSYS)
        give_up("mode=svm needs a hypervisor that offers it, which is Domus");
    if (error == -EOPNOTSUPP)
        give_up("mode=svm needs a CPU with SVM and nested paging, and a hypervisor that was not "
                "told svm=off");
    if (error)
        give_up("mode=svm: no tables for the guest's memory: %s", errno_name(error));
}

static void load(void)
{
    struct image ramdisk, kernel, module = { NULL, 0 };
    const char *why = "";
    int error;

    ramdisk.bytes = boot_module(&ramdisk.size);
    if (!ramdisk.bytes)
        give_up("no kernel: ramdisk = \"...\" of this domain names a multiboot2 kernel, or an "
                "archive with one");
    kernel = find(ramdisk, options.kernel, "kernel=");
    if (options.module[0])
        module = find(ramdisk, options.module, "module=");
    error = load_kernel(&machine, kernel, module, options.arguments, &why);
    if (error)
        give_up("cannot load the kernel %s: %s (%s)",
                options.kernel[0] ? options.kernel : "in the ramdisk", why, errno_name(error));
    if (machine.assisted)
        prepare_assisted();
    else if (machine.user_direct || machine.kernel_direct)
        prepare_directly(kernel);
}

/* A disk and a card are there if the domain has them. */
static void attach(void)
{
    int disk = disk_attach(&machine.disk, &machine), card = card_attach(&machine.card, &machine);

    /* no such device; no XenStore (in dom0's place) */
    if (disk && disk != -ENOENT && disk != -ENODEV)
        give_up("the disk: %s", errno_name(disk));
    if (card && card != -ENOENT && card != -ENODEV)
        give_up("the network card: %s", errno_name(card));
}

static void type(void *unused)
{
    for (;;) {
        while (!serial_receive(&machine.serial, (uint8_t)console_getchar()))
            continue;                           /* lost, as on a line */
        irq_line(&machine, IRQ_SERIAL, serial_interrupts(&machine.serial));
        machine_wake();
    }
}

/* Nothing more is executed: the processor stands still. */
void machine_fail(struct machine *m, const char *format, ...)
{
    va_list values;

    if (m->over) return;
    m->over = m->failed = m->vcpu.halted = true;
    serial_flush(&m->serial);
    va_start(values, format);
    say(format, values);
    va_end(values);
}

void machine_end(struct machine *m, const char *why)
{
    bool failed = m->failed;

    machine_fail(m, "%s", why);
    m->failed = failed;
}

static void tell_counters(void)
{
    const struct trap_counters *c = &trap_counters;

    printk("monitor: %lu exits: %lu page faults, %lu privileged, %lu replaced, %lu system calls, "
           "%lu events\n", c->exits, c->page_faults, c->privileged, c->patched, c->system_calls,
           c->events);
    printk("monitor: %lu exceptions reflected; shadow: %lu entries filled, %lu reviewed, "
           "pruned %lu times\n", c->reflected, shadow_counters.fills, shadow_counters.reviews,
           shadow_counters.resets);
    printk("monitor: %lu blocks translated; %lu validations, cache emptied %lu times\n",
           c->blocks, c->validations, c->emptied);
}

void guest_main(void)
{
    uint64_t size;
    void *decoded;

    read_options();
    choose_mode();
    size = memory_size();
    if (memory_create(&machine, size))
        give_up("no memory for the guest");
    decoded = calloc(1, vcpu_decoded_size());
    vcpu_start(&machine.vcpu, &machine_ops, &machine, decoded);
    pic_reset(&machine.pic);
    pci_reset(&machine.pci);
    machine.serial.write = console_write;
    load();
    attach();
    printk("monitor: mode=%s, %lu MiB, entry %lx, arguments \"%s\"\n",
           options.mode[0] ? options.mode : "emulate", size >> 20, machine.vcpu.rip,
           options.arguments);
    if (!thread_create("type", type, NULL))
        give_up("no memory for a thread");
    run_machine(&machine);
    printk("monitor: %lu instructions interpreted\n", machine.vcpu.instructions);
    if (machine.user_direct)
        tell_counters();
    if (machine.failed)
        crash();
}
