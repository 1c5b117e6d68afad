/* SPDX-License-Identifier: MIT */
/*
 * svm.c on the host: which CPUs have it, what each of them needs, and one run after another, step
 * by step: what is done before, what the control block says of memory, what is given back whatever
 * comes of it. What a guest's processor gets is test_svm's. CPUID and MSRs are the test's; moves to
 * debug registers and INT fault (faults_host.h).
 */
#include "ring0_host.h"
#include "domain/domain.h"
#include "domain/switch.h"
#include "lib/params.h"
#include "memory/frame.h"
#include "memory/mmu.h"
#include "svm/svm.h"
#include "svm/vmcb.h"
#include "faults_host.h"
#include "steps_host.h"

#define TABLE 0x1234
#define VM_CR 0xc0010114u
#define HSAVE 0xc0010117u

struct params params;
_Alignas(4096) char host_ram[64];
char host_frames[64], host_m2p[64], host_windows[64];
static struct domain domain;
static struct vcpu_info info;
static struct vcpu vcpu;
static struct domus_run run;
static uint64_t efer, hsave, hsave_of_cpu, vm_cr;
static bool has_vm_cr;
static int table_error;
static uint64_t exit_is;
static uint32_t leaf_max, features, svm_features;
static uint64_t seen[4], seen_count, ports;
static struct vmcb *block;

/* --- the CPU --- */

struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    assert_int_equal(subleaf, 0);
    switch (leaf) {
    case 0x80000000: return (struct cpuid_regs){ .a = leaf_max };
    case 0x80000001: return (struct cpuid_regs){ .c = features };
    case 0x8000000a: return (struct cpuid_regs){ .d = svm_features };
    default: abort();
    }
}
static uint64_t *msr_of(uint32_t number)
{
    return number == MSR_EFER ? &efer : number == HSAVE ? &hsave : NULL;
}
uint64_t host_rdmsr(uint32_t number)
{
    return *msr_of(number);
}
void host_wrmsr(uint32_t number, uint64_t value)
{
    *msr_of(number) = value;
    step("msr %x. ", number);
}
bool rdmsr_safe(uint32_t number, uint64_t *value)
{
    assert_int_equal(number, VM_CR);
    if (has_vm_cr)
        *value = vm_cr;
    return has_vm_cr;
}
static void note(const char *what, uint64_t number, uint64_t value)
{
    step("%s%lu %lx. ", what, number, value);
}

/* --- what svm.c calls --- */

int mmu_get_table(struct domain_memory *d, mfn_t m, enum frame_type level)
{
    assert_ptr_equal(d, &domain.memory);
    step("get %lx %d. ", m.n, level == FRAME_L4);
    return table_error;
}
void mmu_put_table(mfn_t m)
{
    step("put %lx. ", m.n);
}
void vcpu_data_segments_away(struct vcpu *v)
{
    assert_ptr_equal(v, &vcpu);
    step("away. ");
}
void vcpu_data_segments_back(struct vcpu *v)
{
    assert_ptr_equal(v, &vcpu);
    step("back. ");
}
static void left(void)
{
    step("out. ");
}
static void entered(void)
{
    step("in. ");
}
static void see(mfn_t m)
{
    seen[seen_count++] = m.n;
}

static void *machine_page(uint64_t at)
{
    return (void *)((uint64_t)host_ram + at);
}

/* Whatever is not for svm.c or state.c to say is 0: what the last exit left is gone. */
void svm_enter(uint64_t at, uint64_t host, uint64_t general[16])
{
    struct vmcb said;

    block = machine_page(at);
    assert_int_equal(ring0_depth, 0);
    assert_int_equal(at % 4096, 0);
    assert_int_equal(host, at + 4096);
    assert_int_equal(hsave, host + 4096);
    memset(&said, 0, sizeof(said));
    said.port_map = block->port_map;
    said.msr_map = block->msr_map;
    said.nested_cr3 = TABLE << 12;
    run_to_vmcb(&run, &said);
    assert_memory_equal(block, &said, sizeof(said));
    assert_int_equal(block->msr_map, block->port_map + 12288);
    for (unsigned int i = 0; i < 20480; i++)
        assert_int_equal(((uint8_t *)machine_page(block->port_map))[i], 0xff);
    for (unsigned int i = 0; i < 16; i++)
        assert_int_equal(general[i], 0x100 + i);
    general[1] = 0x77;
    svm_for_each_table(see);
    assert_int_equal(seen_count, 1);
    assert_int_equal(seen[0], TABLE);
    ports = block->port_map;
    step("run. ");
    memset(block, 0xee, sizeof(*block));
    block->exit = exit_is;
    block->info[0] = 0x55;
    block->interrupted = 0x80000030;
}

