/* SPDX-License-Identifier: MIT */
/*
 * Flags that a guest may set for itself (DF, AC, NT, TF, RF, ID) and those that it may not (IOPL)
 * are set before every way into ring 0, from guest kernel and from guest user mode. Ring 0 works as
 * ever: it copies forwards and returns by IRETQ. What the guest finds afterwards is what the ABI
 * says: the frame has its own flags, with IF for the event mask; a handler begins with TF, NT, RF
 * and AC clear; after a hypercall everything is as it was but NT. Single steps come out of ring 0
 * as single steps, also where ring 0 did the instruction for the guest. Idea: XSA-202 and 204
 * (flags on the way in and out); SDM volume 3, 6.12.1.3; SMAP's AC.
 * also on: max,-xsave
 */
#include "../lib/user.h"
#include <xen/callback.h>

#define CF_TO_OF 0x8d5UL        /* the arithmetic flags */
#define TF       0x100UL
#define IF       0x200UL
#define DF       0x400UL
#define IOPL     0x3000UL
#define NT       0x4000UL
#define RF       0x10000UL
#define AC       0x40000UL
#define ID       0x200000UL
#define FIXED    0x2UL

static union probe_stack stack;
static struct probe *const p = &stack.probe;
/* flags that are not given back: IOPL; NT by Domus, which lets none out of ring 0 */
static uint64_t lost;
static xen_capabilities_info_t capabilities, wanted_capabilities;
static uint64_t poison;
static const char *where;

#define SAME(what, is, should_be) \
    do { \
        uint64_t is_ = (is), should_ = (should_be); \
        if (is_ == should_) \
            test_passed(); \
        else \
            test_failure(__FILE__, __LINE__, "%s with flags %lx: %s is %lx, not %lx", where, \
                         poison, what, is_, should_); \
    } while (0)

static void prepare(void)
{
    for (int i = 0; i < REGISTERS; i++)
        p->registers[i] = 0x1111111111111111UL * (unsigned int)(i + 1);
    p->flags = FIXED | IF | poison;
}

/* What a handler finds: its own flags, and the interrupted ones in the frame, where IF says whether
 * events were on. If they were, an interrupt that is none of ours may have come first, and what
 * does not survive one is gone. */
static void handler_saw(bool events_on)
{
    uint64_t gone = IOPL | RF | (events_on ? lost & NT & ~p->frame_flags : 0);

    SAME("the frame's", p->frame_flags, FIXED | (events_on ? IF : 0) | (poison & ~gone));
    SAME("the handler's", p->handler_flags & (TF | NT | RF | AC | IOPL | IF), IF);
    SAME("the handler's DF", p->handler_flags & DF, poison & DF);
}

/* An exception at this place, or behind it. */
static void traps_with(const char *name, void (*way)(void), const char *rip, int64_t vector)
{
    uint64_t given[REGISTERS];

    where = name;
    p->way = way;
    memcpy(given, p->registers, sizeof(given));
    SAME("the vector", (uint64_t)probe_run(p), (uint64_t)vector);
    SAME("rip", p->rip, (unsigned long)rip);
    SAME("cs", p->cs & 0xffff, FLAT_KERNEL_CS & ~3UL);
    SAME("the mask", p->cs >> 32 & 0xff, 1);
    SAME("ss", p->ss & 0xffff, FLAT_KERNEL_SS);
    SAME("rsp", p->frame_rsp, (unsigned long)&stack + PROBE_STACK);
    handler_saw(false);
    for (int i = 0; i < REGISTERS; i++)
        if (i != RSP && (i != RAX || vector != TRAP_DB) && p->registers[i] != given[i])
            test_failure(__FILE__, __LINE__, "%s with flags %lx: register %d is %lx", where, poison,
                         i, p->registers[i]);
}
#define TRAPS(way, place, vector) traps_with(#way, way_##way, way_##way##_##place, vector)

/* Ring 0 has to copy a string of many bytes to us, the right way round. */
static void calls(void (*way)(void), const char *name)
{
    where = name;
    prepare();
    memset(capabilities, 0xee, sizeof(capabilities));
    p->registers[RAX] = __HYPERVISOR_xen_version;
    p->registers[RDI] = XENVER_capabilities;
    p->registers[RSI] = (unsigned long)capabilities;
    p->way = way;
    SAME("the vector", (uint64_t)probe_run(p), (uint64_t)PROBE_THROUGH);
    SAME("the result", p->registers[RAX], 0);
    SAME("the copy", (uint64_t)memcmp(capabilities, wanted_capabilities, sizeof(capabilities)), 0);
    SAME("what comes back", p->frame_flags, FIXED | IF | (poison & ~lost));
}

