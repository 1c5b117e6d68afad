/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions of a guest, one by one: who may, what is done, what is left in every
 * register, and where RIP stands afterwards. The decoder is the real one; ports, MSRs, CPUID and
 * page tables are the test's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "emulate/privileged.h"
#include "entry/hypercall.h"
#include "entry/trap.h"
#include "memory/access.h"
#include "memory/mmu.h"

/* Guest memory: pages 1 and 2 are there, 3 is not, 4 is. */
#define CODE       0x1000ul
#define ABSENT     0x3000ul
#define DATA       0x4000ul
#define MEMORY_END 0x5000ul
#define TSC        0x1234567887654321
#define HOST_CR0   0x80050033ul
#define UPPER      0xabcd000000000000ul         /* of registers whose lower half alone counts */

static struct cpu cpu;
static struct vcpu vcpu;
static struct vcpu_info info;
static struct domain domain;
static uint8_t memory[MEMORY_END];
static uint64_t gdt[8192];
static struct cpu_user_regs before;

uint64_t xsave_mask, m2p[1];

/* What happened, of everything that can. */
static struct {
    unsigned int traps, page_faults, ins, outs, ts, choose_cr4, load_cr4, load_tables, puts, shows,
        wbinvds, xsetbvs, sets;
    unsigned int vector, fault_code, size, msr;
    int trap_error;
    uint64_t fault_address, ts_value, cr4, gone, shown, xcr0, set_reg, set_value, msr_value;
    uint16_t port;
    uint32_t value;
} did;

/* What the stubs answer. */
static struct {
    int table_error, set_error;
    bool no_msr;
    uint64_t *entry;
} answers;

static bool is_there(uint64_t va, size_t n)
{
    return va + n <= MEMORY_END && va >= CODE && (va + n <= ABSENT || va >= DATA);
}

int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    if (!is_there(from.a, n)) return -EFAULT;
    memcpy(to, memory + from.a, n);
    return 0;
}

int copy_to_guest(vaddr_t to, const void *from, size_t n)
{
    if (!is_there(to.a, n)) return -EFAULT;
    memcpy(memory + to.a, from, n);
    return 0;
}

void inject_trap(struct vcpu *v, unsigned int vector, int error)
{
    did.traps++;
    did.vector = vector;
    did.trap_error = error;
}

void inject_page_fault(struct vcpu *v, uint64_t address, uint32_t code)
{
    did.page_faults++;
    did.fault_address = address;
    did.fault_code = code;
}

uint64_t *mmu_walk(const struct vcpu *v, uint64_t va)
{
    return answers.entry;
}

struct cpuid_leaf cpuid_policy(uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_leaf){ leaf + 1, subleaf + 2, 0xcccccccc, 0xdddddddd };
}

uint32_t port_in(struct vcpu *v, uint16_t port, unsigned int size)
{
    did.ins++;
    did.port = port;
    did.size = size;
    return 0x89abcdef;
}

void port_out(struct vcpu *v, uint16_t port, unsigned int size, uint32_t value)
{
    did.outs++;
    did.port = port;
    did.size = size;
    did.value = value;
}

bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    did.msr = msr;
    if (answers.no_msr) return false;
    *value = 0x1122334455667788;
    return true;
}

bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    did.msr = msr;
    did.msr_value = value;
    return !answers.no_msr;
}

long do_fpu_taskswitch(unsigned long set, unsigned long a2, unsigned long a3, unsigned long a4,
                       unsigned long a5, unsigned long a6)
{
    assert_int_equal(a2 | a3 | a4 | a5 | a6, 0);
    did.ts++;
    did.ts_value = set;
    return 0;
}

long do_set_debugreg(unsigned long reg, unsigned long value, unsigned long a3, unsigned long a4,
                     unsigned long a5, unsigned long a6)
{
    assert_int_equal(a3 | a4 | a5 | a6, 0);
    did.sets++;
    did.set_reg = reg;
    did.set_value = value;
    return answers.set_error;
}

unsigned long debugreg_number(const struct vcpu *v, unsigned long reg)
{
    return reg == 4 ? NO_DEBUGREG : reg;
}

