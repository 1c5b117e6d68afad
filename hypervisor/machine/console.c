/* SPDX-License-Identifier: MIT */
/* See console.h. Lock: console_lock, the innermost of all; the serial line is under it, too. */
#include "machine/console.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "machine/budget.h"
#include "machine/serial.h"

#define LOG_SIZE (32u * 1024)       /* a power of two */
#define COST_WORD 52                /* instructions, each of a byte: formatted, of what we say, */
#define COST_BYTE 16                /* put into the line's queue, */
#define COST_SENT 14                /* and given to it */

/* What the hypervisor has said, and what the line has not taken yet: of everybody. Positions grow
 * forever. */
static struct { char bytes[LOG_SIZE]; uint32_t head, start; } kept, line;
static spinlock_t console_lock = SPINLOCK(LOCK_CONSOLE);
static bool ending;
static void (*typed)(void);

/* Hands the line what it takes now; or all, which may take seconds. */
static void send(bool all)
{
    while (line.start != line.head) {
        uint32_t at = line.start % LOG_SIZE, piece = MIN(line.head - line.start, LOG_SIZE - at);
        size_t taken = serial_send(line.bytes + at, piece, all);

        spend((int)taken * COST_SENT);
        line.start += (uint32_t)taken;
        if (taken < piece) return;
    }
}

static void keep(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        kept.bytes[kept.head++ % LOG_SIZE] = text[i];
    if (kept.head - kept.start > LOG_SIZE)
        kept.start = kept.head - LOG_SIZE;
}

/* An NMI may speak while its own CPU holds the lock: after a while, speak anyway. */
static void write(const char *text, size_t length, bool log)
{
    bool locked = false;

    spend((int)length * COST_BYTE);
    for (unsigned int i = 0; i < 1000000 && !locked && !ending; i++)
        locked = spin_trylock(&console_lock);
    if (log)
        keep(text, length);
    if (line.head - line.start + length > LOG_SIZE)
        send(true);
    for (size_t i = 0; i < length; i++)
        line.bytes[line.head++ % LOG_SIZE] = text[i];
    send(ending);
    if (locked)
        spin_unlock(&console_lock);
}

void console_write(const char *text, size_t length)
{
    write(text, length, false);
}
void log_write(const char *text, size_t length)
{
    spend((int)length * COST_WORD);
    write(text, length, true);
}

uint32_t console_waiting(void)
{
    uint32_t waiting;

    spin_lock(&console_lock);
    /* no interrupt asks for what a line that is stuck will not take */
    send(false);
    waiting = line.head - line.start;
    spin_unlock(&console_lock);
    return waiting;
}

bool console_has_room(void)
{
    return console_waiting() <= LOG_SIZE / 2;
}

size_t console_read(char *buffer, size_t size)
{
    size_t n;

    spin_lock(&console_lock);
    n = serial_read(buffer, size);
    spin_unlock(&console_lock);
    return n;
}

void console_serve(void *unused)
{
    bool input;

    spin_lock(&console_lock);
    input = serial_receive();
    send(false);
    serial_rearm();
    spin_unlock(&console_lock);
    if (input)
        typed();
}

bool console_start(void (*on_input)(void))
{
    typed = on_input;
    return serial_enable_interrupt(console_serve);
}

void console_end(void)
{
    ending = true;
    send(true);
}

size_t log_read(char *buffer, size_t size, uint32_t *index)
{
    size_t n = 0;

    spin_lock(&console_lock);
    if (*index - kept.start > LOG_SIZE || *index - kept.start > kept.head - kept.start)
        *index = kept.start;                        /* overwritten since */
    while (n < size && *index != kept.head) {       /* to the ring's end, and from its beginning */
        uint32_t at = *index % LOG_SIZE;
        size_t piece = MIN(MIN(size - n, kept.head - *index), LOG_SIZE - at);

        memcpy(buffer + n, kept.bytes + at, piece);
        n += piece;
        *index += (uint32_t)piece;
    }
    spin_unlock(&console_lock);
    return n;
}

void log_clear(void)
{
    spin_lock(&console_lock);
    kept.start = kept.head;
    spin_unlock(&console_lock);
}
