/* SPDX-License-Identifier: MIT */
/*
 * dom0's TCP for guests that move: two machines at a net that loses, repeats, delays and changes
 * the order of what they say to each other; peers that are silent, late, or lie; floods; and
 * segments of every kind at every time. Whatever comes out is what was put in.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <dom0/network/packet.h>

#define MS 1000000ull
#define HERE 0x0a000201u                /* who calls */
#define THERE 0x0a000202u
#define NET 512u                        /* frames on their way */

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static struct endpoint machine[2];
static const uint8_t card[2][NET_MAC] = { { 0x52, 0x54, 0, 0, 0, 1 }, { 0x52, 0x54, 0, 0, 0, 2 } };
static uint64_t clock_ns;
static uint64_t now(void)
{
    return clock_ns;
}

/* --- the net --- */

static struct flight {
    bool used;
    unsigned to;
    uint64_t when;
    size_t length;
    uint8_t bytes[NET_FRAME_MAX];
} flights[NET];

static struct { unsigned lose, repeat, late; bool cut; unsigned sender; } net;   /* of 1000 */
static unsigned frames_sent, changes[2];
static uint8_t last[NET_FRAME_MAX];     /* that anybody has sent */
static uint64_t seed;

static unsigned chance(unsigned of)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % of;
}

static void launch(unsigned to, const void *frame, size_t length)
{
    struct flight *flight = flights;

    while (flight->used)
        assert_true(++flight < flights + NET);
    flight->used = true;
    flight->to = to;
    flight->when = clock_ns + MS + (chance(1000) < net.late ? chance(20) * MS : 0);
    flight->length = length;
    memcpy(flight->bytes, frame, length);
}

static void receive(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    unsigned from = port->context == &machine[1];

    assert_true(length <= NET_FRAME_MAX);
    memcpy(last, frame, length);
    frames_sent++;
    if (net.cut || chance(1000) < net.lose) return;
    launch(!from, frame, length);
    if (chance(1000) < net.repeat)
        launch(!from, frame, length);
}

/* A copy exactly as long as it is: ASan sees who looks behind it. */
static void deliver(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length);

    memcpy(copy, bytes, length);
    endpoint->port.sender = net.sender;
    endpoint->port.send(&endpoint->port, copy, length, 0);
    endpoint->port.flush(&endpoint->port);
    free(copy);
}

static struct flight *next_flight(void)
{
    struct flight *first = NULL;

    for (struct flight *at = flights; at < flights + NET; at++)
        if (at->used && at->when <= clock_ns && (!first || at->when < first->when))
            first = at;
    return first;
}

static void check(const struct stream *stream)
{
    uint32_t sent = stream->high - stream->una, end = stream->closing;

    assert_true(stream->out.filled <= STREAM_BUFFER && stream->in.filled <= STREAM_BUFFER);
    assert_true(stream->out.head < STREAM_BUFFER && stream->in.head < STREAM_BUFFER);
    if (stream->state != STREAM_OPEN) return;
    assert_true(sent <= stream->out.filled + end && stream->next - stream->una <= sent);
    assert_true(stream->edge - stream->expected <= STREAM_BUFFER);
    assert_true(stream->mss >= 536 && stream->mss <= 1460);
    assert_true(stream->congestion && stream->congestion <= STREAM_BUFFER);
}

/* A millisecond of it. */
static void tick(void)
{
    struct flight *flight;

    clock_ns += MS;
    while ((flight = next_flight())) {
        flight->used = false;
        deliver(&machine[flight->to], flight->bytes, flight->length);
    }
    for (unsigned i = 0; i < 2; i++) {
        uint64_t when = stream_deadline(&machine[i].stream);

        if (changes[i] || (when && when <= clock_ns)) {
            changes[i] = 0;
            while (endpoint_serve(&machine[i], 8))
                ;
        }
        check(&machine[i].stream);
    }
}

static void changed(struct stream *stream)
{
    changes[stream == &machine[1].stream]++;
}

