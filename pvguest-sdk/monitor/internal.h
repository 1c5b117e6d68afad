/* SPDX-License-Identifier: MIT */
/*
 * What the interpreter's files have in common. A function that returns bool and can fault returns
 * false with vcpu->fault set; whoever called it changes nothing and returns false, too. So each
 * instruction reads, computes, stores, and only then changes registers and flags.
 */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include <stddef.h>
#include "interpret.h"

#define PAGE_OFFSET 4095ull

/* --- a row of the table of instructions, opcodes.c: what follows the opcode, for decode.c, and who
 * executes it --- */
enum {
    KNOWN = 1,
    MODRM = 1 << 1,
    BYTE = 1 << 2,          /* the operand is one byte, whatever the prefixes say */
    IMM8 = 1 << 3,          /* one byte, sign-extended */
    IMM16 = 1 << 4,         /* two bytes, before any other immediate: RET's */
    IMMZ = 1 << 5,          /* operand-sized, at most four bytes, sign-extended */
    IMMV = 1 << 6,          /* operand-sized, eight bytes, too */
    MOFFS = 1 << 7,         /* an address-sized absolute offset */
    FAR = 1 << 8,           /* offset and selector */
    LOCKABLE = 1 << 9,      /* LOCK is legal when the operand is in memory */
    STACK = 1 << 10,        /* 64-bit code: eight bytes, two with 66 */
    NEAR = 1 << 11,         /* 64-bit code: eight bytes, always */
    NO_REX_W = 1 << 12,     /* at most four bytes: port I/O */
    REGISTERS = 1 << 13,    /* ModRM's mod is ignored; register-sized (mov cr, mov dr) */
    NOT_64 = 1 << 14,       /* #UD in 64-bit code */
    TEST_IMM = 1 << 15,     /* F6, F7: an immediate if ModRM's reg is 0 or 1 */
};

/* True: done. False: vcpu->fault says why not, and nothing is changed. */
typedef bool execute(struct vcpu *vcpu, const struct instruction *insn);

struct opcode {
    execute *execute;
    uint16_t flags;
    uint8_t lockable;       /* which of a group's eight members are, as bits; 0: all */
    uint8_t missing;        /* which there are not: #UD */
};

extern const struct opcode one_byte_opcodes[256], two_byte_opcodes[256];
bool executed_by(const struct instruction *insn, execute *const list[], size_t count);

/* --- faults --- */
/* No exception at all, but something that is not offered: vcpu->reason. */
enum { FAULT_UNKNOWN = 0xff };

static inline bool raise(struct vcpu *vcpu, uint8_t vector)
{
    vcpu->fault = (struct fault){ .vector = vector };
    return false;
}

static inline bool raise_with(struct vcpu *vcpu, uint8_t vector, uint32_t error)
{
    vcpu->fault = (struct fault){ .vector = vector, .has_error = true, .error = error };
    return false;
}

static inline bool unknown(struct vcpu *vcpu, const char *reason)
{
    vcpu->reason = reason;
    return raise(vcpu, FAULT_UNKNOWN);
}

/* --- memory by linear address: walk.c --- */
bool load_slowly(struct vcpu *vcpu, uint64_t linear, unsigned int size, unsigned int access,
                 uint64_t *value);
bool store_slowly(struct vcpu *vcpu, uint64_t linear, unsigned int size, unsigned int access,
                  uint64_t value);

static inline struct tlb_entry *tlb_slot(struct vcpu *vcpu, uint64_t linear, unsigned int access)
{
    return &vcpu->tlb[access & ACCESS_USER ? 1 : 0][(linear >> 12) % TLB_ENTRIES];
}

/* Which of an entry's tags: 0 reading, 1 writing, 2 fetching. */
static inline unsigned int tag_of(unsigned int access)
{
    return access & ACCESS_FETCH ? 2 : access & ACCESS_WRITE ? 1 : 0;
}

/* Where `size` bytes are, if the TLB knows, all of them on one page. */
static inline uint8_t *tlb_place(struct vcpu *vcpu, uint64_t linear, unsigned int size,
                                 unsigned int access)
{
    const struct tlb_entry *entry = tlb_slot(vcpu, linear, access);
    if (entry->tag[tag_of(access)] != ((linear & ~PAGE_OFFSET) | vcpu->tlb_generation) ||
        (linear & PAGE_OFFSET) + size > PAGE_OFFSET + 1)
        return NULL;
    return entry->place + (linear & PAGE_OFFSET);
}

