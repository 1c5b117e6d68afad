/* SPDX-License-Identifier: MIT */
/*
 * COM1, a 16550: the one device that ring 0 drives, because a hypervisor that cannot speak cannot be debugged.
 * Received bytes are collected by the interrupt (or by reading, when there is none yet) and dom0 fetches them by console_io.
 */
#include "machine/serial.h"
#include "domain/domain.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/io.h"
#include "machine/vectors.h"

#define COM1 0x3f8
#define DATA         (COM1 + 0)
#define INTERRUPTS   (COM1 + 1)
#define FIFO         (COM1 + 2)
#define LINE_CONTROL (COM1 + 3)
#define MODEM        (COM1 + 4)
#define LINE_STATUS  (COM1 + 5)
#define STATUS_RECEIVED 0x01
#define STATUS_TX_EMPTY 0x20
#define COM1_IRQ 4

static char received[256];
static uint32_t received_in, received_out;
static bool present;

void serial_init(uint32_t baud)
{
    uint16_t divisor = (uint16_t)(115200 / (baud ? baud : 115200));

    outb(INTERRUPTS, 0);
    outb(LINE_CONTROL, 0x80);               /* divisor latch */
    outb(DATA, (uint8_t)divisor);
    outb(INTERRUPTS, (uint8_t)(divisor >> 8));
    outb(LINE_CONTROL, 0x03);               /* 8 bits, no parity, one stop bit */
    outb(FIFO, 0x07);
    outb(MODEM, 0x0b);                      /* DTR, RTS, and OUT2: the interrupt line */
    present = inb(LINE_STATUS) != 0xff;
}

/* A bounded wait: a UART that is stuck must not stop the machine. */
static void send(char c)
{
    for (unsigned int i = 0; i < 100000 && !(inb(LINE_STATUS) & STATUS_TX_EMPTY); i++) cpu_relax();
    outb(DATA, (uint8_t)c);
}

void serial_write(const char *text, size_t length)
{
    static char last;

    if (!present) return;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n' && last != '\r') send('\r');      /* terminals want both */
        send(last = text[i]);
    }
}

/* What finds no room stays in the UART, which holds the sender up; the next read goes on here. So a pasted text loses nothing. */
static void drain(void)
{
    while (present && received_in - received_out < sizeof(received) && inb(LINE_STATUS) & STATUS_RECEIVED)
        received[received_in++ % sizeof(received)] = (char)inb(DATA);
}

static void on_interrupt(void *unused)
{
    drain();
    if (received_in != received_out) send_global_virq(VIRQ_CONSOLE);
}

void serial_enable_interrupt(void)
{
    int vector = vector_alloc(on_interrupt, NULL);

    if (!present) return;
    if (vector < 0 || ioapic_route(acpi.isa[COM1_IRQ].gsi, vector, false, false) < 0) {
        log_warn("no interrupt for COM1: input waits until it is read");
        return;
    }
    ioapic_mask(acpi.isa[COM1_IRQ].gsi, false);
    outb(INTERRUPTS, 1);
}

size_t serial_read(char *buffer, size_t size)
{
    size_t n = 0;

    drain();
    while (n < size && received_out != received_in) buffer[n++] = received[received_out++ % sizeof(received)];
    return n;
}
