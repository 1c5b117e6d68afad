/* SPDX-License-Identifier: MIT */
/*
 * The hypercall table, multicalls, and continuations: how a hypercall that took long enough gives
 * way and goes on. entry.asm calls straight through the table; between a guest and a handler stands
 * nothing but the door of those hypercalls that are the control domain's.
 */
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "lib/string.h"
#include "memory/access.h"

#define HC_MULTICALL   1u
#define HC_PREEMPTIBLE 2u
#define HC_PRIVILEGED  4u
#define HC_EXTENSION   8u

static long no_hypercall(unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4,
                         unsigned long a5, unsigned long a6)
{
    return expected(-ENOSYS, "there is no hypercall of this number");
}

/* One place for all operations: that each has its check, tests/guests/privilege sees. */
int refuse_others(int error)
{
    return fail(error, "this is the control domain's business");
}

int answer_guest(uint64_t va, const void *object, size_t bytes)
{
    if (copy_to_guest(VADDR(va), object, bytes) == 0) return 0;
    return fail(-EFAULT, "the answer cannot be written");
}

/* The control domain's hypercalls have a door before the handler; those of the others are never
 * used. */
#define HYPERCALL(number, name, handler, arguments, flags) \
    static long door_##name(unsigned long a1, unsigned long a2, unsigned long a3, \
                            unsigned long a4, unsigned long a5, unsigned long a6) \
    { \
        REFUSE_OTHERS(-EPERM) \
        return handler(a1, a2, a3, a4, a5, a6); \
    }
#include <abi/hypercall_list.h>
#undef HYPERCALL

/* Numbers without a handler, and the last slot, which stands for all larger numbers, answer -ENOSYS
 * without a branch. */
#define HYPERCALL(number, name, handler, arguments, flags) \
    [number] = (flags) & HC_PRIVILEGED ? door_##name : handler,
extern hypercall_fn *const hypercall_table[HYPERCALL_SLOTS];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
hypercall_fn *const hypercall_table[HYPERCALL_SLOTS] = {
    [0 ... HYPERCALL_SLOTS - 1] = no_hypercall,
#include <abi/hypercall_list.h>
};
#undef HYPERCALL
#pragma GCC diagnostic pop

#define HYPERCALL(number, name, handler, arguments, flags) [number] = flags,
static const uint8_t hypercall_flags[HYPERCALL_SLOTS] = {
#include <abi/hypercall_list.h>
};
#undef HYPERCALL
#define HYPERCALL(number, name, handler, arguments, flags) \
    _Static_assert(number < HYPERCALL_SLOTS - 1, "slot 63 is for unknown numbers");
#include <abi/hypercall_list.h>
#undef HYPERCALL

/* SYSCALL is two bytes long: with RIP in front of it again, the guest itself repeats the call,
 * whenever it runs next. */
long hypercall_continue_with(unsigned int op, unsigned int count, const uint64_t *arguments)
{
    struct vcpu *v = current;
    struct cpu_user_regs *r = &v->regs;
    uint64_t *slots[6] = { &r->rdi, &r->rsi, &r->rdx, &r->r10, &r->r8, &r->r9 };

    v->counters.continuations++;
    v->hypercall_restart = 1;
    if (v->multicall) {
        v->multicall->op = op;
        for (unsigned int i = 0; i < count; i++)
            v->multicall->args[i] = arguments[i];
        return 0;
    }
    r->rip -= 2;
    r->rax = op;
    for (unsigned int i = 0; i < count; i++)
        *slots[i] = arguments[i];
    return (long)r->rax;
}

static cold __attribute__((noinline)) void not_in_a_list(struct vcpu *v, struct multicall_entry *e,
                                                         unsigned long op)
{
    v->counters.hypercalls[op]++;
    v->multicall = e;
    e->result = (unsigned long)fail(-EINVAL, "this hypercall may not stand in a multicall");
    v->multicall = NULL;
}

/* One call of a multicall. False: it wants to be continued, and `e` says how. */
static bool multicall_one(struct vcpu *v, struct multicall_entry *e)
{
    unsigned long op = MIN(e->op, HYPERCALL_SLOTS - 1ul);
    const unsigned long *a = e->args;

    if (hypercall_table[op] != no_hypercall && !(hypercall_flags[op] & HC_MULTICALL)) {
        not_in_a_list(v, e, op);
        return true;
    }
    v->counters.hypercalls[op]++;
    v->multicall = e;
    e->result = (unsigned long)hypercall_table[op](a[0], a[1], a[2], a[3], a[4], a[5]);
    v->multicall = NULL;
    if (!v->hypercall_restart) return true;
    v->hypercall_restart = 0;
    return false;
}

/*
 * A list of calls, done in order, each result put into its entry. A call that gives way is written
 * back as what remains of it, and the multicall as what remains of the list. IRET changes to user
 * mode, in which there are no hypercalls: it ends the list (advisory 213), and like it everything
 * that ends the guest.
 */
long do_multicall(unsigned long calls, unsigned long count, unsigned long a3, unsigned long a4,
                  unsigned long a5, unsigned long a6)
{
    struct vcpu *v = current;
    struct multicall_entry e;

    count = (uint32_t)count;
    for (; count; count--, calls += sizeof(e)) {
        if (read_guest(&e, calls) != 0) return fail(-EFAULT, "the list of calls cannot be read");
        if (e.op == __HYPERVISOR_iret) return do_iret(0, 0, 0, 0, 0, 0);
        if (!multicall_one(v, &e)) {
            if (write_guest(calls, &e) != 0)
                return fail(-EFAULT, "the list of calls cannot be written");
            return hypercall_continue(__HYPERVISOR_multicall, 2, calls, count);
        }
        if (write_guest_u64(calls + offsetof(struct multicall_entry, result), e.result) != 0)
            return fail(-EFAULT, "a result cannot be written");
        if (v->domain->life != DOMAIN_ALIVE) return 0;
        spend(COST_CALL);
        if (count > 1 && spent())
            return hypercall_continue(__HYPERVISOR_multicall, 2, calls + sizeof(e), count - 1);
    }
    return 0;
}

/* 128 stubs of 32 bytes: push rcx; push r11; mov eax, n; syscall; pop r11; pop rcx; ret. IRET's
 * pushes rax too and does not return. */
void hypercall_page_fill(void *page)
{
    uint8_t *p = page;

    memset(page, 0xcc, PAGE_SIZE);
    for (uint32_t n = 0; n < PAGE_SIZE / 32; n++, p += 32) {
        memcpy(p, "\x51\x41\x53\xb8\0\0\0\0\x0f\x05\x41\x5b\x59\xc3", 14);
        memcpy(p + 4, &n, 4);
    }
    p = (uint8_t *)page + __HYPERVISOR_iret * 32;
    memcpy(p, "\x51\x41\x53\x50\xb8\0\0\0\0\x0f\x05", 11);
    p[5] = __HYPERVISOR_iret;
}
