/* SPDX-License-Identifier: MIT */
/* Messages, and the end of the machine. */
#include "lib/printk.h"
#include "lib/string.h"
#include "machine/acpi.h"
#include "machine/console.h"
#include "machine/dump.h"
#include "machine/stop.h"

int log_level = LOG_INFO;
static bool panicking;

static void print(const char *format, va_list args)
{
    char line[320] = "(domus) ";
    size_t prefix = strlen(line);
    size_t n = prefix + (size_t)vsnprintf(line + prefix, sizeof(line) - prefix - 1, format, args);

    n = MIN(n, sizeof(line) - 2);
    if (line[n - 1] != '\n')
        line[n++] = '\n';
    log_write(line, n);
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

    /* a fault while telling of a fault; or another CPU's, whom the NMI of the first will ask */
    if (__atomic_exchange_n(&panicking, true, __ATOMIC_RELAXED))
        machine_halt();
    console_end();
    log_error("HYPERVISOR PANIC");
    va_start(args, format);
    print(format, args);
    va_end(args);
    print_stack_trace(0, (uint64_t)__builtin_frame_address(0));
    cpus_stop();
    log_error(
        "the machine has stopped: this is a bug of Domus, no guest should be able to cause it");
    machine_halt();
}
