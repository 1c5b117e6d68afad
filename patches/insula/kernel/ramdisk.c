/* SPDX-License-Identifier: MIT */
/* A disk in memory: the module that the boot loader loaded beside the kernel. It forgets everything
 * at power-off. */
#include "kernel.h"
#include "disk_format.h"

static int ram_transfer(bool write, u64 block, void *page)
{
    u8 *at = ram_image + block * BLOCK_SIZE;

    if (block >= ram_image_size / BLOCK_SIZE) return -EIO;
    page_copy(write ? at : page, write ? page : at);
    return 0;
}

static int ram_flush(void)
{
    return 0;
}

struct disk *ramdisk_find(void)
{
    static struct disk ram = { "ram", 0, ram_transfer, ram_flush };

    ram.blocks = ram_image_size / BLOCK_SIZE;
    return ram.blocks ? &ram : NULL;
}
