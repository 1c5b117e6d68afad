/* SPDX-License-Identifier: MIT */
/*
 * Taking: mapping and copying what other domains grant us. A mapping is made at an address whose
 * page tables exist (vspace_alloc) and is undone only with its handle: a grant that is unmapped by
 * other means stays taken for ever.
 */
#include <pvguest/bits.h>
#include <pvguest/grant.h>
#include <pvguest/hypercalls.h>
#include <pvguest/refuse.h>
#include <pvguest/start.h>

#define CHUNK 32U       /* operations a hypercall, so that they fit on the stack */

/* vas NULL: for devices only. */
static int map(domid_t domid, void *const *vas, const grant_ref_t *refs, unsigned int n,
               bool readonly, grant_handle_t *handles, unsigned long *mfns, int *results)
{
    uint32_t flags = (vas ? GNTMAP_host_map : GNTMAP_device_map) | (readonly ? GNTMAP_readonly : 0);
    struct gnttab_map_grant_ref ops[CHUNK];
    int first_error = 0;

    for (unsigned int done = 0; done < n; ) {
        unsigned int count = MIN(n - done, CHUNK);

        for (unsigned int i = 0; i < count; i++)
            ops[i] = (struct gnttab_map_grant_ref){
                .host_addr = vas ? (unsigned long)vas[done + i] : 0,
                .ref = refs[done + i],
                .dom = domid,
                .flags = flags,
                .status = GNTST_general_error,
            };
        if (HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, ops, count) < 0 && !first_error)
            first_error = refused(-EFAULT);
        for (unsigned int i = 0; i < count; i++, done++) {
            int error = gnttab_errno(ops[i].status);

            handles[done] = ops[i].handle;
            if (mfns && !error)
                mfns[done] = ops[i].dev_bus_addr >> PAGE_SHIFT;
            if (results)
                results[done] = error;
            if (!first_error)
                first_error = error;
        }
    }
    return first_error;
}

/* One of vas and mfns is NULL. */
static int unmap(void *const *vas, const unsigned long *mfns, const grant_handle_t *handles,
                 unsigned int n)
{
    struct gnttab_unmap_grant_ref ops[CHUNK];
    int first_error = 0;

    for (unsigned int done = 0; done < n; ) {
        unsigned int count = MIN(n - done, CHUNK);

        for (unsigned int i = 0; i < count; i++)
            ops[i] = (struct gnttab_unmap_grant_ref){
                .host_addr = vas ? (unsigned long)vas[done + i] : 0,
                .dev_bus_addr = mfns ? mfns[done + i] << PAGE_SHIFT : 0,
                .handle = handles[done + i],
                .status = GNTST_general_error,
            };
        if (HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, ops, count) < 0 && !first_error)
            first_error = refused(-EFAULT);
        for (unsigned int i = 0; i < count; i++, done++) {
            if (ops[i].status && !first_error)
                first_error = gnttab_errno(ops[i].status);
        }
    }
    return first_error;
}

int grant_map_at(domid_t domid, void *const *vas, const grant_ref_t *refs, unsigned int n,
                 bool readonly, grant_handle_t *handles, unsigned long *mfns, int *results)
{
    return map(domid, vas, refs, n, readonly, handles, mfns, results);
}

int grant_unmap_at(void *const *vas, const grant_handle_t *handles, unsigned int n)
{
    return unmap(vas, NULL, handles, n);
}

int grant_map_dma(domid_t domid, const grant_ref_t *refs, unsigned int n, bool readonly,
                  grant_handle_t *handles, unsigned long *mfns, int *results)
{
    return map(domid, NULL, refs, n, readonly, handles, mfns, results);
}

int grant_unmap_dma(const unsigned long *mfns, const grant_handle_t *handles, unsigned int n)
{
    return unmap(NULL, mfns, handles, n);
}

int grant_unmap_many(void *va, const grant_handle_t *handles, unsigned int n)
{
    int first_error = 0;

    for (unsigned int i = 0; i < n; i++) {
        void *page = (char *)va + i * PAGE_SIZE;
        int error = grant_unmap_at(&page, &handles[i], 1);

        if (!first_error)
            first_error = error;
    }
    /* Addresses under a mapping that would not go away are not used again. */
    if (!first_error)
        vspace_free(va, n);
    return first_error;
}

void *grant_map_many(domid_t domid, const grant_ref_t *refs, unsigned int n, bool readonly,
                     grant_handle_t *handles)
{
    void *va = vspace_alloc(n);

    if (IS_ERR(va)) return va;
    for (unsigned int i = 0; i < n; i++) {
        void *page = (char *)va + i * PAGE_SIZE;
        int error = grant_map_at(domid, &page, &refs[i], 1, readonly, &handles[i], NULL, NULL);

        if (!error)
            continue;
        while (i--) {
            page = (char *)va + i * PAGE_SIZE;
            grant_unmap_at(&page, &handles[i], 1);
        }
        vspace_free(va, n);
        return ERR_PTR(error);
    }
    return va;
}

int grant_map(domid_t domid, grant_ref_t ref, bool readonly, struct grant_map *map)
{
    map->va = grant_map_many(domid, &ref, 1, readonly, &map->handle);
    return IS_ERR(map->va) ? (int)PTR_ERR(map->va) : 0;
}

int grant_unmap(struct grant_map *map)
{
    return grant_unmap_many(map->va, &map->handle, 1);
}

/* ---- copying ---- */

int grant_copy(struct gnttab_copy *ops, unsigned int n)
{
    return (int)HYPERVISOR_grant_table_op(GNTTABOP_copy, ops, n);
}

static int copy_one(struct gnttab_copy *op)
{
    int error;

    op->status = GNTST_general_error;
    error = grant_copy(op, 1);
    return error < 0 ? error : gnttab_errno(op->status);
}

int grant_copy_to(domid_t domid, grant_ref_t ref, unsigned int offset, const void *from,
                  unsigned int length)
{
    struct gnttab_copy op = {
        .source = { .u.gmfn = virt_to_mfn(from), .domid = DOMID_SELF,
                    .offset = (uint16_t)((unsigned long)from & (PAGE_SIZE - 1)) },
        .dest = { .u.ref = ref, .domid = domid, .offset = (uint16_t)offset },
        .len = (uint16_t)length, .flags = GNTCOPY_dest_gref,
    };
    return copy_one(&op);
}

int grant_copy_from(void *to, domid_t domid, grant_ref_t ref, unsigned int offset,
                    unsigned int length)
{
    struct gnttab_copy op = {
        .source = { .u.ref = ref, .domid = domid, .offset = (uint16_t)offset },
        .dest = { .u.gmfn = virt_to_mfn(to), .domid = DOMID_SELF,
                  .offset = (uint16_t)((unsigned long)to & (PAGE_SIZE - 1)) },
        .len = (uint16_t)length, .flags = GNTCOPY_source_gref,
    };
    return copy_one(&op);
}
