/* SPDX-License-Identifier: MIT */
/*
 * Run-a-vCPU-until-exit: what a guest needs of ring 0 to run another kernel by hardware, and no
 * more (DOMUS_run, <abi/domus.h>). The guest has the state of that processor in its own memory;
 * here it is copied, looked at, made a control block of AMD's SVM, run, and copied back. Nothing is
 * kept from one call to the next, so nothing is counted against anybody.
 *
 * Memory. The nested tables ARE page tables of the guest, of the kind that it has for itself, in
 * direct paging (memory/pagetype.c): the CPU walks both in one format. So which frames may be
 * there, that no page table or descriptor page is writable there, that a frame given back stays
 * until it is unmapped, and what all that costs was decided before this file was written. Entries
 * of ours in each level-4 table have U=0, and nested walks are a user's; of the M2P the guest reads
 * what it may read anyway. What remains is to hold the level-4 table while it is used.
 *
 * TLB (I9). Each VMRUN flushes the processor's translations first. So those that there are lie
 * between the last VMRUN and its exit, on a CPU whose `running` is the caller: a flush of that CPU
 * (cpus_flush) makes it come out, and what it had is not used again. A flush by CR3 alone would
 * not reach them.
 *
 * Time. It runs without the lock around ring 0, as every guest does, and any interrupt of the
 * machine ends it. The call then returns, the interrupt is taken on the way out, and the guest
 * calls again.
 *
 * Locks: none of its own. A CPU's area is touched by that CPU, under the lock around ring 0 but for
 * the run itself. RING0_LOCK: svm_for_each_table.
 */
#include "svm/svm.h"
#include "domain/domain.h"
#include "entry/hypercall.h"
#include "lib/params.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "machine/io.h"
#include "machine/ring0.h"
#include "machine/vectors.h"
#include "memory/access.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/mmu.h"
#include "svm/vmcb.h"

#define MSR_VM_CR 0xc0010114u
#define MSR_VM_HSAVE_PA 0xc0010117u
#define VM_CR_LOCKED_OFF (1u << 4)
#define COST_RUN 6000               /* instructions: state read, looked at, loaded, written back */

/* What a CPU needs: three pages that it has by their machine addresses, and the state copied. */
struct area {
    struct vmcb vmcb;
    uint8_t host[PAGE_SIZE];        /* VMSAVE's, of ours */
    uint8_t kept[PAGE_SIZE];        /* the CPU's own, of ours: VM_HSAVE_PA */
    struct domus_run run;
    bool inside;                    /* run.tables is held */
};
#define ORDER_OF_AREA 2
_Static_assert(sizeof(struct area) <= PAGE_SIZE << ORDER_OF_AREA, "four pages");

/* Every port and every MSR comes back: 12 KiB and 8 KiB of ones. */
#define MAPS_ORDER 3
#define MSR_MAP_OFFSET (3 * PAGE_SIZE)

static struct area *areas[MAX_CPUS];
static uint8_t *maps;               /* NULL: it cannot be had, or is not wanted */

void svm_enter(uint64_t vmcb, uint64_t host, uint64_t general[16]);

/* ---- at boot ---- */

static bool cpu_has_it(void)
{
    uint64_t vm_cr;

    if (cpuid(0x80000000, 0).a < 0x8000000a || !(cpuid(0x80000001, 0).c & 4)) return false;
    if (!(cpuid(0x8000000a, 0).d & 1)) return false;        /* nested paging */
    return !rdmsr_safe(MSR_VM_CR, &vm_cr) || !(vm_cr & VM_CR_LOCKED_OFF);
}

void svm_cpu_init(void)
{
    struct area *area = maps && cpu_has_it() ? hv_alloc_pages(ORDER_OF_AREA) : NULL;

    if (!area) return;
    areas[this_cpu()->id] = area;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, virt_to_maddr(area->kept).a);
}

void svm_init(void)
{
    if (params.no_svm || !cpu_has_it()) return;
    maps = hv_alloc_pages(MAPS_ORDER);
    if (!maps) return;
    memset(maps, 0xff, PAGE_SIZE << MAPS_ORDER);
    svm_cpu_init();
    log_debug("hardware assistance (SVM) is there for guests' virtual machines");
}

/* ---- one run ---- */

/* The exit leaves breakpoints off, and in DR6 what was the guest's. */
static void debug_registers_restore(const struct vcpu *v)
{
    __asm__ volatile("mov %0, %%dr6" : : "r"(DR6_FIXED));
    write_dr(7, v->hw.debugreg[7] & DR7_ENABLED ? v->hw.debugreg[7] : DR7_FIXED);
}

/* The exit may read the descriptors of CS, SS, DS and ES again, from the GDT, while LDTR is the
 * guest's: a fault there shuts the machine down (15.6). The first two are ours; the others are of
 * the caller's choosing, in tables that it may have changed since: they are not there meanwhile. */
static void enter(struct vcpu *v, struct area *area)
{
    struct vmcb *vmcb = &area->vmcb;

    memset(vmcb, 0, sizeof(*vmcb));
    vmcb->port_map = virt_to_maddr(maps).a;
    vmcb->msr_map = virt_to_maddr(maps).a + MSR_MAP_OFFSET;
    vmcb->nested_cr3 = mfn_to_maddr(MFN(area->run.tables)).a;
    run_to_vmcb(&area->run, vmcb);
    area->inside = true;
    vcpu_data_segments_away(v);
    ring0_leave();
    svm_enter(virt_to_maddr(vmcb).a, virt_to_maddr(area->host).a, area->run.general);
    ring0_enter();
    area->inside = false;
    vcpu_data_segments_back(v);
    debug_registers_restore(v);
    if ((uint32_t)vmcb->exit == DOMUS_EXIT_EXCEPTION + TRAP_MACHINE_CHECK)
        __asm__ volatile("int %0" : : "i"(TRAP_MACHINE_CHECK));
    run_from_vmcb(&area->run, vmcb);
}

/* What waits to be done for v, or by this CPU, is done first: no interrupt says so again. */
static bool must_give_way(const struct vcpu *v)
{
    return v->info->evtchn_upcall_pending || this_cpu()->work;
}

long svm_run(struct vcpu *v, uint64_t arg)
{
    struct area *area = areas[this_cpu()->id];
    int error;

    if (!area)
        return fail(-EOPNOTSUPP, "no hardware assistance: the CPU has no SVM with nested paging, "
                                 "or the hypervisor's command line says svm=off");
    spend(COST_RUN);
    if (read_guest(&area->run, arg)) return UNREADABLE;
    area->run.interrupted = area->run.info[0] = area->run.info[1] = 0;
    error = run_check(&area->run);
    if (error) return error;
    error = mmu_get_table(&v->domain->memory, MFN(area->run.tables), FRAME_L4);
    if (error == -ERESTART) return hypercall_continue(domus_op, OP(DOMUS_run), arg);
    if (error) return error;
    if (must_give_way(v))
        area->run.exit = DOMUS_EXIT_INTERRUPT;
    else
        enter(v, area);
    mmu_put_table(MFN(area->run.tables));
    return ANSWER(arg, &area->run);
}

void svm_for_each_table(void (*seen)(mfn_t m))
{
    struct cpu *cpu;

    for_each_cpu (cpu)
        if (areas[cpu->id] && areas[cpu->id]->inside)
            seen(MFN(areas[cpu->id]->run.tables));
}
