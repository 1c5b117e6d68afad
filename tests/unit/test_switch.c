/* SPDX-License-Identifier: MIT */
/*
 * One vCPU after another, or none after one: every store into the processor, in order, and no more
 * of them than the two need; what is saved of who goes; and the two modes of a guest. The
 * instructions that a host program may not use fault (faults_host.h); FPU and selectors are the
 * host's own.
 */
#include "ring0_host.h"
#include "domain/domain.h"
#include "domain/time.h"
#include "domain/cr4.h"
#include "machine/entry_asm.h"
#include "machine/io.h"
#include "memory/tlb.h"
#include "memory/window.h"
#include "faults_host.h"
#include "steps_host.h"

#define DATA 0x2b                               /* a selector that the host has */
#define NONE 0x1234                             /* one that it has not */

maddr_t hv_cr3 = { 0x9000 };
#define OUR_CR4 (CR4_PAE | CR4_DE | CR4_OSXSAVE)
uint64_t host_cr4 = OUR_CR4 | CR4_FSGSBASE, xsave_mask;
static struct domain domain;
static struct vcpu a, b, idle;
static struct vcpu_info infos[2];
static _Alignas(64) uint8_t areas[2][16384];
static uint64_t gdt_page[512], fs_base, gs_base, tsc_aux, real_fs;
static int gs_loads;

static uint64_t *msr_of(uint32_t number)
{
    switch (number) {
    case MSR_FS_BASE: return &fs_base;
    case MSR_KERNEL_GS_BASE: return &gs_base;
    case MSR_TSC_AUX: return &tsc_aux;
    default: abort();
    }
}
/* In the handler there is no thread-local storage while FS is a guest's: only plain stores. */
static struct { const char *what; uint64_t number, value; } stores[32];
static unsigned int store_count;
static void note(const char *what, uint64_t number, uint64_t value)
{
    stores[store_count].what = what;
    stores[store_count].number = number;
    stores[store_count++].value = value;
    if (number == MSR_FS_BASE)
        __asm__ volatile("syscall"
                         :
                         : "a"(SYS_arch_prctl), "D"(ARCH_SET_FS), "S"(real_fs)
                         : "rcx", "r11", "memory");
}
int load_gs_selector(uint16_t selector)
{
    note("gs", 0, selector);
    return gs_loads;
}
void load_cr3(maddr_t table)
{
    note("cr", 3, table.a);
}
void cpu_own_descriptors(struct cpu *c)
{
    assert_ptr_equal(c, &cpu);
    note("ours", 0, 0);
}
void window_set_cpu_page(struct vcpu_window *w, const void *page)
{
    assert_ptr_equal(page, gdt_page);
    note("page", w == &b.window, 0);
}
void window_load_ldt(const struct vcpu_window *w)
{
    assert_true(hardware_gdt.base == w->base && hardware_gdt.limit == 15 * 4096 - 1);
    note("ldt", w == &b.window, 0);
}
void bounce_failsafe(struct vcpu *v)
{
    note("failsafe", v->id, 0);
}
void vcpu_time_publish(struct vcpu *v)
{
    v->time.area_stale = false;
    note("time", v->id, 0);
}
/* The stores so far, in words. */
static void in_words(void)
{
    for (unsigned int i = 0; i < store_count; i++)
        if (strcmp(stores[i].what, "msr") == 0)
            step("msr %lx %lx. ", stores[i].number, stores[i].value);
        else if (strcmp(stores[i].what, "cr") == 0 || strcmp(stores[i].what, "dr") == 0)
            step("%s%lu %lx. ", stores[i].what, stores[i].number, stores[i].value);
        else
            step("%s %lx. ", stores[i].what, stores[i].number + stores[i].value);
    store_count = 0;
}

static void begin_vcpu(struct vcpu *v, uint32_t id)
{
    *v = (struct vcpu){ .id = id, .domain = &domain, .info = &infos[id], .in_kernel = true };
    v->tables.kernel_cr3 = 0x1000 * (id + 1);
    v->tables.user_cr3 = v->tables.kernel_cr3 + 0x10000;
    v->window.base = 0xffff818000000000 + 0x20000 * id;
    v->cpu = &cpu;
    v->hw.cr4 = host_cr4;
    v->hw.debugreg[7] = 0x400;
    v->hw.fs_base = 0xf0 + id;
    v->hw.gs_base_kernel = 0x60 + id;
    v->hw.gs_base_user = 0x70 + id;
    v->hw.xsave_area = areas[id];
    memset(areas[id], 0, sizeof(areas[id]));
    memcpy(areas[id] + 24, (uint32_t[]){ 0x1f80 }, 4);
    memcpy(areas[id], (uint16_t[]){ 0x37f }, 2);
}

