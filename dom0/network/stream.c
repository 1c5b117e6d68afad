/* SPDX-License-Identifier: MIT */
/*
 * See stream.h. Numbers in brackets are sections of RFC 9293; RFC 5681 and 6298 say how fast to
 * send and when to send again, RFC 5961 what not to believe.
 *
 * Data is taken in order only, so whoever sends goes back to what is missing and sends from there.
 * There is no TIME-WAIT: each call has another port of ours, and what comes late for an old one is
 * refused.
 */
#include "dom0/network/stream.h"
#include "dom0/network/packet.h"

#define NS_PER_MS 1000000ull
#define SEEK_NS (1000 * NS_PER_MS)      /* between two questions for a MAC, */
#define SEEKS 5u                        /* of which there are so many */
#define RTO_FIRST (1000 * NS_PER_MS)
#define RTO_LEAST (200 * NS_PER_MS)
#define RTO_MOST (4000 * NS_PER_MS)
#define PATIENCE (15000 * NS_PER_MS)    /* with a peer that does not answer */
#define IDLE_NS (5000 * NS_PER_MS)      /* nothing heard for so long: is it still there? */
#define PROBE_NS (2500 * NS_PER_MS)     /* between two such questions, */
#define PROBES 4u                       /* of which there are so many: PATIENCE in all */
#define CHALLENGE_NS (50 * NS_PER_MS)   /* between two answers to what says nothing */
#define SLOT_SHIFT 33u                  /* a handshake may take one or two of 8 seconds */

#define FIRST_PORT 49152u               /* RFC 6335's for this */
#define PORTS 16384u
#define LEAST_MSS 536u                  /* of whom we do not know */
#define MOST_WINDOW 65535u
#define DUPLICATES 3u

#define FIN SEGMENT_FIN
#define SYN SEGMENT_SYN
#define RST SEGMENT_RST
#define ACK SEGMENT_ACK

