/* SPDX-License-Identifier: MIT */
/* The end: the machine's power switch, and what the kernel says when it cannot go on. */
#include "kernel.h"

/* The power management control register of QEMU's q35 chipset; soft-off is "sleep state 5, now". A
 * kernel for any PC would read the port and the value from ACPI's FADT and DSDT instead. */
enum { PM_CONTROL = 0x604, SLEEP_NOW = 0x2000 };

void power_off(void)
{
    outw(PM_CONTROL, SLEEP_NOW);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void kpanic(const char *format, ...)
{
    va_list args;

    kprintf("Insula: PANIC: ");
    va_start(args, format);
    kvprintf(format, args);
    va_end(args);
    kprintf("\n");
    power_off();
}
