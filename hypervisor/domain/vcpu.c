/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's birth and end, and its context as the toolstack (XEN_DOMCTL_setvcpucontext) or the guest
 * itself (VCPUOP_initialise) gives it: checked whole before any of it counts.
 */
#include "domain/cr4.h"
#include "domain/domain.h"
#include "machine/budget.h"
#include "lib/fail.h"
#include "lib/string.h"
#include "machine/io.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/mmu.h"
#include "memory/window.h"

#define FXSAVE_SIZE 512u
#define MXCSR_DEFAULT 0x1f80u
#define XSTATE_HEADER 512
#define COST_BIRTH 4000              /* a vCPU: its window, its FPU state */
#define COST_CONTEXT 8000           /* a context read, checked and taken over */

_Static_assert(WINDOWS == MAX_DOMAINS * MAX_VCPUS, "each vCPU has a window");

/* In whole pages, for these are anybody's again when the vCPU has gone (heap.c). */
static size_t fpu_size(void)
{
    return ROUND_UP(MAX(xsave_size, FXSAVE_SIZE), PAGE_SIZE);
}

/* The state after FINIT with everything else zero: nothing of whoever had the memory before. */
static void fpu_reset(struct vcpu *v)
{
    uint8_t *area = v->hw.xsave_area;
    uint16_t control = 0x37f;
    uint32_t mxcsr = MXCSR_DEFAULT;

    memset(area, 0, fpu_size());
    memcpy(area, &control, sizeof(control));
    memcpy(area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
}

struct vcpu *vcpu_create(struct domain *d, uint32_t id)
{
    struct vcpu *v = hv_alloc(sizeof(*v));

    if (!v) return NULL;
    v->domain = d;
    v->id = id;
    v->info = &d->shared->vcpu_info[id];
    v->events.info_frame = INVALID_MFN;
    v->tables.owner = &d->memory;
    for (unsigned int i = 0; i < GUEST_GDT_PAGES; i++)
        v->window.gdt_frames[i] = INVALID_MFN;
    v->entry.hypercalls = hypercall_table[d->privileged];
    v->in_kernel = true;
    v->sched.state = VCPU_DOWN;
    v->sched.runstate.state = RUNSTATE_offline;
    v->sched.runstate.state_entry_time = now_ns();
    v->hw.debugreg[6] = DR6_FIXED;
    v->hw.debugreg[7] = DR7_FIXED;
    v->hw.xcr0 = xsave_mask;
    policy_vcpu_init(v);
    vcpu_timers_init(v);
    v->hw.xsave_area = hv_alloc(fpu_size());
    if (!v->hw.xsave_area || window_create(&v->window) != 0) {
        vcpu_free(v);
        return NULL;
    }
    fpu_reset(v);
    spend(COST_BIRTH);
    update_vcpu_time(v);
    d->vcpus[id] = v;
    return v;
}

void vcpu_release(struct vcpu *v)
{
    if (v->tables.kernel_cr3)
        mmu_put_table(base_table(v->tables.kernel_cr3));
    if (v->tables.user_cr3)
        mmu_put_table(base_table(v->tables.user_cr3));
    v->tables.kernel_cr3 = v->tables.user_cr3 = 0;
    window_destroy(&v->window);
    extent_end(v);
    v->info = &v->domain->shared->vcpu_info[v->id];
    if (!mfn_eq(v->events.info_frame, INVALID_MFN))
        frame_put_writable(v->events.info_frame);
    v->events.info_frame = INVALID_MFN;
    v->sched.runstate_area = v->time.area = 0;
}

void vcpu_free(struct vcpu *v)
{
    if (!v) return;
    hv_free(v->hw.xsave_area, fpu_size());
    hv_free(v, sizeof(*v));
}

/* ---- contexts ---- */

static int check_addresses(const struct vcpu_guest_context *c)
{
    bool ok = is_canonical(c->user_regs.rip) && is_canonical(c->event_callback_eip) &&
              is_canonical(c->failsafe_callback_eip) && is_canonical(c->syscall_callback_eip) &&
              is_canonical(c->fs_base) && is_canonical(c->gs_base_kernel) &&
              is_canonical(c->gs_base_user);

    for (unsigned int i = 0; i < 256 && ok; i++)
        ok = is_canonical(c->trap_ctxt[i].address);
    return ok ? 0 : fail(-EINVAL, "the context has a non-canonical address");
}

/* Both base tables and the GDT, which hold references; all or nothing. */
static int take_frames(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct domain_memory *d = &v->domain->memory;
    mfn_t kernel = MFN(xen_cr3_to_pfn(c->ctrlreg[3])), user = MFN(xen_cr3_to_pfn(c->ctrlreg[1]));
    bool has_user = c->ctrlreg[1] != 0;
    int error = mmu_get_table(d, kernel, FRAME_L4);

    if (error) return error;
    if (has_user) {
        error = mmu_get_table(d, user, FRAME_L4);
        if (error)
            goto put_kernel;
    }
    if (c->gdt_ents > GDT_ENTRIES_MAX)
        error = fail(-EINVAL, "too many GDT entries");
    else
        error = window_set_gdt(&v->window, d, c->gdt_frames, (uint32_t)c->gdt_ents);
    if (error)
        goto put_user;
    if (c->ldt_ents > LDT_ENTRIES_MAX)
        error = fail(-EINVAL, "too many LDT entries");
    else
        error = window_set_ldt(&v->window, c->ldt_base, (uint32_t)c->ldt_ents);
    if (error)
        goto put_user;
    v->tables.kernel_cr3 = mfn_to_maddr(kernel).a;
    hv_show_m2p(kernel);
    v->tables.user_cr3 = has_user ? mfn_to_maddr(user).a : 0;
    return 0;

put_user:
    if (has_user)
        mmu_put_table(user);
put_kernel:
    mmu_put_table(kernel);
    return error;
}

/* One that has a context may get other registers, on the same tables. */
static int same_frames(const struct vcpu *v, const struct vcpu_guest_context *c)
{
    bool same = c->ctrlreg[3] == v->tables.kernel_cr3 && c->ctrlreg[1] == v->tables.user_cr3 &&
                c->gdt_ents == v->window.gdt_entries && c->ldt_ents == v->window.ldt_entries &&
                c->ldt_base == v->window.ldt_base;

    for (unsigned int i = 0; same && i < ROUND_UP(v->window.gdt_entries, 512u) / 512; i++)
        same = c->gdt_frames[i] == v->window.gdt_frames[i].n;
    return same ? 0 : fail(-EOPNOTSUPP, "the vCPU runs on other tables: they stay");
}

static void set_fpu(struct vcpu *v, const struct vcpu_guest_context *c)
{
    uint8_t *area = v->hw.xsave_area;
    uint64_t present = 0;
    uint32_t mxcsr;

    /* who has his registers changed keeps what the context has no place for */
    if (!v->initialised)
        fpu_reset(v);
    if (!(c->flags & VGCF_i387_valid)) return;
    memcpy(area, &c->fpu_ctxt, FXSAVE_SIZE);
    memcpy(&mxcsr, area + MXCSR_OFFSET, sizeof(mxcsr));
    /* reserved bits would fault the loading (XSA-53, 54); without DAZ on the oldest CPUs */
    mxcsr &= xsave_mask ? MXCSR_VALID : 0xffbf;
    memcpy(area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
    if (!xsave_mask) return;
    memcpy(&present, area + XSTATE_HEADER, sizeof(present));
    present |= 3;                   /* x87 and SSE are in the legacy part */
    memcpy(area + XSTATE_HEADER, &present, sizeof(present));
}

static void set_registers(struct vcpu *v, const struct vcpu_guest_context *c)
{
    v->regs = c->user_regs;
    v->regs.cs |= 3;
    v->regs.ss |= 3;
    /* Linux gives it to its other vCPUs only so */
    v->ports.iopl = (uint32_t)(c->user_regs.rflags & RFLAGS_IOPL) >> 12;
    v->regs.rflags |= RFLAGS_IF;    /* the rest is made harmless at every exit */
    v->regs.entry_vector = 0;
    v->hw.ds = c->user_regs.ds;
    v->hw.es = c->user_regs.es;
    v->hw.fs = c->user_regs.fs;
    v->hw.gs = c->user_regs.gs;
    v->hw.fs_base = c->fs_base;
    v->hw.gs_base_kernel = c->gs_base_kernel;
    v->hw.gs_base_user = c->gs_base_user;
    v->entry.kernel_sp = c->kernel_sp;
    v->entry.kernel_ss = (uint16_t)(c->kernel_ss | 3);
    v->hw.guest_cr0 = c->ctrlreg[0] & CR0_TS;
    vcpu_choose_cr4(v, c->ctrlreg[4]);
    v->in_kernel = (c->flags & VGCF_in_kernel) || !v->tables.user_cr3;
}

int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    int error;

    spend(COST_CONTEXT);
    error = check_addresses(c);
    if (!error)
        error = v->initialised ? same_frames(v, c) : take_frames(v, c);
    if (error) return error;
    set_registers(v, c);
    set_fpu(v, c);
    for (unsigned int i = 0; i < 256; i++) {
        v->entry.traps[i] = c->trap_ctxt[i];
        v->entry.traps[i].vector = (uint8_t)i;
    }
    v->entry.event = (struct guest_callback){ c->event_callback_eip, true };
    v->entry.failsafe = (struct guest_callback){ c->failsafe_callback_eip,
                                                    c->flags & VGCF_failsafe_disables_events };
    v->entry.syscall = (struct guest_callback){ c->syscall_callback_eip,
                                                   c->flags & VGCF_syscall_disables_events };
    v->domain->vm_assist |= (uint32_t)c->vm_assist;
    v->initialised = true;
    return 0;
}

/* v is not current: all of its state is in memory. */
void vcpu_get_context(struct vcpu *v, struct vcpu_guest_context *c)
{
    memset(c, 0, sizeof(*c));
    memcpy(&c->fpu_ctxt, v->hw.xsave_area, FXSAVE_SIZE);
    c->flags = VGCF_i387_valid | (v->in_kernel ? VGCF_in_kernel : 0) |
               (v->sched.state != VCPU_DOWN ? VGCF_online : 0) |
               (v->entry.failsafe.mask_events ? VGCF_failsafe_disables_events : 0) |
               (v->entry.syscall.mask_events ? VGCF_syscall_disables_events : 0);
    c->user_regs = v->regs;
    c->user_regs.ds = v->hw.ds;
    c->user_regs.es = v->hw.es;
    c->user_regs.fs = v->hw.fs;
    c->user_regs.gs = v->hw.gs;
    c->user_regs.rflags |= (uint64_t)v->ports.iopl << 12;
    memcpy(c->trap_ctxt, v->entry.traps, sizeof(c->trap_ctxt));
    if (v->entry.nmi.rip)
        c->trap_ctxt[2] = (struct trap_info){ 2, 4, FLAT_KERNEL_CS, v->entry.nmi.rip };
    c->ldt_base = v->window.ldt_base;
    c->ldt_ents = v->window.ldt_entries;
    for (unsigned int i = 0; i < ROUND_UP(v->window.gdt_entries, 512u) / 512; i++)
        c->gdt_frames[i] = v->window.gdt_frames[i].n;
    c->gdt_ents = v->window.gdt_entries;
    c->kernel_ss = v->entry.kernel_ss;
    c->kernel_sp = v->entry.kernel_sp;
    c->ctrlreg[0] = CR0_PG | CR0_WP | CR0_NE | 1 | v->hw.guest_cr0;
    c->ctrlreg[1] = v->tables.user_cr3;
    c->ctrlreg[3] = v->tables.kernel_cr3;
    c->ctrlreg[4] = cr4_fixed() | v->hw.guest_cr4;
    memcpy(c->debugreg, v->hw.debugreg, sizeof(c->debugreg));
    c->event_callback_eip = v->entry.event.rip;
    c->failsafe_callback_eip = v->entry.failsafe.rip;
    c->syscall_callback_eip = v->entry.syscall.rip;
    c->vm_assist = v->domain->vm_assist;
    c->fs_base = v->hw.fs_base;
    c->gs_base_kernel = v->hw.gs_base_kernel;
    c->gs_base_user = v->hw.gs_base_user;
}
