/* SPDX-License-Identifier: MIT */
/*
 * What is done in software for guests whose card should have done it, compared byte by byte with
 * frames made here by the rules of RFC 791, 8200, 9293, 768 and 1071: checksums completed in frames
 * of every shape, each length a byte too small and too large among them; large frames cut. Every
 * frame stands in memory of exactly its length: a byte too far is seen.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <drivers/net.h>

static void put16(uint8_t *at, unsigned int value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned int get16(const uint8_t *at)
{
    return (unsigned int)at[0] << 8 | at[1];
}

/* RFC 1071, word by word. */
static unsigned int sum_of(const uint8_t *at, size_t length, unsigned long more)
{
    for (size_t i = 0; i < length; i++)
        more += i % 2 ? at[i] : (unsigned long)at[i] << 8;
    while (more > 0xffff)
        more = (more & 0xffff) + (more >> 16);
    return (unsigned int)more;
}

static void fill(uint8_t *at, size_t length, unsigned int seed)
{
    for (size_t i = 0; i < length; i++)
        at[i] = (uint8_t)(seed = seed * 1103515245 + 12345, seed >> 16);
}

/* --- completing --- */

/* A frame, and what it says of itself. */
struct shape {
    bool vlan, six;
    unsigned int header, total, fragment, protocol, room;   /* of IP; room: bytes that there are */
};

static void describe(uint8_t *ip, const struct shape *shape)
{
    if (shape->six) {
        uint8_t fixed[8] = { 0x60, [6] = (uint8_t)shape->protocol, [7] = 64 };

        put16(fixed + 4, shape->total - shape->header);
        memcpy(ip, fixed, shape->room < 8 ? shape->room : 8);
    } else {
        uint8_t fixed[10] = { 0x40, [8] = 64, [9] = (uint8_t)shape->protocol };

        fixed[0] |= (uint8_t)(shape->header / 4);
        put16(fixed + 2, shape->total);
        put16(fixed + 6, shape->fragment);
        memcpy(ip, fixed, shape->room < 10 ? shape->room : 10);
    }
}

/* What the frame must be afterwards: as before, but for the checksum where there is one. */
static void expect(uint8_t *ip, const struct shape *shape)
{
    unsigned int smallest = shape->six ? 40 : 20;
    unsigned int field = shape->protocol == 6 ? 16 : 6;

    if (shape->room < smallest || shape->header < smallest || shape->total < shape->header ||
        shape->total > shape->room || (shape->protocol != 6 && shape->protocol != 17) ||
        (!shape->six && (shape->fragment & 0x3fff)))
        return;

    unsigned int length = shape->total - shape->header;
    uint8_t *segment = ip + shape->header;

    if (length < field + 2) return;
    put16(segment + field, 0);

    const uint8_t *addresses = shape->six ? ip + 8 : ip + 12;
    unsigned int pseudo = sum_of(addresses, shape->six ? 32 : 8, shape->protocol + length);
    unsigned int value = 0xffff - sum_of(segment, length, pseudo);

    put16(segment + field, shape->protocol == 17 && value == 0 ? 0xffff : value);
}

static void assert_completed(struct shape shape)
{
    size_t before = shape.vlan ? 18 : 14, length = before + shape.room;
    uint8_t *frame = malloc(length), *expected = malloc(length);

    fill(frame, length, shape.header * 71 + shape.total * 3 + shape.protocol + shape.room);
    if (shape.vlan)
        put16(frame + 12, 0x8100);
    put16(frame + before - 2, shape.six ? 0x86dd : 0x0800);
    describe(frame + before, &shape);
    memcpy(expected, frame, length);
    expect(expected + before, &shape);
    net_complete_checksum(frame, length);
    assert_memory_equal(frame, expected, length);
    free(frame);
    free(expected);
}

static const unsigned int protocols[] = { 6, 17, 1, 7, 16, 0, 255 };

static void frames_of_every_shape(void **state)
{
    for (unsigned int p = 0; p < 7; p++)
        for (unsigned int payload = 0; payload < 70; payload++)
            for (unsigned int shape = 0; shape < 4; shape++) {
                bool six = shape & 1, vlan = shape & 2;
                unsigned int header = six ? 40 : 20 + 4 * (payload % 11), all = header + payload;

                assert_completed((struct shape){ vlan, six, header, all, 0, protocols[p], all });
                assert_completed(
                    (struct shape){ vlan, six, header, all, 0, protocols[p], all + 9 });
                assert_completed(
                    (struct shape){ vlan, six, header, all + 1, 0, protocols[p], all });
            }
}

