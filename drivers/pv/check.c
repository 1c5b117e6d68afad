/* SPDX-License-Identifier: MIT */
/* See check.h. Called by blkback and netback with private copies of ring slots; owns nothing. */
#include "check.h"
#include <pvguest/refuse.h>

#define SECTORS_PER_PAGE 8u

static bool in_range(uint64_t sector, uint64_t sectors, uint64_t limit)
{
    return sectors <= limit && sector <= limit - sectors;       /* no sum that could wrap */
}

static int plan_discard(struct block_plan *plan, const blkif_request_t *request, uint64_t limit,
                        uint32_t flags)
{
    /* The discard request is another layout over the same bytes, with the sector in the same place;
     * a copy keeps the compiler's aliasing rules. */
    blkif_request_discard_t discard;

    __builtin_memcpy(&discard, request, sizeof discard);
    if (!(flags & BLOCK_CAN_DISCARD)) return refused(BLKIF_RSP_EOPNOTSUPP);
    /* A secure discard promises that the data is gone; this device only promises not to need it any
     * more. */
    if (discard.flag & BLKIF_DISCARD_SECURE) return refused(BLKIF_RSP_EOPNOTSUPP);
    if ((flags & BLOCK_READ_ONLY) || discard.nr_sectors == 0 ||
        !in_range(discard.sector_number, discard.nr_sectors, limit))
        return refused(BLKIF_RSP_ERROR);
    plan->operation = BLOCK_DISCARD;
    plan->sectors = discard.nr_sectors;
    return BLKIF_RSP_OKAY;
}

/* Judges the segments and the sectors that they make together. */
static int plan_segments(struct block_plan *plan, const struct blkif_request_segment *segment,
                         unsigned int segments, uint64_t limit)
{
    for (unsigned int i = 0; i < segments; i++) {
        if (segment[i].last_sect >= SECTORS_PER_PAGE ||
            segment[i].first_sect > segment[i].last_sect)
            return refused(BLKIF_RSP_ERROR);
        plan->segment[i].grant = segment[i].gref;
        plan->segment[i].offset = segment[i].first_sect * BLOCK_SECTOR;
        plan->segment[i].length = (segment[i].last_sect - segment[i].first_sect + 1u) *
                                  BLOCK_SECTOR;
        plan->sectors += segment[i].last_sect - segment[i].first_sect + 1u;
    }
    plan->segments = segments;
    return in_range(plan->sector, plan->sectors, limit) ? BLKIF_RSP_OKAY : refused(BLKIF_RSP_ERROR);
}

static int plan_direction(struct block_plan *plan, uint8_t operation, uint32_t flags)
{
    if (plan->barrier)
        operation = BLKIF_OP_WRITE;
    if (operation != BLKIF_OP_READ && operation != BLKIF_OP_WRITE)
        return refused(BLKIF_RSP_EOPNOTSUPP);
    plan->operation = operation == BLKIF_OP_READ ? BLOCK_READ : BLOCK_WRITE;
    return operation == BLKIF_OP_WRITE && flags & BLOCK_READ_ONLY ? refused(BLKIF_RSP_ERROR)
                                                                     : BLKIF_RSP_OKAY;
}

unsigned int indirect_segments(const blkif_request_t *request, unsigned int limit)
{
    blkif_request_indirect_t indirect;

    __builtin_memcpy(&indirect, request, sizeof indirect);
    return indirect.nr_segments <= limit ? indirect.nr_segments : refused(0);
}

int plan_indirect(struct block_plan *plan, const blkif_request_t *request,
                  const struct blkif_request_segment *segment, unsigned int segments,
                  uint64_t device_sectors, uint32_t device_flags)
{
    blkif_request_indirect_t indirect;

    __builtin_memcpy(&indirect, request, sizeof indirect);
    plan->sector = indirect.sector_number;
    plan->sectors = 0;
    plan->segments = 0;
    plan->barrier = false;

    int status = plan_direction(plan, indirect.indirect_op, device_flags);

    if (status != BLKIF_RSP_OKAY) return status;
    if (segments == 0 || segments > BLOCK_SEGMENTS_MAX) return refused(BLKIF_RSP_ERROR);
    return plan_segments(plan, segment, segments, device_sectors);
}

int plan_block(struct block_plan *plan, const blkif_request_t *request, uint64_t device_sectors,
               uint32_t device_flags)
{
    plan->sector = request->sector_number;
    plan->sectors = 0;
    plan->segments = 0;
    plan->barrier = request->operation == BLKIF_OP_WRITE_BARRIER;
    if (plan->barrier && request->nr_segments == 0) {
        plan->operation = BLOCK_FLUSH;
        return BLKIF_RSP_OKAY;
    }
    if (request->operation == BLKIF_OP_FLUSH_DISKCACHE) {
        /* Linux sends empty flushes only; one that carries data would need two steps. */
        plan->operation = BLOCK_FLUSH;
        return request->nr_segments == 0 ? BLKIF_RSP_OKAY : refused(BLKIF_RSP_EOPNOTSUPP);
    }
    if (request->operation == BLKIF_OP_DISCARD)
        return plan_discard(plan, request, device_sectors, device_flags);

    int status = plan_direction(plan, request->operation, device_flags);

    if (status != BLKIF_RSP_OKAY) return status;
    if (request->nr_segments == 0 || request->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
        return refused(BLKIF_RSP_ERROR);
    return plan_segments(plan, request->seg, request->nr_segments, device_sectors);
}

uint32_t plan_gso(const netif_extra_info_t *extra, uint16_t frame_flags)
{
    if (extra->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV4 || extra->u.gso.size == 0 ||
        !(frame_flags & NETTXF_csum_blank))
        return refused(0);
    return NET_GSO_TCP4 | NET_GSO_SIZE(extra->u.gso.size);
}

int plan_frame(struct net_plan *plan, const netif_tx_request_t *slot, unsigned int slots,
               unsigned int limit)
{
    /* The first slot's size is that of the whole frame, each later one's its own; the first one's
     * own share is the rest. */
    unsigned int first = slots ? slot[0].size : 0;

    if (slots == 0 || slots > NET_SLOTS_MAX || first < NET_FRAME_MIN || first > limit)
        return refused(NETIF_RSP_ERROR);
    for (unsigned int i = 1; i < slots; i++) {
        if (slot[i].size == 0 || slot[i].size >= first) return refused(NETIF_RSP_ERROR);
        first -= slot[i].size;
    }
    plan->length = slot[0].size;
    plan->pieces = slots;
    for (unsigned int i = 0; i < slots; i++) {
        unsigned int size = i == 0 ? first : slot[i].size;

        if (slot[i].offset + size > 4096u) return refused(NETIF_RSP_ERROR);
        plan->piece[i].grant = slot[i].gref;
        plan->piece[i].offset = slot[i].offset;
        plan->piece[i].length = (uint16_t)size;
    }
    return 0;
}