int mmu_get_table(struct domain *d, mfn_t m, enum frame_type level)
{
    assert_ptr_equal(d, &domain);
    assert_int_equal(level, FRAME_L4);
    return answers.table_error;
}

void mmu_put_table(mfn_t m)
{
    did.puts++;
    did.gone = m.n;
}
void hv_show_m2p(mfn_t l4)
{
    did.shows++;
    did.shown = l4.n;
}
void vcpu_load_tables(struct vcpu *v)
{
    assert_int_equal(v->kernel_cr3, 0x77000);
    did.load_tables++;
}
void vcpu_choose_cr4(struct vcpu *v, uint64_t value)
{
    did.choose_cr4++;
    did.cr4 = value;
}
void vcpu_load_cr4(const struct vcpu *v)
{
    did.load_cr4 += did.choose_cr4;
}
uint64_t cr4_fixed(void)
{
    return 0x660;
}
uint64_t host_rdtsc(void)
{
    return TSC;
}
uint64_t host_read_cr0(void)
{
    return HOST_CR0;
}
uint64_t host_rdmsr(uint32_t msr)
{
    assert_true(msr == MSR_FS_BASE || msr == MSR_KERNEL_GS_BASE);
    return msr == MSR_FS_BASE ? 0x100 : 0x200;
}

/* WBINVD and XSETBV fault here. */
static void ring0_instruction(int number, siginfo_t *signal_info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)r[REG_RIP];

    if (at[0] == 0x0f && at[1] == 0x09) {
        did.wbinvds++;
        r[REG_RIP] += 2;
    } else if (at[0] == 0x0f && at[1] == 0x01 && at[2] == 0xd1) {
        did.xsetbvs++;
        did.xcr0 = (uint64_t)r[REG_RDX] << 32 | (uint32_t)r[REG_RAX];
        assert_int_equal(r[REG_RCX], 0);
        r[REG_RIP] += 3;
    } else {
        abort();
    }
}

static int set_up(void **state)
{
    domain = (struct domain){ .privileged = true };
    memset(&info, 0, sizeof(info));
    vcpu = (struct vcpu){
        .domain = &domain, .info = &info, .in_kernel = true, .iopl = 1, .window = (uint64_t)gdt,
        .tsc_aux = 0x99, .kernel_cr3 = 0x55000, .kernel_table = { 0x55 },
        .guest_cr4 = CR4_OSXSAVE | 8, .io_bitmap = DATA,
        .regs = { .rip = CODE, .cs = FLAT_RING3_CS64, .rax = 0xa0a1a2a3a4a5a6a7,
                  .rbx = 0xb0b1b2b3b4b5b6b7, .rcx = UPPER | 0xc0c1c2c3,
                  .rdx = UPPER | 0xd0d10064, .rsi = DATA + 8, .rdi = DATA + 16, .rflags = 0x202 },
    };
    vcpu.traps[13].address = 0x1000;
    cpu.self = &cpu;
    cpu.running = &vcpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    memset(&did, 0, sizeof(did));
    memset(&answers, 0, sizeof(answers));
    for (unsigned int i = 0; i < sizeof(memory); i++)
        memory[i] = (uint8_t)(i * 7 + 3);
    xsave_mask = 0xe7;
    return 0;
}

static void begin(void)
{
    struct sigaction action = { .sa_sigaction = ring0_instruction, .sa_flags = SA_SIGINFO };

    set_up(NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGILL, &action, NULL);
}

/* Puts the instruction to RIP and has it done. */
static bool perform(const char *hex)
{
    unsigned int n = 0;

    for (; hex[0]; hex += 2, n++) {
        char digits[3] = { hex[0], hex[1], 0 };

        memory[vcpu.regs.rip + n] = (uint8_t)strtoul(digits, NULL, 16);
    }
    before = vcpu.regs;
    before.rip += n;
    return emulate_privileged(&vcpu);
}

