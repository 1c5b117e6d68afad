/* SPDX-License-Identifier: MIT */
/*
 * The page-table queue of mm.h. Updates and operations keep their order: runs of updates become one
 * mmu_update, runs of operations one mmuext_op, and several runs one multicall. A hypercall costs
 * some hundred instructions however many updates it carries: that is all there is to batching.
 *
 * Each vCPU has a queue of its own: its updates keep their order, and its errors are its own. What
 * is flushed from the TLB is flushed from those of all vCPUs.
 *
 * A preempted call inside a multicall leaves its own progress in the multicall's arguments;
 * therefore the entries are filled anew for each flush.
 */
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/debug.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include "smp.h"

#define MAX_UPDATES 128
#define MAX_OPS     64
#define MAX_RUNS    32

struct pt_statistics pt_statistics;

struct pt_queue {
    struct mmu_update updates[MAX_UPDATES];
    struct mmuext_op ops[MAX_OPS];
    struct multicall_entry calls[MAX_RUNS];
    struct run { bool is_mmuext; unsigned int first, count; } runs[MAX_RUNS];
    unsigned int nr_updates, nr_ops, nr_runs;
    domid_t owner;
    int error;          /* of a flush that nobody asked for; told by the next pt_flush */
};

static struct pt_queue first_queue = { .owner = DOMID_SELF };       /* vCPU 0's */

static struct pt_queue *own_queue(void)
{
    struct pt_queue *queue = this_cpu()->queue;

    return queue ? queue : &first_queue;
}

struct pt_queue *pt_queue_create(void)
{
    struct pt_queue *queue = calloc(1, sizeof(*queue));

    if (queue)
        queue->owner = DOMID_SELF;
    return queue;
}

/* ---- flushing ---- */

static void fill_call(struct pt_queue *queue, struct multicall_entry *call, const struct run *run)
{
    call->op = run->is_mmuext ? __HYPERVISOR_mmuext_op : __HYPERVISOR_mmu_update;
    call->args[0] = run->is_mmuext ? (unsigned long)&queue->ops[run->first]
                                   : (unsigned long)&queue->updates[run->first];
    call->args[1] = run->count;
    /* we do not ask how many were done */
    call->args[2] = 0;
    call->args[3] = run->is_mmuext ? DOMID_SELF : queue->owner;
}

/* In a debug build: which of them it was. */
static void tell_which(const struct pt_queue *queue, const struct run *run, unsigned int done)
{
    const struct mmuext_op *op = &queue->ops[run->first + done];
    const struct mmu_update *update = &queue->updates[run->first + done];

    if (done >= run->count) return;
    printk("pvguest:   %s %u of %u: ", run->is_mmuext ? "operation" : "update", done + 1,
           run->count);
    if (run->is_mmuext)
        printk("command %u, argument %lx\n", op->cmd, op->arg1.mfn);
    else
        printk("the entry at machine address %lx, value %lx\n", update->ptr, update->val);
}

static long issue_one(struct pt_queue *queue, const struct run *run)
{
    unsigned int done = 0, *count = PVGUEST_DEBUGGED ? &done : NULL;
    long error = run->is_mmuext
        ? HYPERVISOR_mmuext_op(&queue->ops[run->first], run->count, count, DOMID_SELF)
        : HYPERVISOR_mmu_update(&queue->updates[run->first], run->count, count, queue->owner);

    if (PVGUEST_DEBUGGED && error)
        tell_which(queue, run, done);
    return error;
}

/* Call by call, so that each refusal is told by itself. */
static long issue_one_by_one(struct pt_queue *queue)
{
    long first = 0;

    for (unsigned int i = 0; i < queue->nr_runs; i++) {
        long error = issue_one(queue, &queue->runs[i]);

        if (error && !first)
            first = error;
    }
    return first;
}

static long issue_many(struct pt_queue *queue)
{
    long error;

    if (PVGUEST_DEBUGGED) return issue_one_by_one(queue);
    for (unsigned int i = 0; i < queue->nr_runs; i++)
        fill_call(queue, &queue->calls[i], &queue->runs[i]);
    error = HYPERVISOR_multicall(queue->calls, queue->nr_runs);
    for (unsigned int i = 0; i < queue->nr_runs && !error; i++)
        error = (long)queue->calls[i].result;
    return error;
}