/* The iret hypercall by either way out: no flag of before matters, the frame's count. */
static void returns(void (*way)(void), const char *name)
{
    where = name;
    prepare();
    p->flags &= ~IF;                                                /* events stay masked */
    p->way = way;
    SAME("the vector", (uint64_t)probe_run(p), (uint64_t)PROBE_THROUGH);
    SAME("the mask", events_masked(), true);
    SAME("what comes back", p->frame_flags, FIXED | IF | (poison & ~lost));
    SAME("rax", p->registers[RAX], 0x1111111111111111UL);
}

static void exceptions(void)
{
    prepare();
    TRAPS(int3, end, TRAP_BP);
    TRAPS(int80, end, VECTOR_INT80);
    /* Xen takes QEMU's wrong error code for the vector */
    if (on_domus())
        TRAPS(int_gate, end, 0x55);
    TRAPS(ud2, at, TRAP_UD);
    TRAPS(hlt, at, TRAP_GP);
    SAME("the error", p->error & 0xffffffff, 0);
    TRAPS(cli, at, TRAP_GP);
    prepare();
    p->registers[RDI] = 0x1230;
    TRAPS(store, at, TRAP_PF);
    SAME("the address", fault_address(), 0x1230);
    /* the kernel's: not U, though it runs in ring 3 */
    SAME("the error", p->error & 0xffffffff, PF_WRITE);
    TRAPS(load, at, TRAP_PF);
    SAME("the error", p->error & 0xffffffff, 0);
    prepare();
    p->registers[RAX] = 0x1238;
    TRAPS(load_es, at, TRAP_GP);
    SAME("the error", p->error & 0xffffffff, 0x1238);
    prepare();
    p->registers[RDI] = 0;
    TRAPS(divide, at, TRAP_DE);
}

/* Instructions that ring 0 does for us; it reads their bytes, and goes on behind them with our
 * flags. */
static void done_for_us(void (*way)(void), const char *name, bool single_step)
{
    where = name;
    p->way = way;
    SAME("the vector", (uint64_t)probe_run(p), single_step ? TRAP_DB : (uint64_t)PROBE_THROUGH);
    SAME("what comes back", p->frame_flags & ~IF, FIXED | (poison & ~lost));
}

static void emulated(bool single_step)
{
    static uint64_t *page;
    const uint64_t *entry;

    if (!page)
        page = alloc_zeroed_page();
    NEED(page != NULL);
    entry = pt_walk((unsigned long)page, 1);
    prepare();
    done_for_us(way_read_cr0, "read_cr0", single_step);
    SAME("cr0", p->registers[RAX] & 0x80000001, 0x80000001);
    if (single_step)
        SAME("rip", p->rip, (unsigned long)way_read_cr0_end);
    prepare();
    p->registers[RAX] = 0x40000000;
    done_for_us(way_forced_cpuid, "forced_cpuid", single_step);
    SAME("ebx", p->registers[RBX], 0x566e6558);
    if (single_step)
        SAME("rip", p->rip, (unsigned long)way_forced_cpuid_end);
    prepare();
    p->registers[RDI] = (unsigned long)entry;
    p->registers[RAX] = virt_to_machine(page) | PROT_RO;
    done_for_us(way_store, "store to a page table", single_step);
    SAME("the entry", *entry & PTE_WRITE, 0);
    if (single_step)
        SAME("rip", p->rip, (unsigned long)way_store_end);
    NEED(write_entry(virt_to_machine(entry), virt_to_machine(page) | PROT_RW) == 0);
}

/* A timer that strikes again and again: the first time may be too early, before the flags are
 * set. */
static void ticking(bool on)
{
    struct vcpu_set_periodic_timer often = { .period_ns = 10 * NS_PER_MS };

    if (on)
        NEED(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, &often) == 0);
    else
        NEED(HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL) == 0);
}

/* Runs until an event comes while we stand at this place or behind it. */
static void run_until_struck(unsigned long rip)
{
    for (int tries = 0; tries < 100; tries++) {
        ticking(true);
        SAME("the vector", (uint64_t)probe_run(p), PROBE_EVENT);
        ticking(false);
        SAME("the mask of events", events_masked(), true);
        events_poll();
        if (p->rip >= rip) {
            /* lost to an earlier interrupt, perhaps, that brought no event */
            poison &= ~(lost & NT) | p->frame_flags;
            return;
        }
    }
    test_error("events come too early, always");
}

