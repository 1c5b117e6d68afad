/* SPDX-License-Identifier: MIT */
/* The file system as it lies on the disk, in blocks of 4 KiB:
 *
 *   | super | log header | log data ... | inodes ... | bitmap | data ...                    |
 *
 * Written by tools/mkfs.py, read and written by fs.c and log.c. The log makes every operation
 * atomic: see log.c. */
#pragma once
#include <stdint.h>

#define BLOCK_SIZE   4096
#define FS_MAGIC     0x414c5553u            /* "SULA" */
#define LOG_MAX      120                    /* blocks a transaction may hold */
#define DIRECT       12
#define INDIRECT     (BLOCK_SIZE / 4)
#define MAX_FILE     ((DIRECT + INDIRECT) * (uint64_t)BLOCK_SIZE)
#define ROOT_INODE   1

struct superblock {
    uint32_t magic, blocks;                 /* size of the whole file system in blocks */
    uint32_t inodes, inode_start;           /* how many, and the first block of the inode table */
    uint32_t bitmap, data_start;            /* one bitmap block: at most 32768 blocks, 128 MiB */
    uint32_t log_start;                     /* header block; LOG_MAX data blocks follow */
};

struct log_header {
    uint32_t count;                         /* 0: nothing to replay */
    /* of the home addresses below: a torn header counts as empty */
    uint32_t checksum;
    uint32_t home[LOG_MAX];                 /* where each logged block belongs */
};

struct disk_inode {                         /* 64 bytes */
    uint16_t type, device, links, unused;
    uint32_t size;
    uint32_t block[DIRECT + 1];             /* the last one is the indirect block */
};
#define INODES_PER_BLOCK (BLOCK_SIZE / sizeof(struct disk_inode))

#define NAME_MAX 30
struct dirent {                             /* 32 bytes; inode 0 marks a free slot */
    uint16_t inode;
    char name[NAME_MAX];                    /* NUL-padded, not terminated when full */
};
