/* SPDX-License-Identifier: MIT */
/*
 * DOMUS_run: a processor of our making runs by hardware assistance, in each of its modes; all that
 * concerns the machine comes back as an exit; what no processor has is refused, or comes back as
 * invalid; and nothing of it is left in ours. memory.c: what it reaches. selectors.c: our data
 * segments. second.c: another vCPU meanwhile. With the word `off` the hypervisor was told svm=off.
 * Idea: XSA-156 (#DB and #AC in the delivery of one), 402 (memory types), and AMD's manual, volume
 * 2, 15.5.1 (illegal states) and 15.6 (host segments that cannot be loaded).
 * machine: vcpus
 * also on: max,-svm; max,-npt
 */
#include "parts.h"
#include <pvguest/bits.h>
#include <pvguest/cpu.h>

/* The CPU's, which a guest on one without CPUID faulting sees as it is. */
static bool cpu_has_it(void)
{
    uint32_t a = 0x80000001, b, c = 0, d;

    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (!(c & 4)) return false;
    a = 0x8000000a;
    c = 0;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return d & 1;
}

/* ---- it runs ---- */

static void three_modes(void)
{
    vm_real(SAME("\xb8\x34\x12\xa3\x00\x20\xf4"));      /* mov ax, 1234h; mov [2000h], ax; hlt */
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    CHECK_IS(run.rip, CODE + 6);
    CHECK_IS(*(uint32_t *)vm_at(DATA), 0x1234);
    vm_protected(SAME("\xb8\x78\x56\x34\x12\xa3\x00\x20\x00\x00\xf4"));
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    CHECK_IS(*(uint64_t *)vm_at(DATA), 0x12345678);
    vm_long(SAME("\x48\xb8\x88\x77\x66\x55\x44\x33\x22\x11\x48\xa3\0\x20\0\0\0\0\0\0\xf4"));
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    CHECK_IS(*(uint64_t *)vm_at(DATA), 0x1122334455667788);
    CHECK_IS(run.general[VM_RAX], 0x1122334455667788);
}

/* Each register goes in and comes out at its own place: each is made one more. */
static void all_registers(void)
{
    uint8_t code[64];
    size_t n = 0;

    for (int i = 0; i < 16; i++) {
        code[n++] = i < 8 ? 0x48 : 0x49;
        code[n++] = 0xff;
        code[n++] = (uint8_t)(0xc0 | (i & 7));
    }
    code[n++] = 0xf4;
    vm_long(code, n);
    for (unsigned int i = 0; i < 16; i++)
        run.general[i] = 0x1000 * i + 7;
    run.rflags = 0x602;
    run.star = 0x1122334455667788;
    run.lstar = 0xffff800011112222;
    run.cstar = 0x33334444;
    run.sfmask = 0x47700;
    run.kernel_gs_base = 0xffff900012345678;
    run.segment[DOMUS_RUN_FS].base = 0x123000;
    run.segment[DOMUS_RUN_GS].base = 0x456000;
    run.ldtr = (struct domus_run_segment){ 0x28, 0x82, 0x1234, 0x789000 };
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    for (unsigned int i = 0; i < 16; i++)
        CHECK_IS(run.general[i], 0x1000 * i + 8);
    CHECK_IS(run.star, 0x1122334455667788);
    CHECK_IS(run.lstar, 0xffff800011112222);
    CHECK_IS(run.cstar, 0x33334444);
    CHECK_IS(run.sfmask, 0x47700);
    CHECK_IS(run.kernel_gs_base, 0xffff900012345678);
    CHECK_IS(run.segment[DOMUS_RUN_FS].base, 0x123000);
    CHECK_IS(run.segment[DOMUS_RUN_GS].base, 0x456000);
    CHECK_IS(run.segment[DOMUS_RUN_CS].selector, 8);
    CHECK_IS(run.segment[DOMUS_RUN_CS].flags & 0xaff, 0xa9b);
    CHECK_IS(run.segment[DOMUS_RUN_SS].selector, 16);
    CHECK_IS(run.ldtr.limit, 0x1234);
    CHECK_IS(run.ldtr.base, 0x789000);
    CHECK_IS(run.gdtr.base, GDT);
    CHECK_IS(run.idtr.limit, 64 * 16 - 1);
    CHECK_IS(run.rflags & 0x602, 0x602);
}

/* ---- what comes back ---- */

