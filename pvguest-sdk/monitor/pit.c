/* SPDX-License-Identifier: MIT */
/* The 8254 (Intel 231164): a counter is a moment at which it was loaded and the time since. Modes 0
 * and 4 run once, 2 and 3 go round; modes 1 and 5, which want an edge at the gate, stand still.
 * Counts in BCD are taken as binary. The read-back command is not there: the 8253 had none. */
#include "pit.h"

#define HZ 1193182ull
#define NS 1000000000ull

static uint64_t to_ticks(uint64_t ns)
{
    return ns / NS * HZ + ns % NS * HZ / NS;            /* by seconds: nothing overflows */
}

static uint64_t to_ns(uint64_t ticks)           /* rounded up: then the tick has come */
{
    return ticks / HZ * NS + (ticks % HZ * NS + HZ - 1) / HZ;
}

static bool periodic(const struct pit_channel *c)
{
    return c->mode == 2 || c->mode == 3;
}

static uint64_t elapsed(const struct pit_channel *c, uint64_t now)
{
    return now > c->start ? to_ticks(now - c->start) : 0;
}

static uint16_t counter(const struct pit_channel *c, uint64_t now)
{
    uint64_t ticks = elapsed(c, now);

    if (!c->count) return 0;
    if (c->mode == 3) return (uint16_t)(c->count - ticks * 2 % c->count);
    return (uint16_t)(periodic(c) ? c->count - ticks % c->count : c->count - ticks);
}

static bool output(const struct pit_channel *c, uint64_t now)
{
    uint64_t ticks = elapsed(c, now);

    if (!c->count) return c->mode != 0;
    if (c->mode == 3) return ticks % c->count < (c->count + 1) / 2;
    if (c->mode == 2) return ticks % c->count != c->count - 1;
    return ticks >= c->count;
}

uint64_t pit_next(const struct pit *pit)
{
    const struct pit_channel *c = &pit->channel[0];

    if (!c->count || (c->fired && !periodic(c)) || c->mode == 1 || c->mode == 5) return ~0ull;
    return c->start + to_ns(c->count);
}

bool pit_ticked(struct pit *pit, uint64_t now)
{
    struct pit_channel *c = &pit->channel[0];

    if (now < pit_next(pit)) return false;
    c->fired = true;
    if (periodic(c))
        c->start += to_ns(elapsed(c, now) / c->count * c->count);
    return true;
}

static void load(struct pit_channel *c, uint32_t count, uint64_t now)
{
    c->count = count ? count : 65536;
    if (periodic(c) && c->count == 1)
        c->count = 2;                           /* as the data sheet has it: 1 is no count here */
    c->start = now;
    c->fired = false;
}

static void write_count(struct pit_channel *c, uint8_t value, uint64_t now)
{
    if (c->access == 1) {
        load(c, value, now);
    } else if (c->access == 2) {
        load(c, (uint32_t)value << 8, now);
    } else if (!c->high_next_in) {
        c->low = value;
        c->high_next_in = true;
    } else {
        c->high_next_in = false;
        load(c, (uint32_t)value << 8 | c->low, now);
    }
}

static void latch(struct pit_channel *c, uint64_t now)
{
    if (c->latched) return;
    c->latch = counter(c, now);
    c->latched = true;
}

static void command(struct pit *pit, uint8_t value, uint64_t now)
{
    struct pit_channel *c;

    if (value >> 6 == 3) return;
    c = &pit->channel[value >> 6];
    if (!(value >> 4 & 3)) {
        latch(c, now);
        return;
    }
    *c = (struct pit_channel){ .access = value >> 4 & 3, .mode = value >> 1 & 7 };
    if (c->mode > 5)
        c->mode &= 3;                           /* 6 and 7 are 2 and 3 */
}

void pit_out(struct pit *pit, uint16_t port, uint8_t value, uint64_t now)
{
    if (port == 0x61) {
        if (value & ~pit->gate & 1 && pit->channel[2].count)    /* a gate that opens starts anew */
            load(&pit->channel[2], pit->channel[2].count, now);
        pit->gate = value & 3;
    } else if (port == 0x43) {
        command(pit, value, now);
    } else {
        write_count(&pit->channel[port & 3], value, now);
    }
}

static uint8_t read_count(struct pit_channel *c, uint64_t now)
{
    uint16_t value = c->latched ? c->latch : counter(c, now);
    bool high = c->access == 2 || (c->access == 3 && c->high_next_out);

    if (c->access == 3)
        c->high_next_out = !c->high_next_out;
    if (c->access != 3 || high)
        c->latched = false;
    return (uint8_t)(high ? value >> 8 : value);
}

uint8_t pit_in(struct pit *pit, uint16_t port, uint64_t now)
{
    if (port == 0x61) {
        bool refresh = now / 15000 & 1;         /* what once was the refresh of memory */
        return (uint8_t)(pit->gate | refresh << 4 | output(&pit->channel[2], now) << 5);
    }
    return port == 0x43 ? 0xff : read_count(&pit->channel[port & 3], now);
}
