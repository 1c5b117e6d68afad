/* SPDX-License-Identifier: MIT */
/*
 * The life of the SDK's vCPUs, with threads for them: the first start makes one vCPU several, each
 * is initialised once, runs what it is given, goes down, and is started again; it stands still
 * where it is stopped. Without memory, or when the hypervisor refuses, all is as it was.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <cmocka.h>
#include <pvguest/console.h>
#include <pvguest/mm.h>
#include <pvguest/thread.h>
#include "pvguest-sdk/lib/smp.h"

#define VCPUS 4u

static long vcpu_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c);
#define OTHER_HYPERCALLS(nr, a, b, c) vcpu_hypercall(nr, a, b, c)
#include "vcpus_host.h"

unsigned allocations_until_failure;
unsigned long kernel_root_mfn = 0x777;

/* --- the hypervisor's vCPUs ------------------------------------------------------------------- */

static struct {
    bool initialised, up;
    struct vcpu_guest_context context;
    uint64_t info;                      /* machine address */
    pthread_t thread;
} vcpus[VCPUS] = { [0] = { .initialised = true, .up = true } };
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static unsigned int refused_command = ~0u, gs_sets, vcpu_count = VCPUS, needless_ups;

static void *run_vcpu(void *at)
{
    unsigned long id = (unsigned long)at;

    host_cpu = (struct cpu *)vcpus[id].context.gs_base_kernel;
    events_save();
    ((void (*)(void))vcpus[id].context.user_regs.rip)();
    return NULL;
}

static void up(unsigned long id)
{
    bool first = !vcpus[id].thread;

    needless_ups += vcpus[id].up;       /* it would go down behind this, and stay there */
    vcpus[id].up = true;
    if (first)
        pthread_create(&vcpus[id].thread, NULL, run_vcpu, (void *)id);
    else
        pthread_cond_broadcast(&moved);
}

static long vcpu_op(unsigned long command, unsigned long id, unsigned long at)
{
    const struct vcpu_register_vcpu_info *info = (void *)at;

    if (id >= vcpu_count) return -ENOENT;
    if (id >= VCPUS) return 0;
    if (command == refused_command) return -EPERM;
    switch (command) {
    case VCPUOP_is_up:
        return vcpus[id].up;
    case VCPUOP_initialise:
        if (vcpus[id].initialised) return -EEXIST;
        vcpus[id].initialised = true;
        memcpy(&vcpus[id].context, (void *)at, sizeof(vcpus[id].context));
        return 0;
    case VCPUOP_register_vcpu_info:
        if (vcpus[id].info) return -EINVAL;
        vcpus[id].info = info->mfn << PAGE_SHIFT | info->offset;
        ((struct vcpu_info *)vcpus[id].info)->evtchn_upcall_mask = 0;
        return 0;
    case VCPUOP_up:
        if (!vcpus[id].initialised) return -EINVAL;
        up(id);
        return 0;
    case VCPUOP_down:
        if (!masked)                    /* one that rings now would not be heard */
            abort();
        vcpus[id].up = false;
        while (!vcpus[id].up)
            pthread_cond_wait(&moved, &machine);
        return 0;
    }
    return -ENOSYS;
}

static long vcpu_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c)
{
    long result;

    if (nr == __HYPERVISOR_set_segment_base) {
        assert_int_equal(a, SEGBASE_GS_KERNEL);
        assert_ptr_equal(b, &first_cpu);
        gs_sets++;
        host_cpu = &first_cpu;
        return refused_command == nr + 1000 ? -EPERM : 0;
    }
    assert_int_equal(nr, __HYPERVISOR_vcpu_op);
    if (a == VCPUOP_initialise)         /* nobody calls it before it runs */
        assert_int_equal(smp_post((unsigned int)b, &(struct smp_call){ 0 }), -ENODEV);
    if (a == VCPUOP_down)               /* it takes its time, as when the vCPU is not running */
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);
    pthread_mutex_lock(&machine);
    result = vcpu_op(a, b, c);
    pthread_mutex_unlock(&machine);
    return result;
}

/* --- the SDK ---------------------------------------------------------------------------------- */

static unsigned int pages, bound, binds_until_refusal;
static bool port_masked[64];
static jmp_buf panicked;

void *alloc_pages(unsigned int order)
{
    if (allocation_fails()) return NULL;
    pages += 1u << order;
    return aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
}

void *alloc_zeroed_page(void)
{
    void *page = alloc_pages(0);

    return page ? memset(page, 0, PAGE_SIZE) : NULL;
}

void free_pages(void *va, unsigned int order)
{
    pages -= 1u << order;
    free(va);
}

struct pt_queue *pt_queue_create(void)
{
    return malloc(1);
}

static int bind(void)
{
    if (binds_until_refusal && --binds_until_refusal == 0) return -ENOSPC;
    return (int)++bound;
}

