/* SPDX-License-Identifier: MIT */
/*
 * What the monitor does with each way in which its guest stops running directly: who deals with it
 * (the interpreter, the guest's own handler, the shadow), where RIP is then, and which bits an
 * entry of the shadow gets. Everything around trap.c is the test's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include <pvguest/mm.h>
#include <pvguest/time.h>
#include <pvguest/traps.h>
#include "pvguest-sdk/monitor/code.h"
#include "pvguest-sdk/monitor/direct.h"
#include "pvguest-sdk/monitor/internal.h"
#include "pvguest-sdk/monitor/machine.h"
#include "pvguest-sdk/monitor/shadow.h"
#include "pvguest-sdk/monitor/translate.h"
#include "pvguest-sdk/monitor/trap.h"

enum { PAGES = 16, KERNEL_RIP = 0x3456, BITS = PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY };
#define NX PTE_NX

static struct machine machine;
static struct vcpu *const cpu = &machine.vcpu;
static uint8_t memory[PAGES][4096] __attribute__((aligned(4096)));
static uint8_t *page_of[PAGES];
static struct code_page *code_of[PAGES], code_page;
static uint8_t copy[4096] __attribute__((aligned(4096)));

/* --- what trap.c stands on --------------------------------------------------------------------*/

static struct { unsigned interpreted, loads, reviews, invalidated, maps, timers; } n;
static enum step steps_say;             /* the interpreter */
static int starts[2], uses, maps_say;
static unsigned used, leaves_for_user;  /* after so many instructions the kernel is left */
static bool found, no_memory, enters, ours;
static bool reviewing;
static bool leaves;                     /* translate.c deals with the exit */
static struct translation there;
static uint64_t walked, patched_at, now, next_tick, loaded, reviewed[2];
static unsigned walked_as;
static struct direct_exit exit_next;
static struct { unsigned which; uint64_t address, entry, seen; } mapped;
static struct { uint8_t vector; bool has_error; uint32_t error; unsigned times; } delivered;
static struct { uint64_t when; void (*handler)(void *); void *data; } alarm_set;
static char said[64], failed[80];

int shadow_init(void) { return starts[0]; }
int direct_init(void) { return starts[1]; }
void shadow_load(uint64_t cr3) { loaded = cr3; n.loads++; }
void shadow_review(struct machine *m, uint64_t from, uint64_t size)
{
    reviewed[0] = from;
    reviewed[1] = size;
    n.reviews++;
}
void translate_invalidated(void) { n.invalidated++; }
bool translate_enter(struct machine *m) { return enters; }
bool translate_leave(struct machine *m, struct direct_exit *e) { return leaves; }
int shadow_use(struct machine *m, unsigned int which) { used = which; return uses; }
uint64_t now_ns(void) { return now; }
uint64_t pit_next(const struct pit *pit) { return next_tick; }
const char *errno_name(long error) { return error == -ENOMEM ? "ENOMEM" : "?"; }
bool shadow_may(uint64_t address) { return address != 0x8000; }
bool code_patched(struct machine *m, uint64_t physical) { patched_at = physical; return ours; }

struct direct_exit direct_run(struct vcpu *vcpu)
{
    return exit_next;
}
enum step interpret_one(struct vcpu *vcpu)
{
    assert_ptr_equal(vcpu, cpu);
    if (++n.interpreted == leaves_for_user)
        vcpu->cpl = 3;
    return steps_say;
}
enum step deliver_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
    delivered.vector = vector;
    delivered.has_error = has_error;
    delivered.error = error;
    delivered.times++;
    return STEP_EXCEPTION;
}
bool walk(struct vcpu *vcpu, uint64_t linear, unsigned int access, struct translation *t)
{
    walked = linear;
    walked_as = access;
    *t = there;
    if (!found)
        vcpu->fault = (struct fault){ VECTOR_PF, true, 0x15, linear };
    return found;
}
struct translation translation_by(uint64_t entry, uint64_t linear)
{
    there.entry = entry;
    assert_int_equal(linear, 0x7000);
    return there;
}
bool load_slowly(struct vcpu *vcpu, uint64_t linear, unsigned int size, unsigned int access,
                 uint64_t *value)
{
    assert_int_equal(size, 1);
    assert_int_equal(access, ACCESS_FETCH | (vcpu->cpl == 3 ? ACCESS_USER : 0));
    if (no_memory) return false;
    *value = memory[linear / 4096][linear % 4096];
    return true;
}
uint8_t *memory_page(struct machine *m, uint64_t physical, bool write)
{
    assert_int_equal(physical % 4096, 0);
    assert_int_equal(write, !reviewing && (walked_as & ACCESS_WRITE));
    return page_of[physical / 4096];
}
int shadow_map(unsigned int which, uint64_t address, uint64_t entry, uint64_t seen)
{
    mapped.which = which;
    mapped.address = address;
    mapped.entry = entry;
    mapped.seen = seen;
    n.maps++;
    return maps_say;
}
void timer_set(struct timer *timer, uint64_t when, void (*handler)(void *data), void *data)
{
    alarm_set.when = when;
    alarm_set.handler = handler;
    alarm_set.data = data;
    n.timers++;
}
void printk(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(said, sizeof(said), format, arguments);
    va_end(arguments);
}
void machine_fail(struct machine *m, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(failed, sizeof(failed), format, arguments);
    va_end(arguments);
}