static int set_up(void **state)
{
    domain = (struct domain){ .id = 1 };
    xsave_mask = 0;
    gs_loads = 0;
    ring0_begin(&a);
    cpu.idle = &idle;
    begin_vcpu(&a, 0);
    begin_vcpu(&b, 1);
    a.hw.fs_base = a.hw.gs_base_kernel = 0;             /* what they are is in the hardware */
    fs_base = 0xaf;
    gs_base = 0xa6;
    tsc_aux = 0;
    cpu.loaded_cr4 = host_cr4;
    cpu.gdt_page = gdt_page;
    hardware_cr[0] = 0x8005003b;
    *steps = '\0';
    store_count = 0;
    syscall(SYS_arch_prctl, ARCH_GET_FS, &real_fs);
    stored = note;
    return 0;
}

static void switches(struct vcpu *from, struct vcpu *to)
{
    catch_faults();
    vcpu_switch(from, to);
    vcpu_load_segments(to);
    in_words();
    assert_true(cpu.running == to && cpu.tss.rsp0 == (uint64_t)&to->regs.es && to->cpu == &cpu);
}

#define MSRS "msr c0000100 f1. msr c0000102 61. "

/* The least: two that agree in all that need not be written. */
static void the_least(void **state)
{
    switches(&a, &b);
    done("clts 80050033. cr3 2000. ldt 1. gs 0. " MSRS);
    assert_true(a.hw.fs_base == 0xaf && a.hw.gs_base_kernel == 0xa6 && a.hw.gs_base_user == 0x70);
    assert_true(b.counters.switches == 1 && a.counters.switches == 0);
    assert_int_equal(*(uint16_t *)areas[0], 0x37f);     /* its FPU was saved */
    assert_int_equal(*(uint16_t *)areas[0], 0x37f);
    assert_int_equal(*(uint32_t *)(areas[0] + 24) & 0xff80, 0x1f80);
    /* In user mode: the other tables, the other base; and who booted has nothing to be saved. */
    b.in_kernel = false;
    switches(&idle, &b);
    done("cr3 12000. ldt 1. gs 0. msr c0000100 f1. msr c0000102 71. ");
    gs_base = 0xb7;
    switches(&b, &a);
    done("clts 80050033. cr3 1000. ldt 0. gs 0. msr c0000100 af. msr c0000102 a6. ");
    assert_true(b.hw.gs_base_user == 0xb7 && b.hw.gs_base_kernel == 0x61);
}

/* Each thing in which they differ. */
static void differences(void **state)
{
    b.hw.guest_cr0 = CR0_TS;
    switches(&a, &b);
    done("clts 80050033. cr3 2000. ldt 1. cr0 8005003b. gs 0. " MSRS);
    set_up(NULL);
    b.cpu = NULL;                                       /* it was elsewhere */
    switches(&a, &b);
    done("clts 80050033. cr3 2000. page 1. ldt 1. gs 0. " MSRS);
    set_up(NULL);
    b.hw.cr4 = host_cr4 | CR4_TSD;
    switches(&a, &b);
    done("clts 80050033. cr3 2000. ldt 1. cr4 5002c. gs 0. " MSRS);
    assert_int_equal(cpu.loaded_cr4, host_cr4 | CR4_TSD);
    set_up(NULL);
    b.hw.tsc_aux = 5;
    switches(&a, &b);
    done("clts 80050033. cr3 2000. ldt 1. msr c0000103 5. gs 0. " MSRS);
    set_up(NULL);
    b.hw.ds = b.hw.es = DATA;
    b.hw.gs = 0x77;
    switches(&a, &b);
    done("clts 80050033. cr3 2000. ldt 1. gs 77. " MSRS);
    switches(&b, &a);                                   /* and they are what was loaded */
    *steps = '\0';
    assert_true(b.hw.ds == DATA && b.hw.es == DATA);
}

/* Breakpoints: nothing is on meanwhile, and nothing is written that nobody has on. */
static void breakpoints(void **state)
{
    for (unsigned int bit = 0; bit < 8; bit++) {
        set_up(NULL);
        a.hw.debugreg[7] = 0x400 | 1u << bit;
        switches(&a, &b);
        done("clts 80050033. cr3 2000. ldt 1. dr7 400. gs 0. " MSRS);
        set_up(NULL);
        for (unsigned int i = 0; i < 4; i++)
            b.hw.debugreg[i] = 0xd0 + i;
        b.hw.debugreg[7] = 0x400 | 1u << bit;
        switches(&a, &b);
        char want[300];
        sprintf(want, "clts 80050033. cr3 2000. ldt 1. dr0 d0. dr1 d1. dr2 d2. dr3 d3. dr7 %x. "
                      "gs 0. " MSRS, 0x400 | 1u << bit);
        done(want);
    }
    set_up(NULL);
    a.hw.debugreg[7] = b.hw.debugreg[7] = 0xffff0f00;   /* conditions, none of them on */
    switches(&a, &b);
    done("clts 80050033. cr3 2000. ldt 1. gs 0. " MSRS);
}

