/* SPDX-License-Identifier: MIT */
/* The table itself, as README.md shows it. What "traps" and "is emulated" mean is Xen's behaviour
 * towards the kernel of a 64-bit PV guest, and Domus's, which is the same. */
#include "table.h"

#define M(name) ZYDIS_MNEMONIC_##name
#define NO_NAME M(INVALID)
#define INTERRUPTS_OFF "events_mask_all(), events_save()"
#define FRONT_ENDS "the front ends of drivers/ (xs_init() first); dom0 keeps its ports"

const char *const kind_names[KINDS] = { "privileged", "silent", "leaking", "guess" };

const struct row rows[] = {
    /* ---- silent ---- */
    { "pushf", SILENT, true, 8,
      "IF and IOPL are the real machine's: IF always reads as 1, whatever is masked",
      "events_save(), events_masked()", ANY, { M(PUSHF), M(PUSHFD), M(PUSHFQ) } },
    { "popf", SILENT, true, 8,
      "IF and IOPL stay as they are: events are neither masked nor unmasked", "events_restore()",
      ANY, { M(POPF), M(POPFD), M(POPFQ) } },
    { "iret", SILENT, true, 9,
      "returns within ring 3: no other stack, page table or event mask, no user mode",
      "return_to_frame(), enter_user_mode(): HYPERVISOR_iret", ANY,
      { M(IRET), M(IRETD), M(IRETQ) } },
    { "sgdt", SILENT, true, 4, "the hypervisor's own table (a fault, where UMIP is on)",
      "HYPERVISOR_set_gdt, and remember it", ANY, { M(SGDT) } },
    { "sidt", SILENT, true, 3, "the hypervisor's own table (a fault, where UMIP is on)",
      "traps_init(), and remember it", ANY, { M(SIDT) } },
    { "sldt", SILENT, true, 4, "the hypervisor's selector for the table of MMUEXT_SET_LDT",
      "remember it", ANY, { M(SLDT) } },
    { "str", SILENT, true, 4, "the hypervisor's task segment (a fault, where UMIP is on)",
      "this_cpu(), cpu_id()", ANY, { M(STR) } },
    { "smsw", SILENT, true, 4, "the real CR0, TS as the hypervisor wants it",
      "HYPERVISOR_fpu_taskswitch, and remember it", ANY, { M(SMSW) } },
    { "lar", SILENT, true, 4, "asks the hypervisor's GDT, with ring 3's rights",
      "the flat segments are known: FLAT_KERNEL_CS and others", ANY, { M(LAR) } },
    { "lsl", SILENT, true, 4, "asks the hypervisor's GDT, with ring 3's rights",
      "cpu_id(), where it is read as the number of the CPU", ANY, { M(LSL) } },
    { "verr", SILENT, true, 4, "asks the hypervisor's GDT, with ring 3's rights",
      "the flat segments are known: FLAT_KERNEL_DS and others", ANY, { M(VERR) } },
    { "verw", SILENT, true, 4,
      "asks the hypervisor's GDT, with ring 3's rights (but it flushes CPU buffers)",
      "nothing: the hypervisor flushes at its own borders", ANY, { M(VERW) } },
    { "mov from segment", SILENT, true, 4, "the selector has ring 3 in it, CS and SS too",
      "frame_from_user() for \"did it come from user mode\"", FROM_SEGMENT, { M(MOV) } },
    { "mov to segment", SILENT, true, 4,
      "a selector of the hypervisor's GDT; the base of FS or GS becomes another at once",
      "nothing (the segments are flat); bases: HYPERVISOR_set_segment_base", TO_SEGMENT,
      { M(MOV) } },
    { "push segment", SILENT, true, 4, "the selector has ring 3 in it, CS and SS too",
      "FLAT_KERNEL_CS, FLAT_KERNEL_DS", FROM_SEGMENT, { M(PUSH) } },
    { "pop segment", SILENT, true, 4,
      "a selector of the hypervisor's GDT; the base of FS or GS becomes another at once",
      "nothing (the segments are flat); bases: HYPERVISOR_set_segment_base", TO_SEGMENT,
      { M(POP) } },
    { "load far pointer", SILENT, false, 4, "loads a segment register beside an address",
      "mov, of the address alone", ANY, { M(LDS), M(LES), M(LFS), M(LGS), M(LSS) } },
    { "call far", SILENT, true, 4, "the selector is one of the hypervisor's GDT, the ring stays 3",
      "call", FAR, { M(CALL) } },
    { "jmp far", SILENT, true, 4, "the selector is one of the hypervisor's GDT, the ring stays 3",
      "jmp: CS is flat already, and the mode is set", FAR, { M(JMP) } },
    { "ret far", SILENT, true, 4, "the selector is one of the hypervisor's GDT, the ring stays 3",
      "ret; to user mode enter_user_mode()", FAR, { M(RET) } },
    { "int n", SILENT, true, 3, "goes to set_trap_table's gate, if its dpl lets ring 3; or faults",
      "set_trap_gate(), and in the kernel a call", ANY, { M(INT) } },
    { "syscall", SILENT, false, 9, "in a PV kernel this is a hypercall, with what stands in rax",
      "HYPERVISOR_...(); to call the own kernel, a call", ANY, { M(SYSCALL) } },
    { "sysenter", SILENT, false, 9, "enters by the hypervisor's callback, not by the kernel's MSRs",
      "CALLBACKTYPE_sysenter for user mode", ANY, { M(SYSENTER) } },
    { "arpl", SILENT, false, 4, "compares with ring 3 where the kernel means ring 0",
      "nothing", ANY, { M(ARPL) } },
    { "wrfsbase, wrgsbase", SILENT, false, 9,
      "#UD where CR4.FSGSBASE is off; else it writes, but user's GS comes by no swapgs",
      "HYPERVISOR_set_segment_base", ANY, { M(WRFSBASE), M(WRGSBASE) } },

    /* ---- leaking ---- */
    { "cpuid", LEAKING, false, 4, "the machine's features and not the guest's (emulated on Domus)",
      "ud2a, \"xen\", cpuid: the hypervisor's answer", ANY, { M(CPUID) } },
    { "rdtsc", LEAKING, false, 8, "the machine's clock: it runs while the guest does not",
      "now_ns(); read_tsc() only with the scale of the shared page", ANY, { M(RDTSC) } },
    { "rdtscp", LEAKING, false, 8, "the machine's clock, and the hypervisor's number of the CPU",
      "now_ns(), cpu_id()", ANY, { M(RDTSCP) } },
    { "rdpid", LEAKING, false, 4, "the hypervisor's number of the CPU", "cpu_id()", ANY,
      { M(RDPID) } },
    { "rdpmc", LEAKING, false, 4, "counts of the machine; a fault where CR4.PCE is off", "nothing",
      ANY, { M(RDPMC), M(RDPRU) } },
    { "rdfsbase, rdgsbase", LEAKING, false, 4, "the real base; #UD where CR4.FSGSBASE is off",
      "remember it; this_cpu()", ANY, { M(RDFSBASE), M(RDGSBASE) } },
    { "xgetbv", LEAKING, false, 4, "the real XCR0; #UD where CR4.OSXSAVE is off",
      "cpuid leaf 1, bit OSXSAVE, first", ANY, { M(XGETBV) } },

    /* ---- privileged ---- */
    { "cli", PRIVILEGED, false, 8, "traps; with IOPL (PHYSDEVOP_set_iopl) emulated as nothing",
      INTERRUPTS_OFF, ANY, { M(CLI) } },
    { "sti", PRIVILEGED, false, 8, "traps; with IOPL (PHYSDEVOP_set_iopl) emulated as nothing",
      "events_unmask_all(), events_restore()", ANY, { M(STI) } },
    { "hlt", PRIVILEGED, false, 8, "traps, not emulated", "vcpu_block(): SCHEDOP_block", ANY,
      { M(HLT) } },
    { "monitor, mwait", PRIVILEGED, false, 8, "#UD", "vcpu_block(): SCHEDOP_block", ANY,
      { M(MONITOR), M(MWAIT) } },
    { "in", PRIVILEGED, false, 10, "traps; emulated for the ports that a domain has been given",
      FRONT_ENDS, ANY, { M(IN), M(INSB), M(INSW), M(INSD) } },
    { "out", PRIVILEGED, false, 10, "traps; emulated for the ports that a domain has been given",
      FRONT_ENDS, ANY, { M(OUT), M(OUTSB), M(OUTSW), M(OUTSD) } },
    { "lgdt", PRIVILEGED, false, 4, "traps, not emulated",
      "nothing (the segments are flat), or HYPERVISOR_set_gdt", ANY, { M(LGDT) } },
    { "lidt", PRIVILEGED, false, 3, "traps, not emulated", "traps_init(), set_trap_handler()", ANY,
      { M(LIDT) } },
    { "lldt", PRIVILEGED, false, 4, "traps, not emulated", "MMUEXT_SET_LDT", ANY, { M(LLDT) } },
    { "ltr", PRIVILEGED, false, 4, "traps, not emulated", "set_kernel_stack()", ANY, { M(LTR) } },
    { "lmsw", PRIVILEGED, false, 4, "traps, not emulated", "HYPERVISOR_fpu_taskswitch", ANY,
      { M(LMSW) } },
    { "clts", PRIVILEGED, false, 4, "traps, emulated", "HYPERVISOR_fpu_taskswitch(0)", ANY,
      { M(CLTS) } },
    { "mov cr0", PRIVILEGED, false, 4, "traps; emulated, writes for TS alone",
      "HYPERVISOR_fpu_taskswitch", CR0, { M(MOV) } },
    { "mov cr2", PRIVILEGED, false, 3, "traps; the hypervisor's copy is read", "fault_address()",
      CR2, { M(MOV) } },
    { "mov cr3", PRIVILEGED, false, 6, "traps; emulated, with machine addresses",
      "pt_new_base(), pt_new_user_base(); kernel_root_mfn", CR3, { M(MOV) } },
    { "mov cr4", PRIVILEGED, false, 4, "traps; emulated for few bits",
      "nothing: what can be on is on", CR4, { M(MOV) } },
    { "mov cr8", PRIVILEGED, false, 8, "traps, not emulated", INTERRUPTS_OFF, CR8, { M(MOV) } },
    { "mov dr", PRIVILEGED, false, 4, "traps, emulated",
      "HYPERVISOR_set_debugreg, HYPERVISOR_get_debugreg", DEBUG_REGISTER, { M(MOV) } },
    { "invlpg", PRIVILEGED, false, 6, "traps, not emulated", "pt_invlpg(): MMUEXT_INVLPG_...", ANY,
      { M(INVLPG) } },
    { "invpcid", PRIVILEGED, false, 6, "traps, not emulated",
      "pt_flush_tlb(): MMUEXT_TLB_FLUSH_...", ANY, { M(INVPCID) } },
    { "invd, wbinvd", PRIVILEGED, false, 6, "traps; wbinvd is emulated", "MMUEXT_FLUSH_CACHE", ANY,
      { M(INVD), M(WBINVD) } },
    { "rdmsr", PRIVILEGED, false, 4, "traps; emulated for few registers",
      "what the SDK has for each: now_ns(), this_cpu(), ...", ANY, { M(RDMSR) } },
    { "wrmsr", PRIVILEGED, false, 4, "traps; emulated for few registers",
      "HYPERVISOR_set_segment_base, set_syscall_handler()", ANY, { M(WRMSR) } },
    { "xsetbv", PRIVILEGED, false, 4, "traps, emulated", "it may stay", ANY, { M(XSETBV) } },
    { "xsaves, xrstors", PRIVILEGED, false, 4, "traps, not emulated", "xsave, xrstor", ANY,
      { M(XSAVES), M(XSAVES64), M(XRSTORS), M(XRSTORS64) } },
    { "stac, clac", PRIVILEGED, false, 9, "#UD", "nothing; try_copy() where it may fault", ANY,
      { M(STAC), M(CLAC) } },
    { "swapgs", PRIVILEGED, false, 9, "traps, not emulated: the hypervisor swaps on its way",
      "nothing; SEGBASE_GS_USER by HYPERVISOR_set_segment_base", ANY, { M(SWAPGS) } },
    { "sysret, sysexit", PRIVILEGED, false, 9, "traps, not emulated",
      "return_to_frame(): HYPERVISOR_iret", ANY, { M(SYSRET), M(SYSEXIT) } },
    { "vmcall", PRIVILEGED, false, 4, "#UD: not this way into a hypervisor", "HYPERVISOR_...()",
      ANY, { M(VMCALL), M(VMMCALL) } },
    { "VMX", PRIVILEGED, false, 4, "#UD or a fault: there is no VMX for PV guests", "nothing", ANY,
      { M(VMXON), M(VMXOFF), M(VMLAUNCH), M(VMRESUME), M(VMREAD), M(VMWRITE), M(VMPTRLD),
        M(VMPTRST), M(VMCLEAR), M(INVEPT), M(INVVPID), M(VMFUNC) } },
    { "SVM", PRIVILEGED, false, 4, "#UD or a fault: Domus lends it to its monitor by a call",
      "nothing", ANY, { M(VMRUN), M(VMLOAD), M(VMSAVE), M(STGI), M(CLGI), M(SKINIT), M(INVLPGA) } },
    { "other privileged", PRIVILEGED, false, 4,
      "traps: modes, enclaves, keys and tables of whole machines, which no PV guest has", "nothing",
      OTHER_PRIVILEGED,
      { M(RSM), M(GETSEC), M(ENCLS), M(ENCLV), M(PCONFIG), M(WRUSSD), M(WRUSSQ), M(SETSSBSY),
        M(CLRSSBSY), M(HRESET), M(INVLPGB), M(TLBSYNC), M(PSMASH), M(PVALIDATE), M(RMPUPDATE),
        M(RMPADJUST), M(SEAMCALL), M(SEAMOPS), M(SEAMRET), M(TDCALL) } },

    /* ---- guesses ---- */
    { "page-table store", GUESS, false, 6,
      "a store that looks like one of a page-table entry: a fault, or emulated slowly (L1)",
      "pt_set() and pt_flush()", ENTRY_STORE, { NO_NAME } },
    { "user's stack", GUESS, false, 9,
      "the stack pointer by way of GS, as at an entry that still runs on the user's stack",
      "set_kernel_stack(): the hypervisor has changed stacks, and its frame has user's", USER_STACK,
      { NO_NAME } },
};
const unsigned int row_count = sizeof(rows) / sizeof(*rows);

