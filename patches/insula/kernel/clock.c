/* SPDX-License-Identifier: MIT */
/* The clock: the 8254 timer's channel 0 interrupts every 10 ms. A tick ends the running process's
 * time slice and wakes those who sleep for time. */
#include "kernel.h"

enum { CHANNEL_0 = 0x40, COMMAND = 0x43, PIT_HZ = 1193182, TIMER_IRQ = 0 };

volatile u64 ticks;

void tick(void)
{
    ticks++;
    reschedule = true;
    if (current)
        current->ticks++;
    wake(&ticks);
}

static void timer_interrupt(void *unused)
{
    tick();
}

void clock_init(void)
{
    u32 divisor = PIT_HZ * TICK_MS / 1000;

    outb(COMMAND, 0x34);                /* channel 0, rate generator */
    outb(CHANNEL_0, (u8)divisor);
    outb(CHANNEL_0, (u8)(divisor >> 8));
    irq_install(TIMER_IRQ, timer_interrupt, NULL);
}
