/* SPDX-License-Identifier: MIT */
/*
 * Every row of the table of privileges, as the guest `privilege` calls it, and 64 times in a list
 * with the arguments that it has then. So an operation that is new is measured as soon as it has a
 * row, for without a TRY of that guest's neither links; what takes longest of one is asked for by
 * name in the other files here.
 */
#include "crash.h"
#include <abi/domus.h>

#define TIMES 64
#define OPERATION(hypercall, operation, who, refused, result) long try_##operation(domid_t target);
#include <abi/operation_list.h>
#undef OPERATION

#define FOR_any     0
#define FOR_own     0
#define FOR_others  1
#define FOR_control 1

static const struct row {
    const char *name;
    unsigned int hypercall;
    bool of_others;                     /* it is asked of another domain, too */
    long (*call)(domid_t target);
} rows[] = {
#define OPERATION(hypercall, operation, who, refused, result) \
    { #operation, __HYPERVISOR_##hypercall, FOR_##who, try_##operation },
#include <abi/operation_list.h>
#undef OPERATION
};

/* The guest `privilege` has these in its main.c and victim.c. */
extern domid_t self, victim;
extern void *hole;
domid_t self;
void *hole;
void make_victim(void);
long again(unsigned int number, unsigned long a1, unsigned long a2, unsigned long a3,
           unsigned long a4, unsigned long a5);

static const struct row *row;           /* whose calls are repeated; NULL: none are */

/* The audit stops the machine on purpose; nobody would wake who blocks (to poll is in main.c).
 * Behind a reset come others, that bring all ports back. */
static bool left_out(unsigned int number, unsigned long operation)
{
    if (number == __HYPERVISOR_domus_op) return operation == DOMUS_audit;
    if (number == __HYPERVISOR_sched_op)
        return operation == SCHEDOP_block || operation == SCHEDOP_poll;
    return number == __HYPERVISOR_event_channel_op && operation != EVTCHNOP_reset &&
           strcmp(row->name, "EVTCHNOP_reset") == 0;
}

long again(unsigned int number, unsigned long a1, unsigned long a2, unsigned long a3,
           unsigned long a4, unsigned long a5)
{
    static struct multicall_entry calls[TIMES];
    long result = hypercall_by_syscall(number, a1, a2, a3, a4, a5);

    if (!row || row->hypercall != number || left_out(number, a1)) return result;
    for (unsigned int i = 0; i < TIMES; i++)
        calls[i] = (struct multicall_entry){ .op = number, .args = { a1, a2, a3, a4, a5 } };
    CHECK_IS(HYPERVISOR_multicall(calls, TIMES), 0);
    return result;
}

void every_row(void)
{
    self = own_domid();
    NEED(hole = vspace_alloc(1));
    make_victim();
    for (row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
        (void)row->call(DOMID_SELF);
        if (row->of_others)
            (void)row->call(victim);
    }
    row = NULL;
}
