/* SPDX-License-Identifier: MIT */
/* The boot, in order. boot.asm calls boot_main() in long mode, on the first page tables, with a
 * stack of its own. */
#include "boot/boot.h"
#include "boot/build_dom0.h"
#include "domain/console.h"
#include "domain/domain.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "lib/params.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/io.h"
#include "machine/lock_check.h"
#include "machine/serial.h"
#include "machine/vectors.h"
#include "memory/heap.h"
#include "memory/paging.h"
#include "svm/svm.h"
#include <abi/version.h>

extern struct cpu_stacks boot_stacks;
struct cpu_stacks boot_stacks aligned(4096);        /* boot.asm starts on boot_stacks.main */

void boot_main(uint32_t multiboot_info);

static void say_hello(void)
{
    uint64_t ram = 0;

    for (uint32_t i = 0; i < boot_info.region_count; i++)
        if (boot_info.regions[i].type == 1)
            ram += boot_info.regions[i].end - boot_info.regions[i].start;
    printk("Domus " DOMUS_VERSION
           ", a paravirtual hypervisor (Xen 4.17 PV ABI), image %lu KiB, machine %lu MiB",
           (uint64_t)(image_end - image_start) >> 10, ram >> 20);
}

static void give_modules_to_heap(void)
{
    for (uint32_t i = 0; i < boot_info.module_count; i++)
        heap_give(boot_info.modules[i].start, boot_info.modules[i].end);
}

static void interrupt_controllers_init(void)
{
    /* first: while the local APIC still listens to them */
    pics_silence();
    for (uint32_t i = 0; i < acpi.ioapic_count; i++)
        ioapic_add(ioremap(MADDR(acpi.ioapics[i].address), PAGE_SIZE, true),
                   acpi.ioapics[i].gsi_base);
    lapic_init(ioremap(MADDR(acpi.lapic_address), PAGE_SIZE, true));
}

void boot_main(uint32_t multiboot_info)
{
    /* from here on there is a `current` to write errors into */
    domains_init();
    cpu_init(&boot_cpu, &boot_stacks);
    lock_check_start();
    vectors_init();                             /* from here on a fault says where it was */
    multiboot_read(multiboot_info);
    serial_init(115200);
    params_parse(boot_info.command_line);
    if (params.baud != 115200)
        serial_init(params.baud);
    say_hello();
    if (boot_info.line_cut)
        log_warn("a command line is cut behind its character %zu",
                 sizeof(boot_info.command_line) - 1);
    if (boot_info.map_cut)
        log_warn("the firmware's memory map is cut behind its region %u", BOOT_MAX_REGIONS);
    if (boot_info.module_count > 2)
        log_warn("modules behind dom0's kernel and its archive are not used");
    acpi_init(boot_info.have_rsdp ? boot_info.rsdp : NULL);
    image_protect();
    memory_init(&boot_info);
    interrupt_controllers_init();
    time_init();
    timers_init();
    svm_init();
    start_other_cpus();
    policy_cpu_init(&boot_cpu);
    printk("%u CPU%s, %u interrupt lines, %lu MiB free", cpus_online, cpus_online == 1 ? "" : "s",
           ioapic_gsi_count(), heap_free_count() >> 8);
    if (boot_info.module_count == 0)
        panic("no kernel for dom0: GRUB's first module2 is missing");
    build_dom0(&boot_info.modules[0], boot_info.module_count > 1 ? &boot_info.modules[1] : NULL);
    give_modules_to_heap();
    console_listen();
    schedule_start();
}
