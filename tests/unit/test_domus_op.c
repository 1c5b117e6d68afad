/* SPDX-License-Identifier: MIT */
/*
 * Hypercall 55 and the debug keys: every field of every answer, whom it is about, and that no
 * domain's reference is kept.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#undef snprintf
#include "control/audit.h"
#include "control/debug_keys.h"
#include "control/domctl.h"
#include "domain/events.h"
#include "domain/grants.h"
#include "domain/schedule.h"
#include "entry/hypercall.h"
#include "machine/dump.h"
#include "machine/ring0.h"
#include "machine/system_time.h"
#include "lib/fail.h"
#include "lib/printk.h"
#include "memory/access.h"
#include "memory/heap.h"
#include "memory/mmu.h"
#include "fail_host.h"

#define NOT_THERE 0x666000ul

static struct cpu cpu;
static struct vcpu vcpus[4];                    /* one of domain 0, three of 5 (one is missing) */
static struct vcpu_info infos[4];
static struct domain domains[2];
static unsigned int references, put_references, audits, resets, registers;
static char said[4096], of_domains[64];
static struct { struct vcpu *who; struct domain *client; } work;

int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    if (from.a == NOT_THERE) return -EFAULT;
    memcpy(to, (void *)from.a, n);
    return 0;
}
int copy_to_guest(vaddr_t to, const void *from, size_t n)
{
    if (to.a == NOT_THERE) return -EFAULT;
    memcpy((void *)to.a, from, n);
    return 0;
}
int answer_guest(uint64_t va, const void *object, size_t n)
{
    return copy_to_guest(VADDR(va), object, n);
}
size_t strlcpy(char *to, const char *from, size_t size)
{
    return (size_t)snprintf(to, size, "%s", from);
}
void refusal_words(const struct vcpu *v, char *words, size_t size)
{
    snprintf(words, size, "%s", v == &vcpus[1] ? "in other words" : "");
}
uint64_t memory_audit(struct domus_audit *result)
{
    *result = (struct domus_audit){ .frames = 11, .violations = 3 };
    audits++;
    return 3;
}
uint64_t vcpu_cpu_time(struct vcpu *v)
{
    return (uint64_t)(v - vcpus) * 10000000 + 1000000;
}
uint64_t vcpu_work_for(struct vcpu *v, struct domain *d)
{
    work.who = v;
    work.client = d;
    put_references += d != NULL;    /* it is its, now */
    return 4711;
}
static domid_t destroyed;

long svm_run(struct vcpu *v, uint64_t arg)
{
    return v == current && arg == 0x5555 ? 0 : -EFAULT;
}
int domctl_destroy_some(domid_t id)
{
    destroyed = id;
    return -EAGAIN;
}
struct domain *domain_get(domid_t id)
{
    references += id == 5 || id == 0;
    return id == 5 ? &domains[1] : id == 0 ? &domains[0] : NULL;
}
struct domain *domain_get_from(domid_t first)
{
    for (unsigned int i = 0; i < 2; i++)
        if (domains[i].id >= first) {
            references++;
            return &domains[i];
        }
    return NULL;
}
void domain_put(struct domain *d)
{
    assert_non_null(d);
    put_references++;
}

void printk_at(int level, const char *format, ...)
{
    va_list args;
    size_t n = strlen(said);

    va_start(args, format);
    vsnprintf(said + n, sizeof(said) - n, format, args);
    va_end(args);
    strcat(said, "\n");
}
void print_registers(const struct cpu_user_regs *regs, uint64_t cr3)
{
    assert_int_equal(cr3, regs == &vcpus[0].regs ? 0x1000 : 0x2000);
    registers++;
}
static void note(struct domain *d)
{
    snprintf(of_domains + strlen(of_domains), sizeof(of_domains) - strlen(of_domains), "%u ",
             d->id);
}
void events_dump(struct domain *d)
{
    note(d);
}
void grants_dump(struct domain *d)
{
    note(d);
}
bool vcpu_runnable(const struct vcpu *v)
{
    return v == &vcpus[1];
}
static struct cpu both[2] = { { .id = 0, .waits = 3, .longest_wait = 8000 }, { .id = 1 } };
struct cpu *cpus[MAX_CPUS] = { &both[0], &both[1] };
uint32_t cpus_online = 2;
bool ring0_shared = true;
struct ring0_lock ring0_lock = { .held = 1, .uses = 12 };
static uint64_t stopped_for_registers;
void cpus_flush(cpumask_t set)
{
    assert_int_equal(registers, 0);                         /* before they are looked at */
    stopped_for_registers = set;
}
uint64_t tsc_khz(void)
{
    return 2000000;
}
uint64_t cpu_idle_time(const struct cpu *cpu)
{
    return 5999999 + cpu->id * 2000000;
}
uint64_t now_ns(void)
{
    return 77000000;
}
uint64_t heap_free_count(void)
{
    return 100;
}
uint64_t heap_total_count(void)
{
    return 300;
}
uint64_t heap_cut_count(void)
{
    return 20;
}
static jmp_buf reset;
void machine_reset(void)
{
    resets++;
    longjmp(reset, 1);
}

