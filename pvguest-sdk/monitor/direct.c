/* SPDX-License-Identifier: MIT */
/*
 * In and out: registers go into a frame from which the hypervisor enters user mode; whatever comes
 * back (an exception, a system call, an event) arrives in the SDK's handlers on a stack of its own,
 * notes the frame, and returns to where direct_run() stands.
 *
 * What is real and what is virtual of the flags: arithmetic, direction, trap, nested task and ID
 * are the guest's own; IF, IOPL and VM are virtual, and so is AC while the guest is in its kernel,
 * where it has no meaning, for here it would have one.
 */
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/string.h>
#include <pvguest/traps.h>
#include "cpu.h"
#include "direct.h"

static void *way_back[5];               /* __builtin_setjmp's */
static struct trap_frame frame;
static uint64_t address;
static uint8_t entry_stack[16384] __attribute__((aligned(16)));

static void leave(struct trap_frame *seen, uint64_t vector)
{
    frame = *seen;
    frame.vector = vector;
    events_mask_all();
    __builtin_longjmp(way_back, 1);
}

static bool exception(struct trap_frame *seen)
{
    if (!frame_from_user(seen)) return false;
    address = fault_address();
    leave(seen, seen->vector);
    return true;
}

static void system_call(struct trap_frame *seen)
{
    leave(seen, EXIT_SYSCALL);
}

/* Of events: exceptions and system calls never get as far as the way back. */
static void event(struct trap_frame *seen)
{
    leave(seen, EXIT_EVENT);
}

int direct_init(void)
{
    set_kernel_stack((unsigned long)entry_stack + sizeof(entry_stack));
    for (unsigned int vector = 0; vector < 20; vector++)
        if (vector != TRAP_NMI && vector != TRAP_DF && vector != TRAP_MC)
            set_trap_handler(vector, exception);
    set_return_hook(event);
    return set_syscall_handler(system_call, true);
}

static uint64_t own_flags(const struct vcpu *vcpu)
{
    uint64_t flags = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_ID | FLAG_RF;

    return vcpu->cpl == 3 ? flags | FLAG_AC : flags;
}

/* Each mode of a PV guest has its own GS; the other one's is the hypervisor's to change. */
static void load_bases(const struct vcpu *vcpu)
{
    static uint64_t fs, gs;

    if (vcpu->segment[FS].base != fs)
        HYPERVISOR_set_segment_base(SEGBASE_FS, vcpu->segment[FS].base);
    if (vcpu->segment[GS].base != gs)
        HYPERVISOR_set_segment_base(SEGBASE_GS_USER, vcpu->segment[GS].base);
    fs = vcpu->segment[FS].base;
    gs = vcpu->segment[GS].base;
}

/* Both orders: the processor's by number, the frame's as they are pushed. */
static void copy_registers(struct vcpu *vcpu, bool in)
{
    uint64_t *const places[16] = {
        &frame.rax, &frame.rcx, &frame.rdx, &frame.rbx, &frame.rsp, &frame.rbp, &frame.rsi,
        &frame.rdi, &frame.r8, &frame.r9, &frame.r10, &frame.r11, &frame.r12, &frame.r13,
        &frame.r14, &frame.r15,
    };

    for (int i = 0; i < 16; i++) {
        if (in)
            *places[i] = vcpu->general[i];
        else
            vcpu->general[i] = *places[i];
    }
}

static __attribute__((noinline)) void enter(void)
{
    if (__builtin_setjmp(way_back) == 0)
        return_to_frame(&frame);
}

struct direct_exit direct_run(struct vcpu *vcpu)
{
    uint64_t own = own_flags(vcpu);

    memset(&frame, 0, sizeof(frame));
    copy_registers(vcpu, true);
    frame.rip = vcpu->rip;
    frame.cs = FLAT_USER_CS;
    frame.ss = FLAT_USER_SS;
    frame.rflags = (vcpu->rflags & own) | FLAG_ALWAYS | FLAG_IF;
    load_bases(vcpu);
    enter();
    copy_registers(vcpu, false);
    vcpu->rip = frame.rip;
    vcpu->rflags = (vcpu->rflags & ~own) | (frame.rflags & own);
    return (struct direct_exit){ (unsigned int)frame.vector, frame.error, address };
}
