/* SPDX-License-Identifier: MIT */
/*
 * The SDK's small things: what the hypervisor is told of traps, callbacks and stacks; who handles a
 * trap; what the builder told; ends, sleeps and reasons. Each call as the hypervisor gets it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/traps.h>
#include <abi/domus.h>
#include "pvguest-sdk/lib/entry.h"
#include "pvguest-sdk/lib/smp.h"
#include "pvguest-sdk/lib/suspend.h"

_Alignas(4096) struct shared_info shared_info;
char event_entry[1], failsafe_entry[1], syscall_entry[1], catch_trap_resume[1];
const unsigned long trap_entries[32] = {
    100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115,
    116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131,
};
struct fixup { unsigned long access, resume; };
extern const struct fixup fixups_start[], fixups_end[];
/* Two, at the places that the linker script of a guest would give. */
__asm__(".section .data.rel.ro\n.balign 8\n"
        ".globl fixups_start, fixups_end\n"
        "fixups_start: .quad 0x1000, 0x1111, 0x2000, 0x2222\nfixups_end: .quad 0x3000, 0x3333\n"
        ".globl image_start, image_text_end\nimage_start: .skip 64\nimage_text_end: .skip 8\n"
        ".text\n");

static struct { unsigned long nr, a[5]; unsigned int count; } call;
static long answer;
static jmp_buf ended;
static unsigned int calls_left;
static char said[4096];
static const uint64_t *stack;                   /* what is behind rsp 0x8000 */
static unsigned int stack_words;
static bool masked;

static void (*on_call)(void *argument);
long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    call.nr = nr;
    memcpy(call.a, (unsigned long[]){ a, b, c, d, e }, sizeof(call.a));
    call.count++;
    if (on_call)
        on_call((void *)b);
    if (calls_left && !--calls_left)
        longjmp(ended, 1);
    return answer;
}
void vprintk(const char *format, va_list arguments)
{
    vsnprintf(said + strlen(said), sizeof(said) - strlen(said), format, arguments);
}
void printk(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintk(format, arguments);
    va_end(arguments);
}
void panic(const char *format, ...)
{
    longjmp(ended, 2);
}
bool events_masked(void)
{
    return masked;
}
void events_mask_all(void)
{
    masked = true;
}
void events_unmask_all(void)
{
    masked = false;
}
int try_read64(const void *address, uint64_t *value)
{
    unsigned long n = ((unsigned long)address - 0x8000) / 8;

    assert_int_equal((unsigned long)address & 7, 0);
    if (n >= stack_words) return -14;
    *value = stack[n];
    return 0;
}
size_t strlcpy(char *to, const char *from, size_t size)
{
    snprintf(to, size, "%s", from);
    return strlen(from);
}

static int set_up(void **state)
{
    memset(&call, 0, sizeof(call));
    answer = 0;
    calls_left = 0;
    on_call = NULL;
    *said = '\0';
    stack_words = 0;
    masked = false;
    return 0;
}

/* --- what the hypervisor is told --- */

static struct trap_info seen[33];
static unsigned int seen_count;
static struct callback_register registered;

static void keep_table(void *unused)
{
    if (call.nr == __HYPERVISOR_set_trap_table)
        for (const struct trap_info *t = (void *)call.a[0]; t->address; t++)
            seen[seen_count++] = *t;
    if (call.nr == __HYPERVISOR_callback_op)
        registered = *(struct callback_register *)call.a[1];
}

static void trap_is(const struct trap_info *t, unsigned int vector, unsigned int flags,
                    unsigned long address)
{
    assert_true(t->vector == vector && t->flags == flags && t->cs == 0xe033 &&
                t->address == address);
}

static void tables(void **state)
{
    unsigned int n = 0;

    on_call = keep_table;
    traps_init();
    for (unsigned int vector = 0; vector < 20; vector++) {
        if (vector == 2 || vector == 9 || vector == 15)
            continue;
        trap_is(&seen[n++], vector, vector == 3 || vector == 4 ? 3
                                    : vector == 8 || vector == 14 ? 4 : 0, 100 + vector);
    }
    assert_int_equal(n, seen_count);
    assert_true(call.count == 2 && call.nr == __HYPERVISOR_set_callbacks);
    assert_true(call.a[0] == (unsigned long)event_entry &&
                call.a[1] == (unsigned long)failsafe_entry &&
                call.a[2] == 0);                        /* nobody's yet: an invalid opcode */
    for (unsigned int i = 0; i < 8; i++) {
        unsigned int dpl = i & 3;

        seen_count = 0;
        answer = i ? 0 : -22;
        assert_int_equal(set_trap_gate(0x80 + i, dpl, i & 4, (void *)0x777), i ? 0 : -22);
        assert_int_equal(seen_count, 1);
        trap_is(seen, 0x80 + i, dpl | (i & 4), 0x777);
    }
    answer = -1;
    if (setjmp(ended) == 0) {
        traps_init();
        assert_true(!"refused");
    }
}