/* Anywhere, of anything. */
typedef uint16_t u16 __attribute__((aligned(1), may_alias));
typedef uint32_t u32 __attribute__((aligned(1), may_alias));
typedef uint64_t u64 __attribute__((aligned(1), may_alias));

static inline uint64_t load_place(const uint8_t *place, unsigned int size)
{
    return size == 8 ? *(const u64 *)place : size == 4 ? *(const u32 *)place :
           size == 2 ? *(const u16 *)place : *place;
}

static inline void store_place(uint8_t *place, unsigned int size, uint64_t value)
{
    switch (size) {
    case 8: *(u64 *)place = value; break;
    case 4: *(u32 *)place = (uint32_t)value; break;
    case 2: *(u16 *)place = (uint16_t)value; break;
    default: *place = (uint8_t)value;
    }
}

/* `access` as ACCESS_*: ACCESS_WRITE for a load whose place will be stored to. 1, 2, 4, 8 bytes. */
static inline bool load_linear(struct vcpu *vcpu, uint64_t linear, unsigned int size,
                               unsigned int access, uint64_t *value)
{
    const uint8_t *place = tlb_place(vcpu, linear, size, access);
    if (!place) return load_slowly(vcpu, linear, size, access, value);
    *value = load_place(place, size);
    return true;
}

static inline bool store_linear(struct vcpu *vcpu, uint64_t linear, unsigned int size,
                                unsigned int access, uint64_t value)
{
    uint8_t *place = tlb_place(vcpu, linear, size, access | ACCESS_WRITE);
    if (!place) return store_slowly(vcpu, linear, size, access | ACCESS_WRITE, value);
    store_place(place, size, value);
    return true;
}

static inline unsigned int user_access(const struct vcpu *vcpu)
{
    return vcpu->cpl == 3 ? ACCESS_USER : 0;
}

static inline bool is_64(const struct vcpu *vcpu)
{
    return (vcpu->efer & EFER_LMA) && (vcpu->segment[CS].flags & SEGMENT_LONG);
}

static inline bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* --- operands: operands.c --- */
static inline uint64_t size_mask(unsigned int size)
{
    return ~0ull >> (64 - 8 * size);
}

static inline uint64_t sign_extend(uint64_t value, unsigned int size)
{
    unsigned int unused = 64 - 8 * size;
    return (uint64_t)((int64_t)(value << unused) >> unused);
}

/* ah ch dh bh are numbers 4 to 7 of a byte operand without REX: the second byte of 0 to 3. */
static inline bool is_high_byte(const struct instruction *insn, unsigned int number,
                                unsigned int size)
{
    return size == 1 && !insn->rex && (number & ~3u) == 4;
}

static inline uint64_t get_register(const struct vcpu *vcpu, const struct instruction *insn,
                                    unsigned int number, unsigned int size)
{
    if (is_high_byte(insn, number, size)) return vcpu->general[number - 4] >> 8 & 0xff;
    return vcpu->general[number] & size_mask(size);
}

/* Four bytes clear the upper half, one or two leave the rest alone. */
static inline void put_register(uint64_t *whole, unsigned int size, uint64_t value)
{
    uint64_t mask = size_mask(size);
    *whole = (size == 4 ? 0 : *whole & ~mask) | (value & mask);
}

static inline void set_register(struct vcpu *vcpu, const struct instruction *insn,
                                unsigned int number, unsigned int size, uint64_t value)
{
    if (is_high_byte(insn, number, size))
        vcpu->general[number - 4] = (vcpu->general[number - 4] & ~0xff00ull) | (value & 0xff) << 8;
    else
        put_register(&vcpu->general[number], size, value);
}

/* The offset of the memory operand in its segment. */
uint64_t effective_address(const struct vcpu *vcpu, const struct instruction *insn);
/* Within a segment, with the checks of the mode. */
bool load(struct vcpu *vcpu, unsigned int segment, uint64_t offset, unsigned int size,
          unsigned int access, uint64_t *value);
bool store(struct vcpu *vcpu, unsigned int segment, uint64_t offset, unsigned int size,
           uint64_t value);
