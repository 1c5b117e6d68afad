/* SPDX-License-Identifier: MIT */
/* The console: the terminal's line discipline between the serial port and the processes that read
 * it. The interrupt handler only keeps the keys. Who reads has them as they are, if he opened the
 * console with O_RAW and edits himself, as the shell does; for all others they become a line first,
 * with echo and a little editing, until its end or control-D. Both run with interrupts off. */
#include "kernel.h"

enum { INPUT = 256, CONTROL_D = 4, CONTROL_U = 21, DELETE = 127 };
static struct {
    char bytes[INPUT];
    u32 read, written;                  /* free-running: read <= written <= read + INPUT */
} keys;
static struct {
    char bytes[INPUT];
    u32 length, read;
    bool whole;                         /* it is given out from `read` on, and grows no more */
} line;

void console_putc(char c)
{
    if (c == '\n')
        serial_write("\r\n", 2);
    else
        serial_write(&c, 1);
}

void console_input(char c)
{
    if (keys.written - keys.read == INPUT) return;
    keys.bytes[keys.written++ % INPUT] = c;
    wake(&keys);
}

/* Sleeps until there is one, or the process is killed. */
static bool wait_for_key(void)
{
    while (keys.read == keys.written && !current->killed)
        sleep_on(&keys);
    return !current->killed;
}

static void rub_out(void)
{
    line.length--;
    kprintf("\b \b");
}

static void edit(char c)
{
    if (c == '\r')
        c = '\n';
    if (c == CONTROL_U) {
        while (line.length)
            rub_out();
    } else if (c == DELETE || c == '\b') {
        if (line.length)
            rub_out();
    } else {
        line.bytes[line.length++] = c;
        if (c != CONTROL_D)
            console_putc(c);
        line.whole = c == '\n' || c == CONTROL_D || line.length == INPUT;
    }
}

/* Some of the line, or all; 0: control-D. */
static int read_line(u64 user, u32 n)
{
    u32 count = line.length - line.read, rest;

    if (line.bytes[line.length - 1] == CONTROL_D)
        count--;
    rest = count > n ? n : count;
    if (copy_out(user, line.bytes + line.read, rest) < 0) return -EFAULT;
    line.read += rest;
    /* A control-D behind other bytes is kept: the next read returns 0. */
    if (rest == count && (count == 0 || line.read == line.length)) {
        line.length = line.read = 0;
        line.whole = false;
    }
    return (int)rest;
}

static int read_keys(u64 user, u32 n)
{
    u32 done = 0;

    for (; done < n && keys.read != keys.written; done++, keys.read++)
        if (copy_out(user + done, &keys.bytes[keys.read % INPUT], 1) < 0) return -EFAULT;
    return (int)done;
}

int terminal_read(u64 user, u32 n, bool raw)
{
    bool on = interrupts_off();
    int result = -EINTR;

    while ((raw || !line.whole) && wait_for_key() && !raw)
        edit(keys.bytes[keys.read++ % INPUT]);
    if (!current->killed)
        result = raw ? read_keys(user, n) : read_line(user, n);
    interrupts_restore(on);
    return result;
}

int terminal_write(u64 user, u32 n)
{
    char bytes[128], out[2 * sizeof bytes];

    for (u32 done = 0; done < n; ) {
        u32 chunk = n - done < sizeof bytes ? n - done : sizeof bytes;
        if (copy_in(bytes, user + done, chunk) < 0) return -EFAULT;
        u32 length = 0;
        for (u32 i = 0; i < chunk; i++) {
            if (bytes[i] == '\n')
                out[length++] = '\r';
            out[length++] = bytes[i];
        }
        serial_write(out, length);
        done += chunk;
    }
    return (int)n;
}
