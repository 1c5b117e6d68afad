/* SPDX-License-Identifier: MIT */
/*
 * One rule for nearly all: what faulted is interpreted, one instruction, at the privilege that the
 * guest believes to have. If it was a privileged one, that emulates it; if it was a mistake, the
 * interpreter raises the guest's own exception. The rest are page faults, which mostly say that the
 * shadow has no entry yet, and exceptions that are the guest's affair alone.
 */
#include <pvguest/console.h>
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/time.h>
#include <pvguest/traps.h>
#include "code.h"
#include "direct.h"
#include "internal.h"
#include "machine.h"
#include "shadow.h"
#include "translate.h"
#include "trap.h"

struct trap_counters trap_counters;
static bool ready;
static uint64_t largest = 2 << 20;              /* of the guest's pages, as far as is known */

/* instructions interpreted where code is unknown, before it is tried directly again */
enum { BURST = 64 };
#define SOONEST (20 * NS_PER_US)

int trap_init(void)
{
    int error = shadow_init();

    if (!error)
        error = direct_init();
    ready = !error;
    return error;
}

void shadow_invalidated(struct vcpu *vcpu, uint64_t linear, bool all)
{
    if (!ready) return;
    translate_invalidated();
    if (all)
        shadow_load(vcpu->cr3);
    else
        shadow_review(vcpu->context, linear & ~(largest - 1), largest);
}

bool runs_directly(const struct machine *machine)
{
    const struct vcpu *vcpu = &machine->vcpu;

    if (!ready || !(vcpu->efer & EFER_LMA) || !(vcpu->segment[CS].flags & SEGMENT_LONG) ||
        vcpu->rflags & (FLAG_TF | FLAG_NT) || vcpu->shadow || !is_canonical(vcpu->rip))
        return false;
    return vcpu->cpl == 3 ? machine->user_direct : vcpu->cpl == 0 && machine->kernel_direct;
}

/* Code of the kernel that no scan has seen, for a while. */
static enum step interpret_unknown(struct machine *machine)
{
    struct vcpu *vcpu = &machine->vcpu;
    enum step step = STEP_DONE;

    for (int i = 0; i < BURST && !machine->over && vcpu->cpl == 0; i++) {
        if (vcpu->interrupt_pending && interruptible(vcpu))
            break;
        step = interpret_one(vcpu);
        if (step != STEP_DONE && step != STEP_EXCEPTION)
            break;
    }
    return step;
}

static enum step reflect(struct machine *machine, unsigned int vector, bool has_error,
                         uint64_t error)
{
    trap_counters.reflected++;
    return deliver_exception(&machine->vcpu, (uint8_t)vector, has_error, (uint32_t)error);
}

/* The shadow's entry: no more than the guest's tables allow now, and writing only where the guest's
 * dirty bit is set already, so that the first write comes here. `copy`: what the kernel executes
 * there; else it is data. */
static uint64_t entry_for(const struct machine *machine, const struct translation *t,
                          unsigned int which, const uint8_t *copy)
{
    uint64_t bits = PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY | (t->entry & ENTRY_NX),
             number = t->physical / PAGE;

    if (t->entry & ENTRY_WRITABLE && t->entry & ENTRY_DIRTY && !machine->code[number])
        bits |= PTE_WRITE;
    if (which == SHADOW_KERNEL && !copy)
        bits |= PTE_NX;
    if (t->page_size > largest)
        largest = t->page_size;
    return (uint64_t)virt_to_mfn(copy ? copy : machine->page[number]) << PAGE_SHIFT | bits;
}

uint64_t shadow_right(struct machine *machine, unsigned int which, uint64_t address,
                      uint64_t seen, bool code)
{
    uint64_t needed = ENTRY_ACCESSED | (which == SHADOW_USER ? ENTRY_USER : 0);
    struct translation t = translation_by(seen, address);
    const struct code_page *page;

    if (~seen & needed || !memory_page(machine, t.physical & ~(PAGE - 1), false)) return 0;
    page = which == SHADOW_KERNEL && code ? machine->code[t.physical / PAGE] : NULL;
    return entry_for(machine, &t, which, page ? page->copy : NULL);
}

static enum step page_fault(struct machine *machine, const struct direct_exit *exit)
{
    struct vcpu *vcpu = &machine->vcpu;
    unsigned int user = vcpu->cpl == 3 ? ACCESS_USER : 0,
                 access = (exit->error & (PF_WRITE | PF_FETCH)) | user,
                 which = user ? SHADOW_USER : SHADOW_KERNEL;
    const struct code_page *code = NULL;
    struct translation t;
    int error;

