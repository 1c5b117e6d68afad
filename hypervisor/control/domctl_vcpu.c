/* SPDX-License-Identifier: MIT */
/* domctl: contexts of vCPUs, affinity, state. */
#include "control/cpus.h"
#include "control/domctl.h"
#include "domain/domain.h"
#include "domain/schedule.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "memory/access.h"
#include "memory/heap.h"

/* May answer -ERESTART: validating the base page table takes its time. */
int domctl_set_context(struct domain *d, const struct xen_domctl_vcpucontext *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    if (d == current->domain) return fail(-EINVAL, "not on the caller itself");
    if (!v || !op->ctxt.p) return fail(-EINVAL, "no such vCPU, or no context");
    /* the tables it would hold might never be let go */
    if (domain_is_dying(d)) return fail(-EINVAL, "the domain is being destroyed");
    struct vcpu_guest_context *context = hv_alloc(sizeof(*context));
    int error;
    if (!context) return fail(-ENOMEM, "no memory to read the context into");
    domain_pause(d);
    if (read_guest(context, (uint64_t)op->ctxt.p))
        error = fail(-EFAULT, "the context cannot be read");
    else
        error = vcpu_set_context(v, context);
    if (!error && (context->flags & VGCF_online))
        vcpu_up(v);
    domain_unpause(d);
    hv_free(context, sizeof(*context));
    return error;
}

int domctl_get_context(struct domain *d, const struct xen_domctl_vcpucontext *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    if (!v || v == current) return fail(-EINVAL, "no such vCPU, or the caller's own");
    if (!v->initialised) return fail(-ENODATA, "the vCPU has no context yet");
    struct vcpu_guest_context *context = hv_alloc(sizeof(*context));
    if (!context) return fail(-ENOMEM, "no memory to build the context in");
    spend(3 * COST_CLEAR);                  /* it is cleared, written, and answered */
    vcpu_pause(v);
    vcpu_get_context(v, context);
    vcpu_unpause(v);
    int error = ANSWER((uint64_t)op->ctxt.p, context);
    hv_free(context, sizeof(*context));
    return error;
}

/* Xen's two ways to say no, for some of the calls. */
static int check_vcpu(const struct domain *d, uint32_t id)
{
    if (id >= d->vcpu_count) return fail(-EINVAL, "the domain has not so many vCPUs");
    return vcpu_by_id(d, id) ? 0 : fail(-ESRCH, "the vCPU is not made yet");
}

int domctl_vcpu_info(struct domain *d, struct xen_domctl_getvcpuinfo *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    int error = check_vcpu(d, op->vcpu);

    if (error) return error;
    op->online = v->sched.state != VCPU_DOWN;
    op->blocked = v->sched.state == VCPU_BLOCKED;
    op->running = v->sched.runstate.state == RUNSTATE_running;
    op->cpu_time = vcpu_cpu_time(v);
    op->cpu = v->cpu ? v->cpu->id : 0;
    return 0;
}

/* ---- affinity ---- */

static int check_hard(const struct xenctl_bitmap *from, cpumask_t *hard)
{
    int error = cpu_map_read(from, hard);

    if (!error && !(*hard & cpu_map_online()))
        error = fail(-EINVAL, "none of these CPUs is there");
    return error;
}

/* Of a map that is asked for; the others are left alone. */
static int write_maps(const struct xen_domctl_vcpuaffinity *op, cpumask_t hard, cpumask_t soft)
{
    int error = 0;

    if (op->flags & XEN_VCPUAFFINITY_HARD)
        error = cpu_map_write(&op->cpumap_hard, hard);
    if (!error && (op->flags & XEN_VCPUAFFINITY_SOFT))
        error = cpu_map_write(&op->cpumap_soft, soft);
    return error;
}

static int check_affinity(struct domain *d, const struct xen_domctl_vcpuaffinity *op)
{
    int error = check_vcpu(d, op->vcpu);

    if (error) return error;
    if (!(op->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)))
        return fail(-EINVAL, "neither hard nor soft affinity asked for");
    return 0;
}

/* What follows from it is the answer, as on Xen. */
int domctl_set_affinity(struct domain *d, const struct xen_domctl_vcpuaffinity *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    cpumask_t hard = 0, soft = 0;
    int error = check_affinity(d, op);

    if (!error && (op->flags & XEN_VCPUAFFINITY_HARD))
        error = check_hard(&op->cpumap_hard, &hard);
    if (!error && (op->flags & XEN_VCPUAFFINITY_SOFT))
        error = cpu_map_read(&op->cpumap_soft, &soft);
    if (error) return error;
    if (op->flags & XEN_VCPUAFFINITY_HARD)
        policy_set_affinity(v, hard);
    if (op->flags & XEN_VCPUAFFINITY_SOFT)
        policy_set_preference(v, soft);
    hard = policy_affinity(v);
    return write_maps(op, hard, hard & policy_preference(v));
}

int domctl_get_affinity(struct domain *d, const struct xen_domctl_vcpuaffinity *op)
{
    const struct vcpu *v = vcpu_by_id(d, op->vcpu);
    int error = check_affinity(d, op);

    if (error) return error;
    return write_maps(op, policy_affinity(v), policy_preference(v));
}

/* Of a real machine's wires a PV guest has one: the NMI. It stays pending until the guest has a
 * handler for it. */
int domctl_send_trigger(struct domain *d, const struct xen_domctl_sendtrigger *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    if (!v) return fail(-ESRCH, "no such vCPU");
    switch (op->trigger) {
    case XEN_DOMCTL_SENDTRIGGER_NMI: vcpu_send_nmi(v); return 0;
    case XEN_DOMCTL_SENDTRIGGER_POWER: case XEN_DOMCTL_SENDTRIGGER_SLEEP:
        return fail(-EINVAL, "a PV guest has no buttons");
    default: return fail(-ENOSYS, "a PV guest has no such wire");
    }
}