int event_bind_ipi_on(unsigned int id, event_handler handler, void *data)
{
    int port = bind();

    assert_int_equal(id, data ? ((struct cpu *)data)->id : id);
    if (handler)
        call_handler = handler;
    return port;
}

int time_start(unsigned int id)
{
    return bind();
}

static unsigned int went_on[VCPUS];

void time_go_on(void)
{
    went_on[cpu_id()]++;
}

void event_mask(evtchn_t port)
{
    port_masked[port] = true;
}

static unsigned int unbound;

void event_unbind(evtchn_t port)
{
    assert_in_range(port, 1, bound);
    unbound++;
}

void events_mask_all(void)
{
    events_save();
}
void events_unmask_all(void)
{
    events_restore(false);
}

void traps_context(struct vcpu_guest_context *context)
{
    context->event_callback_eip = 0x1234;
}

void vcpu_yield(void)
{
    sched_yield();
}

void wrong_cpu(void)
{
    longjmp(panicked, 1);
}

void panic(const char *format, ...)
{
    abort();
}

/* --- tests ------------------------------------------------------------------------------------ */

static uint64_t sum;
static unsigned int on, let_go;

static void add(void *argument)
{
    assert_false(masked);
    on = cpu_id();
    sum += (uint64_t)argument;
}

static void add_one(void *unused)
{
    sum++;
}

static void wait_here(void *argument)
{
    add(argument);
    while (!__atomic_load_n(&let_go, __ATOMIC_SEQ_CST)) {
        sched_yield();
        events_restore(false);
    }
}

/* Nothing of it is left: what is tried next finds it as the first time. */
static void what_can_go_wrong(void **state)
{
    static const unsigned int refusals[] = {
        __HYPERVISOR_set_segment_base + 1000, VCPUOP_register_vcpu_info, VCPUOP_initialise,
    };

    assert_int_equal(smp_count(), VCPUS);
    assert_false(smp_runs(1));
    assert_int_equal(smp_stop(1), -EINVAL);
    assert_int_equal(smp_continue(1), -EINVAL);
    assert_int_equal(smp_start(0, add, NULL), -EINVAL);
    assert_int_equal(smp_start(VCPUS, add, NULL), -EINVAL);
    assert_int_equal(smp_start(MOST_CPUS, add, NULL), -EINVAL);
    vcpu_count = 200;                           /* more than there is room for */
    assert_int_equal(smp_start(MOST_CPUS, add, NULL), -EINVAL);
    assert_int_equal(smp_count(), MOST_CPUS);
    vcpu_count = VCPUS;
    smp_wait(MOST_CPUS);
    assert_false(smp_runs(MOST_CPUS));
    for (unsigned int i = 0; i < 5; i++) {      /* two of vCPU 0, three of vCPU 1 */
        binds_until_refusal = (const unsigned int[]){ 1, 2, 2 + 1, 2, 3 }[i];
        assert_int_equal(smp_start(1, add, NULL), -ENOSPC);
        assert_int_equal(several_cpus, i >= 2);
        assert_int_equal(bound - unbound, i >= 2 ? 2 : 0);
        assert_int_equal(pages, 0);
        if (i != 1)
            continue;
        for (unsigned int k = 0; k < 2; k++) {
            refused_command = refusals[k];
            assert_int_equal(smp_start(1, add, NULL), -EPERM);
            assert_false(several_cpus || masked);
            assert_int_equal(bound - unbound, 0);
        }
        refused_command = ~0u;
    }
    binds_until_refusal = 0;
    for (unsigned int i = 1; i <= 3; i++) {     /* its struct, its stack, its queue */
        allocations_until_failure = i;
        assert_int_equal(smp_start(1, add, NULL), -ENOMEM);
        assert_int_equal(pages, 0);
        assert_null(all_cpus[1]);
    }
    refused_command = refusals[2];
    assert_int_equal(smp_start(1, add, NULL), -EPERM);
    refused_command = ~0u;
    assert_int_equal(pages, 0);
    assert_int_equal(bound - unbound, 2);
    assert_int_equal(sum, 0);
}

