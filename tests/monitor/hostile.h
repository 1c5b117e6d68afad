/* SPDX-License-Identifier: MIT */
/* What the parts of the hostile kernel have in common: hostile.c has the rest. */
#ifndef TESTS_MONITOR_HOSTILE_H
#define TESTS_MONITOR_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the CPU pushes, and before it our stubs. */
struct frame { uint64_t vector, error, rip, cs, flags, rsp, ss; };

enum { CODE = 8, DATA = 16, USER_DATA = 24 | 3, USER_CODE = 32 | 3, CODE_32 = 40, CODE_RING_1 = 48,
       DATA_RING_1 = 56, TSS = 64, TIMER = 32 };

extern uint64_t gdt[];
extern volatile uint64_t level4[512];
extern volatile uint64_t caught, caught_vector, resume;

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

void say(const char *text);
void say_number(uint64_t number);
/* If it is not good, that is said, and the machine is switched off. */
void check(bool good, const char *what);
void off(void);

/* Runs an instruction that may fault; whether it did. */
#define FAULTS(instruction, ...) ({ \
        uint64_t before_ = caught; \
        __asm__ volatile("movabsq $1f, %%r11; movq %%r11, %0\n" instruction "\n1:" \
                         : "=m"(resume) : __VA_ARGS__ : "memory", "r11", "rax", "rdx"); \
        resume = 0; \
        caught != before_; })

/* boundaries.c: what SYSCALL goes to, without interrupts */
void set_user(const uint8_t *entry);
/* the timer's interrupt; the trial, and the same without a claim to be complete */
void interrupt(struct frame *frame);
void boundaries(void);
void interrupts(void);

/* modes.c */
void set_task(void);
void modes(void);
void registers(void);
void addresses(void);
void paging_off(void);

/* spaces.c */
void spaces(void);

/* nano.c: words: "ROUNDS ROW..." */
void nano(const char *words);

#endif
