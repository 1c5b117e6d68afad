/* SPDX-License-Identifier: MIT */
/*
 * Refusals as they are written down: one for a call, whose last word counts; what it is about, of
 * which the innermost entry stays; the line that is made of it, and when it is logged.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the hypervisor has one, too */
#include "domain/domain.h"
#include "entry/trap.h"
#include "lib/fail.h"
#include "lib/printk.h"
#include <abi/domus.h>
#include <xen/grant_table.h>

/* --- the hypervisor around it ----------------------------------------------------------------- */

static struct cpu cpu;
static struct vcpu vcpu;
static struct domain domain = { .id = 7 };
static char log_line[400];
static unsigned int logged;

int log_level;

void printk_at(int level, const char *format, ...)
{
    va_list arguments;

    assert_int_equal(level, LOG_DEBUG);
    va_start(arguments, format);
    vsnprintf(log_line, sizeof(log_line), format, arguments);
    va_end(arguments);
    logged++;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    return (size_t)snprintf(to, size, "%s", from);
}

static int begin(void **state)
{
    memset(&vcpu, 0, sizeof(vcpu));
    vcpu.domain = &domain;
    vcpu.id = 3;
    cpu = (struct cpu){ .self = &cpu, .running = &vcpu };
    log_level = LOG_INFO;
    logged = 0;
    return (int)syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
}

/* The next call of this number, as entry.asm and a multicall begin one. */
static void call(uint32_t number)
{
    vcpu.regs.entry_vector = TRAP_SYSCALL;
    vcpu.regs.rax = number;
    vcpu.counters.hypercalls[number]++;
}

static void says(const char *before_the_place)
{
    char words[REFUSAL_WORDS], wanted[REFUSAL_WORDS];

    refusal_words(&vcpu, words, sizeof(words));
    snprintf(wanted, sizeof(wanted), "%s tests/unit/test_fail.c:", before_the_place);
    if (strncmp(words, wanted, strlen(wanted)) != 0)
        assert_string_equal(words, wanted);
}

/* --- the tests ---------------------------------------------------------------------------------
 */

static void nothing_yet(void **state)
{
    char words[8] = "before";

    refusal_words(&vcpu, words, sizeof(words));
    assert_string_equal(words, "");
    assert_int_equal(about_value(-EINVAL, 1), -EINVAL); /* of an error without a record */
    assert_int_equal(vcpu.last_error.about, 0);
    refusal_tell(&vcpu);
    assert_int_equal(logged, 0);
}

static void the_last_word_of_a_call_counts(void **state)
{
    call(__HYPERVISOR_domctl);
    assert_int_equal(fail_frame(-EINVAL, "the helper's", MFN(5), 2), -EINVAL);
    assert_int_equal(fail(-EACCES, "the caller's"), -EACCES);
    assert_int_equal(vcpu.counters.refused, 1);
    assert_int_equal(vcpu.last_error.about,
                     0); /* what the helper's was about is not the guest's business */
    assert_int_equal(vcpu.last_error.frame, 0);
    says("domctl: -13 EACCES: the caller's");
    call(__HYPERVISOR_domctl); /* the same number, another call */
    assert_int_equal(expected(-ESRCH, "the end"), -ESRCH);
    assert_int_equal(vcpu.counters.refused, 2);
    says("domctl: -3 ESRCH: the end");
    call(__HYPERVISOR_sysctl);
    assert_int_equal(fail(-ENOSYS, "no"), -ENOSYS);
    assert_int_equal(vcpu.counters.refused, 3);
    call(__HYPERVISOR_platform_op); /* the how-manieth is the same, the number is not */
    assert_int_equal(vcpu.counters.hypercalls[__HYPERVISOR_platform_op],
                     vcpu.counters.hypercalls[__HYPERVISOR_sysctl]);
    assert_int_equal(fail(-ENOSYS, "no"), -ENOSYS);
    assert_int_equal(vcpu.counters.refused, 4);
}

static void each_place_is_counted(void **state)
{
    for (unsigned int i = 1; i < 4; i++) {
        call(__HYPERVISOR_domctl);
        assert_int_equal(fail(-EINVAL, "here"), -EINVAL);
        assert_int_equal(vcpu.last_error.place->count, i);
    }
}

/* Whatever call came before it. */
static void a_fault_is_no_call(void **state)
{
    call(__HYPERVISOR_mmu_update);
    vcpu.regs.entry_vector = TRAP_PAGE_FAULT;
    assert_int_equal(fail(-EINVAL, "not so"), -EINVAL);
    assert_int_equal(vcpu.last_error.hypercall, DOMUS_NO_HYPERCALL);
    assert_int_equal(fail(-EINVAL, "not so"), -EINVAL);
    assert_int_equal(vcpu.counters.refused, 2);
    says("not a call: -22 EINVAL: not so");
}

