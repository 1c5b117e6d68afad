/* SPDX-License-Identifier: MIT */
/*
 * The pure parts of the SDK's XenStore client: messages as <xen/io/xs_wire.h> wants them, error
 * names both ways, strings in payloads, ring indices that wrap and that lie; and the clock's
 * scaling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pvguest/string.h>
#include <pvguest/time.h>
#include <pvguest/xenstore.h>

static void messages(void **state)
{
    char buffer[64];
    static char huge[XENSTORE_PAYLOAD_MAX + 1], large[XENSTORE_PAYLOAD_MAX + 100];
    struct xs_part parts[2] = { { "data/x", 7 }, { "value", 5 } }, too_big = { huge, sizeof(huge) };
    const struct xsd_sockmsg *header = (const struct xsd_sockmsg *)buffer;

    assert_int_equal(xs_message_pack(buffer, sizeof(buffer), XS_WRITE, 7, 3, parts, 2), 16 + 12);
    assert_int_equal(header->type, XS_WRITE);
    assert_int_equal(header->req_id, 7);
    assert_int_equal(header->tx_id, 3);
    assert_int_equal(header->len, 12);
    assert_int_equal(memcmp(buffer + 16, "data/x\0value", 12), 0);
    assert_int_equal(xs_message_pack(buffer, 27, XS_WRITE, 7, 3, parts, 2), -E2BIG);
    assert_int_equal(xs_message_pack(buffer, 8, XS_WRITE, 7, 3, parts, 0), -E2BIG);
    assert_int_equal(xs_message_pack(large, sizeof(large), XS_WRITE, 7, 3, &too_big, 1), -E2BIG);
    too_big.length--;
    assert_int_equal(xs_message_pack(large, sizeof(large), XS_WRITE, 7, 3, &too_big, 1),
                     16 + XENSTORE_PAYLOAD_MAX);
}

static void errors(void **state)
{
    assert_int_equal(xs_error_number("ENOENT"), ENOENT);
    assert_int_equal(xs_error_number("EAGAIN"), EAGAIN);
    assert_int_equal(xs_error_number("nonsense"), EINVAL);
    assert_string_equal(xs_error_name(-EACCES), "EACCES");
    assert_string_equal(xs_error_name(ENOSPC), "ENOSPC");
    assert_string_equal(xs_error_name(12345), "EINVAL");
}

static void counted_strings(void **state)
{
    assert_int_equal(xs_count_strings("", 0), 0);
    assert_int_equal(xs_count_strings("a\0bc\0", 5), 2);
    assert_int_equal(xs_count_strings("a\0bc", 4), 2);
    assert_int_equal(xs_count_strings("\0", 1), 1);
}

static void rings(void **state)
{
    assert_int_equal(xs_ring_space(0, 0), XENSTORE_RING_SIZE);
    assert_int_equal(xs_ring_filled(5, 0xfffffffb), 10);
    assert_int_equal(xs_ring_space(5, 0xfffffffb), XENSTORE_RING_SIZE - 10);
    assert_int_equal(xs_ring_filled(XENSTORE_RING_SIZE, 0), XENSTORE_RING_SIZE);
    assert_int_equal(xs_ring_filled(XENSTORE_RING_SIZE + 1, 0), -EIO);
    assert_int_equal(xs_ring_space(0, 1), -EIO);
}

static void clock_scale(void **state)
{
    assert_int_equal(pvclock_scale(1000, 0x80000000, 1), 1000);        /* 1 GHz */
    assert_int_equal(pvclock_scale(3000, 0xaaaaaaab, -1), 1000);       /* 3 GHz */
    assert_true(pvclock_scale(UINT64_MAX, 0xffffffff, 0) == 0xfffffffeffffffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),        cmocka_unit_test(errors),
        cmocka_unit_test(counted_strings), cmocka_unit_test(rings),
        cmocka_unit_test(clock_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