static bool is_register(const ZydisDecodedOperand *operand, ZydisRegisterClass class)
{
    return operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
        ZydisRegisterGetClass(operand->reg.value) == class;
}

static bool is_control(const ZydisDecodedOperand *operands, int number)
{
    ZydisRegister cr = ZYDIS_REGISTER_CR0 + number;
    return (is_register(&operands[0], ZYDIS_REGCLASS_CONTROL) && operands[0].reg.value == cr) ||
        (is_register(&operands[1], ZYDIS_REGCLASS_CONTROL) && operands[1].reg.value == cr);
}

static bool has_form(enum form form, const ZydisDecodedInstruction *insn,
                     const ZydisDecodedOperand *operands)
{
    bool move = insn->mnemonic == M(MOV);

    switch (form) {
    case ANY: case OTHER_PRIVILEGED: return true;
    case FAR: return insn->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
    case CR0: return is_control(operands, 0);
    case CR2: return is_control(operands, 2);
    case CR3: return is_control(operands, 3);
    case CR4: return is_control(operands, 4);
    case CR8: return is_control(operands, 8);
    case DEBUG_REGISTER:
        return is_register(&operands[0], ZYDIS_REGCLASS_DEBUG) ||
            is_register(&operands[1], ZYDIS_REGCLASS_DEBUG);
    case FROM_SEGMENT: return is_register(&operands[move ? 1 : 0], ZYDIS_REGCLASS_SEGMENT);
    case TO_SEGMENT: return is_register(&operands[0], ZYDIS_REGCLASS_SEGMENT);
    default: return false;
    }
}

const struct row *row_of_form(enum form form)
{
    for (unsigned int i = 0; i < row_count; i++)
        if (rows[i].form == form) return &rows[i];
    return NULL;
}

/* Few mnemonics have a row, and nearly every instruction is of another. */
static bool has_row(ZydisMnemonic mnemonic)
{
    static bool listed[ZYDIS_MNEMONIC_MAX_VALUE + 1];

    static bool made;

    for (unsigned int i = 0; !made && i < row_count; i++)
        for (int m = 0; m < MOST_MNEMONICS; m++)
            listed[rows[i].mnemonics[m]] = true;
    made = true;
    return listed[mnemonic];
}

const struct row *row_of(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands)
{
    for (unsigned int i = 0; has_row(insn->mnemonic) && i < row_count; i++) {
        const struct row *row = &rows[i];
        for (int m = 0; m < MOST_MNEMONICS && row->mnemonics[m] != NO_NAME; m++)
            if (row->mnemonics[m] == insn->mnemonic && has_form(row->form, insn, operands))
                return row;
    }
    return insn->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED ? row_of_form(OTHER_PRIVILEGED) : NULL;
}
