/* SPDX-License-Identifier: MIT */
/* domctl: contexts of vCPUs, affinity, state. ONE_CPU: affinity is CPU 0, or an error. */
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
    vcpu_pause(v);
    vcpu_get_context(v, context);
    vcpu_unpause(v);
    int error = ANSWER((uint64_t)op->ctxt.p, context);
    hv_free(context, sizeof(*context));
    return error;
}

int domctl_vcpu_info(struct domain *d, struct xen_domctl_getvcpuinfo *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    if (!v) return fail(-ESRCH, "no such vCPU");
    op->online = v->sched.state != VCPU_DOWN;
    op->blocked = v->sched.state == VCPU_BLOCKED;
    op->running = v->sched.runstate.state == RUNSTATE_running;
    op->cpu_time = vcpu_cpu_time(v);
    op->cpu = 0;
    return 0;
}

#define CPU_MAP_MOST 4096           /* Xen's own limit: NR_CPUS is at most 4095 */

/* A CPU map of which only bit 0 is set. */
static int write_map(const struct xenctl_bitmap *map)
{
    uint8_t first = 1;

    if (!map->nr_bits || !map->bitmap.p) return 0;
    if (map->nr_bits > CPU_MAP_MOST) return fail(-E2BIG, "a map of more than 4096 CPUs");
    if (copy_to_guest(VADDR(map->bitmap.p), &first, 1) ||
        clear_guest(VADDR(map->bitmap.p + 1), (map->nr_bits + 7) / 8 - 1))
        return fail(-EFAULT, "the map cannot be written");
    return 0;
}

/* Is bit 0 among those asked for? */
static int check_map(const struct xenctl_bitmap *map)
{
    uint8_t first;
    if (!map->nr_bits || copy_from_guest(&first, VADDR(map->bitmap.p), 1))
        return fail(-EFAULT, "the map cannot be read");
    return first & 1 ? 0 : fail(-EINVAL, "guests run on CPU 0 only");
}

static int affinity(struct domain *d, bool set, const struct xen_domctl_vcpuaffinity *op)
{
    int error = 0;
    if (!vcpu_by_id(d, op->vcpu)) return fail(-ESRCH, "no such vCPU");
    if (!(op->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)))
        return fail(-EINVAL, "neither hard nor soft affinity asked for");
    if (op->flags & XEN_VCPUAFFINITY_HARD)
        error = set ? check_map(&op->cpumap_hard) : write_map(&op->cpumap_hard);
    if (!error && (op->flags & XEN_VCPUAFFINITY_SOFT))
        error = set ? check_map(&op->cpumap_soft) : write_map(&op->cpumap_soft);
    return error;
}

int domctl_set_affinity(struct domain *d, const struct xen_domctl_vcpuaffinity *op)
{
    return affinity(d, true, op);
}

int domctl_get_affinity(struct domain *d, const struct xen_domctl_vcpuaffinity *op)
{
    return affinity(d, false, op);
}

/* Of a real machine's wires a PV guest has one: the NMI. It stays pending until the guest has a
 * handler for it. */
int domctl_send_trigger(struct domain *d, const struct xen_domctl_sendtrigger *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    if (!v) return fail(-ESRCH, "no such vCPU");
    if (op->trigger != XEN_DOMCTL_SENDTRIGGER_NMI)
        return fail(-ENOSYS, "a PV guest has no such wire");
    v->nmi_pending = 1;
    vcpu_wake(v);
    if (vcpu_loaded(v))
        cpu_reschedule(v->cpu);
    return 0;
}
