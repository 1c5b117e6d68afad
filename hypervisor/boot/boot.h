/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader told us, copied out of its tables before anything can overwrite them (boot/multiboot.c).
 *
 * The state that boot.asm leaves: hv_l4 is loaded; slot 261 maps the image (4 KiB pages), slot 262 maps the first 4 GiB of
 * machine addresses with 2 MiB pages, writable, not executable, global. Machine memory below 1 MiB is never given to anybody.
 */
#ifndef DOMUS_BOOT_BOOT_H
#define DOMUS_BOOT_BOOT_H

#include "lib/types.h"

#define BOOT_MAX_REGIONS 64
#define BOOT_MAX_MODULES 8
#define BOOT_DIRECTMAP   (4ul << 30)        /* bytes of machine memory that the boot tables map at DIRECTMAP_VIRT */

struct region { uint64_t start, end; uint32_t type; };     /* bytes, end exclusive; type as in e820 (1: usable RAM) */
struct module { uint64_t start, end; char line[256]; };    /* machine addresses; line: arguments without the file name */

struct boot_info {
    char command_line[256];
    uint32_t region_count, module_count;
    struct region regions[BOOT_MAX_REGIONS];                /* the firmware's map, sorted */
    struct module modules[BOOT_MAX_MODULES];
    uint8_t rsdp[64];
    bool have_rsdp;
};
extern struct boot_info boot_info;
void multiboot_read(uint32_t info_address);

/* Machine address range that boot occupies and memory_init must not give out: the image, and the modules until dom0 is built. */
extern char image_start[], image_end[];                     /* linker script: virtual, at IMAGE_VIRT + machine address */

/* The hypervisor's own top table: slots 256 to 271 of it are copied into every guest's L4. memory_init fills all sixteen. */
extern uint64_t hv_l4[512];

#endif