/* --- nobody --- */

#define LET_GO "clts 80050033. cr3 9000. ours 0. "

static void lets_go(struct vcpu *from)
{
    catch_faults();
    vcpu_switch(from, &idle);
    in_words();
    assert_true(cpu.running == &idle && idle.counters.switches == 0);
}

/* All of it is in memory, and neither its tables nor its window are used any more. */
static void from_one_to_none(void **state)
{
    a.hw.ds = 0x77;
    lets_go(&a);
    done(LET_GO);
    assert_true(a.hw.fs_base == 0xaf && a.hw.gs_base_kernel == 0xa6 && a.hw.ds == 0);
    assert_int_equal(*(uint16_t *)areas[0], 0x37f);
    for (unsigned int bit = 0; bit < 8; bit++) {        /* nothing of it strikes in ring 0 */
        set_up(NULL);
        a.hw.debugreg[7] = 0x400 | 1u << bit;
        lets_go(&a);
        done(LET_GO "dr7 400. ");
    }
    set_up(NULL);
    a.hw.debugreg[7] = 0xffff0f00;
    lets_go(&a);
    done(LET_GO);
    set_up(NULL);
    xsave_mask = 7;
    a.hw.xcr0 = 3;
    lets_go(&a);
    done("clts 80050033. xcr0 7. cr3 9000. ours 0. ");
}

/* And to the next: as from the one before, whose registers may still be there. */
static void from_none_to_one(void **state)
{
    lets_go(&a);
    done(LET_GO);
    switches(&idle, &b);
    done("cr3 2000. ldt 1. gs 0. " MSRS);
    set_up(NULL);
    a.hw.debugreg[7] = 0x401;
    b.hw.debugreg[7] = 0x404;
    a.hw.cr4 = cpu.loaded_cr4 = host_cr4 | CR4_TSD;
    lets_go(&a);
    done(LET_GO "dr7 400. ");
    switches(&idle, &b);
    done("cr3 2000. ldt 1. dr0 0. dr1 0. dr2 0. dr3 0. dr7 404. cr4 50028. gs 0. " MSRS);
    /* What the last one had in it nobody else reads. */
    for (unsigned int back = 0; back < 2; back++) {
        set_up(NULL);
        a.hw.tsc_aux = tsc_aux = 5;
        lets_go(&a);
        *steps = '\0';
        switches(&idle, back ? &a : &b);
        *steps = '\0';
        assert_int_equal(tsc_aux, back ? 5 : 0);
    }
}

/* A selector that is gone becomes null, and the guest hears of it. */
static void selectors_that_are_gone(void **state)
{
    for (unsigned int i = 0; i < 4; i++) {
        set_up(NULL);
        b.hw.ds = i == 0 ? NONE : 0;
        b.hw.es = i == 1 ? NONE : 0;
        b.hw.fs = i == 2 ? NONE : 0;
        gs_loads = i == 3 ? -1 : 0;
        switches(&a, &b);
        done("clts 80050033. cr3 2000. ldt 1. gs 0. " MSRS "failsafe 1. ");
    }
}

/* With XSAVE: all components are saved, whatever the guest has hidden from itself. */
static void with_xsave(void **state)
{
    xsave_mask = 7;
    a.hw.xcr0 = 3;
    b.hw.xcr0 = 7;
    switches(&a, &b);
    done("clts 80050033. xcr0 7. cr3 2000. ldt 1. gs 0. " MSRS);
    assert_int_equal(*(uint32_t *)(areas[0] + 24) & 0xff80, 0x1f80);
    assert_int_equal(*(uint64_t *)(areas[0] + 520), 0);         /* its header: not compacted */
    switches(&b, &a);
    done("clts 80050033. xcr0 7. cr3 1000. ldt 0. xcr0 3. gs 0. "
         "msr c0000100 af. msr c0000102 a6. ");
}

