/* SPDX-License-Identifier: MIT */
/* See hands.h. */
#include "dom0/save/hands.h"
#include "dom0/xc/control.h"
#include <pvguest/hypercalls.h>
#include <pvguest/thread.h>
#include <pvguest/traps.h>

static void *map(struct guest *guest, const unsigned long *mfns, unsigned count, bool writable)
{
    void *va = map_frames(mfns, count, writable ? PROT_RW : PROT_RO, guest->domid, NULL);

    return IS_ERR(va) ? NULL : va;
}

static void unmap(struct guest *guest, void *pages, unsigned count)
{
    unmap_frames(pages, count);
}

static int types(struct guest *guest, uint64_t *frames, unsigned count)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getpageframeinfo3, .domain = guest->domid };

    op.u.getpageframeinfo3.num = count;
    set_xen_guest_handle(op.u.getpageframeinfo3.array, frames);
    return control_domain(&op);
}

/* The table has holes where the machine has none. */
static uint64_t pfn_of(struct guest *guest, uint64_t mfn)
{
    uint64_t pfn;

    if (mfn >= MACH2PHYS_NR_ENTRIES ||
        try_read64((const unsigned long *)MACH2PHYS_VIRT_START + mfn, &pfn))
        return ABSENT;
    return pfn;
}

/* How many of the frames it was done for, or a negative errno. */
static long reserve(struct guest *guest, unsigned op, unsigned long *frames, unsigned count)
{
    struct xen_memory_reservation reservation = { .nr_extents = count, .domid = guest->domid };

    set_xen_guest_handle(reservation.extent_start, frames);
    return HYPERVISOR_memory_op(op, &reservation);
}

static int populate(struct guest *guest, unsigned long *frames, unsigned count)
{
    long result = reserve(guest, XENMEM_populate_physmap, frames, count);

    if (result < 0) return (int)result;
    return result == count ? 0 : refused(-ENOMEM);
}

static int release(struct guest *guest, unsigned long *frames, unsigned count)
{
    long result = reserve(guest, XENMEM_decrease_reservation, frames, count);

    if (result < 0) return (int)result;
    return result == count ? 0 : refused(-EBUSY);
}

static int pin(struct guest *guest, unsigned level, unsigned long mfn)
{
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE + level - 1 };

    op.arg1.mfn = mfn;
    return (int)HYPERVISOR_mmuext_op(&op, 1, NULL, guest->domid);
}

static int unpin(struct guest *guest, unsigned long mfn)
{
    struct mmuext_op op = { .cmd = MMUEXT_UNPIN_TABLE };

    op.arg1.mfn = mfn;
    return (int)HYPERVISOR_mmuext_op(&op, 1, NULL, guest->domid);
}

/* --- vCPUs --- */

static int context(struct guest *guest, unsigned id, uint32_t cmd, const void *context)
{
    struct xen_domctl op = { .cmd = cmd, .domain = guest->domid };

    op.u.vcpucontext.vcpu = id;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, (struct vcpu_guest_context *)(uintptr_t)context);
    return control_domain(&op);
}

static int get_vcpu(struct guest *guest, unsigned id, struct vcpu_guest_context *to)
{
    return context(guest, id, XEN_DOMCTL_getvcpucontext, to);
}

static int set_vcpu(struct guest *guest, unsigned id, const struct vcpu_guest_context *from)
{
    return context(guest, id, XEN_DOMCTL_setvcpucontext, from);
}

static int get_extended(struct guest *guest, unsigned id, uint8_t to[EXTENDED_SIZE])
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_get_ext_vcpucontext, .domain = guest->domid };
    int error;

    op.u.ext_vcpucontext.vcpu = id;
    error = control_domain(&op);
    memcpy(to, &op.u, EXTENDED_SIZE);
    return error;
}

static int set_extended(struct guest *guest, unsigned id, const uint8_t from[EXTENDED_SIZE])
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_set_ext_vcpucontext, .domain = guest->domid };

    memcpy(&op.u, from, EXTENDED_SIZE);
    op.u.ext_vcpucontext.vcpu = id;
    return control_domain(&op);
}

static int get_xsave(struct guest *guest, unsigned id, void **state, size_t *size)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpuextstate, .domain = guest->domid };
    int error;

    op.u.vcpuextstate.vcpu = id;
    error = control_domain(&op);
    if (error || !op.u.vcpuextstate.size) return error;
    *size = op.u.vcpuextstate.size;
    *state = calloc(1, *size);
    if (!*state) return refused(-ENOMEM);
    set_xen_guest_handle(op.u.vcpuextstate.buffer, *state);
    return control_domain(&op);
}

static int set_xsave(struct guest *guest, unsigned id, const void *state, size_t size)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpuextstate, .domain = guest->domid };

    op.u.vcpuextstate.vcpu = id;
    op.u.vcpuextstate.size = size;
    set_xen_guest_handle(op.u.vcpuextstate.buffer, (uint64_t *)(uintptr_t)state);
    return control_domain(&op);
}

static int msrs(struct guest *guest, uint32_t cmd, unsigned id, const xen_domctl_vcpu_msr_t *msrs,
                unsigned *count)
{
    struct xen_domctl op = { .cmd = cmd, .domain = guest->domid };
    int error;

    op.u.vcpu_msrs.vcpu = id;
    op.u.vcpu_msrs.msr_count = *count;
    set_xen_guest_handle(op.u.vcpu_msrs.msrs, (xen_domctl_vcpu_msr_t *)(uintptr_t)msrs);
    error = control_domain(&op);
    *count = op.u.vcpu_msrs.msr_count;
    return error;
}

static int get_msrs(struct guest *guest, unsigned id, xen_domctl_vcpu_msr_t to[MOST_MSRS],
                    unsigned *count)
{
    *count = MOST_MSRS;
    return msrs(guest, XEN_DOMCTL_get_vcpu_msrs, id, to, count);
}

static int set_msr(struct guest *guest, unsigned id, const xen_domctl_vcpu_msr_t *msr)
{
    unsigned one = 1;

    return msrs(guest, XEN_DOMCTL_set_vcpu_msrs, id, msr, &one);
}

static const struct guest_hands hands = {
    map, unmap, types, pfn_of, populate, release, pin, unpin, get_vcpu, set_vcpu, get_extended,
    set_extended, get_xsave, set_xsave, get_msrs, set_msr, thread_yield,
};

int guest_of(domid_t domid, struct guest *guest)
{
    struct xen_domctl_getdomaininfo info;
    int error = domain_get_info(domid, &info);

    if (error) return error;
    *guest = (struct guest){ .hands = &hands, .domid = domid, .vcpus = info.max_vcpu_id + 1,
                             .shared_mfn = info.shared_info_frame,
                             .shared_machine = info.shared_info_frame << 12,
                             .pages = info.tot_pages, .most = info.max_pages };
    return 0;
}

int guest_go_on(struct guest *guest)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_resumedomain, .domain = guest->domid };
    struct vcpu_guest_context *first = malloc(sizeof(*first));
    int error = first ? get_vcpu(guest, 0, first) : refused(-ENOMEM);

    if (!error) {
        first->user_regs.rax = 1;
        error = set_vcpu(guest, 0, first);
    }
    free(first);
    return error ? error : control_domain(&op);
}