static void the_innermost_entry_stays(void **state)
{
    call(__HYPERVISOR_mmuext_op);
    int error = fail_frame(-EINVAL, "whose is it", MFN(0x99), 0);
    says("mmuext_op: -22 EINVAL: whose is it (frame 0x99)");
    error = about_entry(error, MFN(0x1234), 1, 17, 0x8000000000099067);
    error = about_entry(error, MFN(0x77), 2, 5, 0x1234067);
    assert_int_equal(error, -EINVAL);
    says("mmuext_op: -22 EINVAL: whose is it (frame 0x1234, level 1, slot 17, entry "
         "0x8000000000099067)");
    assert_int_equal(vcpu.last_error.about,
                     DOMUS_ABOUT_FRAME | DOMUS_ABOUT_LEVEL | DOMUS_ABOUT_SLOT | DOMUS_ABOUT_VALUE);
    assert_int_equal(about_entry(fail(-EINVAL, "a descriptor"), MFN(0x12), 0, 511, 0), -EINVAL);
    says("mmuext_op: -22 EINVAL: a descriptor (frame 0x12, slot 511, entry 0x0)");
    assert_int_equal(fail_value(-EINVAL, "an address", 0), -EINVAL);
    says("mmuext_op: -22 EINVAL: an address (value 0x0)");
    assert_int_equal(fail_frame(-EINVAL, "a table", MFN(0), 4), -EINVAL);
    says("mmuext_op: -22 EINVAL: a table (frame 0x0, level 4)");
}

/* 0, "call again", and an errno that was not written down last. */
static void what_is_no_refusal_passes_by(void **state)
{
    call(__HYPERVISOR_mmuext_op);
    assert_int_equal(fail(-EINVAL, "this one"), -EINVAL);
    assert_int_equal(about_value(0, 1), 0);
    assert_int_equal(about_value(-ERESTART, 1), -ERESTART);
    assert_int_equal(about_entry(-EAGAIN, MFN(1), 1, 1, 1), -EAGAIN);
    says("mmuext_op: -22 EINVAL: this one");
}

static void a_status_is_no_errno(void **state)
{
    call(__HYPERVISOR_grant_table_op);
    assert_int_equal(refuse_value(GNTST_bad_gntref, "no", 12), GNTST_bad_gntref);
    says("grant_table_op: status -3 bad_gntref: no (value 0xc)");
    assert_int_equal(about_value(GNTST_bad_gntref, 13), GNTST_bad_gntref); /* it is known already */
    says("grant_table_op: status -3 bad_gntref: no (value 0xc)");
    assert_int_equal(about_value(refuse(GNTST_bad_gntref, "no"), 13),
                     GNTST_bad_gntref);
    says("grant_table_op: status -3 bad_gntref: no (value 0xd)");
    assert_int_equal(refuse_frame(GNTST_bad_page, "no", MFN(9)), GNTST_bad_page);
    says("grant_table_op: status -9 bad_page: no (frame 0x9)");
    assert_int_equal(fail(-ESRCH, "no"), -ESRCH);
    says("grant_table_op: -3 ESRCH: no");
}

/* In one line, when all is known: at the end of the call, or before the next one's takes its place.
 */
static void logged_once(void **state)
{
    call(__HYPERVISOR_mmu_update);
    assert_int_equal(fail(-EINVAL, "quiet"), -EINVAL);
    assert_int_equal(cpu.work, 0);
    log_level = LOG_DEBUG;
    call(__HYPERVISOR_mmu_update);
    assert_int_equal(fail(-EINVAL, "the helper's"), -EINVAL);
    assert_int_equal(fail_value(-EFAULT, "one", 1), -EFAULT);
    assert_int_equal(logged, 0);
    assert_int_equal(cpu.work, WORK_REFUSAL);
    call(__HYPERVISOR_set_gdt);
    assert_int_equal(fail(-EINVAL, "two"), -EINVAL);
    assert_int_equal(logged, 1);
    assert_true(cpu.budget <= -8000);               /* a list may be refused at each of its calls */
    assert_non_null(strstr(log_line, "d7 vcpu 3: mmu_update: -14 EFAULT: one (value 0x1) "));
    refusal_tell(&vcpu);
    assert_int_equal(logged, 2);
    assert_non_null(strstr(log_line, "d7 vcpu 3: set_gdt: -22 EINVAL: two "));
    refusal_tell(&vcpu);
    call(__HYPERVISOR_vcpu_op);
    assert_int_equal(expected(-ENOENT, "there are 31 others"), -ENOENT);
    refusal_tell(&vcpu);
    assert_int_equal(logged, 2);
}

static void every_name(void **state)
{
    call(63);
    assert_int_equal(fail(-4000, "no such errno"), -4000);
    says("no hypercall: -4000 E?: no such errno");
    call(__HYPERVISOR_domctl);
    assert_int_equal(fail(-EAGAIN, "later"), -EAGAIN);
    says("domctl: -11 EAGAIN: later");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_yet, begin),
        cmocka_unit_test_setup(the_last_word_of_a_call_counts, begin),
        cmocka_unit_test_setup(each_place_is_counted, begin),
        cmocka_unit_test_setup(a_fault_is_no_call, begin),
        cmocka_unit_test_setup(the_innermost_entry_stays, begin),
        cmocka_unit_test_setup(what_is_no_refusal_passes_by, begin),
        cmocka_unit_test_setup(a_status_is_no_errno, begin),
        cmocka_unit_test_setup(logged_once, begin),
        cmocka_unit_test_setup(every_name, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
