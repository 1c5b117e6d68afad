/* SPDX-License-Identifier: MIT */
/*
 * A processor as its guest sees it: all of its state, and what it asks of the platform around it.
 * No more than data: interpret.h has what executes on it. Neither knows the SDK, so both run on
 * the host, too (tests/unit/test_interpret*.c).
 *
 * It is a PC's processor as from multiboot2's entry on: 32-bit protected mode without paging,
 * 64-bit long mode, and its compatibility mode. Real mode, virtual-8086 mode, 32-bit paging and
 * task switches are not there; who asks for them gets STEP_UNKNOWN.
 */
#ifndef MONITOR_CPU_H
#define MONITOR_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers as instructions have them: general[], segment[]. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum { ES, CS, SS, DS, FS, GS, SEGMENTS };

enum {
    FLAG_CF = 1 << 0, FLAG_ALWAYS = 1 << 1, FLAG_PF = 1 << 2, FLAG_AF = 1 << 4, FLAG_ZF = 1 << 6,
    FLAG_SF = 1 << 7, FLAG_TF = 1 << 8, FLAG_IF = 1 << 9, FLAG_DF = 1 << 10, FLAG_OF = 1 << 11,
    FLAG_IOPL = 3 << 12, FLAG_NT = 1 << 14, FLAG_RF = 1 << 16, FLAG_VM = 1 << 17,
    FLAG_AC = 1 << 18, FLAG_ID = 1 << 21,
    FLAGS_STATUS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
};

#define CR0_PE  (1ull << 0)
#define CR0_TS  (1ull << 3)
#define CR0_WP  (1ull << 16)
#define CR0_PG  (1ull << 31)
#define CR4_TSD         (1ull << 2)
#define CR4_PAE         (1ull << 5)
#define EFER_SCE        (1ull << 0)
#define EFER_LME        (1ull << 8)
#define EFER_LMA        (1ull << 10)
#define EFER_NXE        (1ull << 11)

enum {
    VECTOR_DE = 0, VECTOR_DB = 1, VECTOR_BP = 3, VECTOR_OF = 4, VECTOR_UD = 6, VECTOR_NM = 7,
    VECTOR_DF = 8, VECTOR_TS = 10, VECTOR_NP = 11, VECTOR_SS = 12, VECTOR_GP = 13, VECTOR_PF = 14,
};

/* What a descriptor says, as the CPU keeps it; `flags` are bits 40 to 47 and 52 to 55 of the
 * descriptor, in this order (the layout of an SVM VMCB's attributes). */
enum {
    SEGMENT_TYPE = 0xf, SEGMENT_ACCESSED = 1, SEGMENT_WRITABLE = 2, SEGMENT_READABLE = 2,
    SEGMENT_DOWN = 4, SEGMENT_CONFORMING = 4, SEGMENT_CODE = 8, SEGMENT_NOT_SYSTEM = 1 << 4,
    SEGMENT_DPL_SHIFT = 5, SEGMENT_PRESENT = 1 << 7, SEGMENT_LONG = 1 << 9,
    SEGMENT_BIG = 1 << 10, SEGMENT_PAGES = 1 << 11,
};

struct segment {
    uint16_t selector, flags;
    uint32_t limit;             /* in bytes, the last that is inside */
    uint64_t base;              /* of FS and GS in long mode: MSRs 0xc0000100 and 0xc0000101 */
};

struct descriptor_table {
    uint64_t base;
    uint16_t limit;
};

/* An access to memory: the bits that a page fault's error code has for it. */
enum {
    ACCESS_READ = 0, ACCESS_PRESENT = 1, ACCESS_WRITE = 2, ACCESS_USER = 4, ACCESS_RESERVED = 8,
    ACCESS_FETCH = 16,
};

struct vcpu;

/*
 * What the platform does for the processor. `context` of the vcpu is the platform's own. All are
 * there unless it says "may be NULL".
 */
struct machine_ops {
    /* Where the 4 KiB page at `physical` (a multiple of 4096) is. NULL: there is no memory, or the
     * platform wants to see each access; then load() and store() are called. `write` asks for
     * somewhere to write, and is asked once before any number of writes; the answers for reading
     * and writing are the same place, or the one for writing is NULL. The walker sets accessed and
     * dirty bits in page tables, and asks for somewhere to write: where that is NULL, no table is.
     * When an answer changes (a page is watched from now on), call tlb_flush(): the TLB keeps what
     * it was told. */
    uint8_t *(*memory)(struct vcpu *vcpu, uint64_t physical, bool write);
    /* `size` is 1 to 8 bytes, none of another page. Where nothing is: all ones, and no effect. */
    uint64_t (*load)(struct vcpu *vcpu, uint64_t physical, unsigned int size);
    void (*store)(struct vcpu *vcpu, uint64_t physical, unsigned int size, uint64_t value);
    /* `size` is 1, 2 or 4. */
    uint32_t (*port_in)(struct vcpu *vcpu, uint16_t port, unsigned int size);
    void (*port_out)(struct vcpu *vcpu, uint16_t port, unsigned int size, uint32_t value);
    /* out: EAX, EBX, ECX, EDX */
    void (*cpuid)(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
    uint64_t (*tsc)(struct vcpu *vcpu);
    /* May be NULL. The guest invalidated one address (INVLPG), or all (`all`: CR3 loaded; CR0, CR4
     * or EFER changed how addresses are translated). */
    void (*invalidated)(struct vcpu *vcpu, uint64_t address, bool all);
};

/* Addresses translated lately: walk.c. */
enum { TLB_ENTRIES = 256 };
struct tlb_entry {
    /* for reading, writing, fetching: the page's address with the TLB's generation in its low 12
     * bits; anything else means that it must be walked for */
    uint64_t tag[3];
    uint8_t *place;
};

/* Instructions decoded lately: interpret.c. */
enum { DECODED_ENTRIES = 1024 };

/* An exception not yet delivered; a page fault's address goes into CR2 when it is. */
struct fault {
    uint8_t vector;
    bool has_error;
    uint32_t error;
    uint64_t address;
};

struct vcpu {
    const struct machine_ops *ops;
    void *context;

    uint64_t general[16], rip, rflags;
    struct segment segment[SEGMENTS], ldtr, tr;
    struct descriptor_table gdtr, idtr;
    uint8_t cpl;                /* current privilege level */
    uint64_t cr0, cr2, cr3, cr4, cr8, dr[8];
    uint64_t efer, star, lstar, cstar, sfmask, kernel_gs_base, pat, apic_base, tsc_offset;
    /* FXSAVE's image, which FXRSTOR loads; nobody computes with it */
    uint8_t fpu[512] __attribute__((aligned(16)));

    bool halted;                /* by HLT; an interrupt that is delivered ends it */
    bool shadow;                /* STI or a load of SS before: no interrupt at this boundary */
    /* Set by the platform when it has an interrupt: interpret() comes back with STEP_INTERRUPT as
     * soon as the guest takes one. */
    bool interrupt_pending;
    uint64_t instructions;      /* executed since the beginning; an iteration of REP is one */

    /* Why the last step was STEP_UNKNOWN or STEP_SHUTDOWN, for a message: a reason, the bytes at
     * RIP, how many. */
    const char *reason;
    uint8_t bytes[15], byte_count;

    /* of the interpreter alone */
    struct fault fault;
    uint64_t next_rip;
    uint32_t tlb_generation;
    struct tlb_entry tlb[2][TLB_ENTRIES];       /* of the supervisor, of the user */
    struct decoded *decoded;
};

#endif
