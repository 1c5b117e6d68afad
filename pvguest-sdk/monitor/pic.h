/* SPDX-License-Identifier: MIT */
/* The two 8259 interrupt controllers of a PC, the second one at the first's input 2, and the
 * registers that say which inputs are levels (0x4d0, 0x4d1). Pure. */
#ifndef MONITOR_PIC_H
#define MONITOR_PIC_H

#include <stdbool.h>
#include <stdint.h>

struct pic_chip {
    uint8_t lines;              /* as they are */
    uint8_t level;              /* which are levels, not edges */
    uint8_t requests, in_service, masked;
    uint8_t base;               /* vector of input 0 */
    uint8_t step;               /* of the initialisation: the word that comes next; 0: done */
    bool wants_icw4, automatic, reads_service;
};

struct pic { struct pic_chip chip[2]; };

/* As firmware leaves it: the inputs of PCI (9 to 11) are levels. */
void pic_reset(struct pic *pic);
uint8_t pic_in(struct pic *pic, uint16_t port);
void pic_out(struct pic *pic, uint16_t port, uint8_t value);
static inline bool pic_has(uint16_t port)
{
    return (port & ~0x81) == 0x20 || (port & ~1) == 0x4d0;
}

void pic_line(struct pic *pic, unsigned int irq, bool up);
/* Whether it calls the processor; and the processor's answer, which takes the vector. */
bool pic_calls(struct pic *pic);
uint8_t pic_acknowledge(struct pic *pic);

#endif