static void headers_that_lie(void **state)
{
    for (unsigned int room = 0; room < 80; room++)
        for (unsigned int total = 0; total < 82; total++)
            for (unsigned int vlan = 0; vlan < 2; vlan++) {
                for (unsigned int header = 0; header < 64; header += 4)
                    assert_completed((struct shape){ vlan, false, header, total, 0, 17, room });
                if (total >= 40)
                    assert_completed((struct shape){ vlan, true, 40, total, 0, 17, room });
            }
}

/* More to follow, or not the first; the other two bits say nothing of that. */
static void fragments_are_left_alone(void **state)
{
    for (unsigned int bit = 1; bit < 0x10000; bit <<= 1)
        assert_completed((struct shape){ false, false, 20, 60, bit, 6, 60 });
}

/* Neither, by one bit, the kind of frame that it would be; and frames that end in their headers. */
static void other_kinds_are_left_alone(void **state)
{
    static const unsigned int kinds[] = { 0x0800, 0x86dd, 0x8100 };

    for (unsigned int k = 0; k < 3; k++)
        for (unsigned int bit = 1; bit < 0x10000; bit <<= 1) {
            uint8_t frame[14 + 4 + 20 + 40] = { [12] = 8, [17] = 8 }, before[sizeof frame];

            put16(frame + 12, kinds[k] ^ bit);
            describe(frame + 14, &(struct shape){ false, kinds[k] == 0x86dd, 20, 60, 0, 6, 64 });
            if (k == 2) {
                put16(frame + 16, 0x0800);
                describe(frame + 18, &(struct shape){ false, false, 20, 60, 0, 6, 60 });
            }
            memcpy(before, frame, sizeof frame);
            net_complete_checksum(frame, sizeof frame);
            assert_memory_equal(frame, before, sizeof frame);
        }
    for (size_t length = 0; length < 18; length++) {
        uint8_t *frame = calloc(1, length + !length);

        if (length >= 14)
            put16(frame + 12, 0x8100);
        net_complete_checksum(frame, length);
        free(frame);
    }
}

/* A sum that is zero: UDP says 0xffff, for its zero means "none"; TCP says what it is. */
static void a_sum_of_zero(void **state)
{
    for (unsigned int udp = 0; udp < 2; udp++) {
        uint8_t frame[14 + 20 + 22] = { [12] = 8 }, *segment = frame + 34;
        unsigned int field = udp ? 6 : 16;

        describe(frame + 14, &(struct shape){ false, false, 20, 42, 0, udp ? 17 : 6, 42 });
        net_complete_checksum(frame, sizeof frame);
        put16(segment + 20, get16(segment + field));
        net_complete_checksum(frame, sizeof frame);
        assert_int_equal(get16(segment + field), udp ? 0xffff : 0);
    }
}

/* --- cutting --- */

struct large {
    unsigned int ip_options, tcp_options, payload, size, flags, identification;
    uint32_t sequence;
};

static uint8_t *large_frame(const struct large *large, size_t *length)
{
    unsigned int ip_header = 20 + large->ip_options, tcp_header = 20 + large->tcp_options;
    uint8_t *frame = malloc(*length = 14 + ip_header + tcp_header + large->payload);
    uint8_t *ip = frame + 14, *tcp = ip + ip_header;

    fill(frame, *length, large->payload);
    put16(frame + 12, 0x0800);
    ip[0] = (uint8_t)(0x40 | ip_header / 4);
    put16(ip + 4, large->identification);
    put16(ip + 6, 0x4000);
    ip[9] = 6;
    put16(tcp + 4, large->sequence >> 16);
    put16(tcp + 6, large->sequence & 0xffff);
    tcp[12] = (uint8_t)(tcp_header / 4 << 4);
    tcp[13] = (uint8_t)large->flags;
    return frame;
}

/* Piece `index` of the frame; returns its length. */
static size_t piece_of(const struct large *large, const uint8_t *frame, unsigned int index,
                       uint8_t *out)
{
    unsigned int ip_header = 20 + large->ip_options, header = 34 + large->ip_options + 20 +
                                                              large->tcp_options;
    unsigned int at = index * large->size, left = large->payload - at;
    unsigned int bytes = left > large->size ? large->size : left;
    uint8_t *ip = out + 14, *tcp = ip + ip_header;
    uint32_t sequence = large->sequence + at;

    memcpy(out, frame, header);
    memcpy(out + header, frame + header + at, bytes);
    put16(ip + 2, header - 14 + bytes);
    put16(ip + 4, large->identification + index);
    put16(ip + 10, 0);
    put16(ip + 10, ~sum_of(ip, ip_header, 0));
    put16(tcp + 4, sequence >> 16);
    put16(tcp + 6, sequence & 0xffff);
    if (index > 0)
        tcp[13] &= 0x7f;                        /* CWR: said once */
    if (bytes < left)
        tcp[13] &= 0xf6;                        /* FIN, PSH: at the end */
    put16(tcp + 16, 0);

    unsigned int segment = header - 14 - ip_header + bytes;

    put16(tcp + 16, ~sum_of(tcp, segment, sum_of(ip + 12, 8, 6 + segment)));
    return header + bytes;
}

