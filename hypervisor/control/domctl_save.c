/* SPDX-License-Identifier: MIT */
/*
 * domctl: what saving and restoring a guest asks for beyond its memory and its contexts. The state
 * of its vector registers is as XSAVE writes it, behind two words: what it has switched on, and
 * what it ever had. Who restores it is trusted with nothing but to have the right: what the CPU
 * would not load, and what this machine has not, is refused.
 */
#include "control/domctl.h"
#include "domain/domain.h"
#include "domain/schedule.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "lib/string.h"
#include "machine/io.h"
#include "memory/access.h"
#include "memory/heap.h"

#define MASKS_BYTES (2 * sizeof(uint64_t))
#define XSAVE_LEAST 576u                /* the legacy part and the header */

/* It goes on where it shut down, whatever for: a saved one that is to live here, too. */
int domctl_resume(struct domain *d, uint64_t unused)
{
    if (d == current->domain) return fail(-EINVAL, "not the caller itself");
    if (d->life != DOMAIN_SHUT_DOWN) return fail(-EINVAL, "the domain is not shut down");
    d->shutdown_code = -1;
    d->life = DOMAIN_ALIVE;
    domain_reconsider(d);
    return 0;
}

/* ---- vector registers ---- */

int domctl_get_xstate(struct domain *d, struct xen_domctl_vcpuextstate *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    uint64_t size = xsave_mask ? MASKS_BYTES + xsave_size : 0, buffer = (uint64_t)op->buffer.p;

    if (!v) return fail(-ESRCH, "no such vCPU");
    if (v == current) return fail(-EINVAL, "not the caller's own vCPU");
    if (!op->size && !op->xfeature_mask) {
        op->size = size;
        op->xfeature_mask = xsave_mask;
        return 0;
    }
    if (op->size != size || op->xfeature_mask != xsave_mask)
        return fail(-EINVAL, "another size or another mask than this machine's");
    uint64_t masks[2] = { v->hw.xcr0, xsave_mask };
    spend(COST_CLEAR);
    vcpu_pause(v);
    int error = write_guest(buffer, &masks) ||
                        copy_to_guest(VADDR(buffer + MASKS_BYTES), v->hw.xsave_area, xsave_size)
                    ? fail(-EFAULT, "the buffer cannot be written")
                    : 0;
    vcpu_unpause(v);
    return error;
}

/* The legacy part's 512 bytes, then: which parts are there, in which form, and reserved words. */
static int check_xstate(const uint64_t *masks, uint8_t *area)
{
    uint64_t header[8];
    uint32_t mxcsr;

    memcpy(header, area + XSAVE_LEAST - sizeof(header), sizeof(header));
    for (unsigned int i = 1; i < ARRAY_SIZE(header); i++)
        if (header[i]) return fail(-EINVAL, "a compacted state, or reserved words are not zero");
    if (!xcr0_valid(masks[0]) || masks[0] & ~masks[1] || masks[1] & ~xsave_mask ||
        header[0] & ~masks[1])
        return fail(-EOPNOTSUPP, "state that this machine has not");
    memcpy(&mxcsr, area + MXCSR_OFFSET, sizeof(mxcsr));
    if (mxcsr & ~MXCSR_VALID) return fail(-EINVAL, "reserved bits of MXCSR");
    return 0;
}

int domctl_set_xstate(struct domain *d, const struct xen_domctl_vcpuextstate *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    const uint64_t size = op->size;

    if (!v) return fail(-ESRCH, "no such vCPU");
    if (v == current) return fail(-EINVAL, "not the caller's own vCPU");
    if (size == MASKS_BYTES) return 0;                  /* it has none, and none is set */
    if (!xsave_mask || size < MASKS_BYTES + XSAVE_LEAST || size > MASKS_BYTES + xsave_size)
        return fail(-EINVAL, "a size that no state of this machine has");
    uint8_t *copy = hv_alloc(MASKS_BYTES + xsave_size);
    uint64_t masks[2];
    spend(2 * COST_CLEAR);
    if (!copy) return fail(-ENOMEM, "no memory to read the state into");
    int error = copy_from_guest(copy, VADDR((uint64_t)op->buffer.p), size)
                    ? fail(-EFAULT, "the buffer cannot be read")
                    : 0;
    memcpy(masks, copy, sizeof(masks));
    if (!error)
        error = check_xstate(masks, copy + MASKS_BYTES);
    if (!error) {
        vcpu_pause(v);
        memcpy(v->hw.xsave_area, copy + MASKS_BYTES, xsave_size);
        v->hw.xcr0 = masks[0];
        vcpu_unpause(v);
    }
    hv_free(copy, MASKS_BYTES + xsave_size);
    return error;
}

