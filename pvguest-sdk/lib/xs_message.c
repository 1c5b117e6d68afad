/* SPDX-License-Identifier: MIT */
/*
 * The pure parts of XenStore's wire protocol: messages, strings in payloads, error names, ring
 * arithmetic. Shared by the client, by dom0's daemon, and by the unit tests on the host.
 */
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include <pvguest/xenstore.h>

/* <xen/io/xs_wire.h> has the table of error names only on request. */
static const struct { int number; const char *name;
} error_names[] = {
    { EINVAL, "EINVAL" },       { EACCES, "EACCES" },   { EEXIST, "EEXIST" }, { EISDIR, "EISDIR" },
    { ENOENT, "ENOENT" },       { ENOMEM, "ENOMEM" },   { ENOSPC, "ENOSPC" }, { EIO, "EIO" },
    { ENOTEMPTY, "ENOTEMPTY" }, { ENOSYS, "ENOSYS" },   { EROFS, "EROFS" },   { EBUSY, "EBUSY" },
    { EAGAIN, "EAGAIN" },       { EISCONN, "EISCONN" }, { E2BIG, "E2BIG" },   { EPERM, "EPERM" },
};

int xs_error_number(const char *name)
{
    for (size_t i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++) {
        if (!strcmp(name, error_names[i].name)) return error_names[i].number;
    }
    return EINVAL;
}

const char *xs_error_name(int error)
{
    if (error < 0)
        error = -error;
    for (size_t i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++) {
        if (error == error_names[i].number) return error_names[i].name;
    }
    return "EINVAL";
}

int xs_message_pack(void *buffer, size_t size, uint32_t type, uint32_t req_id, uint32_t tx_id,
                    const struct xs_part *parts, unsigned int count)
{
    struct xsd_sockmsg header = { .type = type, .req_id = req_id, .tx_id = tx_id, .len = 0 };
    size_t at = sizeof(header);

    for (unsigned int i = 0; i < count; i++) {
        if (parts[i].length > XENSTORE_PAYLOAD_MAX - header.len || at + parts[i].length > size)
            return refused(-E2BIG);
        memcpy((char *)buffer + at, parts[i].data, parts[i].length);
        at += parts[i].length;
        header.len += (uint32_t)parts[i].length;
    }
    if (size < sizeof(header)) return refused(-E2BIG);
    memcpy(buffer, &header, sizeof(header));
    return (int)at;
}

unsigned int xs_count_strings(const char *strings, size_t length)
{
    unsigned int count = 0;

    for (size_t i = 0; i < length; i++)
        count += strings[i] == 0;
    return count + (length && strings[length - 1]);
}

int xs_ring_filled(uint32_t producer, uint32_t consumer)
{
    uint32_t filled = producer - consumer;

    return filled > XENSTORE_RING_SIZE ? refused(-EIO) : (int)filled;
}

int xs_ring_space(uint32_t producer, uint32_t consumer)
{
    int filled = xs_ring_filled(producer, consumer);

    return filled < 0 ? filled : XENSTORE_RING_SIZE - filled;
}
