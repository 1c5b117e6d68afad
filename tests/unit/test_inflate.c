/* SPDX-License-Identifier: MIT */
/*
 * What gzip packs, unpacked: beside zlib, which packs in every way it can, and unpacks what is
 * damaged. Both take the same streams, and make the same bytes of them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <time.h>
#include <cmocka.h>
#include <zlib.h>
#include "dom0/xc/inflate.h"

#define MOST (300u * 1024)

static uint8_t plain[MOST], packed[MOST * 2], back[MOST];
static uint64_t state = 1;

static unsigned below(unsigned limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state * 0x2545f4914f6cdd1dull >> 32) % limit);
}

/* Of all kinds: noise, few different bytes, runs, repetitions near and far. */
static void make_plain(size_t size)
{
    unsigned kind = below(5), alphabet = 1 + below(256);

    for (size_t i = 0; i < size;) {
        size_t run = 1 + below(kind == 2 ? 600 : kind == 3 ? 40 : 1);
        size_t back_to = kind >= 3 && i ? 1 + below((unsigned)(i < 40000 ? i : 40000)) : 0;
        uint8_t byte = (uint8_t)below(alphabet);

        for (; run && i < size; run--, i++)
            plain[i] = back_to ? plain[i - back_to] : byte;
        if (kind >= 3 && i < size)
            plain[i++] = byte;
    }
}

static size_t pack(size_t size, int level, int strategy, int memory, bool with_header)
{
    z_stream z = { 0 };
    gz_header header = { .text = 1,
                         .extra = (Bytef *)(uintptr_t) "xyz",
                         .extra_len = 3,
                         .hcrc = 1,
                         .name = (Bytef *)(uintptr_t) "vmlinux",
                         .comment = (Bytef *)(uintptr_t) "c" };

    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, memory, strategy), Z_OK);
    if (with_header)
        assert_int_equal(deflateSetHeader(&z, &header), Z_OK);
    z.next_in = plain;
    z.avail_in = (uInt)size;
    z.next_out = packed;
    z.avail_out = sizeof(packed);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return sizeof(packed) - z.avail_out;
}

/* Exactly as large as it is, so that nobody reads behind it. */
static int unpack(size_t size, size_t room, const char **why)
{
    uint8_t *from = malloc(size), *to = malloc(room ? room : 1);
    int error;

    memcpy(from, packed, size);
    error = gzip_unpack(from, size, to, room, NULL, why);
    if (!error)
        memcpy(back, to, room);
    free(from);
    free(to);
    return error;
}

static void everything_that_zlib_packs(void **unused)
{
    static const int strategies[] = { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE,
                                      Z_FIXED };
    const char *why;

    for (unsigned round = 0; round < 400; round++) {
        size_t size = below(round % 4 ? 3000 : MOST), length;

        make_plain(size);
        length = pack(size, (int)below(10), strategies[below(5)], 1 + (int)below(9), below(2));
        assert_true(gzip_begins(packed, length));
        assert_int_equal(gzip_size(packed, length), size);
        if (unpack(length, size, &why))
            fail_msg("round %u: %s", round, why);
        assert_memory_equal(back, plain, size);
    }
}

/* What zlib makes of it: the same room, all input used, nothing left over. */
static bool zlib_takes(size_t size, size_t room)
{
    static uint8_t to[MOST + 1];
    z_stream z = {
        .next_in = packed, .avail_in = (uInt)size, .next_out = to, .avail_out = (uInt)room + 1
    };
    int status;

    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    status = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return status == Z_STREAM_END && !z.avail_in && z.avail_out == 1 &&
           (memcpy(plain, to, room), true);
}

/* DOMUS_FUZZ_SECONDS=N goes on for that long. */
static void damaged_streams(void **unused)
{
    const char *seconds = getenv("DOMUS_FUZZ_SECONDS"), *why;
    time_t until = seconds ? time(NULL) + atol(seconds) : 0;
    unsigned taken = 0, round;

    for (round = 0; until ? time(NULL) < until : round < 6000; round++) {
        size_t size = below(400), length, room;

        make_plain(size);
        length = pack(size, (int)below(10), below(3) ? Z_DEFAULT_STRATEGY : Z_FIXED,
                      1 + (int)below(9), !below(4));
        for (unsigned i = below(4); i > 0; i--)
            packed[below((unsigned)length - (below(8) ? 8 : 0))] ^= (uint8_t)(1u << below(8));
        if (!below(8))
            length -= below((unsigned)length);
        room = gzip_size(packed, length);
        if (room > MOST || length < 18)
            continue;
        bool theirs = zlib_takes(length, room), ours = !unpack(length, room, &why);
        taken += ours;
        if (ours != theirs || (ours && memcmp(back, plain, room)))
            fail_msg("round %u: zlib %d, ours %d: %s", round, theirs, ours, why ? why : "");
    }
    print_message("%u of %u are taken\n", taken, round);
    assert_true(taken > round / 8 && taken < round);
}

