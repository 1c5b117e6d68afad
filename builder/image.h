/* SPDX-License-Identifier: MIT */
/*
 * A guest's kernel image: ELF64 with Xen's notes. Pure; it believes nothing in the file.
 *
 * Addresses: a segment's physical address p becomes the virtual address p - paddr_offset +
 * virt_base, where the initial page tables map virt_base + pfn * 4096 (<xen/elfnote.h>, VIRT_BASE
 * and PADDR_OFFSET).
 */
#ifndef BUILDER_IMAGE_H
#define BUILDER_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <abi/sums.h>

#define IMAGE_MAX_SEGMENTS 16u
#define IMAGE_MAX_NOTES 4096u           /* Looked at, in all, whoever's they are. */
#define IMAGE_MAX_TEXT 16384u           /* Bytes of a section __xen_guest. */
#define IMAGE_MAX_BYTES (16ull << 30)   /* From VIRT_BASE to the end of the last segment. */
#define IMAGE_ABSENT UINT64_MAX         /* A note that is not there. */

struct image_segment {
    uint64_t va, memory_size, file_size;
    const uint8_t *bytes;
};

struct image {
    uint64_t virt_base, entry, hypercall_page, init_p2m, paddr_offset;
    /* MOD_START_PFN, if not 0: the ramdisk need not be mapped. */
    uint64_t module_by_pfn;
    uint64_t low, high;                 /* The virtual extent of all segments. */
    unsigned segment_count;
    struct image_segment segment[IMAGE_MAX_SEGMENTS];
    char why[200];                      /* The sentence of a refusal. */
};

/*
 * 0: every address in *image is one that a guest may map, on a page boundary where it names a page,
 * and all segments, the entry and the hypercall page lie in [virt_base, high). Or -ENOEXEC with
 * `*why` a sentence for the operator, which says what number is wrong and what is allowed; it is
 * part of *image.
 */
int image_parse(const uint8_t *file, size_t size, struct image *image, const char **why);

#endif
