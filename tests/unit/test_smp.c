/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs are started: each with what it needs, one after the other, numbers without holes
 * whoever does not come or has no memory; TSCs that do not agree are told; and nobody does anything
 * before the first guest is entered. Each CPU is a context of its own, which gives way where it
 * waits.
 */
#include "ring0_host.h"
#include "cpu_alarm.h"
#include <ucontext.h>
#include "boot/boot.h"
#include "domain/domain.h"
#include "domain/policy.h"
#include "domain/schedule.h"
#include "domain/timers.h"
#include "lib/params.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/vectors.h"
#include "memory/frame.h"
#include "steps_host.h"

void ap_main(void);
extern uint64_t ap_stack;

#define BOOT       7u                           /* its APIC id */
#define TRAMPOLINE 0x8000ul                     /* where it is copied to */
#define MS         1000000ul

_Alignas(4096) char host_ram[16 * 4096];
char host_frames[64], host_m2p[8];
const uint64_t trampoline_range[2] = { 0x2000, 0x2345 };
uint64_t boot_l4[512];
struct acpi_facts acpi;
struct params params;
struct cpu boot_cpu;

/* What a CPU was given it keeps; and it has a stack of its own. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0:detect_stack_use_after_return=0";
}

/* --- CPUs --- */

static struct context {
    ucontext_t at;
    uint32_t apic_id;
    struct cpu *cpu;
    const char *stack_top;
    bool entered, finished;
    _Alignas(64) char stack[256 * 1024];
} contexts[4], *running, *ap;                   /* 0: who boots; ap: who is being started */
static unsigned int context_count, looks;
static bool called;                             /* the one that is being started */
static uint64_t time_ns, step_ns, init_at, ticks;
static uint32_t dead, hangs;                    /* APIC ids: does not come, stops on its way */
static uint32_t late_tsc;                       /* APIC id: its TSC is another's plus late_by */
static int64_t late_by;

static void go_to(struct context *c)
{
    struct context *was = running;

    running = c;
    if (c->cpu)
        be_cpu(c->cpu);
    swapcontext(&was->at, &c->at);
}

uint64_t now_ns(void)
{
    return time_ns += step_ns;
}
uint64_t rdtsc_ordered(void)
{
    ticks += 3;
    return ticks + (running->apic_id == late_tsc ? (uint64_t)late_by : 0);
}
void cpu_relax(void)
{
    if (running != &contexts[0])
        go_to(&contexts[0]);
    else if (ap && !(hangs == ap->apic_id && ++looks > 5))
        go_to(ap);
    else if (called)
        step_ns = 10 * MS;                      /* nobody will come */
}
void lapic_init_cpu(void)
{
    step("apic of %u. ", running->apic_id);
}
void idt_load(void)
{
}
void cpu_init(struct cpu *cpu, struct cpu_stacks *stacks)
{
    be_cpu(running->cpu = cpu);
    assert_int_equal(cpu->apic_id, running->apic_id);
    assert_ptr_equal((char *)(stacks->main + CPU_STACK_SIZE), running->stack_top);
    for (const struct context *c = contexts; c != running; c++)
        assert_ptr_not_equal(c->stack_top, running->stack_top);
    memset(stacks, 0, sizeof(*stacks));         /* all of it is its own */
}
void lapic_send_init(uint32_t apic_id)
{
    step("init %u. ", apic_id);
    init_at = time_ns;
    ap = NULL;
    called = false;
    step_ns = MS / 100;
}
void lapic_send_startup(uint32_t apic_id, uint8_t page)
{
    struct context *c = &contexts[context_count];

    step("start %u. ", apic_id);
    assert_int_equal(page, TRAMPOLINE >> 12);
    assert_memory_equal(host_ram + TRAMPOLINE, host_ram + 0x2000, 0x345);
    assert_int_equal(host_ram[TRAMPOLINE + 0x345], 0);
    assert_true(boot_l4[0] != 0);               /* it needs the identity map */
    assert_true(time_ns - init_at >= 10 * MS);
    called = true;
    if (apic_id == dead) return;
    assert_true(context_count++ < ARRAY_SIZE(contexts));
    memset(c, 0, offsetof(struct context, stack));
    c->apic_id = apic_id;
    c->stack_top = (const char *)ap_stack;
    getcontext(&c->at);
    c->at.uc_stack.ss_sp = c->stack;
    c->at.uc_stack.ss_size = sizeof(c->stack);
    makecontext(&c->at, ap_main, 0);
    ap = c;
}
void machine_halt(void)
{
    step("halt %u. ", running->apic_id);
    for (running->finished = true;;)
        go_to(&contexts[0]);
}

