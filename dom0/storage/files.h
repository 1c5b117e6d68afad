/* SPDX-License-Identifier: MIT */
/*
 * Files from outside, while the machine runs: a read-only disk with the serial number "domus-files"
 * (domus-run makes it), whose first sector is a line of text,
 *
 *     domus-files 1 SIZE              an archive of so many bytes begins in the next sector
 *     domus-files 1 error SENTENCE    why there is none now
 *
 * Reading that sector has whoever makes the disk put the archive together anew; the sectors behind
 * it stay the same until it is read again. Nobody else is believed: a disk that can be written is
 * none of these, for its guests could write the line.
 */
#ifndef DOM0_STORAGE_FILES_H
#define DOM0_STORAGE_FILES_H

#include "dom0/config/problem.h"
#include "dom0/storage/archive.h"
#include <drivers/block.h>

/* Is it such a disk? */
bool files_is_disk(struct blockdev *disk);

/* From now on it is the one that is read; NULL: there is none. */
void files_start(struct blockdev *disk);

/*
 * Reads the archive anew, calling `breathe` between pieces. 0, and it is whole and sound; its bytes
 * are the caller's to free (fresh->memory). Or -ENODEV (there is no such disk), -ENOENT (its maker
 * says why), -EINVAL (nonsense, or damaged), -EIO, -ENOMEM, and the problem.
 */
int files_read(struct archive *fresh, void (*breathe)(void), struct problem *problem);

#endif