static void starts_ends_and_starts_again(void **state)
{
    const struct vcpu_guest_context *context = &vcpus[1].context;

    for (unsigned long i = 1; i <= 60; i++) {
        assert_int_equal(smp_start(1, add, (void *)i), 0);
        smp_wait(1);
        assert_false(smp_runs(1));
        assert_int_equal(sum, i * (i + 1) / 2);
        assert_int_equal(vcpus[1].up, false);
    }
    assert_int_equal(on, 1);
    assert_true(vcpus[0].info == (uint64_t)&first_cpu);
    assert_true(vcpus[1].info == (uint64_t)all_cpus[1]);
    assert_int_equal(all_cpus[1]->info.evtchn_upcall_mask, 1);
    assert_true(port_masked[first_cpu.kick_port] && port_masked[all_cpus[1]->kick_port]);
    assert_false(port_masked[first_cpu.call_port] || port_masked[all_cpus[1]->call_port]);
    assert_int_equal(gs_sets, 3);               /* it was refused, and then the info */
    assert_int_equal(context->flags, VGCF_in_kernel);
    assert_int_equal(context->ctrlreg[3], 0x777000);
    assert_int_equal(context->event_callback_eip, 0x1234);
    assert_int_equal(context->user_regs.rsp, context->kernel_sp - 8);
    assert_int_equal(context->user_regs.rflags, 0x200);
    assert_int_equal(context->user_regs.cs, FLAT_KERNEL_CS);
    assert_true(context->user_regs.ss == FLAT_KERNEL_SS && context->kernel_ss == FLAT_KERNEL_SS);
    assert_ptr_equal(context->gs_base_kernel, all_cpus[1]);
    assert_int_equal(context->kernel_sp % 16, 0);
    assert_ptr_equal(context->kernel_sp - (PAGE_SIZE << THREAD_STACK_ORDER), all_cpus[1]->stack);
}

/* It has ended and is on its way down: it is there before it is called up again. */
static void starts_again_at_once(void **state)
{
    sum = 0;
    for (unsigned int i = 0; i < 60; i++) {
        assert_int_equal(smp_start(1, add_one, NULL), 0);
        while (smp_runs(1))
            sched_yield();
    }
    smp_wait(1);
    assert_true(!smp_runs(0) && smp_stop(0) == -EINVAL);        /* who asks is not asked for */
    assert_int_equal(sum, 60);
    assert_int_equal(needless_ups, 0);
}

static void stops_and_goes_on(void **state)
{
    sum = let_go = 0;
    assert_int_equal(smp_start(2, wait_here, (void *)5), 0);
    for (unsigned int i = 0; i < 30; i++) {
        assert_true(smp_runs(2));
        assert_int_equal(smp_start(2, add, NULL), -EBUSY);
        assert_int_equal(smp_continue(2), -EINVAL);
        assert_int_equal(smp_stop(2), 0);
        assert_false(vcpus[2].up || all_cpus[2]->asked);
        assert_true(smp_runs(2));
        assert_int_equal(smp_start(2, add, NULL), -EBUSY);
        assert_int_equal(smp_stop(2), -EINVAL);
        assert_int_equal(smp_call(2, add, NULL), -ENODEV);
        smp_wait(2);                            /* nothing runs there */
        assert_int_equal(smp_continue(2), 0);
    }
    __atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
    smp_wait(2);
    assert_int_equal(sum, 5);
    assert_int_equal(on, 2);
    assert_false(smp_runs(2) || masked);
}

/* It is told to stand still in the moment in which it ends: one of the two, and started anew it
 * does not stand still. */
static void stops_while_it_ends(void **state)
{
    for (unsigned int i = 0; i < 60; i++) {
        let_go = 0;
        assert_int_equal(smp_start(3, wait_here, NULL), 0);
        __atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
        if (smp_stop(3) == 0)
            smp_continue(3);
        smp_wait(3);
        assert_false(smp_runs(3));
    }
    sum = let_go = 0;
    all_cpus[3]->asked = 2;                     /* as when it had ended before it saw that */
    assert_int_equal(smp_start(3, wait_here, NULL), 0);
    assert_int_equal(smp_call(3, add_one, NULL), 0);
    __atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
    smp_wait(3);
    assert_false(smp_runs(3));
    assert_int_equal(sum, 1);
}

