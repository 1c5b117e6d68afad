/* SPDX-License-Identifier: MIT */
/* The two 8259 interrupt controllers, moved out of the way of the CPU's exceptions to vectors 32..47. */
#include "kernel.h"

enum { MASTER = 0x20, SLAVE = 0xa0, CASCADE = 2 };
static u16 masked = 0xffff & ~(1 << CASCADE);

static void write_masks(void)
{
    outb(MASTER + 1, (u8)masked);
    outb(SLAVE + 1, (u8)(masked >> 8));
}

void pic_init(void)
{
    static const struct { u16 port; u8 base, wiring; } chips[] = {
        { MASTER, VECTOR_IRQ, 1 << CASCADE }, { SLAVE, VECTOR_IRQ + 8, CASCADE },
    };

    for (int i = 0; i < 2; i++) {
        outb(chips[i].port, 0x11);              /* initialise: edge triggered, cascaded, four words */
        outb(chips[i].port + 1, chips[i].base);
        outb(chips[i].port + 1, chips[i].wiring);
        outb(chips[i].port + 1, 1);             /* 8086 mode */
    }
    write_masks();
}

void pic_enable(u32 irq)
{
    masked &= (u16)~(1 << irq);
    write_masks();
}

void pic_acknowledge(u32 irq)
{
    if (irq >= 8)
        outb(SLAVE, 0x20);
    outb(MASTER, 0x20);
}
