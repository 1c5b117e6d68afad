/* SPDX-License-Identifier: MIT */
/* A vCPU that is initialised once, goes up and down, with timers and areas that come and go; timers
 * of one's own, and an area that says that one runs. */
#include "races.h"

static struct vcpu_runstate_info runstate[2];
static struct vcpu_time_info times[2];
static uint8_t info_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
/* what each racer registers for itself */
static struct vcpu_runstate_info own[RACERS];

static long of_spare(unsigned int command, void *argument)
{
    return HYPERVISOR_vcpu_op(command, (unsigned int)spare, argument);
}

static long areas(struct racer *r)
{
    struct vcpu_register_runstate_memory_area states = { .addr.v = &runstate[any(r, 2)] };
    struct vcpu_register_time_memory_area time = { .addr.v = &times[any(r, 2)] };
    struct vcpu_register_vcpu_info info = { .mfn = virt_to_mfn(info_page), .offset = 64 };

    switch (any(r, 8)) {
    case 0: return of_spare(VCPUOP_register_vcpu_info, &info);      /* once at most */
    case 1: case 2: case 3: return of_spare(VCPUOP_register_vcpu_time_memory_area, &time);
    default: return of_spare(VCPUOP_register_runstate_memory_area, &states);
    }
}

static long timers(struct racer *r)
{
    struct vcpu_set_periodic_timer periodic = { .period_ns = (1 + any(r, 5)) * NS_PER_MS };
    struct vcpu_set_singleshot_timer once = { .timeout_abs_ns = any(r, 2) ? 1 : 1UL << 50 };

    switch (any(r, 4)) {
    case 0: return of_spare(VCPUOP_set_periodic_timer, &periodic);
    case 1: return of_spare(VCPUOP_stop_periodic_timer, NULL);
    case 2: return HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, (unsigned int)r->id, &once);
    default: return HYPERVISOR_set_timer_op(any(r, 2) ? 1 : 0);
    }
}

/* What the spare one does. */
static void idle(unsigned long id)
{
    for (unsigned int turns = 1;; turns++)
        if (turns % 1000 == 0)
            (void)vcpu_poll(NULL, 0, now_ns() + 100 * NS_PER_US);
}

/* Each racer, at first. All of them try to initialise the spare one, and one of them does. */
void vcpus_join(struct racer *r)
{
    static struct vcpu_guest_context context[RACERS];
    static volatile unsigned int there, initialised, tried;
    struct vcpu_register_runstate_memory_area area = { .addr.v = &own[r->id] };

    MUST(r, HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, (unsigned int)r->id, &area) ==
                0);
    if (!spare) return;
    vcpu_context(&context[r->id], (unsigned int)spare, idle);
    __atomic_add_fetch(&there, 1, __ATOMIC_SEQ_CST);
    while (there < racers)
        vcpu_yield();
    if (of_spare(VCPUOP_initialise, &context[r->id]) == 0)
        __atomic_add_fetch(&initialised, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&tried, 1, __ATOMIC_SEQ_CST);
    while (tried < racers)
        vcpu_yield();
    MUST(r, initialised == 1);
}

/* Its time is divided among its states, and no state's goes back (under TCG the clocks of real
 * Xen's CPUs are apart). */
static void look(struct racer *r)
{
    struct vcpu_runstate_info first, then;
    unsigned int vcpu = any(r, racers + 1);

    if (HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, vcpu, &first) != 0) return;
    MUST(r, HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, vcpu, &then) == 0);
    MUST(r, first.state >= 0 && first.state <= RUNSTATE_offline);
    for (unsigned int state = 0; state < 4; state++)
        MUST(r, !on_domus() || then.time[state] >= first.time[state]);
    MUST(r, vcpu != r->id || then.state == RUNSTATE_running);
    MUST(r, own[r->id].state == RUNSTATE_running);
}

void vcpus_race(struct racer *r)
{
    if (!spare || !any(r, 4)) {
        look(r);
        (void)vcpu_poll(NULL, 0, now_ns() + any(r, 100) * NS_PER_US);
        return;
    }
    switch (any(r, 7)) {
    case 0: look(r); break;
    case 1: case 2: note(r, of_spare(VCPUOP_up, NULL)); break;
    case 3: note(r, of_spare(VCPUOP_down, NULL)); break;
    case 4: note(r, of_spare(VCPUOP_is_up, NULL)); break;
    case 5: note(r, areas(r)); break;
    default: note(r, timers(r)); break;
    }
}

/* It still obeys. */
void vcpus_end(void)
{
    if (!spare) return;
    CHECK_IS(of_spare(VCPUOP_stop_periodic_timer, NULL), 0);
    CHECK_IS(of_spare(VCPUOP_up, NULL), 0);
    CHECK_IS(of_spare(VCPUOP_is_up, NULL), 1);
    CHECK_IS(of_spare(VCPUOP_down, NULL), 0);
    CHECK_IS(of_spare(VCPUOP_is_up, NULL), 0);
}