/* --- a kernel that runs directly --------------------------------------------------------------*/

static void ring_the_alarm(void)
{
    if (alarm_set.handler)
        alarm_set.handler(alarm_set.data);
}

static int fresh(void **state)
{
    ring_the_alarm();                   /* none is set */
    memset(&machine, 0, sizeof(machine));
    memset(&n, 0, sizeof(n));
    memset(&delivered, 0, sizeof(delivered));
    memset(&mapped, 0, sizeof(mapped));
    memset(&trap_counters, 0, sizeof(trap_counters));
    memset(code_of, 0, sizeof(code_of));
    memset(memory, 0, sizeof(memory));
    for (unsigned i = 0; i < PAGES; i++)
        page_of[i] = memory[i];
    machine.code = code_of;
    machine.page = page_of;
    machine.pages = PAGES;
    machine.user_direct = machine.kernel_direct = true;
    cpu->efer = EFER_LMA;
    cpu->segment[CS].flags = SEGMENT_LONG;
    cpu->rip = KERNEL_RIP;
    steps_say = STEP_DONE;
    starts[0] = starts[1] = uses = maps_say = 0;
    found = true;
    no_memory = ours = leaves = false;
    enters = true;
    leaves_for_user = 0;
    next_tick = ~0ull;
    now = 1000000;
    there = (struct translation){ .physical = 0x5678, .page_size = 4096,
                                  .entry = ENTRY_TOGETHER | ENTRY_DIRTY };
    failed[0] = said[0] = 0;
    code_page.copy = copy;
    return 0;
}

static enum step comes_back(unsigned vector, uint64_t error, uint64_t address)
{
    exit_next = (struct direct_exit){ vector, error, address };
    return run_directly(&machine);
}

static void before_it_starts(void **state)
{
    machine.vcpu.context = &machine;
    shadow_invalidated(cpu, 0, true);
    assert_int_equal(n.invalidated + n.loads, 0);
    assert_false(runs_directly(&machine));
    starts[0] = -ENOMEM;
    assert_int_equal(trap_init(), -ENOMEM);
    assert_false(runs_directly(&machine));
    starts[0] = 0;
    starts[1] = -EINVAL;
    assert_int_equal(trap_init(), -EINVAL);
    assert_false(runs_directly(&machine));
    starts[1] = 0;
    assert_int_equal(trap_init(), 0);
    assert_true(runs_directly(&machine));
    shadow_invalidated(cpu, 0x345678, false);
    assert_true(n.invalidated == 1 && n.reviews == 1 && n.loads == 0);
    assert_true(reviewed[0] == 0x200000 && reviewed[1] == 2 << 20);
    cpu->cr3 = 0x5018;
    shadow_invalidated(cpu, 0x1000, true);
    assert_true(n.invalidated == 2 && n.reviews == 1 && n.loads == 1 && loaded == 0x5018);
    there.page_size = 1 << 30;                          /* pages of a GiB, once there are some */
    comes_back(TRAP_PF, 0, 0x7abc);
    shadow_invalidated(cpu, 0x7fffffff, false);
    assert_true(reviewed[0] == 0x40000000 && reviewed[1] == 1 << 30);
}