static long runs(void)
{
    catch_faults();                                 /* cmocka has its own before each test */
    return svm_run(&vcpu, (uint64_t)&run);
}

static int set_up(void **state)
{
    ring0_begin(&vcpu);
    stored = note;
    memset(&params, 0, sizeof(params));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&info, 0, sizeof(info));
    vcpu.domain = &domain;
    vcpu.info = &info;
    vcpu.hw.debugreg[7] = 0x400;
    memset(&run, 0, sizeof(run));
    run = (struct domus_run){ .tables = TABLE, .cr0 = 0x80000001, .cr4 = 0x20, .efer = 0x500,
                              .rip = 0x1000, .exit = 0x99, .info = { 1, 2 }, .interrupted = 3 };
    for (unsigned int i = 0; i < 16; i++)
        run.general[i] = 0x100 + i;
    efer = 0xd01;
    hsave = hsave_of_cpu;
    vm_cr = 0;
    has_vm_cr = true;
    leaf_max = 0x8000000a;
    features = 4;
    svm_features = 1;
    exit_is = 0x72;
    table_error = 0;
    seen_count = 0;
    *steps = '\0';
    when_outside = left;
    before_inside = entered;
    return 0;
}

/* --- who has it; in this order, since what was begun stays ------------------------------------ */

static void is_not_there(void)
{
    size_t before = held;

    svm_init();
    svm_cpu_init();
    assert_int_equal(runs(), -EOPNOTSUPP);
    assert_int_equal(held, before);
    done("");
    assert_int_equal(efer, 0xd01);
    set_up(NULL);
}

static void cpus_without_it(void **state)
{
    leaf_max = 0x80000009;
    is_not_there();
    features = ~4u;
    is_not_there();
    svm_features = ~1u;
    is_not_there();
    vm_cr = 0x10;
    is_not_there();
    params.no_svm = true;
    is_not_there();
    allocations_left = 0;
    is_not_there();
}

/* The maps are there, and this CPU has no area. */
static void no_memory_for_a_cpu(void **state)
{
    allocations_left = 1;
    has_vm_cr = false;                              /* then nobody has locked it */
    svm_init();
    assert_int_equal(held, 32768);
    assert_int_equal(runs(), -EOPNOTSUPP);
    done("");
    allocations_left = ~0u;
    has_vm_cr = true;
    vm_cr = 0x10;                                   /* another CPU is without it */
    svm_cpu_init();
    assert_int_equal(held, 32768);
    done("");
    svm_for_each_table(see);
    assert_int_equal(seen_count, 0);
}

static void what_a_cpu_needs(void **state)
{
    vm_cr = (uint64_t)~0x10u;
    svm_cpu_init();
    done("msr c0000080. msr c0010117. ");
    assert_int_equal(efer, 0x1d01);
    assert_int_equal(held, 32768 + 16384);
    assert_int_equal(hsave % 4096, 0);
    hsave_of_cpu = hsave;
}

/* --- one run ---------------------------------------------------------------------------------- */

static void a_run(void **state)
{
    int budget = cpu.budget;

    assert_int_equal(runs(), 0);
    done("get 1234 1. away. out. run. in. back. dr6 ffff0ff0. dr7 400. put 1234. ");
    assert_int_equal(budget - cpu.budget, 6000);
    assert_int_equal(run.exit, 0x72);
    assert_int_equal(run.info[0], 0x55);
    assert_int_equal(run.interrupted, 0x80000030);
    assert_int_equal(run.general[1], 0x77);
    assert_int_equal(run.general[0], 0xeeeeeeeeeeeeeeee);
    assert_int_equal(ring0_depth, 1);
    svm_for_each_table(see);
    assert_int_equal(seen_count, 1);                /* from within alone */
}

