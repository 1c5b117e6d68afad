/* SPDX-License-Identifier: MIT */
/*
 * From a guest's struct domus_run to the CPU's control block and back. What the block has more than
 * the guest may say is the same for all, and stands here: which exits there are, memory types, and
 * that nothing of the machine is ever the processor's own.
 *
 * The CPU checks what it loads (DOMUS_EXIT_INVALID). We look first all the same, at what it is said
 * not to check everywhere, and at what would be well for it and not for us.
 */
#include "svm/vmcb.h"
#include "lib/fail.h"
#include "machine/io.h"
#include "machine/vectors.h"

#define CR0_PE (1ul << 0)
#define CR0_ET (1ul << 4)
#define EFER_LME (1ul << 8)
#define EFER_LMA (1ul << 10)

/* CD and NW would slow the whole CPU, or have others see old memory (XSA-402). */
#define CR0_MAY (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG)
/* Of the processor that is run, not of the vCPU that has it run (domain/switch.h).
 * VME to PCE, OSFXSR, OSXMMEXCPT, UMIP, FSGSBASE, SMEP, SMAP. No PCIDs, no five levels, no XSAVE:
 * XCR0 is the caller's. */
#define CR4_MAY (0xffful | CR4_FSGSBASE | CR4_SMEP | CR4_SMAP)
#define EFER_MAY (EFER_SCE | EFER_LME | EFER_LMA | EFER_NX)
/* Without virtual-8086 mode and what belongs to it. */
#define RFLAGS_MAY 0x257fd7ul

/* vmcb.intercepts: all of INTR NMI SMI INIT VINTR, RDPMC, CPUID, RSM, INVD, HLT, INVLPGA, ports and
 * MSRs by their maps, task switches, FERR_FREEZE, SHUTDOWN. Not: loads and stores of GDTR, IDTR,
 * LDTR and TR, RDTSC, PUSHF, POPF, IRET, INT n, PAUSE, INVLPG, all of which are its own. */
#define INTERCEPTS 0xfd4c801fu
/* VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT, ICEBP, WBINVD, MONITOR, MWAIT, MWAIT armed, XSETBV,
 * RDPRU. Not: RDTSCP */
#define MORE_INTERCEPTS 0x7f7fu
/* CR3 and CR2 are its own. Reads of CR4 show what we need in it; CR8 is the machine's. */
#define READ_CR 0xfff2u
#define WRITE_CR 0xfff3u
/* #DB, #AC: one within the delivery of another never ends (XSA-156); #MC is the machine's. */
#define EXCEPTIONS (1u << TRAP_DEBUG | 1u << TRAP_ALIGNMENT | 1u << TRAP_MACHINE_CHECK)

/* Its own PAT has write-back in all eight places: whatever its page tables say, it sees memory as
 * all others do (XSA-402). */
#define PAT_CACHED 0x0606060606060606ul
#define ASID 1
#define FLUSH_ALL 1
#define EXIT_INIT 0x63

static bool has_error_code(unsigned int vector)
{
    return vector == TRAP_DOUBLE_FAULT || vector == TRAP_ALIGNMENT ||
           (vector >= TRAP_INVALID_TSS && vector <= TRAP_PAGE_FAULT);
}

static bool event_ok(uint64_t event)
{
    unsigned int vector = event & 0xff;
    bool error = event & DOMUS_EVENT_HAS_ERROR;

    if (!event) return true;
    if (!(event & DOMUS_EVENT_VALID) || event & 0x7ffff000) return false;
    if ((event & DOMUS_EVENT_KIND) == DOMUS_EVENT_INTERRUPT) return !error && vector >= 16;
    return (event & DOMUS_EVENT_KIND) == DOMUS_EVENT_EXCEPTION && vector < 31 &&
           vector != TRAP_NMI && error == has_error_code(vector);
}

/* EFER.LME without CR4.PAE is allowed before paging is on, but QEMU 7.2 does not get our CR0 back
 * from there at the exit: it would enter long mode, by the guest's CR4. */
static bool modes_ok(const struct domus_run *r)
{
    bool paging = r->cr0 & CR0_PG, will = r->efer & EFER_LME, is = r->efer & EFER_LMA;

    return (!paging || r->cr0 & CR0_PE) && is == (paging && will) &&
           (!will || r->cr4 & CR4_PAE);
}

static bool addresses_ok(const struct domus_run *r)
{
    bool ok = is_canonical(r->rip) && is_canonical(r->lstar) && is_canonical(r->cstar) &&
              is_canonical(r->kernel_gs_base) && is_canonical(r->ldtr.base) &&
              is_canonical(r->tr.base) && is_canonical(r->gdtr.base) && is_canonical(r->idtr.base);

    for (unsigned int i = 0; i < DOMUS_RUN_SEGMENTS; i++)
        ok = ok && is_canonical(r->segment[i].base);
    return ok;
}

