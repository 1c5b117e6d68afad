/* SPDX-License-Identifier: MIT */
/* Interrupts: the two 8259 controllers, moved out of the way of the CPU's exceptions to vectors
 * 32..47, and who handles what they report. */
#include "kernel.h"

enum { MASTER = 0x20, SLAVE = 0xa0, CASCADE = 2 };
static struct { u32 irq; void (*handler)(void *); void *argument; } handlers[8];
static u16 masked = 0xffff & ~(1 << CASCADE);

static void write_masks(void)
{
    outb(MASTER + 1, (u8)masked);
    outb(SLAVE + 1, (u8)(masked >> 8));
}

void irq_init(void)
{
    static const struct { u16 port; u8 base, wiring; } chips[] = {
        { MASTER, VECTOR_IRQ, 1 << CASCADE }, { SLAVE, VECTOR_IRQ + 8, CASCADE },
    };

    for (int i = 0; i < 2; i++) {
        /* initialise: edge triggered, cascaded, four words */
        outb(chips[i].port, 0x11);
        outb(chips[i].port + 1, chips[i].base);
        outb(chips[i].port + 1, chips[i].wiring);
        outb(chips[i].port + 1, 1);             /* 8086 mode */
    }
    write_masks();
}

static void enable(u32 irq)
{
    masked &= (u16)~(1 << irq);
    write_masks();
}

static void acknowledge(u32 irq)
{
    if (irq >= 8)
        outb(SLAVE, 0x20);
    outb(MASTER, 0x20);
}

/* PCI devices may share a line, so each of a line's handlers is asked. */
void irq_install(u32 irq, void (*handler)(void *), void *argument)
{
    u32 i = 0;

    while (i < sizeof handlers / sizeof *handlers && handlers[i].handler)
        i++;
    if (irq >= IRQS || i == sizeof handlers / sizeof *handlers)
        kpanic("no room for a handler of interrupt %u", irq);
    handlers[i].irq = irq;
    handlers[i].handler = handler;
    handlers[i].argument = argument;
    enable(irq);
}

void irq_dispatch(u32 irq)
{
    for (u32 i = 0; i < sizeof handlers / sizeof *handlers && handlers[i].handler; i++)
        if (handlers[i].irq == irq)
            handlers[i].handler(handlers[i].argument);
    acknowledge(irq);
}
