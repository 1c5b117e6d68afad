/* SPDX-License-Identifier: MIT */
/*
 * Rings 1 and 3, 32-bit code, states that a processor refuses: whatever a kernel does in each of
 * them is what a PC's processor does (the same program runs there, too).
 */
#include "hostile.h"

enum { DE = 0, DB = 1, BP = 3, UD = 6, TS_ = 10, NP = 11, SS_ = 12, GP = 13, PF = 14 };
enum { NOTHING = 2, TF = 0x102, IOPL_3 = 0x3002, NT = 0x4002 };

#define USER 0x10000000000ull
extern const uint8_t user_page[];
uint64_t resume_stack;
static uint64_t user_tables[3][512] __attribute__((aligned(4096)));
static uint8_t stack[4096] __attribute__((aligned(16)));
static uint32_t task[26];

uint64_t in_mode(uint64_t code, uint64_t cs, uint64_t ss, uint64_t flags);

/* The stack for interrupts of outer rings, in a TSS without a map of ports; the page of user code
 * where the user has it. */
void set_task(void)
{
    const uint64_t base = (uint64_t)task, top = (uint64_t)(stack + sizeof(stack));

    task[1] = (uint32_t)top;
    task[2] = (uint32_t)(top >> 32);
    task[25] = sizeof(task) << 16;
    gdt[TSS / 8] = (sizeof(task) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
                   (base >> 24 & 0xff) << 56;
    gdt[TSS / 8 + 1] = base >> 32;
    __asm__ volatile("ltr %0" : : "r"((uint16_t)TSS));
    user_tables[0][0] = (uint64_t)user_tables[1] | 7;
    user_tables[1][0] = (uint64_t)user_tables[2] | 7;
    user_tables[2][0] = (uint64_t)user_page | 5;
    level4[2] = (uint64_t)user_tables[0] | 7;
}

struct trial {
    const char *name;
    const uint8_t *code;
    uint64_t flags;
    uint8_t kernel_32, ring_1, ring_3;  /* the vectors that are right there; NONE: not tried */
    uint64_t rax;                       /* where it is UD */
};
enum { NONE = 0xff };

extern const uint8_t in_32[], in_32_system[], in_32_far[], in_nothing[], in_cli[], in_hlt[],
    in_cr3[], in_port[], in_int3[], in_int_3[], in_int[], in_msr[], in_sysret[], in_lgdt[],
    in_iret[], in_swapgs[], in_invlpg[], in_far[], in_kernel[], in_outside[], in_no_address[],
    in_paging_off[];

static const struct trial trials[] = {
    { "32-bit code", in_32, NOTHING, UD, NONE, NONE, 0x1234 },
    { "32-bit code of the system", in_32_system, NOTHING, UD, NONE, NONE, 1 },
    { "32-bit code goes back", in_32_far, NOTHING, UD, NONE, NONE, 10 },
    { "nothing", in_nothing, NOTHING, NONE, UD, UD, 0 },
    { "a step", in_nothing, TF, NONE, DB, DB, 0 },
    { "cli", in_cli, NOTHING, NONE, GP, GP, 0 },
    { "cli by IOPL", in_cli, IOPL_3, NONE, UD, UD, 0 },
    { "hlt", in_hlt, IOPL_3, NONE, GP, GP, 0 },
    { "cr3", in_cr3, IOPL_3, NONE, GP, GP, 0 },
    { "a port", in_port, NOTHING, NONE, GP, GP, 0 },
    { "int3", in_int3, NOTHING, NONE, GP, GP, 0 },
    { "int 3", in_int_3, NOTHING, NONE, GP, GP, 0 },
    { "int", in_int, NOTHING, NONE, GP, GP, 0 },
    { "rdmsr", in_msr, NOTHING, NONE, GP, GP, 0 },
    { "sysret", in_sysret, NOTHING, NONE, GP, GP, 0 },
    { "lgdt", in_lgdt, NOTHING, NONE, GP, GP, 0 },
    { "swapgs", in_swapgs, NOTHING, NONE, GP, GP, 0 },
    { "invlpg", in_invlpg, NOTHING, NONE, GP, GP, 0 },
    { "iret with NT", in_iret, NT, NONE, GP, GP, 0 },
    { "the kernel's memory", in_kernel, NOTHING, NONE, UD, PF, 0xd6 },
    { "nobody's memory", in_outside, NOTHING, NONE, PF, PF, 0 },
    { "no address", in_no_address, NOTHING, NONE, GP, GP, 0 },
    { "jmp far", in_far, NOTHING, NONE, GP, PF, 0 },
};

static void in_one(const struct trial *t, uint64_t code, uint64_t cs, uint64_t ss,
                   uint8_t expected)
{
    uint64_t before = caught, rax;

    if (expected == NONE) return;
    rax = in_mode(code, cs, ss, t->flags);
    if (caught == before + 1 && caught_vector == expected && (expected != UD || rax == t->rax))
        return;
    say("hostile: WRONG: ");
    say(t->name);
    say(", selector ");
    say_number(cs);
    say(": vector ");
    say_number(caught_vector);
    say(", RAX ");
    say_number(rax);
    say("\n");
    off();
}

void modes(void)
{
    set_task();
    for (size_t i = 0; i < sizeof(trials) / sizeof(*trials); i++) {
        const struct trial *t = &trials[i];
        const uint64_t code = (uint64_t)t->code;
        in_one(t, code, CODE_32, DATA, t->kernel_32);
        in_one(t, code, CODE_RING_1 | 1, DATA_RING_1 | 1, t->ring_1);
        in_one(t, code - (uint64_t)user_page + USER, USER_CODE, USER_DATA, t->ring_3);
    }
}

/* --- states ---------------------------------------------------------------------------------- */

#define READ(register) ({ \
        uint64_t value_; \
        __asm__ volatile("mov %%" register ", %0" : "=r"(value_)); \
        value_; })
