/* SPDX-License-Identifier: MIT */
/*
 * Switching vCPUs: everything of a guest that lives in the processor and not in vcpu->regs. FPU and
 * vector registers are switched at once, always and whole (XSA-267: never lazily). Also the
 * switch between guest user and guest kernel mode.
 */
#include "domain/cr4.h"
#include "domain/domain.h"
#include "machine/entry_asm.h"
#include "machine/io.h"
#include "memory/access.h"
#include "memory/paging.h"
#include "memory/tlb.h"
#include "memory/window.h"

/* ---- FPU and vector registers ---- */

static void fpu_save(struct vcpu *v)
{
    __asm__ volatile("clts");
    if (!xsave_mask) {
        __asm__ volatile("fxsave64 (%0)" : : "r"(v->hw.xsave_area) : "memory");
        return;
    }
    /* all of it, also what the guest has hidden from itself by XSETBV */
    write_xcr0(xsave_mask);
    __asm__ volatile("xsave64 (%0)" : : "r"(v->hw.xsave_area), "a"(~0u), "d"(~0u) : "memory");
}

/* After fpu_save or cpu_init: TS is clear, and XCR0 has all that we switch. */
static void fpu_load(const struct vcpu *v)
{
    if (xsave_mask)
        __asm__ volatile("xrstor64 (%0)" : : "r"(v->hw.xsave_area), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(v->hw.xsave_area) : "memory");
    if (v->hw.xcr0 != xsave_mask)
        write_xcr0(v->hw.xcr0);
    if (v->hw.guest_cr0 & CR0_TS)
        write_cr0(read_cr0() | CR0_TS);
}

/* --- CR4: some bits are the guest's: of its choice and the host's, no more (XSA-293) --- */

/* TSD and FSGSBASE decide what its user mode may do, too, so hardware must hear of them. DE and
 * OSXSAVE are kept by emulation alone: MOV to debug registers and XSETBV come to us anyway, and we
 * ourselves need the latter. */
void vcpu_choose_cr4(struct vcpu *v, uint64_t value)
{
    v->hw.guest_cr4 = value & cr4_guest_mask();
    v->hw.cr4 = (host_cr4 & ~CR4_FSGSBASE) | (v->hw.guest_cr4 & (CR4_FSGSBASE | CR4_TSD));
}

/* Guests mostly agree, and writing CR4 is dear. */
void vcpu_load_cr4(const struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    if (likely(cpu->loaded_cr4 == v->hw.cr4)) return;
    cpu->loaded_cr4 = v->hw.cr4;
    write_cr4(v->hw.cr4);
}

/* ---- debug registers: only if one of the two uses them ---- */

static void debug_load(const struct vcpu *from, const struct vcpu *to)
{
    if (from->hw.debugreg[7] & DR7_ENABLED)
        write_dr(7, DR7_FIXED);
    if (!(to->hw.debugreg[7] & DR7_ENABLED)) return;
    for (unsigned int n = 0; n < 4; n++)
        write_dr(n, to->hw.debugreg[n]);
    write_dr(7, to->hw.debugreg[7]);
}

/* ---- segments ---- */

static void segments_save(struct vcpu *v)
{
    __asm__("mov %%ds, %0" : "=r"(v->hw.ds));
    __asm__("mov %%es, %0" : "=r"(v->hw.es));
    __asm__("mov %%fs, %0" : "=r"(v->hw.fs));
    __asm__("mov %%gs, %0" : "=r"(v->hw.gs));
    v->hw.fs_base = rdmsr(MSR_FS_BASE);
    *(v->in_kernel ? &v->hw.gs_base_kernel : &v->hw.gs_base_user) = rdmsr(MSR_KERNEL_GS_BASE);
}

/* A selector that its GDT or LDT no longer has (the guest changed them meanwhile) becomes null. */
#define LOAD_SELECTOR(segment, selector, failed) \
    __asm__ volatile("1: mov %1, %%" #segment "; jmp 3f; 2: movl $1, %0; mov %2, %%" #segment \
                     "; 3:\n" \
                     ".pushsection .fixups, \"a\"; .quad 1b, 2b; .popsection" \
                     : "+m"(failed) \
                     : "r"((uint32_t)(selector)), "r"(0))

/* True: one could not be loaded. Bases come last, because loading a selector changes them. */
static bool segments_load(struct vcpu *v)
{
    int failed = 0;

    LOAD_SELECTOR(ds, v->hw.ds, failed);
    LOAD_SELECTOR(es, v->hw.es, failed);
    LOAD_SELECTOR(fs, v->hw.fs, failed);
    if (load_gs_selector(v->hw.gs) != 0)
        failed = 1;
    wrmsr(MSR_FS_BASE, v->hw.fs_base);
    wrmsr(MSR_KERNEL_GS_BASE, v->in_kernel ? v->hw.gs_base_kernel : v->hw.gs_base_user);
    return failed != 0;
}

