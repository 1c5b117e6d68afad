/* SPDX-License-Identifier: MIT */
/*
 * The life of further vCPUs. The first start makes this guest one of several vCPUs: vCPU 0 gets GS
 * and its info moves into its struct cpu, as every other's is from its beginning. A vCPU is
 * initialised once, with a stack that it keeps, and then is in a loop: run what it is given, go
 * down, be brought up for the next (VCPUOP_up goes on where VCPUOP_down was called). Standing still
 * in the middle is the same, called from the handler of the calls.
 *
 * A vCPU says in `state` that it goes down, before it does; only when the hypervisor says it has
 * (VCPUOP_is_up) is it brought up again.
 *
 * While the guest is saved all are held: up, for the toolstack saves no other's context, and in
 * that loop, or in the handler of the calls. So each finds its registers in another life, and is
 * what it was.
 */
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/debug.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/sched.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include "entry.h"
#include "smp.h"

#define GUARD 0x5afe57ac5afe57acUL      /* at the low end of each stack */

enum { ENDED, RUNS, STOPPED, HELD, ANEW };      /* a new one has ended, too */

unsigned int smp_count(void)
{
    unsigned int count = 0;

    while (count < MOST_CPUS &&
           may_be_refused(HYPERVISOR_vcpu_op(VCPUOP_is_up, count, NULL)) >= 0)
        count++;
    return count;
}

/* Its info, at the beginning of its struct: for good. */
static int move_info(struct cpu *cpu)
{
    struct vcpu_register_vcpu_info op = {
        .mfn = virt_to_mfn(cpu), .offset = (unsigned long)cpu & (PAGE_SIZE - 1),
    };
    return (int)HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, cpu->id, &op);
}

/* ---- on the vCPU itself ---- */

/* In another life: what the hypervisor keeps for a vCPU, only that one gets again. */
static void begin_anew(struct cpu *cpu)
{
    if (move_info(cpu))
        panic("pvguest: vCPU %u has no events in its new life\n", cpu->id);
    time_go_on();
    __atomic_store_n(&cpu->state, HELD, __ATOMIC_RELEASE);
}

/* Events are masked. Returns when it is to run. Others that are not held yet may wait for an answer
 * of one that is. */
static void stand(struct cpu *cpu, unsigned int state)
{
    __atomic_store_n(&cpu->state, state, __ATOMIC_RELEASE);
    event_send(first_cpu.kick_port);
    while ((state = __atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE)) != RUNS) {
        if (state == ANEW) {
            begin_anew(cpu);
        } else if (state == HELD) {
            calls_run(cpu);
            vcpu_yield();
        } else {
            HYPERVISOR_vcpu_op(VCPUOP_down, cpu->id, NULL);
        }
    }
}

static void go_down(struct cpu *cpu, unsigned int state)
{
    while (!calls_close(cpu))
        calls_run(cpu);
    stand(cpu, state);
}

static void called(evtchn_t port, void *data)
{
    struct cpu *cpu = data;
    unsigned int asked;

    calls_run(cpu);
    asked = cpu->asked;
    cpu->asked = 0;
    if (asked == HELD)
        stand(cpu, HELD);
    else if (asked)
        go_down(cpu, STOPPED);
}

static void first_steps(void)
{
    struct cpu *cpu = this_cpu();

    for (;;) {
        events_unmask_all();
        cpu->function(cpu->argument);
        events_mask_all();
        if (*(unsigned long *)cpu->stack != GUARD)
            panic("pvguest: vCPU %u has overrun its stack\n", cpu->id);
        go_down(cpu, ENDED);
    }
}

/* ---- what each has ---- */

static void unbind_ports(struct cpu *cpu)
{
    uint32_t *const ports[] = { &cpu->kick_port, &cpu->call_port, &cpu->timer_port };

    for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
        if (*ports[i])
            event_unbind(*ports[i]);
        *ports[i] = 0;
    }
}

