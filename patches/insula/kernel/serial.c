/* SPDX-License-Identifier: MIT */
/* The first serial port, a 16550: output by polling, input by interrupt. */
#include "kernel.h"

enum { COM1 = 0x3f8, DATA = 0, INTERRUPTS = 1, FIFO = 2, LINE = 3, MODEM = 4, STATUS = 5 };
enum { COM1_IRQ = 4, HAS_INPUT = 1, CAN_SEND = 0x20 };

void serial_init(void)
{
    outb(COM1 + INTERRUPTS, 0);
    outb(COM1 + LINE, 0x80);            /* reach the divisor: 115200 baud */
    outb(COM1 + DATA, 1);
    outb(COM1 + INTERRUPTS, 0);
    outb(COM1 + LINE, 3);               /* 8 bits, no parity, 1 stop */
    outb(COM1 + FIFO, 7);
    outb(COM1 + MODEM, 0xb);            /* with OUT2, which gates the interrupt line */
}

static void serial_interrupt(void *unused)
{
    while (inb(COM1 + STATUS) & HAS_INPUT)
        console_input((char)inb(COM1 + DATA));
}

void serial_interrupts(void)
{
    irq_install(COM1_IRQ, serial_interrupt, NULL);
    outb(COM1 + INTERRUPTS, 1);
}

void serial_write(const char *bytes, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        while (!(inb(COM1 + STATUS) & CAN_SEND))
            ;
        outb(COM1 + DATA, (u8)bytes[i]);
    }
}
