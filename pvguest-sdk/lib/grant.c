/* SPDX-License-Identifier: MIT */
/*
 * Giving: our grant table, an array of entries in pages shared with the hypervisor. A grant is
 * given by filling an entry, its flags last; it is taken back by clearing the flags, unless the
 * hypervisor has marked that somebody uses it.
 */
#include <pvguest/bits.h>
#include <pvguest/grant.h>
#include <pvguest/hypercalls.h>
#include <pvguest/refuse.h>
#include <pvguest/spinlock.h>
#include "suspend.h"

#define MAX_FRAMES 8U                           /* 4096 references */
#define PER_FRAME  (PAGE_SIZE / sizeof(grant_entry_v1_t))

static grant_entry_v1_t *table;
static unsigned int table_frames;
static uint16_t next_free[MAX_FRAMES * PER_FRAME];
static struct spinlock lock;                    /* of what follows, and next_free */
/* 0: none; the first references are reserved by the ABI */
static uint16_t first_free;
static unsigned int in_use;

static int map_table(void)
{
    struct gnttab_query_size query = { .dom = DOMID_SELF };
    struct gnttab_setup_table setup = { .dom = DOMID_SELF };
    unsigned long frames[MAX_FRAMES];
    void *va;

    if (HYPERVISOR_grant_table_op(GNTTABOP_query_size, &query, 1) || query.status != GNTST_okay)
        return refused(-ENODEV);
    setup.nr_frames = MIN(query.max_nr_frames, MAX_FRAMES);
    set_xen_guest_handle(setup.frame_list, frames);
    if (HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1) || setup.status != GNTST_okay)
        return refused(-ENODEV);
    va = map_frames(frames, setup.nr_frames, PROT_RW, DOMID_SELF, NULL);
    if (IS_ERR(va)) return (int)PTR_ERR(va);
    table = va;
    table_frames = setup.nr_frames;
    return 0;
}

int grants_init(void)
{
    int error = map_table();

    if (error) return error;
    for (unsigned int ref = GNTTAB_NR_RESERVED_ENTRIES; ref + 1 < table_frames * PER_FRAME; ref++)
        next_free[ref] = (uint16_t)(ref + 1);
    first_free = GNTTAB_NR_RESERVED_ENTRIES;
    return 0;
}

void grants_suspend(void)
{
    if (table_frames)
        unmap_frames(table, table_frames);
}

/* What was given in another life is not in the new table: grant_end_access takes it back, too. */
int grants_resume(void)
{
    return table_frames ? map_table() : 0;
}

int grant_access(domid_t domid, unsigned long mfn, bool readonly)
{
    bool masked = spin_lock(&lock);
    uint16_t ref = first_free;

    if (ref) {
        first_free = next_free[ref];
        in_use++;
    }
    spin_unlock(&lock, masked);
    if (!ref) return refused(-ENOSPC);
    table[ref].domid = domid;
    table[ref].frame = (uint32_t)mfn;
    wmb();      /* the entry is live with its flags */
    WRITE_ONCE(table[ref].flags, GTF_permit_access | (readonly ? GTF_readonly : 0));
    return ref;
}

int grant_end_access(grant_ref_t ref)
{
    uint16_t flags = READ_ONCE(table[ref].flags);
    bool masked;

    /* The other side may map it while we look: the exchange notices. */
    do {
        if (flags & (GTF_reading | GTF_writing)) return refused(-EBUSY);
    } while (!compare_exchange16(&table[ref].flags, &flags, 0));
    masked = spin_lock(&lock);
    next_free[ref] = first_free;
    first_free = (uint16_t)ref;
    in_use--;
    spin_unlock(&lock, masked);
    return 0;
}

unsigned int grants_in_use(void)
{
    return in_use;
}

int gnttab_errno(int16_t status)
{
    switch (status) {
    case GNTST_okay:               return 0;
    case GNTST_bad_domain:         return -ESRCH;
    case GNTST_bad_gntref:
    case GNTST_bad_handle:
    case GNTST_bad_virt_addr:
    case GNTST_bad_dev_addr:
    case GNTST_bad_copy_arg:
    case GNTST_bad_page:           return -EINVAL;
    case GNTST_no_device_space:
    case GNTST_no_space:           return -ENOSPC;
    case GNTST_permission_denied:  return -EPERM;
    case GNTST_address_too_big:    return -E2BIG;
    case GNTST_eagain:             return -EAGAIN;
    default:                       return -EIO;
    }
}
