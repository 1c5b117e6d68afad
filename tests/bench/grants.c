/* SPDX-License-Identifier: MIT */
/* Grants to ourselves by our own number: map and unmap, and copies of a whole page; one and sixteen in a call. */
#include "bench.h"

#define BATCH 16
static int refs[BATCH];
static void *pages[BATCH];
static char *window;
static struct gnttab_map_grant_ref maps[BATCH];
static struct gnttab_unmap_grant_ref unmaps[BATCH];
static struct gnttab_copy copies[BATCH];

static long make_grants(void)
{
    if (!window) {
        window = vspace_alloc(BATCH);
        for (unsigned int i = 0; i < BATCH; i++)
            pages[i] = new_page();
    }
    for (unsigned int i = 0; i < BATCH; i++) {
        refs[i] = grant_page(own_domid(), pages[i], false);
        if (refs[i] < 0)
            return refs[i];
    }
    return 0;
}

static void end_grants(void)
{
    for (unsigned int i = 0; i < BATCH; i++)
        must(grant_end_access((grant_ref_t)refs[i]));
}

static void map_unmap(unsigned int count, domid_t self)
{
    for (unsigned int i = 0; i < count; i++)
        maps[i] = (struct gnttab_map_grant_ref){ .host_addr = (unsigned long)window + i * PAGE_SIZE, .flags = GNTMAP_host_map,
                                                 .ref = (grant_ref_t)refs[i], .dom = self };
    must(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, maps, count));
    for (unsigned int i = 0; i < count; i++) {
        must(maps[i].status);
        unmaps[i] = (struct gnttab_unmap_grant_ref){ .host_addr = maps[i].host_addr, .handle = maps[i].handle };
    }
    must(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, unmaps, count));
    for (unsigned int i = 0; i < count; i++)
        must(unmaps[i].status);
}

static domid_t self;
static long make_map(void) { self = own_domid(); return make_grants(); }
static void map_1(void) { map_unmap(1, self); }
static void map_16(void) { map_unmap(BATCH, self); }

static void copy_pages(unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        copies[i] = (struct gnttab_copy){ .source.u.ref = (grant_ref_t)refs[i], .source.domid = self,
                                          .dest.u.gmfn = virt_to_mfn(pages[(i + 1) % BATCH]), .dest.domid = DOMID_SELF,
                                          .len = PAGE_SIZE, .flags = GNTCOPY_source_gref };
    must(HYPERVISOR_grant_table_op(GNTTABOP_copy, copies, count));
    for (unsigned int i = 0; i < count; i++)
        must(copies[i].status);
}

static void copy_1(void) { copy_pages(1); }
static void copy_16(void) { copy_pages(BATCH); }

#define GRANT(name_, units_, run_) \
    { .group = "grants", .name = name_, .form = "hypercall", .units = units_, .prepare = make_map, .run = run_, .cleanup = end_grants }
const struct operation grant_operations[] = {
    GRANT("map and unmap one page", 1, map_1),
    GRANT("map and unmap 16 pages, each", BATCH, map_16),
    GRANT("copy 4096 bytes", 1, copy_1),
    GRANT("copy 16 times 4096 bytes, each", BATCH, copy_16),
    { .name = NULL },
};
