/* SPDX-License-Identifier: MIT */
/* The 8259A as its data sheet has it (Intel 231468), in the one way in which PCs wire two of them
 * and kernels use them. Not there: priorities that rotate, polling, special mask mode, special
 * fully nested mode, buffered mode, the 8080's. */
#include "pic.h"

enum { CASCADE = 2, SPURIOUS = 7, NONE = 8 };

void pic_reset(struct pic *pic)
{
    *pic = (struct pic){ 0 };
    pic->chip[0].masked = pic->chip[1].masked = 0xff;
    pic->chip[1].level = 0x0e;
}

/* The first of those inputs by priority, or NONE. */
static unsigned int first(uint8_t inputs)
{
    return inputs ? (unsigned int)__builtin_ctz(inputs) : NONE;
}

/* The input that it wants served now, or NONE: it comes before all that are in service. */
static unsigned int wanted(const struct pic_chip *chip)
{
    unsigned int input = first(chip->requests & ~chip->masked);

    return !chip->step && input < first(chip->in_service) ? input : NONE;
}

static void set_line(struct pic_chip *chip, unsigned int input, bool up)
{
    uint8_t bit = (uint8_t)(1 << input), before = chip->lines & bit;

    chip->lines = (uint8_t)(up ? chip->lines | bit : chip->lines & ~bit);
    if (up && (!before || chip->level & bit))
        chip->requests |= bit;
    if (!up)                        /* an edge that went away before anyone saw it is no request */
        chip->requests &= (uint8_t)~bit;
}

static void cascade(struct pic *pic)
{
    set_line(&pic->chip[0], CASCADE, wanted(&pic->chip[1]) != NONE);
}

void pic_line(struct pic *pic, unsigned int irq, bool up)
{
    set_line(&pic->chip[irq >> 3 & 1], irq & 7, up);
    cascade(pic);
}

bool pic_calls(struct pic *pic)
{
    return wanted(&pic->chip[0]) != NONE;
}

static unsigned int take(struct pic_chip *chip)
{
    unsigned int input = wanted(chip);

    if (input == NONE) return SPURIOUS;
    if (!(chip->level & 1 << input))
        chip->requests &= (uint8_t)~(1 << input);
    if (!chip->automatic)
        chip->in_service |= (uint8_t)(1 << input);
    return input;
}

uint8_t pic_acknowledge(struct pic *pic)
{
    unsigned int input = take(&pic->chip[0]);
    uint8_t vector = (uint8_t)(pic->chip[0].base + input);

    if (input == CASCADE)
        vector = (uint8_t)(pic->chip[1].base + take(&pic->chip[1]));
    cascade(pic);
    return vector;
}

static void begin(struct pic_chip *chip, uint8_t icw1)
{
    chip->requests = chip->lines & chip->level;
    chip->in_service = chip->masked = 0;
    chip->automatic = chip->reads_service = false;
    chip->wants_icw4 = icw1 & 1;
    chip->step = 2;
}

static void command(struct pic_chip *chip, uint8_t value)
{
    unsigned int ended = value & 0x40 ? value & 7u : first(chip->in_service);

    if (value & 0x10)
        begin(chip, value);
    else if (value & 0x08)
        chip->reads_service = value & 0x02 ? value & 0x01 : chip->reads_service;
    else if (value & 0x20)
        chip->in_service &= (uint8_t)~(1 << ended);
}

static void data(struct pic_chip *chip, uint8_t value)
{
    switch (chip->step) {
    case 2:
        chip->base = value & 0xf8;
        chip->step = 3;
        break;
    case 3:                         /* how they are wired: we know */
        chip->step = chip->wants_icw4 ? 4 : 0;
        break;
    case 4:
        chip->automatic = value & 2;
        chip->step = 0;
        break;
    default:
        chip->masked = value;
    }
}

void pic_out(struct pic *pic, uint16_t port, uint8_t value)
{
    if (port >= 0x4d0) {            /* timer, keyboard, cascade and clock are edges */
        pic->chip[port & 1].level = value & (port & 1 ? 0xde : 0xf8);
    } else {
        struct pic_chip *chip = &pic->chip[port >> 7];
        if (port & 1)
            data(chip, value);
        else
            command(chip, value);
    }
    cascade(pic);
}

uint8_t pic_in(struct pic *pic, uint16_t port)
{
    const struct pic_chip *chip = &pic->chip[port >> 7 & 1];

    if (port >= 0x4d0) return pic->chip[port & 1].level;
    if (port & 1) return chip->masked;
    return chip->reads_service ? chip->in_service : chip->requests;
}
