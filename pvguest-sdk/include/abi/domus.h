/* SPDX-License-Identifier: MIT */
/*
 * Domus's own extension: one hypercall, number 55 (__HYPERVISOR_arch_7 in <xen/xen.h>), long
 * HYPERVISOR_domus_op(op, arg).
 *
 * Real Xen answers -ENOSYS to this number, so a guest may always ask and must do without the
 * answer. Nothing here is needed to run: it is for people who want to know why, and how often.
 * Shared by the hypervisor and the guests; it includes nothing but fixed-size integers.
 */
#ifndef ABI_DOMUS_H
#define ABI_DOMUS_H

#include <stdint.h>

#define __HYPERVISOR_domus_op 55

/*
 * DOMUS_last_error: why this vCPU's last refused hypercall was refused. arg is a struct
 * domus_last_error, filled in. Any domain may ask about itself. Returns 0; -ENOENT when no call of
 * this vCPU has been refused yet; -EFAULT. Asking does not change the answer.
 */
#define DOMUS_last_error 0
struct domus_last_error {
    int32_t  error;          /* the negative errno that was returned */
    uint32_t hypercall;      /* the number of the refused hypercall */
    char     file[40];       /* where in the hypervisor, NUL-terminated */
    uint32_t line;
    char     reason[140];    /* a sentence, NUL-terminated */
};

/*
 * DOMUS_audit: recount every page type and reference from the page tables, grants and tables that
 * are really there, and compare with what the hypervisor believes. Control domain only (-EPERM).
 * arg is a struct domus_audit, filled in, or NULL. Returns the number of violations (0: the
 * invariants I1 to I4 of the hypervisor hold). Stops the machine meanwhile.
 */
#define DOMUS_audit 1
struct domus_audit {
    uint64_t frames;         /* frames looked at */
    uint64_t typed;          /* of these, frames whose type is a page table or a descriptor page */
    uint64_t free;           /* frames that belong to nobody */
    uint64_t violations;
    uint64_t first_bad_mfn;  /* ~0 when there is none */
    char     first_bad[96];  /* what was wrong with it, NUL-terminated */
};

/*
 * DOMUS_counters: how often things happened since boot. Control domain only (-EPERM). arg is a
 * struct domus_counters: the caller sets `domid` (DOMID_INVALID: the whole machine), the rest is
 * filled in. -ESRCH for an unknown domain.
 */
#define DOMUS_counters 2
struct domus_counters {
    uint16_t domid;
    uint16_t pad[3];
    uint64_t hypercalls[64];     /* by number; a call inside a multicall counts too */
    uint64_t refused;            /* hypercalls that returned an error */
    uint64_t exceptions;         /* exceptions delivered to the guest */
    uint64_t emulated;           /* privileged instructions emulated */
    uint64_t emulated_pte;       /* stores to read-only page tables emulated */
    uint64_t events;             /* event upcalls delivered */
    uint64_t switches;           /* times a vCPU was switched to */
    uint64_t continuations;      /* preempted hypercalls that were continued */
    uint64_t run_ns;             /* nanoseconds on a CPU */
};

/*
 * DOMUS_work_for: what this vCPU does from now on it does on behalf of a domain, whose part of the
 * CPU it is and whose urgency it has. Control domain only (-EPERM). arg is the domain's number; the
 * caller's own, or that of a domain that is gone: on nobody's behalf but its own. Returns the
 * nanoseconds that the vCPU has run since it last said so.
 */
#define DOMUS_work_for 3

#endif
