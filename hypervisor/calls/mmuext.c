/* SPDX-License-Identifier: MIT */
/*
 * mmuext_op: pins, base pointers, flushes, the LDT, clearing and copying of frames. Each operation
 * is a function of the table at the end; the loop copies one request at a time, performs it, and
 * gives way between two when something waits.
 */
#include "memory/access.h"
#include "domain/tables.h"
#include "domain/flush.h"
#include "calls/foreign.h"
#include "memory/window.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "lib/string.h"

/* ---- tables ---- */

static int pin(struct walk *w, const struct mmuext_op *op)
{
    return mmu_pin(w->frames, MFN(op->arg1.mfn), FRAME_L1 + (op->cmd - OP(MMUEXT_PIN_L1_TABLE)));
}

static int unpin(struct walk *w, const struct mmuext_op *op)
{
    return mmu_unpin(w->frames, MFN(op->arg1.mfn));
}

static int new_base(struct walk *w, const struct mmuext_op *op)
{
    mfn_t new = MFN(op->arg1.mfn), old = base_table(current->tables.kernel_cr3);

    return mfn_eq(new, old) ? 0 : vcpu_change_tables(current, new);
}

/* Frame 0: no user tables. The kernel's own table is allowed. */
static int new_user_base(struct walk *w, const struct mmuext_op *op)
{
    struct vcpu *v = current;
    mfn_t new = MFN(op->arg1.mfn);
    uint64_t old = v->tables.user_cr3;
    int error = new.n ? mmu_get_table(v->tables.owner, new, FRAME_L4) : 0;

    if (error) return error;
    /* it is not loaded: we came from guest kernel mode */
    v->tables.user_cr3 = mfn_to_maddr(new).a;
    if (old)
        mmu_put_table(base_table(old));
    return 0;
}

/* ---- flushes ---- */

static int flush(struct walk *w, const struct mmuext_op *op)
{
    struct vcpu *v = current;
    bool page = op->cmd == OP(MMUEXT_INVLPG_LOCAL) || op->cmd == OP(MMUEXT_INVLPG_MULTI) ||
                op->cmd == OP(MMUEXT_INVLPG_ALL);
    uint64_t mask = ~0UL;

    if (op->cmd == OP(MMUEXT_TLB_FLUSH_LOCAL) || op->cmd == OP(MMUEXT_INVLPG_LOCAL))
        mask = 1UL << v->id;
    if (op->cmd == OP(MMUEXT_TLB_FLUSH_MULTI) || op->cmd == OP(MMUEXT_INVLPG_MULTI))
        if (read_guest_u64(&mask, (uint64_t)op->arg2.vcpumask.p))
            return fail(-EINVAL, "the bitmap of vCPUs to flush");
    if (page)
        tlb_flush_page_vcpus(v->domain, mask, op->arg1.linear_addr);
    else
        tlb_flush_vcpus(v->domain, mask);
    return 0;
}

/* Caches matter to those who have devices; for others it would only slow their neighbours. */
static int flush_cache(struct walk *w, const struct mmuext_op *op)
{
    __asm__ volatile("wbinvd" : : : "memory");
    return 0;
}

/* ---- the rest ---- */

static int set_ldt(struct walk *w, const struct mmuext_op *op)
{
    struct vcpu_window *window = &current->window;
    int error = window_set_ldt(window, op->arg1.linear_addr, op->arg2.nr_ents);

    if (error) return error;
    window_load_ldt(window);
    return 0;
}

static int clear_page(struct walk *w, const struct mmuext_op *op)
{
    mfn_t m = MFN(op->arg1.mfn);
    int error = frame_get_writable(m, w->frames);

    if (error) return error;
    memset(map_frame(m), 0, PAGE_SIZE);
    spend(COST_CLEAR);
    frame_put_writable(m);
    return 0;
}

