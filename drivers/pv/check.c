/* SPDX-License-Identifier: MIT */
/* See check.h. Called by blkback and netback with private copies of ring slots; owns nothing. */
#include "check.h"

#define SECTORS_PER_PAGE 8u

static bool in_range(uint64_t sector, uint64_t sectors, uint64_t limit)
{
    return sectors <= limit && sector <= limit - sectors;       /* no sum that could wrap */
}

static int plan_discard(struct block_plan *plan, const blkif_request_t *request, uint64_t limit, uint32_t flags)
{
    /* The discard request is another layout over the same bytes; a copy keeps the compiler's aliasing rules. */
    blkif_request_discard_t discard;

    __builtin_memcpy(&discard, request, sizeof discard);
    if (!(flags & BLOCK_CAN_DISCARD))
        return BLKIF_RSP_EOPNOTSUPP;
    /* A secure discard promises that the data is gone; this device only promises not to need it any more. */
    if (discard.flag & BLKIF_DISCARD_SECURE)
        return BLKIF_RSP_EOPNOTSUPP;
    if ((flags & BLOCK_READ_ONLY) || discard.nr_sectors == 0 || !in_range(discard.sector_number, discard.nr_sectors, limit))
        return BLKIF_RSP_ERROR;
    plan->operation = BLOCK_DISCARD;
    plan->sector = discard.sector_number;
    plan->sectors = discard.nr_sectors;
    return BLKIF_RSP_OKAY;
}

static int plan_segments(struct block_plan *plan, const blkif_request_t *request)
{
    if (request->nr_segments == 0 || request->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
        return BLKIF_RSP_ERROR;
    for (unsigned int i = 0; i < request->nr_segments; i++) {
        const struct blkif_request_segment *segment = &request->seg[i];

        if (segment->last_sect >= SECTORS_PER_PAGE || segment->first_sect > segment->last_sect)
            return BLKIF_RSP_ERROR;
        plan->segment[i].grant = segment->gref;
        plan->segment[i].offset = segment->first_sect * BLOCK_SECTOR;
        plan->segment[i].length = (segment->last_sect - segment->first_sect + 1u) * BLOCK_SECTOR;
        plan->sectors += segment->last_sect - segment->first_sect + 1u;
    }
    plan->segments = request->nr_segments;
    return BLKIF_RSP_OKAY;
}

int plan_block(struct block_plan *plan, const blkif_request_t *request, uint64_t device_sectors, uint32_t device_flags)
{
    plan->sector = request->sector_number;
    plan->sectors = 0;
    plan->segments = 0;

    switch (request->operation) {
    case BLKIF_OP_READ:
        plan->operation = BLOCK_READ;
        break;
    case BLKIF_OP_WRITE:
        if (device_flags & BLOCK_READ_ONLY)
            return BLKIF_RSP_ERROR;
        plan->operation = BLOCK_WRITE;
        break;
    case BLKIF_OP_FLUSH_DISKCACHE:
        /* Linux sends empty flushes only; one that carries data would need two steps. */
        plan->operation = BLOCK_FLUSH;
        return request->nr_segments == 0 ? BLKIF_RSP_OKAY : BLKIF_RSP_EOPNOTSUPP;
    case BLKIF_OP_DISCARD:
        return plan_discard(plan, request, device_sectors, device_flags);
    default:
        return BLKIF_RSP_EOPNOTSUPP;
    }
    if (plan_segments(plan, request) != BLKIF_RSP_OKAY || !in_range(plan->sector, plan->sectors, device_sectors))
        return BLKIF_RSP_ERROR;
    return BLKIF_RSP_OKAY;
}

uint32_t plan_gso(const netif_extra_info_t *extra, uint16_t frame_flags)
{
    if (extra->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV4 || extra->u.gso.size == 0 || !(frame_flags & NETTXF_csum_blank))
        return 0;
    return NET_GSO_TCP4 | NET_GSO_SIZE(extra->u.gso.size);
}

int plan_frame(struct net_plan *plan, const netif_tx_request_t *slot, unsigned int slots, unsigned int limit)
{
    /* The first slot's size is that of the whole frame, each later one's its own; the first one's own share is the rest. */
    unsigned int first = slots ? slot[0].size : 0;

    if (slots == 0 || slots > NET_SLOTS_MAX || first < NET_FRAME_MIN || first > limit)
        return NETIF_RSP_ERROR;
    for (unsigned int i = 1; i < slots; i++) {
        if (slot[i].size == 0 || slot[i].size >= first)
            return NETIF_RSP_ERROR;
        first -= slot[i].size;
    }
    plan->length = slot[0].size;
    plan->pieces = slots;
    for (unsigned int i = 0; i < slots; i++) {
        unsigned int size = i == 0 ? first : slot[i].size;

        if (slot[i].offset + size > 4096u)
            return NETIF_RSP_ERROR;
        plan->piece[i].grant = slot[i].gref;
        plan->piece[i].offset = slot[i].offset;
        plan->piece[i].length = (uint16_t)size;
    }
    return 0;
}
