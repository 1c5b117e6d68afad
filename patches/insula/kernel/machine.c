/* SPDX-License-Identifier: MIT */
/* The machine's power switch. */
#include "kernel.h"

/* The power management control register of QEMU's q35 chipset; soft-off is "sleep state 5, now". A kernel for any PC
 * would read the port and the value from ACPI's FADT and DSDT instead. */
enum { PM_CONTROL = 0x604, SLEEP_NOW = 0x2000 };

void power_off(void)
{
    interrupts_off();
    outw(PM_CONTROL, SLEEP_NOW);
    for (;;)
        __asm__ volatile("hlt");
}