/* Its control word says whose x87 it is: saved of one, loaded of the other. */
static void the_fpu_of_each(void **state)
{
    for (unsigned int xsave = 0; xsave < 2; xsave++) {
        uint16_t word;

        set_up(NULL);
        xsave_mask = xsave ? 7 : 0;
        a.hw.xcr0 = b.hw.xcr0 = xsave_mask;
        memcpy(areas[0], (uint16_t[]){ 0x33f }, 2);
        memcpy(areas[1], (uint16_t[]){ 0x27f }, 2);
        areas[1][512] = 7;                      /* all of it is in the area */
        switches(&a, &b);
        __asm__ volatile("fnstcw %0; fninit" : "=m"(word));
        assert_int_equal(word, 0x27f);
        assert_int_equal(*(uint16_t *)areas[0], 0x37f);
        *steps = '\0';
    }
}

static void control_register_4(void **state)
{
    static const struct { uint64_t asked, guest, cr4; } rows[] = {
        { 0, 0, OUR_CR4 },
        { ~0ul, CR4_TSD | CR4_DE | CR4_OSXSAVE | CR4_FSGSBASE, OUR_CR4 | CR4_FSGSBASE | CR4_TSD },
        { CR4_DE, CR4_DE, OUR_CR4 },
        { CR4_TSD, CR4_TSD, OUR_CR4 | CR4_TSD },
        { CR4_FSGSBASE, CR4_FSGSBASE, OUR_CR4 | CR4_FSGSBASE },
        { CR4_PAE | CR4_SMEP, 0, OUR_CR4 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        vcpu_choose_cr4(&a, rows[i].asked);
        assert_int_equal(a.hw.guest_cr4, rows[i].guest);
        assert_int_equal(a.hw.cr4, rows[i].cr4);
    }
    assert_int_equal(store_count, 0);
}

/* --- guest user mode and guest kernel mode --- */

static void modes(void **state)
{
    catch_faults();
    gs_base = 0x123;
    vcpu_enter_user(&a);
    in_words();
    done("msr c0000102 70. cr3 11000. ");
    assert_true(!a.in_kernel && a.hw.gs_base_kernel == 0x123);
    gs_base = 0x456;
    vcpu_enter_kernel(&a);
    in_words();
    done("msr c0000102 123. cr3 1000. ");
    assert_true(a.in_kernel && a.hw.gs_base_user == 0x456);
    a.tables.user_cr3 = a.tables.kernel_cr3;            /* one table for both */
    vcpu_enter_user(&a);
    vcpu_enter_kernel(&a);
    in_words();
    done("msr c0000102 456. msr c0000102 123. ");
}

static struct vcpu_runstate_info area;
static void areas_are_written(void **state)
{
    struct vcpu_runstate_info want;

    catch_faults();
    memset(&area, 0x55, sizeof(area));
    want = area;
    a.sched.runstate = (struct vcpu_runstate_info){ .state = 0, .state_entry_time = 77,
                                                    .time = { 1, 2, 3, 4 } };
    vcpu_runstate_publish(&a);                          /* it has none */
    assert_memory_equal(&area, &want, sizeof(area));
    a.sched.runstate_area = (uint64_t)&area;
    a.in_kernel = false;                                /* later: its kernel's tables are away */
    vcpu_runstate_publish(&a);
    assert_true(a.sched.runstate_stale);
    assert_memory_equal(&area, &want, sizeof(area));
    a.time.area_stale = true;
    vcpu_enter_kernel(&a);
    in_words();
    done("msr c0000102 0. cr3 1000. time 0. ");
    assert_false(a.sched.runstate_stale);
    assert_memory_equal(&area, &a.sched.runstate, sizeof(area));
    /* With the flag: it is up while the rest is written. */
    domain.vm_assist = 1u << VMASST_TYPE_runstate_update_flag;
    a.sched.runstate.time[0] = 9;
    vcpu_runstate_publish(&a);
    assert_memory_equal(&area, &a.sched.runstate, sizeof(area));
    read_only = &area.time[3];
    area.state_entry_time = 5;
    vcpu_runstate_publish(&a);
    assert_int_equal(area.state_entry_time, 5);         /* the first half failed */
    read_only = NULL;
    domain.vm_assist = ~(1u << VMASST_TYPE_runstate_update_flag);
    a.sched.runstate.state_entry_time = 88;
    vcpu_runstate_publish(&a);
    assert_int_equal(area.state_entry_time, 88);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_least, set_up),
        cmocka_unit_test_setup(differences, set_up),
        cmocka_unit_test_setup(breakpoints, set_up),
        cmocka_unit_test_setup(from_one_to_none, set_up),
        cmocka_unit_test_setup(from_none_to_one, set_up),
        cmocka_unit_test_setup(selectors_that_are_gone, set_up),
        cmocka_unit_test_setup(with_xsave, set_up),
        cmocka_unit_test_setup(the_fpu_of_each, set_up),
        cmocka_unit_test_setup(control_register_4, set_up),
        cmocka_unit_test_setup(modes, set_up),
        cmocka_unit_test_setup(areas_are_written, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