static int set_up(void **state)
{
    static const uint32_t address[] = { HERE, THERE };

    memset(flights, 0, sizeof(flights));
    memset(&net, 0, sizeof(net));
    frames_sent = changes[0] = changes[1] = 0;
    net.sender = 3;
    seed = 7;
    clock_ns = 1ull << 40;
    for (unsigned i = 0; i < 2; i++) {
        endpoint_init(&machine[i], card[i], now);
        machine[i].outside = 3;
        stream_init(&machine[i].stream, 0x1234567890ull * (i + 1), changed);
        machine[i].port.receive = receive;
        assert_true(endpoint_set_address(&machine[i], address[i]));
    }
    return 0;
}

static void wait_for(enum stream_state here, unsigned ms)
{
    while (machine[0].stream.state != here && ms--)
        tick();
    assert_int_equal(machine[0].stream.state, here);
}

static void connect(void)
{
    stream_listen(&machine[1].stream, 0);
    stream_call(&machine[0].stream, THERE, clock_ns);
    wait_for(STREAM_OPEN, 15000);
}

/* --- something to say --- */

static uint8_t byte_of(unsigned from, size_t at)
{
    return (uint8_t)((at * 2654435761u >> 11) + from * 77);
}

static void say(unsigned from, size_t *said, size_t of)
{
    uint8_t bytes[5000];
    size_t size = MIN(1 + chance(sizeof(bytes)), of - *said);

    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_of(from, *said + i);
    *said += stream_write(&machine[from].stream, bytes, size);
    changes[from]++;
}

static void hear(unsigned at, size_t *heard)
{
    uint8_t bytes[7000];
    size_t size = stream_read(&machine[at].stream, bytes, 1 + chance(sizeof(bytes)));

    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], byte_of(!at, *heard + i));
    *heard += size;
    changes[at] += machine[at].stream.owes;
}

/* So much from the caller, and so much back at the same time; milliseconds that it took. */
static unsigned talk(size_t there, size_t back, unsigned slow)
{
    size_t said[2] = { 0, 0 }, heard[2] = { 0, 0 }, of[2] = { there, back };
    unsigned ms = 0;

    for (; heard[1] < there || heard[0] < back; ms++) {
        for (unsigned i = 0; i < 2; i++) {
            for (unsigned n = 0; n < 20; n++)
                say(i, &said[i], of[i]);
            for (unsigned n = 0; n < (slow ? chance(slow) == 0 : 40); n++)
                hear(i, &heard[i]);
        }
        tick();
        assert_true(ms < 400000);
    }
    return ms;
}

static void both_end(void)
{
    for (unsigned i = 0; i < 2; i++) {
        stream_close(&machine[i].stream);
        changes[i]++;
    }
    for (unsigned ms = 0; !stream_is_over(&machine[0].stream) ||
                          !stream_is_over(&machine[1].stream); ms++) {
        tick();
        assert_true(ms < 30000);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(machine[i].stream.state, STREAM_OPEN);
        assert_int_equal(stream_deadline(&machine[i].stream), 0);
    }
}

static void test_a_talk(void **state)
{
    unsigned ms;

    connect();
    ms = talk(3000000, 100000, 0);
    /* a round of two milliseconds, 64 KiB in each */
    assert_true(ms < 250);
    both_end();
    /* and again: at another port */
    connect();
    talk(10, 3, 0);
    both_end();
}

static void test_a_net_that_loses(void **state)
{
    for (unsigned round = 0; round < 12; round++) {
        set_up(state);
        seed = round;
        net.lose = round < 6 ? 20 : 150;
        net.repeat = round & 1 ? 100 : 0;
        net.late = round & 2 ? 200 : 0;
        connect();
        talk(200000, 20000, 0);
        both_end();
    }
}

/* Whose buffer is full most of the time: the window closes, and news of it is lost, too. */
static void test_who_reads_slowly(void **state)
{
    connect();
    talk(500000, 0, 40);
    net.lose = 100;
    talk(300000, 0, 40);
    both_end();
}

