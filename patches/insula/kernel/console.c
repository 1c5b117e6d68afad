/* SPDX-License-Identifier: MIT */
/* The console: the terminal's line discipline between the serial port and the processes that read
 * it. Input gathers in `line` with echo and editing; a whole line (or control-D) makes it readable.
 * The interrupt handler is the producer, terminal_read the consumer; both run with interrupts
 * off. */
#include "kernel.h"

enum { INPUT = 256, CONTROL_D = 4, CONTROL_U = 21, DELETE = 127 };
static struct {
    char bytes[INPUT];
    u32 read, ready, edit;              /* free-running: read <= ready <= edit <= read + INPUT */
} line;

void console_putc(char c)
{
    if (c == '\n')
        serial_write("\r\n", 2);
    else
        serial_write(&c, 1);
}

static void rub_out(void)
{
    line.edit--;
    kprintf("\b \b");
}

void console_input(char c)
{
    if (c == '\r')
        c = '\n';
    if (c == CONTROL_U) {
        while (line.edit != line.ready)
            rub_out();
    } else if (c == DELETE || c == '\b') {
        if (line.edit != line.ready)
            rub_out();
    } else if (line.edit - line.read < INPUT) {
        line.bytes[line.edit++ % INPUT] = c;
        if (c != CONTROL_D)
            console_putc(c);
        if (c == '\n' || c == CONTROL_D || line.edit - line.read == INPUT) {
            line.ready = line.edit;
            wake(&line);
        }
    }
}

/* Reads up to the end of one line. 0: control-D. */
int terminal_read(u64 user, u32 n)
{
    bool on = interrupts_off();
    u32 done = 0;

    while (line.read == line.ready && !current->killed)
        sleep_on(&line);
    while (done < n && line.read != line.ready) {
        char c = line.bytes[line.read % INPUT];
        if (c == CONTROL_D) {
            if (!done)
                line.read++;            /* else keep it: the next read returns 0 */
            break;
        }
        line.read++;
        if (copy_out(user + done, &c, 1) < 0) {
            interrupts_restore(on);
            return -EFAULT;
        }
        done++;
        if (c == '\n')
            break;
    }
    interrupts_restore(on);
    return current->killed ? -EINTR : (int)done;
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
