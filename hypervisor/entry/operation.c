/* SPDX-License-Identifier: MIT */
/*
 * The operations of a hypercall (entry/hypercall.h): found in their table, refused to whom they are
 * not for, given their argument, and answered.
 *
 * Of a hypercall that is all the control domain's (flag D: domctl, sysctl, platform_op ...) nobody
 * else comes here: others have of_the_control_domain (entry/hypercall.c) in place of its handler.
 */
#include "entry/hypercall.h"
#include "memory/access.h"

/* In each of its callers: most calls come through here. */
static inline const struct operation *find(const struct operation *table, unsigned int count,
                                           unsigned int number, int *error)
{
    const struct operation *o = &table[index_below(number, count)];

    if (number >= count || !o->perform)
        *error = fail(-ENOSYS, "the hypercall has no such operation");
    else if (o->others && !current->domain->privileged)
        *error = refuse_others(o->others);
    else
        return o;
    return NULL;
}

int operation_perform(const struct operation *table, unsigned int count, unsigned int number,
                      void *subject, void *argument, bool *answers)
{
    int error = 0;
    const struct operation *o = find(table, count, number, &error);

    if (!o) return error;
    *answers = o->answers;
    return (int)o->perform(subject, argument);
}

/* In the version of an argument that is half done, in the guest's memory: it stays with the call,
 * whichever vCPU makes it again. */
#define GAVE_WAY 0x80000000u

long operation_versioned(const struct operation *table, unsigned int count, uint32_t version,
                         uint64_t arg)
{
    struct { uint32_t number, version; uint64_t argument[16]; } op;
    bool answers = false;
    int error;

    spend(COST_CALL);                       /* its 136 bytes come and go */
    if (read_guest(&op, arg)) return fail(-EFAULT, "the operation cannot be read");
    current->goes_on = op.version == (version | GAVE_WAY);
    if (op.version != version && !current->goes_on)
        return fail(-EACCES, "another version of the interface");
    error = operation_perform(table, count, op.number, current->domain, op.argument, &answers);
    if (!answers || (error && error != -ERESTART && !current->goes_on)) return error;
    op.version = error == -ERESTART ? version | GAVE_WAY : version;
    return answer_guest(arg, &op, sizeof(op)) ? -EFAULT : error;
}

long operation_call(const struct operation *table, unsigned int count, unsigned int number,
                    void *subject, uint64_t arg, spinlock_t *lock)
{
    uint64_t argument[ROUND_UP(UINT8_MAX, sizeof(uint64_t)) / sizeof(uint64_t)];
    int result = 0;
    const struct operation *o = find(table, count, number, &result);

    if (!o) return result;
    if (o->wide) return o->perform(subject, (void *)arg);
    if (!o->bytes) return (int)o->perform(subject, (void *)arg);
    if (copy_from_guest(argument, VADDR(arg), o->bytes)) return UNREADABLE;
    if (lock)
        spin_lock(lock);
    result = (int)o->perform(subject, argument);
    if (lock)
        spin_unlock(lock);
    return result < 0 || !o->answers ? result : answer_guest(arg, argument, o->bytes);
}