/* Another vCPU begins with the same. */
static void tables_of_another(void **state)
{
    static struct vcpu_guest_context context;

    seen_count = 0;
    on_call = keep_table;
    traps_init();
    traps_context(&context);
    for (unsigned int i = 0; i < seen_count; i++) {
        struct trap_info *its = &context.trap_ctxt[seen[i].vector];

        assert_memory_equal(its, &seen[i], sizeof(*its));
        its->address = 0;
    }
    for (unsigned int vector = 0; vector < 256; vector++)
        assert_int_equal(context.trap_ctxt[vector].address, 0);
    assert_true(context.event_callback_eip == (unsigned long)event_entry &&
                context.failsafe_callback_eip == (unsigned long)failsafe_entry &&
                context.syscall_callback_eip == 0);
}

static void handles_calls(struct trap_frame *frame)
{
    frame->rax = frame->rdi + 1;
}

static void system_calls(void **state)
{
    struct trap_frame frame = { .rdi = 41, .vector = TRAP_FRAME_SYSCALL };

    on_call = keep_table;
    for (unsigned int masks = 0; masks < 2; masks++) {
        answer = masks ? -1 : 0;
        assert_int_equal(set_syscall_handler(handles_calls, masks), answer);
        assert_true(registered.type == CALLBACKTYPE_syscall &&
                    registered.flags == (masks ? CALLBACKF_mask_events : 0) &&
                    registered.address == (unsigned long)syscall_entry);
        assert_true(call.nr == __HYPERVISOR_callback_op && call.a[0] == CALLBACKOP_register);
    }
    syscall_dispatch(&frame);
    assert_int_equal(frame.rax, 42);
    answer = 0;
    assert_int_equal(set_syscall_handler(NULL, false), 0);
    assert_true(registered.type == CALLBACKTYPE_syscall && registered.address == 0);
    set_kernel_stack(0x123000);
    assert_true(call.nr == __HYPERVISOR_stack_switch && call.a[0] == 0xe02b &&
                call.a[1] == 0x123000);
}

/* --- who handles a trap --- */

static unsigned int hooked;
static void last_look(struct trap_frame *frame)
{
    assert_true(masked);
    assert_int_equal(frame->rip, 0x401000);
    masked = hooked++ & 1;                              /* it may do as it likes */
}

static void before_leaving(void **state)
{
    struct trap_frame frame = { .cs = 0xe033, .rip = 0x401000 };

    set_return_hook(last_look);
    for (unsigned int i = 0; i < 4; i++) {
        masked = i & 2;
        before_user_mode(&frame);
        assert_true(masked && hooked == i + 1);
    }
    set_return_hook(NULL);
    assert_null(return_hook);
    masked = false;
    before_user_mode(&frame);                           /* another vCPU was quicker */
    assert_true(!masked && hooked == 4);
}

static bool comes_back(struct trap_frame *frame)
{
    calls_left = 1;
    if (setjmp(ended)) return false;
    trap_dispatch(frame);
    return true;
}

static unsigned int handled;
static bool handles;
static bool handler(struct trap_frame *frame)
{
    handled++;
    return handles;
}

/* Another vCPU has taken the handler away while the program was on its way in. */
static void a_system_call_of_nobody(void **state)
{
    struct trap_frame frame = { .vector = TRAP_FRAME_SYSCALL, .cs = 0xe033, .rip = 0x401002 };
    unsigned int before = handled;

    set_syscall_handler(NULL, false);
    handles = true;
    set_trap_handler(TRAP_UD, handler);
    syscall_dispatch(&frame);
    assert_int_equal(handled, before + 1);
    assert_true(frame.vector == TRAP_UD && frame.rip == 0x401000 && frame.error == 0);
    set_trap_handler(TRAP_UD, NULL);
    frame = (struct trap_frame){ .vector = TRAP_FRAME_SYSCALL, .cs = 0xe033 };
    calls_left = 1;
    if (setjmp(ended) == 0) {
        syscall_dispatch(&frame);
        assert_true(!"it ends");
    }
}

