/* SPDX-License-Identifier: MIT */
/*
 * The table of hypercalls, multicalls and continuations: every number comes to its handler with its
 * arguments, or is refused; a list is done in order, each result in its place, and what gives way
 * goes on where it was.
 */
#define HAS_HYPERCALLS
#include "ring0_host.h"

static struct domain domain;
static struct vcpu v;

/* --- handlers: what was called, and what it answers --- */

static struct { unsigned int number, calls; uint64_t a[6]; } seen;
static long results[64];
static unsigned int gives_way_at, ends_at;      /* the how-manieth call */
static bool in_list;

static long called(unsigned int number, unsigned long a1, unsigned long a2, unsigned long a3,
                   unsigned long a4, unsigned long a5, unsigned long a6)
{
    seen.number = number;
    seen.calls++;
    memcpy(seen.a, (uint64_t[]){ a1, a2, a3, a4, a5, a6 }, sizeof(seen.a));
    assert_int_equal(v.multicall != NULL, in_list && number != __HYPERVISOR_iret);
    if (seen.calls == gives_way_at) return hypercall_continue(mmu_update, 0xa1, 0xa2, 0xa3, 0xa4);
    domain.life = seen.calls == ends_at ? DOMAIN_SHUT_DOWN : DOMAIN_ALIVE;
    return results[number];
}

/* One for each, but for the file's own. */
#define HYPERCALL(number, name, handler, parameters, flags) \
    __attribute__((weak)) hypercall_fn called_##name __asm__(#handler); \
    long called_##name(unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4, \
                       unsigned long a5, unsigned long a6) \
    { \
        return called(number, a1, a2, a3, a4, a5, a6); \
    }
#include <abi/hypercall_list.h>
#undef HYPERCALL

#define M HC_MULTICALL
#define D HC_PRIVILEGED
#define KNOWN 0x80u
#define HYPERCALL(number, name, handler, parameters, flags) [number] = KNOWN | (flags),
static const unsigned int kinds[DOMUS_HYPERCALL_SLOTS] = {
#include <abi/hypercall_list.h>
};

static long call(unsigned int number, uint64_t a, uint64_t b)
{
    v.entry.hypercalls = hypercall_table[domain.privileged];
    return v.entry.hypercalls[number](a, b, 3, 4, 5, 6);
}

static int set_up(void **state)
{
    memset(&v, 0, sizeof(v));
    memset(&seen, 0, sizeof(seen));
    domain = (struct domain){ .id = 1 };
    v.domain = &domain;
    v.regs.rip = 0x1000;
    gives_way_at = ends_at = 0;
    in_list = false;
    for (unsigned int i = 0; i < 64; i++)
        results[i] = -100 - (long)i;
    ring0_begin(&v);
    return 0;
}

static void every_number(void **state)
{
    for (unsigned int privileged = 0; privileged < 2; privileged++)
        for (unsigned int n = 0; n < 64; n++) {
            set_up(NULL);
            domain.privileged = privileged;
            if (n == __HYPERVISOR_multicall)
                continue;
            bool goes = kinds[n] & KNOWN && (privileged || !(kinds[n] & D));

            assert_int_equal(call(n, 1, 2), goes ? results[n] : kinds[n] ? -EPERM : -ENOSYS);
            assert_int_equal(seen.calls, goes);
            for (unsigned int i = 0; i < 6 && goes; i++)
                assert_int_equal(seen.a[i], i + 1);
            assert_true(!goes || seen.number == n);
        }
}

/* --- lists --- */

static struct multicall_entry list[20], list_was[20];

static void good_list(void)
{
    for (unsigned int i = 0; i < 20; i++) {
        list[i] = (struct multicall_entry){ .result = 0x77, .op = __HYPERVISOR_sched_op };
        for (unsigned int j = 0; j < 6; j++)
            list[i].args[j] = 100 * i + j;
    }
    in_list = true;
}

static long list_of(uint64_t count)
{
    memcpy(list_was, list, sizeof(list));
    return call(__HYPERVISOR_multicall, (uint64_t)list, count);
}