int run_check(const struct domus_run *r)
{
    if (r->cr0 & ~CR0_MAY) return fail_value(-EINVAL, "bits of CR0 that it may not have", r->cr0);
    if (r->cr4 & ~CR4_MAY) return fail_value(-EINVAL, "bits of CR4 that it may not have", r->cr4);
    if (r->efer & ~EFER_MAY) return fail_value(-EINVAL, "bits of EFER that are not its", r->efer);
    if (r->rflags & ~RFLAGS_MAY) return fail_value(-EINVAL, "bits of RFLAGS", r->rflags);
    if (!modes_ok(r)) return fail(-EINVAL, "paging and long mode as no processor has them");
    if (!addresses_ok(r)) return fail(-EINVAL, "an address that is not canonical");
    if (!event_ok(r->inject)) return fail_value(-EINVAL, "no event to be injected", r->inject);
    if (r->wishes & ~DOMUS_RUN_WINDOW || r->shadow > 1)
        return fail_value(-EINVAL, "wishes that there are not", r->wishes);
    return 0;
}

static void controls(const struct domus_run *r, struct vmcb *v)
{
    v->read_cr = READ_CR;
    v->write_cr = WRITE_CR;
    v->read_dr = v->write_dr = 0xffff;
    v->exceptions = EXCEPTIONS;
    v->intercepts = INTERCEPTS;
    v->more_intercepts = MORE_INTERCEPTS;
    v->tsc_offset = r->tsc_offset;
    v->asid = ASID;
    v->tlb_control = FLUSH_ALL;
    v->interrupts = VMCB_VIRTUAL_MASKING;
    if (r->wishes & DOMUS_RUN_WINDOW)
        v->interrupts |= VMCB_VIRTUAL_PENDING | VMCB_VIRTUAL_ALWAYS;
    v->shadow = r->shadow;
    v->inject = r->inject;
    v->nested = 1;
}

/* The block is clear but for the maps. */
void run_to_vmcb(const struct domus_run *r, struct vmcb *v)
{
    controls(r, v);
    for (unsigned int i = 0; i < DOMUS_RUN_SEGMENTS; i++)
        v->segment[i] = r->segment[i];
    v->gdtr = r->gdtr;
    v->ldtr = r->ldtr;
    v->idtr = r->idtr;
    v->tr = r->tr;
    v->cpl = r->segment[DOMUS_RUN_SS].flags >> 5 & 3;
    v->efer = r->efer | EFER_SVME;
    v->cr4 = r->cr4 | CR4_MCE;
    v->cr3 = r->cr3;
    v->cr0 = r->cr0 | CR0_ET;
    v->cr2 = r->cr2;
    v->dr7 = DR7_FIXED;
    v->dr6 = DR6_FIXED;
    v->rflags = r->rflags | RFLAGS_FIXED;
    v->rip = r->rip;
    v->rax = r->general[0];
    v->rsp = r->general[4];
    v->star = r->star;
    v->lstar = r->lstar;
    v->cstar = r->cstar;
    v->sfmask = r->sfmask;
    v->kernel_gs_base = r->kernel_gs_base;
    v->pat = PAT_CACHED;
}

/* The CPU's SS may have another DPL than its level in 64-bit mode; here it is one thing. */
static void segments_from(struct domus_run *r, const struct vmcb *v)
{
    struct domus_run_segment *ss = &r->segment[DOMUS_RUN_SS];

    for (unsigned int i = 0; i < DOMUS_RUN_SEGMENTS; i++)
        r->segment[i] = v->segment[i];
    ss->flags = (uint16_t)((ss->flags & ~(3u << 5)) | (v->cpl & 3u) << 5);
    r->gdtr = v->gdtr;
    r->ldtr = v->ldtr;
    r->idtr = v->idtr;
    r->tr = v->tr;
}

/* An interrupt, NMI, SMI or INIT, which it is is no business of a guest's. */
static bool is_the_machines(uint32_t exit)
{
    return exit >= DOMUS_EXIT_INTERRUPT && exit <= EXIT_INIT;
}

void run_from_vmcb(struct domus_run *r, const struct vmcb *v)
{
    r->exit = is_the_machines((uint32_t)v->exit) ? DOMUS_EXIT_INTERRUPT : (uint32_t)v->exit;
    if (r->exit == DOMUS_EXIT_INVALID) return;
    segments_from(r, v);
    r->info[0] = v->info[0];
    r->info[1] = v->info[1];
    r->interrupted = v->interrupted & DOMUS_EVENT_VALID ? v->interrupted : 0;
    r->inject = 0;
    r->shadow = v->shadow & 1;
    r->cr2 = v->cr2;
    r->cr3 = v->cr3;
    r->dr6 = v->dr6;
    r->rflags = v->rflags;
    r->rip = v->rip;
    r->general[0] = v->rax;
    r->general[4] = v->rsp;
    r->star = v->star;
    r->lstar = v->lstar;
    r->cstar = v->cstar;
    r->sfmask = v->sfmask;
    r->kernel_gs_base = v->kernel_gs_base;
}