static void interrupted(void)
{
    where = "an interrupt";
    prepare();
    p->way = way_spin;
    probe_spinning = 1;
    run_until_struck((unsigned long)way_spin_at);
    NEED(p->rip < (unsigned long)way_spin_end);
    poison = (poison & ~CF_TO_OF) | (p->frame_flags & CF_TO_OF);       /* the loop compares */
    handler_saw(true);
    SAME("r11", p->registers[R11], 0x1111111111111111UL * (R11 + 1));
    SAME("rcx", p->registers[RCX], 0x1111111111111111UL * (RCX + 1));
}

/* ---- from user mode ---- */

static void from_user(const char *name, const void *bytes, size_t length, size_t behind,
                      int64_t vector)
{
    bool events_on = vector == PROBE_EVENT;
    /* NT can only be had by POPF */
    uint8_t code[32] = { 0x9c, 0x81, 0x0c, 0x24, 0x00, 0x40, 0x00, 0x00, 0x9d };
    size_t before = poison & NT ? 9 : 0;

    where = name;
    memcpy(code + before, bytes, length);
    user_code(code, before + length);
    p->way = way_user;
    p->flags = FIXED | (events_on ? IF : 0) | (poison & ~NT);
    p->registers[RCX] = 0x1111111111111111UL * (RCX + 1);
    p->registers[R11] = 0x1111111111111111UL * (R11 + 1);
    probe_user_rip = USER_CODE;
    probe_user_rsp = USER_STACK + 0xff8;
    if (events_on)
        run_until_struck(USER_CODE + before + behind);
    else
        SAME("the vector", (uint64_t)probe_run(p), (uint64_t)vector);
    SAME("rip", p->rip, USER_CODE + before + behind);
    SAME("cs", p->cs & 0xffff, FLAT_USER_CS);
    SAME("ss", p->ss & 0xffff, FLAT_USER_SS);
    SAME("rsp", p->frame_rsp, USER_STACK + 0xff8);
    if (before)
        poison = (poison & ~CF_TO_OF) | (p->frame_flags & CF_TO_OF);   /* the OR changed them */
    SAME("the mask", p->cs >> 32 & 0xff, !events_on);
    handler_saw(events_on);
    for (int i = 0; i < REGISTERS; i++)
        if (i != RSP && i != RDI && !(vector == PROBE_SYSCALL && (i == RCX || i == R11)) &&
            p->registers[i] != 0x1111111111111111UL * (unsigned int)(i + 1))
            test_failure(__FILE__, __LINE__, "%s with flags %lx: register %d is %lx", where, poison,
                         i, p->registers[i]);
}
#define FROM_USER(name, behind, vector, ...) \
    do { \
        static const uint8_t bytes_[] = { __VA_ARGS__ }; \
        uint64_t kept_ = poison; \
        from_user("user " name, bytes_, sizeof(bytes_), behind, vector); \
        poison = kept_; \
    } while (0)

static void user_ways(void)
{
    prepare();
    FROM_USER("syscall", 2, PROBE_SYSCALL, 0x0f, 0x05);
    SAME("rcx", p->registers[RCX], p->rip);
    FROM_USER("int3", 1, TRAP_BP, 0xcc);
    FROM_USER("int 0x80", 2, VECTOR_INT80, 0xcd, 0x80);
    if (on_domus())
        FROM_USER("int 0x55", 2, 0x55, 0xcd, 0x55);
    FROM_USER("ud2", 0, TRAP_UD, 0x0f, 0x0b);
    FROM_USER("hlt", 0, TRAP_GP, 0xf4);
    p->registers[RDI] = 0x1230;
    FROM_USER("store", 0, TRAP_PF, 0x48, 0x89, 0x07);
    SAME("the address", fault_address(), 0x1230);
    SAME("the error", p->error & 0xffffffff, PF_WRITE | PF_USER);
    p->registers[RDI] = 0;
    FROM_USER("divide", 0, TRAP_DE, 0x48, 0xf7, 0xf7);
    prepare();
    FROM_USER("loop", 0, PROBE_EVENT, 0xeb, 0xfe);
}