static void *let_it_go_later(void *unused)
{
    nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
    __atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Who waits for another sleeps, whatever has rung before. */
static void waiting_is_sleeping(void **state)
{
    pthread_t later;
    unsigned int before;

    for (unsigned int i = 0; i < 2; i++) {
        let_go = 0;
        assert_int_equal(smp_start(3, wait_here, NULL), 0);
        send(i ? first_cpu.call_port : first_cpu.kick_port);
        before = polls;
        pthread_create(&later, NULL, let_it_go_later, NULL);
        smp_wait(3);
        pthread_join(later, NULL);
        assert_in_range(polls - before, 1, 2);
    }
}

/* What is called while it ends runs, or is refused. */
static void called_while_it_ends(void **state)
{
    struct smp_call posts[50];
    unsigned int accepted = 0;

    sum = 0;
    for (unsigned int i = 0; i < 60; i++) {
        let_go = 0;
        memset(posts, 0, sizeof(posts));
        assert_int_equal(smp_start(3, wait_here, NULL), 0);
        for (unsigned int k = 0; k < 50; k++) {
            posts[k].function = add_one;
            if (k == 25)
                __atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
            accepted += smp_post(3, &posts[k]) == 0;
        }
        smp_wait(3);
    }
    assert_int_equal(sum, accepted);
    assert_true(accepted >= 60 * 25);
}

/* --- saved and restored ---------------------------------------------------------------------- */

/* All are up, wherever they were, and nobody calls one that does not run. */
static void hold_all(void)
{
    bool was = events_save();

    memset(&shared_info.vcpu_info, 0, sizeof(shared_info.vcpu_info));
    assert_int_equal(smp_hold(), 0);
    for (unsigned int id = 0; id < VCPUS; id++) {
        assert_true(vcpus[id].up);
        assert_true(shared_info.vcpu_info[id].evtchn_upcall_mask);
    }
    events_restore(was);
}

/* vCPU 1 has ended, 2 runs, 3 is stopped: what they are after a life, too. */
static void are_what_they_were(unsigned int calls)
{
    bool was = events_save();

    smp_release();
    events_restore(was);
    smp_wait(1);
    smp_wait(3);
    assert_true(!smp_runs(1) && smp_runs(2) && smp_runs(3));
    assert_false(vcpus[1].up || vcpus[3].up);
    assert_int_equal(smp_call(1, add_one, NULL), -ENODEV);
    assert_int_equal(smp_call(2, add_one, NULL), 0);
    assert_int_equal(smp_call(3, add_one, NULL), -ENODEV);
    assert_int_equal(sum, calls);
    assert_int_equal(needless_ups, 0);
}

static void lives(void **state)
{
    sum = let_go = 0;
    for (unsigned int id = 2; id <= 3; id++)
        assert_int_equal(smp_start(id, wait_here, NULL), 0);
    assert_int_equal(smp_stop(3), 0);
    hold_all();                                 /* the same life */
    are_what_they_were(1);
    assert_int_equal(went_on[1] + went_on[2] + went_on[3], 0);
    for (unsigned int life = 1; life <= 5; life++) {
        hold_all();
        for (unsigned int id = 0; id < VCPUS; id++)
            vcpus[id].info = 0;
        bound = unbound = 0;
        smp_resume();
        assert_int_equal(bound, 2 + 3 * 3);     /* calls and rings, and timers */
        assert_int_equal(vcpus[0].info, (uint64_t)&first_cpu);
        for (unsigned int id = 1; id < VCPUS; id++)
            assert_true(vcpus[id].info == (uint64_t)all_cpus[id] && went_on[id] == life);
        are_what_they_were(1 + life);
    }
    assert_int_equal(smp_continue(3), 0);
    assert_int_equal(smp_start(1, add_one, NULL), 0);
    __atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
    for (unsigned int id = 1; id < VCPUS; id++)
        smp_wait(id);
    assert_int_equal(sum, 1 + 5 + 1);
}

/* It ends in the moment in which it is to be held; it cannot be brought up; and it waits for an
 * answer of one that is held already. */
static void ask_the_other(void *unused)
{
    for (unsigned int i = 0; i < 20; i++)
        smp_call(1, add_one, NULL);
    wait_here(NULL);
}

static void held_in_the_middle(void **state)
{
    bool was;

    for (unsigned int i = 0; i < 60; i++) {
        let_go = 0;
        assert_int_equal(smp_start(1, wait_here, NULL), 0);
        assert_int_equal(smp_start(2, ask_the_other, NULL), 0);
        __atomic_store_n(&let_go, i % 2, __ATOMIC_SEQ_CST);
        hold_all();
        was = events_save();
        smp_release();
        events_restore(was);
        __atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
        smp_wait(1);
        smp_wait(2);
        assert_false(smp_runs(1) || smp_runs(2));
    }
    refused_command = VCPUOP_up;
    was = events_save();
    assert_int_equal(smp_hold(), -EPERM);
    smp_release();
    events_restore(was);
    refused_command = ~0u;
    assert_false(smp_runs(1));
    assert_int_equal(smp_start(1, add_one, NULL), 0);
    smp_wait(1);
}

static void only_vcpu_0_starts(void **state)
{
    volatile unsigned int panics = 0;

    host_cpu = all_cpus[1];
    if (!setjmp(panicked))
        smp_start(2, add, NULL);
    else
        panics++;
    if (!setjmp(panicked))
        smp_runs(2);
    else
        panics++;
    host_cpu = &first_cpu;
    assert_int_equal(panics, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_go_wrong),
        cmocka_unit_test(starts_ends_and_starts_again),
        cmocka_unit_test(starts_again_at_once),
        cmocka_unit_test(stops_and_goes_on),
        cmocka_unit_test(stops_while_it_ends),
        cmocka_unit_test(waiting_is_sleeping),
        cmocka_unit_test(called_while_it_ends),
        cmocka_unit_test(lives),
        cmocka_unit_test(held_in_the_middle),
        cmocka_unit_test(only_vcpu_0_starts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
