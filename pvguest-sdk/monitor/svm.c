/* SPDX-License-Identifier: MIT */
/*
 * The fewest lines of all modes: the CPU does what the others do by tables, copies and caches. All
 * of the guest's memory is mapped once, by nested tables that are page tables of this domain. What
 * comes back is interpreted, one instruction, as everywhere; interrupts are delivered by the
 * interpreter when the CPU says that it would take one.
 *
 * Control registers, EFER and the debug registers are the interpreter's alone, so they are given to
 * the CPU each time and never read back.
 */
#include <abi/domus.h>
#include <pvguest/errno.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include "machine.h"
#include "svm.h"
#include "trap.h"

enum { SLOTS = 512, VECTOR_AC = 17 };
#define CR0_CACHES (3ull << 29)     /* CD, NW: kept, and without effect, as on most machines */

static struct domus_run run;

_Static_assert(sizeof(struct segment) == sizeof(struct domus_run_segment), "one layout");

/* --- the nested tables --- */

/* From the bottom: what is made read-only is finished. NULL: no memory, or the hypervisor says
 * no. */
static uint64_t *make_table(const struct machine *machine, unsigned int level, uint64_t first)
{
    uint64_t step = 1ull << 9 * (level - 1), *table = alloc_zeroed_page();

    for (unsigned int i = 0; table && i < SLOTS && first + i * step < machine->pages; i++) {
        const void *next = level == 1 ? (void *)machine->page[first + i]
                                      : make_table(machine, level - 1, first + i * step);
        if (next)
            table[i] = (uint64_t)virt_to_mfn(next) << PAGE_SHIFT | PROT_TABLE;
        else if (level > 1)
            return NULL;
    }
    return table && !page_set_readonly(table, true) ? table : NULL;
}

int svm_prepare(struct machine *machine)
{
    int error = (int)HYPERVISOR_domus_op(DOMUS_run, NULL);
    uint64_t *root;

    if (error != -EFAULT) return error;         /* it is there: it wanted to read that */
    root = make_table(machine, 4, 0);
    if (!root) return refused(-ENOMEM);
    run.tables = virt_to_mfn(root);
    pt_pin(4, run.tables);
    return pt_flush();
}

/* --- in and out --- */

static void copy_segment(struct domus_run_segment *theirs, const struct segment *ours)
{
    memcpy(theirs, ours, sizeof(*theirs));
}

static struct domus_run_segment table_segment(const struct descriptor_table *table)
{
    return (struct domus_run_segment){ .limit = table->limit, .base = table->base };
}

static void load(const struct vcpu *vcpu)
{
    struct domus_run_segment *ss = &run.segment[SS];

    memcpy(run.general, vcpu->general, sizeof(run.general));
    for (int i = 0; i < SEGMENTS; i++)
        copy_segment(&run.segment[i], &vcpu->segment[i]);
    ss->flags = (uint16_t)((ss->flags & ~(3 << SEGMENT_DPL_SHIFT)) |
                           vcpu->cpl << SEGMENT_DPL_SHIFT);
    copy_segment(&run.ldtr, &vcpu->ldtr);
    copy_segment(&run.tr, &vcpu->tr);
    run.gdtr = table_segment(&vcpu->gdtr);
    run.idtr = table_segment(&vcpu->idtr);
    run.rip = vcpu->rip;
    run.rflags = vcpu->rflags;
    run.cr0 = vcpu->cr0 & ~CR0_CACHES;
    run.cr2 = vcpu->cr2;
    run.cr3 = vcpu->cr3;
    run.cr4 = vcpu->cr4;
    run.efer = vcpu->efer;
    run.star = vcpu->star;
    run.lstar = vcpu->lstar;
    run.cstar = vcpu->cstar;
    run.sfmask = vcpu->sfmask;
    run.kernel_gs_base = vcpu->kernel_gs_base;
    run.tsc_offset = vcpu->tsc_offset;
    run.shadow = vcpu->shadow;
    run.wishes = vcpu->interrupt_pending ? DOMUS_RUN_WINDOW : 0;
}

/* What the CPU may have changed without an exit. Its tables may have changed, too, and nobody told
 * the interpreter's TLB. */
