/* SPDX-License-Identifier: MIT */
/*
 * An interrupt at each boundary between two instructions (boundaries.asm has them): the timer is
 * set, some instructions go by, then comes the sequence. Wherever it is interrupted its result is
 * the same; RIP is the beginning of an instruction; and the flag that lets interrupts in was set.
 * How many instructions must go by for one boundary is found by trying. That needs a clock that
 * counts instructions, and a CPU that takes interrupts at each of them.
 */
#include "hostile.h"

enum kind { MUST, NEVER, MAY, WITHIN };
struct step { uint64_t rip, kind; };
struct sequence {
    uint64_t start, end;
    const char *name;
    const struct step *first, *last;
};

#define USER 0x10000000000ull           /* where the page of user code is for the user */
enum {
    STEPS = 80, TRIES = 4000,
    LONGEST = 240000,                   /* instructions until the timer's interrupt, at most */
    COUNT = 200,                        /* of the timer: 168 us; real Xen needs most of it */
};

extern const struct sequence sequences[];
extern const uint8_t system_call[];
extern uint64_t workspace[64];
uint64_t round(uint64_t sequence, uint64_t delay, bool in_user_mode);
extern const uint8_t round_ready[], round_out[], abandoned[];
extern const uint8_t user_page[], user_delay[], user_delayed[];

static volatile uint64_t came;
static struct frame seen;
static uint64_t seen_rcx;

void interrupt(struct frame *frame)
{
    check(frame->flags & 0x200, "an interrupt while its flag was clear");
    came++;
    seen = *frame;
    seen_rcx = ((const uint64_t *)frame)[-2];           /* as hostile's entry saves it */
    if (frame->rip - USER - (uint64_t)(user_delay - user_page) <
        (uint64_t)(user_delayed - user_delay)) {
        frame->cs = CODE;
        frame->ss = DATA;
        frame->rip = (uint64_t)round;
    }
    if (frame->rip - (uint64_t)round < (uint64_t)round_ready - (uint64_t)round)
        frame->rip = (uint64_t)abandoned;
}

/* IRQ 0 to vector 32, acknowledged by itself; the timer counts once, by one byte. */
static void set_chips(void)
{
    static const struct { uint16_t port; uint8_t value; } writes[] = {
        { 0x20, 0x11 }, { 0x21, TIMER }, { 0x21, 4 }, { 0x21, 3 }, { 0xa0, 0x11 }, { 0xa1, 40 },
        { 0xa1, 2 }, { 0xa1, 1 }, { 0xa1, 0xff }, { 0x21, 0xfe }, { 0x43, 0x10 },
    };

    for (size_t i = 0; i < sizeof(writes) / sizeof(*writes); i++)
        outb(writes[i].port, writes[i].value);
}

static void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

void set_user(const uint8_t *entry)
{
    set_task();
    write_msr(0xc0000081, (uint64_t)DATA << 48 | (uint64_t)CODE << 32);
    write_msr(0xc0000082, (uint64_t)entry);
    write_msr(0xc0000084, 0x200);
}

static void begin(void)
{
    set_user(system_call);
    set_chips();
    __asm__ volatile("sti");
}

static void fill(void)
{
    for (unsigned int i = 0; i < 64; i++)
        workspace[i] = i * 0x9e3779b97f4a7c15;
    workspace[4] = workspace[5] = 0;
}

static uint64_t sum(void)
{
    uint64_t value = 0;

    for (unsigned int i = 0; i < 64; i++)
        value = value * 31 + workspace[i];
    return value;
}

/* --- one round ------------------------------------------------------------------------------- */

struct expected { uint64_t result, sum; };

static struct expected run(const struct sequence *s, uint64_t delay, bool in_user_mode)
{
    struct expected e;

    e.result = round(s->start, delay, in_user_mode);
    e.sum = sum();
    return e;
}

static struct expected undisturbed(const struct sequence *s)
{
    fill();
    return run(s, 0, false);
}

static void set_timer(uint8_t count)
{
    came = 0;
    outb(0x40, count);
}

/* STI's shadow is what makes this a wait. */
static void wait(void)
{
    for (;;) {
        __asm__ volatile("cli");
        if (came)
            break;
        __asm__ volatile("sti; hlt" : : : "memory");
    }
    __asm__ volatile("sti");
}

