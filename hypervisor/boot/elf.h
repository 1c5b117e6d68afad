/* SPDX-License-Identifier: MIT */
/* A PV kernel's ELF image: its segments, and what its notes say about how it wants to be loaded.
 * Pure; bytes in, facts out. */
#ifndef DOMUS_BOOT_ELF_H
#define DOMUS_BOOT_ELF_H

#include <abi/sums.h>            /* and no more: the host fuzzes this beside dom0's builder */

struct elf_facts {
    uint64_t virt_base;             /* VA of pseudo-physical address 0 */
    uint64_t virt_offset;           /* add to a p_paddr for its VA */
    uint64_t start, end;            /* VAs the segments span */
    uint64_t entry;
    uint64_t hypercall_page;        /* VA, or ELF_NONE */
    uint64_t init_p2m;              /* VA, or ELF_NONE: with the kernel */
    bool module_unmapped;           /* MOD_START_PFN: start_info names the module by frame */
};
#define ELF_NONE (~0ul)
#define ELF_MAX_NOTES 4096          /* looked at, whoever's they are */

/* 0: every address is one that a guest may map, on a page boundary where it names a page, and
 * [start, end), with the entry and the hypercall page in it, lies behind virt_base. Or -EINVAL with
 * *why. */
int elf_parse(const void *image, uint64_t size, struct elf_facts *facts, const char **why)
    __attribute__((warn_unused_result));

/* Calls copy(arg, va, bytes, n) for each piece to load; the rest of memory is zero already. After a
 * successful elf_parse. */
void elf_load(const void *image, const struct elf_facts *facts,
              void (*copy)(void *arg, uint64_t va, const void *bytes, uint64_t n), void *arg);

#endif