static void what_runs_directly(void **state)
{
    static const struct { uint64_t efer, rflags, rip; uint16_t cs; uint8_t cpl; bool shadow, user,
                          kernel, directly; } c[] = {
        { EFER_LMA, 0, 0, SEGMENT_LONG, 0, false, false, true, true },
        { EFER_LMA, 0, 0, SEGMENT_LONG, 3, false, true, false, true },
        { EFER_LMA, 0, 0, SEGMENT_LONG, 0, false, true, false, false },
        { EFER_LMA, 0, 0, SEGMENT_LONG, 3, false, false, true, false },
        { EFER_LMA, 0, 0, SEGMENT_LONG, 1, false, true, true, false },
        { EFER_LMA, 0, 0, SEGMENT_LONG, 2, false, true, true, false },
        { 0, 0, 0, SEGMENT_LONG, 0, false, true, true, false },
        { EFER_LME | EFER_NXE, 0, 0, SEGMENT_LONG, 0, false, true, true, false },
        { EFER_LMA, 0, 0, SEGMENT_BIG, 0, false, true, true, false },
        { EFER_LMA, 0, 0, 0, 3, false, true, true, false },
        { EFER_LMA, FLAG_TF, 0, SEGMENT_LONG, 0, false, true, true, false },
        { EFER_LMA, FLAG_NT, 0, SEGMENT_LONG, 3, false, true, true, false },
        { EFER_LMA, FLAG_IF | FLAG_DF, 0, SEGMENT_LONG, 0, false, true, true, true },
        { EFER_LMA, 0, 0, SEGMENT_LONG, 0, true, true, true, false },
        { EFER_LMA, 0, 1ull << 47, SEGMENT_LONG, 0, false, true, true, false },
    };

    for (unsigned i = 0; i < sizeof(c) / sizeof(*c); i++) {
        cpu->efer = c[i].efer;
        cpu->rflags = c[i].rflags;
        cpu->rip = c[i].rip;
        cpu->segment[CS].flags = c[i].cs;
        cpu->cpl = c[i].cpl;
        cpu->shadow = c[i].shadow;
        machine.user_direct = c[i].user;
        machine.kernel_direct = c[i].kernel;
        if (runs_directly(&machine) != c[i].directly)
            fail_msg("case %u", i);
    }
}

static void which_tables(void **state)
{
    comes_back(EXIT_EVENT, 0, 0);
    assert_int_equal(used, SHADOW_KERNEL);
    cpu->cpl = 3;
    comes_back(EXIT_EVENT, 0, 0);
    assert_int_equal(used, SHADOW_USER);
    assert_int_equal(trap_counters.exits, 2);
    assert_int_equal(trap_counters.events, 2);
    assert_true(machine.attention);
    uses = -ENOMEM;
    assert_int_equal(comes_back(EXIT_EVENT, 0, 0), STEP_DONE);
    assert_string_equal(failed, "the hypervisor refuses page tables: ENOMEM");
    assert_int_equal(trap_counters.exits, 2);
}

/* Of translated code the kernel alone is one. */
static void translated(void **state)
{
    machine.translating = true;
    enters = false;
    steps_say = STEP_HALTED;
    assert_int_equal(comes_back(EXIT_EVENT, 0, 0), STEP_HALTED);
    assert_int_equal(n.interpreted, 1);
    assert_int_equal(trap_counters.exits, 0);
    enters = leaves = true;
    assert_int_equal(comes_back(EXIT_EVENT, 0, 0), STEP_DONE);
    assert_int_equal(trap_counters.exits, 1);
    assert_int_equal(trap_counters.events, 0);
    leaves = false;
    comes_back(EXIT_EVENT, 0, 0);
    assert_int_equal(trap_counters.events, 1);
    enters = false;
    leaves = true;
    cpu->cpl = 3;
    comes_back(EXIT_EVENT, 0, 0);
    assert_int_equal(trap_counters.events, 2);
    cpu->cpl = 0;
    machine.translating = false;
    comes_back(EXIT_EVENT, 0, 0);
    assert_int_equal(trap_counters.events, 3);
    assert_int_equal(n.interpreted, 1);
}