/* The port that rings stays masked: it is only polled. vCPU 0 has its timer already. After an error
 * the caller unbinds them. */
static int bind_ports(struct cpu *cpu)
{
    int kick = event_bind_ipi_on(cpu->id, NULL, NULL), call, timer;

    if (kick < 0) return kick;
    event_mask((evtchn_t)kick);
    cpu->kick_port = (evtchn_t)kick;
    call = event_bind_ipi_on(cpu->id, called, cpu);
    if (call < 0) return call;
    cpu->call_port = (evtchn_t)call;
    timer = cpu->id ? time_start(cpu->id) : 0;
    if (timer < 0) return timer;
    cpu->timer_port = (evtchn_t)timer;
    return 0;
}

/* From here on GS says who runs. */
static int become_one_of_several(void)
{
    bool masked = events_save();
    int error = bind_ports(&first_cpu);

    if (!error)
        error = (int)HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, (unsigned long)&first_cpu);
    if (!error)
        error = move_info(&first_cpu);
    if (error)
        unbind_ports(&first_cpu);
    several_cpus = !error;
    events_restore(masked);
    return error;
}

/* The least that a vCPU needs; the flat descriptors are the hypervisor's. */
static int initialise(struct cpu *cpu)
{
    static struct vcpu_guest_context context;           /* five kilobytes */
    unsigned long top = (unsigned long)cpu->stack + (PAGE_SIZE << THREAD_STACK_ORDER);

    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = (unsigned long)first_steps;
    context.user_regs.rsp = top - 8;                    /* as after a call */
    context.user_regs.rflags = 1 << 9;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = top;
    context.ctrlreg[3] = xen_pfn_to_cr3(kernel_root_mfn);
    context.gs_base_kernel = (unsigned long)cpu;
    traps_context(&context);
    return (int)HYPERVISOR_vcpu_op(VCPUOP_initialise, cpu->id, &context);
}

static void destroy(struct cpu *cpu)
{
    unbind_ports(cpu);
    all_cpus[cpu->id] = NULL;
    if (cpu->stack)
        free_pages(cpu->stack, THREAD_STACK_ORDER);
    free(cpu->queue);
    free_page(cpu);
}

static int create(unsigned int id)
{
    struct cpu *cpu = alloc_zeroed_page();
    int error;

    if (!cpu) return refused(-ENOMEM);
    cpu->self = all_cpus[id] = cpu;
    cpu->id = id;
    cpu->stack = alloc_pages(THREAD_STACK_ORDER);
    cpu->queue = pt_queue_create();
    error = cpu->stack && cpu->queue ? bind_ports(cpu) : refused(-ENOMEM);
    if (!error) {
        *(unsigned long *)cpu->stack = GUARD;
        calls_close(cpu);
        error = initialise(cpu);
    }
    if (!error)
        error = move_info(cpu);
    if (error) {
        destroy(cpu);
        return error;
    }
    cpu->info.evtchn_upcall_mask = 1;
    return 0;
}

/* ---- vCPU 0's ---- */

static struct cpu *find(unsigned int id, unsigned int state)
{
    struct cpu *cpu = id && id < MOST_CPUS ? all_cpus[id] : NULL;

    first_cpu_only();
    return cpu && READ_ONCE(cpu->state) == state ? cpu : NULL;
}

static void ask(struct cpu *cpu, unsigned int state)
{
    cpu->asked = state;
    event_send(cpu->call_port);
}

static void wait_until_it_stands(struct cpu *cpu)
{
    bool masked = events_save();

    for (;;) {
        event_clear(first_cpu.kick_port);
        event_clear(first_cpu.call_port);
        calls_run(&first_cpu);
        if (__atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) != RUNS)
            break;
        calls_sleep(&first_cpu, 0);
    }
    events_restore(masked);
}

/* Until it is neither running nor on its way down. */
static void wait_until_down(struct cpu *cpu)
{
    wait_until_it_stands(cpu);
    while (HYPERVISOR_vcpu_op(VCPUOP_is_up, cpu->id, NULL) > 0)
        vcpu_yield();
}

