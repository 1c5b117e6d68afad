/* SPDX-License-Identifier: MIT */
/*
 * Page tables of guests: the hypercalls, and what the rest of the hypervisor asks of them.
 */
#ifndef DOMUS_MEMORY_MMU_H
#define DOMUS_MEMORY_MMU_H

#include "memory/frame.h"

/* ---- base pointers: for vCPU contexts, the dom0 builder ---- */

/* A type reference on an L4 of d, validating it if need be. -ERESTART: call again (nothing is held
 * meanwhile by the caller). */
int mmu_get_table(struct domain_memory *d, mfn_t m, enum frame_type level) must_check;
/* undoing, if that was the last, is queued: mmu_undo */
void mmu_put_table(mfn_t m);
/* Lets a guest's L4 that becomes a kernel base pointer show the M2P; one that only user mode uses
 * never does, as on Xen. */
void hv_show_m2p(mfn_t l4);
/* mmu_get_table and make it a pin. What MMUEXT_PIN_Ln_TABLE does. -EINVAL, -ERESTART. */
int mmu_pin(struct domain_memory *d, mfn_t m, enum frame_type level) must_check;
int mmu_unpin(struct domain_memory *d, mfn_t m) must_check;     /* -EINVAL: not owned, not pinned */
/* Work off d's queue of tables to undo; -ERESTART when the budget is spent before. Every mmu call
 * starts with it. */
int mmu_undo(struct domain_memory *d) must_check;

/* ---- the end of a domain ---- */
/* Its vCPUs never run again and hold no tables, its grants are unmapped: drop pins, undo tables,
 * free every frame. -ERESTART. */
int domain_relinquish_memory(struct domain_memory *d) must_check;

/* ---- walking ---- */
/* The L1 entry of va in a vCPU's kernel tables, NULL when there is no L1. Software walk by the
 * direct map; its domain's tables must not change meanwhile (the owner's pagetable_lock is held, or
 * its vCPUs do not run). */
uint64_t *mmu_walk(const struct vcpu_tables *t, uint64_t va);
/* --- grants (domain/grants.c): the caller takes the frame's reference, the entry holds it --- */

/*
 * Put a granted frame into the page tables of t's owner. host_addr: the machine address of an L1
 * entry when contains_pte (GNTMAP_contains_pte), else a virtual address of current's. flags:
 * PTE_PRESENT, PTE_USER, and PTE_WRITE for a writable mapping; `available` bits as the guest asked.
 * The old entry is replaced and its references dropped. A GNTST_* status; the caller keeps its
 * reference on error.
 */
int16_t mmu_map_grant(const struct vcpu_tables *t, uint64_t host_addr, mfn_t frame, uint64_t flags,
                      bool contains_pte) must_check;
/*
 * Take it out again. The whole entry must be what map made of (frame, flags) up to accessed and
 * dirty (XSA-234). On success the entry is replaced by `new_va`'s entry
 * (GNTTABOP_unmap_and_replace; new_va 0: by nothing), and the entry's reference on the frame is the
 * caller's again, to put after the TLB is flushed. A GNTST_* status.
 */
int16_t mmu_unmap_grant(const struct vcpu_tables *t, uint64_t host_addr, mfn_t frame,
                        uint64_t flags, bool contains_pte, uint64_t new_va) must_check;

#endif
