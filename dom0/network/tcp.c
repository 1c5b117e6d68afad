/* SPDX-License-Identifier: MIT */
/*
 * A TCP that receives and throws away (RFC 9293, numbers in brackets are its sections; RFC 5961
 * against guessed segments).
 *
 * Data is gone when it has come, so the window never shrinks; and we send nothing but one SYN and
 * one FIN, so the peer's window means nothing. Data is taken in order only: what comes too early is
 * answered at once, which tells the sender what is missing. There are no timers: our SYN and FIN go
 * out again when their peer repeats its own, which it does when ours is lost, and a connection that
 * has gone silent gives up its place when somebody new wants one, as does one of who has many.
 */
#include "dom0/network/tcp.h"
#include "dom0/base.h"
#include "dom0/network/packet.h"

#define HEADER 20u
#define FIN 0x01u
#define SYN 0x02u
#define RST 0x04u
#define ACK 0x10u

#define OPTION_END 0u
#define OPTION_NOTHING 1u
#define OPTION_MSS 2u
#define OPTION_SCALE 3u
#define MSS 1460u

#define WINDOW 65535u                   /* as it stands in the header */
#define SCALE 6u                        /* and shifted so far, if the peer knows how: 4 MiB */

#define NS_PER_SECOND 1000000000ull
#define SILENT_HALF (5 * NS_PER_SECOND) /* opening or closing: then its place may be taken */
#define SILENT_OPEN (120 * NS_PER_SECOND)

/* One that has come, or one on its way: `peer` is its other end. */
struct segment {
    struct tcp_peer peer;
    unsigned port;                      /* ours */
    uint32_t sequence, ack;
    unsigned flags;
    const uint8_t *options;
    size_t option_bytes;
    uint32_t length;                    /* of its data */
};

static uint32_t span(const struct segment *segment)
{
    return segment->length + !!(segment->flags & SYN) + !!(segment->flags & FIN);
}

/* --- out --- */

/* Of the checksum: words of 32 bits add up, folded, to what their halves do. */
static uint64_t pseudo_header(const struct endpoint *endpoint, uint32_t other, size_t length)
{
    return (uint64_t)endpoint->address + other + PROTOCOL_TCP + length;
}

/* False: there was no room. */
static bool transmit(struct endpoint *endpoint, const struct segment *segment)
{
    const struct tcp_peer *to = &segment->peer;
    size_t length = HEADER + segment->option_bytes;
    uint8_t *tcp = reply_new(endpoint, to->mac, to->address, PROTOCOL_TCP, length);

    if (!tcp) return false;
    set16(tcp, segment->port);
    set16(tcp + 2, to->port);
    set32(tcp + 4, segment->sequence);
    set32(tcp + 8, segment->ack);
    set16(tcp + 12, length / 4 << 12 | segment->flags);
    set16(tcp + 14, segment->flags & RST ? 0 : WINDOW);
    set32(tcp + 16, 0);                 /* the checksum, for now; and nothing is urgent */
    if (segment->option_bytes)
        memcpy(tcp + HEADER, segment->options, segment->option_bytes);
    set16(tcp + 16, ~net_sum(tcp, length, pseudo_header(endpoint, to->address, length)));
    return true;
}

/* Says, or says again, where we are. */
static void answer(struct endpoint *endpoint, struct tcp_connection *connection)
{
    static const uint8_t options[] = { OPTION_MSS,   4, MSS >> 8, MSS & 0xff,
                                       OPTION_SCALE, 3, SCALE,    OPTION_END };
    unsigned flag = connection->state == TCP_SYN_RECEIVED ? SYN
                    : connection->state == TCP_LAST_ACK   ? FIN
                                                          : 0;
    struct segment segment = {
        .peer = connection->peer,
        .port = TCP_DISCARD,
        .sequence = connection->next - !!flag,
        .ack = connection->expected,
        .flags = ACK | flag,
        .options = options,
        /* only who asks is told our scale */
        .option_bytes = flag != SYN          ? 0
                        : connection->scaled ? sizeof(options)
                                             : 4,
    };

    if (transmit(endpoint, &segment))
        connection->owes = false;
}

/* To a segment that belongs to no connection [3.10.7.1]. Never to a reset: two could go on for
 * ever. */
static void refuse(struct endpoint *endpoint, const struct segment *segment)
{
    struct segment reset = { .peer = segment->peer, .port = segment->port, .flags = RST };

    if (segment->flags & RST) return;
    if (segment->flags & ACK) {
        reset.sequence = segment->ack;
    } else {
        reset.ack = segment->sequence + span(segment);
        reset.flags |= ACK;
    }
    transmit(endpoint, &reset);
}

