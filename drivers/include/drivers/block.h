/* SPDX-License-Identifier: MIT */
/*
 * The block device, as every disk driver offers it and every user sees it.
 *
 * A real disk (virtio_blk), a window on a disk (a partition), a RAM disk and the front end of a
 * split driver (blkfront) all fill in a struct blockdev; blkback, a file system or a partition
 * parser use it without knowing which one it is.
 *
 * The request belongs to the caller, who keeps it (and its buffers) alive until done() was called.
 * Because of that no driver ever needs memory to accept one: what does not fit the hardware queue
 * waits on a list threaded through the requests themselves, and submit() cannot fail for want of
 * room.
 *
 * Context: one call at a time. Where event handlers work (front ends, a guest without threads)
 * submit, kick, poll and serve are called with events masked; where they only wake (dom0), by
 * threads, which do not interrupt each other. done() is called in the same way, possibly before
 * submit() returns.
 */
#ifndef DRIVERS_BLOCK_H
#define DRIVERS_BLOCK_H

#include <abi/types.h>

/* every sector number and count in this interface is in units of 512 bytes */
#define BLOCK_SECTOR 512u
/* pieces of one request that every device takes: what fits a slot of blkif's ring */
#define BLOCK_SEGMENTS_ANY 11u
/* what a request has room for; how many a device takes is in its max_segments */
#define BLOCK_SEGMENTS_MAX 32u

/* BLOCK_IDENTIFY: as a read of one sector, of which the device writes its name (block_identify). */
enum block_operation { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_IDENTIFY };

/* One piece of a request's buffer. It begins at a multiple of BLOCK_SECTOR, else the request is
 * -EINVAL, and lies within one page: machine frames are not contiguous beyond that. */
struct block_segment {
    /* where the processor sees it; NULL when only a device will touch it */
    void *data;
    uint64_t machine;               /* the same bytes as machine address, for DMA and for grants */
    uint32_t length;                /* bytes, a multiple of BLOCK_SECTOR */
};

struct block_request {
    enum block_operation operation;
    uint64_t sector;                /* first sector */
    uint64_t sectors;               /* how many; for read and write the sum of the segments */
    unsigned int segments;
    struct block_segment segment[BLOCK_SEGMENTS_MAX];
    void (*done)(struct block_request *request, int status);    /* 0, or a negative errno */
    void *context;                  /* the caller's */
    struct block_request *next;     /* the driver's, while it has the request */
};

#define BLOCK_CAN_FLUSH   0x1u      /* has a volatile cache, and BLOCK_FLUSH empties it */
#define BLOCK_CAN_DISCARD 0x2u
#define BLOCK_READ_ONLY   0x4u
#define BLOCK_BY_DMA      0x8u      /* uses segment.machine only: data may be NULL */
#define BLOCK_CAN_IDENTIFY 0x10u

struct blockdev {
    const char *name;
    uint64_t sectors;
    uint32_t flags;                 /* BLOCK_* */
    unsigned int max_segments;      /* of one request; at least BLOCK_SEGMENTS_ANY */
    void (*submit)(struct blockdev *device, struct block_request *request);
    /* after the last submit of a batch: tell the device */
    void (*kick)(struct blockdev *device);
    /* complete what has finished, without waiting for the interrupt */
    void (*poll)(struct blockdev *device);
    /* A real disk whose user has set `wake` does no work in its interrupt: it calls wake, and the
     * user then serve, which completes at most `budget` transfers; true: there are more. */
    bool (*serve)(struct blockdev *device, unsigned int budget);
    void (*wake)(void *waker);
    void *waker;
    void *context;                  /* the driver's */
};

/* Checks the range and the kind against the device, then submits; what is wrong is completed at
 * once with -EINVAL, -EROFS or -EOPNOTSUPP. Every user goes through here, so no driver has to check
 * again. */
void block_submit(struct blockdev *device, struct block_request *request);
void block_kick(struct blockdev *device);

/* For any device: describes up to BLOCK_SEGMENTS_ANY pieces of `length` bytes at `data` (any
 * alignment that is a multiple of 512) as segments; their machine addresses come from machine_of()
 * (the SDK has virt_to_machine). Returns how many bytes fitted. */
size_t block_describe(struct block_request *request, void *data, size_t length,
                      uint64_t (*machine_of)(const void *address));

/* Transfers whole sectors and waits for the end; 0 or a negative errno. Waits by polling the
 * device, so it works before interrupts do and in any context with events masked or not. data is
 * 512-aligned memory of the SDK (image or direct map: virt_to_machine must know it). */
int block_read(struct blockdev *device, uint64_t sector, void *data, uint64_t sectors);
int block_write(struct blockdev *device, uint64_t sector, const void *data, uint64_t sectors);
int block_flush(struct blockdev *device);

/* The serial number that the device has from whoever made it (QEMU's serial=), of printable ASCII,
 * or what is before its first other byte. 0, -EOPNOTSUPP or -EIO; waits, as the others. */
#define BLOCK_SERIAL_BYTES 20u
int block_identify(struct blockdev *device, char serial[BLOCK_SERIAL_BYTES + 1]);

/* A window: sectors [first, first + sectors) of another device (a partition). */
struct block_window {
    struct blockdev device;
    struct blockdev *whole;
    uint64_t first;
};
int block_window_open(struct block_window *window, const char *name, struct blockdev *whole,
                      uint64_t first, uint64_t sectors);

/* A disk in memory: `memory` is mapped, `sectors` * 512 bytes long. */
struct ramdisk {
    struct blockdev device;
    uint8_t *memory;
};
void ramdisk_open(struct ramdisk *disk, const char *name, void *memory, uint64_t sectors);

#endif