/* The registers' hidden parts may be of descriptors that are no more; FS and GS are VMSAVE's. */
void vcpu_data_segments_away(struct vcpu *v)
{
    __asm__ volatile("mov %%ds, %0" : "=r"(v->hw.ds));
    __asm__ volatile("mov %%es, %0" : "=r"(v->hw.es));
    __asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0));
}

void vcpu_data_segments_back(struct vcpu *v)
{
    int failed = 0;

    LOAD_SELECTOR(ds, v->hw.ds, failed);
    LOAD_SELECTOR(es, v->hw.es, failed);
}

static void descriptor_tables_load(struct vcpu *v, struct cpu *cpu)
{
    struct table_pointer pointer = { GDT_LIMIT, v->window.base };

    if (v->cpu != cpu)
        window_set_cpu_page(&v->window, cpu->gdt_page);
    v->cpu = cpu;
    __asm__ volatile("lgdt %0" : : "m"(pointer));
    window_load_ldt(&v->window);
}

/* ---- runstate area: guest memory, so only while the guest's kernel tables are loaded ---- */

static void runstate_write(struct vcpu *v)
{
    struct vcpu_runstate_info info = v->sched.runstate;
    uint64_t area = v->sched.runstate_area;
    bool flag = v->domain->vm_assist & 1u << VMASST_TYPE_runstate_update_flag;

    v->sched.runstate_stale = false;
    info.state_entry_time |= flag ? XEN_RUNSTATE_UPDATE : 0;
    if (write_guest(area, &info) != 0 || !flag) return;
    (void)!write_guest_u64(area + offsetof(struct vcpu_runstate_info, state_entry_time),
                           v->sched.runstate.state_entry_time);
}

void vcpu_runstate_publish(struct vcpu *v)
{
    if (!v->sched.runstate_area) return;
    if (v->in_kernel)
        runstate_write(v);
    else
        v->sched.runstate_stale = true;
}

/* ---- the switch ---- */

/* From a guest to none: nothing of it is needed any more, neither its tables nor its window, and
 * what the next one's are compared with is as who has none of his own would have it. */
static void let_go(const struct vcpu *from, struct cpu *cpu)
{
    load_cr3(hv_cr3);
    cpu_own_descriptors(cpu);
    debug_load(from, cpu->idle);
    if (from->hw.tsc_aux)
        wrmsr(MSR_TSC_AUX, 0);
}

void vcpu_switch(struct vcpu *from, struct vcpu *to)
{
    struct cpu *cpu = this_cpu();

    if (from != cpu->idle) {
        segments_save(from);
        fpu_save(from);
    }
    cpu->running = to;
    race_point();
    if (to == cpu->idle) {
        let_go(from, cpu);
        return;
    }
    cpu->tss.rsp0 = (uint64_t)&to->regs.es;
    to->counters.switches++;
    vcpu_load_tables(to);
    descriptor_tables_load(to, cpu);
    fpu_load(to);
    debug_load(from, to);
    vcpu_load_cr4(to);
    /* exists: one of them has set it (emulate/msr.c) */
    if (from->hw.tsc_aux != to->hw.tsc_aux)
        wrmsr(MSR_TSC_AUX, to->hw.tsc_aux);
}

void vcpu_load_segments(struct vcpu *v)
{
    if (segments_load(v))
        bounce_failsafe(v);
}

/* ---- guest user mode and guest kernel mode: two sets of tables, two GS bases ---- */

void vcpu_load_tables(struct vcpu *v)
{
    load_cr3(MADDR(vcpu_cr3(v)));
}

void vcpu_enter_kernel(struct vcpu *v)
{
    v->hw.gs_base_user = rdmsr(MSR_KERNEL_GS_BASE);
    wrmsr(MSR_KERNEL_GS_BASE, v->hw.gs_base_kernel);
    v->in_kernel = true;
    if (v->tables.kernel_cr3 != v->tables.user_cr3)
        vcpu_load_tables(v);
    if (unlikely(v->sched.runstate_stale))
        runstate_write(v);
    if (unlikely(v->time.area_stale))
        vcpu_time_publish(v);
}

void vcpu_enter_user(struct vcpu *v)
{
    v->hw.gs_base_kernel = rdmsr(MSR_KERNEL_GS_BASE);
    wrmsr(MSR_KERNEL_GS_BASE, v->hw.gs_base_user);
    v->in_kernel = false;
    if (v->tables.kernel_cr3 != v->tables.user_cr3)
        vcpu_load_tables(v);
}
