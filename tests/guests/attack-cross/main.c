/* SPDX-License-Identifier: MIT */
/*
 * Each of these grants pages to every number that a domain may have, and maps and unmaps what
 * others grant it, in every form and for ever: for the CPU, for devices, by address, by entry, one
 * handle many times in a batch. Two run, and are destroyed one after the other with the survivor's
 * mappings of the dead one's pages in place; the system test lets the references be recounted each
 * time. Idea: XSA-224, 234, and what keeps a dead domain's pages in memory until the last mapping
 * goes.
 */
#include "../lib/test.h"

#define PEERS   64                          /* domain numbers 0 to 63 */
#define EACH    6                           /* pages for each */
#define PLACES  64                          /* addresses at which is mapped */
#define BATCH   24                          /* more than the hypervisor takes at once */
#define MAPPED  600

static uint64_t seed = 99;
static uint8_t *place;
static struct { grant_handle_t handle; uint64_t host, bus; } mapped[MAPPED];
static unsigned int count;

static unsigned int random_below(unsigned int n)
{
    return (unsigned int)(next_random(&seed) >> 20) % n;
}

/* One handle, again and again: no half of it, either half, both. */
static void unmap_any(void)
{
    struct gnttab_unmap_grant_ref op[BATCH];
    unsigned int i = random_below(count);

    for (unsigned int j = 0; j < BATCH; j++)
        op[j] = (struct gnttab_unmap_grant_ref){
            .handle = mapped[i].handle,
            .host_addr = j & 1 ? mapped[i].host : 0,
            .dev_bus_addr = j & 2 ? mapped[i].bus : 0,
        };
    (void)HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, op, BATCH);
    mapped[i] = mapped[--count];
}

/* Of a neighbour by number, or of our own; the references are those that it most likely has for
 * us. */
static void fill(domid_t self, struct gnttab_map_grant_ref *op)
{
    static const uint32_t forms[] = { GNTMAP_host_map, GNTMAP_device_map,
                                      GNTMAP_host_map | GNTMAP_device_map,
                                      GNTMAP_host_map | GNTMAP_contains_pte };
    void *va = place + random_below(PLACES) * PAGE_SIZE;

    *op = (struct gnttab_map_grant_ref){ .flags = forms[random_below(4)] |
                                                  (random_below(2) ? GNTMAP_readonly : 0),
                                         .dom = (domid_t)(self - 1 + random_below(3)),
                                         .ref = self * EACH + random_below(5 * EACH) };
    op->host_addr = op->flags & GNTMAP_contains_pte ? entry_address(va, 1) : (unsigned long)va;
}

/* How many of another domain's were mapped. */
static unsigned int map_some(domid_t self)
{
    struct gnttab_map_grant_ref op[BATCH];
    unsigned int foreign = 0;

    for (unsigned int i = 0; i < BATCH; i++)
        fill(self, &op[i]);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, op, BATCH), 0);
    for (unsigned int i = 0; i < BATCH; i++) {
        if (op[i].status != GNTST_okay)
            continue;
        foreign += op[i].dom != self;
        if (count == MAPPED)
            unmap_any();
        mapped[count].handle = op[i].handle;
        mapped[count].host = op[i].flags & GNTMAP_host_map ? op[i].host_addr : 0;
        mapped[count++].bus = op[i].dev_bus_addr;
    }
    return foreign;
}

void test_main(void)
{
    domid_t self = own_domid();
    unsigned int foreign = 0;

    if (is_dom0())
        test_skip("only domUs have a neighbour");
    place = vspace_alloc(PLACES);
    NEED(place);
    for (unsigned int i = 0; i < PEERS * EACH; i++) {
        void *page = alloc_zeroed_page();

        NEED(page && grant_page((domid_t)(i / EACH), page, i % EACH == 0) > 0);
    }
    for (;;) {
        unsigned int before = foreign;

        foreign += map_some(self);
        if (before / 1000 != foreign / 1000)
            printk("attack-cross: mapped a thousand of a neighbour's\n");
        if (count && random_below(8) == 0)
            unmap_any();
        vcpu_yield();
    }
}