static void who_handles(void **state)
{
    for (unsigned int i = 0; i < 8; i++) {
        bool user = i & 1, has = i & 2, fixed = i & 4;
        struct trap_frame frame = { .vector = 14, .cs = user ? 0xe033 : 0xe030,
                                    .rip = fixed ? 0x2000 : 0x3000, .error = 0xffffffff00000005 };
        unsigned int before = handled;

        assert_ptr_equal(set_trap_handler(14, has ? handler : NULL), i > 1 && (i - 1) & 2 ? handler
                                                                                          : NULL);
        assert_int_equal(frame_from_user(&frame), user);
        for (unsigned int does = 0; does < 2; does++) {
            *said = '\0';
            handles = does;
            assert_int_equal(comes_back(&frame), (has && does) || (!user && fixed));
            assert_int_equal(handled - before, has * (does + 1u));
            assert_int_equal(frame.error, 5);
            assert_int_equal(frame.rip, !user && fixed && !(has && does) ? 0x2222
                             : fixed ? 0x2000 : 0x3000);
            frame.rip = fixed ? 0x2000 : 0x3000;
        }
    }
    set_trap_handler(14, NULL);
}

/* Who faults second waits until the first has told, for a while; who faults in telling does not. */
static unsigned int calls_until_end;
static void keep_end(void *argument)
{
    if (call.a[0] == SCHEDOP_shutdown && !calls_until_end)
        calls_until_end = call.count;
}

_Thread_local struct cpu *host_cpu;
static void two_fault(void **state)
{
    static struct cpu second = { .self = &second, .id = 1 };
    struct trap_frame frame = { .vector = 13, .cs = 0xe030 };

    on_call = keep_end;
    for (volatile unsigned int id = 0; id < 2; id++) {
        several_cpus = id;
        host_cpu = &second;
        call.count = calls_until_end = 0;
        calls_left = 100002;
        *said = 0;
        if (setjmp(ended) == 0)
            die(&frame, "one more");            /* the first was vCPU 0, in a test before */
        assert_string_equal(said, "");
        assert_int_equal(calls_until_end, id ? 100001 : 1);
    }
    several_cpus = false;
}

/* --- catching one --- */

static struct trap_frame trapped;
static int catch_mode;
int catch_trap_run(void (*fn)(void *arg), void *arg, unsigned long *saved_sp)
{
    *saved_sp = 0x7000;
    if (catch_mode == 0) {
        fn(arg);
        return 0;
    }
    shared_info.vcpu_info[0].arch.cr2 = 0xabc;
    trap_dispatch(&trapped);
    masked = true;                                      /* as the entry left it */
    return 1;
}
static void runs(void *arg)
{
    *(int *)arg += 1;
}

static void caught(void **state)
{
    uint64_t error = 0, address = 0;
    int times = 0;

    for (unsigned int was = 0; was < 2; was++) {
        masked = was;
        catch_mode = 0;
        assert_int_equal(catch_trap(runs, &times, &error, &address), -1);
        assert_true(times == (int)was + 1 && masked == was && !error && !address);
        catch_mode = 1;
        trapped = (struct trap_frame){ .vector = 13, .cs = 0xe030, .rip = 5, .rsp = 6, .error = 7,
                                       .rflags = 0x746 };
        assert_int_equal(catch_trap(runs, &times, was ? &error : NULL, was ? &address : NULL), 13);
        assert_int_equal(masked, was);
        assert_true(trapped.rip == (unsigned long)catch_trap_resume && trapped.rsp == 0x7000 &&
                    trapped.rflags == 0x246);
        assert_true(error == (was ? 7 : 0) && address == (was ? 0xabc : 0));
    }
    /* One of user mode is not meant, and the second is not caught. */
    calls_left = 1;
    trapped.cs = 0xe033;
    if (setjmp(ended) == 0) {
        catch_trap(runs, &times, NULL, NULL);
        assert_true(!"not caught");
    }
    handles = true;
    set_trap_handler(13, handler);
    trapped = (struct trap_frame){ .vector = 13, .cs = 0xe030, .rip = 5 };
    catch_mode = 1;
    assert_int_equal(catch_trap(runs, &times, NULL, NULL), 13);
    trapped.rip = 5;
    trap_dispatch(&trapped);
    assert_int_equal(trapped.rip, 5);
    set_trap_handler(13, NULL);
}

/* --- the end, with all registers --- */

