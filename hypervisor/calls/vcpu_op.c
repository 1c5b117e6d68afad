/* SPDX-License-Identifier: MIT */
/*
 * vcpu_op (<xen/vcpu.h>): a guest brings its own vCPUs up and down, says where their shared
 * structures lie, and sets their timers.
 */
#include "domain/events.h"
#include "domain/domain.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "lib/string.h"
#include "machine/io.h"
#include "memory/access.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include <xen/nmi.h>
#include <xen/sched.h>

/* RING0_LOCK: two others may want to initialise it at once, or to move its info. */
static int initialise(struct vcpu *v, uint64_t arg)
{
    /* five kilobytes: too much for the stack */
    struct vcpu_guest_context *context = hv_alloc(sizeof(*context));
    int error;
    if (!context) return fail(-ENOMEM, "no memory to read the context into");
    if (v->initialised)
        error = fail(-EEXIST, "the vCPU is initialised already");
    else if (read_guest(context, arg))
        error = fail(-EFAULT, "the context cannot be read");
    else
        error = vcpu_set_context(v, context);
    hv_free(context, sizeof(*context));
    return error;
}

static int up(struct vcpu *v, uint64_t unused)
{
    if (!v->initialised) return fail(-EINVAL, "the vCPU has no context yet");
    vcpu_up(v);
    return 0;
}

/* The last vCPU that goes down takes the domain with it: nobody could bring one up again. */
static int down(struct vcpu *v, uint64_t unused)
{
    struct domain *d = v->domain;
    struct vcpu *other;

    for_each_vcpu (other, d) {
        if (other != v && other->sched.state != VCPU_DOWN) {
            vcpu_down(v);
            return 0;
        }
    }
    domain_shutdown(d, SHUTDOWN_poweroff);
    return 0;
}

static int is_up(struct vcpu *v, uint64_t unused)
{
    return v->sched.state != VCPU_DOWN;
}

static int get_runstate(struct vcpu *v, uint64_t arg)
{
    struct vcpu_runstate_info now;

    vcpu_runstate_get(v, &now);
    return ANSWER(arg, &now);
}

/* vCPUs are not pinned to CPUs for good */
static int get_physid(struct vcpu *v, uint64_t arg)
{
    return fail(-EINVAL, "the vCPU has no CPU of its own");
}

/*
 * The vCPU's info moves from shared_info to a page of the guest's choice, for good: it is written
 * at any time, so the page is held, writable, until the domain ends. Everything is marked pending,
 * so an event that came meanwhile is not lost.
 */
static int register_vcpu_info(struct vcpu *v, const struct vcpu_register_vcpu_info *op)
{
    /* XSA-327 */
    if (op->offset > PAGE_SIZE - sizeof(struct vcpu_info) || op->offset % sizeof(uint64_t))
        return fail(-ENXIO, "the structure would cross its page, or is not aligned");
    if (v != current && v->sched.state != VCPU_DOWN)
        return fail(-EINVAL, "another vCPU's info moves only while it is down");
    if (!mfn_eq(v->events.info_frame, INVALID_MFN))
        return fail(-EINVAL, "the info was moved already");
    if (frame_get_writable(MFN(op->mfn), &v->domain->memory))
        return fail_frame(-EINVAL, "not a frame of this domain that can be written", MFN(op->mfn),
                          0);
    struct vcpu_info *info = (void *)((char *)map_frame(MFN(op->mfn)) + op->offset);
    memcpy(info, v->info, sizeof(*info));
    v->events.info_frame = MFN(op->mfn);
    v->info = info;
    events_rescan(v);
    return 0;
}

static int register_runstate_area(struct vcpu *v,
                                  const struct vcpu_register_runstate_memory_area *op)
{
    uint64_t area = op->addr.p;
    struct vcpu_runstate_info now;

    if (!guest_range_ok(area, sizeof(now))) return fail(-EFAULT, "not a guest address");
    v->sched.runstate_area = area;
    vcpu_runstate_get(v, &now);
    return area && write_guest(area, &now) ? fail(-EFAULT, "the area cannot be written") : 0;
}

static int register_time_area(struct vcpu *v, const struct vcpu_register_time_memory_area *op)
{
    if (!guest_range_ok(op->addr.p, sizeof(struct vcpu_time_info)))
        return fail(-EFAULT, "not a guest address");
    v->time.area = op->addr.p;
    if (v == current)
        update_vcpu_time(v);
    else
        v->time.version = time_version - 1; /* written when it runs next */
    return 0;
}

