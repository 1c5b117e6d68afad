/* SPDX-License-Identifier: MIT */
/*
 * Flushes on the host, on machines of one CPU and of several: whose translations go for whose sake,
 * and what the clock says of it. CR3 is a note; a handler stands in for INVLPG.
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
#include "cpus_host.h"

static struct cpu cpu, more[3];
static struct vcpu vcpu, idle, others[3];
static struct domain domain, other, nobody;
static unsigned int loads, pages;
static uint64_t loaded, page;

void write_cr3(uint64_t value)
{
    /* the clock is read before: what is let go in between counts as not flushed */
    assert_int_equal(tlb_flushed_at[this_cpu()->id], tlb_clock);
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
    cpu = (struct cpu){ .self = &cpu, .running = &vcpu, .loaded_cr3 = 0x5000 };
    vcpu = (struct vcpu){ .id = 3, .domain = &domain };
    cpus_begin(&cpu);
    be_cpu(&cpu);
    tlb_clock = 40;
    tlb_flushed_at[0] = 10;
    loads = pages = 0;
    return 0;
}

static void all_of_this_cpu(void **state)
{
    tlb_flush_local();
    assert_true(loads == 1 && loaded == 0x5000 && tlb_clock == 41 && tlb_flushed_at[0] == 41);
    load_cr3(MADDR(0x7000));
    assert_true(loads == 2 && loaded == 0x7000 && tlb_clock == 42 && tlb_flushed_at[0] == 42);
    assert_int_equal(cpu.loaded_cr3, 0x7000);
    tlb_flush_local();
    assert_true(loads == 3 && loaded == 0x7000 && tlb_flushed_at[1] == 0);
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
    for (unsigned int id = 0; id < 64; id += 63) {      /* all that a domain may have */
        vcpu.id = id;
        loads = 0;
        tlb_flush_domain(&domain);
        assert_int_equal(loads, 1);
    }
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
        tlb_flushed_at[0] = rows[i].flushed;
        assert_int_equal(tlb_stamp(), rows[i].stamp);
        tlb_flush_stale(rows[i].stamp);
        assert_int_equal(loads, rows[i].flush);
        tlb_flush_stale(rows[i].stamp);
        assert_int_equal(loads, rows[i].flush);
    }
}

/* --- several CPUs --- */

/* CPU 0 runs vCPU 3 of the domain, 1 its vCPU 5, 2 vCPU 3 of another, 3 nobody. */
static void machine_of(unsigned int count)
{
    set_up(NULL);
    nobody = (struct domain){ .id = DOMID_IDLE };
    idle = (struct vcpu){ .domain = &nobody };
    others[0] = (struct vcpu){ .id = 5, .domain = &domain };
    others[1] = (struct vcpu){ .id = 3, .domain = &other };
    others[2] = idle;
    cpu.idle = &idle;
    for (unsigned int i = 0; i < count - 1; i++) {
        more[i] = (struct cpu){ .running = &others[i], .idle = i == 2 ? &others[2] : &idle };
        cpus_add(&more[i]);
        tlb_flushed_at[i + 1] = 10;
    }
}

/* Who was asked, here by itself and elsewhere. */
static uint64_t flushed_cpus(void)
{
    uint64_t all = cpus_flushed | (loads ? 1ul << this_cpu()->id : 0);

    assert_true(loads <= 1);
    loads = cpus_flushed = 0;
    return all;
}