/* Another one waits for ring 0, which the first has. */
static void wait_for_ring0(void)
{
    if (running == &contexts[0]) return;
    running->entered = true;
    while (ring0_depth > 0)
        go_to(&contexts[0]);
}

/* --- what they do then --- */

static void here(const char *what)
{
    assert_true(ring0_depth == 1 && this_cpu() == running->cpu);
    step("%s %u. ", what, this_cpu()->id);
}
void policy_cpu_init(struct cpu *cpu)
{
    assert_ptr_equal(cpu, this_cpu());
    here("policy");
}
void svm_cpu_init(void)
{
    here("svm");
}
void timers_init(void)
{
    here("timers");
}
void schedule_start(void)
{
    here("guest");
    for (running->finished = true;;)
        go_to(&contexts[0]);
}
bool cpu_make_idle(struct cpu *cpu)
{
    cpu->idle = hv_alloc(sizeof(struct vcpu));
    return cpu->idle != NULL;
}
void mfn_reserve(mfn_t m)
{
    assert_int_equal(m.n, TRAMPOLINE >> 12);
    assert_int_equal(host_ram[TRAMPOLINE], 0);
    step("reserve. ");
}

/* --- a machine --- */

static void machine(unsigned int count, const uint32_t *apic_ids)
{
    *steps = '\0';
    memset(host_ram, 0, sizeof(host_ram));
    memset(host_ram + 0x2000, 0x77, 0x1000);
    memset(cpus, 0, sizeof(cpus));
    ring0_begin(NULL);
    boot_cpu.apic_id = BOOT;
    cpus_begin(&boot_cpu);
    ring0_depth = 0;
    before_inside = wait_for_ring0;
    params.max_cpus = 0;
    acpi.cpu_count = count;
    memcpy(acpi.apic_ids, apic_ids, count * sizeof(*apic_ids));
    boot_l4[0] = 0x67;
    contexts[0].cpu = &boot_cpu;
    contexts[0].apic_id = BOOT;
    running = contexts;
    be_cpu(&boot_cpu);
    context_count = 1;
    ap = NULL;
    dead = hangs = late_tsc = ~0u;
    log_level = 10;
}

static void starts(const char *want, const char *want_logged)
{
    start_other_cpus();
    ap = NULL;
    done(want);
    if (strchr(want_logged, '\n') || !*want_logged)
        assert_string_equal(logged, want_logged);
    else                                        /* it begins so */
        assert_memory_equal(logged, want_logged, strlen(want_logged));
    assert_true(ring0_depth == 1 && running == contexts);       /* until a guest is entered */
    assert_int_equal(boot_l4[0], 0);
    for (unsigned int i = 0; i < cpus_online; i++)
        assert_int_equal(cpus[i]->id, i);
    assert_null(cpus[cpus_online]);
}

/* When the first guest is entered, and not before, those that wait come one after the other. */
static void goes_on(const char *want)
{
    for (unsigned int i = 1; i < context_count; i++) {
        if (contexts[i].apic_id == hangs)
            continue;
        ring0_depth = 1;
        go_to(&contexts[i]);
        assert_true(contexts[i].entered && !contexts[i].finished);
        ring0_depth = 0;
        go_to(&contexts[i]);
        assert_true(contexts[i].finished);
        be_cpu(&boot_cpu);
    }
    done(want);
    for (unsigned int i = 1; i < cpus_online; i++) {
        hv_free(cpus[i]->idle, sizeof(struct vcpu));
        hv_free(cpus[i], sizeof(struct cpu));
    }
}

static const uint32_t four[] = { 3, BOOT, 9, 20 };
#define UP(id) "init " #id ". start " #id ". apic of " #id ". "
#define AGREE "the CPUs' TSCs agree within 0 ticks\n"

static void all_come(void **state)
{
    machine(4, four);
    starts("reserve. " UP(3) UP(9) UP(20), AGREE);
    assert_int_equal(cpus_online, 4);
    assert_true(cpus[1]->apic_id == 3 && cpus[2]->apic_id == 9 && cpus[3]->apic_id == 20);
    assert_true(cpus[1]->idle && cpus[2]->idle && cpus[3]->idle);
    goes_on("policy 1. timers 1. svm 1. guest 1. policy 2. timers 2. svm 2. guest 2. "
            "policy 3. timers 3. svm 3. guest 3. ");
}