static int set_periodic(struct vcpu *v, const struct vcpu_set_periodic_timer *op)
{
    if (op->period_ns < 1000000 || op->period_ns > INT64_MAX / 2)
        return fail(-EINVAL, "a period shorter than a millisecond, or absurd");
    vcpu_set_periodic(v, op->period_ns);
    return 0;
}

static int stop_periodic(struct vcpu *v, uint64_t unused)
{
    vcpu_set_periodic(v, 0);
    return 0;
}

static int set_singleshot(struct vcpu *v, const struct vcpu_set_singleshot_timer *op)
{
    if (v != current) return fail(-EINVAL, "a vCPU sets its own timer only");
    if ((op->flags & VCPU_SSHOTTMR_future) && op->timeout_abs_ns < now_ns())
        return expected(-ETIME, "the time is past");        /* the guest asked to be told */
    vcpu_set_singleshot(v, op->timeout_abs_ns);
    return 0;
}

static int stop_singleshot(struct vcpu *v, uint64_t unused)
{
    if (v != current) return fail(-EINVAL, "a vCPU stops its own timer only");
    vcpu_stop_singleshot(v);
    return 0;
}

static int send_nmi(struct vcpu *v, uint64_t arg)
{
    if (arg) return fail(-EINVAL, "the argument must be NULL");
    vcpu_send_nmi(v);
    return 0;
}

static const struct operation operations[] = {
    ROW_AT(VCPUOP_initialise, vcpu, initialise),
    ROW_AT(VCPUOP_up, vcpu, up),
    ROW_AT(VCPUOP_down, vcpu, down),
    ROW_AT(VCPUOP_is_up, vcpu, is_up),
    ROW_AT(VCPUOP_get_runstate_info, vcpu, get_runstate),
    ROW(VCPUOP_register_runstate_memory_area, vcpu, vcpu_register_runstate_memory_area,
        register_runstate_area),
    ROW(VCPUOP_register_vcpu_time_memory_area, vcpu, vcpu_register_time_memory_area,
        register_time_area),
    ROW(VCPUOP_register_vcpu_info, vcpu, vcpu_register_vcpu_info, register_vcpu_info),
    ROW(VCPUOP_set_periodic_timer, vcpu, vcpu_set_periodic_timer, set_periodic),
    ROW_AT(VCPUOP_stop_periodic_timer, vcpu, stop_periodic),
    ROW(VCPUOP_set_singleshot_timer, vcpu, vcpu_set_singleshot_timer, set_singleshot),
    ROW_AT(VCPUOP_stop_singleshot_timer, vcpu, stop_singleshot),
    ROW_AT(VCPUOP_send_nmi, vcpu, send_nmi),
    ROW_AT(VCPUOP_get_physid, vcpu, get_physid),
};

long do_vcpu_op(unsigned int cmd, unsigned int id, uint64_t arg)
{
    struct vcpu *v = vcpu_by_id(current->domain, id);
    long result;

    /* Linux asks for is_up of 8192 */
    if (!v) return expected(-ENOENT, "there is no such vCPU");
    result = operation_call(operations, ARRAY_SIZE(operations), cmd, v, arg, NULL);
    return result == -ERESTART ? hypercall_continue(vcpu_op, cmd, id, arg) : result;
}

/* ---- nmi_op: the older form of registering CALLBACKTYPE_nmi, the control domain's ---- */

static int set_nmi_callback(struct vcpu *v, const struct xennmi_callback *op)
{
    if (!is_canonical(op->handler_address))
        return fail(-EINVAL, "a callback at a non-canonical address");
    v->entry.nmi = (struct guest_callback){ .rip = op->handler_address, .mask_events = true };
    return 0;
}

static int clear_nmi_callback(struct vcpu *v, uint64_t unused)
{
    v->entry.nmi.rip = 0;
    return 0;
}

static const struct operation nmi_operations[] = {
    ROW(XENNMI_register_callback, vcpu, xennmi_callback, set_nmi_callback),
    ROW_AT(XENNMI_unregister_callback, vcpu, clear_nmi_callback),
};

long do_nmi_op(unsigned int cmd, uint64_t arg)
{
    return operation_call(nmi_operations, ARRAY_SIZE(nmi_operations), cmd, current, arg, NULL);
}