static unsigned int count_of(const struct sequence *s)
{
    return (unsigned int)(s->last - s->first);
}

/* Which of its steps is at that address; so many as there are: it is elsewhere. */
static unsigned int step_at(const struct sequence *s, uint64_t rip)
{
    unsigned int i = 0;

    while (i < count_of(s) && s->first[i].rip != rip)
        i++;
    return i;
}

static void complain(const struct sequence *s, unsigned int step, const char *what)
{
    say("hostile: WRONG: ");
    say(what);
    say(", sequence ");
    say(s->name);
    say(", step ");
    say_number(step);
    say("\n");
    off();
}

/* Where the interrupt came: -1: before the sequence, 0..: at that step, their count: after it. */
static int try(const struct sequence *s, uint64_t delay, bool in_user_mode,
               const struct expected *expected)
{
    struct expected found;
    unsigned int step;

    set_timer(1);                       /* so that all before this is the same each time */
    wait();
    fill();
    set_timer(COUNT);
    found = run(s, delay, in_user_mode);
    wait();
    step = step_at(s, seen.rip);
    if (came != 1)
        complain(s, step, "more interrupts than one");
    if (found.result == ~0ull) return -1;
    if (found.result != expected->result || found.sum != expected->sum)
        complain(s, step, "another result");
    if (step == count_of(s)) {
        if (seen.rip - s->start < s->end - s->start)
            complain(s, step, "an interrupt in the middle of an instruction");
        return seen.rip - (uint64_t)round < (uint64_t)round_out - (uint64_t)round ? -1 : (int)step;
    }
    if (s->first[step].kind == NEVER)
        complain(s, step, "an interrupt where none may come");
    return (int)step;
}

/* --- all boundaries -------------------------------------------------------------------------- */

static bool hit[STEPS], within[STEPS];

static bool wanted(const struct step *step, unsigned int number)
{
    return (step->kind == MUST && !hit[number]) || (step->kind == WITHIN && !within[number]);
}

static uint64_t chance(uint64_t limit)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % limit;
}

/* The delay goes up and down by chance, by ever more in one direction and by much less after a
 * turn: so it comes close from anywhere, and goes to and fro there. It is passed in user mode for a
 * step there: where the kernel is interpreted, an instruction of its own is too long a step. */
static void find(const struct sequence *s, unsigned int step, const struct expected *expected)
{
    static uint64_t delays[2];
    const bool in_user_mode = s->first[step].rip - USER < 4096;
    uint64_t stride = 4, delay = delays[in_user_mode];
    bool was_later = false;

    for (unsigned int turn = 0; wanted(&s->first[step], step); turn++) {
        int where = try(s, delay, in_user_mode, expected);
        bool is_later = where >= (int)step;
        uint64_t by = 1 + chance(stride);
        if (turn == TRIES)
            complain(s, step, "a boundary that no interrupt came to");
        if (where >= 0 && where < (int)count_of(s)) {
            hit[where] = true;
            within[where] |= seen_rcx && seen_rcx < 7;
        }
        delay = is_later ? delay + by : delay > by ? delay - by : 0;
        stride = is_later == was_later ? stride * 2 : stride > 16 ? stride / 4 : 4;
        if (stride > LONGEST / 8)
            stride = LONGEST / 8;
        was_later = is_later;
    }
    delays[in_user_mode] = delay;
}

static void all_of(const struct sequence *s)
{
    const struct expected expected = undisturbed(s);

    for (unsigned int i = 0; i < STEPS; i++)
        hit[i] = within[i] = false;
    for (unsigned int i = 0; i < count_of(s); i++)
        find(s, i, &expected);
}

void boundaries(void)
{
    begin();
    for (const struct sequence *s = sequences; s->start; s++)
        all_of(s);
    __asm__ volatile("cli");
}

/* At any boundaries. */
void interrupts(void)
{
    begin();
    for (const struct sequence *s = sequences; s->start; s++) {
        const struct expected expected = undisturbed(s);
        for (unsigned int i = 0; i < 40; i++)
            (void)try(s, chance(LONGEST / 4), i & 1, &expected);
    }
    __asm__ volatile("cli");
}
