/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: their handlers, and how a long one gives way and goes on (when: machine/budget.h).
 *
 * Handlers are declared and put into tables as pvguest-sdk/include/abi/hypercall.tbl has them (the
 * pointers of guests as uint64_t), the checks of privileges are made from privilege.tbl beside it.
 */
#ifndef DOMUS_ENTRY_HYPERCALL_H
#define DOMUS_ENTRY_HYPERCALL_H

#include "domain/domain.h"
#include "machine/budget.h"
#include "lib/fail.h"
#include <abi/operation_names.h>

#define HC_MULTICALL   1u
#define HC_PREEMPTIBLE 2u
#define HC_PRIVILEGED  4u
#define HC_EXTENSION   8u

#define HYPERCALL(number, name, handler, parameters, flags) \
    long handler parameters; \
    enum { HC_FLAGS_##name = flags };
#include <abi/hypercall_list.h>
#undef HYPERCALL

/*
 * Give way now and go on later: arrange that the guest, when it runs next, makes this hypercall
 * again with these arguments. `return hypercall_continue(mmuext_op, ops, count | marker, done,
 * domid);` the returned value is not seen by the guest. In a multicall the entry is rewritten.
 */
#define hypercall_continue(name, ...) ({ \
    const uint64_t arguments_[] = { __VA_ARGS__ }; \
    _Static_assert(HC_FLAGS_##name & HC_PREEMPTIBLE, "flag P in hypercall.tbl"); \
    hypercall_continue_with(__HYPERVISOR_##name, ARRAY_SIZE(arguments_), arguments_); })
long hypercall_continue_with(unsigned int op, unsigned int count, const uint64_t *arguments);

/*
 * The operations of a hypercall, by their public names; a name without a row in privilege.tbl does
 * not compile. They are the rows of a table, by number, which refuses whoever may not by
 * privilege.tbl, before anything is read. (OP(x) stands for x elsewhere: where all may, or where
 * the whole hypercall has flag D and entry/hypercall.c refuses it to others. May the caller name
 * another domain? That is asked where the domain is looked up.)
 *
 * `ROW(EVTCHNOP_send, domain, evtchn_send, send)`: `int send(struct domain *d, struct evtchn_send
 * *op)` gets a copy of the argument. If it takes it const it answers nothing; what others leave in
 * it is copied back, unless they fail. `ROW_AT(name, domain, f)`: f takes the argument as it is, a
 * uint64_t, copies for itself if it is an address, and its result may be a long. Other types do not
 * build. (All pointers are passed alike, so they can be called by one type.)
 */
#define OP(operation) OP_##operation
int refuse_others(int error) cold;

struct operation {
    long (*perform)(void *subject, void *argument);
    uint8_t bytes;                  /* of the argument */
    bool answers, wide;             /* wide: its result is a long */
    int8_t others;                  /* errno for who is not the control domain; 0: no check */
};
#define ROW(name, subject, type, function) \
    [OP_##name] = { \
        OPERATION_FN(_Generic((function), int (*)(struct subject *, struct type *): (function), \
                              int (*)(struct subject *, const struct type *): (function))), \
        sizeof(struct type), \
        _Generic((function), int (*)(struct subject *, struct type *): true, default: false), \
        .others = GUARD_##name }
#define ROW_AT(name, subject, function) \
    [OP_##name] = { \
        OPERATION_FN(_Generic((function), int (*)(struct subject *, uint64_t): (function), \
                              long (*)(struct subject *, uint64_t): (function))), \
        .wide = _Generic((function), long (*)(struct subject *, uint64_t): true, default: false), \
        .others = GUARD_##name }
#define OPERATION_FN(function) (long (*)(void *, void *))(void (*)(void))(function)

/* Operation `number` of a table of so many, on its subject, with the argument at a guest's address;
 * the lock, if there is one, is held while it is performed. -ENOSYS: no such number. */
long operation_call(const struct operation *table, unsigned int count, unsigned int number,
                   void *subject, uint64_t arg, spinlock_t *lock) must_check;
/* The same with an argument that was copied before, and answers that are the caller's business. */
int operation_perform(const struct operation *table, unsigned int count, unsigned int number,
                      void *subject, void *argument, bool *answers) must_check;
/* The same, the caller's, with an argument that says its number and its version first: 136 bytes,
 * as sysctl and platform_op have it. -EACCES: another version. One that answers may give way
 * (-ERESTART): what it leaves in its argument it finds there again, and current->goes_on. */
long operation_versioned(const struct operation *table, unsigned int count, uint32_t version,
                         uint64_t arg) must_check;

#define UNREADABLE fail(-EFAULT, "the argument cannot be read")
/* The last step of a call: its answer goes to where the argument was, mostly. 0 or -EFAULT. */
#define ANSWER(va, object) answer_guest((va), (object), sizeof(*(object)))
int answer_guest(uint64_t va, const void *object, size_t bytes) must_check;

/* Write the hypercall page's 128 stubs into a frame (the dom0 builder,
 * XEN_DOMCTL_hypercall_init). */
void hypercall_page_fill(void *page);

#endif
