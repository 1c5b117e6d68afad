/* SPDX-License-Identifier: MIT */
/*
 * Flushes on the host: which CPU's translations go for whose sake, and what the clock says of it.
 * CR3 is a note; a handler stands in for INVLPG.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <signal.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the hypervisor has one, too */
#include "domain/domain.h"
#include "domain/flush.h"
#include "memory/tlb.h"

static struct cpu cpu;
static struct vcpu vcpu;
static struct domain domain, other;
static unsigned int loads, pages;
static uint64_t loaded, page;

void write_cr3(uint64_t value)
{
    /* the clock is read before: what is let go in between counts as not flushed */
    assert_int_equal(tlb_flushed_at[cpu.id], tlb_clock);
    loads++;
    loaded = value;
}

static void on_invlpg(int signal, siginfo_t *info, void *context)
{
    static const int registers[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX,
                                     REG_RSP, REG_RBP, REG_RSI, REG_RDI };
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)r[REG_RIP];

    if (code[0] != 0x0f || code[1] != 1 || (code[2] & 0xf8) != 0x38)
        _exit(1);
    pages++;
    page = (uint64_t)r[registers[code[2] & 7]];
    r[REG_RIP] += 3;
}

static int set_up(void **state)
{
    cpu = (struct cpu){ .self = &cpu, .running = &vcpu, .id = 2, .loaded_cr3 = 0x5000 };
    vcpu = (struct vcpu){ .id = 3, .domain = &domain };
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    tlb_clock = 40;
    tlb_flushed_at[2] = 10;
    loads = pages = 0;
    return 0;
}

static void all_of_this_cpu(void **state)
{
    tlb_flush_local();
    assert_true(loads == 1 && loaded == 0x5000 && tlb_clock == 41 && tlb_flushed_at[2] == 41);
    load_cr3(MADDR(0x7000));
    assert_true(loads == 2 && loaded == 0x7000 && tlb_clock == 42 && tlb_flushed_at[2] == 42);
    assert_int_equal(cpu.loaded_cr3, 0x7000);
    tlb_flush_local();
    assert_true(loads == 3 && loaded == 0x7000 && tlb_flushed_at[0] == 0);
}

/* Only whom it concerns. */
static void of_some_vcpus(void **state)
{
    static const struct { struct domain *d; uint64_t mask, va; bool all, one; } rows[] = {
        { &domain, 8, 0x1000, true, true }, { &domain, ~0ul, 0x7ffffffff000, true, true },
        { &domain, 7, 0x1000, false, false }, { &domain, ~8ul, 0x1000, false, false },
        { &other, 8, 0x1000, false, false }, { &domain, 0, 0x1000, false, false },
        { &domain, 8, 1ul << 47, true, false }, { &domain, 8, ~0xffful, true, true },
    };
    struct sigaction action = { .sa_sigaction = on_invlpg, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        loads = pages = 0;
        tlb_flush_vcpus(rows[i].d, rows[i].mask);
        assert_true(loads == rows[i].all && pages == 0);
        tlb_flush_page_vcpus(rows[i].d, rows[i].mask, rows[i].va);
        assert_true(loads == rows[i].all && pages == rows[i].one);
        assert_true(!rows[i].one || page == rows[i].va);
    }
    loads = pages = 0;
    tlb_flush_domain(&domain);
    tlb_flush_domain(&other);
    assert_int_equal(loads, 1);
    tlb_flush_page(0x123000);
    assert_true(pages == 1 && page == 0x123000 && loads == 1);
}

/* Once for what was let go since, also when the clock has wrapped. */
static void what_may_be_stale(void **state)
{
    static const struct { uint32_t stamp, flushed; bool flush; } rows[] = {
        { 9, 10, false }, { 10, 10, true }, { 11, 10, true }, { ~0u, 0, false }, { 0, ~0u, true },
        { 0, 0x7fffffff, false }, { 0x7fffffff, 0, true },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        set_up(state);
        tlb_clock = rows[i].stamp;
        tlb_flushed_at[2] = rows[i].flushed;
        assert_int_equal(tlb_stamp(), rows[i].stamp);
        tlb_flush_stale(rows[i].stamp);
        assert_int_equal(loads, rows[i].flush);
        tlb_flush_stale(rows[i].stamp);
        assert_int_equal(loads, rows[i].flush);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_of_this_cpu, set_up),
        cmocka_unit_test_setup(of_some_vcpus, set_up),
        cmocka_unit_test_setup(what_may_be_stale, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
