/* SPDX-License-Identifier: MIT */
/* The machine under a guest's privileged instructions, for the tests of emulate/privileged.c. The
 * decoder is the real one; ports, MSRs, CPUID and page tables are the test's. */
#ifndef TESTS_UNIT_PRIVILEGED_HOST_H
#define TESTS_UNIT_PRIVILEGED_HOST_H

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
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
#define HOST_CR0   0x80050023ul
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

uint64_t *mmu_walk(const struct vcpu_tables *t, uint64_t va)
{
    return answers.entry;
}

struct cpuid_regs cpuid_policy(uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_regs){ leaf + 1, subleaf + 2, 0xcccccccc, 0xdddddddd };
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

long do_fpu_taskswitch(int set)
{
    did.ts++;
    did.ts_value = set;
    return 0;
}

long do_set_debugreg(int reg, unsigned long value)
{
    did.sets++;
    did.set_reg = reg;
    did.set_value = value;
    return answers.set_error;
}

unsigned int debugreg_number(const struct vcpu *v, unsigned int reg)
{
    return reg == 4 ? NO_DEBUGREG : reg;
}

int mmu_get_table(struct domain_memory *d, mfn_t m, enum frame_type level)
{
    assert_ptr_equal(d, &domain.memory);
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
    assert_int_equal(v->tables.kernel_cr3, 0x77000);
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
        .domain = &domain,
        .tables.owner = &domain.memory,
        .info = &info,
        .in_kernel = true,
        .ports.iopl = 1,
        .window.base = (uint64_t)gdt,
        .hw.tsc_aux = 0x99,
        .tables.kernel_cr3 = 0x55000,
        .hw.guest_cr4 = CR4_OSXSAVE | 8,
        .ports.bitmap = DATA,
        .regs = { .rip = CODE,
                  .cs = FLAT_RING3_CS64,
                  .rax = 0xa0a1a2a3a4a5a6a7,
                  .rbx = 0xb0b1b2b3b4b5b6b7,
                  .rcx = UPPER | 0xc0c1c2c3,
                  .rdx = UPPER | 0xd0d10064,
                  .rsi = DATA + 8,
                  .rdi = DATA + 16,
                  .rflags = 0x202 },
    };
    vcpu.entry.traps[13].address = 0x1000;
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

#endif