static int set_up(void **state)
{
    domains[0] = (struct domain){ .privileged = true, .vcpu_count = 1, .cpu_time_ns = 100,
                                  .shutdown_code = -1,
                                  .share.weight = 256 };
    domains[1] = (struct domain){
        .id = 5, .privileged = true, .vcpu_count = 4, .cpu_time_ns = 7000000,
        .memory.page_count = 12, .memory.max_pages = 34, .refs = 2,
        .pause_count = 1, .life = DOMAIN_DYING, .share.weight = 512,
        .share.time = 8999999,
    };
    for (unsigned int i = 0; i < 4; i++)
        vcpus[i] = (struct vcpu){
            .id = i == 1 ? 0 : i,
            .info = &infos[i],
            .domain = &domains[i > 0],
            .initialised = i < 3,
            .tables.kernel_cr3 = 0x1000,
            .tables.user_cr3 = 0x2000,
            .in_kernel = i == 0,
            .sched.state = VCPU_BLOCKED,
            .sched.pause_count = i,
            .regs.rip = 0x100 + i,
            .sched.turn.time = 2000000,
            .counters = { .refused = 1 + i,
                          .exceptions = 10 + i,
                          .emulated = 20 + i,
                          .emulated_pte = 30 + i,
                          .events = 40 + i,
                          .switches = 50 + i,
                          .continuations = 60 + i,
                          .hypercalls = { 70 + i, [63] = 80 + i } },
        };
    domains[0].vcpus[0] = &vcpus[0];
    domains[1].vcpus[0] = &vcpus[1];
    domains[1].vcpus[2] = &vcpus[2];
    domains[1].vcpus[3] = &vcpus[3];
    domains[0].vcpus[1] = &vcpus[3];            /* beyond their count: nobody's */
    infos[1] = (struct vcpu_info){ .evtchn_upcall_pending = 1 };
    infos[2] = (struct vcpu_info){ .evtchn_upcall_mask = 1 };
    cpu.self = &cpu;
    cpu.running = &vcpus[1];
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    references = put_references = audits = resets = registers = 0;
    said[0] = of_domains[0] = 0;
    memset(&work, 0, sizeof(work));
    return 0;
}

static int tear_down(void **state)
{
    assert_int_equal(references, put_references);
    return 0;
}

static long domus_op(unsigned long operation, const void *argument)
{
    return do_domus_op(operation, (unsigned long)argument);
}

static void why_it_was_refused(void **state)
{
    static struct refusal place = { .file = "memory/file.c", .line = 321, .why = "a reason" };
    struct domus_last_error answer = { 0 }, expected = {
        .error = -22, .hypercall = 13, .file = "memory/file.c", .line = 321, .about = 15,
        .level = 2, .slot = 510, .frame = 0x1234, .value = 0x5678, .refusals = 2,
        .reason = "a reason", .words = "in other words",
    };

    assert_int_equal(domus_op(DOMUS_last_error, &answer), -ENOENT);
    vcpus[1].last_error = (struct last_error){
        .place = &place, .error = -22, .hypercall = 13, .about = 15, .level = 2, .slot = 510,
        .frame = 0x1234, .value = 0x5678,
    };
    memset(&answer, 0xee, sizeof(answer));
    cpu.budget = 8000;
    assert_int_equal(domus_op(DOMUS_last_error, &answer), 0);
    assert_true(spent());                       /* in words it takes its time */
    assert_memory_equal(&answer, &expected, sizeof(answer));
    assert_int_equal(domus_op(DOMUS_last_error, (void *)NOT_THERE), -EFAULT);
    assert_int_equal(place.count, 0);           /* asking is no refusal */
}