void tcp_acknowledge(struct endpoint *endpoint)
{
    for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
        struct tcp_connection *connection = &endpoint->tcp.connection[i];

        if (connection->owes)
            answer(endpoint, connection);
    }
}

/* --- the table --- */

static struct tcp_connection *find(struct tcp *tcp, const struct tcp_peer *peer)
{
    for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
        struct tcp_connection *connection = &tcp->connection[i];

        if (connection->state != TCP_CLOSED && connection->peer.address == peer->address &&
            connection->peer.port == peer->port)
            return connection;
    }
    return NULL;
}

static bool is_of(const struct tcp_connection *connection, const uint8_t mac[NET_MAC])
{
    return connection->state != TCP_CLOSED && memcmp(connection->peer.mac, mac, NET_MAC) == 0;
}

static unsigned count_of(const struct tcp *tcp, const uint8_t mac[NET_MAC])
{
    unsigned count = 0;

    for (unsigned i = 0; i < TCP_CONNECTIONS; i++)
        count += is_of(&tcp->connection[i], mac);
    return count;
}

/* Of a full table, from the station with most places the one that has been silent for longest; if
 * it has then still as many as who asks. (A station has one address: the bridge sees to it.) */
static struct tcp_connection *take_place(struct tcp *tcp, const uint8_t mac[NET_MAC])
{
    struct tcp_connection *found = NULL;
    unsigned most = count_of(tcp, mac) + 1;

    for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
        struct tcp_connection *connection = &tcp->connection[i];
        unsigned count = count_of(tcp, connection->peer.mac);

        if (count < most + !found || (count == most && connection->heard >= found->heard))
            continue;
        most = count;
        found = connection;
    }
    return found;
}

/* A free place, or the one that has been silent for too long, and longest, or another's. NULL: all
 * are in use. */
static struct tcp_connection *find_place(struct tcp *tcp, const uint8_t mac[NET_MAC], uint64_t now)
{
    struct tcp_connection *silent = NULL;

    for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
        struct tcp_connection *connection = &tcp->connection[i];

        if (connection->state == TCP_CLOSED) return connection;
        if (now - connection->heard >
                (connection->state == TCP_ESTABLISHED ? SILENT_OPEN : SILENT_HALF) &&
            (!silent || connection->heard < silent->heard))
            silent = connection;
    }
    return silent ? silent : take_place(tcp, mac);
}

static void end(struct tcp_connection *connection)
{
    *connection = (struct tcp_connection){ .state = TCP_CLOSED };
}

void tcp_forget(struct tcp *tcp)
{
    memset(tcp->connection, 0, sizeof(tcp->connection));
}

unsigned tcp_count(const struct tcp *tcp)
{
    unsigned count = 0;

    for (unsigned i = 0; i < TCP_CONNECTIONS; i++)
        count += tcp->connection[i].state != TCP_CLOSED;
    return count;
}

/* Where our numbers begin [3.4.1]: a clock of 4 microseconds, and what others cannot easily guess
 * of each peer. (No more than that: who does guess it can throw bytes away in another's name.) */
