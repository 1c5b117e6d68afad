/* SPDX-License-Identifier: MIT */
/*
 * Instructions of the system: ports, control and debug registers, descriptor tables, MSRs, CPUID,
 * HLT. What is not offered (SMEP, SMAP, PCIDs, five levels, XSAVE, performance counters) is #GP or
 * #UD as on a CPU without it; the platform's CPUID must not promise it.
 */
#include "internal.h"

enum {
    MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_PAT = 0x277,
};
#define MSR_EFER            0xc0000080u
#define MSR_STAR            0xc0000081u
#define MSR_LSTAR           0xc0000082u
#define MSR_CSTAR           0xc0000083u
#define MSR_SFMASK          0xc0000084u
#define MSR_FS_BASE         0xc0000100u
#define MSR_GS_BASE         0xc0000101u
#define MSR_KERNEL_GS_BASE  0xc0000102u
/* VME to PCE, OSFXSR, OSXMMEXCPT */
#define CR4_OFFERED 0x7ffull
#define CR0_OFFERED 0xe005003full
#define CR0_CD      (1ull << 30)
#define CR0_NW      (1ull << 29)
#define CR0_ET      (1ull << 4)
#define CR0_LOADED  0xeull              /* by LMSW: MP EM TS, and PE, which it only sets */

bool privileged(struct vcpu *vcpu)
{
    return !vcpu->cpl || raise_with(vcpu, VECTOR_GP, 0);
}

static bool general_protection(struct vcpu *vcpu)
{
    return raise_with(vcpu, VECTOR_GP, 0);
}

static void invalidated(struct vcpu *vcpu, uint64_t address, bool all)
{
    tlb_flush(vcpu);
    if (vcpu->ops->invalidated)
        vcpu->ops->invalidated(vcpu, address, all);
}

/* By IOPL, or by the bits of the TSS's map, of which two bytes are read. */
bool port_allowed(struct vcpu *vcpu, uint16_t port, unsigned int size)
{
    uint64_t map, bits;
    if (vcpu->cpl <= (vcpu->rflags & FLAG_IOPL) >> 12) return true;
    if (vcpu->tr.limit < 0x67) return general_protection(vcpu);
    if (!load_linear(vcpu, vcpu->tr.base + 0x66, 2, ACCESS_READ, &map)) return false;
    map += port / 8;
    if (map + 1 > vcpu->tr.limit) return general_protection(vcpu);
    if (!load_linear(vcpu, vcpu->tr.base + map, 2, ACCESS_READ, &bits)) return false;
    return !(bits >> port % 8 & ((1u << size) - 1)) || general_protection(vcpu);
}

bool do_port(struct vcpu *vcpu, const struct instruction *insn)
{
    uint16_t port = (uint16_t)(insn->opcode & 8 ? vcpu->general[RDX] : insn->immediate & 0xff);
    unsigned int size = insn->size;
    if (!port_allowed(vcpu, port, size)) return false;
    if (insn->opcode & 2)
        vcpu->ops->port_out(vcpu, port, size, (uint32_t)(vcpu->general[RAX] & size_mask(size)));
    else
        put_register(&vcpu->general[RAX], size, vcpu->ops->port_in(vcpu, port, size));
    return true;
}

bool do_halt(struct vcpu *vcpu, const struct instruction *insn)
{
    if (!privileged(vcpu)) return false;
    vcpu->halted = true;
    return true;
}

bool do_cli_sti(struct vcpu *vcpu, const struct instruction *insn)
{
    if (vcpu->cpl > (vcpu->rflags & FLAG_IOPL) >> 12) return general_protection(vcpu);
    if (insn->opcode == 0xfa) {
        vcpu->rflags &= ~(uint64_t)FLAG_IF;
        return true;
    }
    vcpu->shadow = !(vcpu->rflags & FLAG_IF);
    vcpu->rflags |= FLAG_IF;
    return true;
}