static void balancing_the_books(void **state)
{
    struct domus_audit answer = { 0 };

    assert_int_equal(domus_op(DOMUS_audit, NULL), 3);
    assert_int_equal(domus_op(DOMUS_audit, &answer), 3);
    assert_int_equal(answer.frames, 11);
    assert_int_equal(answer.violations, 3);
    assert_int_equal(domus_op(DOMUS_audit, (void *)NOT_THERE), -EFAULT);
    assert_int_equal(audits, 3);
}

static void how_often(void **state)
{
    static const struct { domid_t id; unsigned int first, last; uint64_t run; int error; } who[] = {
        { 0, 0, 0, 100 + 1000000, 0 },
        { 5, 1, 3, 7000000 + 3000000 + 60000000, 0 },
        { DOMID_INVALID, 1, 0, 0, -ESRCH },
        { 4, 1, 0, 0, -ESRCH },
        { 6, 1, 0, 0, -ESRCH },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(who); i++) {
        struct domus_counters c, expected = { .domid = who[i].id, .run_ns = who[i].run };

        for (unsigned int n = who[i].first; n <= who[i].last; n++) {
            expected.hypercalls[0] += 70 + n;
            expected.hypercalls[63] += 80 + n;
            expected.refused += 1 + n;
            expected.exceptions += 10 + n;
            expected.emulated += 20 + n;
            expected.emulated_pte += 30 + n;
            expected.events += 40 + n;
            expected.switches += 50 + n;
            expected.continuations += 60 + n;
        }
        memset(&c, 0xee, sizeof(c));
        c.domid = who[i].id;
        assert_int_equal(domus_op(DOMUS_counters, &c), who[i].error);
        if (who[i].error == 0)
            assert_memory_equal(&c, &expected, sizeof(c));
        else
            assert_int_equal(c.refused, 0xeeeeeeeeeeeeeeee);
    }
    assert_int_equal(domus_op(DOMUS_counters, (void *)NOT_THERE), -EFAULT);
}

static void on_whose_behalf(void **state)
{
    static const struct { uint64_t id; struct domain *client; } clients[] = {
        { 5, &domains[1] }, { 6, NULL }, { 0x10005, NULL }, { 0xffff, NULL }, { 0x10000, NULL },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(clients); i++) {
        work.client = &domains[0];
        assert_int_equal(domus_op(DOMUS_work_for, (void *)clients[i].id), 4711);
        assert_ptr_equal(work.who, &vcpus[1]);
        assert_ptr_equal(work.client, clients[i].client);
    }
}

static uint32_t waits;

uint32_t console_waiting(void)
{
    return waits;
}

static void how_far_the_console_is_behind(void **state)
{
    static const uint32_t bytes[] = { 0, 1, 32768 };

    for (unsigned int i = 0; i < ARRAY_SIZE(bytes); i++) {
        waits = bytes[i];
        assert_int_equal(domus_op(DOMUS_console, (void *)NOT_THERE), bytes[i]);
    }
}

static void an_end_by_steps(void **state)
{
    static const uint64_t ids[][2] = { { 5, 5 }, { 0x10005, DOMID_INVALID }, { ~0ul, 0x7ff4 } };

    for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++) {
        assert_int_equal(domus_op(DOMUS_destroy, (void *)ids[i][0]), -EAGAIN);
        assert_int_equal(destroyed, ids[i][1]);
    }
}

static void what_is_no_domus_op(void **state)
{
    assert_int_equal(domus_op(0, NULL), -ENOSYS);
    assert_int_equal(domus_op(8, NULL), -ENOSYS);
    domains[1].privileged = false;              /* dom0's, all but why it was refused itself */
    assert_int_equal(domus_op(DOMUS_audit, NULL), -EPERM);
    assert_int_equal(domus_op(DOMUS_counters, NULL), -EPERM);
    assert_int_equal(domus_op(DOMUS_work_for, NULL), -EPERM);
    assert_int_equal(domus_op(DOMUS_destroy, NULL), -EPERM);
    assert_int_equal(domus_op(DOMUS_console, NULL), -EPERM);
    assert_int_equal(domus_op(DOMUS_last_error, NULL), -ENOENT);
    assert_int_equal(domus_op(DOMUS_run, (void *)0x5555), 0);
    assert_int_equal(do_xenpmu_op(0, 0), -EOPNOTSUPP);
}

