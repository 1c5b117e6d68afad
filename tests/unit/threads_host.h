/* SPDX-License-Identifier: MIT */
/*
 * The SDK's threads on the host: the switch itself, stacks, and a hypervisor that lets time pass
 * when nobody can run. Sources: thread.c, events.c, time.c. A port that is rung reaches its handler
 * when events are unmasked.
 */
#ifndef TESTS_UNIT_THREADS_HOST_H
#define TESTS_UNIT_THREADS_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <abi/domus.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>

struct shared_info shared_info;

/* As lib/entry.asm has it. */
asm(".globl thread_switch\n"
    "thread_switch:\n"
    "    push %rbx\n    push %rbp\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
    "    mov %rsp, (%rdi)\n    mov %rsi, %rsp\n"
    "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbp\n    pop %rbx\n    "
    "ret\n");

static bool panic_ends;                 /* in a child of a test's: as 42, */
static char *panic_text;                /* and what it says is here, if this is somewhere */
#define PANIC_TEXT 200u

void panic(const char *format, ...)
{
    va_list arguments;

    if (panic_text) {
        va_start(arguments, format);
        vsnprintf(panic_text, PANIC_TEXT, format, arguments);
        va_end(arguments);
    }
    if (panic_ends)
        _exit(42);
    fprintf(stderr, "panic: %s\n", format);
    abort();
}

/* Stacks lie on top of room that is not theirs: the host's own functions want more than a
 * guest's. */
#define BELOW (256u * 1024)
static unsigned int stacks, stacks_left = ~0u;

void *alloc_pages(unsigned int order)
{
    uint8_t *at;

    if (stacks_left == 0) return NULL;
    stacks_left--;
    stacks++;
    at = aligned_alloc(4096, BELOW + (4096u << order));
    return at + BELOW;
}

void free_pages(void *va, unsigned int order)
{
    stacks--;
    free((uint8_t *)va - BELOW);
}

static int64_t deadline;
static const evtchn_t timer_port = 1;
static unsigned int blocks;

static void ring(evtchn_t port)
{
    struct vcpu_info *vcpu = &shared_info.vcpu_info[0];

    set_bit(port, shared_info.evtchn_pending);
    if (test_bit(port, shared_info.evtchn_mask)) return;
    set_bit(port / 64, &vcpu->evtchn_pending_sel);
    vcpu->evtchn_upcall_pending = 1;
    if (!vcpu->evtchn_upcall_mask) {
        events_mask_all();
        events_poll();
        events_unmask_all();
    }
}

static void pass_time(uint64_t now)
{
    shared_info.vcpu_info[0].time.system_time = now;
    if (deadline && deadline <= (int64_t)now) {
        deadline = 0;
        ring(timer_port);
    }
}

/* The vCPU sleeps: until something pending is taken, else until the deadline. */
void vcpu_block(void)
{
    assert_true(events_masked());
    assert_true(blocks++ < 1000000);
    if (!shared_info.vcpu_info[0].evtchn_upcall_pending) {
        if (!deadline) {
            fprintf(stderr, "everybody sleeps for ever\n");
            abort();
        }
        pass_time((uint64_t)deadline);
    }
    events_unmask_all();
}

static long thread_hypercall(unsigned long nr, unsigned long a, unsigned long b)
{
    if (nr == __HYPERVISOR_set_timer_op) {
        deadline = (int64_t)a;
        return 0;
    }
    if (nr == __HYPERVISOR_event_channel_op && a == EVTCHNOP_bind_virq) {
        ((struct evtchn_bind_virq *)b)->port = timer_port;
        return 0;
    }
    if (nr == __HYPERVISOR_domus_op)
        return -ENOSYS;                 /* as on another hypervisor */
    assert_true(nr == __HYPERVISOR_vcpu_op);
    return 0;
}

/* Once, before all tests. */
static void start_threads(void)
{
    shared_info.vcpu_info[0].time.system_time = 1000;
    events_init();
    time_init();
    threads_init();
    events_unmask_all();
}

#endif