static void exits(void)
{
    static const struct { const char *bytes; uint8_t size; uint64_t exit; } table[] = {
        { SAME("\x0f\xa2"), DOMUS_EXIT_CPUID },
        { SAME("\xe4\x60"), DOMUS_EXIT_PORT },          /* in al, 60h */
        { SAME("\xee"), DOMUS_EXIT_PORT },              /* out dx, al */
        { SAME("\x0f\x32"), DOMUS_EXIT_MSR },
        { SAME("\x0f\x30"), DOMUS_EXIT_MSR },
        { SAME("\xf4"), DOMUS_EXIT_HALT },
        { SAME("\x0f\x22\xc0"), 0x10 },                 /* mov cr0, rax */
        { SAME("\x0f\x06"), 0x10 },                     /* clts */
        { SAME("\x0f\x20\xe0"), 0x04 },                 /* mov rax, cr4 */
        { SAME("\x0f\x22\xe0"), 0x14 },
        { SAME("\x44\x0f\x20\xc0"), 0x08 },             /* mov rax, cr8 */
        { SAME("\x44\x0f\x22\xc0"), 0x18 },
        { SAME("\x0f\x21\xf8"), 0x27 },                 /* mov rax, dr7 */
        { SAME("\x0f\x23\xc0"), 0x30 },                 /* mov dr0, rax */
        { SAME("\x0f\x23\xf8"), 0x37 },
        { SAME("\x0f\x08"), 0x89 },                     /* invd; 0x76 on a CPU, not on TCG's */
        { SAME("\x0f\x09"), 0x89 },                     /* wbinvd */
        { SAME("\x0f\x33"), 0x6f },                     /* rdpmc */
        { SAME("\x0f\x01\xd8"), 0x80 },                 /* vmrun */
        { SAME("\x0f\x01\xd9"), 0x81 },                 /* vmmcall */
        { SAME("\x0f\x01\xda"), 0x82 },                 /* vmload */
        { SAME("\x0f\x01\xdb"), 0x83 },                 /* vmsave */
        { SAME("\x0f\x01\xdc"), 0x84 },                 /* stgi */
        { SAME("\x0f\x01\xdd"), 0x85 },                 /* clgi */
        { SAME("\x0f\x01\xdf"), 0x7a },                 /* invlpga */
        { SAME("\x0f\x01\xc8"), 0x8a },                 /* monitor */
        { SAME("\x0f\xff"), DOMUS_EXIT_SHUTDOWN },      /* #UD, and no gate for it */
    };
    static const uint32_t msrs[] = { 0x10, 0x1b, 0x277, 0xc0000080, 0xc0000082, 0xc0000100,
                                     0xc0010117, 0xc0011029, 0x800, 0xffffffff };

    for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        vm_long(table[i].bytes, table[i].size);
        CHECK_IS(vm_run(), 0);
        CHECK(run.exit == table[i].exit || (run.exit == 0x76 && table[i].exit == 0x89));
        CHECK_IS(run.exit == DOMUS_EXIT_SHUTDOWN || run.rip == CODE, true);
    }
    for (unsigned int i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
        vm_long(SAME("\x0f\x32"));
        run.general[VM_RCX] = msrs[i];
        CHECK_IS(vm_run(), 0);
        CHECK_IS(run.exit, DOMUS_EXIT_MSR);
    }
    for (unsigned int port = 0; port < 0x10000; port += 0x777) {
        vm_long(SAME("\xed"));                          /* in eax, dx */
        run.general[VM_RDX] = port;
        CHECK_IS(vm_run(), 0);
        CHECK_IS(run.exit, DOMUS_EXIT_PORT);
        CHECK_IS(run.info[0] >> 16, port);
    }
}

/* It is at home with its own CR2, CR3, tables and TLB; a page it has not is its own affair. */
static void without_exits(void)
{
    vm_long(SAME("\x0f\x22\xd0\x0f\x22\xd8\x0f\x20\xd1\x0f\x01\x38\x0f\x31\xf4"));
    /* mov cr2, rax; mov cr3, rax; mov rcx, cr2; invlpg [rax]; rdtsc; hlt */
    run.general[VM_RAX] = TABLES;
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    CHECK_IS(run.general[VM_RCX], TABLES);
    CHECK_IS(run.cr2, TABLES);
    CHECK_IS(run.cr3, TABLES);
}

static void single_step(void)
{
    vm_long(SAME("\x90\x90\xf4"));
    run.rflags = 0x100;
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_EXCEPTION + TRAP_DB);
    CHECK_IS(run.rip, CODE + 1);
    CHECK_IS(run.dr6 & 0x4000, 0x4000);
}