/* The guest's own breakpoints count again, if it has any. */
static void breakpoints_after_it(void **state)
{
    vcpu.hw.debugreg[7] = 0xffff0780;
    assert_int_equal(runs(), 0);
    done("get 1234 1. away. out. run. in. back. dr6 ffff0ff0. dr7 ffff0780. put 1234. ");
    set_up(NULL);
    vcpu.hw.debugreg[7] = 0xffff0700;               /* none is on */
    assert_int_equal(runs(), 0);
    done("get 1234 1. away. out. run. in. back. dr6 ffff0ff0. dr7 400. put 1234. ");
    for (unsigned int bit = 0; bit < 8; bit++) {
        set_up(NULL);
        vcpu.hw.debugreg[7] = 0x400 | 1u << bit;
        assert_int_equal(runs(), 0);
        assert_int_equal(hardware_dr[7], vcpu.hw.debugreg[7]);
    }
}

static void a_machine_check(void **state)
{
    exit_is = 0x40 + 18;
    assert_int_equal(runs(), 0);
    done("get 1234 1. away. out. run. in. back. dr6 ffff0ff0. dr7 400. int18 0. put 1234. ");
}

/* What has come meanwhile is done first, and the processor is as it was. */
static void something_waits(void **state)
{
    struct domus_run before;

    for (unsigned int why = 0; why < 3; why++) {
        set_up(NULL);
        info.evtchn_upcall_pending = why == 0;
        info.evtchn_upcall_mask = 1;
        cpu.work = why == 1 ? WORK_RESCHEDULE : 0;
        before = run;
        assert_int_equal(runs(), 0);
        if (why == 2)                               /* nothing does */
            continue;
        done("get 1234 1. put 1234. ");
        before.exit = DOMUS_EXIT_INTERRUPT;
        before.info[0] = before.info[1] = before.interrupted = 0;
        assert_memory_equal(&before, &run, sizeof(run));
    }
}

/* --- what is refused -------------------------------------------------------------------------- */

static void what_is_refused(void **state)
{
    assert_int_equal(svm_run(&vcpu, NOT_THERE), -EFAULT);
    done("");
    run.cr4 = 1ul << 17;
    assert_int_equal(runs(), -EINVAL);
    done("");
    run.cr4 = 0x20;
    table_error = -EINVAL;
    assert_int_equal(runs(), -EINVAL);
    done("get 1234 1. ");
    table_error = 0;
    read_only = &run.exit;
    assert_int_equal(runs(), -EFAULT);
    done("get 1234 1. away. out. run. in. back. dr6 ffff0ff0. dr7 400. put 1234. ");
}

/* The table is not looked through in one breath: again, with the same words. */
static void a_long_table(void **state)
{
    table_error = -ERESTART;
    assert_int_equal(runs(), CONTINUED);
    done("get 1234 1. ");
    assert_int_equal(said.op, __HYPERVISOR_domus_op);
    assert_int_equal(said.count, 2);
    assert_int_equal(said.arguments[0], DOMUS_run);
    assert_int_equal(said.arguments[1], (uint64_t)&run);
}

/* The CPU that begins it has an area, too. */
static void the_first_cpu(void **state)
{
    void *old[2];

    assert_int_equal(runs(), 0);
    old[0] = machine_page(hsave_of_cpu - 8192);
    old[1] = machine_page(ports);
    svm_init();
    assert_int_equal(held, 2 * (32768 + 16384));
    assert_int_equal(efer, 0x1d01);
    assert_int_not_equal(hsave, hsave_of_cpu);
    for (unsigned int i = 0; i < ARRAY_SIZE(old); i++)
        free(old[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cpus_without_it, set_up),
        cmocka_unit_test_setup(no_memory_for_a_cpu, set_up),
        cmocka_unit_test_setup(what_a_cpu_needs, set_up),
        cmocka_unit_test_setup(a_run, set_up),
        cmocka_unit_test_setup(breakpoints_after_it, set_up),
        cmocka_unit_test_setup(a_machine_check, set_up),
        cmocka_unit_test_setup(something_waits, set_up),
        cmocka_unit_test_setup(what_is_refused, set_up),
        cmocka_unit_test_setup(a_long_table, set_up),
        cmocka_unit_test_setup(the_first_cpu, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