/* To run, or to be held, which others cannot call. */
static int bring_up(struct cpu *cpu, unsigned int state)
{
    wait_until_down(cpu);
    if (state == RUNS)
        calls_open(cpu);
    __atomic_store_n(&cpu->state, state, __ATOMIC_RELEASE);
    return (int)HYPERVISOR_vcpu_op(VCPUOP_up, cpu->id, NULL);
}

int smp_start(unsigned int id, void (*function)(void *argument), void *argument)
{
    int error = 0;

    first_cpu_only();
    if (!id || id >= MOST_CPUS || HYPERVISOR_vcpu_op(VCPUOP_is_up, id, NULL) < 0)
        return refused(-EINVAL);
    if (!several_cpus)
        error = become_one_of_several();
    if (!error && !all_cpus[id])
        error = create(id);
    if (error) return error;
    if (all_cpus[id]->state != ENDED) return refused(-EBUSY);
    all_cpus[id]->function = function;
    all_cpus[id]->argument = argument;
    all_cpus[id]->asked = 0;
    return bring_up(all_cpus[id], RUNS);
}

bool smp_runs(unsigned int id)
{
    return find(id, RUNS) || find(id, STOPPED);
}

void smp_wait(unsigned int id)
{
    first_cpu_only();
    if (id && id < MOST_CPUS && all_cpus[id])
        wait_until_down(all_cpus[id]);
}

int smp_stop(unsigned int id)
{
    struct cpu *cpu = find(id, RUNS);

    if (!cpu) return refused(-EINVAL);
    ask(cpu, STOPPED);
    wait_until_down(cpu);
    return 0;
}

int smp_continue(unsigned int id)
{
    struct cpu *cpu = find(id, STOPPED);

    if (!cpu) return refused(-EINVAL);
    return bring_up(cpu, RUNS);
}

/* ---- while the guest is saved ---- */

/* One that was asked may have ended, or stopped, before it knew. */
static int hold(struct cpu *cpu)
{
    if (READ_ONCE(cpu->state) == RUNS) {
        ask(cpu, HELD);
        wait_until_it_stands(cpu);
        cpu->asked = 0;
    }
    cpu->was = cpu->state == HELD ? RUNS : cpu->state;
    return cpu->state == HELD ? 0 : bring_up(cpu, HELD);
}

/* Nothing rings where a vCPU finds its info at first, in another life. */
int smp_hold(void)
{
    int error = 0;

    for (unsigned int i = 0; several_cpus && i < XEN_LEGACY_MAX_VCPUS; i++)
        shared_info.vcpu_info[i].evtchn_upcall_mask = 1;
    for (unsigned int id = 1; id < MOST_CPUS && !error; id++)
        error = all_cpus[id] ? hold(all_cpus[id]) : 0;
    return error;
}

void smp_resume(void)
{
    int error = several_cpus ? move_info(&first_cpu) : 0;

    for (unsigned int id = 0; several_cpus && id < MOST_CPUS && !error; id++)
        error = all_cpus[id] ? bind_ports(all_cpus[id]) : 0;
    if (error)
        panic("pvguest: several vCPUs have no ports in their new life\n");
    for (unsigned int id = 1; id < MOST_CPUS; id++) {
        if (!all_cpus[id])
            continue;
        __atomic_store_n(&all_cpus[id]->state, ANEW, __ATOMIC_RELEASE);
        while (__atomic_load_n(&all_cpus[id]->state, __ATOMIC_ACQUIRE) == ANEW)
            vcpu_yield();
    }
}

void smp_release(void)
{
    for (unsigned int id = 1; id < MOST_CPUS; id++)
        if (all_cpus[id] && all_cpus[id]->state == HELD)
            __atomic_store_n(&all_cpus[id]->state, all_cpus[id]->was, __ATOMIC_RELEASE);
}