/* Done, and of the registers only RIP and what the test says in `before` is another. */
static void done(const char *hex)
{
    assert_true(perform(hex));
}
static void registers_are(void)
{
    assert_memory_equal(&vcpu.regs, &before, sizeof(before));
}
static void refused(const char *hex)
{
    struct cpu_user_regs unchanged = vcpu.regs;

    assert_false(perform(hex));
    assert_memory_equal(&vcpu.regs, &unchanged, sizeof(unchanged));
}

/* ---- fetching ---- */

/* mov %rax, %cr2 with prefixes to make it as long as can be: across the pages, and before one that
 * is not there. */
static void wherever_it_lies(void **state)
{
    static const char longest[] = "3e3e3e3e3e3e3e3e3e3e3e3e0f22d0";

    begin();
    for (unsigned int here = 0; here <= 16; here++) {
        vcpu.regs.rip = CODE + 0x1000 - here;
        info.arch.cr2 = 0;
        done(longest);
        registers_are();
        assert_int_equal(info.arch.cr2, vcpu.regs.rax);
    }
    for (unsigned int length = 1; length <= 16; length++) {
        vcpu.regs.rip = ABSENT - length;
        memset(memory + ABSENT - length, 0x3e, length);
        if (length >= 3 && length <= 15) {
            memcpy(memory + ABSENT - 3, "\x0f\x22\xd0", 3);
            assert_true(emulate_privileged(&vcpu));
            assert_int_equal(vcpu.regs.rip, ABSENT);
        } else {
            assert_false(emulate_privileged(&vcpu));
            assert_int_equal(vcpu.regs.rip, ABSENT - length);
        }
    }
    vcpu.regs.rip = ABSENT;
    assert_false(emulate_privileged(&vcpu));
    vcpu.regs.rip = ABSENT - 2;                 /* known to be none before its end is read */
    refused("0f0b");
    vcpu.regs.rip = CODE + 0x1000 - 1;          /* nor is it any when its end is there */
    refused("0f0b");
}

/* Whether a REX is one tells 64-bit code from 32-bit code. */
static void code_segments(void **state)
{
    static const uint64_t in64 = 1ul << 53, in32 = 1ul << 54;
    static const struct { uint64_t descriptor; bool wide, narrow; } descriptors[] = {
        { 1ul << 53, true, true }, { 1ul << 54, false, true },      { 0, false, false },
        { 1ul << 52, false, false }, { 1ul << 55, false, false },
        { 0xf0dfff000000fffful, false, false },
        { 0x00dfff000000fffful, false, true },
        { 0xff20ffffffff0000ul, true, true },
    };

    begin();
    for (unsigned int i = 0; i < ARRAY_SIZE(descriptors); i++) {
        gdt[0x1000] = 0;
        gdt[2] = descriptors[i].descriptor;
        for (unsigned int rpl = 0; rpl < 4; rpl++) {
            vcpu.regs.cs = (uint16_t)(0x10 + rpl);
            descriptors[i].wide ? done("480f06") : refused("480f06");
            descriptors[i].narrow ? done("0f06") : refused("0f06");
        }
        vcpu.regs.cs = 0x14;                    /* of the LDT */
        refused("0f06");
    }
    vcpu.regs.cs = 0x10;
    for (unsigned int bit = 16; bit < 64; bit++) {
        bool base = bit < 40 || bit >= 56;

        if (bit == 53)
            continue;
        gdt[2] = in32 | 1ul << bit;
        base ? refused("0f06") : done("0f06");
        gdt[2] = in64 | 1ul << bit;
        done("480f06");
    }
    gdt[2] = in32;
    vcpu.regs.cs = FLAT_RING3_CS64;
    done("480f06");
}

static void what_follows(void **state)
{
    begin();
    vcpu.regs.rflags = 0x10202;
    done("0f06");
    before.rflags = 0x202;                      /* RF is the instruction's own */
    registers_are();
    assert_int_equal(did.traps, 0);
    vcpu.regs.rflags = 0x302;
    vcpu.debugreg[6] = 0xffff0ff0;
    done("0f06");
    registers_are();
    assert_int_equal(did.traps, 1);
    assert_int_equal(did.vector, 1);
    assert_int_equal(did.trap_error, -1);
    assert_int_equal(vcpu.debugreg[6], 0xffff4ff0);
}

