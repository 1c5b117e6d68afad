/* SPDX-License-Identifier: MIT */
/*
 * How a guest is entered: the bounce frame word by word, for every kind of entry, and the registers
 * with which the handler begins; which of an NMI, an event and other work comes first; and SYSCALL.
 */
#include "ring0_host.h"
#include "domain/schedule.h"
#include "entry/exit.h"
#include "entry/trap.h"
#include "machine/io.h"

#define HV_FIRST 0xffff800000000000
#define HV_LAST  0xffff880000000000
#define TOP      0x7000u                        /* of its stack */

static struct domain domain;
static struct vcpu v;
static struct vcpu_info info;
static unsigned int crashes, kernel_entries;
static char steps[256];

/* The frame, highest word first; and what the stack answers. */
static struct { uint64_t top, words[16]; unsigned int count; } frame;
static bool stack_faults;

uint64_t bounce_write(uint64_t top, const struct cpu_user_regs *regs, uint64_t cs, uint64_t rflags,
                      const uint64_t *extra, unsigned int extras);
uint64_t bounce_write(uint64_t top, const struct cpu_user_regs *regs, uint64_t cs, uint64_t rflags,
                      const uint64_t *extra, unsigned int extras)
{
    uint64_t words[] = { regs->ss, regs->rsp, rflags, cs, regs->rip };

    if (stack_faults) return 0;
    frame.top = top;
    frame.count = 0;
    for (unsigned int i = 0; i < 5; i++)
        frame.words[frame.count++] = words[i];
    while (extras--)
        frame.words[frame.count++] = extra[extras];
    frame.words[frame.count++] = regs->r11;
    frame.words[frame.count++] = regs->rcx;
    return top - 8 * frame.count;
}
void domain_crash(struct domain *d, const char *format, ...)
{
    assert_ptr_equal(d, &domain);
    crashes++;
}
void vcpu_enter_kernel(struct vcpu *w)
{
    assert_false(w->in_kernel);
    w->in_kernel = true;
    kernel_entries++;
}
void refusal_tell(struct vcpu *w)
{
    assert_int_equal(cpu.work & WORK_REFUSAL, 0);
    strcat(steps, "told ");
}
void timers_run(void)
{
    cpu.work &= ~WORK_TIMERS;
    strcat(steps, "timers ");
}
static unsigned int more_work;                  /* who comes cannot go on either */
void schedule(void)
{
    cpu.work &= ~WORK_RESCHEDULE;
    strcat(steps, "schedule ");
    if (!more_work) return;
    more_work--;
    cpu.work |= WORK_RESCHEDULE;
    cpu.budget -= 600;
}
void schedule_rest(void)
{
    assert_true(cpu.budget <= 0);
    cpu.budget = 1000;
    strcat(steps, "rest ");
}

/* A guest in its kernel, or in its user mode, with a value of its own in each register. */
static void begin(bool in_kernel)
{
    memset(&v, 0, sizeof(v));
    memset(&info, 0, sizeof(info));
    domain = (struct domain){ .id = 1 };
    v.domain = &domain;
    v.info = &info;
    v.in_kernel = in_kernel;
    v.entry.kernel_sp = TOP + 0x1008;
    v.ports.iopl = 2;
    v.regs = (struct cpu_user_regs){
        .r15 = 1, .r14 = 2, .r13 = 3, .r12 = 4, .rbp = 5, .rbx = 6, .r11 = 7, .r10 = 8, .r9 = 9,
        .r8 = 10, .rax = 11, .rcx = 12, .rdx = 13, .rsi = 14, .rdi = 15, .rip = 0x401000,
        .cs = FLAT_RING3_CS64, .rflags = ~0u, .rsp = TOP + 0xf, .ss = 0x2b,
        .entry_vector = 14,
    };
    for (unsigned int i = 0; i < 256; i++)
        v.entry.traps[i] = (struct trap_info){ .vector = (uint8_t)i, .address = 0x500000 + i };
    v.hw.ds = 0xa1;
    v.hw.es = 0xa2;
    v.hw.fs = 0xa3;
    v.hw.gs = 0xa4;
    crashes = kernel_entries = 0;
    stack_faults = false;
    *steps = '\0';
    memset(&frame, 0, sizeof(frame));
    ring0_begin(&v);
}

