/* SPDX-License-Identifier: MIT */
/*
 * console_io: the control domain writes to and reads from the machine's serial line. Text goes out
 * as it is, line ends included. Other domains have their own consoles, served by dom0; here they
 * get -EPERM.
 */
#include "domain/domain.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "machine/console.h"
#include "memory/access.h"

#define CHUNK 128

static long console_output(uint32_t count, uint64_t buffer)
{
    char chunk[CHUNK];

    while (count) {
        uint32_t n = MIN(count, (uint32_t)CHUNK);

        if (!console_has_room())
            return hypercall_continue(console_io, OP(CONSOLEIO_write), count, buffer);
        if (copy_from_guest(chunk, VADDR(buffer), n))
            return fail(-EFAULT, "the text cannot be read");
        console_write(chunk, n);
        buffer += n;
        count -= n;
        spend((int)n * COST_ENTRY);
        if (count && spent())
            return hypercall_continue(console_io, OP(CONSOLEIO_write), count, buffer);
    }
    return 0;
}

/* What has been typed since, at most `count` bytes; the number of bytes is the result. VIRQ_CONSOLE
 * says when to ask. */
static long console_input(uint32_t count, uint64_t buffer)
{
    char chunk[CHUNK];
    uint32_t done = 0;
    while (done < count) {
        size_t n = console_read(chunk, MIN(count - done, (uint32_t)CHUNK));
        if (n == 0)
            break;
        if (copy_to_guest(VADDR(buffer + done), chunk, n))
            return fail(-EFAULT, "the buffer cannot be written");
        done += (uint32_t)n;
    }
    return done;
}

long do_console_io(unsigned int cmd, unsigned int count, uint64_t buffer)
{
    if (count > INT32_MAX) return fail(-E2BIG, "more than 2 GiB of text");
    switch (cmd) {
    case OP(CONSOLEIO_write): return console_output(count, buffer);
    case OP(CONSOLEIO_read):  return console_input(count, buffer);
    default:                  return fail(-ENOSYS, "not an operation of console_io");
    }
}