/* So many have results now, and the rest is as it was. */
static void done(unsigned int n)
{
    for (unsigned int i = 0; i < n; i++)
        list_was[i].result = (uint64_t)results[__HYPERVISOR_sched_op];
    assert_memory_equal(list, list_was, sizeof(list));
    assert_null(v.multicall);
}

static void in_order(void **state)
{
    int budget = cpu.budget;

    good_list();
    assert_int_equal(list_of(0), 0);
    done(0);
    assert_int_equal(list_of(5), 0);
    done(5);
    assert_int_equal(seen.calls, 5);
    for (unsigned int i = 0; i < 6; i++)
        assert_int_equal(seen.a[i], 400 + i);
    assert_int_equal(v.counters.hypercalls[__HYPERVISOR_sched_op], 5);
    assert_int_equal(budget - cpu.budget, 5 * COST_CALL);
    good_list();
    assert_int_equal(list_of(1ul << 32 | 2), 0);        /* a count is 32 bits wide */
    done(2);
}

/* Three were done, of which the second had another result. */
static void after_one(long result)
{
    list_was[0].result = list_was[2].result = (uint64_t)results[__HYPERVISOR_sched_op];
    list_was[1].result = (uint64_t)result;
    assert_memory_equal(list, list_was, sizeof(list));
    assert_null(v.multicall);
}

/* What may not stand there, and what there is none of. */
static void refused_in_a_list(void **state)
{
    static const struct { uint64_t op; long result; unsigned int counted; } calls[] = {
        { __HYPERVISOR_multicall, -EINVAL, 13 }, { 11, -ENOSYS, 11 }, { 62, -ENOSYS, 62 },
        { 63, -ENOSYS, 63 }, { 64, -ENOSYS, 63 }, { 1ul << 32, -ENOSYS, 63 },
        { ~0ul, -ENOSYS, 63 }, { __HYPERVISOR_domctl, -EPERM, __HYPERVISOR_domctl },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
        set_up(NULL);
        good_list();
        list[1].op = calls[i].op;
        assert_int_equal(list_of(3), 0);
        after_one(calls[i].result);
        assert_int_equal(v.counters.hypercalls[calls[i].counted], 1);
        assert_int_equal(seen.calls, 2);
        assert_int_equal(list_of(2), 0);                /* the last, too, leaves the list */
        assert_null(v.multicall);
    }
}

static void flags_of_each(void **state)
{
    for (unsigned int n = 0; n < 64; n++) {
        if (!(kinds[n] & KNOWN) || n == __HYPERVISOR_iret)
            continue;
        set_up(NULL);
        domain.privileged = true;
        good_list();
        list[1].op = n;
        assert_int_equal(list_of(3), 0);
        after_one(kinds[n] & M ? results[n] : -EINVAL);
        assert_int_equal(seen.calls, kinds[n] & M ? 3 : 2);
        assert_int_equal(v.counters.hypercalls[n], n == __HYPERVISOR_sched_op ? 3 : 1);
    }
}

/* IRET ends the list, and so does the end of the guest. */
static void ended(void **state)
{
    good_list();
    list[2].op = __HYPERVISOR_iret;
    assert_int_equal(list_of(5), results[__HYPERVISOR_iret]);
    done(2);
    assert_int_equal(seen.calls, 3);
    set_up(NULL);
    good_list();
    ends_at = 2;
    assert_int_equal(list_of(5), 0);
    done(2);
}

static void goes_on(uint64_t calls, uint64_t count)
{
    assert_true(v.regs.rip == 0xffe && v.regs.rax == __HYPERVISOR_multicall);
    assert_true(v.regs.rdi == calls && v.regs.rsi == count);
    assert_int_equal(v.hypercall_restart, 1);
}

static void gives_way(void **state)
{
    /* One of its calls: what remains of it stands in the list. */
    good_list();
    gives_way_at = 3;
    assert_int_equal(list_of(5), __HYPERVISOR_multicall);
    goes_on((uint64_t)(list + 2), 3);
    assert_int_equal(v.counters.continuations, 2);
    list_was[2].op = __HYPERVISOR_mmu_update;
    for (unsigned int i = 0; i < 4; i++)
        list_was[2].args[i] = 0xa1 + i;
    list_was[2].result = 0;
    done(2);
    /* Between two: when the budget is spent, but not behind the last. */
    for (unsigned int n = 1; n < 4; n++) {
        set_up(NULL);
        good_list();
        cpu.budget = COST_CALL * 3;
        assert_int_equal(list_of(n), 0);
        done(n);
    }
    set_up(NULL);
    good_list();
    cpu.budget = COST_CALL * 3;
    assert_int_equal(list_of(5), __HYPERVISOR_multicall);
    goes_on((uint64_t)(list + 3), 2);
    done(3);
}

