/* SPDX-License-Identifier: MIT */
/*
 * COM1, a 16550: the one device that ring 0 drives, because a hypervisor that cannot speak cannot
 * be debugged.
 */
#include "machine/serial.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/io.h"
#include "machine/system_time.h"
#include "machine/vectors.h"

#define COM1 0x3f8
#define DATA         (COM1 + 0)
#define INTERRUPTS   (COM1 + 1)
#define FIFO         (COM1 + 2)
#define LINE_CONTROL (COM1 + 3)
#define MODEM        (COM1 + 4)
#define LINE_STATUS  (COM1 + 5)
#define WHEN_RECEIVED   0x01
#define WHEN_EMPTY      0x02
#define STATUS_RECEIVED 0x01
#define STATUS_TX_EMPTY 0x20
#define COM1_IRQ 4

#define FIFO_SIZE 16
#define BURSTS    16                /* fills of the FIFO in one go, if the line is that fast */
#define STUCK_NS  1000000000ull     /* after so long a line goes without what it does not take */

static char received[256];
static uint32_t received_in, received_out;
static bool present, interrupts, left;      /* left: somebody waits for room */

void serial_init(uint32_t baud)
{
    uint16_t divisor = (uint16_t)(115200 / (baud ? baud : 115200));

    outb(INTERRUPTS, 0);
    outb(LINE_CONTROL, 0x80);               /* divisor latch */
    outb(DATA, (uint8_t)divisor);
    outb(INTERRUPTS, (uint8_t)(divisor >> 8));
    outb(LINE_CONTROL, 0x03);               /* 8 bits, no parity, one stop bit */
    present = inb(LINE_STATUS) != 0xff;
    /* the one byte that has room before FIFOs are on is lost then */
    serial_receive();
    /* on; what was to be sent is dropped, what has been typed is not */
    outb(FIFO, 0x05);
    outb(MODEM, 0x0b);                      /* DTR, RTS, and OUT2: the interrupt line */
}

/* An edge interrupts, and there are two reasons for it: off and on makes a new one if one is
 * left. */
void serial_rearm(void)
{
    bool room = received_in - received_out < sizeof(received);

    if (!interrupts) return;
    outb(INTERRUPTS, 0);
    outb(INTERRUPTS, (room ? WHEN_RECEIVED : 0) | (left ? WHEN_EMPTY : 0));
}

/* --- sending --- */

/* A bounded wait: a UART that is stuck must not stop the machine. */
static bool has_room(bool wait)
{
    bool room = inb(LINE_STATUS) & STATUS_TX_EMPTY;

    for (unsigned int i = 0; !room && wait && i < 100000; i++) {
        cpu_relax();
        room = inb(LINE_STATUS) & STATUS_TX_EMPTY;
    }
    return room || wait;
}

/*
 * Nobody takes what waits, and has not for long: a terminal that is paused, a cable without an end.
 * Until something is taken again, what is said goes into the log only.
 */
static bool is_stuck(size_t taken)
{
    static bool stuck;
    static uint64_t since;          /* when it last took something, or something began to wait */

    if (!interrupts) return false;
    stuck = !taken && (stuck || (left && now_ns() - since > STUCK_NS));
    if (taken || !left)
        since = now_ns();
    return stuck;
}

size_t serial_send(const char *text, size_t length, bool all)
{
    static char last;
    bool wait = all || !interrupts;
    size_t n = 0;

    if (!present) return length;
    for (unsigned int burst = 0; n < length && (burst < BURSTS || wait) && has_room(wait); burst++)
        for (unsigned int room = FIFO_SIZE; room && n < length; room--) {
            last = text[n] == '\n' && last != '\r' ? '\r' : text[n++];    /* both */
            outb(DATA, (uint8_t)last);
        }
    if (is_stuck(n))
        n = length;
    if (left != (n < length)) {
        left = n < length;
        serial_rearm();
    }
    return n;
}

/* --- receiving: what finds no room stays in the UART, which holds up whoever pastes a text --- */

bool serial_receive(void)
{
    while (present && received_in - received_out < sizeof(received) &&
           inb(LINE_STATUS) & STATUS_RECEIVED)
        received[received_in++ % sizeof(received)] = (char)inb(DATA);
    return received_in != received_out;
}

size_t serial_read(char *buffer, size_t size)
{
    bool full = received_in - received_out == sizeof(received);
    size_t n = 0;

    serial_receive();
    while (n < size && received_out != received_in)
        buffer[n++] = received[received_out++ % sizeof(received)];
    if (full)
        serial_rearm();
    return n;
}

bool serial_enable_interrupt(void (*handler)(void *unused))
{
    int vector = present ? vector_alloc(handler, NULL) : -1;

    if (!present) return true;
    if (vector < 0 || ioapic_route(acpi.isa[COM1_IRQ].gsi, vector, false, false) < 0) return false;
    ioapic_mask(acpi.isa[COM1_IRQ].gsi, false);
    interrupts = true;
    serial_rearm();
    return true;
}
