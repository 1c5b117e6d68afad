/* SPDX-License-Identifier: MIT */
/* The image in memory: what of it may be written, what executed, and what this machine does
 * without: the SMAP instructions, the lock around ring 0. */
#include "boot/boot.h"
#include "lib/params.h"
#include "lib/string.h"
#include "machine/acpi.h"
#include "machine/io.h"
#include "machine/ring0.h"
#include "memory/paging.h"

extern char text_start[], text_end[], rodata_end[];
extern uint8_t *const smap_sites_start[], *const smap_sites_end[];
extern uint8_t *const ring0_sites_start[], *const ring0_sites_end[];

/* STAC and CLAC are invalid opcodes on CPUs without SMAP: make them three-byte nops there. Before
 * the text is read-only. */
static void patch_smap(void)
{
    if (cpu_has_smap()) return;
    for (uint8_t *const *site = smap_sites_start; site < smap_sites_end; site++)
        memcpy(*site, "\x0f\x1f\x00", 3);
}

/* A CPU alone needs no lock: the calls that take and drop it become five-byte nops. */
static void patch_ring0(void)
{
    ring0_shared = acpi.cpu_count > 1 && params.max_cpus != 1;
    if (ring0_shared) return;
    for (uint8_t *const *site = ring0_sites_start; site < ring0_sites_end; site++)
        memcpy(*site, "\x0f\x1f\x44\x00\x00", 5);
}

void image_protect(void)
{
    patch_smap();
    patch_ring0();
    for (uint64_t i = 0; i < 512; i++) {
        uint64_t va = ((uint64_t)text_start & ~0x1fffffUL) + i * PAGE_SIZE;
        uint64_t flags = HV_RW;

        if (va < (uint64_t)text_start || va >= (uint64_t)image_end)
            flags = 0;
        else if (va < (uint64_t)text_end)
            flags = PTE_PRESENT | PTE_ACCESSED | PTE_G;
        else if (va < (uint64_t)rodata_end)
            flags = HV_RO;
        image_l1[i] = flags ? (image_l1[i] & PTE_MFN_MASK) | flags : 0;
    }
    write_cr3(read_cr3());
}