static void test_numbers_wrap(void **state)
{
    for (uint64_t secret = 0; ; secret++) {             /* until ours begin just before their end */
        machine[0].stream.secret = secret;
        stream_listen(&machine[1].stream, 0);
        stream_call(&machine[0].stream, THERE, clock_ns);
        wait_for(STREAM_CALLING, 100);
        if (machine[0].stream.una > 0xfff00000u) break;
        stream_end(&machine[0]);
        memset(flights, 0, sizeof(flights));
    }
    wait_for(STREAM_OPEN, 100);
    talk(2000000, 1000, 0);
    assert_true(machine[0].stream.una < 0x80000000u);
    both_end();
}

/* --- who does not answer --- */

static void test_nobody_there(void **state)
{
    uint64_t since = clock_ns;

    stream_call(&machine[0].stream, 0x0a000263u, clock_ns);
    wait_for(STREAM_BROKEN, 10000);
    assert_int_equal(machine[0].stream.error, -EADDRNOTAVAIL);
    assert_true(clock_ns - since > 4000 * MS && frames_sent <= 6);
    assert_int_equal(stream_deadline(&machine[0].stream), 0);
}

static void test_nobody_listens(void **state)
{
    stream_call(&machine[0].stream, THERE, clock_ns);
    wait_for(STREAM_BROKEN, 1000);
    assert_int_equal(machine[0].stream.error, -ECONNREFUSED);
    stream_listen(&machine[1].stream, HERE + 7);        /* to somebody else only */
    stream_call(&machine[0].stream, THERE, clock_ns);
    wait_for(STREAM_BROKEN, 1000);
    assert_int_equal(machine[0].stream.error, -ECONNREFUSED);
    stream_listen(&machine[1].stream, HERE);
    stream_call(&machine[0].stream, THERE, clock_ns);
    wait_for(STREAM_OPEN, 1000);
}

/* Its own guests do not reach a machine's listener, nor can one of them say that it is the host. */
static void test_guests_are_not_heard(void **state)
{
    stream_listen(&machine[1].stream, 0);
    stream_call(&machine[0].stream, THERE, clock_ns);
    net.sender = 4;
    wait_for(STREAM_BROKEN, 10000);
    assert_int_equal(machine[0].stream.error, -EADDRNOTAVAIL);
    net.sender = 3;
    stream_call(&machine[0].stream, THERE, clock_ns);
    wait_for(STREAM_CALLING, 1000);
    net.sender = 4;
    wait_for(STREAM_BROKEN, 30000);
    assert_int_equal(machine[0].stream.error, -ETIMEDOUT);
    assert_int_equal(machine[1].stream.state, STREAM_LISTENING);
}

static void test_the_net_is_cut(void **state)
{
    size_t said = 0;
    uint64_t since;

    connect();
    talk(100000, 0, 0);
    net.cut = true;
    for (unsigned ms = 0; ms < 60000; ms++)             /* nothing is missed */
        tick();
    assert_int_equal(machine[0].stream.state, STREAM_OPEN);
    say(0, &said, 1000);
    since = clock_ns;
    wait_for(STREAM_BROKEN, 30000);
    assert_int_equal(machine[0].stream.error, -ETIMEDOUT);
    assert_true(clock_ns - since > 10000 * MS && clock_ns - since < 25000 * MS);
    assert_int_equal(stream_write(&machine[0].stream, "x", 1), 0);
    net.cut = false;                                    /* who comes back finds nobody */
    say(1, &said, 2000);
    for (unsigned ms = 0; ms < 5000 && machine[1].stream.state == STREAM_OPEN; ms++)
        tick();
    assert_int_equal(machine[1].stream.error, -ENOTCONN);
}

static void test_one_gives_up(void **state)
{
    size_t said = 0, heard = 0;

    connect();
    say(0, &said, 500);
    for (unsigned ms = 0; ms < 10; ms++)
        tick();
    stream_end(&machine[0]);
    changes[0]++;
    for (unsigned ms = 0; ms < 10; ms++)
        tick();
    assert_int_equal(machine[1].stream.state, STREAM_BROKEN);
    assert_int_equal(machine[1].stream.error, -ENOTCONN);
    while (heard < said)                                /* what came before is still to be had */
        hear(1, &heard);
    connect();
    assert_true(endpoint_set_address(&machine[0], HERE + 5));
    assert_int_equal(machine[0].stream.error, -ENOTCONN);
    stream_listen(&machine[0].stream, 0);               /* a listener stays one */
    assert_true(endpoint_set_address(&machine[0], HERE));
    assert_int_equal(machine[0].stream.state, STREAM_LISTENING);
}