static void assert_cut(struct large large)
{
    struct net_cutter cutter;
    size_t length;
    uint8_t *frame = large_frame(&large, &length), expected[NET_FRAME_MAX], out[NET_FRAME_MAX];
    unsigned int pieces = (large.payload + large.size - 1) / large.size;

    assert_true(net_cut_begin(&cutter, frame, length, large.size));
    for (unsigned int i = 0; i < pieces; i++) {
        size_t bytes = piece_of(&large, frame, i, expected);

        assert_int_equal(net_cut_next(&cutter, out), bytes);
        assert_memory_equal(out, expected, bytes);
    }
    assert_int_equal(net_cut_next(&cutter, out), 0);
    free(frame);
}

static void pieces_are_right_to_the_byte(void **state)
{
    for (unsigned int ip = 0; ip <= 40; ip += 20)
        for (unsigned int tcp = 0; tcp <= 40; tcp += 20)
            for (unsigned int pieces = 1; pieces < 5; pieces++)
                for (unsigned int more = 0; more < 3; more++)
                    assert_cut((struct large){ ip, tcp, pieces * 256 + more - 1, 256,
                                               0xff, 0xfffe, 0xfffffe01u });
    for (unsigned int flags = 0; flags < 256; flags++)
        assert_cut((struct large){ 0, 12, 3000, 1000, flags, flags * 257, flags * 0x01010101u });
    /* all that a frame may be; a piece that fills one; a single byte */
    assert_cut((struct large){ 0, 0, NET_LARGE_MAX - 54, NET_FRAME_MAX - 54, 0x10, 1, 1 });
    assert_cut((struct large){ 40, 40, NET_LARGE_MAX - 134, NET_FRAME_MAX - 134, 0x10, 1, 1 });
    assert_cut((struct large){ 0, 0, 1, NET_CUT_MIN, 0x19, 1, 1 });
}

static bool begins(const struct large *large, size_t shorter, unsigned int at, unsigned int turned)
{
    struct net_cutter cutter;
    size_t length;
    uint8_t *frame = large_frame(large, &length), *exact = malloc(length - shorter);

    frame[at] ^= (uint8_t)turned;
    memcpy(exact, frame, length - shorter);

    bool begun = net_cut_begin(&cutter, exact, length - shorter, large->size);

    free(frame);
    free(exact);
    return begun;
}

static void frames_that_are_none(void **state)
{
    const struct large plain = { .payload = 2000, .size = 1000 };
    struct large large = plain;

    assert_true(begins(&plain, 0, 0, 0));
    for (unsigned int bit = 1; bit < 0x100; bit <<= 1) {
        assert_false(begins(&plain, 0, 12, bit));               /* not IPv4 */
        assert_false(begins(&plain, 0, 13, bit));
        assert_false(begins(&plain, 0, 14, bit & 0xf0 ? bit : 0x10));
        assert_false(begins(&plain, 0, 23, bit));               /* not TCP */
    }
    assert_false(begins(&plain, 0, 14, 1));                     /* headers below their least */
    assert_false(begins(&plain, 0, 46, 0x10));
    for (size_t shorter = 2000; shorter <= 2054; shorter++)     /* nothing behind them */
        assert_false(begins(&plain, shorter, 0, 0));
    assert_true(begins(&plain, 1999, 0, 0));
    large.ip_options = large.tcp_options = 40;
    for (size_t shorter = 2000; shorter <= 2134; shorter++)
        assert_false(begins(&large, shorter, 0, 0));
    for (large.size = NET_FRAME_MAX - 134; large.size < 65536; large.size += 501)
        assert_int_equal(begins(&large, 0, 0, 0), large.size == NET_FRAME_MAX - 134);
    large.size = NET_FRAME_MAX - 133;
    assert_false(begins(&large, 0, 0, 0));
    large = plain;
    for (large.size = 0; large.size < NET_CUT_MIN; large.size++)
        assert_false(begins(&large, 0, 0, 0));
    assert_true(begins(&large, 0, 0, 0));
    large.payload = NET_LARGE_MAX - 54 + 1;
    assert_false(begins(&large, 0, 0, 0));
    assert_true(begins(&large, 1, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_every_shape),
        cmocka_unit_test(headers_that_lie),
        cmocka_unit_test(fragments_are_left_alone),
        cmocka_unit_test(other_kinds_are_left_alone),
        cmocka_unit_test(a_sum_of_zero),
        cmocka_unit_test(pieces_are_right_to_the_byte),
        cmocka_unit_test(frames_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
