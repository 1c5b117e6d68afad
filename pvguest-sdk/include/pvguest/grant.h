/* SPDX-License-Identifier: MIT */
/*
 * Grant tables (version 1): the way to let another domain see one of our pages, and to see one of
 * theirs. Giving is a store into our own table, without a hypercall; taking is a hypercall by the
 * other side. For all vCPUs at the same time.
 */
#ifndef PVGUEST_GRANT_H
#define PVGUEST_GRANT_H

#include <pvguest/xen.h>
#include <pvguest/mm.h>

/* Maps our grant table. guest_start calls it. 0 or negative errno. */
int grants_init(void);

/* ---- giving ---- */

/* Lets `domid` map (or copy) the frame mfn; returns the reference (> 0) or -ENOSPC. */
int grant_access(domid_t domid, unsigned long mfn, bool readonly);
/* The same for one of our own pages by address. */
static inline int grant_page(domid_t domid, const void *page, bool readonly)
{
    return grant_access(domid, virt_to_mfn(page), readonly);
}
/*
 * Takes it back. -EBUSY while the other side still has it mapped: the page must not be reused then
 * (ask again later, or give the page up).
 */
int grant_end_access(grant_ref_t ref);
/* References in use, in all. */
unsigned int grants_in_use(void);

/* ---- taking ---- */

/* A mapped foreign grant: the address, and the handle the hypervisor wants back. */
struct grant_map {
    void *va;
    grant_handle_t handle;
};

/* Maps one page of `domid`. 0, or a negative errno (GNTST_* are translated by gnttab_errno). */
int grant_map(domid_t domid, grant_ref_t ref, bool readonly, struct grant_map *map);
int grant_unmap(struct grant_map *map);

/*
 * Maps n grants at consecutive addresses (a ring, or the segments of a request). handles[n] is the
 * caller's. All or nothing. Returns the address, or an ERR_PTR.
 */
void *grant_map_many(domid_t domid, const grant_ref_t *refs, unsigned int n, bool readonly,
                     grant_handle_t *handles);
int grant_unmap_many(void *va, const grant_handle_t *handles, unsigned int n);

/*
 * For back ends that keep a pool of addresses: map into, and unmap from, an address of
 * vspace_alloc(). One hypercall for all n; per-grant results in results[] (0 or negative errno).
 * mfns[], when not NULL, gets the machine frames (for DMA).
 */
int grant_map_at(domid_t domid, void *const *vas, const grant_ref_t *refs, unsigned int n,
                 bool readonly, grant_handle_t *handles, unsigned long *mfns, int *results);
int grant_unmap_at(void *const *vas, const grant_handle_t *handles, unsigned int n);

/*
 * The same for a device that reaches the pages by DMA: mfns[] gets the machine frames, which stay
 * the grants' until the unmap; no page-table entry is made, so the unmap flushes no TLB
 * (GNTMAP_device_map alone).
 */
int grant_map_dma(domid_t domid, const grant_ref_t *refs, unsigned int n, bool readonly,
                  grant_handle_t *handles, unsigned long *mfns, int *results);
int grant_unmap_dma(const unsigned long *mfns, const grant_handle_t *handles, unsigned int n);

/* GNTTABOP_copy between a granted page and our own memory; offset + length stay within one page on
 * both sides. */
int grant_copy_to(domid_t domid, grant_ref_t ref, unsigned int offset, const void *from,
                  unsigned int length);
int grant_copy_from(void *to, domid_t domid, grant_ref_t ref, unsigned int offset,
                    unsigned int length);
/* Any number of copies in one hypercall; statuses stay in ops[].status. */
int grant_copy(struct gnttab_copy *ops, unsigned int n);

/* GNTST_* to errno: bad_gntref -EINVAL, bad_domain -ESRCH, permission_denied -EPERM, no_space
 * -ENOSPC, eagain -EAGAIN... */
int gnttab_errno(int16_t status);

#endif
