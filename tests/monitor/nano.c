/* SPDX-License-Identifier: MIT */
/*
 * Single events of a kernel for a PC, each as bare as can be, and their ticks of the time-stamp
 * counter: the nanobenchmarks of Adams and Agesen (A Comparison of Software and Hardware Techniques
 * for x86 Virtualization, 2006, 6.3), and some beside them. `make compare` runs them; the command
 * line is "n ROUNDS ROW...", and what is said is what the teaching kernel's `bench` says.
 */
#include "hostile.h"

uint64_t nano_calls(uint64_t rounds), nano_store(void);
extern const uint8_t nano_entry[];

static uint64_t tables[3][512] __attribute__((aligned(4096)));
static volatile uint64_t pages[2][512] __attribute__((aligned(4096)));
enum { AT = 0x8000000000 };             /* a page by three tables of its own */

static uint64_t now(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static void prepare(void)
{
    set_user(nano_entry);
    level4[1] = (uint64_t)tables[0] | 3;
    tables[0][0] = (uint64_t)tables[1] | 3;
    tables[1][0] = (uint64_t)tables[2] | 3;
    tables[2][0] = (uint64_t)pages[0] | 3;
    *(volatile uint64_t *)AT = 1;
}

/* The page there is now the other one. */
static void change(uint64_t round)
{
    *(volatile uint64_t *)&tables[2][0] = (uint64_t)pages[round & 1] | 0x63;
}

static __attribute__((noinline, noclone)) void leaf(void)
{
    __asm__ volatile("");
}

/* The fewest ticks of so many rounds of the statement. */
#define ROW(name, statement) \
    static uint64_t name(uint64_t rounds) \
    { \
        uint64_t best = ~0ull; \
        for (uint64_t round = 0; round < rounds; round++) { \
            const uint64_t start = now(); \
            statement; \
            const uint64_t took = now() - start; \
            best = took < best ? took : best; \
        } \
        return best; \
    }

ROW(nothing, )
ROW(port, __asm__ volatile("inb $0x80, %%al" : : : "rax"))
ROW(cr8, __asm__ volatile("movq %0, %%cr8" : : "r"(0ull)))
ROW(cr3, __asm__ volatile("movq %0, %%cr3" : : "r"(level4) : "memory"))
ROW(call, leaf())
ROW(page_fault, (void)FAULTS("movq (%%rcx), %%rax", "c"(0x7000000000)))
ROW(divide, (void)FAULTS("xorl %%edx, %%edx; xorl %%eax, %%eax; divl %%edx", "i"(0)))
ROW(protection, (void)nano_store())
ROW(entry, change(round))
ROW(entry_used, change(round); __asm__ volatile("invlpg (%0)" : : "r"(AT) : "memory");
    (void)*(volatile uint64_t *)AT)

static const struct { const char *name; uint64_t (*run)(uint64_t rounds); } rows[] = {
    { "nano_nothing", nothing },
    { "nano_syscall", nano_calls },
    { "nano_in", port },
    { "nano_cr8", cr8 },
    { "nano_cr3", cr3 },
    { "nano_call", call },
    { "nano_pgfault", page_fault },
    { "nano_divzero", divide },
    { "nano_protection", protection },
    { "nano_ptemod", entry },
    { "nano_ptemod_used", entry_used },
};

static bool has_word(const char *words, const char *name)
{
    while (*words) {
        const char *at = name;
        while (*words == ' ')
            words++;
        for (; *words && *words != ' '; words++)
            at = at && *at == *words ? at + 1 : NULL;
        if (at && !*at) return true;
    }
    return false;
}

/* As many digits each time: what is said is among what a monitor counts. */
static void say_ticks(const char *name, uint64_t ticks)
{
    char digits[21] = "", *at = digits + 20;

    for (; at > digits; ticks /= 10)
        *--at = (char)('0' + ticks % 10);
    say("bench: ");
    say(name);
    say(" ");
    say(at);
    say("\r\n");
}

void nano(const char *words)
{
    uint64_t rounds = 0;

    while (*words >= '0' && *words <= '9')
        rounds = rounds * 10 + (uint64_t)(*words++ - '0');
    prepare();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (has_word(words, rows[i].name))
            say_ticks(rows[i].name, rows[i].run(rounds));
    say("bench: done\r\n");
}