static unsigned breaths;

static void breathe(void)
{
    breaths++;
}

static void sentences(void **unused)
{
    const char *why;
    size_t length;

    make_plain(70000);
    memset(plain, 'x', 40000);
    length = pack(70000, 6, Z_DEFAULT_STRATEGY, 8, false);
    assert_int_equal(gzip_unpack(packed, length, back, 70000, breathe, &why), 0);
    assert_true(breaths >= 1);
    assert_int_equal(unpack(length, 69999, &why), -EINVAL);
    assert_string_equal(why, "it holds more than it says");
    assert_int_equal(unpack(length, 70001, &why), -EINVAL);
    assert_string_equal(why, "it holds less than it says");
    packed[length - 8] ^= 1;
    assert_int_equal(unpack(length, 70000, &why), -EINVAL);
    assert_string_equal(why, "its checksum is wrong");
    packed[length - 8] ^= 1;
    memmove(packed + length - 7, packed + length - 8, 8);
    assert_int_equal(unpack(length + 1, 70000, &why), -EINVAL);
    assert_string_equal(why, "something follows its end");
    packed[2] = 7;
    assert_int_equal(unpack(length, 70000, &why), -EINVAL);
    assert_string_equal(why, "its header is damaged");
    packed[1] = 0;
    assert_int_equal(unpack(length, 70000, &why), -EINVAL);
    assert_string_equal(why, "it is no gzip file");
    assert_int_equal(gzip_size(packed, length), 0);
    length = pack(100, 6, Z_DEFAULT_STRATEGY, 8, false);
    memset(packed + length - 4, 0xff, 4);
    assert_int_equal(gzip_size(packed, length), 0);             /* More than deflate can do. */
    assert_false(gzip_begins(packed, 17));
    /* A name or a comment that goes on to the end. */
    for (unsigned flags = 8; flags < 0x20; flags += 8) {
        length = pack(100, 6, Z_DEFAULT_STRATEGY, 8, false);
        packed[3] = (uint8_t)flags;
        memset(packed + 10, 'n', length - 10);
        packed[12] = flags == 0x18 ? 0 : 'n';               /* its name has an end */
        assert_int_equal(unpack(length, 100, &why), -EINVAL);
        assert_string_equal(why, "its header is damaged");
    }
    assert_int_equal(gzip_unpack(packed, 5, back, 0, NULL, &why), -EINVAL);
    memset(packed, 0, 64);                              /* lengths of which no code can be made */
    memcpy(packed, "\x1f\x8b\x08\0\0\0\0\0\0\3\5\0\x92\4", 14);
    assert_int_equal(unpack(64, 100, &why), -EINVAL);
    assert_string_equal(why, "a code's lengths are damaged");
}

static unsigned breaths_of(size_t length, size_t room)
{
    const char *why;

    breaths = 0;
    if (gzip_unpack(packed, length, back, room, breathe, &why))
        fail_msg("%s", why);
    return breaths;
}

/* Nobody waits for a file that takes long, whatever is in it: what is only copied, what makes
 * nothing (blocks that end at once, ten bits each), and what precedes it all. */
static void breath_is_taken(void **unused)
{
    static const uint8_t head[10] = { 0x1f, 0x8b, 8 };
    size_t length, end, bit = 0;

    make_plain(MOST);
    length = pack(MOST, 0, Z_DEFAULT_STRATEGY, 8, false);
    assert_in_range(breaths_of(length, MOST), MOST / 65536 + 2, 100);   /* Two: its checksum's. */

    memset(packed, 0, sizeof(packed));
    memcpy(packed, head, sizeof(head));
    for (end = 100000; bit < end; bit += 10)
        packed[10 + (bit + 1) / 8] |= (uint8_t)(1u << (bit + 1) % 8);
    packed[10 + (bit - 10) / 8] |= (uint8_t)(1u << (bit - 10) % 8);     /* The last. */
    length = 10 + (bit + 7) / 8 + 8;
    assert_in_range(breaths_of(length, 0), 10000 * 512 / 65536, 100);

    length = pack(0, 6, Z_DEFAULT_STRATEGY, 8, false);
    memmove(packed + 10 + MOST, packed + 10, length - 10);
    memset(packed + 10, 'n', MOST - 1);
    packed[9 + MOST] = '\0';
    packed[3] = 8;
    assert_in_range(breaths_of(length + MOST, 0), MOST / 65536, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_zlib_packs),
        cmocka_unit_test(damaged_streams),
        cmocka_unit_test(sentences),
        cmocka_unit_test(breath_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