    trap_counters.page_faults++;
    if (!is_canonical(exit->address) || !shadow_may(exit->address)) return interpret_one(vcpu);
    if (!walk(vcpu, exit->address, access, &t))
        return reflect(machine, vcpu->fault.vector, vcpu->fault.has_error, vcpu->fault.error);
    /* a device's registers, or nothing; a write that only a CR0 without WP permits */
    if (!memory_page(machine, t.physical & ~(PAGE - 1), access & ACCESS_WRITE) ||
        (access & ACCESS_WRITE && !(t.entry & ENTRY_WRITABLE)))
        return interpret_one(vcpu);
    if (access & ACCESS_FETCH && !user) {
        code = machine->code[t.physical / PAGE];
        if (!code) return interpret_unknown(machine);
    }
    error = shadow_map(which, exit->address & ~(PAGE - 1),
                       entry_for(machine, &t, which, code ? code->copy : NULL), t.entry);
    if (error > 0) return interpret_one(vcpu);      /* the entry was there: it is not that */
    if (error < 0)
        machine_fail(machine, "the hypervisor refuses a mapping: %s", errno_name(error));
    return STEP_DONE;
}

/* Where in the kernel something is emulated, each place once, for who compares that with a scan. */
static void tell_site(const struct machine *machine)
{
    static uint8_t told[1 << 17];               /* a bit for each byte of a MiB of code */
    uint64_t rip = machine->vcpu.rip;
    uint8_t *byte = &told[rip / 8 % sizeof(told)], bit = (uint8_t)(1 << rip % 8);

    if (machine->vcpu.cpl || *byte & bit) return;
    *byte |= bit;
    printk("monitor: site %lx\n", rip);
}

/* int3: ours; or the guest's, by which it may not have meant to come to where its gate goes. */
static enum step breakpoint(struct machine *machine)
{
    struct vcpu *vcpu = &machine->vcpu;
    struct translation t;
    uint64_t last = 0;

    if (vcpu->cpl == 0 && walk(vcpu, vcpu->rip - 1, ACCESS_FETCH, &t) &&
        code_patched(machine, t.physical))
        trap_counters.patched++;
    else if (load_linear(vcpu, vcpu->rip - 1, 1, ACCESS_FETCH | user_access(vcpu), &last) &&
             last != INT3)
        vcpu->rip--;                            /* INT 3, of two bytes */
    vcpu->rip--;
    if (machine->tells_sites)
        tell_site(machine);
    return interpret_one(vcpu);
}

/* The interpreter knows fewer instructions than the CPU: what it does not know has faulted for the
 * guest. */
static enum step emulate(struct machine *machine, const struct direct_exit *exit)
{
    enum step step;

    trap_counters.privileged++;
    if (machine->tells_sites)
        tell_site(machine);
    step = interpret_one(&machine->vcpu);
    if (step != STEP_UNKNOWN) return step;
    return reflect(machine, exit->vector, exit->vector != TRAP_UD, 0);
}

static enum step deal_with(struct machine *machine, const struct direct_exit *exit)
{
    switch (exit->vector) {
    case EXIT_EVENT:
        trap_counters.events++;
        machine->attention = true;              /* its handlers have run; the loop looks around */
        return STEP_DONE;
    case EXIT_SYSCALL:
        trap_counters.system_calls++;
        machine->vcpu.rip -= 2;
        return interpret_one(&machine->vcpu);
    case EXIT_REPLACED:
        trap_counters.patched++;
        return interpret_one(&machine->vcpu);
    case TRAP_PF:
        return page_fault(machine, exit);
    case TRAP_BP:
        return breakpoint(machine);
    case TRAP_TS:
    case TRAP_NP:
    case TRAP_SS:
    case TRAP_GP:
    case TRAP_UD:
        return emulate(machine, exit);
    default:
        return reflect(machine, exit->vector, exit->vector == TRAP_AC, exit->error);
    }
}

/* --- so that the guest's clock ticks while it runs --- */

static uint64_t alarm_at = ~0ull;               /* ~0: none is set */

/* While something else is being dealt with, too: then no event ends what runs directly. */
static void rings(void *machine)
{
    alarm_at = ~0ull;
    ((struct machine *)machine)->attention = true;
}

/* One that is set already for then or before will do: a hypercall less at most exits. */
void set_alarm(struct machine *machine)
{
    static struct timer alarm;
    uint64_t next = pit_next(&machine->pit), soonest;

    if (next >= alarm_at) return;
    soonest = now_ns() + SOONEST;
    if (alarm_at <= soonest) return;
    alarm_at = next > soonest ? next : soonest;
    timer_set(&alarm, alarm_at, rings, machine);
}

enum step run_directly(struct machine *machine)
{
    bool translated = machine->translating && machine->vcpu.cpl == 0;
    struct direct_exit exit;
    int error;

    if (translated && !translate_enter(machine)) return interpret_one(&machine->vcpu);
    set_alarm(machine);
    error = shadow_use(machine, machine->vcpu.cpl == 3 ? SHADOW_USER : SHADOW_KERNEL);
    if (error) {
        machine_fail(machine, "the hypervisor refuses page tables: %s", errno_name(error));
        return STEP_DONE;
    }
    exit = direct_run(&machine->vcpu);
    trap_counters.exits++;
    if (translated && translate_leave(machine, &exit)) return STEP_DONE;
    return deal_with(machine, &exit);
}
