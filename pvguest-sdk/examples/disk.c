/* SPDX-License-Identifier: MIT */
/*
 * A block client: opens the guest's first disk through the split driver and looks at it. With
 * `write` among its arguments it also counts its visits in the disk's last sector, so that the next
 * boot finds the number.
 */
#include <drivers/blkfront.h>
#include <pvguest/console.h>
#include <pvguest/mm.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/time.h>

static struct blkfront front;
static char buffer[65536] __attribute__((aligned(4096)));

void guest_main(void)
{
    int vdev = blkfront_first(),
        error = vdev < 0 ? vdev : blkfront_open(&front, (unsigned int)vdev);
    struct blockdev *disk = &front.device;
    uint64_t sectors = sizeof(buffer) / BLOCK_SECTOR, start = now_ns(), last;
    unsigned long used = 0, visits;
    char option[4];

    if (error) {
        printk("disk: no disk: %s\n", errno_name(error));
        return;
    }
    last = disk->sectors - 1;
    for (uint64_t at = 0; at + sectors <= 16 * sectors && at + sectors <= disk->sectors && !error;
         at += sectors) {
        error = block_read(disk, at, buffer, sectors);
        for (size_t i = 0; i < sizeof(buffer); i++)
            used += buffer[i] != 0;
    }
    printk("disk: %lu sectors; of the first MiB %lu bytes are not zero; read in %lu us: %s\n",
           disk->sectors, used, (now_ns() - start) / NS_PER_US, errno_name(error));
    if (command_option("write", option, sizeof(option)) && !block_read(disk, last, buffer, 1)) {
        visits = strncmp(buffer, "visits ", 7) ? 1 : strtoul(buffer + 7, NULL, 10) + 1;
        memset(buffer, 0, BLOCK_SECTOR);
        snprintf(buffer, BLOCK_SECTOR, "visits %lu\n", visits);
        error = block_write(disk, last, buffer, 1);
        if (!error)
            error = block_flush(disk);
        printk("disk: visit number %lu: %s\n", visits, errno_name(error));
    }
    blkfront_close(&front);
}