/* What the frame is and how the handler begins; was: the registers before. */
static void entered(const struct cpu_user_regs *was, bool from_kernel, uint64_t handler,
                    uint8_t mask, bool masks, uint64_t iopl, unsigned int extras,
                    const uint64_t *extra)
{
    struct cpu_user_regs want = *was;
    uint64_t words[16] = {
        was->ss, was->rsp,
        (was->rflags & ~0x3200ul) | (mask ? 0 : 0x200) | iopl << 12,
        (from_kernel ? was->cs & ~3ul : was->cs) | (uint64_t)mask << 32, was->rip,
    };

    for (unsigned int i = 0; i < extras; i++)
        words[5 + i] = extra[i];
    words[5 + extras] = was->r11;
    words[6 + extras] = was->rcx;
    assert_int_equal(frame.count, 7 + extras);
    assert_memory_equal(frame.words, words, sizeof(words));
    assert_int_equal(frame.top, from_kernel ? TOP : TOP + 0x1000);
    want.rsp = frame.top - 8 * frame.count;
    want.rip = handler;
    want.cs = 0xe033;
    want.ss = 0xe02b;
    want.rflags = was->rflags & ~(1ul << 8 | 1ul << 16 | 1ul << 18);
    want.entry_vector = 0x100;
    assert_memory_equal(&v.regs, &want, sizeof(want));
    assert_int_equal(info.evtchn_upcall_mask, masks ? 1 : mask);
    assert_int_equal(kernel_entries, !from_kernel);
    assert_true(v.in_kernel && !crashes);
}

static void exceptions(void **state)
{
    for (unsigned int i = 0; i < 32; i++) {
        bool from_kernel = i & 1, masks = i & 2, has_code = i & 8;
        uint8_t mask = i & 4 ? 1 : 0;
        uint64_t code = 0x12345678;
        struct cpu_user_regs was;

        begin(from_kernel);
        was = v.regs;
        info.evtchn_upcall_mask = mask;
        v.entry.traps[13].flags = (uint8_t)(masks ? 4 : 0xf8);
        if (i & 16)
            domain.vm_assist = 1u << VMASST_TYPE_architectural_iopl;
        inject_trap(&v, 13, has_code ? (int)code : NO_ERROR_CODE);
        entered(&was, from_kernel, 0x50000d, mask, masks, i & 16 ? 2 : 0, has_code, &code);
        assert_int_equal(v.counters.exceptions, 1);
    }
    begin(true);
    v.entry.traps[13].address = 0;
    inject_trap(&v, 13, 0);
    assert_true(crashes == 1 && frame.count == 0);
}

/* Whose fault it was says U, whatever ring 0 found. */
static void page_faults(void **state)
{
    for (unsigned int code = 0; code < 32; code++)
        for (unsigned int from_kernel = 0; from_kernel < 2; from_kernel++) {
            uint64_t seen = from_kernel ? code & ~4u : code | 4u;
            struct cpu_user_regs was;

            begin(from_kernel);
            was = v.regs;
            inject_page_fault(&v, 0x123456789abc, code);
            entered(&was, from_kernel, 0x50000e, 0, false, 0, 1, &seen);
            assert_int_equal(info.arch.cr2, 0x123456789abc);
        }
    begin(true);
    v.entry.traps[14].address = 0;
    inject_page_fault(&v, 5, 0);
    assert_true(crashes == 1 && v.counters.exceptions == 0 && info.arch.cr2 == 5);
}

static void callbacks(void **state)
{
    uint64_t selectors[] = { 0xa4, 0xa3, 0xa2, 0xa1 };      /* gs first: ds is the lowest word */
    struct cpu_user_regs was;

    for (unsigned int i = 0; i < 8; i++) {
        begin(i & 1);
        was = v.regs;
        info.evtchn_upcall_mask = i & 4 ? 1 : 0;
        v.entry.event = (struct guest_callback){ 0x600000, i & 2 };
        bounce_callback(&v, &v.entry.event);
        entered(&was, i & 1, 0x600000, i & 4 ? 1 : 0, i & 2, 0, 0, NULL);
        begin(i & 1);
        was = v.regs;
        info.evtchn_upcall_mask = i & 4 ? 1 : 0;
        v.entry.failsafe = (struct guest_callback){ 0x700000, i & 2 };
        bounce_failsafe(&v);
        entered(&was, i & 1, 0x700000, i & 4 ? 1 : 0, i & 2, 0, 4, selectors);
    }
    begin(true);
    bounce_callback(&v, &v.entry.event);
    bounce_failsafe(&v);
    assert_true(crashes == 2 && frame.count == 0);
}