/* ---- interrupts and exceptions ---- */

/* A gate to `hlt` at DATA - 16 * n, so that each vector ends elsewhere. */
static void gate(unsigned int vector)
{
    uint32_t at = CODE + 0x100 + 16 * vector;
    uint64_t *gate = (uint64_t *)vm_at(IDT) + 2 * vector;

    *(uint8_t *)vm_at(at) = 0xf4;
    gate[0] = (at & 0xffff) | 8ul << 16 | 0x8e00ul << 32;
    gate[1] = 0;
}

static void inject(uint64_t event, unsigned int words)
{
    unsigned int vector = event & 0xff;

    vm_long(SAME("\xf4"));
    gate(vector);
    run.inject = event;
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    CHECK_IS(run.rip, CODE + 0x100 + 16 * vector);
    CHECK_IS(run.general[VM_RSP], STACK - 8 * words);
    CHECK_IS(((uint64_t *)vm_at(STACK - 40))[0], CODE);
    if (words == 6)
        CHECK_IS(((uint64_t *)vm_at(STACK - 48))[0], event >> 32);
    CHECK_IS(run.inject, 0);
}

static void events_go_in(void)
{
    inject(DOMUS_EVENT_VALID | DOMUS_EVENT_INTERRUPT | 0x30, 5);
    inject(DOMUS_EVENT_VALID | DOMUS_EVENT_EXCEPTION | TRAP_UD, 5);
    inject(DOMUS_EVENT_VALID | DOMUS_EVENT_EXCEPTION | DOMUS_EVENT_HAS_ERROR | TRAP_GP |
               0x1238ul << 32, 6);
}

static void window(void)
{
    vm_long(SAME("\x90\xfb\x90\x90\xf4"));      /* nop; sti; nop; nop; hlt */
    run.wishes = DOMUS_RUN_WINDOW;
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_WINDOW);
    CHECK_IS(run.rip, CODE + 3);
    run.rip = CODE;
    CHECK_IS(vm_run(), 0);                      /* at once: interrupts are on */
    CHECK_IS(run.exit, DOMUS_EXIT_WINDOW);
    CHECK_IS(run.rip, CODE);
    run.wishes = 0;
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    vm_long(SAME("\xfb\xf4"));                  /* sti; hlt: in the shadow */
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    CHECK_IS(run.shadow, 1);
}

/* #AC whose delivery is unaligned again: without its intercept that would never end. */
static void alignment_checks(void)
{
    vm_long(SAME("\x48\x8b\x04\x25\x01\x20\0\0\xf4"));          /* mov rax, [2001h] */
    run.cr0 |= 1ul << 18;
    run.rflags = 1ul << 18;
    run.segment[DOMUS_RUN_CS].flags |= 3 << 5;
    run.segment[DOMUS_RUN_SS].flags |= 3 << 5;
    run.segment[DOMUS_RUN_CS].selector |= 3;
    run.segment[DOMUS_RUN_SS].selector |= 3;
    for (uint64_t at = TABLES; at < GDT; at += PAGE_SIZE)
        *(uint64_t *)vm_at(at) |= 4;
    CHECK_IS(vm_run(), 0);
    /* TCG checks no alignment */
    CHECK(run.exit == DOMUS_EXIT_EXCEPTION + 17 || run.exit == DOMUS_EXIT_SHUTDOWN ||
          run.exit == DOMUS_EXIT_EXCEPTION + TRAP_GP);
    CHECK_IS(run.segment[DOMUS_RUN_SS].flags >> 5 & 3, 3);
}

/* ---- what no processor has ---- */

/* Nothing ran, and nothing was written. */
static void refused(uint64_t *field, uint64_t value)
{
    struct domus_run before;

    vm_long(SAME("\xf4"));
    *field = value;
    run.exit = 0x1234;
    memcpy(&before, &run, sizeof(run));
    CHECK_IS(vm_run_once(), -EINVAL);
    CHECK_IS(memcmp(&before, &run, sizeof(run)), 0);
}