/* ---- MSRs ---- */

/* Of those that Xen carries to another machine a guest has one here, where the CPU has it; as on
 * Xen, what is 0 is left out. */
int domctl_get_msrs(struct domain *d, struct xen_domctl_vcpu_msrs *op)
{
    const struct vcpu *v = vcpu_by_id(d, op->vcpu);
    uint64_t unused;

    if (!v) return fail(-ESRCH, "no such vCPU");
    if (v == current) return fail(-EINVAL, "not the caller's own vCPU");
    const xen_domctl_vcpu_msr_t msr = { .index = MSR_TSC_AUX, .value = v->hw.tsc_aux };
    const uint32_t room = op->msr_count;
    op->msr_count = op->msrs.p ? msr.value != 0 : rdmsr_safe(MSR_TSC_AUX, &unused);
    if (!op->msrs.p || !op->msr_count) return 0;
    return room ? ANSWER((uint64_t)op->msrs.p, &msr) : fail(-ENOBUFS, "there are more MSRs");
}

int domctl_set_msrs(struct domain *d, const struct xen_domctl_vcpu_msrs *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    xen_domctl_vcpu_msr_t msr;
    uint64_t unused;

    if (!v) return fail(-ESRCH, "no such vCPU");
    if (v == current || op->msr_count > rdmsr_safe(MSR_TSC_AUX, &unused))
        return fail(-EINVAL, "the caller's own vCPU, or more MSRs than a guest has here");
    if (!op->msr_count) return 0;
    if (read_guest(&msr, (uint64_t)op->msrs.p)) return fail(-EFAULT, "the MSRs cannot be read");
    if (msr.index != MSR_TSC_AUX || msr.reserved || msr.value > UINT32_MAX)
        return fail_value(-EINVAL, "no MSR that a guest has here, or no value of it", msr.index);
    vcpu_pause(v);
    v->hw.tsc_aux = (uint32_t)msr.value;
    vcpu_unpause(v);
    return 0;
}

/* ---- callbacks that the context has no place for ---- */

#define EXTENDED_BYTES offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap)

int domctl_get_extended(struct domain *d, struct xen_domctl_ext_vcpucontext *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);

    if (!v) return fail(-ESRCH, "no such vCPU");
    *op = (struct xen_domctl_ext_vcpucontext){
        .vcpu = v->id, .size = sizeof(*op),
        .syscall32_callback_eip = v->entry.syscall32.rip,
        .sysenter_callback_eip = v->entry.sysenter.rip,
        .syscall32_disables_events = v->entry.syscall32.mask_events,
        .sysenter_disables_events = v->entry.sysenter.mask_events,
    };
    return 0;
}

int domctl_set_extended(struct domain *d, const struct xen_domctl_ext_vcpucontext *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);

    if (!v) return fail(-ESRCH, "no such vCPU");
    if (op->size < EXTENDED_BYTES) return fail(-EINVAL, "a context that ends too early");
    if (!is_canonical(op->syscall32_callback_eip) || !is_canonical(op->sysenter_callback_eip))
        return fail(-EINVAL, "a callback at a non-canonical address");
    v->entry.syscall32 = (struct guest_callback){ op->syscall32_callback_eip,
                                                  op->syscall32_disables_events };
    v->entry.sysenter = (struct guest_callback){ op->sysenter_callback_eip,
                                                 op->sysenter_disables_events };
    return 0;
}
