/* SPDX-License-Identifier: MIT */
/* See segment.h. Numbers in brackets are sections of RFC 9293. */
#include "dom0/network/segment.h"
#include "dom0/network/packet.h"

#define HEADER 20u

/* Of the checksum: words of 32 bits add up, folded, to what their halves do. */
static uint64_t pseudo_header(const struct endpoint *endpoint, uint32_t other, size_t length)
{
    return (uint64_t)endpoint->address + other + PROTOCOL_TCP + length;
}

bool segment_read(struct endpoint *endpoint, const struct packet *packet, struct segment *segment)
{
    const uint8_t *tcp = packet->bytes;
    size_t header = packet->length >= HEADER ? (tcp[12] >> 4) * 4u : 0;

    if (header < HEADER || header > packet->length) return refused(false);
    if (!packet->checked &&
        net_sum(tcp, packet->length, pseudo_header(endpoint, packet->from, packet->length)) !=
            0xffff)
        return refused(false);
    *segment = (struct segment){
        .peer = { .port = (uint16_t)get16(tcp), .address = packet->from },
        .port = get16(tcp + 2),
        .sequence = get32(tcp + 4),
        .ack = get32(tcp + 8),
        .flags = tcp[13],
        .window = get16(tcp + 14),
        .options = tcp + HEADER,
        .option_bytes = header - HEADER,
        .data = tcp + header,
        .length = (uint32_t)(packet->length - header),
    };
    memcpy(segment->peer.mac, packet->mac, NET_MAC);
    return true;
}

bool segment_send(struct endpoint *endpoint, const struct segment *segment)
{
    const struct tcp_peer *to = &segment->peer;
    size_t header = HEADER + segment->option_bytes, length = header + segment->length;
    uint8_t *tcp = reply_new(endpoint, to->mac, to->address, PROTOCOL_TCP, length);

    if (!tcp) return false;
    set16(tcp, segment->port);
    set16(tcp + 2, to->port);
    set32(tcp + 4, segment->sequence);
    set32(tcp + 8, segment->ack);
    set16(tcp + 12, header / 4 << 12 | segment->flags);
    set16(tcp + 14, segment->window);
    set32(tcp + 16, 0);                 /* the checksum, for now; and nothing is urgent */
    if (segment->option_bytes)
        memcpy(tcp + HEADER, segment->options, segment->option_bytes);
    if (segment->first)
        memcpy(tcp + header, segment->data, segment->first);
    if (segment->length > segment->first)
        memcpy(tcp + header + segment->first, segment->more, segment->length - segment->first);
    set16(tcp + 16, ~net_sum(tcp, length, pseudo_header(endpoint, to->address, length)));
    return true;
}

void segment_refuse(struct endpoint *endpoint, const struct segment *segment)
{
    struct segment reset = { .peer = segment->peer, .port = segment->port, .flags = SEGMENT_RST };

    if (segment->flags & SEGMENT_RST) return;
    if (segment->flags & SEGMENT_ACK) {
        reset.sequence = segment->ack;
    } else {
        reset.ack = segment->sequence + segment_span(segment);
        reset.flags |= SEGMENT_ACK;
    }
    segment_send(endpoint, &reset);
}

/* Options are a list of the peer's making: each takes at least a byte, and most say how many. */
const uint8_t *segment_option(const struct segment *segment, unsigned kind, size_t size)
{
    const uint8_t *option = segment->options;
    size_t left = segment->option_bytes;

    while (left && option[0] != SEGMENT_OPTION_END) {
        size_t has = option[0] == SEGMENT_OPTION_NOTHING ? 1 : left >= 2 ? option[1] : 0;

        if (has < 1 || has > left) return refused(NULL);
        if (option[0] == kind && has == size) return option + 2;
        option += has;
        left -= has;
    }
    return NULL;
}

uint32_t segment_first_number(uint64_t secret, const struct tcp_peer *peer, uint32_t theirs)
{
    uint64_t mixed = (secret ^ ((uint64_t)peer->address << 16 | peer->port)) *
                     0x9e3779b97f4a7c15ull;

    mixed = (mixed ^ mixed >> 29 ^ theirs) * 0xbf58476d1ce4e5b9ull;
    return (uint32_t)(mixed >> 32);
}