/* ---- CPUID ---- */

static void answers_of_cpuid(uint64_t length)
{
    assert_int_equal(vcpu.regs.rax, 0xa4a5a6a8);
    assert_int_equal(vcpu.regs.rbx, 0xc0c1c2c5);
    assert_int_equal(vcpu.regs.rcx, 0xcccccccc);
    assert_int_equal(vcpu.regs.rdx, 0xdddddddd);
    assert_int_equal(vcpu.regs.rip, CODE + length);
}

static void cpuid_is_everyones(void **state)
{
    for (int kernel = 0; kernel < 2; kernel++) {
        begin();
        vcpu.in_kernel = kernel;
        done("0fa2");
        answers_of_cpuid(2);
    }
}

static void forced_cpuid(void **state)
{
    static const uint8_t forced[] = { 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2 };

    for (unsigned int wrong = 0; wrong <= sizeof(forced); wrong++) {
        begin();
        memcpy(memory + CODE, forced, sizeof(forced));
        if (wrong < sizeof(forced)) {
            memory[CODE + wrong] ^= 1;
            assert_false(emulate_forced_cpuid(&vcpu));
            assert_int_equal(vcpu.regs.rip, CODE);
        } else {
            assert_true(emulate_forced_cpuid(&vcpu));
            answers_of_cpuid(7);
        }
    }
    begin();
    vcpu.regs.rip = ABSENT - 7;
    memcpy(memory + ABSENT - 7, forced, 7);
    assert_true(emulate_forced_cpuid(&vcpu));
    vcpu.regs.rip = ABSENT - 6;
    memcpy(memory + ABSENT - 6, forced, 7);
    assert_false(emulate_forced_cpuid(&vcpu));
}

/* ---- ports ---- */

static void who_may_by_his_level(void **state)
{
    for (unsigned int iopl = 0; iopl <= 3; iopl++)
        for (unsigned int kind = 0; kind < 3; kind++) {
            begin();
            vcpu.in_kernel = kind > 0;
            domain.vm_assist = kind == 1 ? ~(1u << VMASST_TYPE_architectural_iopl)
                                         : 1u << VMASST_TYPE_architectural_iopl;
            vcpu.iopl = iopl;
            static const unsigned int needed[] = { 3, 1, 0 };
            static const char *const instructions[] = { "fa", "fb", "ee", "ec", "6e", "6c" };

            for (unsigned int i = 0; i < ARRAY_SIZE(instructions); i++) {
                vcpu.regs.rip = CODE;
                iopl >= needed[kind] ? done(instructions[i]) : refused(instructions[i]);
            }
            assert_int_equal(did.ins, iopl >= needed[kind] ? 2 : 0);
            assert_int_equal(did.outs, iopl >= needed[kind] ? 2 : 0);
        }
}

static const char *const outs[] = { [1] = "ee", [2] = "66ef", [4] = "ef" };

/* One port is open at a time, then one is closed; the bitmap ends at its last port. */
static void who_may_by_the_bitmap(void **state)
{
    begin();
    vcpu.iopl = 0;
    vcpu.io_bitmap_ports = 40;
    for (unsigned int closed = 0; closed <= 40; closed++)
        for (unsigned int port = 0; port < 48; port++)
            for (unsigned int size = 1; size <= 4; size *= 2) {
                bool open = closed - port >= size && port + size <= 40;

                memset(memory + DATA, 0, 8);
                if (closed < 40)
                    memory[DATA + closed / 8] = (uint8_t)(1u << closed % 8);
                vcpu.regs.rip = CODE;
                vcpu.regs.rdx = UPPER | port;
                open ? done(outs[size]) : refused(outs[size]);
            }
    memset(memory + DATA, 0, 8);
    vcpu.io_bitmap = ABSENT - 2;                /* 16 ports of it are there */
    memset(memory + ABSENT - 2, 0, 2);
    for (unsigned int port = 8; port < 32; port++)
        for (unsigned int size = 1; size <= 4; size *= 2) {
            vcpu.regs.rip = CODE;
            vcpu.regs.rdx = port;
            port + size <= 16 ? done(outs[size]) : refused(outs[size]);
        }
    vcpu.io_bitmap = DATA - 8191;               /* the last of all ports: DATA */
    vcpu.io_bitmap_ports = 65536;
    memory[DATA] = 0x80;
    vcpu.regs.rdx = 0xffff;
    refused("ee");
    vcpu.regs.rdx = 0xfffe;
    done("ee");
    assert_int_equal(did.port, 0xfffe);
}

