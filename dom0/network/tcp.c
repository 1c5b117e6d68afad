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

#define WINDOW 65535u                   /* as it stands in the header */
#define SCALE 6u                        /* and shifted so far, if the peer knows how: 4 MiB */

#define NS_PER_SECOND 1000000000ull
#define SILENT_HALF (5 * NS_PER_SECOND) /* opening or closing: then its place may be taken */
#define SILENT_OPEN (120 * NS_PER_SECOND)

/* --- out --- */

/* Says, or says again, where we are. */
static void answer(struct endpoint *endpoint, struct tcp_connection *connection)
{
    static const uint8_t options[] = {
        SEGMENT_OPTION_MSS,   4, SEGMENT_MSS >> 8, SEGMENT_MSS & 0xff,
        SEGMENT_OPTION_SCALE, 3, SCALE,            SEGMENT_OPTION_END,
    };
    unsigned flag = connection->state == TCP_SYN_RECEIVED ? SEGMENT_SYN
                    : connection->state == TCP_LAST_ACK   ? SEGMENT_FIN
                                                          : 0;
    struct segment segment = {
        .peer = connection->peer,
        .port = TCP_DISCARD,
        .sequence = connection->next - !!flag,
        .ack = connection->expected,
        .flags = SEGMENT_ACK | flag,
        .window = WINDOW,
        .options = options,
        /* only who asks is told our scale */
        .option_bytes = flag != SEGMENT_SYN  ? 0
                        : connection->scaled ? sizeof(options)
                                             : 4,
    };

    if (segment_send(endpoint, &segment))
        connection->owes = false;
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

/* A clock of 4 microseconds, and what others cannot easily guess [3.4.1]. */
static uint32_t first_number(const struct tcp *tcp, const struct tcp_peer *peer, uint64_t now)
{
    return segment_first_number(tcp->secret, peer, 0) + (uint32_t)(now >> 12);
}

/* --- in --- */

/* LISTEN and CLOSED [3.10.7.1, 3.10.7.2]. What comes with a SYN is left to be sent again. Who calls
 * from the port of discard is refused: it may be our like on another machine, and two of us, told
 * of each other by a liar, would answer each other for ever. */
static void take_from_stranger(struct endpoint *endpoint, const struct segment *segment)
{
    uint64_t now = endpoint->now();
    struct tcp_connection *connection = NULL;

    if ((segment->flags & (SEGMENT_SYN | SEGMENT_ACK | SEGMENT_RST)) == SEGMENT_SYN &&
        segment->peer.port != TCP_DISCARD)
        connection = find_place(&endpoint->tcp, segment->peer.mac, now);
    if (!connection) {
        refused(segment_refuse(endpoint, segment));
        return;
    }
    *connection = (struct tcp_connection){
        .state = TCP_SYN_RECEIVED, .peer = segment->peer, .expected = segment->sequence + 1,
        .next = first_number(&endpoint->tcp, &segment->peer, now) + 1,
        .scaled = segment_option(segment, SEGMENT_OPTION_SCALE, 3), .heard = now,
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
    if (segment->flags & SEGMENT_FIN) {
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
    uint32_t span = segment_span(segment);
    bool acceptable = offset < window || (span && offset + span - 1 < window);

    if (segment->flags & SEGMENT_RST) { /* only the very next number is believed [RFC 5961, 3.2] */
        if (offset == 0)
            end(connection);
        else if (acceptable)
            refused(answer(endpoint, connection));
        return false;
    }
    /* A SYN is an old one, or a guess, or of a peer that has forgotten us and will say so [RFC
     * 5961, 4.2]. All that we ever send are two numbers: who acknowledges anything else guesses
     * [RFC 5961, 5.2]. */
    if (!acceptable || segment->flags & SEGMENT_SYN ||
        (segment->flags & SEGMENT_ACK && connection->next - segment->ack > 2)) {
        refused(answer(endpoint, connection));
        return false;
    }
    return segment->flags & SEGMENT_ACK;
}

static void take_from_peer(struct endpoint *endpoint, struct tcp_connection *connection,
                           const struct segment *segment)
{
    if (!belongs(endpoint, connection, segment)) return;
    if (connection->state == TCP_SYN_RECEIVED) {
        if (segment->ack != connection->next) {
            refused(segment_refuse(endpoint, segment));
            return;
        }
        connection->state = TCP_ESTABLISHED;
        endpoint->tcp.opened++;
    }
    connection->peer = segment->peer;   /* the same, but it may have moved to another station */
    connection->heard = endpoint->now();
    if (connection->state == TCP_ESTABLISHED && (segment->length || segment->flags & SEGMENT_FIN))
        take_data(endpoint, connection, segment);
    else if (connection->state == TCP_LAST_ACK && segment->ack == connection->next)
        end(connection);
}

void tcp_take(struct endpoint *endpoint, const struct segment *segment)
{
    struct tcp_connection *connection = find(&endpoint->tcp, &segment->peer);

    if (connection)
        take_from_peer(endpoint, connection, segment);
    else
        take_from_stranger(endpoint, segment);
}