static void registers(void **state)
{
    static const struct trap_frame frame = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 14, 2, 0x401000, 0xe033, 0, 1, { 0 },
        0x246, 0x8003, 0x1e02b,
    };
    uint64_t words[600] = { 0 };
    char want[800];

    shared_info.vcpu_info[0].arch.cr2 = 0x5678;
    for (unsigned int i = 0; i < 20; i++)               /* twelve of them are said */
        words[2 * i + 1] = (uint64_t)image_start + i;
    words[0] = (uint64_t)image_text_end;
    words[2] = (uint64_t)image_start - 1;
    stack = words;
    stack_words = 512;
    int n = sprintf(want,
        "page fault (vector 14), error 2, cr2 5678, user mode\n"
        "rip e033:0000000000401000  rsp e02b:0000000000008003  rflags 00000246  saved mask 1\n"
        "rax 000000000000000b rbx 0000000000000006 rcx 000000000000000c rdx 000000000000000d\n"
        "rsi 000000000000000e rdi 000000000000000f rbp 0000000000000005 r8  000000000000000a\n"
        "r9  0000000000000009 r10 0000000000000008 r11 0000000000000007 r12 0000000000000004\n"
        "r13 0000000000000003 r14 0000000000000002 r15 0000000000000001\n"
        "return addresses on the stack:");
    for (unsigned int i = 0; i < 12; i++)
        n += sprintf(want + n, " %lx", (uint64_t)image_start + i);
    sprintf(want + n, "\n");
    dump_frame(&frame);
    assert_string_equal(said, want);
}

/* --- what the builder told --- */

static void options(void **state)
{
    static const struct { const char *name, *value; bool there; } rows[] = {
        { "ip", "10.0.0.1", true }, { "debug", "", true }, { "deb", "", false },
        { "debugger", "", false }, { "last", "", true }, { "x", "a=b", true }, { "y", "", true },
        { "10.0.0.1", "", false }, { "long", "123456789", true }, { "room", "123456789", true },
        { "less", "12345678", true }, { "lastly", "", false },
        { "x=a=b y", "", false },
    };
    static struct start_info si;
    char value[10];

    start_info = &si;
    strcpy((char *)si.cmd_line, " ip=10.0.0.1  debug x=a=b y= long=12345678901 room=1234567890 "
                                "less=12345678 last");
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        strcpy(value, "unset");
        assert_int_equal(command_option(rows[i].name, value, sizeof(value)), rows[i].there);
        assert_string_equal(value, rows[i].there ? rows[i].value : "unset");
    }
    memset(si.cmd_line, 'a', sizeof(si.cmd_line));
    assert_int_equal(strlen(command_line()), MAX_GUEST_CMDLINE - 1);
    memset(si.cmd_line, 0, sizeof(si.cmd_line));
    assert_false(command_option("ip", value, sizeof(value)));
}

static void modules(void **state)
{
    static struct start_info si;
    size_t size = 5;

    image_pages = 0x1000;
    start_info = &si;
    si.mod_start = 0x123;                               /* of no length: there is none */
    assert_null(boot_module(&size));
    assert_int_equal(size, 0);
    si.mod_len = 77;
    si.mod_start = 0x123;
    assert_ptr_equal(boot_module(&size), 0x123);
    assert_int_equal(size, 77);
    si.flags = SIF_MOD_START_PFN;
    assert_ptr_equal(boot_module(&size), IMAGE_BASE + 0x123000);
    si.flags = SIF_PRIVILEGED;
    assert_ptr_equal(boot_module(&size), 0x123);
    /* The shared page goes where room was left for it; without it there is no guest. */
    start_info = NULL;
    si.shared_info = 0x88000;
    start_init(&si);
    assert_ptr_equal(start_info, &si);
    assert_true(call.nr == __HYPERVISOR_update_va_mapping &&
                call.a[0] == (unsigned long)&shared_info && call.a[1] == (0x88000 | PROT_RW) &&
                call.a[2] == UVMF_INVLPG);
    /* While the guest is saved, the page that was there, with events masked. */
    memset(&shared_info, 0x55, sizeof(shared_info));
    shared_info_suspend();
    assert_int_equal(shared_info.vcpu_info[0].evtchn_upcall_mask, 1);
    shared_info.vcpu_info[0].evtchn_upcall_mask = 0;
    for (size_t i = 0; i < sizeof(shared_info); i++)
        assert_int_equal(((uint8_t *)&shared_info)[i], 0);
    answer = -22;
    calls_left = 3;
    if (setjmp(ended) == 0)
        start_init(&si);
    assert_true(call.nr == __HYPERVISOR_sched_op && call.a[0] == SCHEDOP_yield);
}

