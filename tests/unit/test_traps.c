/* SPDX-License-Identifier: MIT */
/*
 * Who deals with an exception of a guest, and what it gets to see; and what becomes of ring 0's
 * own: expected at that instruction, or told, with the names of who called whom, and the end. The
 * few instructions of ring 0 fault here, and the test does them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the hypervisor has one, too */
#include "emulate/privileged.h"
#include "machine/budget.h"
#include "entry/exit.h"
#include "entry/far_return.h"
#include "machine/symbols.h"
#include "entry/trap.h"
#include "machine/dump.h"
#include "machine/entry_asm.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/io.h"
#include "machine/stop.h"
#include "machine/vectors.h"
#include "memory/access.h"
#include "memory/mmu.h"
#include "memory/window.h"
#include "cpus_host.h"

void guest_trap(struct cpu_user_regs *regs);
void ring0_trap(struct cpu_user_regs *regs);
void paranoid_trap(struct cpu_user_regs *regs);

#define LDT (WINDOW_VIRT + 3 * WINDOW_SIZE + LDT_WINDOW)

/* What the linker makes: code, the names of it, and where ring 0 may fault. */
asm(".data\n.balign 16\n.globl text_start, text_end\ntext_start: .skip 4096\ntext_end:\n"
    ".globl symbols_start, symbols_end\n"
    "symbols_start: .quad text_start, name1, text_start + 256, name2\nsymbols_end:\n"
    ".globl fixups_start, fixups_end, guest_iretq\n.set guest_iretq, text_start + 96\n"
    "fixups_start: .quad text_start + 16, 0x1111, guest_iretq, 0x2222\n"
    "fixups_end: .quad text_start + 32, 0x3333\n"
    "name1: .asciz \"first\"\nname2: .asciz \"second\"\n.text\n");
extern char text_start[], text_end[];

/* --- the CPU ------------------------------------------------------------------------------------
 */

static uint64_t cr2, cr3, dr6;
static bool ts;
static struct cpu cpu;
static struct vcpu vcpu;

/* mov %crN or %dr6, and clts. */
static void do_instruction(int number, siginfo_t *info, void *context)
{
    static const int registers[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                       REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                       REG_R12, REG_R13, REG_R14, REG_R15 };
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)r[REG_RIP];
    bool rex = *at == 0x41;
    unsigned int from = at[rex + 2] >> 3 & 7;
    greg_t *reg;

    at += rex;
    if (at[0] == 0x0f && at[1] == 0x06) {
        ts = false;
        r[REG_RIP] += 2;
        return;
    }
    if (at[0] != 0x0f || (at[1] != 0x20 && at[1] != 0x21 && at[1] != 0x23))
        abort();
    reg = &r[registers[(at[2] & 7) | (rex ? 8 : 0)]];
    if (at[1] == 0x20)
        *reg = (greg_t)(from == 2 ? cr2 : cr3);
    else if (at[1] == 0x21)
        *reg = (greg_t)dr6;
    else
        dr6 = (uint64_t)*reg;
    r[REG_RIP] += 3 + rex;
}

/* --- the hypervisor around it -------------------------------------------------------------------
 */

static bool stopping, performs, forced, stores, returns, has_ldt, readable;
static uint8_t code[2];
static char told[4000], said[4000];
static unsigned int interrupts;
static int interrupt_depth, ldt_depth;          /* how often the lock was taken */
static jmp_buf end;

bool emulate_privileged(struct vcpu *v)
{
    return performs;
}
bool emulate_forced_cpuid(struct vcpu *v)
{
    return forced;
}
bool far_return(struct vcpu *v)
{
    return returns;
}
bool ldt_fault(struct vcpu_window *w, const struct vcpu_tables *t, uint64_t address)
{
    ldt_depth = ring0_depth;
    assert_true(w == &vcpu.window && t == &vcpu.tables);
    assert_int_equal(address, cr2);
    return has_ldt;
}
void interrupt(uint32_t vector)
{
    interrupts = vector;
    interrupt_depth = ring0_depth;
}
bool machine_stopping(void)
{
    return stopping;
}
void cpu_stopped(const struct cpu_user_regs *regs)
{
    longjmp(end, 3);
}
void machine_halt(void)
{
    longjmp(end, 2);
}

