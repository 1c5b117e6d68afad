/* SPDX-License-Identifier: MIT */
/*
 * What boot leaves to the rest: what the boot loader told us, copied out of its tables before
 * anything can overwrite them (boot/multiboot.c), our image, and the first page tables.
 *
 * The state that boot.asm leaves: boot_l4 is loaded; slot 261 maps the image (4 KiB pages), slot
 * 262 maps the first 4 GiB of machine addresses with 2 MiB pages, writable, not executable, global.
 * Machine memory below 1 MiB is never given to anybody.
 */
#ifndef DOMUS_MACHINE_BOOT_INFO_H
#define DOMUS_MACHINE_BOOT_INFO_H

#include "lib/types.h"

#define BOOT_MAX_REGIONS 64
#define BOOT_MAX_MODULES 8
/* bytes of machine memory that the boot tables map at DIRECTMAP_VIRT */
#define BOOT_DIRECTMAP   (4ul << 30)

/* bytes, end exclusive; type as in e820 (1: usable RAM) */
struct region { uint64_t start, end; uint32_t type; };
/* machine addresses; line: arguments without the file name */
struct module { uint64_t start, end; char line[1024]; };

struct boot_info {
    char command_line[1024];
    /* It, or a module's, was longer than there is room for; so was the firmware's map. */
    bool line_cut, map_cut;
    uint32_t region_count, module_count;
    struct region regions[BOOT_MAX_REGIONS];                /* the firmware's map, sorted */
    struct module modules[BOOT_MAX_MODULES];
    uint8_t rsdp[64];
    bool have_rsdp;
};
extern struct boot_info boot_info;

/* Machine address range that boot occupies and memory_init must not give out: the image, and the
 * modules until dom0 is built. */
/* linker script: virtual, at IMAGE_VIRT + machine address */
extern char image_start[], image_end[];

/* The table we booted on; memory_init makes the one that stays (memory/paging.h) and takes slot 261
 * over from here. */
extern uint64_t boot_l4[512], image_l1[512];
#endif