static void one_alone(void **state)
{
    machine(1, (const uint32_t[]){ BOOT });
    starts("reserve. ", "");
    assert_int_equal(cpus_online, 1);
    goes_on("");
}

/* No more than the command line says, of those that come. */
static void no_more_than_wanted(void **state)
{
    for (unsigned int n = 1; n <= 5; n++) {
        machine(4, four);
        dead = 3;
        params.max_cpus = n;
        starts(n == 1 ? "reserve. " : n == 2 ? "reserve. init 3. start 3. init 3. " UP(9) :
               "reserve. init 3. start 3. init 3. " UP(9) UP(20),
               n == 1 ? "" : "the CPU with APIC id 3 did not start: it is left out\n" AGREE);
        assert_int_equal(cpus_online, MIN(n, 3u));
        goes_on(n == 1 ? "" : n == 2 ? "policy 1. timers 1. svm 1. guest 1. " :
                "policy 1. timers 1. svm 1. guest 1. policy 2. timers 2. svm 2. guest 2. ");
    }
}

/* It is stopped, whatever it does, and its number is the next one's. */
static void one_does_not_come(void **state)
{
    machine(4, four);
    dead = 9;
    starts("reserve. " UP(3) "init 9. start 9. init 9. " UP(20),
           "the CPU with APIC id 9 did not start: it is left out\n" AGREE);
    assert_true(cpus_online == 3 && cpus[1]->apic_id == 3 && cpus[2]->apic_id == 20);
    goes_on("policy 1. timers 1. svm 1. guest 1. policy 2. timers 2. svm 2. guest 2. ");
}

static void one_stops_on_its_way(void **state)
{
    machine(4, four);
    hangs = 3;
    looks = 0;
    starts("reserve. " UP(3) "init 3. " UP(9) UP(20),
           "the CPU with APIC id 3 did not start: it is left out\n" AGREE);
    assert_true(cpus_online == 3 && cpus[1]->apic_id == 9 && cpus[2]->apic_id == 20);
    step_ns = 10 * MS;                          /* it goes on too late, and nobody answers it */
    for (unsigned int i = 0; i < 1000 && !contexts[1].finished; i++)
        go_to(&contexts[1]);
    be_cpu(&boot_cpu);
    done("halt 3. ");
    assert_false(contexts[1].entered);
    goes_on("policy 1. timers 1. svm 1. guest 1. policy 2. timers 2. svm 2. guest 2. ");
}

static void one_has_no_memory(void **state)
{
    for (unsigned int n = 1; n <= 3; n++) {
        machine(4, four);
        failing_allocation = n;
        starts("reserve. " UP(9) UP(20),
               "no memory for the CPU with APIC id 3: it is left out\n" AGREE);
        assert_true(cpus_online == 3 && cpus[1]->apic_id == 9 && cpus[2]->apic_id == 20);
        goes_on("policy 1. timers 1. svm 1. guest 1. policy 2. timers 2. svm 2. guest 2. ");
    }
}

/* How far apart they seem to be is no more than they are, and not much less. The largest is kept:
 * in order. */
static void clocks_apart(void **state)
{
    static const struct { int64_t by; const char *said; } rows[] = {
        { 1000, "the CPUs' TSCs agree within 997 ticks\n" },
        { -1500, "the CPUs' TSCs agree within 1497 ticks\n" },
        { 2003, "the CPUs' TSCs agree within 2000 ticks\n" },
        { 2004, "the CPUs' TSCs are 2001 ticks apart: " },
        { -90000, "the CPUs' TSCs are 89997 ticks apart: " },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        machine(4, four);
        ticks += 1000000;
        late_tsc = 20;
        late_by = rows[i].by;
        starts("reserve. " UP(3) UP(9) UP(20), rows[i].said);
        assert_int_equal(cpus_online, 4);
        goes_on("policy 1. timers 1. svm 1. guest 1. policy 2. timers 2. svm 2. guest 2. "
                "policy 3. timers 3. svm 3. guest 3. ");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_come),
        cmocka_unit_test(one_alone),
        cmocka_unit_test(no_more_than_wanted),
        cmocka_unit_test(one_does_not_come),
        cmocka_unit_test(one_stops_on_its_way),
        cmocka_unit_test(one_has_no_memory),
        cmocka_unit_test(clocks_apart),
    };

    cpu_alarm(60);                              /* for ever is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
