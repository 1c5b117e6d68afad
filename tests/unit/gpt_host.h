/* SPDX-License-Identifier: MIT */
/* A GPT's parts on the host: its checksum, its numbers, an entry of its table. */
#ifndef GPT_HOST_H
#define GPT_HOST_H

#include <stdint.h>
#include <string.h>

static uint32_t crc(const uint8_t *bytes, size_t size)
{
    uint32_t value = ~0u;

    while (size--) {
        value ^= *bytes++;
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
    }
    return ~value;
}

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
    memcpy(at, &value, bytes);
}

static void put_partition(uint8_t *entry, const char *name, uint64_t first, uint64_t last)
{
    memset(entry, 0x11, 32);
    put(entry + 32, first, 8);
    put(entry + 40, last, 8);
    for (unsigned i = 0; name[i]; i++)
        put(entry + 56 + 2 * i, (uint8_t)name[i], 2);
}

#endif
