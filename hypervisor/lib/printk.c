/* SPDX-License-Identifier: MIT */
/* Messages: the log ring, the serial line, and the end of the machine. Lock: console_lock, the innermost of all. */
#include "lib/printk.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "entry/traps.h"
#include "machine/acpi.h"
#include "machine/serial.h"

#define LOG_SIZE (32u * 1024)       /* a power of two */

int log_level = LOG_INFO;
static char log_ring[LOG_SIZE];
static uint32_t log_head, log_start;            /* positions grow forever; head - start <= LOG_SIZE */
static spinlock_t console_lock;
static bool panicking;

static void log_put(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) log_ring[log_head++ % LOG_SIZE] = text[i];
    if (log_head - log_start > LOG_SIZE) log_start = log_head - LOG_SIZE;
}

/* An NMI may speak while its own CPU holds the lock: after a while, speak anyway. */
void console_write(const char *text, size_t length)
{
    bool locked = false;

    for (unsigned int i = 0; i < 1000000 && !locked && !panicking; i++) locked = spin_trylock(&console_lock);
    log_put(text, length);
    serial_write(text, length);
    if (locked) spin_unlock(&console_lock);
}

size_t log_read(char *buffer, size_t size, uint32_t *index)
{
    size_t n = 0;

    spin_lock(&console_lock);
    if (*index - log_start > LOG_SIZE || *index - log_start > log_head - log_start) *index = log_start;   /* overwritten since */
    while (n < size && *index != log_head) {            /* at most two pieces: to the ring's end, and from its beginning */
        uint32_t at = *index % LOG_SIZE;
        size_t piece = MIN(MIN(size - n, log_head - *index), LOG_SIZE - at);

        memcpy(buffer + n, log_ring + at, piece);
        n += piece;
        *index += (uint32_t)piece;
    }
    spin_unlock(&console_lock);
    return n;
}

void log_clear(void) { log_start = log_head; }

static void print(const char *format, va_list args)
{
    char line[256] = "(domus) ";
    size_t prefix = strlen(line);
    size_t n = prefix + (size_t)vsnprintf(line + prefix, sizeof(line) - prefix - 1, format, args);

    n = MIN(n, sizeof(line) - 2);
    if (line[n - 1] != '\n') line[n++] = '\n';
    console_write(line, n);
}

void printk_at(int level, const char *format, ...)
{
    va_list args;

    if (level > log_level) return;
    va_start(args, format);
    print(format, args);
    va_end(args);
}

void panic(const char *format, ...)
{
    va_list args;

    if (panicking) machine_halt();              /* a fault while telling of a fault */
    panicking = true;
    log_error("HYPERVISOR PANIC");
    va_start(args, format);
    print(format, args);
    va_end(args);
    print_stack_trace((uint64_t)__builtin_frame_address(0));
    log_error("the machine has stopped: this is a bug of Domus, no guest should be able to cause it");
    machine_halt();
}