static void who_deals_with_it(void **state)
{
    steps_say = STEP_HALTED;
    assert_int_equal(comes_back(EXIT_SYSCALL, 0, 0), STEP_HALTED);
    assert_int_equal(cpu->rip, KERNEL_RIP - 2);
    assert_int_equal(trap_counters.system_calls, 1);
    cpu->rip = KERNEL_RIP;
    assert_int_equal(comes_back(EXIT_REPLACED, 0, 0), STEP_HALTED);
    assert_int_equal(trap_counters.patched, 1);
    assert_int_equal(n.interpreted, 2);
    for (unsigned vector = 0; vector < 20; vector++) {
        static const uint8_t interpreted[] = { TRAP_TS, TRAP_NP, TRAP_SS, TRAP_GP, TRAP_UD };
        bool is = memchr(interpreted, (int)vector, sizeof(interpreted)), err = vector == TRAP_AC;
        if (vector == TRAP_PF || vector == TRAP_BP)
            continue;
        fresh(state);
        steps_say = STEP_UNKNOWN;                       /* it is the guest's, then */
        assert_int_equal(comes_back(vector, 0x1234, 0), STEP_EXCEPTION);
        assert_int_equal(n.interpreted, is);
        assert_int_equal(delivered.times, 1);
        assert_int_equal(delivered.vector, vector);
        assert_int_equal(delivered.has_error, err || (is && vector != TRAP_UD));
        assert_int_equal(delivered.error, is ? 0 : 0x1234);
        assert_int_equal(trap_counters.reflected, 1);
        assert_int_equal(trap_counters.privileged, is);
        steps_say = STEP_EXCEPTION;
        if (is) {
            assert_int_equal(comes_back(vector, 0x1234, 0), STEP_EXCEPTION);
            assert_int_equal(delivered.times, 1);
        }
        assert_int_equal(cpu->rip, KERNEL_RIP);
    }
}

/* --- int3 -------------------------------------------------------------------------------------*/

static void breakpoints(void **state)
{
    ours = true;
    comes_back(TRAP_BP, 0, 0);
    assert_int_equal(cpu->rip, KERNEL_RIP - 1);
    assert_int_equal(walked, KERNEL_RIP - 1);
    assert_int_equal(walked_as, ACCESS_FETCH);
    assert_int_equal(patched_at, 0x5678);
    assert_int_equal(trap_counters.patched, 1);
    assert_int_equal(n.interpreted, 1);
    for (unsigned i = 0; i < 6; i++) {                  /* the guest's own: CC, or CD 03 */
        fresh(state);
        ours = i >= 4;
        cpu->cpl = i == 5 ? 3 : i & 2 ? 3 : 0;
        found = i != 4;
        memory[3][0x455] = i & 1 ? 3 : INT3;
        comes_back(TRAP_BP, 0, 0);
        assert_int_equal(cpu->rip, KERNEL_RIP - (memory[3][0x455] == INT3 ? 1 : 2));
        assert_int_equal(trap_counters.patched, 0);
        assert_int_equal(n.interpreted, 1);
    }
    fresh(state);
    no_memory = true;
    comes_back(TRAP_BP, 0, 0);
    assert_int_equal(cpu->rip, KERNEL_RIP - 1);
}

/* Each place of the kernel once. */
static void places_are_told(void **state)
{
    ours = true;
    comes_back(TRAP_BP, 0, 0);
    assert_string_equal(said, "");
    machine.tells_sites = true;
    cpu->rip = 0x11001;
    comes_back(TRAP_BP, 0, 0);
    assert_string_equal(said, "monitor: site 11000\n");
    cpu->rip = 0x11001;
    said[0] = 0;
    comes_back(TRAP_GP, 0, 0);
    assert_string_equal(said, "monitor: site 11001\n");
    for (unsigned i = 0; i < 10; i++) {
        said[0] = 0;
        cpu->rip = 0x11000 + i;
        comes_back(TRAP_GP, 0, 0);
        assert_int_equal(!said[0], i < 2);
    }
    said[0] = 0;
    cpu->rip = 0x12000;
    cpu->cpl = 3;
    comes_back(TRAP_GP, 0, 0);
    assert_string_equal(said, "");
}

/* --- page faults ------------------------------------------------------------------------------*/

