/* SPDX-License-Identifier: MIT */
/* The steps of boot_main (boot/main.c) that are boot's own. */
#ifndef DOMUS_BOOT_BOOT_H
#define DOMUS_BOOT_BOOT_H

#include "machine/boot_info.h"

void multiboot_read(uint32_t info_address);
/* code read-only and executable, constants read-only, the rest writable, never both */
void image_protect(void);
void start_other_cpus(void);        /* boot/smp.c: found, started, identified and parked */

#endif