/* --- segments by hand: to machine 1, as if from 0 --- */

static unsigned sum(const uint8_t *at, size_t length, uint64_t more)
{
    for (size_t i = 0; i < length; i++)
        more += i & 1 ? at[i] : (unsigned)at[i] << 8;
    while (more >> 16)
        more = (more & 0xffff) + (more >> 16);
    return (unsigned)more;
}

static struct { uint32_t from; unsigned port, to, window; size_t options; } hand;

static void inject(uint32_t sequence, uint32_t ack, unsigned flags, size_t bytes)
{
    static uint8_t frame[2048];
    uint8_t *ip = frame + 14, *tcp = ip + 20;
    size_t length = 20 + hand.options + bytes;

    memset(frame, 0, sizeof(frame));
    memcpy(frame, machine[1].port.mac, NET_MAC);
    memcpy(frame + 6, machine[0].port.mac, NET_MAC);
    set16(frame + 12, 0x0800);
    ip[0] = 0x45;
    set16(ip + 2, 20 + length);
    ip[8] = 64;
    ip[9] = PROTOCOL_TCP;
    set32(ip + 12, hand.from);
    set32(ip + 16, THERE);
    set16(ip + 10, ~sum(ip, 20, 0));
    set16(tcp, hand.port);
    set16(tcp + 2, hand.to);
    set32(tcp + 4, sequence);
    set32(tcp + 8, ack);
    set16(tcp + 12, (20 + hand.options) / 4 << 12 | flags);
    set16(tcp + 14, hand.window);
    for (size_t i = 0; i < hand.options; i++)
        tcp[20 + i] = (uint8_t)chance(6);
    set16(tcp + 16, ~sum(tcp, length, (uint64_t)sum(ip + 12, 8, 0) + PROTOCOL_TCP + length));
    frames_sent = 0;
    deliver(&machine[1], frame, 34 + length);
}

/* The one that came back. */
static const uint8_t *came(unsigned flags)
{
    assert_int_equal(frames_sent, 1);
    assert_int_equal(last[47], flags);
    return last + 34;
}

static int by_hand(void **state)
{
    set_up(state);
    net.cut = true;                     /* what goes back to 0 is only looked at */
    hand.from = HERE;
    hand.port = 5000;
    hand.to = STREAM_PORT;
    hand.window = 60000;
    hand.options = 0;
    return 0;
}

/* The number that machine 1 sends next. */
static uint32_t shake_hands(uint32_t isn)
{
    uint32_t theirs;

    stream_listen(&machine[1].stream, 0);
    inject(isn, 0, SYN, 0);
    theirs = get32(came(SYN | ACK) + 4) + 1;
    inject(isn + 1, theirs, ACK, 0);
    assert_int_equal(machine[1].stream.state, STREAM_OPEN);
    return theirs;
}

static void test_a_flood_takes_no_place(void **state)
{
    struct stream before;
    uint32_t theirs;

    stream_listen(&machine[1].stream, 0);
    inject(1000, 0, SYN, 0);
    theirs = get32(came(SYN | ACK) + 4) + 1;
    before = machine[1].stream;
    for (unsigned i = 0; i < 10000; i++) {
        hand.from = 0x0b000000u + chance(1 << 20);
        hand.port = 1 + chance(65535);
        inject(chance(1 << 30), 0, SYN, 0);
        came(SYN | ACK);
        inject(chance(1 << 30), chance(1 << 30), ACK, 10);      /* guesses */
        assert_int_equal(frames_sent, 0);
    }
    assert_memory_equal(&before, &machine[1].stream, sizeof(before));
    hand.from = HERE;
    hand.port = 5000;
    clock_ns += 8000 * MS;
    inject(1001, theirs + 1, ACK, 0);                   /* not quite */
    assert_int_equal(machine[1].stream.state, STREAM_LISTENING);
    inject(1001, theirs, ACK, 5);                       /* the handshake's end, with data */
    assert_int_equal(machine[1].stream.state, STREAM_OPEN);
    assert_int_equal(machine[1].stream.in.filled, 5);
    hand.port = 5001;                                   /* one is enough */
    inject(1000, 0, SYN, 0);
    came(RST | ACK);
    stream_listen(&machine[1].stream, 0);
    clock_ns += 20000 * MS;
    hand.port = 5000;
    inject(1001, theirs, ACK, 0);                       /* too late */
    assert_int_equal(machine[1].stream.state, STREAM_LISTENING);
}