/* Which entries mask events is the gate's and the callback's to say. */
static void masking(void)
{
    static const uint8_t int80[] = { 0xcd, 0x80 }, gate[] = { 0xcd, 0x55 }, call[] = { 0x0f, 0x05 };
    struct callback_register syscall = { .type = CALLBACKTYPE_syscall,
                                         .address = (unsigned long)probe_syscall };

    poison = 0;
    where = "masking";
    prepare();
    p->way = way_user;
    user_code(int80, 2);
    SAME("the vector", (uint64_t)probe_run(p), VECTOR_INT80);
    SAME("the mask", events_masked(), false);
    if (on_domus()) {
        user_code(gate, 2);
        SAME("the vector", (uint64_t)probe_run(p), 0x55);
        SAME("the mask", events_masked(), true);
    }
    user_code(call, 2);
    for (int mask = 0; mask < 2; mask++) {
        syscall.flags = mask ? CALLBACKF_mask_events : 0;
        NEED(HYPERVISOR_callback_op(CALLBACKOP_register, &syscall) == 0);
        events_mask_all();
        SAME("the vector", (uint64_t)probe_run(p), PROBE_SYSCALL);
        SAME("the mask", events_masked(), mask);
    }
    events_mask_all();
}

/* ---- one flag, all ways ---- */

static void every_way(void)
{
    calls(way_syscall, "syscall");
    calls(way_call_page, "hypercall page");
    returns(way_iret, "iret");
    returns(way_iret_sysret, "iret by sysret");
    exceptions();
    emulated(false);
    interrupted();
    user_ways();
}

/* TF: every instruction that does not trap itself is followed by #DB. */
static void single_steps(void)
{
    poison = TF;
    prepare();
    TRAPS(nothing, end, TRAP_DB);
    p->registers[RAX] = __HYPERVISOR_xen_version;
    p->registers[RDI] = XENVER_version;
    /* what SYSRET leaves there, traps_with wants as it gave it */
    p->registers[RCX] = (unsigned long)way_syscall_end;
    p->registers[R11] = FIXED | IF | TF;
    TRAPS(syscall, end, TRAP_DB);
    SAME("the result", p->registers[RAX], 4 << 16 | 17);
    exceptions();
    (void)HYPERVISOR_set_debugreg(6, 0);
    emulated(true);
    SAME("DR6", (uint64_t)HYPERVISOR_get_debugreg(6) & 0x4000, 0x4000);
    prepare();
    FROM_USER("nop", 1, TRAP_DB, 0x90);
    FROM_USER("int3", 1, TRAP_BP, 0xcc);
    FROM_USER("ud2", 0, TRAP_UD, 0x0f, 0x0b);
}

/* RF: an instruction with a breakpoint on it is passed once, by both ways out that can be asked
 * for. */
static void resume(void)
{
    void (*const ways[])(void) = { way_iret, way_iret_sysret };
    const char *const ends[] = { way_iret_end, way_iret_sysret_end };

    for (int i = 0; i < 2; i++) {
        NEED(HYPERVISOR_set_debugreg(0, (unsigned long)ends[i]) == 0);
        NEED(HYPERVISOR_set_debugreg(7, 0x401) == 0);
        where = "iret to a breakpoint";
        poison = 0;
        prepare();
        p->flags &= ~IF;
        p->way = ways[i];
        SAME("the vector", (uint64_t)probe_run(p), TRAP_DB);
        SAME("rip", p->rip, (unsigned long)ends[i]);
        poison = RF;
        prepare();
        p->flags &= ~IF;
        SAME("the vector", (uint64_t)probe_run(p), (uint64_t)PROBE_THROUGH);
        NEED(HYPERVISOR_set_debugreg(7, 0x400) == 0);
    }
}

void test_main(void)
{
    static const uint64_t poisons[] = { 0,    DF, AC,       NT,
                                        IOPL, ID, CF_TO_OF, DF | AC | NT | IOPL | ID | CF_TO_OF };

    lost = IOPL | (on_domus() ? NT : 0);
    NEED(HYPERVISOR_xen_version(XENVER_capabilities, wanted_capabilities) == 0);
    (void)user_space();
    set_kernel_stack((unsigned long)&stack + PROBE_STACK);
    probe_gates(true);
    for (unsigned int i = 0; i < sizeof(poisons) / sizeof(poisons[0]); i++) {
        poison = poisons[i];
        every_way();
    }
    masking();
    single_steps();
    resume();
    probe_gates(false);
    user_space_end();
}
