/* SPDX-License-Identifier: MIT */
/*
 * Kernels and ramdisks as they lie in a boot archive: plain, packed by gzip, a bzImage; and the
 * sentence about each that cannot be used.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <zlib.h>
#include "dom0/account.h"
#include "dom0/xc/unpack.h"

unsigned allocations_until_failure;

static size_t left = ACCOUNT_RESERVE;           /* Of dom0's memory, when it is unpacked. */

static size_t memory_left(void)
{
    return left;
}

static const char kernel[] =
    "\177ELF a kernel, a kernel, a kernel, a kernel, and that is all of it";
static uint8_t file[4096];
static struct unpacked out;

static size_t pack(uint8_t *to, size_t room)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)kernel,
                   .avail_in = sizeof(kernel),
                   .next_out = to,
                   .avail_out = (uInt)room };

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void put(size_t at, uint64_t value, size_t bytes)
{
    memcpy(file + at, &value, bytes);
}

/* A bzImage of two sectors of setup, whose payload of that size begins 0x30 behind them. */
static size_t bzimage(size_t payload)
{
    put(0x1f1, 2, 1);
    memcpy(file + 0x202, "HdrS", 4);
    put(0x206, 0x20f, 2);
    put(0x248, 0x30, 4);
    put(0x24c, payload, 4);
    return 3 * 512 + 0x30 + payload + 7;
}

static void assert_kernel(size_t size)
{
    assert_int_equal(unpack_kernel(file, size, NULL, &out), 0);
    assert_int_equal(out.size, sizeof(kernel));
    assert_memory_equal(out.bytes, kernel, sizeof(kernel));
    unpack_free(&out);
}

static void assert_refused(size_t size, int error, const char *why)
{
    assert_int_equal(unpack_kernel(file, size, NULL, &out), error);
    if (!strstr(out.why, why))
        fail_msg("%s: not: %s", out.why, why);
    assert_null(out.memory);
}

static void plain_and_packed(void **state)
{
    size_t size;

    memcpy(file, kernel, sizeof(kernel));
    assert_kernel(sizeof(kernel));
    assert_ptr_equal(out.bytes, file);
    size = pack(file, sizeof(file));
    assert_kernel(size);
    assert_refused(size - 1, -EINVAL, "its gzip file is damaged");
    file[size - 6] ^= 4;
    assert_refused(size, -EINVAL, "its checksum is wrong");
    put(size - 4, UINT32_MAX, 4);
    assert_refused(size, -EINVAL, "the size at its end cannot be true");
    size = pack(file, sizeof(file));
    allocations_until_failure = 1;
    assert_refused(size, -ENOMEM, "dom0 has no room for the 0 KiB");
    /* Nor what others would miss. */
    account_start(memory_left);
    assert_kernel(size);
    left = ACCOUNT_RESERVE / 2 - 1;
    assert_refused(size, -ENOMEM, "dom0 has no room for the 0 KiB");
    left++;
    assert_kernel(size);
    put(size - 4, 32 << 10, 4);                         /* it says that it has so many */
    allocations_until_failure = 1;
    assert_refused(size, -ENOMEM, "dom0 has no room for the 32 KiB");
}

static void bzimages(void **state)
{
    size_t payload, size;

    memset(file, 0, sizeof(file));
    payload = pack(file + 3 * 512 + 0x30, 1000);
    size = bzimage(payload);
    assert_kernel(size);
    put(0x1f1, 0, 1);                           /* Means four, and there the payload is not. */
    assert_int_equal(unpack_kernel(file, size + 2048, NULL, &out), 0);
    assert_null(out.memory);
    bzimage(payload);
    assert_refused(size - 8, -ENOEXEC, "outside the file");
    put(0x248, UINT32_MAX, 4);
    assert_refused(size, -ENOEXEC, "outside the file");
    bzimage(payload);
    put(0x206, 0x207, 2);
    assert_refused(size, -ENOEXEC, "version 0x207");
    bzimage(payload);
    memcpy(file + 3 * 512 + 0x30, "\x28\xb5\x2f\xfd", 4);
    assert_refused(size, -ENOEXEC, "it is a bzImage, its kernel is packed by zstd");
    assert_non_null(strstr(out.why, "extract-vmlinux"));
    assert_int_equal(unpack_kernel(file, 0x24f, NULL, &out), 0);        /* Too short to be one. */
}

static void other_packers(void **state)
{
    static const struct { const char *magic, *name; } files[] = {
        { "\xfd" "7zXZ", "it is packed by xz" }, { "BZh9", "by bzip2" }, { "\x89LZO", "by lzo" },
        { "\x04\x22\x4d\x18", "by lz4" }, { "\x02\x21\x4c\x18", "by lz4" }, { "\x5d", "by lzma" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        memset(file, 0, 100);
        memcpy(file, files[i].magic, strlen(files[i].magic));
        assert_refused(100, -ENOEXEC, files[i].name);
    }
    memset(file, 0, 100);
    assert_int_equal(unpack_kernel(file, 100, NULL, &out),
                     0); /* What it is not, the builder says. */
    assert_int_equal(unpack_kernel(file, 0, NULL, &out), 0);
}

/* What cannot be unpacked is handed on as it is. */
static void ramdisks(void **state)
{
    size_t size = pack(file, sizeof(file));

    assert_int_equal(unpack_ramdisk(file, size, NULL, &out), 0);
    assert_int_equal(out.size, sizeof(kernel));
    assert_memory_equal(out.bytes, kernel, sizeof(kernel));
    unpack_free(&out);
    assert_int_equal(unpack_ramdisk(file, size - 1, NULL, &out), 0);
    assert_true(out.bytes == file && out.size == size - 1 && !out.memory);
    allocations_until_failure = 1;
    assert_int_equal(unpack_ramdisk(file, size, NULL, &out), 0);
    assert_true(out.bytes == file && out.size == size && !out.memory);
    memcpy(file, "070701", 6);
    assert_int_equal(unpack_ramdisk(file, size, NULL, &out), 0);
    assert_true(out.bytes == file && out.size == size && !out.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_packed),
        cmocka_unit_test(bzimages),
        cmocka_unit_test(other_packers),
        cmocka_unit_test(ramdisks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