static void entries_of_the_shadow(void **state)
{
    static const struct {
        uint8_t cpl, error;
        bool writable, executable, dirty, code;
        uint64_t bits;
    } c[] = {
        { 0, 0, true, true, true, false, BITS | PTE_WRITE | NX },
        { 0, 1, true, true, false, false, BITS | NX },
        { 0, 0, false, true, true, false, BITS | NX },
        { 0, PF_WRITE, true, true, true, false, BITS | PTE_WRITE | NX },
        { 0, 0, true, true, true, true, BITS | NX },
        { 0, PF_FETCH, true, true, true, true, BITS },
        { 3, PF_FETCH, true, true, true, false, BITS | PTE_WRITE },
        { 3, 4, true, false, true, false, BITS | PTE_WRITE | NX },
        { 3, 4, false, true, false, false, BITS },
        { 3, 4, true, true, true, true, BITS },
        { 3, PF_FETCH, true, true, true, true, BITS },
    };

    for (unsigned i = 0; i < sizeof(c) / sizeof(*c); i++) {
        bool fetches = c[i].error & PF_FETCH, user = c[i].cpl == 3;
        fresh(state);
        cpu->cpl = c[i].cpl;
        there.entry = ENTRY_USER | ENTRY_ACCESSED | (c[i].writable ? ENTRY_WRITABLE : 0) |
                      (c[i].executable ? 0 : ENTRY_NX) | (c[i].dirty ? ENTRY_DIRTY : 0);
        there.page_size = 2 << 20;
        code_of[5] = c[i].code ? &code_page : NULL;
        assert_int_equal(comes_back(TRAP_PF, c[i].error, 0x7abc), STEP_DONE);
        assert_int_equal(n.maps, 1);
        assert_int_equal(n.interpreted, 0);
        const uint8_t *page = fetches && !user ? copy : memory[5];
        if (mapped.entry != ((uintptr_t)page | c[i].bits))
            fail_msg("case %u: %lx", i, (unsigned long)mapped.entry);
        assert_int_equal(mapped.which, user ? SHADOW_USER : SHADOW_KERNEL);
        assert_int_equal(mapped.address, 0x7000);
        assert_int_equal(mapped.seen, there.entry);
        assert_int_equal(walked, 0x7abc);
        assert_int_equal(walked_as, (c[i].error & (PF_WRITE | PF_FETCH)) | (user ? 4 : 0));
        assert_int_equal(trap_counters.page_faults, 1);
        assert_string_equal(failed, "");
        /* and so it is right as long as the tables say that */
        reviewing = true;
        assert_int_equal(shadow_right(&machine, mapped.which, 0x7000, mapped.seen,
                                      !(mapped.entry & NX)), mapped.entry);
        reviewing = false;
    }
}

static void what_is_right(void **state)
{
    const uint64_t all = ENTRY_TOGETHER | ENTRY_DIRTY, page = (uintptr_t)memory[5] | BITS;
    const struct {
        unsigned which;
        bool code, has_copy, translated;
        uint64_t seen, right;
    } c[] = {
        { SHADOW_USER, true, false, false, all, page | PTE_WRITE },
        { SHADOW_USER, true, true, false, all, page },
        { SHADOW_USER, false, false, false, all | ENTRY_NX, page | PTE_WRITE | NX },
        { SHADOW_USER, true, false, false, all & ~ENTRY_DIRTY, page },
        { SHADOW_USER, true, false, false, all & ~ENTRY_WRITABLE, page },
        { SHADOW_USER, true, false, false, all & ~ENTRY_USER, 0 },      /* the kernel's alone */
        { SHADOW_USER, true, false, false, all & ~ENTRY_ACCESSED, 0 },
        { SHADOW_KERNEL, false, false, false, all & ~ENTRY_USER, page | PTE_WRITE | NX },
        { SHADOW_KERNEL, false, false, false, all & ~ENTRY_ACCESSED, 0 },
        { SHADOW_KERNEL, true, true, false, all, (uintptr_t)copy | BITS },
        { SHADOW_KERNEL, true, true, false, all | ENTRY_NX, (uintptr_t)copy | BITS | NX },
        { SHADOW_KERNEL, false, true, false, all, page | NX },
        { SHADOW_KERNEL, true, false, false, all, page | PTE_WRITE | NX },      /* it was some */
        { SHADOW_KERNEL, true, true, true, all, page | NX },
        { SHADOW_KERNEL, true, true, false, 0, 0 },
    };

    reviewing = true;
    for (unsigned i = 0; i < sizeof(c) / sizeof(*c); i++) {
        code_of[5] = c[i].has_copy ? &code_page : NULL;
        code_page.copy = c[i].translated ? NULL : copy;
        if (shadow_right(&machine, c[i].which, 0x7000, c[i].seen, c[i].code) != c[i].right)
            fail_msg("case %u", i);
    }
    page_of[5] = NULL;                                  /* a device is there */
    assert_int_equal(shadow_right(&machine, SHADOW_USER, 0x7000, all, true), 0);
    reviewing = false;
}