static void refusals(void)
{
    uint64_t *const addresses[] = { &run.rip, &run.lstar, &run.cstar, &run.kernel_gs_base,
                                    &run.ldtr.base, &run.tr.base, &run.gdtr.base, &run.idtr.base,
                                    &run.segment[0].base, &run.segment[4].base,
                                    &run.segment[5].base };

    for (unsigned int i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        refused(addresses[i], 0x800000000000);
        refused(addresses[i], 0xffff7fffffffffff);
    }
    for (unsigned int bit = 0; bit < 64; bit++) {
        if (!(0x8005003ful >> bit & 1))
            refused(&run.cr0, 0x80000001 | 1ul << bit);
        if (!(0x310ffful >> bit & 1))
            refused(&run.cr4, 0x20 | 1ul << bit);
        if (!(0xd01ul >> bit & 1))
            refused(&run.efer, 0x500 | 1ul << bit);
        if (!(0x257fd7ul >> bit & 1))
            refused(&run.rflags, 1ul << bit);
    }
    refused(&run.cr0, 0x80000000);                      /* paging without protection */
    refused(&run.cr0, 1);                               /* long mode without paging, and so on */
    refused(&run.efer, 0x100);
    refused(&run.efer, 0x400);
    refused(&run.cr4, 0);
    vm_real(SAME("\xf4"));
    run.efer = 0x100;                                   /* QEMU 7.2 does not come back from that */
    CHECK_IS(vm_run_once(), -EINVAL);
    /* not valid, an NMI, one that is none, INT n, an error code too many and too few, vector 2, 31,
     * 8259 as an exception's number, bits between */
    static const uint64_t bad[] = { 0x30, 0x80000202, 0x80000106, 0x80000403, 0x80000b06,
                                    0x8000030d, 0x80000302, 0x8000031f, 0x80000008, 0x80001030,
                                    0x80000830, 0xc0000030 };
    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(&run.inject, bad[i]);
    refused((uint64_t *)ADDRESS(&run.wishes), 2);
    refused((uint64_t *)ADDRESS(&run.wishes), 2ul << 32);
}

/* The CPU's own no; and the state is as it was. */
static void invalid(void)
{
    struct domus_run before;

    vm_long(SAME("\xf4"));
    run.segment[DOMUS_RUN_CS].flags |= 0x400;           /* 64 bits and 32 */
    memcpy(&before, &run, sizeof(run));
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_INVALID);
    before.exit = run.exit;
    CHECK_IS(memcmp(&before, &run, sizeof(run)), 0);
}

static void bad_arguments(void)
{
    uint64_t *page = alloc_zeroed_page();

    CHECK_IS(HYPERVISOR_domus_op(DOMUS_run, NULL), -EFAULT);
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_run, (void *)0xffff830000000000), -EFAULT);
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_run, (void *)0x8000000000000000), -EFAULT);
    vm_long(SAME("\xf4"));
    memcpy(page, &run, sizeof(run));
    NEED(page_set_readonly(page, true) == 0);
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_run, page), -EFAULT);
    NEED(page_set_readonly(page, false) == 0);
    free_page(page);
}

/* ---- what is ours stays ours ---- */

static uint64_t word_at_gs(void)
{
    uint64_t value;

    asm volatile("mov %%gs:0, %0" : "=r"(value));
    return value;
}
static uint64_t word_at_fs(void)
{
    uint64_t value;

    asm volatile("mov %%fs:0, %0" : "=r"(value));
    return value;
}

static void segments_and_fpu(void)
{
    static uint64_t fs = 0xf5f5, gs = 0x6565, sum;

    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_FS, (unsigned long)&fs), 0);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, (unsigned long)&gs), 0);
    /* swapgs; movq xmm0, rax; mov cr0.. would exit; hlt */
    vm_long(SAME("\x0f\x01\xf8\x66\x48\x0f\x6e\xc0\xf4"));
    run.cr4 |= 3ul << 9;
    run.general[VM_RAX] = 0x777;
    run.segment[DOMUS_RUN_GS].base = 0x1111;
    run.kernel_gs_base = 0x2222;
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    CHECK_IS(run.segment[DOMUS_RUN_GS].base, 0x2222);
    CHECK_IS(run.kernel_gs_base, 0x1111);
    CHECK_IS(word_at_fs(), 0xf5f5);
    CHECK_IS(word_at_gs(), 0x6565);
    asm volatile("movq %%xmm0, %0" : "=r"(sum));        /* the FPU is the caller's */
    CHECK_IS(sum, 0x777);
    CHECK_IS(HYPERVISOR_fpu_taskswitch(1), 0);
    vm_long(SAME("\xf4"));
    CHECK_IS(vm_run(), 0);
    CHECK_IS(TRAP_IN(asm volatile("movq %%xmm0, %0" : "=r"(sum))), 7);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_FS, 0), 0);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, 0), 0);
}