static void in_and_out(void **state)
{
    static const struct { const char *hex; bool out; uint16_t port; unsigned int size; } forms[] = {
        { "e4ff", false, 0xff, 1 }, { "66e580", false, 0x80, 2 }, { "e57f", false, 0x7f, 4 },
        { "ec", false, 0x64, 1 },   { "66ed", false, 0x64, 2 },   { "ed", false, 0x64, 4 },
        { "e6ff", true, 0xff, 1 },  { "66e780", true, 0x80, 2 },  { "e77f", true, 0x7f, 4 },
        { "ee", true, 0x64, 1 },    { "66ef", true, 0x64, 2 },    { "ef", true, 0x64, 4 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(forms); i++) {
        begin();
        done(forms[i].hex);
        if (!forms[i].out)
            before.rax = forms[i].size == 1   ? 0xa0a1a2a3a4a5a6ef
                         : forms[i].size == 2 ? 0xa0a1a2a3a4a5cdef
                                              : 0x89abcdef;
        registers_are();
        assert_int_equal(did.ins, !forms[i].out);
        assert_int_equal(did.outs, forms[i].out);
        assert_int_equal(did.port, forms[i].port);
        assert_int_equal(did.size, forms[i].size);
        assert_int_equal(did.value, forms[i].out ? 0xa4a5a6a7 : 0);
    }
}

/* ---- strings of them ---- */

static void one_element(void **state)
{
    static const struct { const char *hex; bool out; unsigned int size, base; } forms[] = {
        { "6c", false, 1, 0 },    { "666d", false, 2, 0 },   { "6d", false, 4, 0 },
        { "6e", true, 1, 0 },     { "666f", true, 2, 0 },    { "6f", true, 4, 0 },
        { "646f", true, 4, 0x100 }, { "656f", true, 4, 0x200 }, { "266f", true, 4, 0 },
        { "646d", false, 4, 0 },  { "656c", false, 1, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(forms); i++)
        for (int down = 0; down < 2; down++) {
            uint32_t there = 0;
            int64_t step = down ? -(int64_t)forms[i].size : (int64_t)forms[i].size;

            begin();
            vcpu.regs.rflags |= down ? 0x400 : 0;
            memcpy(&there, memory + (forms[i].out ? DATA + 8 + forms[i].base : DATA + 16),
                   forms[i].size);
            done(forms[i].hex);
            *(forms[i].out ? &before.rsi : &before.rdi) += (uint64_t)step;
            registers_are();
            assert_int_equal(did.outs, forms[i].out);
            assert_int_equal(did.ins, !forms[i].out);
            assert_int_equal(did.port, 0x64);
            assert_int_equal(did.size, forms[i].size);
            if (forms[i].out)
                assert_int_equal(did.value, there);
            else
                assert_memory_equal(memory + DATA + 16, "\xef\xcd\xab\x89", forms[i].size);
        }
}

static void many_elements(void **state)
{
    static const struct { uint64_t count; unsigned int done; uint64_t left; } counts[] = {
        { 0, 0, 0 }, { 1, 1, 0 }, { 3, 3, 0 }, { 63, 63, 0 }, { 64, 64, 0 }, { 65, 64, 1 },
        { 1ul << 32, 64, (1ul << 32) - 64 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++)
        for (unsigned int prefix = 0; prefix < 2; prefix++) {
            begin();
            vcpu.regs.rcx = counts[i].count;
            done(prefix ? "f36e" : "f26e");
            before.rsi += counts[i].done;
            before.rcx = counts[i].left;
            if (counts[i].left)
                before.rip -= 2;                /* the same instruction again */
            registers_are();
            assert_int_equal(did.outs, counts[i].done);
        }
}

/* With addresses of 32 bits the upper halves count neither as pointer nor as count. */
static void narrow_addresses(void **state)
{
    begin();
    vcpu.regs.rcx = UPPER | 2;
    vcpu.regs.rsi |= UPPER;
    done("f3676f");
    before.rcx = 0;
    before.rsi = DATA + 16;
    registers_are();
    assert_int_equal(did.outs, 2);
    begin();
    vcpu.regs.rcx = UPPER;
    vcpu.regs.rdi |= UPPER;
    done("f3676d");
    registers_are();
    assert_int_equal(did.ins, 0);
    done("676d");
    before.rdi = DATA + 20;
    registers_are();
    begin();
    vcpu.regs.rsi |= UPPER;
    refused("0f0b");
    assert_true(perform("6f"));                 /* of 64 bits they do */
    assert_int_equal(did.page_faults, 1);
    assert_int_equal(did.fault_address, UPPER | (DATA + 8));
}

static void elements_that_fault(void **state)
{
    static uint64_t entries[] = { 0, 1, 2, 6, 7 };

    for (unsigned int i = 0; i <= ARRAY_SIZE(entries); i++)
        for (int out = 0; out < 2; out++) {
            begin();
            answers.entry = i < ARRAY_SIZE(entries) ? &entries[i] : NULL;
            vcpu.regs.rsi = vcpu.regs.rdi = ABSENT - 3;
            vcpu.regs.rcx = 10;
            assert_true(perform(out ? "f36e" : "f36c"));
            before.rcx = 7;
            *(out ? &before.rsi : &before.rdi) = ABSENT;
            before.rip -= 2;
            registers_are();
            assert_int_equal(did.page_faults, 1);
            assert_int_equal(did.fault_address, ABSENT);
            assert_int_equal(did.fault_code, (i < ARRAY_SIZE(entries) ? entries[i] & 1 : 0) |
                                                 (out ? 0 : 2));
            assert_int_equal(out ? did.outs : did.ins, out ? 3 : 4);
        }
}

/* ---- control registers ---- */

static void reading_control_registers(void **state)
{
    begin();
    info.arch.cr2 = 0x2222;
    for (unsigned int ts = 0; ts < 2; ts++) {
        vcpu.guest_cr0 = ts ? ~0ul : ~8ul;
        vcpu.regs.rip = CODE;
        done("0f20c3");
        before.rbx = (HOST_CR0 & ~8ul) | (ts ? 8 : 0);
        registers_are();
    }
    done("0f20d3");
    before.rbx = 0x2222;
    registers_are();
    done("0f20db");
    before.rbx = 0x55000;
    registers_are();
    done("0f20e3");
    before.rbx = CR4_OSXSAVE | 0x668;
    registers_are();
}

static void writing_control_registers(void **state)
{
    begin();
    vcpu.regs.rbx = HOST_CR0 | 8;
    done("0f22c3");
    assert_int_equal(did.ts_value, 1);
    vcpu.regs.rbx = HOST_CR0 & ~8ul;
    done("0f22c3");
    registers_are();
    assert_int_equal(did.ts_value, 0);
    assert_int_equal(did.ts, 2);
    for (unsigned int bit = 0; bit < 64; bit++) {
        vcpu.regs.rbx = HOST_CR0 ^ 1ul << bit;
        if (bit != 3)
            refused("0f22c3");
    }
    assert_int_equal(did.ts, 2);
    vcpu.regs.rbx = 0x9999;
    done("0f22d3");
    assert_int_equal(info.arch.cr2, 0x9999);
    done("0f22e3");
    assert_int_equal(did.cr4, 0x9999);
    assert_int_equal(did.choose_cr4, 1);
    assert_int_equal(did.load_cr4, 1);
    registers_are();
}

static void another_base_pointer(void **state)
{
    begin();
    vcpu.regs.rbx = 0x77123;
    answers.table_error = -EINVAL;
    refused("0f22db");
    answers.table_error = -ERESTART;
    assert_true(perform("0f22db"));
    before.rip = CODE;                          /* the same again */
    registers_are();
    assert_int_equal(vcpu.kernel_cr3, 0x55000);
    assert_int_equal(vcpu.kernel_table.n, 0x55);
    assert_int_equal(did.load_tables + did.puts + did.shows, 0);
    answers.table_error = 0;
    done("0f22db");
    registers_are();
    assert_int_equal(vcpu.kernel_cr3, 0x77000);
    assert_int_equal(vcpu.kernel_table.n, 0x77);
    assert_int_equal(did.shown, 0x77);
    assert_int_equal(did.gone, 0x55);
    assert_int_equal(did.load_tables, 1);
    assert_int_equal(did.puts, 1);
}

static void clear_ts(void **state)
{
    begin();
    done("0f06");
    registers_are();
    assert_int_equal(did.ts, 1);
    assert_int_equal(did.ts_value, 0);
}

/* ---- debug registers ---- */

static void debug_registers(void **state)
{
    begin();
    vcpu.debugreg[2] = 0x2020;
    done("0f21d3");
    before.rbx = 0x2020;
    registers_are();
    done("0f23f3");
    registers_are();
    assert_int_equal(did.sets, 1);
    assert_int_equal(did.set_reg, 6);
    assert_int_equal(did.set_value, 0x2020);
    answers.set_error = -EPERM;
    refused("0f23fb");
    assert_int_equal(did.set_reg, 7);
    assert_int_equal(did.traps, 0);
    for (int write = 0; write < 2; write++) {
        vcpu.regs.rip = CODE;
        assert_true(perform(write ? "0f23e3" : "0f21e3"));
        before.rip = CODE;
        registers_are();
        assert_int_equal(did.traps, write + 1);
        assert_int_equal(did.vector, 6);
        assert_int_equal(did.trap_error, -1);
    }
    assert_int_equal(did.sets, 2);
}

/* ---- MSRs, time, caches ---- */

static void msrs(void **state)
{
    begin();
    done("0f32");
    before.rax = 0x55667788;
    before.rdx = 0x11223344;
    registers_are();
    assert_int_equal(did.msr, 0xc0c1c2c3);
    answers.no_msr = true;
    refused("0f32");
    vcpu.traps[13].address = 0;                 /* nobody could hear of it */
    done("0f32");
    before.rax = before.rdx = 0;
    registers_are();
    begin();
    done("0f30");
    registers_are();
    assert_int_equal(did.msr, 0xc0c1c2c3);
    assert_int_equal(did.msr_value, 0xd0d10064a4a5a6a7);
    answers.no_msr = true;
    refused("0f30");
}

static void time_stamps(void **state)
{
    begin();
    done("0f31");
    before.rax = 0x87654321;
    before.rdx = 0x12345678;
    registers_are();
    done("0f01f9");
    before.rcx = 0x99;
    registers_are();
    refused("0f33");
    refused("0f01d0");
}

static void caches(void **state)
{
    for (int privileged = 0; privileged < 2; privileged++) {
        begin();
        domain.privileged = privileged;
        done("0f09");
        registers_are();
        assert_int_equal(did.wbinvds, privileged);
    }
}

/* ---- XCR0 ---- */

static void extended_control_register(void **state)
{
    static const struct { uint64_t mask, value; bool may; } values[] = {
        { 0xe7, 1, true },        { 0xe7, 3, true },     { 0xe7, 7, true },
        { 0xe7, 0xe7, true },     { 0xe7, 0, false },    { 0xe7, 2, false },
        { 0xe7, 6, false },       { 0xe7, 0xe6, false }, { 0xe7, 5, false },
        { 0xe7, 0x27, false },    { 0xe7, 0x47, false }, { 0xe7, 0x87, false },
        { 0xe7, 0x67, false },    { 0xe7, 0xe3, false }, { 0xe7, 0xe5, false },
        { 0xe7, 0xe1, false },    { 7, 7, true },        { 7, 0xe7, false },
        { 3, 7, false },          { 0xe7, 0xf, false },  { 0xf, 0xf, true },
        { 0x1e7, 0x1e7, true },   { 0x1e7, 0x107, true },
        { ~0ul, 1ul << 62 | 3, true },  { 7, 1ul << 62 | 3, false },
        { 0, 1, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
        begin();
        xsave_mask = values[i].mask;
        vcpu.regs.rcx = UPPER;
        vcpu.regs.rax = UPPER | (uint32_t)values[i].value;
        vcpu.regs.rdx = UPPER | values[i].value >> 32;
        if (values[i].may) {
            done("0f01d1");
            registers_are();
            assert_int_equal(vcpu.xcr0, values[i].value);
            assert_int_equal(did.xcr0, values[i].value);
        } else {
            refused("0f01d1");
            assert_int_equal(vcpu.xcr0, 0);
        }
        assert_int_equal(did.xsetbvs, values[i].may);
    }
    begin();
    vcpu.regs.rax = 7;
    vcpu.regs.rdx = 0;
    vcpu.regs.rcx = 1;
    refused("0f01d1");
    for (int kernel = 0; kernel < 2; kernel++) {
        vcpu.in_kernel = kernel;
        vcpu.regs.rcx = 0;
        vcpu.guest_cr4 = ~CR4_OSXSAVE;
        assert_true(perform("0f01d1"));         /* there is no such instruction */
        before.rip -= 3;
        registers_are();
        assert_int_equal(did.traps, kernel + 1);
        assert_int_equal(did.vector, 6);
    }
    assert_int_equal(did.xsetbvs, 0);
    vcpu.guest_cr4 = 0;
    done("0f01f9");                             /* nor does that concern another */
}

/* ---- user mode ---- */

static void user_mode_may_none(void **state)
{
    static const char *const instructions[] = {
        "0f01d1", "0f01f9", "0f01d0", "0f06", "0f09", "0f20c0", "0f20d0", "0f20d8", "0f20e0",
        "0f22c0", "0f22d0", "0f22d8", "0f22e0", "0f21c0", "0f21e0", "0f23c0", "0f30", "0f31",
        "0f32", "0f33", "fa", "fb", "e4ff", "ee", "6c", "6e",
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(instructions); i++) {
        begin();
        vcpu.in_kernel = false;
        vcpu.iopl = 2;
        vcpu.regs.rax = HOST_CR0;
        refused(instructions[i]);
        static const typeof(did) nothing;

        assert_memory_equal(&did, &nothing, sizeof(did));
    }
}

/* On the decoder's list for stores to page tables; here they are nobody's. */
static void no_privileged_ones(void **state)
{
    static const char *const instructions[] = { "8900", "a5", "aa", "0fab01", "0fc308", "f610" };

    begin();
    for (unsigned int i = 0; i < ARRAY_SIZE(instructions); i++)
        refused(instructions[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wherever_it_lies),
        cmocka_unit_test(code_segments),
        cmocka_unit_test(what_follows),
        cmocka_unit_test(cpuid_is_everyones),
        cmocka_unit_test(forced_cpuid),
        cmocka_unit_test(who_may_by_his_level),
        cmocka_unit_test(who_may_by_the_bitmap),
        cmocka_unit_test(in_and_out),
        cmocka_unit_test(one_element),
        cmocka_unit_test(many_elements),
        cmocka_unit_test(narrow_addresses),
        cmocka_unit_test(elements_that_fault),
        cmocka_unit_test(reading_control_registers),
        cmocka_unit_test(writing_control_registers),
        cmocka_unit_test(another_base_pointer),
        cmocka_unit_test(clear_ts),
        cmocka_unit_test(debug_registers),
        cmocka_unit_test(msrs),
        cmocka_unit_test(time_stamps),
        cmocka_unit_test(caches),
        cmocka_unit_test(extended_control_register),
        cmocka_unit_test(user_mode_may_none),
        cmocka_unit_test(no_privileged_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
