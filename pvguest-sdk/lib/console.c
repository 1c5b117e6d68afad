/* SPDX-License-Identifier: MIT */
/*
 * The console: two ways out and in. The initial domain talks to the hypervisor's serial port by
 * console_io; any other has a ring in a page shared with the console daemon, told by start_info.
 * Output works from the first moment, by polling; once events are up, readers sleep.
 *
 * Of several vCPUs one prints at a time, a whole printk. A trap in the middle of it prints, too.
 */
#include <pvguest/xen.h>
#include <xen/io/console.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/spinlock.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include "suspend.h"

void (*console_output)(const char *bytes, size_t length);

static struct xencons_interface *ring;      /* NULL: console_io */
static evtchn_t port;
/* nobody has emptied the ring for a second: output is thrown away */
static bool reader_gone;
static WAIT_QUEUE(readers);

/* The ring's frame is mapped over this page: there is no address space allocator yet when we first
 * print. */
static char ring_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

void console_init(void)
{
    if (is_dom0()) return;
    if (HYPERVISOR_update_va_mapping((unsigned long)ring_page,
                                     start_info->console.domU.mfn << PAGE_SHIFT | PROT_RW,
                                     UVMF_INVLPG))
        return;     /* no ring: console_io may still be allowed by a debugging hypervisor */
    ring = (struct xencons_interface *)(void *)ring_page;
    port = start_info->console.domU.evtchn;
}

static void (*input_handler)(void);

/* There may be input. */
static void tell_readers(void)
{
    wake_all(&readers);
    if (input_handler)
        input_handler();
}

void console_on_input(void (*handler)(void))
{
    input_handler = handler;
}

static void console_event(evtchn_t unused, void *data)
{
    reader_gone = false;
    tell_readers();
}

void console_init_events(void)
{
    if (ring)
        event_attach(port, console_event, NULL);
    else
        event_bind_virq(VIRQ_CONSOLE, console_event,
                        NULL); /* refused to all but dom0: then no input */
}

void console_resume(void)
{
    if (!ring) return;
    port = start_info->console.domU.evtchn;
    console_init_events();
}

/* ---- output ---- */

/* As much as there is room for. Event handlers print too: one at a time moves the index. */
static size_t ring_put(const char *bytes, size_t length)
{
    bool masked = events_save();
    XENCONS_RING_IDX producer = ring->out_prod;
    size_t n = 0;

    /* The daemon may write nonsense into its index; then "room" is nonsense too, but we stay inside
     * the array. */
    while (n < length && producer - READ_ONCE(ring->out_cons) < sizeof(ring->out))
        ring->out[MASK_XENCONS_IDX(producer++, ring->out)] = bytes[n++];
    STORE_RELEASE(ring->out_prod, producer);    /* the bytes before the index */
    events_restore(masked);
    event_send(port);
    return n;
}

static void ring_write(const char *bytes, size_t length)
{
    uint64_t give_up = 0;

    while (length) {
        size_t n = ring_put(bytes, length);

        bytes += n;
        length -= n;
        if (n) {
            give_up = 0;
            reader_gone = false;
            continue;
        }
        if (reader_gone) return;
        if (!give_up)
            give_up = now_ns() + NS_PER_S;
        else if (now_ns() > give_up)
            reader_gone = true;
        if (cpu_id() == 0)
            event_clear(port);  /* a poll returns at once for a pending port */
        if (ring->out_prod - READ_ONCE(ring->out_cons) >= sizeof(ring->out))
            vcpu_poll(&port, 1, now_ns() + 10 * NS_PER_MS);
        if (cpu_id() == 0)
            tell_readers();     /* the event we swallowed may have been input */
    }
}

static void put(const char *bytes, size_t length)
{
    if (console_output)
        console_output(bytes, length);
    else if (ring)
        ring_write(bytes, length);
    else
        HYPERVISOR_console_io(CONSOLEIO_write, (unsigned int)length, (char *)(uintptr_t)bytes);
}

static struct spinlock printing;
static unsigned int printer = MOST_CPUS;        /* who has it */

/* False: there is nothing to give back. */
static bool take_printing(bool *masked)
{
    if (!several_cpus || READ_ONCE(printer) == cpu_id()) return false;
    *masked = spin_lock(&printing);
    WRITE_ONCE(printer, cpu_id());
    return true;
}

static void give_printing(bool masked)
{
    WRITE_ONCE(printer, MOST_CPUS);
    spin_unlock(&printing, masked);
}

void console_write(const char *bytes, size_t length)
{
    bool masked, taken = take_printing(&masked);

    put(bytes, length);
    if (taken)
        give_printing(masked);
}

void vprintk(const char *format, va_list arguments)
{
    bool masked, taken = take_printing(&masked);

    vprintf_through(put, format, arguments);
    if (taken)
        give_printing(masked);
}

void printk(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintk(format, arguments);
    va_end(arguments);
}

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintk(format, arguments);
    va_end(arguments);
    crash();
}

/* ---- input ---- */

size_t console_read(char *bytes, size_t size)
{
    XENCONS_RING_IDX consumer;
    size_t n = 0;

    if (!ring) {
        long count = HYPERVISOR_console_io(CONSOLEIO_read, (unsigned int)size, bytes);

        return (size_t)MAX(count, 0l);
    }
    consumer = ring->in_cons;
    while (n < size && consumer != LOAD_ACQUIRE(ring->in_prod))
        bytes[n++] = ring->in[MASK_XENCONS_IDX(consumer++, ring->in)];
    STORE_RELEASE(ring->in_cons, consumer);     /* we have read them before we say so */
    if (n)
        event_send(port);
    return n;
}

size_t console_read_wait(char *bytes, size_t size, uint64_t timeout_ns)
{
    size_t n;

    wait_event_timeout(readers, (n = console_read(bytes, size)) > 0, timeout_ns);
    return n;
}

int console_getchar(void)
{
    char c;

    wait_event(readers, console_read(&c, 1) == 1);
    return (unsigned char)c;
}

size_t console_read_line(char *line, size_t size)
{
    size_t length = 0;

    for (;;) {
        int c = console_getchar();

        if (c == '\r' || c == '\n') {
            console_write("\n", 1);
            line[length] = 0;
            return length;
        }
        if ((c == 8 || c == 127) && length) {
            length--;
            console_write("\b \b", 3);
        } else if (isprint(c) && length + 1 < size) {
            line[length++] = (char)c;
            console_write(&line[length - 1], 1);
        }
    }
}