static void of_vcpus_everywhere(void **state)
{
    static const struct { struct domain *d; uint64_t mask, cpus; } rows[] = {
        { &domain, 1ul << 3, 1 }, { &domain, 1ul << 5, 2 }, { &domain, ~0ul, 3 }, { &domain, 0, 0 },
        { &domain, ~(1ul << 3 | 1ul << 5), 0 }, { &other, ~0ul, 4 }, { &other, 1ul << 5, 0 },
        { &other, 1ul << 3, 4 }, { &nobody, 0, 0 },
    };
    struct sigaction action = { .sa_sigaction = on_invlpg, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
    for (unsigned int count = 1; count <= 4; count++)
        for (unsigned int here = 0; here < count; here++)
            for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
                uint64_t cpus_of_it = rows[i].cpus & ((1u << count) - 1);

                machine_of(count);
                be_cpu(cpus[here]);
                tlb_flush_vcpus(rows[i].d, rows[i].mask);
                assert_int_equal(flushed_cpus(), cpus_of_it);
                for (unsigned int c = 0; c < count; c++)
                    assert_true((tlb_flushed_at[c] > 40) == (cpus_of_it >> c & 1));
                /* A page: here no more than that; the others forget all of it. */
                tlb_flush_page_vcpus(rows[i].d, rows[i].mask, 0x1000);
                assert_int_equal(flushed_cpus(), cpus_of_it & ~(1ul << here));
                assert_int_equal(pages, cpus_of_it >> here & 1);
            }
}

/* Each that runs a guest and has not flushed since: once. */
static void what_may_be_stale_anywhere(void **state)
{
    for (unsigned int here = 0; here < 4; here++)
        for (unsigned int fresh = 0; fresh < 16; fresh++) {
            uint64_t stale = ~fresh & 7;        /* who runs nobody has nothing */

            machine_of(4);
            be_cpu(cpus[here]);
            for (unsigned int c = 0; c < 4; c++)
                tlb_flushed_at[c] = fresh >> c & 1 ? 21 : 20;
            tlb_flush_stale(20);
            assert_int_equal(flushed_cpus(), stale);
            tlb_flush_stale(20);
            tlb_flush_stale(40);
            assert_int_equal(flushed_cpus(), ~stale & 7);       /* those that were not now */
            assert_int_equal(tlb_flushed_at[3], fresh >> 3 & 1 ? 21 : 20);
            more[2].running = &vcpu;
            be_cpu(&more[2]);
            load_cr3(MADDR(0x7000));            /* it has one: whose tables are new to it */
            assert_int_equal(flushed_cpus(), 8);
            tlb_flush_stale(40);
            assert_int_equal(flushed_cpus(), 0);
        }
}

/* What is let go while the others are asked may still be in their TLBs. */
static uint32_t stamp;
static void lets_go(void)
{
    stamp = tlb_stamp();
}
static void let_go_meanwhile(void **state)
{
    machine_of(3);
    when_asked = lets_go;
    tlb_flush_cpus(6);
    assert_int_equal(flushed_cpus(), 6);
    tlb_flush_stale(stamp);
    assert_int_equal(flushed_cpus(), 7);
    tlb_flush_cpus(1);
    assert_int_equal(flushed_cpus(), 1);
    tlb_flush_cpus(5);
    assert_int_equal(flushed_cpus(), 5);
    when_asked = NULL;
}

/* One that stays in its guest while another flushes all the time: what is let go now it may have,
 * however far the clock has gone since its last flush. */
static void who_never_flushes(void **state)
{
    machine_of(2);
    for (unsigned int second = 0; second < 20; second++) {
        uint32_t last, clock;

        tlb_flushed_at[0] = tlb_clock += 1u << 29;
        be_cpu(&more[0]);
        tlb_keep_up();                          /* it comes by once a second */
        be_cpu(&cpu);
        loads = 0;
        last = tlb_flushed_at[1];
        clock = tlb_clock;
        tlb_flush_stale(tlb_stamp());
        assert_int_equal(flushed_cpus() & 2, 2);
        tlb_flushed_at[1] = last;               /* as if it had not been asked */
        tlb_clock = clock;
    }
    machine_of(2);
    tlb_clock = 10 + (1u << 30);
    tlb_keep_up();
    assert_int_equal(flushed_cpus(), 0);
    tlb_clock++;
    tlb_keep_up();
    assert_int_equal(flushed_cpus(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_of_this_cpu, set_up),
        cmocka_unit_test_setup(of_some_vcpus, set_up),
        cmocka_unit_test_setup(what_may_be_stale, set_up),
        cmocka_unit_test_setup(of_vcpus_everywhere, set_up),
        cmocka_unit_test_setup(what_may_be_stale_anywhere, set_up),
        cmocka_unit_test_setup(let_go_meanwhile, set_up),
        cmocka_unit_test_setup(who_never_flushes, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