static void store(struct vcpu *vcpu)
{
    memcpy(vcpu->general, run.general, sizeof(run.general));
    memcpy(vcpu->segment, run.segment, sizeof(run.segment));
    vcpu->cpl = run.segment[SS].flags >> SEGMENT_DPL_SHIFT & 3;
    memcpy(&vcpu->ldtr, &run.ldtr, sizeof(vcpu->ldtr));
    memcpy(&vcpu->tr, &run.tr, sizeof(vcpu->tr));
    vcpu->gdtr = (struct descriptor_table){ run.gdtr.base, (uint16_t)run.gdtr.limit };
    vcpu->idtr = (struct descriptor_table){ run.idtr.base, (uint16_t)run.idtr.limit };
    vcpu->rip = run.rip;
    vcpu->rflags = run.rflags;
    vcpu->cr2 = run.cr2;
    vcpu->cr3 = run.cr3;
    vcpu->kernel_gs_base = run.kernel_gs_base;
    vcpu->shadow = run.shadow;
    tlb_flush(vcpu);
}

/* --- what happened --- */

static enum step interpret_here(struct machine *machine)
{
    trap_counters.privileged++;
    return interpret_one(&machine->vcpu);
}

static enum step reflect(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
    trap_counters.reflected++;
    return deliver_exception(vcpu, vector, has_error, error);
}

/* On the way to a handler: there it is brought by the interpreter. INT n is done again. */
static enum step deliver_again(struct machine *machine)
{
    struct vcpu *vcpu = &machine->vcpu;
    uint8_t vector = (uint8_t)run.interrupted;

    vcpu->fault.address = run.cr2;
    switch (run.interrupted & DOMUS_EVENT_KIND) {
    case DOMUS_EVENT_INTERRUPT: return deliver_interrupt(vcpu, vector);
    case DOMUS_EVENT_EXCEPTION:
        return reflect(vcpu, vector, run.interrupted & DOMUS_EVENT_HAS_ERROR,
                       (uint32_t)(run.interrupted >> 32));
    default: return interpret_here(machine);
    }
}

static enum step deal_with(struct machine *machine)
{
    struct vcpu *vcpu = &machine->vcpu;

    switch (run.exit) {
    case DOMUS_EXIT_INTERRUPT:
        trap_counters.events++;
        machine->attention = true;
        return STEP_DONE;
    case DOMUS_EXIT_WINDOW:
        return STEP_DONE;
    case DOMUS_EXIT_SHUTDOWN:
        vcpu->reason = "a triple fault";
        return STEP_SHUTDOWN;
    case DOMUS_EXIT_INVALID:
    case DOMUS_EXIT_TASK_SWITCH:
        machine_fail(machine, "the CPU does not go on with the guest (exit %lx) at %lx", run.exit,
                     run.rip);
        return STEP_DONE;
    case DOMUS_EXIT_EXCEPTION + VECTOR_DB:
        vcpu->dr[6] = run.dr6;
        return reflect(vcpu, VECTOR_DB, false, 0);
    case DOMUS_EXIT_EXCEPTION + VECTOR_AC:
        return reflect(vcpu, VECTOR_AC, true, 0);
    case DOMUS_EXIT_NESTED_FAULT:
        trap_counters.page_faults++;
    }
    return run.interrupted ? deliver_again(machine) : interpret_here(machine);
}

enum step run_assisted(struct machine *machine)
{
    struct vcpu *vcpu = &machine->vcpu;
    long error;

    /* the hypervisor has no such thing; it is for a few instructions of a start */
    if (vcpu->efer & EFER_LME && !(vcpu->cr4 & CR4_PAE)) return interpret_here(machine);
    /* TCG (7.2) forgets a shadow that it is given, and the window would be there at once */
    if (vcpu->shadow && vcpu->interrupt_pending) return interpret_here(machine);
    set_alarm(machine);
    load(vcpu);
    error = HYPERVISOR_domus_op(DOMUS_run, &run);
    if (error) {
        machine_fail(machine, "the hypervisor refuses the guest's state: %s, at %lx",
                     errno_name((int)error), run.rip);
        return STEP_DONE;
    }
    trap_counters.exits++;
    store(vcpu);
    return deal_with(machine);
}