static void test_what_is_not_believed(void **state)
{
    uint32_t theirs = shake_hands(1000), at = 1001;
    struct stream *stream = &machine[1].stream;
    size_t said = 0;

    inject(at + 5, theirs, RST, 0);                     /* not the very next number */
    came(ACK);
    inject(at - 1, 0, RST, 0);
    assert_int_equal(frames_sent, 0);
    inject(at, theirs, SYN | ACK, 0);                   /* so soon, one answer is enough */
    assert_int_equal(frames_sent, 0);
    clock_ns += 100 * MS;
    inject(at, theirs, SYN | ACK, 0);
    came(ACK);
    inject(at, theirs + 1, ACK, 10);                    /* of what was never sent */
    came(ACK);
    inject(at, theirs - STREAM_BUFFER - 1, ACK, 10);
    came(ACK);
    inject(at, 0, 0, 10);
    assert_int_equal(frames_sent, 0);
    inject(at + 10, theirs, ACK, 10);                   /* a hole */
    assert_int_equal(get32(came(ACK) + 8), at);
    inject(at + MIN(STREAM_BUFFER, 65535u), theirs, ACK, 1);
    assert_int_equal(get32(came(ACK) + 8), at);
    assert_int_equal(stream->in.filled, 0);
    inject(at, theirs - 5, ACK, 10);                    /* an old one brings data all the same */
    assert_int_equal(get32(came(ACK) + 8), at + 10);
    inject(at + 5, theirs, ACK | FIN, 10);
    assert_int_equal(get32(came(ACK) + 8), at + 16);
    inject(at + 16, theirs, ACK, 10);                   /* behind its end */
    assert_int_equal(stream->in.filled, 15);
    say(1, &said, 3000);
    endpoint_serve(&machine[1], 8);
    inject(at + 16, theirs + (uint32_t)said, ACK, 0);
    assert_int_equal(stream->out.filled, 0);
    inject(at + 16, 0, RST, 0);
    assert_int_equal(stream->error, -ENOTCONN);
}

static void test_three_of_the_same(void **state)
{
    uint32_t theirs = shake_hands(1000);
    size_t said = 0;

    while (said < 20000)
        say(1, &said, 20000);
    frames_sent = 0;
    while (endpoint_serve(&machine[1], 8))
        ;
    assert_int_equal(frames_sent, 10);                  /* RFC 6928's beginning */
    for (unsigned i = 0; i < 2; i++)
        inject(1001, theirs, ACK, 0);
    endpoint_serve(&machine[1], 8);
    assert_int_equal(frames_sent, 0);
    inject(1001, theirs, ACK, 0);
    endpoint_serve(&machine[1], 1);
    assert_int_equal(frames_sent, 1);
    assert_int_equal(get32(last + 38), theirs);
}

/* A window that stays closed is asked about, for as long as somebody answers. */
static void test_a_closed_window(void **state)
{
    uint32_t theirs;
    size_t said = 0;

    hand.window = 0;
    theirs = shake_hands(1000);
    say(1, &said, 1);
    stream_close(&machine[1].stream);
    endpoint_serve(&machine[1], 8);
    for (unsigned asked = 0, ms = 0; asked < 30; ms++) {
        assert_true(ms < 200000);
        frames_sent = 0;
        clock_ns += MS;
        if (stream_deadline(&machine[1].stream) <= clock_ns)
            endpoint_serve(&machine[1], 8);
        check(&machine[1].stream);
        if (!frames_sent)
            continue;
        asked++;
        inject(1001, theirs, ACK, 0);
        assert_int_equal(machine[1].stream.state, STREAM_OPEN);
    }
    inject(1001, theirs + 2, ACK, 0);                   /* the byte, and our end */
    assert_true(machine[1].stream.end_acked);
}