/* ---- debug keys: the machine's lines, and each domain's ---- */

static const struct { char key; const char *said, *domains; unsigned int registers; } keys[] = {
    { 'A', "audit: 3 violations\n", "", 0 },
    { 'd', "d0 vcpu 0, guest kernel mode\nd5 vcpu 0, guest user mode\n"
           "d5 vcpu 2, guest user mode\n", "", 3 },
    { 'e', "", "0 5 ", 0 },
    { 'g', "", "0 5 ", 0 },
    { 'h', "key 'A': recount all references and types\nkey 'd': registers of all vCPUs\n"
           "key 'e': event channels in use\nkey 'g': grants in use\nkey 'h': this list\n"
           "key 'l': how CPUs waited for ring 0\n"
           "key 'm': memory\nkey 'q': domains and their vCPUs\nkey 'r': who ran how long\n"
           "key 'R': reset the machine\n", "", 0 },
    { 'l', "ring 0 was entered 12 times\ncpu 0: waited for it 3 times, at longest 4 us\n"
           "cpu 1: waited for it 0 times, at longest 0 us\n", "", 0 },
    { 'm', "heap: 100 of 300 pages free, 20 cut up for small objects\n", "", 0 },
    { 'q', "d0: 0 pages of 0, 0 references, pause count 0\n"
           "  vcpu 0: state 2, pause count 0, upcall pending 0, masked 0, rip 100\n"
           "d5: 12 pages of 34, 2 references, pause count 1, shut down, dying\n"
           "  vcpu 0: state 2, pause count 1, upcall pending 1, masked 0, rip 101\n"
           "    refused last: in other words\n"
           "  vcpu 2: state 2, pause count 2, upcall pending 0, masked 1, rip 102\n"
           "  vcpu 3: state 2, pause count 3, upcall pending 0, masked 0, rip 103\n", "", 0 },
    { 'r', "cpu 0: idle 5 ms of 77 ms\ncpu 1: idle 7 ms of 77 ms\n"
           "d0: weight 256, virtual time 0 ms, ring 0 for it beside its vCPUs 0 ms\n"
           "  vcpu 0: ran 1 ms, virtual time 2 ms, switched to 50 times\n"
           "d5: weight 512, virtual time 8 ms, ring 0 for it beside its vCPUs 7 ms\n"
           "  vcpu 0: ran 11 ms, virtual time 2 ms, switched to 51 times, runnable\n"
           "  vcpu 2: ran 21 ms, virtual time 2 ms, switched to 52 times\n"
           "  vcpu 3: ran 31 ms, virtual time 2 ms, switched to 53 times\n", "", 0 },
    { 'Z', "no debug key 0x5a; 'h' lists them\n", "", 0 },
    { (char)0xff, "no debug key 0xff; 'h' lists them\n", "", 0 },
};

static void each_key(void **state)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++) {
        said[0] = of_domains[0] = 0;
        registers = 0;
        debug_key(keys[i].key);
        assert_string_equal(said, keys[i].said);
        assert_string_equal(of_domains, keys[i].domains);
        assert_int_equal(registers, keys[i].registers);
    }
    assert_int_equal(resets, 0);
    assert_int_equal(stopped_for_registers, ~0ul);
    ring0_shared = false;
    said[0] = 0;
    debug_key('l');
    assert_string_equal(said, "one CPU: ring 0 has no lock around it\n");
    if (!setjmp(reset)) {
        debug_key('R');
        assert_int_equal(resets, 1);
    }
    assert_int_equal(resets, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(why_it_was_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(balancing_the_books, set_up, tear_down),
        cmocka_unit_test_setup_teardown(how_often, set_up, tear_down),
        cmocka_unit_test_setup_teardown(on_whose_behalf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(how_far_the_console_is_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_by_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_domus_op, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_key, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
