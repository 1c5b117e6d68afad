/* SPDX-License-Identifier: MIT */
/*
 * How it runs: the processor for a while, then what is due around it: the clock, event handlers,
 * other threads. All of it has events masked, so handlers run in events_poll() and nowhere else,
 * but while the guest runs directly or nobody has anything to do.
 */
#include <pvguest/bits.h>
#include <pvguest/cpu.h>
#include <pvguest/events.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include "interpret.h"
#include "machine.h"
#include "svm.h"
#include "trap.h"

enum {
    SLICE = 4000,               /* instructions between two looks around */
    EXIT = 100,                 /* of them an exit from running directly counts as */
};
#define SHORTEST_SLEEP (50 * NS_PER_US)

static WAIT_QUEUE(waiting);
static bool woken;

void machine_wake(void)
{
    woken = true;
    wake_all(&waiting);
}

/* What is sent without the end of a line (a prompt, dots) goes out a moment later. */
static void flush_sometimes(struct machine *machine, uint64_t now)
{
    static uint64_t last;

    if (now - last < 20 * NS_PER_MS) return;
    serial_flush(&machine->serial);
    last = now;
}

static void look_around(struct machine *machine)
{
    uint64_t now = now_ns();

    machine->attention = false;
    flush_sometimes(machine, now);
    if (pit_ticked(&machine->pit, now)) {
        irq_line(machine, IRQ_TIMER, false);
        irq_line(machine, IRQ_TIMER, true);
    }
    if (READ_ONCE(cpu_info()->evtchn_upcall_pending))
        events_poll();
    thread_yield();
}

/* Until something happens, or the clock ticks. */
static void sleep(struct machine *machine)
{
    uint64_t now = now_ns(), next = pit_next(&machine->pit);

    serial_flush(&machine->serial);
    if (!(machine->vcpu.rflags & FLAG_IF)) {
        machine_end(machine, "the guest has halted for good");
        return;
    }
    if (!woken && next > now && !machine->vcpu.interrupt_pending) {
        uint64_t wait = next == ~0ull ? 0 : next - now;
        wait_on(&waiting, wait && wait < SHORTEST_SLEEP ? SHORTEST_SLEEP : wait);
    }
    woken = false;
}

static void tell_where(struct machine *machine, const char *what)
{
    struct vcpu *vcpu = &machine->vcpu;
    char bytes[3 * sizeof(vcpu->bytes) + 1] = "";

    for (unsigned int i = 0; i < vcpu->byte_count && i < sizeof(vcpu->bytes); i++)
        snprintf(bytes + 3 * i, 4, " %02x", vcpu->bytes[i]);
    machine_fail(machine, "%s: %s, at %04x:%lx, CPL %u, RFLAGS %lx, CR2 %lx, CR3 %lx;%s", what,
                 vcpu->reason ? vcpu->reason : "?", vcpu->segment[CS].selector, vcpu->rip,
                 vcpu->cpl, vcpu->rflags, vcpu->cr2, vcpu->cr3, bytes);
}

static void interrupt(struct machine *machine)
{
    uint8_t vector = pic_acknowledge(&machine->pic);

    machine->vcpu.interrupt_pending = pic_calls(&machine->pic);
    if (deliver_interrupt(&machine->vcpu, vector) == STEP_SHUTDOWN)
        tell_where(machine, "the guest has shut down");
}

static void after(struct machine *machine, enum step step)
{
    switch (step) {
    case STEP_INTERRUPT:
        interrupt(machine);
        break;
    case STEP_HALTED:
        if (!machine->over)
            sleep(machine);
        break;
    case STEP_UNKNOWN:
        tell_where(machine, "an instruction that is not offered");
        break;
    case STEP_SHUTDOWN:
        tell_where(machine, "the guest has shut down");
        break;
    case STEP_DONE:
    case STEP_EXCEPTION:
        break;
    }
}

/* The guest for a while, in the way that is right for what is at RIP. */
static enum step run(struct machine *machine)
{
    struct vcpu *vcpu = &machine->vcpu;
    enum step step = STEP_DONE;

    if (vcpu->interrupt_pending && interruptible(vcpu)) return STEP_INTERRUPT;
    if (!machine->user_direct && !machine->kernel_direct && !machine->assisted)
        return interpret(vcpu, SLICE);
    for (int left = SLICE; left > 0 && !machine->attention && !machine->over; ) {
        bool directly = machine->assisted || runs_directly(machine);
        if (vcpu->interrupt_pending && interruptible(vcpu)) return STEP_INTERRUPT;
        step = machine->assisted ? run_assisted(machine)
               : directly        ? run_directly(machine)
                                 : interpret_one(vcpu);
        left -= directly ? EXIT : 1;
        if (step != STEP_DONE && step != STEP_EXCEPTION) return step;
    }
    return step;
}

void run_machine(struct machine *machine)
{
    struct vcpu *vcpu = &machine->vcpu;

    events_mask_all();
    while (!machine->over) {
        look_around(machine);
        if (vcpu->halted && !(vcpu->interrupt_pending && interruptible(vcpu)))
            after(machine, STEP_HALTED);
        else
            after(machine, run(machine));
    }
    events_unmask_all();
}
