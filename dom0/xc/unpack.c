/* SPDX-License-Identifier: MIT */
/*
 * Finds what a file is packed by, and unpacks what gzip has packed (unpack.h). A bzImage is Linux's
 * boot loader's file (Documentation/arch/x86/boot.rst): a header of some sectors, which from
 * version 2.08 on says where in the rest the packed kernel lies.
 */
#include "dom0/xc/unpack.h"
#include "dom0/account.h"
#include "dom0/xc/inflate.h"
#include <abi/sums.h>
#include <stdarg.h>

#define SECTOR 512u
#define LEAST_VERSION 0x208u

enum {
    AT_SECTORS = 0x1f1,
    AT_MAGIC = 0x202,
    AT_VERSION = 0x206,
    AT_PAYLOAD = 0x248,
    AT_LENGTH = 0x24c,
    HEADER = 0x250
};

__attribute__((format(printf, 3, 4))) static int refuse(struct unpacked *out, int error,
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(out->why, sizeof(out->why), format, arguments);
    va_end(arguments);
    return error;
}

/* What packs kernels beside gzip; NULL: nothing that is known. */
static const char *packed_by(const uint8_t *bytes, size_t size)
{
    static const struct { const char *name, *magic; size_t size; } formats[] = {
        { "xz", "\xfd" "7zXZ", 6 },             { "zstd", "\x28\xb5\x2f\xfd", 4 },
        { "bzip2", "BZh", 3 },                  { "lzma", "\x5d\0\0", 3 },
        { "lzo", "\x89LZO", 4 },                { "lz4", "\x02\x21\x4c\x18", 4 },
        { "lz4", "\x04\x22\x4d\x18", 4 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (size >= formats[i].size && !memcmp(bytes, formats[i].magic, formats[i].size))
            return formats[i].name;
    return NULL;
}

static int unpack(const uint8_t *from, size_t size, void (*breathe)(void), struct unpacked *out)
{
    size_t room = gzip_size(from, size);
    const char *why;
    int error;

    if (!room)
        return refuse(out, refused(-EINVAL),
                      "its gzip file is damaged: the size at its end cannot be true");
    out->memory = malloc(room);
    /* Whoever packed the file chose how large it is; others want memory of dom0's meanwhile. */
    if (account_memory_is_low())
        unpack_free(out);
    if (!out->memory)
        return refuse(out, refused(-ENOMEM), "dom0 has no room for the %zu KiB that it unpacks to",
                      room / 1024);
    error = gzip_unpack(from, size, out->memory, room, breathe, &why);
    if (error) {
        unpack_free(out);
        return refuse(out, error, "its gzip file is damaged: %s", why);
    }
    out->bytes = out->memory;
    out->size = room;
    return 0;
}

static uint32_t number_at(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static bool is_bzimage(const uint8_t *file, size_t size)
{
    return size >= HEADER && !memcmp(file + AT_MAGIC, "HdrS", 4);
}

/* The kernel within a bzImage. */
static int find_payload(const uint8_t **file, size_t *size, struct unpacked *out)
{
    const uint8_t *header = *file;
    unsigned version = header[AT_VERSION] | (unsigned)header[AT_VERSION + 1] << 8;
    unsigned sectors = header[AT_SECTORS] ? header[AT_SECTORS] : 4;     /* 0 is from old days. */
    uint64_t begin = sum_of((sectors + 1) * SECTOR, number_at(header + AT_PAYLOAD));
    uint32_t length = number_at(header + AT_LENGTH);

    if (version < LEAST_VERSION)
        return refuse(out, refused(-ENOEXEC),
                      "it is a bzImage of version %#x: no kernel can be found in it "
                      "before version 0x208; use its vmlinux",
                      version);
    if (!lies_within(begin, length, *size))
        return refuse(out, refused(-ENOEXEC),
                      "it is a damaged bzImage: its kernel is outside the file");
    *file += begin;
    *size = length;
    return 0;
}

int unpack_kernel(const uint8_t *file, size_t size, void (*breathe)(void), struct unpacked *out)
{
    bool bzimage = is_bzimage(file, size);
    const char *other;
    int error = 0;

    memset(out, 0, sizeof(*out));
    if (bzimage)
        error = find_payload(&file, &size, out);
    if (error) return error;
    other = packed_by(file, size);
    if (other)
        return refuse(out, refused(-ENOEXEC),
                      "%s packed by %s, and only gzip can be unpacked here: unpack it "
                      "before (for Linux, scripts/extract-vmlinux does)",
                      bzimage ? "it is a bzImage, its kernel is" : "it is", other);
    if (gzip_begins(file, size)) return unpack(file, size, breathe, out);
    out->bytes = file;
    out->size = size;
    return 0;
}

int unpack_ramdisk(const uint8_t *file, size_t size, void (*breathe)(void), struct unpacked *out)
{
    memset(out, 0, sizeof(*out));
    if (gzip_begins(file, size) && unpack(file, size, breathe, out) == 0) return 0;
    out->bytes = file;
    out->size = size;
    return 0;
}

void unpack_free(struct unpacked *unpacked)
{
    free(unpacked->memory);
    unpacked->memory = NULL;
}