static uint32_t first_number(const struct tcp *tcp, const struct tcp_peer *peer, uint64_t now)
{
    uint64_t mixed = (tcp->secret ^ ((uint64_t)peer->address << 16 | peer->port)) *
                     0x9e3779b97f4a7c15ull;

    mixed = (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9ull;
    return (uint32_t)(mixed >> 32) + (uint32_t)(now >> 12);
}

/* Options are a list of the peer's making: each takes at least a byte, and most say how many. */
static bool knows_scale(const uint8_t *option, size_t left)
{
    while (left && option[0] != OPTION_END) {
        size_t size = option[0] == OPTION_NOTHING ? 1 : left >= 2 ? option[1] : 0;

        if (size < 1 || size > left) return refused(false);
        if (option[0] == OPTION_SCALE && size == 3) return true;
        option += size;
        left -= size;
    }
    return false;
}

/* --- in --- */

/* LISTEN and CLOSED [3.10.7.1, 3.10.7.2]. What comes with a SYN is left to be sent again. Who calls
 * from the port of discard is refused: it may be our like on another machine, and two of us, told
 * of each other by a liar, would answer each other for ever. */
static void take_from_stranger(struct endpoint *endpoint, const struct segment *segment)
{
    uint64_t now = endpoint->now();
    struct tcp_connection *connection = NULL;

    if ((segment->flags & (SYN | ACK | RST)) == SYN && segment->port == TCP_DISCARD &&
        segment->peer.port != TCP_DISCARD)
        connection = find_place(&endpoint->tcp, segment->peer.mac, now);
    if (!connection) {
        refused(refuse(endpoint, segment));
        return;
    }
    *connection = (struct tcp_connection){
        .state = TCP_SYN_RECEIVED, .peer = segment->peer, .expected = segment->sequence + 1,
        .next = first_number(&endpoint->tcp, &segment->peer, now) + 1,
        .scaled = knows_scale(segment->options, segment->option_bytes), .heard = now,
    };
    answer(endpoint, connection);
}

/* [3.10.7.4, seventh and eighth] Its beginning may have come before; it ends behind what has. */
static void take_data(struct endpoint *endpoint, struct tcp_connection *connection,
                      const struct segment *segment)
{
    uint32_t had = connection->expected - segment->sequence, fresh = segment->length - had;

    if (had > segment->length) {        /* nothing but a hole begins behind what is expected */
        refused(answer(endpoint, connection));
        return;
    }
    connection->expected += fresh;
    endpoint->tcp.bytes += fresh;
    connection->owes = true;
    if (segment->flags & FIN) {
        connection->expected++;
        connection->state = TCP_LAST_ACK;
        connection->next++;
    }
}

/* [3.10.7.4, first to fourth] Is it of this connection, and now? If not it is answered; a reset
 * ends the connection. */
static bool belongs(struct endpoint *endpoint, struct tcp_connection *connection,
                    const struct segment *segment)
{
    uint32_t window = WINDOW << (connection->scaled ? SCALE : 0),
             offset = segment->sequence - connection->expected;
    bool acceptable = offset < window || (span(segment) && offset + span(segment) - 1 < window);

    if (segment->flags & RST) {         /* only the very next number is believed [RFC 5961, 3.2] */
        if (offset == 0)
            end(connection);
        else if (acceptable)
            refused(answer(endpoint, connection));
        return false;
    }
    /* A SYN is an old one, or a guess, or of a peer that has forgotten us and will say so [RFC
     * 5961, 4.2]. All that we ever send are two numbers: who acknowledges anything else guesses
     * [RFC 5961, 5.2]. */
    if (!acceptable || segment->flags & SYN ||
        (segment->flags & ACK && connection->next - segment->ack > 2)) {
        refused(answer(endpoint, connection));
        return false;
    }
    return segment->flags & ACK;
}

static void take_from_peer(struct endpoint *endpoint, struct tcp_connection *connection,
                           const struct segment *segment)
{
    if (!belongs(endpoint, connection, segment)) return;
    if (connection->state == TCP_SYN_RECEIVED) {
        if (segment->ack != connection->next) {
            refused(refuse(endpoint, segment));
            return;
        }
        connection->state = TCP_ESTABLISHED;
        endpoint->tcp.opened++;
    }
    connection->peer = segment->peer;   /* the same, but it may have moved to another station */
    connection->heard = endpoint->now();
    if (connection->state == TCP_ESTABLISHED && (segment->length || segment->flags & FIN))
        take_data(endpoint, connection, segment);
    else if (connection->state == TCP_LAST_ACK && segment->ack == connection->next)
        end(connection);
}

bool tcp_take(struct endpoint *endpoint, const struct packet *packet)
{
    const uint8_t *tcp = packet->bytes;
    size_t header = packet->length >= HEADER ? (tcp[12] >> 4) * 4u : 0;
    struct tcp_connection *connection;

    if (header < HEADER || header > packet->length) return refused(false);
    if (!packet->checked &&
        net_sum(tcp, packet->length, pseudo_header(endpoint, packet->from, packet->length)) !=
            0xffff)
        return refused(false);

    struct segment segment = {
        .peer = { .port = (uint16_t)get16(tcp), .address = packet->from },
        .port = get16(tcp + 2),
        .sequence = get32(tcp + 4),
        .ack = get32(tcp + 8),
        .flags = tcp[13],
        .options = tcp + HEADER,
        .option_bytes = header - HEADER,
        .length = (uint32_t)(packet->length - header),
    };

    memcpy(segment.peer.mac, packet->mac, NET_MAC);
    connection = segment.port == TCP_DISCARD ? find(&endpoint->tcp, &segment.peer) : NULL;
    if (connection)
        take_from_peer(endpoint, connection, &segment);
    else
        take_from_stranger(endpoint, &segment);
    return true;
}
