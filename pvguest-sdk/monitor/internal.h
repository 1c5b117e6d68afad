/* SPDX-License-Identifier: MIT */
/*
 * What the interpreter's files have in common. A function that returns bool and can fault returns
 * false with vcpu->fault set; whoever called it changes nothing and returns false, too. So each
 * instruction reads, computes, stores, and only then changes registers and flags.
 */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include <stddef.h>
#include "opcode.h"

#define PAGE_OFFSET 4095ull

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
/* Fills the entry of the page at `linear`; its place is NULL and its tags void where the platform
 * wants to see accesses: then only `physical` tells. */
struct tlb_entry *tlb_fill(struct vcpu *vcpu, uint64_t linear, unsigned int access,
                           uint64_t *physical);

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

static inline uint64_t load_place(const uint8_t *place, unsigned int size)
{
    typedef uint16_t u16 __attribute__((aligned(1), may_alias));
    typedef uint32_t u32 __attribute__((aligned(1), may_alias));
    typedef uint64_t u64 __attribute__((aligned(1), may_alias));
    return size == 8 ? *(const u64 *)place : size == 4 ? *(const u32 *)place :
           size == 2 ? *(const u16 *)place : *place;
}

static inline void store_place(uint8_t *place, unsigned int size, uint64_t value)
{
    typedef uint16_t u16 __attribute__((aligned(1), may_alias));
    typedef uint32_t u32 __attribute__((aligned(1), may_alias));
    typedef uint64_t u64 __attribute__((aligned(1), may_alias));
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

/* --- exceptions: deliver.c --- */
bool deliver_software(struct vcpu *vcpu, uint8_t vector);

/* --- the instructions, as opcodes.c names them --- */
#define EXECUTES(name) bool name(struct vcpu *vcpu, const struct instruction *insn)
/* alu.c */
EXECUTES(do_alu);
EXECUTES(do_alu_immediate);
EXECUTES(do_test);
EXECUTES(do_inc_dec);
EXECUTES(do_group3);
EXECUTES(do_shift);
EXECUTES(do_double_shift);
EXECUTES(do_imul);
EXECUTES(do_bit);
EXECUTES(do_bit_scan);
EXECUTES(do_popcnt);
EXECUTES(do_cmpxchg);
EXECUTES(do_xadd);
EXECUTES(do_group9);
/* moves.c */
EXECUTES(do_mov);
EXECUTES(do_mov_immediate);
EXECUTES(do_mov_offset);
EXECUTES(do_lea);
EXECUTES(do_extend);
EXECUTES(do_movsxd);
EXECUTES(do_cmov);
EXECUTES(do_setcc);
EXECUTES(do_xchg);
EXECUTES(do_bswap);
EXECUTES(do_convert);
EXECUTES(do_push);
EXECUTES(do_pop);
EXECUTES(do_push_immediate);
EXECUTES(do_pop_rm);
EXECUTES(do_push_segment);
EXECUTES(do_pop_segment);
EXECUTES(do_leave);
EXECUTES(do_enter);
EXECUTES(do_xlat);
EXECUTES(do_nop);
EXECUTES(do_pushf);
EXECUTES(do_popf);
EXECUTES(do_flag);
EXECUTES(do_ahf);
/* flow.c */
EXECUTES(do_jcc);
EXECUTES(do_jmp);
EXECUTES(do_call);
EXECUTES(do_ret);
EXECUTES(do_loop);
EXECUTES(do_group5);
EXECUTES(do_far);
EXECUTES(do_far_return);
EXECUTES(do_interrupt);
EXECUTES(do_iret);
EXECUTES(do_syscall);
EXECUTES(do_sysret);
EXECUTES(do_undefined);
/* string.c */
EXECUTES(do_string);
EXECUTES(do_string_port);
/* segments.c */
EXECUTES(do_mov_from_segment);
EXECUTES(do_mov_to_segment);
EXECUTES(do_load_far_pointer);
EXECUTES(do_group6);
EXECUTES(do_lar_lsl);
/* system.c */
EXECUTES(do_group7);
EXECUTES(do_port);
EXECUTES(do_halt);
EXECUTES(do_cli_sti);
EXECUTES(do_mov_control);
EXECUTES(do_mov_debug);
EXECUTES(do_clts);
EXECUTES(do_msr);
EXECUTES(do_tsc);
EXECUTES(do_cpuid);
EXECUTES(do_invalidate_caches);
EXECUTES(do_group15);

/* --- system.c --- */
bool port_allowed(struct vcpu *vcpu, uint16_t port, unsigned int size);
bool privileged(struct vcpu *vcpu);     /* #GP unless at level 0 */

#endif
