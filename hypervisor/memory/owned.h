/* SPDX-License-Identifier: MIT */
/*
 * What this room keeps of a domain and of a vCPU; it knows no more of them. Who owns a frame or a
 * table is a struct domain_memory.
 */
#ifndef DOMUS_MEMORY_OWNED_H
#define DOMUS_MEMORY_OWNED_H

#include "lib/spinlock.h"
#include "lib/types.h"
#include <abi/list.h>

struct domain_memory {
    spinlock_t lock;                /* for the lists and the counts */
    struct list pages;              /* every frame owned, by struct frame's link */
    /* page tables whose entries are being dropped (memory/undo.c); likewise owned frames */
    struct list undoing;
    struct list leaving;            /* frames already seen by domain_relinquish_memory */
    /* frames owned (also those given back but still mapped) and allowed */
    uint64_t page_count, max_pages;
    uint64_t most_pages;            /* that a toolstack has ever allowed */
    uint64_t claimed;               /* frames that the heap keeps for it (RING0_LOCK) */
    spinlock_t pagetable_lock;      /* serialises page-table updates of one domain */
    bool trusted;                   /* the control domain: may map devices, knows about L1TF */
    bool closed;                    /* it ends, and is given no more frames */
};

void domain_memory_init(struct domain_memory *d);
/* owners of frames that are nobody's RAM (DOMID_IO) and that are ours to see (DOMID_XEN) */
extern struct domain_memory special_io, special_xen;

struct vcpu_tables {
    struct domain_memory *owner;    /* whose they are */
    /* machine addresses of the two L4s, each with a type reference of its own; 0: none */
    uint64_t kernel_cr3, user_cr3;
};

static inline mfn_t base_table(uint64_t cr3)
{
    return maddr_to_mfn(MADDR(cr3));
}

#endif
