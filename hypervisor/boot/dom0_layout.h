/* SPDX-License-Identifier: MIT */
/* Where things lie in the first domain's memory at its start (build_dom0.c draws it). Pure
 * arithmetic. */
#ifndef DOMUS_BOOT_DOM0_LAYOUT_H
#define DOMUS_BOOT_DOM0_LAYOUT_H

#include "boot/elf.h"

struct dom0_layout {
    uint64_t archive_va, p2m_va, info_va, tables_va, stack_va, end_va;
    uint64_t archive_pfn, p2m_pfn;  /* where they are, mapped or not */
    uint64_t p2m_pages;             /* of the list: 8 bytes a page of the domain */
    uint64_t tables_room;           /* the most page tables that what is mapped can need */
};

/* For what elf_parse lets pass; the other numbers may be any. 0, or -EINVAL (addresses) or -ENOMEM
 * with *why. */
int dom0_layout(const struct elf_facts *elf, uint64_t archive_size, uint64_t pages,
                struct dom0_layout *layout, const char **why) __attribute__((warn_unused_result));

#endif
