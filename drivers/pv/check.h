/* SPDX-License-Identifier: MIT */
/*
 * Judges what guests put on their rings. Decode, then perform: a request is first turned into a
 * plan whose every number has been checked; only plans reach the code that maps, copies and starts
 * transfers. Pure, tested on the host.
 */
#ifndef DRIVERS_PV_CHECK_H
#define DRIVERS_PV_CHECK_H

#include <abi/types.h>
#include <drivers/block.h>
#include <drivers/net.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>

/* One checked block request. */
struct block_plan {
    enum block_operation operation;
    /* all before it is on the disk first, it is itself before all that follows */
    bool barrier;
    uint64_t sector, sectors;
    unsigned int segments;
    struct { grant_ref_t grant; uint16_t offset, length; } segment[BLOCK_SEGMENTS_MAX];
};

/* `request` is a private copy. BLKIF_RSP_OKAY and a plan, or the status to answer with. */
int plan_block(struct block_plan *plan, const blkif_request_t *request, uint64_t device_sectors,
               uint32_t device_flags);

/* Indirect requests name a page of the guest's that holds the segments. First how many there are,
 * at most `limit` (0: none that we would take), then, with a private copy of them, as
 * plan_block. */
unsigned int indirect_segments(const blkif_request_t *request, unsigned int limit);
int plan_indirect(struct block_plan *plan, const blkif_request_t *request,
                  const struct blkif_request_segment *segment, unsigned int segments,
                  uint64_t device_sectors, uint32_t device_flags);

#define NET_SLOTS_MAX XEN_NETIF_NR_SLOTS_MIN    /* slots a frame may be spread over */

/* One checked frame of a guest, gathered from `pieces` slots. */
struct net_plan {
    unsigned int pieces;
    uint16_t length;
    struct { grant_ref_t grant; uint16_t offset, length; } piece[NET_SLOTS_MAX];
};

/* `slot` are private copies of the slots of one frame (extra-info slots left out); `limit` is the
 * longest frame allowed, NET_FRAME_MAX or NET_LARGE_MAX. 0 or a negative NETIF_RSP_*. */
int plan_frame(struct net_plan *plan, const netif_tx_request_t *slot, unsigned int slots,
               unsigned int limit);

/* Segmentation wishes of a frame: its NET_GSO_* flags, or 0 when they are none that we offered. */
uint32_t plan_gso(const netif_extra_info_t *extra, uint16_t frame_flags);

#endif
