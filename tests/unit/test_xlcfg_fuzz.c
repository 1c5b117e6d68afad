/* SPDX-License-Identifier: MIT */
/*
 * Generated configurations, disks, rates and names of devices, read by Xen's own libraries and by
 * ours (xlu_host.h, xlu_devices_host.h): what the grammar allows, with a few characters broken in
 * every second one.
 *
 * Deterministic: seeds 1, 2, 3, ... as many as ROUNDS. DOMUS_FUZZ_SEED=N begins elsewhere (a
 * failure says where), DOMUS_FUZZ_SECONDS=N goes on for that long.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>
#include "xlu_devices_host.h"

#define ROUNDS 400u
#define CASES 50u                       /* Of each kind, for one seed. */
#define ROOM 4000u

static uint64_t seed, state;
static char text[ROOM + 100];
static size_t size;

static unsigned below(unsigned limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state * 0x2545f4914f6cdd1dull >> 32) % limit);
}

static void put(const char *piece)
{
    size_t length = strlen(piece);

    if (size + length < ROOM) {
        memcpy(text + size, piece, length + 1);
        size += length;
    }
}

#define PICK(table) ((table)[below(ARRAY_SIZE(table))])

/* --- configurations --------------------------------------------------------------------------- */

static void put_blanks(void)
{
    static const char *const blanks[] = { "", "", "", " ", " ", "\t", "   " };

    put(PICK(blanks));
}

static void put_line_end(void)
{
    static const char *const ends[] = { "\n",   "\n",       "\n",
                                        "\r\n", "\n\n",     " # so 'it' = [ is\n",
                                        "#\n",  "\t\n   \n" };

    put(PICK(ends));
}

static void put_number(void)
{
    static const char *const numbers[] = {
    "0", "1", "64", "007", "010", "08", "0x40", "0xff", "0x", "12abc", "9223372036854775807",
    "9223372036854775808", "99999999999999999999", "0x8000000000000000", "1x", "5f",
};

    put(PICK(numbers));
}

static void put_string(void)
{
    static const char *const pieces[] = {
    "a", "web-1", " ", "5", "-5", "+", "0x1F", "phy:/dev/vg/a,xvda,w", "rate=10Mb/s", "#", "=",
    "[", "]", ",", ";", "\\\\", "\\n", "\\t", "\\'", "\\\"", "\\a\\b\\f\\r\\v", "\xc3\xa4", "\t",
    "/boot/vmlinuz", "\\101", "\\x41", "\\z", "\\0", "\\777", "root=/dev/xvda1 ro",
};
    const char *quote = below(2) ? "'" : "\"", *other = *quote == '"' ? "'" : "\"";

    put(quote);
    for (unsigned i = below(5); i > 0; i--) {
        const char *piece = PICK(pieces);

        /* Those that both refuse, or of which one makes nothing, are to be rare. */
        if (piece[0] == '\\' && strchr("1x0z7", piece[1]) && below(8))
            piece = other;
        put(piece);
    }
    put(quote);
}

static void put_value(unsigned depth)
{
    unsigned kind = below(depth < 5 ? 10 : 6);

    if (kind < 2)
        put_number();
    else if (kind < 6)
        put_string();
    else {
        put("[");
        for (unsigned i = below(4); i > 0; i--) {
            put_blanks();
            if (!below(4))
                put_line_end();
            put_value(depth + 1);
            put_blanks();
            if (!below(4))
                put_line_end();
            if (i > 1 || !below(3))
                put(",");
        }
        if (!below(4))
            put_line_end();
        put("]");
    }
}

static void put_statement(void)
{
    static const char *const names[] = { "a",    "a",   "b",     "b",        "name", "memory",
                                         "disk", "vif", "extra", "on_crash", "a.b",  "x_9" };
    static const char *const signs[] = { "=", "=", "=", "+=" };

    put_blanks();
    if (below(8)) {
        put(PICK(names));
        put_blanks();
        put(PICK(signs));
        put_blanks();
        put_value(0);
        put_blanks();
    }
    if (below(5))
        put_line_end();
    else
        put(";");
}

/* A few characters are left out, doubled, or are others. */
static void break_it(void)
{
    static const char characters[] = "'\"\\[]=+,;#\n\r\t aZ_09x.-%(\f\x7f\xe4";

    for (unsigned i = 1 + below(3); i > 0 && size > 1; i--) {
        unsigned at = below((unsigned)size);

        switch (below(3)) {
        case 0:
            memmove(text + at, text + at + 1, size - at);
            size--;
            break;
        case 1:
            memmove(text + at + 1, text + at, size - at + 1);
            size++;
            break;
        default:
            text[at] = characters[below(sizeof(characters) - 1)];
        }
    }
}

static bool one_configuration(struct xen_reading *xen)
{
    size = 0;
    text[0] = '\0';
    for (unsigned i = 1 + below(8); i > 0; i--)
        put_statement();
    if (below(2))
        break_it();
    return read_alike(text, size, devices_alike);
}

