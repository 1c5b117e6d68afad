/* SPDX-License-Identifier: MIT */
/*
 * Setting a processor up: control registers, our page of the GDT, the TSS and its stacks, the
 * SYSCALL registers, XSAVE. The same function for the boot CPU and the others.
 */
#include "machine/cpu.h"
#include <xen/xen.h>
#include "machine/entry_asm.h"
#include "lib/printk.h"
#include "machine/io.h"
#include "machine/segments.h"

struct cpu boot_cpu;
struct cpu *cpus[MAX_CPUS] = { &boot_cpu };
uint32_t cpus_online = 1;
uint64_t host_cr4;
uint64_t xsave_mask;
uint32_t xsave_size;

/* x87, SSE, AVX, the three parts of AVX-512: plain register state */
#define XSTATE_WANTED 0xe7u

/* Flags that SYSCALL clears: TF, IF, DF, IOPL, NT, RF, AC: ring 0 starts as if the guest had set
 * nothing. */
#define SYSCALL_FLAG_MASK \
    (RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_RF | RFLAGS_AC)

static bool has(uint32_t leaf, char reg, unsigned int bit)
{
    struct cpuid_regs r;

    if (cpuid(0, 0).a < leaf) return false;
    r = cpuid(leaf, 0);
    return (reg == 'b' ? r.b : r.c) >> bit & 1;
}

bool cpu_has_smap(void)
{
    return has(7, 'b', 20);
}

static void load_control_registers(struct cpu *cpu)
{
    uint64_t cr4 = CR4_PAE | CR4_PGE | CR4_MCE | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    if (has(7, 'b', 0))
        cr4 |= CR4_FSGSBASE;
    if (has(7, 'b', 7))
        cr4 |= CR4_SMEP;
    if (has(7, 'b', 20))
        cr4 |= CR4_SMAP;
    if (has(1, 'c', 26))
        cr4 |= CR4_OSXSAVE;
    write_cr0((read_cr0() | CR0_WP | CR0_NE | CR0_MP | CR0_AM) & ~(CR0_EM | CR0_TS));
    write_cr4(cr4);
    host_cr4 = cpu->loaded_cr4 = cr4;
    if (cr4 & CR4_OSXSAVE) {
        struct cpuid_regs r = cpuid(0xd, 0);
        xsave_mask = r.a & XSTATE_WANTED;
        write_xcr0(xsave_mask);
        xsave_size = cpuid(0xd, 0).b;           /* of what XCR0 now enables */
    }
}

static void fill_gdt_page(struct cpu *cpu)
{
    uint64_t *g = cpu->gdt_page, tss = (uint64_t)&cpu->tss;

    g[(HV_CS & 0xfff) / 8] = 0x00af9b000000ffff;
    g[(HV_DS & 0xfff) / 8] = 0x00cf93000000ffff;
    g[(FLAT_RING3_CS32 & 0xff8) / 8] = 0x00cffb000000ffff;
    g[(FLAT_RING3_DS32 & 0xff8) / 8] = 0x00cff3000000ffff;
    g[(FLAT_RING3_CS64 & 0xff8) / 8] = 0x00affb000000ffff;
    g[(HV_TSS & 0xfff) / 8] = 0x0000890000000000 | (sizeof(struct tss) - 1) |
                              (tss & 0xffffff) << 16 | (tss >> 24 & 0xff) << 56;
    g[(HV_TSS & 0xfff) / 8 + 1] = tss >> 32;
}

/* While no vCPU's window has taken over, GDTR points 14 pages below our page: nothing uses a
 * selector that low. */
void cpu_own_descriptors(struct cpu *cpu)
{
    struct table_pointer pointer = {
        GDT_BYTES - 1, (uint64_t)cpu->gdt_page - GUEST_GDT_PAGES * PAGE_SIZE };

    __asm__ volatile("lgdt %0; lldt %w1" : : "m"(pointer), "r"(0));
}

static void load_gdt(struct cpu *cpu)
{
    cpu_own_descriptors(cpu);
    __asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
                     :
                     : "i"(HV_CS)
                     : "rax", "memory");
    __asm__ volatile("mov %0, %%ss" : : "r"(HV_DS));
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" : : "r"(0));
    __asm__ volatile("ltr %w0" : : "r"(HV_TSS));
}

/* One page a stack; its last word is the way back to the struct cpu (entry.asm, "exceptions on
 * stacks of their own"). */
static void set_ist(struct cpu *cpu, unsigned int ist, uint8_t *page)
{
    uint64_t *top = (uint64_t *)(void *)(page + PAGE_SIZE) - 2;

    *top = (uint64_t)cpu;
    cpu->tss.ist[ist - 1] = (uint64_t)top;
}

void cpu_init(struct cpu *cpu, struct cpu_stacks *stacks)
{
    cpu->self = cpu;
    cpu->gdt_page = stacks->gdt;
    spin_lock_init(&cpu->timers.lock, LOCK_TIMERS);
    cpu->stack_top = (uint64_t)(stacks->main + CPU_STACK_SIZE);
    /* none: every port access of ring 3 is a #GP */
    cpu->tss.iomap_base = sizeof(struct tss);
    for (unsigned int i = 1; i <= IST_COUNT; i++)
        set_ist(cpu, i, stacks->ist[i - 1]);
    fill_gdt_page(cpu);
    load_gdt(cpu);
    wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    load_control_registers(cpu);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NX);
    wrmsr(MSR_STAR, (uint64_t)FLAT_RING3_CS32 << 48 | (uint64_t)HV_CS << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_CSTAR, (uint64_t)syscall32_entry);
    wrmsr(MSR_FMASK, SYSCALL_FLAG_MASK);
    wrmsr(MSR_PAT, XEN_MSR_PAT);
    /* SYSENTER is a #GP, which the guest gets */
    wrmsr(MSR_SYSENTER_CS, 0);
}

void nmi_tell(void)
{
    struct cpu *cpu = this_cpu();
    uint32_t guests = cpu->nmis[0], ours = cpu->nmis[1];

    if (likely(guests == cpu->nmis_told[0] && ours == cpu->nmis_told[1])) return;
    log_warn("CPU %u: NMIs: %u in guests, %u in the hypervisor, the last at %lx", cpu->id,
             guests - cpu->nmis_told[0], ours - cpu->nmis_told[1], cpu->nmi_rip);
    cpu->nmis_told[0] = guests;
    cpu->nmis_told[1] = ours;
}

bool rdmsr_safe(uint32_t msr, uint64_t *value)
{
    uint32_t low = 0, high = 0;
    bool ok = true;

    __asm__ volatile("1: rdmsr; jmp 3f; 2: movb $0, %0; 3:\n"
                     ".pushsection .fixups, \"a\"; .quad 1b, 2b; .popsection"
                     : "+m"(ok), "+a"(low), "+d"(high) : "c"(msr));
    *value = (uint64_t)high << 32 | low;
    return ok;
}

bool wrmsr_safe(uint32_t msr, uint64_t value)
{
    bool ok = true;

    __asm__ volatile("1: wrmsr; jmp 3f; 2: movb $0, %0; 3:\n"
                     ".pushsection .fixups, \"a\"; .quad 1b, 2b; .popsection"
                     : "+m"(ok)
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
    return ok;
}
