/* SPDX-License-Identifier: MIT */
/* The guesses of guess.h. */
#include "guess.h"
#include <string.h>

#define PRESENT 1

void guess_begin(struct guess *guess, const char *name)
{
    static const char *const words[] = { "pte", "pmd", "pud", "pgd", "p4d", "pdpt", "pml4",
        "page_table", "pagetable", "pgtable", "page_dir", "pgdir", "walk", "map", "vm_", "space",
        "paging", "mmu" };

    *guess = (struct guess){ 0 };
    for (unsigned int i = 0; name && i < sizeof(words) / sizeof(*words); i++)
        if (strstr(name, words[i]) && !strstr(name, "bitmap"))
            guess->tables = true;
}

/* The number of a general register, or -1. */
static int number(const ZydisDecodedOperand *operand)
{
    if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER) return -1;
    ZydisRegister whole =
        ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand->reg.value);
    if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15) return -1;
    return whole - ZYDIS_REGISTER_RAX;
}

static bool is_stack_pointer(const ZydisDecodedOperand *operand)
{
    return number(operand) == ZYDIS_REGISTER_RSP - ZYDIS_REGISTER_RAX;
}

/* Memory by a pointer, of an entry's width: no variable with an address of its own, nothing on the
 * stack. */
static bool is_entry(const ZydisDecodedOperand *operand, int bits)
{
    ZydisRegister base = operand->mem.base;

    return operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->size == bits &&
        base != ZYDIS_REGISTER_NONE && base != ZYDIS_REGISTER_RIP && base != ZYDIS_REGISTER_RSP &&
        base != ZYDIS_REGISTER_ESP && base != ZYDIS_REGISTER_RBP && base != ZYDIS_REGISTER_EBP;
}

static bool by_gs(const ZydisDecodedOperand *operand)
{
    return operand->type == ZYDIS_OPERAND_TYPE_MEMORY &&
        operand->mem.segment == ZYDIS_REGISTER_GS;
}

/* What the instruction leaves in its registers. */
static void follow(struct guess *guess, const ZydisDecodedInstruction *insn,
                   const ZydisDecodedOperand *operands)
{
    bool present = insn->mnemonic == ZYDIS_MNEMONIC_OR &&
        operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && (operands[1].imm.value.u & PRESENT);
    bool keeps = insn->mnemonic == ZYDIS_MNEMONIC_OR || insn->mnemonic == ZYDIS_MNEMONIC_BTS;
    int source = keeps || insn->mnemonic == ZYDIS_MNEMONIC_MOV ? number(&operands[1]) : -1;

    for (unsigned int i = 0; i < insn->operand_count; i++) {
        int to = number(&operands[i]);
        if (to < 0 || !(operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            continue;
        bool was = guess->entries >> to & 1;
        bool entry = present || (keeps && was) || (source >= 0 && guess->entries >> source & 1);
        guess->entries = (guess->entries & ~(1u << to)) | (uint32_t)entry << to;
    }
}

static enum form looks_like(const struct guess *guess, const ZydisDecodedInstruction *insn,
                            const ZydisDecodedOperand *operands, int bits)
{
    if (insn->mnemonic != ZYDIS_MNEMONIC_MOV && insn->mnemonic != ZYDIS_MNEMONIC_XCHG) return ANY;
    if ((by_gs(&operands[0]) && is_stack_pointer(&operands[1])) ||
        (by_gs(&operands[1]) && is_stack_pointer(&operands[0])))
        return USER_STACK;
    if (!guess->tables || !is_entry(&operands[0], bits)) return ANY;
    int from = number(&operands[1]);
    bool zero = operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operands[1].imm.value.u == 0;
    return zero || (from >= 0 && guess->entries >> from & 1) ? ENTRY_STORE : ANY;
}

const struct row *guess_next(struct guess *guess, const ZydisDecodedInstruction *insn,
                             const ZydisDecodedOperand *operands, int bits)
{
    enum form form = looks_like(guess, insn, operands, bits);

    follow(guess, insn, operands);
    return form == ANY ? NULL : row_of_form(form);
}