static int copy_page(struct walk *w, const struct mmuext_op *op)
{
    mfn_t to = MFN(op->arg1.mfn), from = MFN(op->arg2.src_mfn);
    int error = frame_get(from, w->frames);

    if (error) return error;
    error = frame_get_writable(to, w->frames);
    if (!error) {
        memmove(map_frame(to), map_frame(from), PAGE_SIZE);
        spend(COST_CLEAR);
        frame_put_writable(to);
    }
    frame_put(from);
    return error;
}

static int superpage(struct walk *w, const struct mmuext_op *op)
{
    return fail(-EOPNOTSUPP, "there are no superpages");
}

/* By number; who may, and whether the control domain may name another domain, is in
 * privilege.tbl. */
#define OPERATION(name, function) [OP_##name] = { function, GUARD_##name, FOREIGN_##name }
static const struct extended {
    int (*perform)(struct walk *w, const struct mmuext_op *op);
    int8_t others;
    bool foreign;
} operations[] = {
    OPERATION(MMUEXT_PIN_L1_TABLE, pin),
    OPERATION(MMUEXT_PIN_L2_TABLE, pin),
    OPERATION(MMUEXT_PIN_L3_TABLE, pin),
    OPERATION(MMUEXT_PIN_L4_TABLE, pin),
    OPERATION(MMUEXT_UNPIN_TABLE, unpin),
    OPERATION(MMUEXT_NEW_BASEPTR, new_base),
    OPERATION(MMUEXT_TLB_FLUSH_LOCAL, flush),
    OPERATION(MMUEXT_INVLPG_LOCAL, flush),
    OPERATION(MMUEXT_TLB_FLUSH_MULTI, flush),
    OPERATION(MMUEXT_INVLPG_MULTI, flush),
    OPERATION(MMUEXT_TLB_FLUSH_ALL, flush),
    OPERATION(MMUEXT_INVLPG_ALL, flush),
    OPERATION(MMUEXT_FLUSH_CACHE, flush_cache),
    OPERATION(MMUEXT_SET_LDT, set_ldt),
    OPERATION(MMUEXT_NEW_USER_BASEPTR, new_user_base),
    OPERATION(MMUEXT_CLEAR_PAGE, clear_page),
    OPERATION(MMUEXT_COPY_PAGE, copy_page),
    OPERATION(MMUEXT_FLUSH_CACHE_GLOBAL, flush_cache),
    OPERATION(MMUEXT_MARK_SUPER, superpage),
    OPERATION(MMUEXT_UNMARK_SUPER, superpage),
};

static int perform(struct walk *w, const struct mmuext_op *op)
{
    const struct extended *o = &operations[index_below(op->cmd, ARRAY_SIZE(operations))];

    if (op->cmd >= ARRAY_SIZE(operations) || !o->perform)
        return fail_value(-ENOSYS, "no such mmuext operation", op->cmd);
    if (w->frames != &current->domain->memory &&
        (!o->foreign || w->frames == &special_io || w->frames == &special_xen))
        return fail(-EPERM, "this operation is for one's own domain only");
    if (o->others && !current->domain->privileged) return refuse_others(o->others);
    return o->perform(w, op);
}

static int run_operations(struct walk *w, uint64_t ops, unsigned int count, unsigned int *done)
{
    for (;;) {
        struct mmuext_op op;
        int error = foreign_undo(w);

        if (error || *done == count) return error;
        if (*done && spent()) return -ERESTART;
        if (read_guest(&op, ops + *done * sizeof(op)))
            return fail(-EFAULT, "the list of operations");
        spend(COST_TYPE);
        error = perform(w, &op);
        if (error) return error;
        ++*done;
    }
}

long do_mmuext_op(uint64_t ops, unsigned int count, uint64_t done_va, unsigned int domid)
{
    unsigned int done = 0;
    int error = foreign_list(run_operations, ops, count, done_va, (uint16_t)domid, &done);

    if (error != -ERESTART) return error;
    return hypercall_continue(mmuext_op, ops + done * sizeof(struct mmuext_op),
                              (count - done) | PREEMPTED, done_va, domid);
}