static void test_only_the_right_answers_a_call(void **state)
{
    struct stream *stream = &machine[1].stream;

    hand.port = STREAM_PORT;
    stream_call(stream, HERE, clock_ns);
    endpoint_serve(&machine[1], 8);
    assert_int_equal(get32(last + 38), HERE);           /* who has that address? */
    stream_found(&machine[1], HERE + 1, card[0]);
    assert_int_equal(stream->state, STREAM_SEEKING);
    stream_found(&machine[1], HERE, machine[0].port.mac);
    endpoint_serve(&machine[1], 8);
    hand.to = stream->port;
    inject(7, stream->una + 2, SYN | ACK, 0);
    came(RST);
    inject(7, 0, RST, 0);
    inject(7, 0, SYN, 0);
    inject(7, stream->una + 1, ACK, 0);
    assert_int_equal(stream->state, STREAM_CALLING);
    hand.from = HERE + 7;
    inject(7, stream->una + 1, SYN | ACK, 0);
    came(RST);
    hand.from = HERE;
    inject(7, stream->una + 1, SYN | ACK, 0);
    assert_int_equal(stream->state, STREAM_OPEN);
    assert_int_equal(stream->mss, 536);
}

/* Anything, at any time. */
static void test_segments_of_every_kind(void **state)
{
    for (unsigned round = 0; round < 300; round++) {
        struct stream *stream = &machine[1].stream;
        size_t said = 0, heard;
        uint8_t bytes[9000];

        by_hand(state);
        seed = round;
        if (round % 3) {
            shake_hands(chance(1 << 30) * 4u);
        } else {
            stream_call(stream, HERE, clock_ns);
            stream_found(&machine[1], HERE, machine[0].port.mac);
            hand.port = STREAM_PORT;
            hand.to = stream->port;
        }
        for (unsigned i = 0; i < 300; i++) {
            uint32_t sequence = stream->expected + chance(3) * (chance(4000) - 2000),
                     ack = stream->una + chance(3) * (chance(4000) - 2000);

            if (chance(8) == 0)
                ack = stream->high + chance(2);
            hand.window = chance(4) ? chance(65536) : 0;
            hand.options = 4 * chance(11);
            inject(sequence, ack, chance(6) ? ACK | (chance(9) ? 0 : FIN) : chance(64),
                   chance(3) ? chance(1400) : 0);
            assert_true(frames_sent <= 2);
            clock_ns += chance(100) * MS;
            if (chance(3) == 0)
                say(1, &said, said + 5000);
            if (chance(3) == 0) {
                heard = stream_read(stream, bytes, chance(sizeof(bytes)));
                assert_true(heard <= sizeof(bytes));
            }
            if (chance(200) == 0)
                stream_close(stream);
            endpoint_serve(&machine[1], 8);
            check(stream);
        }
        stream_end(&machine[1]);
        endpoint_serve(&machine[1], 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_talk, set_up),
        cmocka_unit_test_setup(test_a_net_that_loses, set_up),
        cmocka_unit_test_setup(test_who_reads_slowly, set_up),
        cmocka_unit_test_setup(test_numbers_wrap, set_up),
        cmocka_unit_test_setup(test_nobody_there, set_up),
        cmocka_unit_test_setup(test_nobody_listens, set_up),
        cmocka_unit_test_setup(test_guests_are_not_heard, set_up),
        cmocka_unit_test_setup(test_the_net_is_cut, set_up),
        cmocka_unit_test_setup(test_one_gives_up, set_up),
        cmocka_unit_test_setup(test_a_flood_takes_no_place, by_hand),
        cmocka_unit_test_setup(test_what_is_not_believed, by_hand),
        cmocka_unit_test_setup(test_three_of_the_same, by_hand),
        cmocka_unit_test_setup(test_a_closed_window, by_hand),
        cmocka_unit_test_setup(test_only_the_right_answers_a_call, by_hand),
        cmocka_unit_test_setup(test_segments_of_every_kind, by_hand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