static void other_page_faults(void **state)
{
    found = false;                                      /* in the guest's own tables, too */
    assert_int_equal(comes_back(TRAP_PF, 0, 0x7abc), STEP_EXCEPTION);
    assert_true(delivered.vector == VECTOR_PF && delivered.has_error && delivered.error == 0x15);
    assert_int_equal(n.maps + n.interpreted, 0);
    found = true;
    steps_say = STEP_EXCEPTION;
    comes_back(TRAP_PF, 0, 0x8000);                     /* where no shadow may be */
    comes_back(TRAP_PF, 0, 1ull << 47);
    page_of[5] = NULL;                                  /* a device */
    comes_back(TRAP_PF, 0, 0x7abc);
    assert_int_equal(n.interpreted, 3);
    page_of[5] = memory[5];
    there.entry &= ~ENTRY_WRITABLE;                     /* CR0 has no WP */
    comes_back(TRAP_PF, PF_WRITE, 0x7abc);
    assert_int_equal(n.interpreted, 4);
    assert_int_equal(n.maps, 0);
    maps_say = 1;
    assert_int_equal(comes_back(TRAP_PF, 0, 0x7abc), STEP_EXCEPTION);
    assert_int_equal(n.interpreted, 5);
    maps_say = -ENOMEM;
    assert_int_equal(comes_back(TRAP_PF, 0, 0x7abc), STEP_DONE);
    assert_string_equal(failed, "the hypervisor refuses a mapping: ENOMEM");
    assert_int_equal(n.interpreted, 5);
    assert_int_equal(delivered.times, 1);
}

/* Code of the kernel that nobody has looked at: some instructions, as long as they are its. */
static void unknown_code(void **state)
{
    steps_say = STEP_EXCEPTION;
    assert_int_equal(comes_back(TRAP_PF, PF_FETCH, 0x7abc), STEP_EXCEPTION);
    assert_int_equal(n.interpreted, 64);
    assert_int_equal(n.maps, 0);
    fresh(state);
    assert_int_equal(comes_back(TRAP_PF, PF_FETCH, 0x7abc), STEP_DONE);
    assert_int_equal(n.interpreted, 64);
    fresh(state);
    leaves_for_user = 3;
    comes_back(TRAP_PF, PF_FETCH, 0x7abc);
    assert_int_equal(n.interpreted, 3);
    fresh(state);
    steps_say = STEP_HALTED;
    assert_int_equal(comes_back(TRAP_PF, PF_FETCH, 0x7abc), STEP_HALTED);
    assert_int_equal(n.interpreted, 1);
    fresh(state);
    machine.over = true;
    comes_back(TRAP_PF, PF_FETCH, 0x7abc);
    assert_int_equal(n.interpreted, 0);
    fresh(state);
    cpu->interrupt_pending = true;
    comes_back(TRAP_PF, PF_FETCH, 0x7abc);
    assert_int_equal(n.interpreted, 64);                /* which it does not take */
    cpu->rflags = FLAG_IF;
    comes_back(TRAP_PF, PF_FETCH, 0x7abc);
    assert_int_equal(n.interpreted, 64);
    cpu->interrupt_pending = false;
    comes_back(TRAP_PF, PF_FETCH, 0x7abc);
    assert_int_equal(n.interpreted, 128);
}

/* --- the alarm --------------------------------------------------------------------------------*/

static void the_alarm(void **state)
{
    comes_back(EXIT_EVENT, 0, 0);                       /* the clock stands still */
    assert_int_equal(n.timers, 0);
    machine.attention = false;
    next_tick = now + 500000;
    comes_back(EXIT_REPLACED, 0, 0);
    assert_int_equal(n.timers, 1);
    assert_int_equal(alarm_set.when, now + 500000);
    comes_back(EXIT_REPLACED, 0, 0);
    next_tick += 1000;
    comes_back(EXIT_REPLACED, 0, 0);
    assert_int_equal(n.timers, 1);                      /* it comes before that */
    next_tick = now + 100000;
    comes_back(EXIT_REPLACED, 0, 0);
    assert_int_equal(n.timers, 2);
    assert_int_equal(alarm_set.when, now + 100000);
    next_tick = now + 1;                                /* not so soon */
    comes_back(EXIT_REPLACED, 0, 0);
    assert_int_equal(n.timers, 3);
    assert_int_equal(alarm_set.when, now + 20000);
    next_tick = now;
    comes_back(EXIT_REPLACED, 0, 0);
    assert_int_equal(n.timers, 3);
    assert_false(machine.attention);
    ring_the_alarm();
    assert_true(machine.attention);
    comes_back(EXIT_REPLACED, 0, 0);
    assert_int_equal(n.timers, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(before_it_starts), TEST(what_runs_directly), TEST(which_tables), TEST(translated),
        TEST(who_deals_with_it), TEST(breakpoints), TEST(places_are_told),
        TEST(entries_of_the_shadow), TEST(what_is_right), TEST(other_page_faults),
        TEST(unknown_code), TEST(the_alarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