/* ModRM's r/m operand. read_rm_to_write() has a store's rights and faults. */
bool read_rm(struct vcpu *vcpu, const struct instruction *insn, unsigned int size,
             uint64_t *value);
bool read_rm_to_write(struct vcpu *vcpu, const struct instruction *insn, unsigned int size,
                      uint64_t *value);
bool write_rm(struct vcpu *vcpu, const struct instruction *insn, unsigned int size,
              uint64_t value);
/* The stack. pop_at() reads without popping, `depth` bytes above the top; drop() moves the stack
 * pointer. */
unsigned int stack_size(const struct vcpu *vcpu);
bool push(struct vcpu *vcpu, unsigned int size, uint64_t value);
bool pop_at(struct vcpu *vcpu, uint64_t depth, unsigned int size, uint64_t *value);
void drop(struct vcpu *vcpu, uint64_t bytes);

/* --- arithmetic: alu.c --- */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
/* The result; *flags has the status flags before and gets those after. */
uint64_t alu(enum alu operation, uint64_t a, uint64_t b, unsigned int size, uint64_t *flags);
/* Whether a Jcc, SETcc, CMOVcc's condition (the opcode's low four bits) holds. */
bool condition(const struct vcpu *vcpu, unsigned int code);

/* --- descriptors: segments.c --- */
enum { SEGMENT_32_CODE = 0xc9b, SEGMENT_64_CODE = 0xa9b, SEGMENT_DATA = 0xc93 };
struct segment flat_segment(uint16_t selector, unsigned int flags, unsigned int dpl);
static inline unsigned int dpl_of(const struct segment *segment)
{
    return segment->flags >> SEGMENT_DPL_SHIFT & 3;
}
/* Reads the descriptor of a selector that is not null: #GP(selector) outside its table. */
bool read_descriptor(struct vcpu *vcpu, uint16_t selector, struct segment *segment);
/* A code segment for a far transfer that stays at `cpl` or (a return) goes to it. */
bool read_code_segment(struct vcpu *vcpu, uint16_t selector, unsigned int cpl,
                       struct segment *segment);
bool read_stack_segment(struct vcpu *vcpu, uint16_t selector, unsigned int cpl, bool is_long,
                        struct segment *segment);
void set_code_segment(struct vcpu *vcpu, const struct segment *segment, unsigned int cpl);
/* Data segments that code of the new, lesser privilege could not load become null. */
void drop_segments(struct vcpu *vcpu);

/* --- far returns: flow.c --- */
bool return_far(struct vcpu *vcpu, uint16_t selector, uint64_t target, bool stack,
                uint16_t stack_selector, uint64_t top);

/* --- flags: moves.c --- */
/* What POPF and IRET may change at this privilege, of an operand of `size` bytes. */
uint64_t new_flags(const struct vcpu *vcpu, uint64_t flags, unsigned int size);

/* --- the instructions, as opcodes.c names them, by file: alu.c, multiply.c, shift.c; moves.c;
 * flow.c, deliver.c; string.c; segments.c; system.c --- */
execute do_alu, do_alu_immediate, do_test, do_inc_dec, do_group3, do_shift, do_double_shift,
    do_imul, do_bit, do_bit_scan, do_cmpxchg, do_xadd, do_group9;
execute do_mov, do_mov_immediate, do_mov_offset, do_lea, do_extend, do_movsxd, do_cmov, do_setcc,
    do_xchg, do_bswap, do_convert, do_push, do_pop, do_push_immediate, do_pop_rm,
    do_push_segment, do_pop_segment, do_leave, do_nop, do_pushf, do_popf,
    do_flag, do_ahf;
execute do_jcc, do_jmp, do_call, do_ret, do_loop, do_group5, do_far, do_far_return, do_interrupt,
    do_iret, do_syscall, do_sysret, do_undefined;
execute do_string, do_string_port;
execute do_mov_from_segment, do_mov_to_segment, do_load_far_pointer, do_group6, do_lar_lsl;
execute do_group7, do_port, do_halt, do_cli_sti, do_mov_control, do_mov_debug, do_clts, do_msr,
    do_tsc, do_cpuid, do_invalidate_caches, do_group15;

/* --- system.c --- */
bool port_allowed(struct vcpu *vcpu, uint16_t port, unsigned int size);
bool privileged(struct vcpu *vcpu);     /* #GP unless at level 0 */

#endif
