/* SPDX-License-Identifier: MIT */
/* The 8259A as its data sheet has it (Intel 231468), in the one way in which PCs wire two of them.
 * Not there: the 8080's mode, buffered mode, special fully nested mode. */
#include "pic.h"

enum { CASCADE = 2, SPURIOUS = 7, NONE = 8 };

void pic_reset(struct pic *pic)
{
    *pic = (struct pic){ 0 };
    for (int i = 0; i < 2; i++) {
        pic->chip[i].masked = 0xff;
        pic->chip[i].lowest = 7;
    }
    pic->chip[1].level = 0x0e;
}

/* The first of those inputs by priority, or NONE. */
static unsigned int first(const struct pic_chip *chip, uint8_t inputs)
{
    for (unsigned int i = 1; i <= 8; i++) {
        unsigned int input = (chip->lowest + i) & 7;
        if (inputs & 1 << input) return input;
    }
    return NONE;
}

static unsigned int place(const struct pic_chip *chip, unsigned int input)
{
    return (input - chip->lowest - 1) & 7;
}

/* The input that it wants served now, or NONE: it comes before all that are in service. */
static unsigned int wanted(const struct pic_chip *chip)
{
    unsigned int input = first(chip, chip->requests & ~chip->masked),
                 serving = first(chip, chip->special_mask ? chip->in_service & ~chip->masked
                                                          : chip->in_service);

    if (chip->step || input == NONE) return NONE;
    return serving == NONE || place(chip, input) < place(chip, serving) ? input : NONE;
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

static void end(struct pic_chip *chip, unsigned int input, bool rotate)
{
    if (input == NONE) return;
    chip->in_service &= (uint8_t)~(1 << input);
    if (rotate)
        chip->lowest = (uint8_t)input;
}

static unsigned int take(struct pic_chip *chip)
{
    unsigned int input = wanted(chip);

    if (input == NONE) return SPURIOUS;
    if (!(chip->level & 1 << input))
        chip->requests &= (uint8_t)~(1 << input);
    chip->in_service |= (uint8_t)(1 << input);
    if (chip->automatic)
        end(chip, input, chip->rotates);
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
    chip->lowest = 7;
    chip->automatic = chip->rotates = chip->reads_service = chip->special_mask = false;
    chip->wants_icw4 = icw1 & 1;
    chip->step = 2;
}

static void operate(struct pic_chip *chip, uint8_t ocw2)
{
    bool rotate = ocw2 & 0x80, specific = ocw2 & 0x40, ends = ocw2 & 0x20;
    unsigned int input = specific ? ocw2 & 7u : first(chip, chip->in_service);

    if (ends)
        end(chip, input, rotate);
    else if (specific && rotate)
        chip->lowest = (uint8_t)input;
    else if (!specific)
        chip->rotates = rotate;
}

static void command(struct pic_chip *chip, uint8_t value)
{
    if (value & 0x10) {
        begin(chip, value);
    } else if (value & 0x08) {
        if (value & 0x40)
            chip->special_mask = value & 0x20;
        if (value & 0x02)
            chip->reads_service = value & 0x01;
        chip->polled = value & 0x04;
    } else {
        operate(chip, value);
    }
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

static uint8_t poll(struct pic_chip *chip)
{
    bool any = wanted(chip) != NONE;

    chip->polled = false;
    return any ? (uint8_t)(0x80 | take(chip)) : 0;
}

uint8_t pic_in(struct pic *pic, uint16_t port)
{
    struct pic_chip *chip = &pic->chip[port >> 7 & 1];
    uint8_t value;

    if (port >= 0x4d0) return pic->chip[port & 1].level;
    if (chip->polled)
        value = poll(chip);
    else if (port & 1)
        value = chip->masked;
    else
        value = chip->reads_service ? chip->in_service : chip->requests;
    cascade(pic);
    return value;
}
