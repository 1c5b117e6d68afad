/* SPDX-License-Identifier: MIT */
/* The 8254 timer of a PC: channel 0 is the clock interrupt, channel 2 the loudspeaker's, which
 * kernels measure time with (its gate and output are in port 0x61). Channel 1 is not there. Time is
 * the caller's, in nanoseconds. Pure. */
#ifndef MONITOR_PIT_H
#define MONITOR_PIT_H

#include <stdbool.h>
#include <stdint.h>

struct pit_channel {
    uint8_t mode, access;       /* access: 1 low byte, 2 high byte, 3 both */
    bool high_next_in, high_next_out;
    uint8_t low;                /* of a count that is being written */
    uint32_t count;             /* 1 to 65536; 0: never loaded, it stands still */
    uint64_t start;             /* when it was loaded */
    bool latched, fired;
    uint16_t latch;
};

struct pit {
    struct pit_channel channel[3];
    uint8_t gate;               /* port 0x61: bit 0 gates channel 2, bit 1 is the loudspeaker */
};

static inline bool pit_has(uint16_t port)
{
    return (port & ~3) == 0x40 || port == 0x61;
}
uint8_t pit_in(struct pit *pit, uint16_t port, uint64_t now);
void pit_out(struct pit *pit, uint16_t port, uint8_t value, uint64_t now);

/* When channel 0's output goes up next; ~0: never. */
uint64_t pit_next(const struct pit *pit);
/* Whether it has gone up since it was asked last. Who comes late misses some: they are one. */
bool pit_ticked(struct pit *pit, uint64_t now);

#endif