bool emulate_pt_write(struct vcpu *v, uint64_t address)
{
    assert_int_equal(address, cr2);
    return stores;
}

int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    assert_true(from.a == vcpu.regs.rip && n == 2);
    memcpy(to, code, 2);
    return readable ? 0 : -EFAULT;
}

void inject_trap(struct vcpu *v, unsigned int vector, int error)
{
    assert_ptr_equal(v, &vcpu);
    snprintf(told, sizeof(told), "%u %d at %lx", vector, error, vcpu.regs.rip);
}

void inject_page_fault(struct vcpu *v, uint64_t address, uint32_t error)
{
    snprintf(told, sizeof(told), "14 %u at %lx, %lx", error, vcpu.regs.rip, address);
}

void printk_at(int level, const char *format, ...)
{
    va_list arguments;
    size_t had = strlen(said);

    va_start(arguments, format);
    vsnprintf(said + had, sizeof(said) - had - 1, format, arguments);
    va_end(arguments);
    strcat(said, "\n");
}

void panic(const char *format, ...)
{
    longjmp(end, 1);
}

static int set_up(void **state)
{
    struct sigaction action = { .sa_sigaction = do_instruction, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
    cpu = (struct cpu){ .self = &cpu, .running = &vcpu, .budget = 1000 };
    vcpu = (struct vcpu){ .window.base = WINDOW_VIRT + 3 * WINDOW_SIZE,
                          .window.ldt_base = 0x7000,
                          .in_kernel = true };
    vcpu.regs.rip = 0x1000;
    cpus_begin(&cpu);
    be_cpu(&cpu);
    stopping = performs = forced = stores = returns = has_ldt = false;
    readable = true;
    told[0] = said[0] = 0;
    interrupts = 0;
    return 0;
}

static const char *trap(unsigned int vector, uint32_t error)
{
    struct sigaction action = { .sa_sigaction = do_instruction, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL); /* cmocka has set its own since */
    told[0] = 0;
    vcpu.regs.entry_vector = vector;
    vcpu.regs.error_code = error;
    guest_trap(&vcpu.regs);
    return told;
}

#define HEARS(vector, error, words) assert_string_equal(trap((vector), (error)), (words))

/* --- a guest's ----------------------------------------------------------------------------------
 */

static void plain_exceptions(void **state)
{
    static const uint8_t without[] = { 0, 3, 4, 5, 16, 19 }, with[] = { 10, 11, 12, 17 };

    for (unsigned int i = 0; i < 6; i++) {
        char words[40];

        snprintf(words, sizeof(words), "%u -1 at 1000", without[i]);
        HEARS(without[i], 0x77, words);
    }
    for (unsigned int i = 0; i < 4; i++) {
        char words[40];

        snprintf(words, sizeof(words), "%u %u at 1000", with[i], 0xfff9);
        HEARS(with[i], 0x3fff9, words);
    }
    HEARS(9, 0, "6 -1 at 1000");
    HEARS(VECTOR_EXTERNAL - 1, 0, "6 -1 at 1000");
    HEARS(VECTOR_EXTERNAL, 0, "");
    assert_int_equal(interrupts, VECTOR_EXTERNAL);
    HEARS(0xff, 0, "");
    assert_int_equal(interrupts, 0xff);
}

static void instructions_that_are_done_for_it(void **state)
{
    HEARS(TRAP_GP, 0, "13 0 at 1000");
    HEARS(TRAP_INVALID_OP, 0, "6 -1 at 1000");
    assert_int_equal(vcpu.counters.emulated, 0);
    performs = true;
    HEARS(TRAP_GP, 0, "");
    memcpy(code, "\xcd\x21", 2);
    HEARS(TRAP_GP, 0x30015, "13 21 at 1000"); /* a selector is no such instruction, nor INT n */
    HEARS(TRAP_INVALID_OP, 0, "6 -1 at 1000");
    assert_int_equal(vcpu.counters.emulated, 1);
    forced = true;
    HEARS(TRAP_INVALID_OP, 0, "");
    assert_int_equal(vcpu.counters.emulated, 2);
}

/* INT n: the gate's level is 0: nobody's; 1: the kernel's; 3: everybody's. */
static void software_interrupts(void **state)
{
    static const struct {
        bool kernel;
        uint8_t level;
        uint64_t address;
        bool allowed;
    } rows[] = {
        { true, 0, 0x5000, false },  { true, 1, 0x5000, true },   { true, 3, 0x5000, true },
        { true, 3, 0, false },       { false, 0, 0x5000, false }, { false, 1, 0x5000, false },
        { false, 2, 0x5000, false }, { false, 3, 0x5000, true },  { false, 3, 0, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        vcpu.in_kernel = rows[i].kernel;
        vcpu.entry.traps[0x21] = (struct trap_info){ .address = rows[i].address,
                                                     .flags = rows[i].level };
        vcpu.entry.traps[0x80] = vcpu.entry.traps[0x21];
        vcpu.regs.rip = 0x1000;
        memcpy(code, "\xcd\x21", 2);
        HEARS(TRAP_GP, 0x212, rows[i].allowed ? "33 -1 at 1002" : "13 266 at 1000");
        vcpu.regs.rip = 0x1000;
        HEARS(VECTOR_INT80, 0, rows[i].allowed ? "128 -1 at 1000" : "13 1026 at ffe");
    }
    vcpu.regs.rip = 0x1000;
    readable = false;
    HEARS(TRAP_GP, 0x30013, "13 19 at 1000");
    readable = true;
    memcpy(code, "\xcc\x21", 2);
    HEARS(TRAP_GP, 0x12, "13 18 at 1000");
}

static void page_faults(void **state)
{
    static const struct {
        uint64_t cr2;
        uint32_t error;
        bool kernel, stores, returns;
        const char *words;
    } rows[] = {
        { 0x5000, PF_WRITE | PF_PRESENT, true, true, false, "" },
        { 0x5000, PF_WRITE | PF_PRESENT | PF_USER, true, true, false, "" },
        { 0x5000, PF_WRITE | PF_PRESENT, false, true, false, "14 3 at 1000, 5000" },
        { 0x5000, PF_WRITE, true, true, false, "14 2 at 1000, 5000" },
        { 0x5000, PF_PRESENT, true, true, false, "14 1 at 1000, 5000" },
        { 0x5000, PF_WRITE | PF_PRESENT | PF_RESERVED, true, true, false, "14 11 at 1000, 5000" },
        { 0x5000, PF_WRITE | PF_PRESENT | PF_FETCH, true, true, false, "14 19 at 1000, 5000" },
        { 0x5000, PF_WRITE | PF_PRESENT, true, false, false, "14 3 at 1000, 5000" },
        { HV_START, PF_WRITE | PF_PRESENT, true, true, false, "14 3 at 1000, ffff800000000000" },
        { HV_START - 1, PF_WRITE | PF_PRESENT, true, true, false, "" },
        { HV_END - 1, PF_WRITE | PF_PRESENT, true, true, false, "14 3 at 1000, ffff87ffffffffff" },
        { HV_END, PF_WRITE | PF_PRESENT, true, true, false, "" },
        { 0x5000, PF_PRESENT, true, false, true, "" },
        { 0x5000, PF_PRESENT | PF_WRITE, false, false, true, "" },
        { 0x5000, PF_PRESENT | PF_USER, true, false, true, "14 5 at 1000, 5000" },
        { 0x5000, 0, true, false, true, "14 0 at 1000, 5000" },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        cr2 = rows[i].cr2;
        vcpu.in_kernel = rows[i].kernel;
        stores = rows[i].stores;
        returns = rows[i].returns;
        HEARS(TRAP_PAGE_FAULT, rows[i].error, rows[i].words);
    }
}

/* The CPU read a descriptor in the window: where the guest has it, it hears. */
static void faults_of_the_window(void **state)
{
    static const struct {
        uint64_t cr2;
        bool window;
        uint64_t heard;
    } rows[] = {
        { LDT + 0x128, true, 0x7128 },
        { LDT - 8, true, 0x6ff8 },
        { WINDOW_VIRT, true, 0x7000 - LDT_WINDOW - 3 * WINDOW_SIZE },
        { WINDOW_VIRT - 1, false, 0 },
        { IOREMAP_VIRT, false, 0 },
        { IOREMAP_VIRT - 1, true, IOREMAP_VIRT - 1 - LDT + 0x7000 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        char words[80];

        snprintf(words, sizeof(words), "14 0 at 1000, %lx",
                 rows[i].window ? rows[i].heard : rows[i].cr2);
        cr2 = rows[i].cr2;
        has_ldt = !rows[i].window;
        HEARS(TRAP_PAGE_FAULT, 0, words);
        told[0] = 0;
        exit_failed();
        assert_string_equal(told, words);
        has_ldt = true;
        HEARS(TRAP_PAGE_FAULT, 0, rows[i].window ? "" : words);
    }
    vcpu.regs.entry_vector = TRAP_STACK;
    vcpu.regs.error_code = 0x3fff9;
    exit_failed();
    assert_string_equal(told, "12 65529 at 1000");
}

static void debug_exceptions(void **state)
{
    dr6 = 0xffff4ff2;
    vcpu.hw.debugreg[6] = 0x200d;
    HEARS(TRAP_DEBUG, 0, "1 -1 at 1000");
    assert_int_equal(vcpu.hw.debugreg[6],
                     0xffff0ff0 | 0x6002); /* who struck is new, the rest is kept */
    assert_int_equal(dr6, 0xffff0ff0);
    dr6 = 0xffff8ff1;
    HEARS(TRAP_DEBUG, 0, "1 -1 at 1000");
    assert_int_equal(vcpu.hw.debugreg[6], 0xffff0ff0 | 0xe001);
}

static void the_fpu_is_not_there(void **state)
{
    ts = true;
    vcpu.hw.guest_cr0 = ~CR0_TS;
    HEARS(TRAP_NO_DEVICE, 0, ""); /* the guest's is: ours is only late */
    assert_false(ts);
    ts = true;
    vcpu.hw.guest_cr0 = CR0_TS | CR0_PG;
    HEARS(TRAP_NO_DEVICE, 0, "7 -1 at 1000");
    assert_false(ts);
    assert_int_equal(vcpu.hw.guest_cr0, CR0_PG);
}

/* --- ring 0's -----------------------------------------------------------------------------------
 */

static void faults_that_are_expected(void **state)
{
    struct cpu_user_regs regs = { .entry_vector = TRAP_GP,
                                  .rip = (uint64_t)text_start + 16,
                                  .error_code = 0x55 };

    set_up(NULL);
    ring0_trap(&regs);
    assert_int_equal(regs.rip, 0x1111);
    assert_int_equal(cpu.budget, 1000 - COST_FAULT);
    assert_int_equal(vcpu.regs.error_code, 0);
    regs.rip = (uint64_t)guest_iretq;
    ring0_trap(&regs);
    assert_int_equal(regs.rip, 0x2222);
    assert_int_equal(vcpu.regs.entry_vector, TRAP_GP); /* the guest's to hear */
    assert_int_equal(vcpu.regs.error_code, 0x55);
    regs.entry_vector = VECTOR_EXTERNAL;
    regs.rip = 5;
    ring0_trap(&regs);
    assert_int_equal(interrupts, VECTOR_EXTERNAL);
    assert_int_equal(regs.rip, 5);
    /* The LDT is mapped when it is read. */
    cr2 = LDT;
    has_ldt = true;
    regs.entry_vector = TRAP_PAGE_FAULT;
    ring0_trap(&regs);
    assert_int_equal(regs.rip, 5);
    cpu.budget = -2 * COST_DESCRIPTORS + 1;     /* but not page after page */
    ring0_trap(&regs);
    assert_int_equal(regs.rip, 5);
    cpu.budget--;
    regs.rip = (uint64_t)text_start + 16;
    ring0_trap(&regs);
    assert_int_equal(regs.rip, 0x1111);
    cpu.budget = 1000;
    has_ldt = false;
    regs.rip = (uint64_t)text_start + 16;
    ring0_trap(&regs);
    assert_int_equal(regs.rip, 0x1111);
    has_ldt = true;
    cr2 = 0x5000; /* not of the window */
    regs.rip = (uint64_t)text_start + 16;
    ring0_trap(&regs);
    assert_int_equal(regs.rip, 0x1111);
    assert_string_equal(said, "");
}

/* Idle CPUs and IRETQ are without the lock around ring 0; all else that faults has it. */
static void who_has_ring0(void **state)
{
    struct cpu_user_regs regs = { .entry_vector = VECTOR_EXTERNAL + 1 };

    set_up(NULL);
    ring0_depth = 0;
    ring0_trap(&regs);
    assert_true(interrupts == VECTOR_EXTERNAL + 1 && interrupt_depth == 1 && ring0_depth == 0);
    cr2 = LDT;
    regs.entry_vector = TRAP_PAGE_FAULT;
    for (unsigned int i = 0; i < 2; i++) {
        has_ldt = i;
        ldt_depth = ring0_depth = 0;
        regs.rip = (uint64_t)guest_iretq;
        ring0_trap(&regs);
        assert_int_equal(regs.rip, has_ldt ? (uint64_t)guest_iretq : 0x2222);
        assert_true(ldt_depth == 1 && ring0_depth == 0);
        ldt_depth = 0;
        ring0_depth = 1;
        regs.rip = (uint64_t)text_start + 16;           /* a selector is loaded */
        ring0_trap(&regs);
        assert_int_equal(regs.rip, has_ldt ? (uint64_t)text_start + 16 : 0x1111);
        assert_true(ldt_depth == 1 && ring0_depth == 1);
    }
    regs.entry_vector = TRAP_GP;                        /* no page of an LDT's is missing */
    ldt_depth = 0;
    ring0_trap(&regs);
    assert_true(regs.rip == 0x1111 && ldt_depth == 0);
}

static void on_stacks_of_their_own(void **state)
{
    struct cpu_user_regs regs = {
        .entry_vector = TRAP_DEBUG, .rflags = 0x346, .cs = 0xe008, .rip = 0x99
    };
    int how;

    set_up(NULL);
    dr6 = 0xffff0fff;
    paranoid_trap(&regs);
    assert_int_equal(dr6, 0xffff0ff0);
    assert_int_equal(regs.rflags, 0x246);
    assert_string_equal(said, "");
    assert_int_equal(cpu.budget, 1000 - COST_FAULT);    /* a guest may have many of these */
    regs.entry_vector = TRAP_NMI;
    paranoid_trap(&regs);
    assert_int_equal(cpu.budget, 1000 - COST_FAULT);    /* these are none of its doing */
    assert_true(this_cpu()->nmis[0] == 0 && this_cpu()->nmis[1] == 1);
    assert_int_equal(this_cpu()->nmi_rip, 0x99);
    regs.cs = 0xe033;
    regs.rip = 0x77;
    paranoid_trap(&regs);
    assert_true(this_cpu()->nmis[0] == 1 && this_cpu()->nmis[1] == 1);
    assert_int_equal(this_cpu()->nmi_rip, 0x77);
    assert_string_equal(said, "");                      /* it is told later: nmi_tell */
    stopping = true;                                    /* another CPU has called */
    said[0] = 0;
    if (!(how = setjmp(end)))
        paranoid_trap(&regs);
    assert_true(how == 3 && !*said && ring0_depth == 1);
}

static uint64_t stack[CPU_STACK_SIZE / 8 + 8];

/* A frame at stack[at]: the next one, and who called. */
static void frame(unsigned int at, uint64_t next, uint64_t caller)
{
    stack[at] = next;
    stack[at + 1] = caller;
}

#define TOP (4 + CPU_STACK_SIZE / 8) /* the stack's, in the array; it begins at 4 */

static const char *trace(uint64_t rip, uint64_t from)
{
    said[0] = 0;
    cpu.stack_top = (uint64_t)(stack + TOP);
    print_stack_trace(rip, from);
    return said;
}

static const char *lines_of(unsigned int n)
{
    static char words[4000];

    words[0] = 0;
    for (unsigned int i = 0; i < n; i++)
        snprintf(words + strlen(words), 200, "  called from first+0x%x (%lx)\n", 10 * (i + 1),
                 (uint64_t)text_start + 10 * (i + 1));
    return words;
}

static void who_called_whom(void **state)
{
    uint64_t text = (uint64_t)text_start;
    char words[400];

    set_up(NULL);
    frame(10, (uint64_t)&stack[20], text + 10);
    frame(20, (uint64_t)&stack[TOP - 2], text + 20);
    frame(TOP - 2, (uint64_t)&stack[TOP], text + 30);
    frame(TOP, 0, text + 40); /* is none: it is beyond the stack */
    assert_string_equal(trace(0, (uint64_t)&stack[10]), lines_of(3));
    snprintf(words, sizeof(words), "  in second+0x4 (%lx)\n", text + 260);
    assert_string_equal(trace(text + 260, 0), words);
    assert_string_equal(trace(text + 4096, 0), "");
    assert_string_equal(trace(text - 1, 0), "");
    snprintf(words, sizeof(words), "  in first+0x0 (%lx)\n", text);
    assert_string_equal(trace(text, 1), words);
    /* A call that never returns is a function's last instruction: the one behind it is the next
     * function's. */
    frame(10, 0, text + 256);
    snprintf(words, sizeof(words), "  called from first+0x100 (%lx)\n", text + 256);
    assert_string_equal(trace(0, (uint64_t)&stack[10]), words);

    frame(3, 0, text + 10); /* below the stack */
    assert_string_equal(trace(0, (uint64_t)&stack[3]), "");
    frame(4, 0, text + 10); /* its first */
    assert_string_equal(trace(0, (uint64_t)&stack[4]), lines_of(1));
    frame(TOP - 1, 0, text + 10); /* half of it beyond */
    assert_string_equal(trace(0, (uint64_t)&stack[TOP - 1]), "");
    assert_string_equal(trace(0, (uint64_t)&stack[4] + 4), "");
    assert_string_equal(trace(0, (uint64_t)&stack[4] + 1), "");
    frame(11, 0, text + 10);
    assert_string_equal(trace(0, (uint64_t)&stack[11]), lines_of(1));
    frame(10, (uint64_t)&stack[20], text + 10);
    frame(20, (uint64_t)&stack[10], text + 20); /* frames climb */
    assert_string_equal(trace(0, (uint64_t)&stack[10]), lines_of(2));
    frame(20, (uint64_t)&stack[20], text + 20);
    assert_string_equal(trace(0, (uint64_t)&stack[10]), lines_of(2));
    frame(20, (uint64_t)&stack[30], text + 4096); /* who called is no code */
    frame(30, 0, text + 30);
    assert_string_equal(trace(0, (uint64_t)&stack[10]), lines_of(1));
}

/* The last one: a fault that nobody expects is told; another one, while it is told, ends all. */
static void the_end(void **state)
{
    struct cpu_user_regs regs = { .entry_vector = TRAP_DOUBLE_FAULT,
                                  .rip = (uint64_t)text_start + 32,
                                  .error_code = 0x12,
                                  .rax = 0xa1,
                                  .rbx = 0xb2,
                                  .r15 = 0xf5 };
    int how;

    set_up(NULL);
    cr2 = 0xc2;
    cr3 = 0xc3;
    if (!(how = setjmp(end)))
        ring0_trap(&regs); /* a place that is not on the list, but just behind it */
    assert_int_equal(how, 1);
    assert_non_null(strstr(said, "exception 8 (error code 12, CR2 c2) in the hypervisor, "
                                 "on CPU 0\n"));
    assert_non_null(strstr(said, "rax 00000000000000a1  rbx 00000000000000b2"));
    assert_non_null(strstr(said, "r15 00000000000000f5  cr3 00000000000000c3\n"));
    assert_non_null(strstr(said, "  in first+0x20"));
    said[0] = 0;
    if (!(how = setjmp(end)))
        paranoid_trap(&regs); /* while the first one is told: nothing more */
    assert_int_equal(how, 2);
    assert_string_equal(said, "");
}

#define CASE_OF(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(plain_exceptions),
        CASE_OF(instructions_that_are_done_for_it),
        CASE_OF(software_interrupts),
        CASE_OF(page_faults),
        CASE_OF(faults_of_the_window),
        CASE_OF(debug_exceptions),
        CASE_OF(the_fpu_is_not_there),
        CASE_OF(faults_that_are_expected),
        CASE_OF(who_has_ring0),
        CASE_OF(on_stacks_of_their_own),
        CASE_OF(who_called_whom),
        CASE_OF(the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