static const uint8_t options[] = {      /* of a handshake */
    SEGMENT_OPTION_MSS, 4, SEGMENT_MSS >> 8, SEGMENT_MSS & 0xff
};

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static uint64_t between(uint64_t low, uint64_t value, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* For what comes, as it is told. */
static uint32_t room(const struct stream *stream)
{
    return least(STREAM_BUFFER - stream->in.filled, MOST_WINDOW);
}

/* --- life --- */

static void begin(struct stream *stream, enum stream_state state)
{
    stream->state = state;
    stream->error = 0;
    stream->out.filled = stream->in.filled = 0;
    stream->closing = stream->end_acked = stream->end_came = stream->owes = false;
    stream->resend_at = stream->timed_at = stream->srtt = stream->challenged = 0;
    stream->rto = RTO_FIRST;
    stream->duplicates = stream->asked = stream->probes = 0;
    stream->window = 0;
    stream->mss = LEAST_MSS;
}

static void broken(struct stream *stream, int error)
{
    stream->state = STREAM_BROKEN;
    stream->error = error;
    stream->resend_at = 0;
    stream->changed(stream);
}

void stream_init(struct stream *stream, uint64_t secret, void (*changed)(struct stream *stream))
{
    memset(stream, 0, sizeof(*stream));
    stream->secret = secret;
    stream->changed = changed;
}

void stream_listen(struct stream *stream, uint32_t only)
{
    begin(stream, STREAM_LISTENING);
    stream->only = only;
    stream->port = STREAM_PORT;
}

void stream_call(struct stream *stream, uint32_t address, uint64_t now)
{
    begin(stream, STREAM_SEEKING);
    stream->peer = (struct tcp_peer){ .port = STREAM_PORT, .address = address };
    stream->port = FIRST_PORT + (unsigned)((stream->secret + stream->calls++) % PORTS);
    stream->resend_at = now;
}

/* It is open from here on: all that is known is the two numbers. */
static void opened(struct stream *stream, uint32_t ours, const struct segment *segment,
                   uint64_t now)
{
    stream->state = STREAM_OPEN;
    stream->una = stream->next = stream->high = stream->recover = ours;
    stream->window = segment->window;
    stream->window_sequence = segment->sequence;
    stream->window_ack = ours;
    stream->congestion = 10 * stream->mss;
    stream->threshold = STREAM_BUFFER;
    stream->edge = stream->expected + MOST_WINDOW;
    stream->resend_at = stream->timed_at = 0;
    stream->rto = RTO_FIRST;
    stream->heard = now;
    stream->changed(stream);
}

void stream_end(struct endpoint *endpoint)
{
    struct stream *stream = &endpoint->stream;
    struct segment reset = { .peer = stream->peer, .port = stream->port, .sequence = stream->next,
                             .ack = stream->expected, .flags = RST | ACK };

    if (stream->state == STREAM_OPEN && !stream_is_over(stream))
        segment_send(endpoint, &reset);
    begin(stream, STREAM_CLOSED);
}

void stream_forget(struct stream *stream)
{
    if (stream->state > STREAM_LISTENING && stream->state != STREAM_BROKEN)
        broken(stream, refused(-ENOTCONN));
}

bool stream_is_over(const struct stream *stream)
{
    return stream->end_acked && stream->end_came;
}

/* --- for who uses it --- */

size_t stream_write(struct stream *stream, const void *bytes, size_t size)
{
    return stream->state == STREAM_OPEN && !stream->closing ? ring_put(&stream->out, bytes, size)
                                                            : 0;
}

/* Also what came before it broke. */
size_t stream_read(struct stream *stream, void *to, size_t size)
{
    uint32_t count = ring_get(&stream->in, to, size), edge = stream->expected + room(stream);

    /* It is told when that is worth a segment [3.8.6.2.2]. */
    stream->owes |= count && edge - stream->edge >= STREAM_BUFFER / 4;
    return count;
}

void stream_close(struct stream *stream)
{
    stream->closing = true;
}

/* --- out --- */

/* What is said of our window: never less than was said before, nor a little more. */
static uint32_t advertise(struct stream *stream)
{
    uint32_t edge = stream->expected + room(stream);

    if (edge - stream->edge >= SEGMENT_MSS)
        stream->edge = edge;
    return stream->edge - stream->expected;
}

/* So many bytes from there on; our FIN, too, if they are the last. The numbers that it took; 0: no
 * room. */
static uint32_t transmit(struct endpoint *endpoint, uint32_t sequence, uint32_t length)
{
    struct stream *stream = &endpoint->stream;
    uint32_t offset = sequence - stream->una, at = ring_place(&stream->out, offset);
    bool last = stream->closing && offset + length == stream->out.filled;
    struct segment segment = {
        .peer = stream->peer, .port = stream->port, .sequence = sequence, .ack = stream->expected,
        .flags = ACK | (length ? SEGMENT_PSH : 0u) | (last ? FIN : 0u),
        .window = advertise(stream), .length = length, .first = MIN(length, STREAM_BUFFER - at),
        .data = stream->out.bytes + at, .more = stream->out.bytes,
    };

    if (!segment_send(endpoint, &segment)) return 0;
    stream->owes = false;
    if (before(stream->high, sequence + length + last))
        stream->high = sequence + length + last;
    return length + last;
}

static void answer(struct endpoint *endpoint)
{
    struct stream *stream = &endpoint->stream;
    struct segment segment = {
        .peer = stream->peer, .port = stream->port, .sequence = stream->next,
        .ack = stream->expected, .flags = ACK, .window = advertise(stream),
    };

    if (segment_send(endpoint, &segment))
        stream->owes = false;
}

/* To what cannot be of this connection, or not now. Two that are no longer of one mind about their
 * numbers would tell each other so for ever. */
static void challenge(struct endpoint *endpoint, const struct segment *segment)
{
    struct stream *stream = &endpoint->stream;
    uint64_t now = endpoint->now();

    if (!segment->length && stream->challenged && now - stream->challenged < CHALLENGE_NS) return;
    stream->challenged = now;
    answer(endpoint);
}

/* How many bytes go next; 0: none. Not a few of many because the window is small, and not a few
 * while others are on their way, for more may come [3.7.4, 3.8.6.2.1]. */
static uint32_t may_send(const struct stream *stream)
{
    uint32_t offset = stream->next - stream->una;
    uint32_t window = MIN(stream->window, stream->congestion);
    uint32_t left = offset < stream->out.filled ? stream->out.filled - offset : 0;
    uint32_t open = window > offset ? window - offset : 0;
    uint32_t length = least(least(left, open), stream->mss);

    if (length < stream->mss && offset && !(stream->closing && length == left)) return 0;
    return length;
}

static bool may_end(const struct stream *stream)
{
    return stream->closing && !stream->end_acked &&
           stream->next - stream->una == stream->out.filled;
}

/* True: one has gone. */
static bool send_next(struct endpoint *endpoint, uint64_t now)
{
    struct stream *stream = &endpoint->stream;
    uint32_t length = may_send(stream), sent = 0;
    bool first = stream->next == stream->high;

    if (length || may_end(stream))
        sent = transmit(endpoint, stream->next, length);
    if (!sent) return false;
    stream->next += sent;
    if (first && !stream->timed_at) {
        stream->timed = stream->next;
        stream->timed_at = now;
    }
    return true;
}

/* From what is not acknowledged on, everything again. */
static void go_back(struct stream *stream, uint32_t congestion)
{
    uint32_t flight = stream->next - stream->una;

    stream->threshold = MAX(flight / 2, 2 * stream->mss);
    stream->congestion = congestion ? congestion : stream->threshold;
    stream->recover = stream->high;
    stream->next = stream->una;
    stream->duplicates = 0;
    stream->timed_at = 0;               /* Karn's: which of the two would be acknowledged? */
}

/* Nothing was acknowledged for too long; or the window is closed, and news of it may be lost. */
static void resend(struct endpoint *endpoint, uint64_t now)
{
    struct stream *stream = &endpoint->stream;

    if (now - stream->heard > PATIENCE) {
        broken(stream, refused(-ETIMEDOUT));
        return;
    }
    stream->rto = MIN(2 * stream->rto, RTO_MOST);
    stream->resend_at = now + stream->rto;
    go_back(stream, stream->mss);
    if (!stream->window && stream->out.filled)
        transmit(endpoint, stream->una, 1);
}

/* When a peer that owes us nothing is asked whether it is there, or given up; 0: never. */
static uint64_t probe_at(const struct stream *stream)
{
    if (stream->state != STREAM_OPEN || stream->resend_at || stream_is_over(stream)) return 0;
    return stream->heard + IDLE_NS + stream->probes * PROBE_NS;
}

/* By a number that it has acknowledged before: to that it must say where it is [3.8.4]. */
static void probe(struct endpoint *endpoint)
{
    struct stream *stream = &endpoint->stream;
    struct segment segment = {
        .peer = stream->peer, .port = stream->port, .sequence = stream->una - 1,
        .ack = stream->expected, .flags = ACK, .window = advertise(stream),
    };

    if (stream->probes++ == PROBES)
        broken(stream, refused(-ETIMEDOUT));
    else
        segment_send(endpoint, &segment);
}

static void knock(struct endpoint *endpoint, uint64_t now)
{
    struct stream *stream = &endpoint->stream;
    struct segment segment = {
        .peer = stream->peer, .port = stream->port, .sequence = stream->una, .flags = SYN,
        .window = MOST_WINDOW, .options = options, .option_bytes = sizeof(options),
    };

    if (stream->state == STREAM_SEEKING && stream->asked++ == SEEKS) {
        broken(stream, refused(-EADDRNOTAVAIL));
    } else if (stream->state == STREAM_SEEKING) {
        endpoint_seek(endpoint, stream->peer.address);
        stream->resend_at = now + SEEK_NS;
    } else if (now - stream->heard > PATIENCE) {
        broken(stream, refused(-ETIMEDOUT));
    } else {
        segment_send(endpoint, &segment);
        stream->resend_at = now + stream->rto;
        stream->rto = MIN(2 * stream->rto, RTO_MOST);
    }
}

bool stream_serve(struct endpoint *endpoint, unsigned budget)
{
    struct stream *stream = &endpoint->stream;
    uint64_t now = endpoint->now();
    bool due = stream->resend_at && stream->resend_at <= now;

    if (due && stream->state == STREAM_OPEN)
        resend(endpoint, now);
    else if (due)
        knock(endpoint, now);
    else if (probe_at(stream) && probe_at(stream) <= now)
        probe(endpoint);
    if (stream->state != STREAM_OPEN) return false;
    while (budget && send_next(endpoint, now))
        budget--;
    if (stream->owes)
        answer(endpoint);
    if (!stream->resend_at && (stream->next != stream->una || stream->out.filled)) {
        stream->resend_at = now + stream->rto;
        stream->heard = now;            /* until now it had nothing to answer */
        stream->probes = 0;
    }
    return may_send(stream) || may_end(stream);
}

uint64_t stream_deadline(const struct stream *stream)
{
    return stream->resend_at ? stream->resend_at : probe_at(stream);
}

void stream_acknowledge(struct endpoint *endpoint)
{
    if (endpoint->stream.state == STREAM_OPEN && endpoint->stream.owes)
        answer(endpoint);
}

/* --- in: before it is open --- */

void stream_found(struct endpoint *endpoint, uint32_t address, const uint8_t mac[NET_MAC])
{
    struct stream *stream = &endpoint->stream;
    uint64_t now = endpoint->now();

    if (stream->state != STREAM_SEEKING || stream->peer.address != address) return;
    memcpy(stream->peer.mac, mac, NET_MAC);
    stream->state = STREAM_CALLING;
    stream->una = segment_first_number(stream->secret, &stream->peer, stream->port) +
                  (uint32_t)(now >> 12);
    stream->heard = stream->resend_at = now;
    stream->changed(stream);
}

/* What a listener's number is made of comes again with the handshake's end. */
static uint32_t number_for(const struct stream *stream, const struct segment *segment,
                           uint32_t theirs, uint64_t slot)
{
    return segment_first_number(stream->secret ^ slot << 16, &segment->peer, theirs);
}

/* LISTEN [3.10.7.2]. Whose acknowledgement is not of our number is not answered: it may be a later
 * segment of a handshake whose end was lost. */
static void take_listening(struct endpoint *endpoint, const struct segment *segment)
{
    struct stream *stream = &endpoint->stream;
    uint64_t now = endpoint->now(), slot = now >> SLOT_SHIFT;
    uint32_t theirs = segment->sequence - 1;
    struct segment welcome = {
        .peer = segment->peer, .port = STREAM_PORT, .ack = segment->sequence + 1,
        .flags = SYN | ACK, .window = MOST_WINDOW, .options = options,
        .option_bytes = sizeof(options),
        .sequence = number_for(stream, segment, segment->sequence, slot),
    };

    if ((segment->flags & (SYN | ACK | RST)) == SYN) {
        segment_send(endpoint, &welcome);
    } else if ((segment->flags & (SYN | ACK | RST)) == ACK &&
               (segment->ack - 1 == number_for(stream, segment, theirs, slot) ||
                segment->ack - 1 == number_for(stream, segment, theirs, slot - 1))) {
        begin(stream, STREAM_LISTENING);
        stream->peer = segment->peer;
        stream->expected = segment->sequence;
        opened(stream, segment->ack, segment, now);
        stream_take(endpoint, segment);
    } else {
        refused((void)0);
    }
}

/* SYN-SENT [3.10.7.3]. */
static void take_calling(struct endpoint *endpoint, const struct segment *segment)
{
    struct stream *stream = &endpoint->stream;
    const uint8_t *mss = segment_option(segment, SEGMENT_OPTION_MSS, 4);

    if (segment->flags & ACK && segment->ack != stream->una + 1) {
        refused(segment_refuse(endpoint, segment));
    } else if ((segment->flags & (RST | ACK)) == (RST | ACK)) {
        broken(stream, refused(-ECONNREFUSED));
    } else if ((segment->flags & (SYN | ACK)) == (SYN | ACK)) {
        if (mss)
            stream->mss = (unsigned)between(LEAST_MSS, get16(mss), SEGMENT_MSS);
        stream->expected = segment->sequence + 1;
        opened(stream, segment->ack, segment, endpoint->now());
        stream->owes = true;
    } else {
        refused((void)0);
    }
}

/* --- in: open --- */

static void time_round(struct stream *stream, uint64_t now)
{
    uint64_t took = now - stream->timed_at, off;

    stream->timed_at = 0;
    if (!stream->srtt) {
        stream->srtt = took;
        stream->rttvar = took / 2;
    } else {
        off = took > stream->srtt ? took - stream->srtt : stream->srtt - took;
        stream->rttvar = (3 * stream->rttvar + off) / 4;
        stream->srtt = (7 * stream->srtt + took) / 8;
    }
}

static void take_fresh_ack(struct stream *stream, uint32_t ack, uint64_t now)
{
    uint32_t acked = ack - stream->una, bytes = MIN(acked, stream->out.filled);
    uint32_t grows = stream->congestion < stream->threshold
                         ? MIN(bytes, stream->mss)
                         : MAX(stream->mss * stream->mss / stream->congestion, 1u);

    ring_drop(&stream->out, bytes);
    stream->end_acked |= acked > bytes;
    stream->una = ack;
    if (before(stream->next, ack))
        stream->next = ack;
    stream->duplicates = 0;
    stream->congestion = MIN(stream->congestion + grows, STREAM_BUFFER);
    if (stream->timed_at && !before(ack, stream->timed))
        time_round(stream, now);
    if (stream->srtt)
        stream->rto = between(RTO_LEAST, stream->srtt + 4 * stream->rttvar, RTO_MOST);
    stream->resend_at = stream->high != ack || stream->out.filled ? now + stream->rto : 0;
}

/* Its acknowledgement is one of ours. The same again, and nothing else new: something of what we
 * have sent is missing there. */
static void take_ack(struct stream *stream, const struct segment *segment, uint64_t now)
{
    bool same = segment->window == stream->window && !segment_span(segment);

    if (before(stream->una, segment->ack))
        take_fresh_ack(stream, segment->ack, now);
    else if (segment->ack == stream->una && stream->next != stream->una && same &&
             ++stream->duplicates == DUPLICATES && !before(stream->una, stream->recover))
        go_back(stream, 0);
    if (before(stream->window_sequence, segment->sequence) ||
        (stream->window_sequence == segment->sequence &&
         !before(segment->ack, stream->window_ack))) {
        stream->window = segment->window;
        stream->window_sequence = segment->sequence;
        stream->window_ack = segment->ack;
    }
    stream->changed(stream);
}

/* [3.10.7.4, seventh and eighth] Its beginning may have come before; what there is no room for will
 * come again. */
static void take_data(struct endpoint *endpoint, const struct segment *segment)
{
    struct stream *stream = &endpoint->stream;
    uint32_t had = stream->expected - segment->sequence, fresh = segment->length - had, taken;

    if (had > segment->length) {        /* a hole */
        refused(answer(endpoint));
        return;
    }
    stream->owes = true;
    if (stream->end_came) return;
    taken = ring_put(&stream->in, segment->data + had, fresh);
    stream->expected += taken;
    if (segment->flags & FIN && taken == fresh) {
        stream->expected++;
        stream->end_came = true;
    }
    if (before(stream->edge, stream->expected))
        stream->edge = stream->expected;
}

/* [3.10.7.4, first to fifth] As tcp.c's. What is acknowledged lies between what was, not too long
 * ago, and all that we have ever sent [RFC 5961, 5.2]. */
static bool belongs(struct endpoint *endpoint, const struct segment *segment)
{
    struct stream *stream = &endpoint->stream;
    uint32_t window = MAX(stream->edge - stream->expected, 1u), span = segment_span(segment),
             offset = segment->sequence - stream->expected;
    uint32_t oldest = stream->una - STREAM_BUFFER;
    bool acceptable = offset < window || (span && offset + span - 1 < window);

    if (segment->flags & RST && offset == 0) {
        broken(stream, refused(-ENOTCONN));
        return false;
    }
    if (segment->flags & RST && !acceptable) return refused(false);
    if (!acceptable || segment->flags & (SYN | RST) ||
        (segment->flags & ACK && segment->ack - oldest > stream->high - oldest)) {
        refused(challenge(endpoint, segment));
        return false;
    }
    return segment->flags & ACK;
}

static void take_open(struct endpoint *endpoint, const struct segment *segment)
{
    struct stream *stream = &endpoint->stream;

    if (!belongs(endpoint, segment)) return;
    stream->heard = endpoint->now();
    stream->probes = 0;
    take_ack(stream, segment, stream->heard);
    if (segment_span(segment))
        take_data(endpoint, segment);
}

bool stream_wants(const struct stream *stream, const struct segment *segment, bool outside)
{
    if (!outside || segment->port != stream->port) return false;
    switch (stream->state) {
    case STREAM_LISTENING: return !stream->only || stream->only == segment->peer.address;
    case STREAM_CALLING:
    case STREAM_OPEN:
        return segment->peer.address == stream->peer.address &&
               segment->peer.port == stream->peer.port &&
               !memcmp(segment->peer.mac, stream->peer.mac, NET_MAC);
    default: return false;
    }
}

void stream_take(struct endpoint *endpoint, const struct segment *segment)
{
    switch (endpoint->stream.state) {
    case STREAM_LISTENING: take_listening(endpoint, segment); break;
    case STREAM_CALLING: take_calling(endpoint, segment); break;
    default: take_open(endpoint, segment); break;
    }
}
