/* SPDX-License-Identifier: MIT */
/*
 * A debug build of a guest says which of its hypercalls are refused, and why. Many of them stand
 * behind a function that returns one number for many updates (pt_flush), or nothing at all
 * (set_kernel_stack, unmap_frames). Linked with libpvguest-debug.a in place of libpvguest.a, each
 * such call prints, by itself:
 *
 *     pvguest: refused: mmu_update: -22 EINVAL: why (frame, level, slot, entry) where in Domus
 *     pvguest:   called at ffffffff80003a1c ffffffff80001b22 ...          (addr2line -fe KERNEL)
 *     pvguest:   update 2 of 5: the entry at machine address 2d33138, value 8000000000001063
 *
 * What the hypervisor says it says on Domus only; on real Xen its own log has it
 * (guest_loglvl=all). A kernel compiled with -DPVGUEST_DEBUG has the same for its own
 * HYPERVISOR_<name>() calls. Without all this nothing is added to any call.
 */
#ifndef PVGUEST_DEBUG_H
#define PVGUEST_DEBUG_H

/* Around a call whose refusal is an answer like any other: is there such a vCPU? */
#ifdef PVGUEST_DEBUG
#define PVGUEST_DEBUGGED 1
#define may_be_refused(call) \
    ({ \
        __atomic_fetch_add(&pvguest_hush, 1, __ATOMIC_RELAXED); \
        __auto_type answer_ = (call); \
        __atomic_fetch_sub(&pvguest_hush, 1, __ATOMIC_RELAXED); \
        answer_; \
    })
#else
#define PVGUEST_DEBUGGED 0
#define may_be_refused(call) (call)
#endif

extern int pvguest_hush;

/* Says that this call was refused with this errno; the same again and again only once. */
void pvguest_refused(unsigned int hypercall, long error);

#ifdef PVGUEST_DEBUG
static inline long pvguest_told(unsigned int hypercall, long result)
{
    if (result < 0)
        pvguest_refused(hypercall, result);
    return result;
}
#else
#define pvguest_told(hypercall, result) (result)
#endif

#endif
