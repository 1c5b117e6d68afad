/* SPDX-License-Identifier: MIT */
/*
 * Files as people have them: kernels packed by gzip, or Linux's bzImage, which holds such a kernel;
 * ramdisks packed by gzip. Pure but for the memory it takes, which unpack_free() gives back.
 */
#ifndef DOM0_XC_UNPACK_H
#define DOM0_XC_UNPACK_H

#include "dom0/base.h"

struct unpacked {
    const uint8_t *bytes;
    size_t size;
    void *memory;                       /* Ours; NULL: the bytes are the file's own. */
    char why[160];                      /* The sentence of a refusal. */
};

/*
 * A kernel's ELF file, unpacked if it must be; what is of no known kind stays as it is. `breathe`
 * is called now and then. 0, or a negative errno with the sentence: packed by something else than
 * gzip
 * (-ENOEXEC), damaged (-EINVAL), no memory (-ENOMEM).
 */
int unpack_kernel(const uint8_t *file, size_t size, void (*breathe)(void), struct unpacked *out);

/* The same of a ramdisk. One that is not gzip's, or not only, stays as it is: its kernel may know
 * it. */
int unpack_ramdisk(const uint8_t *file, size_t size, void (*breathe)(void), struct unpacked *out);

void unpack_free(struct unpacked *unpacked);

#endif
