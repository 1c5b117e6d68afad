/* SPDX-License-Identifier: MIT */
/*
 * Both forms of a hypercall reach the same code, keep every register that a C caller relies on, and
 * answer unknown numbers with -ENOSYS, however large. Idea: the entry path is the first thing a
 * port meets; register loss there shows as crashes far away. Xen's public/arch-x86/xen-x86_64.h:
 * arguments in rdi rsi rdx r10 r8 r9, rcx and r11 destroyed.
 */
#include "../lib/test.h"
#include <abi/domus.h>

/* Calls XENVER_version with a pattern in every preserved register; returns how many of them
 * changed. */
static unsigned int registers_lost(bool by_page)
{
    uint64_t lost = 0;

    asm volatile(
        "movabs $0x1111222233334444, %%rbx\n\tmov %%rbx, %%r12\n\tmov %%rbx, %%r13\n\tmov %%rbx, "
        "%%r14\n\t"
        "mov %%rbx, %%r15\n\tpush %%rbp\n\tmov %%rbx, %%rbp\n\t"
        "mov $17, %%eax\n\txor %%edi, %%edi\n\txor %%esi, %%esi\n\t"
        "test %[page], %[page]\n\tjz 1f\n\tcall hypercall_page + 17 * 32\n\tjmp "
        "2f\n1:\tsyscall\n2:\t"
        "movabs $0x1111222233334444, %%rcx\n\txor %%edx, %%edx\n\t"
        "cmp %%rcx, %%rbx\n\tsetne %%dl\n\tcmp %%rcx, %%r12\n\tsetne %%al\n\tadd %%al, %%dl\n\t"
        "cmp %%rcx, %%r13\n\tsetne %%al\n\tadd %%al, %%dl\n\tcmp %%rcx, %%r14\n\tsetne %%al\n\tadd "
        "%%al, %%dl\n\t"
        "cmp %%rcx, %%r15\n\tsetne %%al\n\tadd %%al, %%dl\n\tcmp %%rcx, %%rbp\n\tsetne %%al\n\tadd "
        "%%al, %%dl\n\tpop %%rbp\n\t"
        : "=&d"(lost)
        : [page] "r"((uint64_t)by_page)
        : "rax", "rbx", "rcx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
          "memory", "cc");
    return (unsigned int)lost;
}

static void flags_come_back(void)
{
    uint64_t before, after;

    /* Direction clear and IF set are the ABI's; the arithmetic flags are the caller's through
     * `syscall` (saved in r11). */
    asm volatile(
        "pushf; pop %0; mov $17, %%eax; xor %%edi, %%edi; xor %%esi, %%esi; syscall; pushf; pop %1"
        : "=&r"(before), "=&r"(after)
        :
        : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
    CHECK_IS(after & 0x600, before & 0x600);
    CHECK(after & 0x200);
    CHECK_IS(after & 0x37000, 0);           /* IOPL, NT, RF, VM: never */
}

/* Domus counts each call, and remembers which one was refused last. */
static void calls_are_counted(void)
{
    struct domus_counters before = { .domid = own_domid() }, after = before;
    struct domus_last_error error;

    if (HYPERVISOR_domus_op(DOMUS_counters, &before) != 0) return;
    for (int i = 0; i < 10; i++) {
        (void)hypercall_by_syscall(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0);
        (void)hypercall_by_syscall(100 + (unsigned int)i, 0, 0, 0, 0, 0);
    }
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_counters, &after), 0);
    CHECK_IS(after.hypercalls[__HYPERVISOR_xen_version] -
                 before.hypercalls[__HYPERVISOR_xen_version],
             10);
    /* all large numbers together */
    CHECK_IS(after.hypercalls[63] - before.hypercalls[63], 10);
    CHECK_REFUSED(HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 5000, NULL));
    CHECK_REFUSED(HYPERVISOR_set_debugreg(8, 0));
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_last_error, &error), 0);
    CHECK_IS(error.hypercall, __HYPERVISOR_set_debugreg);
    CHECK_IS(error.error, -ENODEV);
}

/* Bytes that are not 0, behind the end of a text: what lay on the hypervisor's stack is nobody's
 * business. */
static unsigned int left_behind(const char *text, size_t size)
{
    unsigned int count = 0;

    for (size_t at = strlen(text); at < size; at++)
        count += text[at] != 0;
    return count;
}

static void answers_are_clean(void)
{
    struct domus_last_error error;
    static struct domus_audit audit;

    memset(&error, 0xa5, sizeof(error));
    memset(&audit, 0xa5, sizeof(audit));
    if (HYPERVISOR_domus_op(DOMUS_last_error, &error) != 0) return;
    CHECK(error.file[0] && error.reason[0]);
    CHECK_IS(left_behind(error.file, sizeof(error.file)), 0);
    CHECK_IS(left_behind(error.reason, sizeof(error.reason)), 0);
    CHECK_IS(left_behind(error.words, sizeof(error.words)), 0);
    if (!is_dom0()) return;
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_audit, &audit), 0);
    CHECK(audit.frames > audit.free && audit.free > 0 && audit.typed > 0);
    CHECK_IS(audit.violations, 0);
    CHECK_IS(left_behind(audit.first_bad, sizeof(audit.first_bad)), 0);
}

void test_main(void)
{
    long version = HYPERVISOR_xen_version(XENVER_version, NULL);

    CHECK(version >= 0x40000);
    CHECK_IS(hypercall_by_page(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0), version);
    CHECK_IS(hypercall_by_syscall(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0), version);
    CHECK_IS(registers_lost(true), 0);
    CHECK_IS(registers_lost(false), 0);
    flags_come_back();
    calls_are_counted();
    answers_are_clean();

    static const unsigned long unknown[] = { 11,  62,  63,   64,         100,        127,       128,
                                             255, 256, 4096, 0x7fffffff, 0x80000000, 0xffffffff };
    for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        CHECK_IS(hypercall_by_syscall(unknown[i], 1, 2, 3, 4, 5), -ENOSYS);
        if (unknown[i] < 64)
            CHECK_IS(hypercall_by_page(unknown[i], 1, 2, 3, 4, 5), -ENOSYS);
    }
    CHECK_IS(hypercall_by_syscall(~0UL, 0, 0, 0, 0, 0), -ENOSYS);
}
