/* SPDX-License-Identifier: MIT */
/* Bytes that wait in their order: the two buffers of a stream. Pure. */
#ifndef DOM0_NETWORK_RING_H
#define DOM0_NETWORK_RING_H

#include "dom0/base.h"

#define RING_BYTES 65536u               /* a power of two */

struct ring {
    uint32_t head, filled;              /* the first byte's place; bytes */
    uint8_t bytes[RING_BYTES];
};

static inline uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Where the byte at that offset is. */
static inline uint32_t ring_place(const struct ring *ring, uint32_t offset)
{
    return (ring->head + offset) & (RING_BYTES - 1);
}

/* As many as there is room for; how many. */
static inline uint32_t ring_put(struct ring *ring, const uint8_t *bytes, size_t size)
{
    uint32_t count = (uint32_t)MIN(size, (size_t)(RING_BYTES - ring->filled));
    uint32_t at = ring_place(ring, ring->filled), first = least(count, RING_BYTES - at);

    if (!count) return 0;
    memcpy(ring->bytes + at, bytes, first);
    memcpy(ring->bytes, bytes + first, count - first);
    ring->filled += count;
    return count;
}

static inline void ring_drop(struct ring *ring, uint32_t count)
{
    ring->head = ring_place(ring, count);
    ring->filled -= count;
}

/* As many as there are; how many. */
static inline uint32_t ring_get(struct ring *ring, uint8_t *bytes, size_t size)
{
    uint32_t count = (uint32_t)MIN(size, (size_t)ring->filled);
    uint32_t first = least(count, RING_BYTES - ring->head);

    memcpy(bytes, ring->bytes + ring->head, first);
    memcpy(bytes + first, ring->bytes, count - first);
    ring_drop(ring, count);
    return count;
}

#endif
