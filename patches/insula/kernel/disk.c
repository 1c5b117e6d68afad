/* SPDX-License-Identifier: MIT */
/* The one disk that holds the file system: the first driver that finds one. An image that the boot
 * loader left in memory goes before a real disk: somebody put it there on purpose. */
#include "kernel.h"

struct disk *disk;

void disk_init(void)
{
    static struct disk *(*const drivers[])(void) = { ramdisk_find, virtio_block_find };

    for (u32 i = 0; i < sizeof drivers / sizeof *drivers && !disk; i++)
        disk = drivers[i]();
    if (!disk)
        kpanic("no disk");
    kprintf("Insula: disk %s, %lu blocks\n", disk->name, disk->blocks);
}
