/* SPDX-License-Identifier: MIT */
/*
 * The tables of hypercalls, multicalls, and continuations: how a hypercall that took long enough
 * gives way and goes on. entry.asm calls straight through its vCPU's table, and nothing stands
 * between a guest and a handler: in the table of most domains, what is the control domain's is
 * refused.
 */
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "lib/string.h"
#include "memory/access.h"

static long no_hypercall(unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4,
                         unsigned long a5, unsigned long a6)
{
    return expected(-ENOSYS, "there is no hypercall of this number");
}

static long of_the_control_domain(unsigned long a1, unsigned long a2, unsigned long a3,
                                  unsigned long a4, unsigned long a5, unsigned long a6)
{
    return refuse_others(-EPERM);
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

/*
 * Each handler under a second name, with the type of the tables. The calling convention has an
 * argument in each register, and a function may take the first few, and of each the lower half: so
 * it can be called with all that the guest gave, and no shim stands in between.
 */
#define HYPERCALL(number, name, handler, parameters, flags) \
    _Static_assert(number < DOMUS_HYPERCALL_SLOTS - 1, "the last slot is for unknown numbers"); \
    extern hypercall_fn entry_##name __asm__(#handler);
#include <abi/hypercall_list.h>
#undef HYPERCALL

/* Numbers without a handler, and the last slot, which stands for all larger numbers, answer -ENOSYS
 * without a branch. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
hypercall_fn *const hypercall_table[2][DOMUS_HYPERCALL_SLOTS] = {
    [false] = {
        [0 ... DOMUS_HYPERCALL_SLOTS - 1] = no_hypercall,
#define HYPERCALL(number, name, handler, parameters, flags) \
        [number] = (flags) & HC_PRIVILEGED ? of_the_control_domain : entry_##name,
#include <abi/hypercall_list.h>
#undef HYPERCALL
    },
    [true] = {
        [0 ... DOMUS_HYPERCALL_SLOTS - 1] = no_hypercall,
#define HYPERCALL(number, name, handler, parameters, flags) [number] = entry_##name,
#include <abi/hypercall_list.h>
#undef HYPERCALL
    },
};
static const uint8_t hypercall_flags[DOMUS_HYPERCALL_SLOTS] = {
    [0 ... DOMUS_HYPERCALL_SLOTS - 1] = HC_MULTICALL,
#define HYPERCALL(number, name, handler, parameters, flags) [number] = flags,
#include <abi/hypercall_list.h>
#undef HYPERCALL
};
#pragma GCC diagnostic pop

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
    unsigned long op = MIN(e->op, DOMUS_HYPERCALL_SLOTS - 1ul);
    const unsigned long *a = e->args;

    if (!(hypercall_flags[op] & HC_MULTICALL)) {
        not_in_a_list(v, e, op);
        return true;
    }
    v->counters.hypercalls[op]++;
    v->multicall = e;
    e->result = (unsigned long)v->entry.hypercalls[op](a[0], a[1], a[2], a[3], a[4], a[5]);
    v->multicall = NULL;
    if (!v->hypercall_restart) return true;
    v->hypercall_restart = 0;
    return false;
}

/*
 * A list of calls, done in order, each result put into its entry. A call that gives way is written
 * back as what remains of it, and the multicall as what remains of the list. IRET changes to user
 * mode, in which there are no hypercalls: it ends the list (XSA-213), and like it everything
 * that ends the guest.
 */
long do_multicall(uint64_t calls, unsigned int count)
{
    struct vcpu *v = current;
    struct multicall_entry e;

    for (; count; count--, calls += sizeof(e)) {
        if (read_guest(&e, calls) != 0) return fail(-EFAULT, "the list of calls cannot be read");
        if (e.op == __HYPERVISOR_iret) return do_iret();
        if (!multicall_one(v, &e)) {
            if (write_guest(calls, &e) != 0)
                return fail(-EFAULT, "the list of calls cannot be written");
            return hypercall_continue(multicall, calls, count);
        }
        if (write_guest_u64(calls + offsetof(struct multicall_entry, result), e.result) != 0)
            return fail(-EFAULT, "a result cannot be written");
        if (v->domain->life != DOMAIN_ALIVE) return 0;
        spend(COST_CALL);
        if (count > 1 && spent())
            return hypercall_continue(multicall, calls + sizeof(e), count - 1);
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