/* Long mode begins and ends with paging. */
static bool write_cr0(struct vcpu *vcpu, uint64_t value)
{
    bool paging = value & CR0_PG, was = vcpu->cr0 & CR0_PG;
    uint64_t efer = vcpu->efer;
    if ((value >> 32) || (paging && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
        return general_protection(vcpu);
    if (!(value & CR0_PE)) return unknown(vcpu, "real mode");
    if (paging && !was) {
        if (!(efer & EFER_LME)) return unknown(vcpu, "paging without long mode");
        if (!(vcpu->cr4 & CR4_PAE) || (vcpu->segment[CS].flags & SEGMENT_LONG))
            return general_protection(vcpu);
        efer |= EFER_LMA;
    } else if (was && !paging) {
        if (is_64(vcpu)) return general_protection(vcpu);
        efer &= ~EFER_LMA;
    }
    value = (value & CR0_OFFERED) | CR0_ET;
    bool changes = (value ^ vcpu->cr0) & (CR0_PG | CR0_WP);
    vcpu->cr0 = value;
    vcpu->efer = efer;
    if (changes)
        invalidated(vcpu, 0, true);
    return true;
}

static bool write_control(struct vcpu *vcpu, unsigned int number, uint64_t value)
{
    switch (number) {
    case 0: return write_cr0(vcpu, value);
    case 2: vcpu->cr2 = value; return true;
    case 3:
        if (value >> 52) return general_protection(vcpu);
        vcpu->cr3 = value;
        invalidated(vcpu, 0, true);
        return true;
    case 4:
        if ((value & ~CR4_OFFERED) || ((vcpu->efer & EFER_LMA) && !(value & CR4_PAE)))
            return general_protection(vcpu);
        if (value != vcpu->cr4) {
            vcpu->cr4 = value;
            invalidated(vcpu, 0, true);
        }
        return true;
    default:
        if (value > 15) return general_protection(vcpu);
        vcpu->cr8 = value;
        return true;
    }
}

/* 20: from, 22: to a control register; 0, 2, 3, 4, 8 are there. */
bool do_mov_control(struct vcpu *vcpu, const struct instruction *insn)
{
    const uint64_t *registers[16] = {
        [0] = &vcpu->cr0, [2] = &vcpu->cr2, [3] = &vcpu->cr3, [4] = &vcpu->cr4, [8] = &vcpu->cr8,
    };
    if (!registers[insn->reg]) return raise(vcpu, VECTOR_UD);
    if (!privileged(vcpu)) return false;
    if (insn->opcode & 2)
        return write_control(vcpu, insn->reg, get_register(vcpu, insn, insn->rm, insn->size));
    put_register(&vcpu->general[insn->rm], insn->size, *registers[insn->reg]);
    return true;
}

/* They hold what is written, and watch nothing. 4 and 5 are other names of 6 and 7. */
bool do_mov_debug(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int number = insn->reg | (insn->reg & 4 ? 2 : 0);
    if (insn->reg > 7) return raise(vcpu, VECTOR_UD);
    if (!privileged(vcpu)) return false;
    if (insn->opcode & 2)
        vcpu->dr[number] = get_register(vcpu, insn, insn->rm, insn->size);
    else
        put_register(&vcpu->general[insn->rm], insn->size, vcpu->dr[number]);
    return true;
}

bool do_clts(struct vcpu *vcpu, const struct instruction *insn)
{
    if (!privileged(vcpu)) return false;
    vcpu->cr0 &= ~CR0_TS;
    return true;
}

bool do_invalidate_caches(struct vcpu *vcpu, const struct instruction *insn)
{
    return privileged(vcpu);
}

static bool write_efer(struct vcpu *vcpu, uint64_t value)
{
    if (value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) return general_protection(vcpu);
    if ((vcpu->cr0 & CR0_PG) && ((value ^ vcpu->efer) & EFER_LME)) return general_protection(vcpu);
    vcpu->efer = (value & ~EFER_LMA) | (vcpu->efer & EFER_LMA);
    invalidated(vcpu, 0, true);
    return true;
}

/* Those that are a plain word; `address`: it must be canonical. */
static uint64_t *plain_msr(struct vcpu *vcpu, uint32_t msr, bool *address)
{
    *address = msr != MSR_STAR && msr != MSR_SFMASK && msr != MSR_PAT && msr != MSR_APIC_BASE;
    switch (msr) {
    case MSR_STAR: return &vcpu->star;
    case MSR_LSTAR: return &vcpu->lstar;
    case MSR_CSTAR: return &vcpu->cstar;
    case MSR_SFMASK: return &vcpu->sfmask;
    case MSR_FS_BASE: return &vcpu->segment[FS].base;
    case MSR_GS_BASE: return &vcpu->segment[GS].base;
    case MSR_KERNEL_GS_BASE: return &vcpu->kernel_gs_base;
    case MSR_PAT: return &vcpu->pat;
    case MSR_APIC_BASE: return &vcpu->apic_base;
    default: return NULL;
    }
}

static bool read_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    bool address;
    const uint64_t *plain = plain_msr(vcpu, msr, &address);
    if (plain)
        *value = *plain;
    else if (msr == MSR_EFER)
        *value = vcpu->efer;
    else if (msr == MSR_TSC)
        *value = vcpu->ops->tsc(vcpu) + vcpu->tsc_offset;
    else
        return general_protection(vcpu);
    return true;
}

static bool write_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    bool address;
    uint64_t *plain = plain_msr(vcpu, msr, &address);
    if (msr == MSR_EFER) return write_efer(vcpu, value);
    if (plain && address && !is_canonical(value)) return general_protection(vcpu);
    if (plain)
        *plain = msr == MSR_SFMASK ? (uint32_t)value : value;
    else if (msr == MSR_TSC)
        vcpu->tsc_offset = value - vcpu->ops->tsc(vcpu);
    else
        return general_protection(vcpu);
    return true;
}