unsigned long *p2m, nr_pages, image_pages;

/* --- ends, sleeps, reasons --- */

static unsigned int reason;
static struct sched_poll polled;
uint64_t time_to_system(uint64_t ns)
{
    return ns;
}
static void keep_op(void *argument)
{
    if (call.nr == __HYPERVISOR_sched_op && call.a[0] == SCHEDOP_shutdown)
        reason = ((struct sched_shutdown *)argument)->reason;
    if (call.nr == __HYPERVISOR_sched_op && call.a[0] == SCHEDOP_poll)
        polled = *(struct sched_poll *)argument;
    if (call.nr == __HYPERVISOR_domus_op)
        strcpy(((struct domus_last_error *)argument)->words, "because");
}

static void ends(void **state)
{
    uint32_t port = 3;

    on_call = keep_op;
    shutdown(SHUTDOWN_reboot);
    assert_true(reason == SHUTDOWN_reboot && call.count == 1);
    for (unsigned int i = 0; i < 2; i++) {
        reason = 99;
        calls_left = 6;                                 /* it goes on saying so */
        if (setjmp(ended) == 0) {
            if (i)
                crash();
            poweroff();
        }
        assert_int_equal(reason, i ? SHUTDOWN_crash : SHUTDOWN_poweroff);
        assert_int_equal(call.a[0], SCHEDOP_yield);
    }
    vcpu_yield();
    assert_true(call.a[0] == SCHEDOP_yield && call.a[1] == 0);
    vcpu_block();
    assert_true(call.a[0] == SCHEDOP_block && call.a[1] == 0);
    answer = -22;
    assert_int_equal(vcpu_poll(&port, 1, 12345), -22);
    assert_true(polled.nr_ports == 1 && polled.timeout == 12345 && polled.ports.p == &port);
}

static void reasons(void **state)
{
    char words[5];

    assert_int_equal(hypercall_reason(words, sizeof(words)), 0);
    assert_string_equal(words, "");
    on_call = keep_op;
    answer = -38;
    assert_int_equal(hypercall_reason(words, sizeof(words)), -38);
    assert_string_equal(words, "beca");
    assert_int_equal(call.a[0], DOMUS_last_error);
}

static unsigned int closed;
static bool no_port, no_status;
static void ports(void *argument)
{
    answer = 0;
    if (call.a[0] == EVTCHNOP_alloc_unbound) {
        struct evtchn_alloc_unbound *op = argument;
        assert_true(op->dom == DOMID_SELF && op->remote_dom == DOMID_SELF);
        op->port = 9;
        answer = no_port ? -28 : 0;
    } else if (call.a[0] == EVTCHNOP_status) {
        struct evtchn_status *op = argument;
        assert_true(op->dom == DOMID_SELF && op->port == 9);
        op->u.unbound.dom = 5;
        answer = no_status ? -1 : 0;
    } else {
        assert_true(call.a[0] == EVTCHNOP_close && ((struct evtchn_close *)argument)->port == 9);
        closed++;
    }
}

static void own_number(void **state)
{
    on_call = ports;
    no_port = true;
    assert_int_equal(own_domid(), DOMID_INVALID);
    assert_int_equal(closed, 0);
    no_port = false;
    no_status = true;
    assert_int_equal(own_domid(), DOMID_INVALID);
    assert_int_equal(closed, 1);
    no_status = false;
    assert_int_equal(own_domid(), 5);
    assert_int_equal(closed, 2);
    call.count = 0;
    assert_int_equal(own_domid(), 5);                   /* once is enough */
    assert_int_equal(call.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers, set_up),    cmocka_unit_test_setup(tables, set_up),
        cmocka_unit_test_setup(tables_of_another, set_up),
        cmocka_unit_test_setup(system_calls, set_up), cmocka_unit_test_setup(who_handles, set_up),
        cmocka_unit_test_setup(two_fault, set_up),
        cmocka_unit_test_setup(before_leaving, set_up),
        cmocka_unit_test_setup(a_system_call_of_nobody, set_up),
        cmocka_unit_test_setup(caught, set_up),       cmocka_unit_test_setup(options, set_up),
        cmocka_unit_test_setup(modules, set_up),      cmocka_unit_test_setup(ends, set_up),
        cmocka_unit_test_setup(reasons, set_up),      cmocka_unit_test_setup(own_number, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