/* --- devices ---------------------------------------------------------------------------------- */

static bool one_disk(struct xen_reading *xen)
{
    static const char *const pieces[] = {
    "a", "/dev/vg/a", "xvda", "hdc:cdrom", "hdc:disk", "xvda:x", "raw", "qcow2", "w", "r", "rw",
    "ro", "", "", "x", "phy:/a", "phy:a", "file:", "raw:a", "vhd:/b", "tap:aio:/x", "nbd:x",
    "foo:/x", "foo:x", "cdrom", "devtype=cdrom", "devtype=disk", "devtype=x", "access=r",
    "access=w", "access=", "format=raw", "format=", "format=qcow", "format=x", "vdev=xvdb",
    "vdev=", "backendtype=phy", "backendtype=tap", "backendtype=x", "backend=0", "script=x",
    "script=", "discard", "no-discard", "direct-io-safe", "specification=xen", "target=x",
    "target=", "target=a,b=c", "unknown=1", "a=", "=", "colo", "no-colo", "colo-host=x", " ", "\t",
    "a b",
};
    static const char *const likely[] = { "a",         "phy:a",    "raw",        "xvda",    "w",
                                          "vdev=xvda", "access=r", "format=raw", "target=a" };
    static const char *const whole[] = {
    "", "phy:a,xvda,", "a,raw,xvda,w,", "a,,hdc:cdrom,", "vdev=xvda,", "cdrom,vdev=hdc,",
};

    size = 0;
    text[0] = '\0';
    put(PICK(whole));
    for (unsigned i = below(7); i > 0; i--) {
        if (!below(5))
            put(" ");
        put(below(2) ? PICK(likely) : PICK(pieces));
        if (i > 1 || !below(5))
            put(",");
    }
    if (!below(8)) {
        break_it();
        for (char *c = text; *c; c++)                   /* Of several lines no disk is. */
            *c = *c == '\n' ? ',' : *c;
    }
    return disk_alike(xen, text);
}

static bool one_rate(struct xen_reading *xen)
{
    static const char *const numbers[] = { "1",          "10",         "250",
                                           "010",        "08",         "0",
                                           "4294967295", "4294967296", "99999999999999999999",
                                           "",           "-1",         "0x1" };
    static const char *const units[] = { "Mb/s", "KB/s", "B/s", "b/s", "GB/s", "MB/s",
                                         "kb/s", "M",    "Mb",  "/s",  "" };
    static const char *const ends[] = { "ms", "us", "s", "m", "u", "", "ns", "x" };

    size = 0;
    text[0] = '\0';
    put(PICK(numbers));
    put(PICK(units));
    if (below(2)) {
        put("@");
        put(PICK(numbers));
        put(PICK(ends));
    }
    return rate_alike(xen, text);
}

static bool one_name(struct xen_reading *xen)
{
    static const char *const pieces[] = { "xvd", "hd",  "sd",  "d", "p",  "a",  "b",
                                          "z",   "q",   "aa",  "1", "15", "16", "63",
                                          "64",  "255", "256", "0", "0x", "x" };

    size = 0;
    text[0] = '\0';
    for (unsigned i = 1 + below(5); i > 0; i--)
        put(i == 1 || below(3) ? PICK(pieces) : pieces[below(4)]);
    return device_alike(text);
}

/* --- all -------------------------------------------------------------------------------------- */

static bool go_on(unsigned round, time_t until)
{
    return until ? time(NULL) < until : round < ROUNDS;
}

static void all_kinds(void **unused)
{
    static bool (*const kinds[])(struct xen_reading * xen) = { one_configuration, one_disk,
                                                               one_rate, one_name };
    const char *first = getenv("DOMUS_FUZZ_SEED"), *seconds = getenv("DOMUS_FUZZ_SECONDS");
    time_t until = seconds ? time(NULL) + atol(seconds) : 0;
    struct xen_reading xen;
    unsigned round = 0;

    xen_open(&xen);
    for (seed = first ? strtoul(first, NULL, 10) : 1; go_on(round, until); seed++, round++) {
        state = seed * 0x9e3779b97f4a7c15ull;
        for (unsigned i = 0; i < CASES * ARRAY_SIZE(kinds); i++)
            if (!kinds[i % ARRAY_SIZE(kinds)](&xen))
                fail_msg("seed %lu", (unsigned long)seed);
    }
    xen_close(&xen);
    print_message("%u seeds: %u configurations, of which both refuse %lu (numbered characters in "
                  "%lu, too large %lu);\n"
                  "of as many each are taken %lu disks, %lu rates, %lu names\n",
                  round, round * CASES, refused_by_both, numbered, too_large, disks_taken,
                  rates_taken, devices_taken);
    assert_true(refused_by_both < round * CASES * 3 / 4 && disks_taken > round * CASES / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_kinds) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