static void set_edx_eax(struct vcpu *vcpu, uint64_t value)
{
    vcpu->general[RAX] = (uint32_t)value;
    vcpu->general[RDX] = value >> 32;
}

/* 30: WRMSR, 32: RDMSR */
bool do_msr(struct vcpu *vcpu, const struct instruction *insn)
{
    uint32_t msr = (uint32_t)vcpu->general[RCX];
    uint64_t value = vcpu->general[RDX] << 32 | (uint32_t)vcpu->general[RAX];
    if (!privileged(vcpu)) return false;
    if (insn->opcode == 0x30) return write_msr(vcpu, msr, value);
    if (!read_msr(vcpu, msr, &value)) return false;
    set_edx_eax(vcpu, value);
    return true;
}

bool do_tsc(struct vcpu *vcpu, const struct instruction *insn)
{
    if ((vcpu->cr4 & CR4_TSD) && !privileged(vcpu)) return false;
    set_edx_eax(vcpu, vcpu->ops->tsc(vcpu) + vcpu->tsc_offset);
    return true;
}

bool do_cpuid(struct vcpu *vcpu, const struct instruction *insn)
{
    uint32_t out[4];
    vcpu->ops->cpuid(vcpu, (uint32_t)vcpu->general[RAX], (uint32_t)vcpu->general[RCX], out);
    vcpu->general[RAX] = out[0];
    vcpu->general[RBX] = out[1];
    vcpu->general[RCX] = out[2];
    vcpu->general[RDX] = out[3];
    return true;
}

static bool store_table(struct vcpu *vcpu, const struct instruction *insn,
                        const struct descriptor_table *table)
{
    uint64_t at = effective_address(vcpu, insn);
    return store(vcpu, insn->segment, at, 2, table->limit) &&
           store(vcpu, insn->segment, at + 2, is_64(vcpu) ? 8 : 4, table->base);
}

