/* SPDX-License-Identifier: MIT */
/*
 * A guest, as who saves or restores it sees it: frames of the machine, and vCPUs. It runs only
 * where that is said.
 * What is behind it is the hypervisor (hands.c), or a test.
 */
#ifndef DOM0_SAVE_GUEST_H
#define DOM0_SAVE_GUEST_H

#include "dom0/save/format.h"

struct guest {
    const struct guest_hands *hands;
    domid_t domid;
    unsigned vcpus;
    unsigned long shared_mfn;           /* Its shared_info. */
    uint64_t shared_machine;            /* The same, as its start_info has it. */
    uint64_t pages, most;               /* It has; it may ever have. */
    uint64_t room;                      /* Bytes that dom0 has for who sends it while it runs. */
    uint64_t seed;                      /* That nobody else knows, for the same (digest.h). */
    unsigned long store_port, console_port;     /* To be written into its start_info, */
    unsigned long store_mfn, console_mfn;       /* and what was found there: the restorer's. */
};

/* 0, or a negative errno. */
struct guest_hands {
    /* NULL: they are not all its own, or there is no memory. */
    void *(*map)(struct guest *guest, const unsigned long *mfns, unsigned count, bool writable);
    void (*unmap)(struct guest *guest, void *pages, unsigned count);
    /* Frames in, their types out: XEN_DOMCTL_PFINFO_*. */
    int (*types)(struct guest *guest, uint64_t *frames, unsigned count);
    /* The M2P's word for a frame; ABSENT where there is none. */
    uint64_t (*pfn_of)(struct guest *guest, uint64_t mfn);
    /* Pfns in, their new frames out. */
    int (*populate)(struct guest *guest, unsigned long *frames, unsigned count);
    /* Frames that are its own, and are to be nobody's. */
    int (*release)(struct guest *guest, unsigned long *frames, unsigned count);
    int (*pin)(struct guest *guest, unsigned level, unsigned long mfn);
    int (*unpin)(struct guest *guest, unsigned long mfn);
    /* -ENODATA: the vCPU has never been used. */
    int (*get_vcpu)(struct guest *guest, unsigned id, struct vcpu_guest_context *context);
    int (*set_vcpu)(struct guest *guest, unsigned id, const struct vcpu_guest_context *context);
    int (*get_extended)(struct guest *guest, unsigned id, uint8_t context[EXTENDED_SIZE]);
    int (*set_extended)(struct guest *guest, unsigned id, const uint8_t context[EXTENDED_SIZE]);
    /* malloc'ed; NULL and a size of 0: it has none. */
    int (*get_xsave)(struct guest *guest, unsigned id, void **state, size_t *size);
    int (*set_xsave)(struct guest *guest, unsigned id, const void *state, size_t size);
    /* Those that are not 0; their number. */
    int (*get_msrs)(struct guest *guest, unsigned id, xen_domctl_vcpu_msr_t msrs[MOST_MSRS],
                    unsigned *count);
    /* -EINVAL: here a guest has no such MSR, or not this value of it. */
    int (*set_msr)(struct guest *guest, unsigned id, const xen_domctl_vcpu_msr_t *msr);
    void (*rest)(void);                 /* Others' turn. */
};

/* Pfns that it may have: half of them holes, or others' frames that it has mapped. What is kept for
 * each while it is saved or restored is dom0's memory. */
static inline uint64_t most_pfns(const struct guest *guest)
{
    return guest->most < MOST_PFNS / 4 ? 2 * guest->most + FEW_PFNS : MOST_PFNS;
}

#endif