/* A list that ends where there is nothing to read; one that cannot be written. */
static void bad_lists(void **state)
{
    char *at = mmap((void *)(NOT_THERE - 4096), 4096, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    struct multicall_entry *last = (void *)(at + 4096 - sizeof(*last));

    assert_ptr_equal(at, NOT_THERE - 4096);
    good_list();
    *last = list[0];
    assert_int_equal(call(__HYPERVISOR_multicall, (uint64_t)last, 2), -EFAULT);
    assert_int_equal(last->result, results[__HYPERVISOR_sched_op]);
    assert_int_equal(seen.calls, 1);
    munmap(at, 4096);
    good_list();
    seen.calls = 0;
    read_only = &list[1].result;
    assert_int_equal(call(__HYPERVISOR_multicall, (uint64_t)list, 5), -EFAULT);
    assert_int_equal(seen.calls, 2);            /* made, but the caller does not learn of it */
    gives_way_at = 1;                           /* nor can what remains of one be written */
    seen.calls = 0;
    read_only = &list[0].op;
    assert_int_equal(call(__HYPERVISOR_multicall, (uint64_t)list, 5), -EFAULT);
    assert_true(seen.calls == 1 && v.hypercall_restart == 0 && v.regs.rip == 0x1000);
    read_only = NULL;
    assert_int_equal(answer_guest(NOT_THERE, list, 8), -EFAULT);
    list[1].op = 5;
    assert_int_equal(answer_guest((uint64_t)&list[1].op, (uint64_t[]){ 9 }, 8), 0);
    assert_int_equal(list[1].op, 9);
}

static void again(void **state)
{
    static const uint64_t arguments[] = { 1, 2, 3, 4, 5, 6 };

    for (unsigned int n = 0; n <= 6; n++) {
        struct cpu_user_regs want;
        uint64_t *slots[] = { &want.rdi, &want.rsi, &want.rdx, &want.r10, &want.r8, &want.r9 };

        set_up(NULL);
        memset(&v.regs, 0x55, sizeof(v.regs));
        want = v.regs;
        want.rip -= 2;
        want.rax = 33;
        for (unsigned int i = 0; i < n; i++)
            *slots[i] = i + 1;
        assert_int_equal(hypercall_continue_with(33, n, arguments), 33);
        assert_memory_equal(&v.regs, &want, sizeof(want));
    }
}

static void the_page(void **state)
{
    static uint8_t page[4096];

    hypercall_page_fill(page);
    for (unsigned int n = 0; n < 128; n++) {
        uint8_t want[32], *p = want;

        memset(want, 0xcc, sizeof(want));
        memcpy(p, "\x51\x41\x53", 3);                   /* push rcx; push r11 */
        p += 3;
        if (n == 23)
            *p++ = 0x50;                                /* IRET's: push rax */
        memcpy(p, (uint8_t[]){ 0xb8, (uint8_t)n, 0, 0, 0, 0x0f, 0x05 }, 7);
        if (n != 23)
            memcpy(p + 7, "\x41\x5b\x59\xc3", 4);       /* pop r11; pop rcx; ret */
        assert_memory_equal(page + 32 * n, want, n == 23 ? 11 : 32);    /* it does not return */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_number, set_up),
        cmocka_unit_test_setup(in_order, set_up),
        cmocka_unit_test_setup(refused_in_a_list, set_up),
        cmocka_unit_test_setup(flags_of_each, set_up),
        cmocka_unit_test_setup(ended, set_up),
        cmocka_unit_test_setup(gives_way, set_up),
        cmocka_unit_test_setup(bad_lists, set_up),
        cmocka_unit_test_setup(again, set_up),
        cmocka_unit_test_setup(the_page, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
