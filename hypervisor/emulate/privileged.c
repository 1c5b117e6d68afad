/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions of guests. A guest's kernel runs at CPL 3, so the CPU answers `mov %cr0,
 * %rax` or `out` with #GP; we look at the instruction and perform what the ABI promises. Whatever
 * is not in the switch below stays a #GP.
 *
 * The bytes are read once into ring-0 memory, at most 15 (the guest may change them under us, or
 * run off a page's end), decoded by the allow-list of decode.c, and only then judged. User mode
 * gets I/O ports if its kernel gave it some, and CPUID.
 */
#include "emulate/privileged.h"
#include "emulate/fetch.h"
#include "domain/cr4.h"
#include "domain/tables.h"
#include "entry/hypercall.h"
#include "entry/trap.h"
#include "machine/io.h"
#include "memory/access.h"
#include "memory/mmu.h"

#define DR6_SINGLE_STEP (1u << 14)
/* ud2, "xen", cpuid: as bytes 0f 0b 78 65 6e 0f a2 */
#define FORCED_CPUID 0xa20f6e65780b0ful
#define FORCED_CPUID_BYTES 7
/* rep ins/outs: elements between two looks at what else is waiting */
#define STRING_BURST 64
#define SELECTOR_LDT 4
#define DESCRIPTOR_LONG (1ul << 53)
#define DESCRIPTOR_BIG (1ul << 54)
#define DESCRIPTOR_BASE 0xff0000ffffff0000

/* 64-bit code, or 32-bit code whose segment begins at 0, by the guest's GDT. Anything else is not
 * emulated. */
static bool code_segment_ok(const struct vcpu *v, bool *long_mode)
{
    *long_mode = true;
    if (v->regs.cs == FLAT_RING3_CS64) return true;
    if (v->regs.cs & SELECTOR_LDT) return false;
    /* the window covers every selector */
    uint64_t descriptor = *(const uint64_t *)(v->window.base + (v->regs.cs & ~7u));
    *long_mode = descriptor & DESCRIPTOR_LONG;
    return *long_mode || ((descriptor & DESCRIPTOR_BIG) && !(descriptor & DESCRIPTOR_BASE));
}

void emulate_finish(struct vcpu *v, unsigned int length)
{
    v->regs.rip += length;
    v->regs.rflags &= ~(uint64_t)RFLAGS_RF;
    if (v->regs.rflags & RFLAGS_TF) {
        v->hw.debugreg[6] |= DR6_SINGLE_STEP;
        inject_trap(v, TRAP_DEBUG, NO_ERROR_CODE);
    }
}

/* A two-register answer: low half in eax, high half in edx. */
static void set_edx_eax(struct cpu_user_regs *r, uint64_t value)
{
    r->rax = (uint32_t)value;
    r->rdx = value >> 32;
}

static void perform_cpuid(struct vcpu *v)
{
    struct cpu_user_regs *r = &v->regs;
    struct cpuid_regs leaf = cpuid_policy((uint32_t)r->rax, (uint32_t)r->rcx);
    r->rax = leaf.a;
    r->rbx = leaf.b;
    r->rcx = leaf.c;
    r->rdx = leaf.d;
}

/* ---- ports ---- */

/* Guest kernel mode counts as ring 1 of the emulated IOPL; with the architectural_iopl assist it
 * counts as ring 0. */
static bool iopl_ok(const struct vcpu *v)
{
    unsigned int needed = !v->in_kernel                                                ? 3
                          : v->domain->vm_assist >> VMASST_TYPE_architectural_iopl & 1 ? 0
                                                                                       : 1;
    return v->ports.iopl >= needed;
}

static bool ports_ok(const struct vcpu *v, uint16_t port, unsigned int size)
{
    uint8_t bits[2] = { 0xff, 0xff };
    if (iopl_ok(v)) return true;
    if (port + size > v->ports.bitmap_ports) return false;
    size_t bytes = port / 8 == (port + size - 1) / 8 ? 1 : 2;
    if (copy_from_guest(bits, VADDR(v->ports.bitmap + port / 8), bytes)) return false;
    unsigned int wanted = ((1u << size) - 1) << port % 8;
    return !((bits[0] | bits[1] << 8) & wanted);
}

static bool perform_in_out(struct vcpu *v, const struct insn *i)
{
    bool immediate = !(i->opcode & 8);
    uint16_t port = immediate ? (uint8_t)i->immediate : (uint16_t)v->regs.rdx;
    if (!ports_ok(v, port, i->operand_size)) return false;
    if (i->opcode & 2)
        port_out(v, port, i->operand_size, (uint32_t)v->regs.rax);
    else
        insn_set_register(i, &v->regs, 0, port_in(v, port, i->operand_size));
    return true;
}

/* The base of the segment that outs reads from: only FS and GS have one in 64-bit code. GS was
 * swapped on entry. */
static uint64_t source_base(const struct insn *i)
{
    return i->segment == INSN_SEG_FS   ? rdmsr(MSR_FS_BASE)
           : i->segment == INSN_SEG_GS ? rdmsr(MSR_KERNEL_GS_BASE)
                                       : 0;
}

enum string_result { STRING_DONE, STRING_REFUSED, STRING_FAULTED };

/* One element of ins (0x6c, 0x6d) or outs (0x6e, 0x6f), then the pointer moves. */
static enum string_result string_element(struct vcpu *v, const struct insn *i)
{
    struct cpu_user_regs *r = &v->regs;
    bool out = i->opcode & 2;
    uint64_t *pointer = out ? &r->rsi : &r->rdi;
    uint64_t mask = i->address_size == 4 ? UINT32_MAX : UINT64_MAX;
    uint64_t address = (*pointer & mask) + (out ? source_base(i) : 0);
    uint32_t value = 0;
    int error;
    if (!ports_ok(v, (uint16_t)r->rdx, i->operand_size)) return STRING_REFUSED;
    if (out) {
        error = copy_from_guest(&value, VADDR(address), i->operand_size);
        if (!error)
            port_out(v, (uint16_t)r->rdx, i->operand_size, value);
    } else {
        value = port_in(v, (uint16_t)r->rdx, i->operand_size);
        error = copy_to_guest(VADDR(address), &value, i->operand_size);
    }
    if (error) {
        const uint64_t *entry = mmu_walk(&v->tables, address);
        inject_page_fault(v, address,
                          (entry && (*entry & 1) ? PF_PRESENT : 0) | (out ? 0 : PF_WRITE));
        return STRING_FAULTED;
    }
    uint64_t moved = r->rflags & RFLAGS_DF ? *pointer - i->operand_size
                                           : *pointer + i->operand_size;
    *pointer = i->address_size == 4 ? moved & mask : moved;
    return STRING_DONE;
}

/* With rep: a burst of elements, then back to the guest at the same instruction until the count is
 * 0. */
static bool perform_string(struct vcpu *v, const struct insn *i)
{
    struct cpu_user_regs *r = &v->regs;
    bool repeated = i->rep || i->repne;
    uint64_t mask = i->address_size == 4 ? UINT32_MAX : UINT64_MAX;
    for (int n = 0; n < (repeated ? STRING_BURST : 1); n++) {
        if (repeated && !(r->rcx & mask))
            break;
        switch (string_element(v, i)) {
        case STRING_REFUSED: return false;
        /* the guest's handler runs next; RIP stays at the instruction */
        case STRING_FAULTED: return true;
        case STRING_DONE: break;
        }
        if (repeated)
            r->rcx = (r->rcx - 1) & mask;
    }
    if (!repeated || !(r->rcx & mask))
        emulate_finish(v, i->length);
    return true;
}

/* ---- control and debug registers ---- */

static bool read_control_register(struct vcpu *v, const struct insn *i)
{
    uint64_t *to = regs_register(&v->regs, i->rm);
    switch (i->reg) {
    case 0: *to = (read_cr0() & ~CR0_TS) | (v->hw.guest_cr0 & CR0_TS); return true;
    case 2: *to = v->info->arch.cr2; return true;
    case 3: *to = v->tables.kernel_cr3; return true;
    case 4: *to = v->hw.guest_cr4 | cr4_fixed(); return true;
    default: return false;
    }
}

/* As MMUEXT_NEW_BASEPTR. Validating the table may take several goes: then the guest makes the same
 * move again. */
static bool change_cr3(struct vcpu *v, uint64_t value, bool *again)
{
    int error = vcpu_change_tables(v, maddr_to_mfn(MADDR(value)));

    *again = error == -ERESTART;
    return !error || *again;
}

static bool write_control_register(struct vcpu *v, const struct insn *i, bool *again)
{
    uint64_t value = *regs_register(&v->regs, i->rm);
    switch (i->reg) {
    case 0:                         /* only TS is the guest's to change */
        if ((value ^ read_cr0()) & ~(uint64_t)CR0_TS) return false;
        do_fpu_taskswitch((value & CR0_TS) != 0);
        return true;
    case 2: v->info->arch.cr2 = value; return true;
    case 3: return change_cr3(v, value, again);
    case 4:                         /* bits that are not the guest's stay as they are */
        vcpu_choose_cr4(v, value);
        vcpu_load_cr4(v);
        return true;
    default: return false;
    }
}

/* The guest's CR4 says that there is no such instruction. True: nothing is left to do, RIP stays
 * where it is. */
static bool invalid_instruction(struct vcpu *v, bool *again)
{
    inject_trap(v, TRAP_INVALID_OP, NO_ERROR_CODE);
    return *again = true;
}

static bool debug_register(struct vcpu *v, const struct insn *i, bool *again)
{
    uint64_t *general = regs_register(&v->regs, i->rm);
    unsigned int reg = debugreg_number(v, i->reg);
    if (reg == NO_DEBUGREG) return invalid_instruction(v, again);
    if (i->opcode == 0x23) return do_set_debugreg(reg, *general) == 0;
    *general = v->hw.debugreg[reg];
    return true;
}

/* ---- MSRs ---- */

/* Early in their start some kernels read MSRs before they have a #GP handler; they get 0 rather
 * than their end (the note in <xen/arch-x86/xen.h> at trap_info). */
static bool perform_rdmsr(struct vcpu *v)
{
    uint64_t value = 0;
    if (!msr_read(v, (uint32_t)v->regs.rcx, &value) && v->entry.traps[TRAP_GP].address)
        return false;
    set_edx_eax(&v->regs, value);
    return true;
}

static bool perform_wrmsr(struct vcpu *v)
{
    return msr_write(v, (uint32_t)v->regs.rcx,
                     (uint64_t)(uint32_t)v->regs.rdx << 32 | (uint32_t)v->regs.rax);
}

/* XCR0 is the only extended control register. */
static bool perform_xsetbv(struct vcpu *v)
{
    uint64_t value = (uint64_t)(uint32_t)v->regs.rdx << 32 | (uint32_t)v->regs.rax;
    if ((uint32_t)v->regs.rcx != 0 || !xcr0_valid(value)) return false;
    v->hw.xcr0 = value;
    write_xcr0(value);
    return true;
}

/* ---- the switch ---- */

static bool perform_two_byte(struct vcpu *v, const struct insn *i, bool *again)
{
    if (i->opcode == 0xa2) {
        perform_cpuid(v);
        return true;
    }
    bool xsetbv = i->opcode == 0x01 && i->reg == 2 && i->rm == 1;
    if (xsetbv && !(v->hw.guest_cr4 & CR4_OSXSAVE)) return invalid_instruction(v, again);
    if (!v->in_kernel)              /* all that follows is for guest kernels (XSA-105) */
        return false;
    switch (i->opcode) {
    case 0x01:
        if (xsetbv) return perform_xsetbv(v);
        if (i->reg == 7 && i->rm == 1) {            /* rdtscp */
            set_edx_eax(&v->regs, rdtsc());
            v->regs.rcx = v->hw.tsc_aux;
            return true;
        }
        return false;
    case 0x06: do_fpu_taskswitch(0); return true;
    /* wbinvd: who has no devices has nothing to write back */
    case 0x09:
        if (v->domain->privileged)
            __asm__ volatile("wbinvd" : : : "memory");
        return true;
    case 0x20: return read_control_register(v, i);
    case 0x22: return write_control_register(v, i, again);
    case 0x21: case 0x23: return debug_register(v, i, again);
    case 0x30: return perform_wrmsr(v);
    case 0x31: set_edx_eax(&v->regs, rdtsc()); return true;
    case 0x32: return perform_rdmsr(v);
    default: return false;
    }
}

bool emulate_privileged(struct vcpu *v)
{
    struct insn insn;
    bool long_mode, done, again = false;

    if (!code_segment_ok(v, &long_mode) || !fetch_insn(&insn, v->regs.rip, long_mode)) return false;
    if (insn.two_byte) {
        done = perform_two_byte(v, &insn, &again);
    } else {
        switch (insn.opcode) {
        case 0x6c: case 0x6d: case 0x6e: case 0x6f:
            return perform_string(v, &insn);
        case 0xe4: case 0xe5: case 0xe6: case 0xe7: case 0xec: case 0xed: case 0xee: case 0xef:
            done = perform_in_out(v, &insn);
            break;
        /* cli, sti: accepted by IOPL, without effect on the event mask */
        case 0xfa: case 0xfb:
            done = iopl_ok(v);
            break;
        default:
            done = false;
        }
    }
    if (done && !again)
        emulate_finish(v, insn.length);
    return done;
}

bool emulate_forced_cpuid(struct vcpu *v)
{
    uint64_t bytes = 0;
    if (copy_from_guest(&bytes, VADDR(v->regs.rip), FORCED_CPUID_BYTES) || bytes != FORCED_CPUID)
        return false;
    perform_cpuid(v);
    emulate_finish(v, FORCED_CPUID_BYTES);
    return true;
}