static bool load_table(struct vcpu *vcpu, const struct instruction *insn,
                       struct descriptor_table *table)
{
    uint64_t limit, base, at = effective_address(vcpu, insn);
    if (!privileged(vcpu)) return false;
    if (!load(vcpu, insn->segment, at, 2, ACCESS_READ, &limit) ||
        !load(vcpu, insn->segment, at + 2, is_64(vcpu) ? 8 : 4, ACCESS_READ, &base))
        return false;
    if (!is_canonical(base)) return general_protection(vcpu);
    *table = (struct descriptor_table){ .base = base, .limit = (uint16_t)limit };
    return true;
}

static bool swapgs(struct vcpu *vcpu)
{
    uint64_t base = vcpu->segment[GS].base;
    if (!is_64(vcpu)) return raise(vcpu, VECTOR_UD);
    if (!privileged(vcpu)) return false;
    vcpu->segment[GS].base = vcpu->kernel_gs_base;
    vcpu->kernel_gs_base = base;
    return true;
}

/* SMSW; LMSW, which can set PE and not clear it. */
static bool machine_status(struct vcpu *vcpu, const struct instruction *insn, bool to)
{
    uint64_t value;
    if (!to) return write_rm(vcpu, insn, insn->memory ? 2 : insn->size, vcpu->cr0);
    if (!privileged(vcpu) || !read_rm(vcpu, insn, 2, &value)) return false;
    return write_cr0(vcpu, (vcpu->cr0 & ~CR0_LOADED) | (value & (CR0_LOADED | CR0_PE)));
}

/* SGDT SIDT LGDT LIDT SMSW LMSW INVLPG; with a register the last of them is SWAPGS. */
bool do_group7(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int member = insn->reg & 7, rm = insn->rm & 7;
    if (member == 4 || member == 6) return machine_status(vcpu, insn, member == 6);
    if (!insn->memory) return member == 7 && rm == 0 ? swapgs(vcpu) : raise(vcpu, VECTOR_UD);
    switch (member) {
    case 0: return store_table(vcpu, insn, &vcpu->gdtr);
    case 1: return store_table(vcpu, insn, &vcpu->idtr);
    case 2: return load_table(vcpu, insn, &vcpu->gdtr);
    case 3: return load_table(vcpu, insn, &vcpu->idtr);
    case 7:
        if (!privileged(vcpu)) return false;
        invalidated(vcpu, operand_address(vcpu, insn), false);
        return true;
    default: return raise(vcpu, VECTOR_UD);
    }
}

/* FXSAVE, FXRSTOR: all 512 bytes are kept, and no more is known of them. */
static bool move_fpu(struct vcpu *vcpu, const struct instruction *insn, bool restore)
{
    uint64_t image[64], at = effective_address(vcpu, insn);
    if (vcpu->cr0 & CR0_TS) return raise(vcpu, VECTOR_NM);
    if (operand_address(vcpu, insn) & 15) return general_protection(vcpu);
    for (unsigned int i = 0; i < 64; i++) {
        image[i] = load_place(vcpu->fpu + 8 * i, 8);
        if (!(restore ? load(vcpu, insn->segment, at + 8 * i, 8, ACCESS_READ, &image[i])
                      : store(vcpu, insn->segment, at + 8 * i, 8, image[i])))
            return false;
    }
    for (unsigned int i = 0; i < 64; i++)
        store_place(vcpu->fpu + 8 * i, 8, image[i]);
    return true;
}

/* FXSAVE FXRSTOR, CLFLUSH; fences. */
bool do_group15(struct vcpu *vcpu, const struct instruction *insn)
{
    unsigned int member = insn->reg & 7;
    uint64_t value;
    if (insn->rep || insn->repne) return unknown(vcpu, "0f ae with a prefix");
    if (!insn->memory) return member >= 5 || raise(vcpu, VECTOR_UD);    /* nothing to order */
    if (member < 2) return move_fpu(vcpu, insn, member);
    if (member == 7) return read_rm(vcpu, insn, 1, &value);
    return unknown(vcpu, "0f ae: MXCSR or XSAVE");
}
