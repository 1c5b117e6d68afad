/* SPDX-License-Identifier: MIT */
/*
 * What executes on a struct vcpu (cpu.h). The files, in reading order:
 *
 *   decode.c       bytes become a struct instruction
 *   opcodes.c      the table of all instructions: how each is decoded, and who executes it
 *   walk.c         guest page tables, the TLB, loads and stores by linear address
 *   operands.c     registers, effective addresses, segments, the stack
 *   moves.c alu.c multiply.c shift.c string.c flow.c segments.c system.c    the instructions
 *   deliver.c      exceptions and interrupts by the guest's IDT, and IRET
 *   interpret.c    one step, and many
 *
 * No lock: a vcpu belongs to who runs it.
 */
#ifndef MONITOR_INTERPRET_H
#define MONITOR_INTERPRET_H

#include "cpu.h"

enum step {
    STEP_DONE,          /* executed; or iterations of a string instruction, RIP still at it */
    STEP_HALTED,        /* HLT, executed: wait for an interrupt */
    STEP_EXCEPTION,     /* not executed, but its exception was delivered: RIP is at the handler */
    STEP_INTERRUPT,     /* of interpret() only: the guest takes an interrupt now; deliver one */
    STEP_UNKNOWN,       /* nothing is changed: an instruction, or a use of one, that is not offered:
                         * reason, bytes */
    STEP_SHUTDOWN,      /* an exception could be delivered in no way (a triple fault): reason */
};

/* As multiboot2's entry finds a processor: flat 32-bit protected mode, interrupts off. RIP, RAX and
 * RBX are the caller's to set. `decoded` is room for vcpu_decoded_size() bytes, zeroed, or NULL,
 * which is slower. */
void vcpu_start(struct vcpu *vcpu, const struct machine_ops *ops, void *context, void *decoded);
uint64_t vcpu_decoded_size(void);

/* Execute the instruction at RIP. */
enum step interpret_one(struct vcpu *vcpu);

/* Execute at most `limit` instructions; STEP_DONE: so many, or STEP_EXCEPTIONs between. */
enum step interpret(struct vcpu *vcpu, uint64_t limit);

/* Whether an interrupt would be taken now. */
static inline bool interruptible(const struct vcpu *vcpu)
{
    return (vcpu->rflags & FLAG_IF) && !vcpu->shadow;
}

/* Deliver by the guest's IDT, at RIP. STEP_EXCEPTION, or STEP_SHUTDOWN. An interrupt ends `halted`;
 * ask interruptible() first. Of a page fault, CR2 becomes the address in vcpu->fault, where walk()
 * left it. */
enum step deliver_interrupt(struct vcpu *vcpu, uint8_t vector);
enum step deliver_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error);

/* --- decoding alone ------------------------------------------------------------------------- */

enum { LONGEST_INSTRUCTION = 15, INT3 = 0xcc, NO_REGISTER = -1, BASE_RIP = 16 };
enum code_size { CODE_16 = 2, CODE_32 = 4, CODE_64 = 8 };

enum decode_result {
    DECODED,
    DECODE_SHORT,       /* the bytes end inside the instruction */
    DECODE_TOO_LONG,    /* more than 15 bytes: #GP */
    DECODE_UNKNOWN,     /* not in the table */
};

struct opcode;
struct instruction {
    const struct opcode *row;   /* of the table in opcodes.c */
    uint64_t immediate;         /* sign-extended; of a far pointer: the offset */
    int64_t displacement;       /* or a MOV's absolute offset */
    uint16_t selector;          /* of a far pointer; ENTER's nesting level */
    uint8_t length;             /* bytes */
    uint8_t map, opcode;        /* map 0: one byte; 1: after 0f; 2: after 0f 38; 3: after 0f 3a */
    uint8_t size;               /* of the operand: 1, 2, 4, 8 bytes */
    uint8_t address_size;       /* 2, 4, 8 bytes */
    uint8_t segment;            /* of the memory operand, overridden or by default: ES to GS */
    uint8_t reg, rm, mod;       /* registers 0 to 15; rm is one when mod is 3 */
    bool has_modrm, memory;     /* memory: r/m is in memory, or an absolute offset */
    int8_t base, index;         /* of the memory operand: 0 to 15, BASE_RIP, NO_REGISTER */
    uint8_t scale;              /* index times 1, 2, 4, 8 */
    bool lock, rep, repne, rex, operand_prefix;
};

enum decode_result decode(struct instruction *instruction, const uint8_t *bytes,
                          unsigned int count, enum code_size code);

/* What the code at CS:RIP is. */
enum code_size code_size(const struct vcpu *vcpu);

/* The linear address of the memory operand (without a check of limits or canonical form), with the
 * instruction at RIP. */
uint64_t operand_address(const struct vcpu *vcpu, const struct instruction *instruction);

/* The bytes at RIP: how many of 15 can be read before the first page that cannot. 0: the fault is
 * in vcpu->fault. */
unsigned int fetch_code(struct vcpu *vcpu, uint8_t bytes[LONGEST_INSTRUCTION]);

/* --- addresses ------------------------------------------------------------------------------ */

#define ENTRY_PRESENT   (1ull << 0)
#define ENTRY_WRITABLE  (1ull << 1)
#define ENTRY_USER      (1ull << 2)
#define ENTRY_ACCESSED  (1ull << 5)
#define ENTRY_DIRTY     (1ull << 6)
#define ENTRY_LARGE     (1ull << 7)
#define ENTRY_NX        (1ull << 63)
#define ENTRY_ADDRESS   0x000ffffffffff000ull
/* What is so if it is so at each level; bits that are the guest's own, with the level instead. */
#define ENTRY_TOGETHER  (ENTRY_WRITABLE | ENTRY_USER | ENTRY_ACCESSED)
#define ENTRY_LEVEL     (7ull << 9)
#define ENTRY_LEVEL_1   (1ull << 9)

struct translation {
    uint64_t physical;          /* of the byte asked for */
    uint64_t page_size;         /* 4096, 2 MiB, 1 GiB: of the guest's mapping; 0: no paging */
    uint64_t entry;             /* the last level's, as all levels have it together */
};

/* Walk the guest's page tables for an access (ACCESS_*), set accessed and dirty bits. False: the
 * page fault (or #GP for an address that is not canonical) is in vcpu->fault, for
 * deliver_exception(). */
bool walk(struct vcpu *vcpu, uint64_t linear, unsigned int access, struct translation *result);
/* The entry for an address, as all levels have it together; 0: there is none. Nothing is set, no
 * fault is raised. Who has many addresses keeps the way, of zeroes at first: as long as neither
 * tables nor EFER change, a walk begins where the one before it came to its last level, if that is
 * on its way. */
struct way {
    uint64_t linear, above;     /* what the levels above the table allow */
    uint8_t *table;             /* NULL: it is not in memory */
    unsigned int level;         /* of the table; 0: nowhere yet */
};
uint64_t peek(struct vcpu *vcpu, uint64_t linear, struct way *way);
struct translation translation_by(uint64_t entry, uint64_t linear);

/* Forget all addresses translated. */
void tlb_flush(struct vcpu *vcpu);

/* A segment's register and descriptor in the GDT or LDT, as MOV or LTR load it: #GP, #NP, #SS as
 * the CPU has them. (The monitor's start of a guest needs none.) */
bool load_segment(struct vcpu *vcpu, unsigned int which, uint16_t selector);

#endif