static void flush_queue(struct pt_queue *queue)
{
    long error;

    if (!queue->nr_runs) return;
    error = queue->nr_runs == 1 ? issue_one(queue, &queue->runs[0]) : issue_many(queue);
    if (error && !queue->error)
        queue->error = (int)error;
    pt_statistics.flushes++;
    pt_statistics.hypercalls += queue->nr_runs == 1 ? 1 : queue->nr_runs + 1;
    pt_statistics.updates += queue->nr_updates;
    pt_statistics.operations += queue->nr_ops;
    queue->nr_updates = queue->nr_ops = queue->nr_runs = 0;
}

int pt_flush(void)
{
    struct pt_queue *queue = own_queue();
    int error;

    flush_queue(queue);
    error = queue->error;
    queue->error = 0;
    return error;
}

/* ---- queueing ---- */

/* Room for one more update or operation, counted in the last run or in a new one. */
static void extend_run(struct pt_queue *queue, bool is_mmuext)
{
    struct run *run;

    if (queue->nr_updates == MAX_UPDATES || queue->nr_ops == MAX_OPS)
        flush_queue(queue);
    if (queue->nr_runs && queue->runs[queue->nr_runs - 1].is_mmuext == is_mmuext) {
        queue->runs[queue->nr_runs - 1].count++;
        return;
    }
    if (queue->nr_runs == MAX_RUNS)
        flush_queue(queue);
    run = &queue->runs[queue->nr_runs++];
    run->is_mmuext = is_mmuext;
    run->first = is_mmuext ? queue->nr_ops : queue->nr_updates;
    run->count = 1;
}

static void add_update(uint64_t ptr, uint64_t value)
{
    struct pt_queue *queue = own_queue();

    extend_run(queue, false);
    queue->updates[queue->nr_updates].ptr = ptr;
    queue->updates[queue->nr_updates++].val = value;
}

void pt_mmuext(const struct mmuext_op *op)
{
    struct pt_queue *queue = own_queue();

    extend_run(queue, true);
    queue->ops[queue->nr_ops++] = *op;
}

static void add_op(unsigned int cmd, unsigned long argument)
{
    struct mmuext_op op = { .cmd = cmd };

    op.arg1.mfn = argument;     /* a union with the linear address of INVLPG */
    pt_mmuext(&op);
}

void pt_owner(domid_t owner)
{
    struct pt_queue *queue = own_queue();

    if (owner != queue->owner)
        flush_queue(queue);
    queue->owner = owner;
}

void pt_set(uint64_t entry, uint64_t value)
{
    add_update(entry | MMU_NORMAL_PT_UPDATE, value);
}
void pt_set_preserving_ad(uint64_t entry, uint64_t value)
{
    add_update(entry | MMU_PT_UPDATE_PRESERVE_AD, value);
}
void pt_set_m2p(unsigned long mfn, unsigned long pfn)
{
    add_update((uint64_t)mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, pfn);
}

void pt_set_va(unsigned long va, uint64_t value)
{
    const uint64_t *entry = pt_walk(va, 1);

    if (entry)
        pt_set(virt_to_machine(entry), value);
    else if (!own_queue()->error)
        own_queue()->error = refused(-EFAULT);
}

void pt_pin(unsigned int level, unsigned long mfn)
{
    add_op(MMUEXT_PIN_L1_TABLE + level - 1, mfn);
}
void pt_unpin(unsigned long mfn)
{
    add_op(MMUEXT_UNPIN_TABLE, mfn);
}
void pt_new_base(unsigned long mfn)
{
    add_op(MMUEXT_NEW_BASEPTR, mfn);
}
void pt_new_user_base(unsigned long mfn)
{
    add_op(MMUEXT_NEW_USER_BASEPTR, mfn);
}
void pt_invlpg(unsigned long va)
{
    add_op(several_cpus ? MMUEXT_INVLPG_ALL : MMUEXT_INVLPG_LOCAL, va);
}
void pt_flush_tlb(void)
{
    add_op(several_cpus ? MMUEXT_TLB_FLUSH_ALL : MMUEXT_TLB_FLUSH_LOCAL, 0);
}
