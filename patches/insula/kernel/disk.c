/* SPDX-License-Identifier: MIT */
/* The one disk that holds the file system: the first driver that finds one. A real disk goes before an image that the
 * boot loader left in memory. */
#include "kernel.h"

struct disk *disk;

void disk_init(void)
{
    static struct disk *(*const drivers[])(void) = { virtio_block_find, ramdisk_find };

    for (u32 i = 0; i < sizeof drivers / sizeof *drivers && !disk; i++)
        disk = drivers[i]();
    if (!disk)
        panic("no disk");
    printk("Insula: disk %s, %lu blocks\n", disk->name, disk->blocks);
}