/* A bit of a control register turned over, and back; whether it faulted. */
#define TURNED(register, bit) ({ \
        const uint64_t old_ = READ(register); \
        bool faulted_ = FAULTS("movq %%rcx, %%" register, "c"(old_ ^ 1ull << (bit))); \
        if (!faulted_) { \
            check(READ(register) != old_ || (bit) == 4 || (bit) > 5, register " is written"); \
            __asm__ volatile("mov %0, %%" register : : "r"(old_)); \
        } \
        faulted_; })

static bool is_one_of(unsigned int bit, uint64_t set)
{
    return set >> bit & 1;
}

/* What no PC's processor in long mode has, or lets go. */
static void control_registers(void)
{
    for (unsigned int bit = 0; bit < 64; bit++) {
        bool faulted = TURNED("cr0", bit);
        check(faulted || !is_one_of(bit, 0xffffffffa0000001), "PE, PG, NW alone, upper bits");
        faulted = TURNED("cr4", bit);
        check(faulted || !is_one_of(bit, 0xffffffff00001020), "PAE, LA57, upper bits");
        if (bit > 3) {
            faulted = FAULTS("movq %%rcx, %%cr8", "c"(1ull << bit));
            check(faulted, "CR8");
        }
    }
    for (unsigned int value = 0; value < 16; value++) {
        __asm__ volatile("mov %0, %%cr8" : : "r"((uint64_t)value));
        check(READ("cr8") == value, "CR8 keeps what it is given");
    }
    __asm__ volatile("mov %0, %%cr8" : : "r"(0ull));
    for (unsigned int bit = 0; bit < 32; bit++)
        if (!is_one_of(bit, 0x401))             /* SCE and LMA may be there, or ignored */
            (void)FAULTS("rdmsr; xorl %%edi, %%eax; wrmsr; rdmsr; xorl %%edi, %%eax; wrmsr",
                         "c"(0xc0000080), "D"(bit == 11 ? 0 : 1u << bit));
    check(FAULTS("rdmsr; xorl $0x100, %%eax; wrmsr", "c"(0xc0000080)), "LME while paging is on");
}

static void selectors(void)
{
    static const uint16_t bad[] = { CODE, TSS, 0x78, 0xfff8, 4, 0xffff, USER_DATA, DATA_RING_1 };
    static const struct { uint32_t offset; uint16_t selector; } far = { 0, DATA };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        check(FAULTS("movw %%cx, %%ss", "c"(bad[i])), "a selector that is no stack's");
    check(FAULTS("movw %%cx, %%ds", "c"(TSS)), "a TSS is no data");
    check(FAULTS("ltr %%cx", "c"(TSS)), "a TSS that is busy");
    check(FAULTS("lldt %%cx", "c"(TSS)), "a TSS is no LDT");
    check(!FAULTS("lldt %%cx", "c"(0)), "no LDT is one");
    gdt[DATA_RING_1 / 8] &= ~(1ull << 47);
    check(FAULTS("movw %%cx, %%ds", "c"(DATA_RING_1)) && caught_vector == NP, "it is not present");
    gdt[DATA_RING_1 / 8] |= 1ull << 47;
    check(FAULTS("ljmp *(%%rcx)", "c"(&far)) && caught_vector == GP, "data as code");
    check(FAULTS("xorl %%eax, %%eax; movl $0x80000000, %%edx; wrmsr", "c"(0xc0000100)),
          "a base that is no address");
}

static void tables(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) now, other;

    __asm__ volatile("sgdt %0" : "=m"(now));
    other = now;
    other.limit = DATA + 7;
    __asm__ volatile("lgdt %0" : : "m"(other));
    check(FAULTS("movw %%cx, %%ds", "c"(DATA_RING_1)), "beyond the limit");
    __asm__ volatile("lgdt %0" : : "m"(now));
    __asm__ volatile("movq %0, %%dr0; movq %0, %%dr3; movq %1, %%dr6" : : "r"(~0ull), "r"(0ull));
    check(READ("dr3") == ~0ull, "a debug register keeps what it is given");
    __asm__ volatile("movq %0, %%dr0; movq %0, %%dr3" : : "r"(0ull));
}

void registers(void)
{
    set_task();
    control_registers();
    selectors();
    tables();
}

/* What TCG lets pass and then does not go on with: no addresses of tables, a root that lies beyond
 * all memory there could be. */
void addresses(void)
{
    const struct { uint16_t limit; uint64_t base; } __attribute__((packed)) none = {
        255, 1ull << 63
    };
    const uint64_t root = READ("cr3");

    check(FAULTS("lgdt (%%rcx)", "c"(&none)) && caught_vector == GP, "no address of a GDT");
    check(FAULTS("lidt (%%rcx)", "c"(&none)) && caught_vector == GP, "no address of an IDT");

    for (unsigned int bit = 52; bit < 63; bit++)
        check(FAULTS("movq %%rcx, %%cr3", "c"(root | 1ull << bit)) && READ("cr3") == root, "CR3");
}

void paging_off(void)
{
    (void)in_mode((uint64_t)in_paging_off, CODE_32, DATA, NOTHING);
}