/* A stack in the hypervisor's part is not written to: its end, and what a frame reaches down to. */
static void bad_stacks(void **state)
{
    static const struct { uint64_t sp; bool good; } stacks[] = {
        { 0, true }, { 16, true }, { 0x7ffffffffff0, true }, { HV_FIRST - 16, true },
        { HV_FIRST, true }, { HV_FIRST + 15, true }, { HV_FIRST + 16, false },
        { HV_FIRST + 0x100000, false }, { HV_LAST - 1, false }, { HV_LAST, false },
        { HV_LAST + 80, false }, { HV_LAST + 95, false }, { HV_LAST + 96, true },
        { 0xfffffffffffffff0, true },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(stacks); i++)
        for (unsigned int from_kernel = 0; from_kernel < 2; from_kernel++) {
            begin(from_kernel);
            *(from_kernel ? &v.regs.rsp : &v.entry.kernel_sp) = stacks[i].sp;
            inject_trap(&v, 3, NO_ERROR_CODE);
            assert_int_equal(crashes, !stacks[i].good);
            assert_int_equal(frame.count, stacks[i].good ? 7 : 0);
            if (stacks[i].good)
                assert_int_equal(frame.top, stacks[i].sp & ~15ul);
        }
    begin(true);
    stack_faults = true;
    v.entry.traps[3].flags = 4;
    inject_trap(&v, 3, NO_ERROR_CODE);
    assert_true(crashes == 1 && v.regs.rip == 0x401000 && !info.evtchn_upcall_mask);
}

void guest_syscall(struct vcpu *w);

static void system_calls(void **state)
{
    struct cpu_user_regs was;

    begin(false);
    v.entry.syscall.rip = 0x800000;
    v.entry.syscall32.rip = 0x900000;
    was = v.regs;
    guest_syscall(&v);
    entered(&was, false, 0x800000, 0, false, 0, 0, NULL);
    begin(false);
    v.entry.syscall.rip = 0x800000;
    v.entry.syscall32.rip = 0x900000;
    v.regs.cs = FLAT_RING3_CS32;
    was = v.regs;
    guest_syscall(&v);
    entered(&was, false, 0x900000, 0, false, 0, 0, NULL);
    begin(false);                                       /* none: the instruction is invalid */
    was = v.regs;
    was.rip -= 2;
    guest_syscall(&v);
    entered(&was, false, 0x500006, 0, false, 0, 0, NULL);
}

/* --- on the way out --- */

static void what_comes_first(void **state)
{
    for (unsigned int i = 0; i < 64; i++) {
        bool nmi = i & 1, callback = i & 2, handler = i & 4, event = i & 8, masked = i & 16;
        bool nmi_goes = nmi && (callback || handler);
        uint64_t to = nmi_goes ? callback ? 0xa00000 : 0x500002 : event && !masked ? 0x600000 : 0;

        begin(false);
        v.nmi_pending = nmi;
        v.entry.nmi.rip = callback ? 0xa00000 : 0;
        if (!handler)
            v.entry.traps[2].address = 0;
        v.entry.event.rip = 0x600000;
        info.evtchn_upcall_pending = event;
        info.evtchn_upcall_mask = masked;
        exit_work();
        assert_int_equal(v.regs.rip, to ? to : 0x401000);
        assert_int_equal(v.nmi_pending, nmi && !nmi_goes);
        assert_int_equal(v.counters.events, to == 0x600000);
        assert_int_equal(frame.count, to ? 7 : 0);
        assert_int_equal(crashes, 0);
    }
}

static void work(void **state)
{
    static const char *const said_of[] = {
        "", "schedule ", "timers ", "timers schedule ", "told ", "told schedule ", "told timers ",
        "told timers schedule ",
    };

    for (unsigned int i = 0; i < 8; i++) {
        begin(true);
        cpu.work = i;
        exit_work();
        assert_string_equal(steps, said_of[i]);
        assert_int_equal(cpu.work, 0);
    }
}

/* Where one turn's end is the next one's beginning, others come in between; behind the last one it
 * is the guest's turn. */
static void many_turns(void **state)
{
    begin(true);
    cpu.budget = 1000;
    cpu.work = WORK_RESCHEDULE;
    more_work = 4;
    exit_work();
    assert_string_equal(steps, "schedule schedule rest schedule schedule rest schedule ");
    begin(true);
    cpu.budget = -5;
    cpu.work = WORK_RESCHEDULE;
    exit_work();
    assert_string_equal(steps, "schedule ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exceptions),   cmocka_unit_test(page_faults),
        cmocka_unit_test(callbacks),    cmocka_unit_test(bad_stacks),
        cmocka_unit_test(system_calls), cmocka_unit_test(what_comes_first),
        cmocka_unit_test(work),         cmocka_unit_test(many_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