static void breakpoints(void)
{
    static volatile uint64_t watched;

    CHECK_IS(HYPERVISOR_set_debugreg(0, (unsigned long)&watched), 0);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0x1 | 0x400 | 1ul << 16 | 2ul << 18), 0);
    vm_long(SAME("\x90\xf4"));
    run.rflags = 0x100;
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_EXCEPTION + TRAP_DB);
    CHECK_IS(TRAP_IN(watched = 1), TRAP_DB);
    CHECK_IS(HYPERVISOR_get_debugreg(6) & 0x400f, 1);   /* ours alone */
    CHECK_IS(HYPERVISOR_set_debugreg(6, 0), 0);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0), 0);
}

/* SVM's own instructions are nobody's but ring 0's, though it has switched them on. */
static void not_in_ring_3(void)
{
#define NOT(bytes) \
    do { \
        int vector = TRAP_IN(asm volatile(".byte " bytes : : "a"(0), "c"(0))); \
        CHECK(vector == TRAP_GP || vector == TRAP_UD); \
    } while (0)
    NOT("0x0f, 0x01, 0xd8");
    NOT("0x0f, 0x01, 0xd9");
    NOT("0x0f, 0x01, 0xda");
    NOT("0x0f, 0x01, 0xdb");
    NOT("0x0f, 0x01, 0xdc");
    NOT("0x0f, 0x01, 0xdd");
    NOT("0x0f, 0x01, 0xde");
    NOT("0x0f, 0x01, 0xdf");
#undef NOT
}

/* ---- time ---- */

#define SPIN "\xeb\xfe"

static void it_gives_way(void)
{
    static struct multicall_entry calls[2];
    uint64_t start;

    /* by the timer: events are masked, as the caller likes it */
    events_mask_all();
    vm_long(SAME(SPIN));
    start = now_ns();
    CHECK_IS(HYPERVISOR_set_timer_op((long)(start + 20 * NS_PER_MS)), 0);
    while (!READ_ONCE(cpu_info()->evtchn_upcall_pending) && now_ns() - start < 5 * NS_PER_S) {
        CHECK_IS(vm_run_once(), 0);
        CHECK_IS(run.exit, DOMUS_EXIT_INTERRUPT);
        CHECK_IS(run.rip, CODE);
    }
    CHECK(READ_ONCE(cpu_info()->evtchn_upcall_pending));
    /* an event is pending now: at once, and what is to be injected waits */
    run.inject = DOMUS_EVENT_VALID | 0x30;
    CHECK_IS(vm_run_once(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_INTERRUPT);
    CHECK_IS(run.inject, DOMUS_EVENT_VALID | 0x30);
    events_poll();
    events_unmask_all();
    /* this CPU has somebody else to choose first, and no interrupt says so: not an instruction */
    vm_long(SAME("\x48\xff\xc1\xeb\xfb"));           /* again: inc rcx */
    CHECK_IS(HYPERVISOR_set_timer_op((long)(now_ns() + 20 * NS_PER_MS)), 0);
    calls[0] = (struct multicall_entry){ .op = __HYPERVISOR_sched_op, .args = { SCHEDOP_block } };
    calls[1] = (struct multicall_entry){ .op = __HYPERVISOR_domus_op,
                                         .args = { DOMUS_run, (unsigned long)&run } };
    CHECK_IS(HYPERVISOR_multicall(calls, 2), 0);
    CHECK_IS(calls[1].result, 0);
    CHECK_IS(run.exit, DOMUS_EXIT_INTERRUPT);
    CHECK_IS(run.general[VM_RCX], 0);
}

void test_main(void)
{
    char off[2];
    bool there = cpu_has_it() && !command_option("off", off, sizeof(off));

    vm_create();
    vm_long(SAME("\xf4"));
    if (!on_domus() || !there) {
        CHECK_IS(vm_run_once(), on_domus() ? -EOPNOTSUPP : -ENOSYS);
        return;
    }
    three_modes();
    all_registers();
    exits();
    without_exits();
    single_step();
    events_go_in();
    window();
    alignment_checks();
    refusals();
    invalid();
    bad_arguments();
    segments_and_fpu();
    data_segments();
    breakpoints();
    not_in_ring_3();
    it_gives_way();
    memory_rules();
    with_a_second_vcpu();
}
