/* SPDX-License-Identifier: MIT */
/*
 * memory_op: what memory there is, and whose. The operations that move frames are in reservation.c
 * and exchange.c. A guest of ours has no translated physical map, so the operations on one are
 * refused as Xen refuses them to PV guests.
 */
#include "calls/reservation.h"
#include "domain/chosen.h"
#include "memory/access.h"
#include "machine/boot_info.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "memory/heap.h"

#define M2P_CHUNK (1UL << 21)           /* XENMEM_machphys_mfn_list counts in pieces of 2 MiB */

/* Of what a domain has, may have, and numbers: its last pfn, as it says itself, or 0. */
static uint64_t size_of(const struct domain *d, unsigned int op)
{
    if (op == OP(XENMEM_current_reservation)) return d->memory.page_count;
    if (op == OP(XENMEM_maximum_reservation)) return d->memory.max_pages;
    uint64_t pages = d->shared ? __atomic_load_n(&d->shared->arch.max_pfn, __ATOMIC_RELAXED) : 0;
    return pages ? pages - 1 : 0;
}

static long reservation_size(struct memory_call *c, uint64_t arg)
{
    struct domain *d;
    domid_t id;
    long result;
    int error;

    if (read_guest(&id, arg)) return UNREADABLE;
    d = domain_named(id, RESERVATION_OF, &error);
    if (!d) return error;
    result = (long)MIN(size_of(d, c->op), ~0UL >> 1);
    domain_put(d);
    return result;
}

static long maximum_ram_page(struct memory_call *c, uint64_t unused)
{
    return (long)max_frame;
}

/* The first entries of a map of `count`, and how many. */
static int give_map(struct xen_memory_map *m, const struct e820_entry *entries, unsigned int count)
{
    m->nr_entries = MIN(m->nr_entries, count);
    if (copy_to_guest(VADDR(m->buffer.p), entries, m->nr_entries * sizeof(entries[0])))
        return fail(-EFAULT, "the memory map");
    return 0;
}

/* What a guest sees as its machine: what was chosen for it, or one piece of RAM, as much as it may
 * ever have (balloons grow into it). Today it may have less than it may ever, and than once. */
static int memory_map(struct memory_call *c, struct xen_memory_map *m)
{
    const struct domain *d = current->domain;
    uint64_t most = MAX(d->memory.max_pages, d->memory.most_pages);
    uint64_t pages = most < max_frame ? MAX(most, d->memory.page_count) : d->memory.page_count;
    struct e820_entry ram = { 0, pages << PAGE_SHIFT, 1 };

    if (d->memory_map) return give_map(m, d->memory_map->entry, d->memory_map->count);
    return give_map(m, &ram, 1);
}

static int set_memory_map(struct memory_call *c, const struct xen_foreign_memory_map *op)
{
    struct memory_map *map;
    struct domain *d;
    int error = 0;

    if (op->map.nr_entries > MEMORY_MAP_MOST) return fail(-EINVAL, "a map of more than 128 pieces");
    d = domain_named(op->domid, RESERVATION_OF, &error);
    if (!d) return error;
    spend(2 * COST_CLEAR);
    map = hv_alloc(sizeof(*map));
    if (!map) {
        error = fail(-ENOMEM, "no memory for the map");
    } else if (copy_from_guest(map->entry, VADDR(op->map.buffer.p),
                               op->map.nr_entries * sizeof(map->entry[0]))) {
        error = fail(-EFAULT, "the map cannot be read");
    } else {
        map->count = op->map.nr_entries;
        map = __atomic_exchange_n(&d->memory_map, map, __ATOMIC_RELAXED);
    }
    hv_free(map, sizeof(*map));
    domain_put(d);
    return error;
}

static int machine_memory_map(struct memory_call *c, struct xen_memory_map *m)
{
    struct e820_entry entries[BOOT_MAX_REGIONS];

    spend((int)boot_info.region_count * COST_ENTRY);
    for (uint32_t i = 0; i < boot_info.region_count; i++) {
        const struct region *r = &boot_info.regions[i];

        entries[i] = (struct e820_entry){ r->start, r->end - r->start, r->type };
    }
    return give_map(m, entries, boot_info.region_count);
}

/* As on Xen, another domain's last frame is any machine's: it may be restored on a larger one, and
 * asks once. */
static int machphys_mapping(struct memory_call *c, struct xen_machphys_mapping *m)
{
    uint64_t frames = current->domain->privileged ? max_frame : MACH2PHYS_NR_ENTRIES;

    *m = (struct xen_machphys_mapping){ MACH2PHYS_VIRT_START, MACH2PHYS_VIRT_END, frames - 1 };
    return 0;
}

/* The frames of the M2P itself, for tools that map it (as DOMID_XEN's, read-only). */
static int machphys_mfn_list(struct memory_call *c, struct xen_machphys_mfn_list *list)
{
    uint64_t chunks = ROUND_UP(max_frame * sizeof(uint64_t), M2P_CHUNK) / M2P_CHUNK;

    list->nr_extents = (unsigned int)MIN(list->max_extents, chunks);
    spend((int)list->nr_extents * COST_ENTRY);
    for (uint64_t i = 0; i < list->nr_extents; i++)
        if (write_guest_u64((uint64_t)list->extent_start.p + i * sizeof(xen_pfn_t),
                            virt_to_mfn((char *)m2p_table + i * M2P_CHUNK).n))
            return fail(-EFAULT, "the list");
    return 0;
}

/* Is there one that the caller may name? */
static int check_named(domid_t id)
{
    int error;
    struct domain *d = domain_named(id, RESERVATION_OF, &error);

    if (!d) return error;
    domain_put(d);
    return 0;
}

static int shared_pages(struct memory_call *c, uint64_t unused)
{
    return 0;                       /* no frame is several domains' */
}

static int physmap(domid_t id)
{
    return check_named(id) ?: fail(-EACCES, "a PV guest keeps its own physical map");
}

/* A toolstack that may not have them like this maps the frames as foreign ones. */
static int acquire(struct memory_call *c, const struct xen_mem_acquire_resource *op)
{
    return check_named(op->domid) ?: expected(-EOPNOTSUPP, "frames are mapped by their numbers");
}

/* What is said besides must be zero. */
static int claim(struct memory_call *c, const struct xen_memory_reservation *r)
{
    if (c->start || r->extent_start.p || r->extent_order || r->mem_flags)
        return fail(-EINVAL, "a claim is of a number of pages, and no more");
    struct domain *d = domain_get(r->domid);
    if (!d) return fail(-EINVAL, "there is no such domain");
    int error = 0;
    if (r->nr_extents)
        error = frames_claim(&d->memory, r->nr_extents);
    else
        frames_disclaim(&d->memory);
    domain_put(d);
    return error;
}

static int virtual_nodes(struct memory_call *c, const struct xen_vnuma_topology_info *op)
{
    if (op->pad) return fail(-EINVAL, "a field that must be zero is not");
    return check_named(op->domid) ?: expected(-EOPNOTSUPP, "no domain has virtual nodes");
}

static int physmap_add(struct memory_call *c, const struct xen_add_to_physmap *op)
{
    return physmap(op->domid);
}

static int physmap_add_batch(struct memory_call *c, const struct xen_add_to_physmap_batch *op)
{
    return physmap(op->domid);
}

static int physmap_remove(struct memory_call *c, const struct xen_remove_from_physmap *op)
{
    return physmap(op->domid);
}

static const struct operation operations[] = {
    ROW_AT(XENMEM_increase_reservation, memory_call, memory_reservation),
    ROW_AT(XENMEM_decrease_reservation, memory_call, memory_reservation),
    ROW_AT(XENMEM_populate_physmap, memory_call, memory_reservation),
    ROW_AT(XENMEM_exchange, memory_call, memory_exchange),
    ROW_AT(XENMEM_maximum_ram_page, memory_call, maximum_ram_page),
    ROW_AT(XENMEM_current_reservation, memory_call, reservation_size),
    ROW_AT(XENMEM_maximum_reservation, memory_call, reservation_size),
    ROW_AT(XENMEM_maximum_gpfn, memory_call, reservation_size),
    ROW(XENMEM_memory_map, memory_call, xen_memory_map, memory_map),
    ROW(XENMEM_set_memory_map, memory_call, xen_foreign_memory_map, set_memory_map),
    ROW(XENMEM_machine_memory_map, memory_call, xen_memory_map, machine_memory_map),
    ROW(XENMEM_machphys_mapping, memory_call, xen_machphys_mapping, machphys_mapping),
    ROW(XENMEM_machphys_mfn_list, memory_call, xen_machphys_mfn_list, machphys_mfn_list),
    ROW(XENMEM_add_to_physmap, memory_call, xen_add_to_physmap, physmap_add),
    ROW(XENMEM_add_to_physmap_batch, memory_call, xen_add_to_physmap_batch, physmap_add_batch),
    ROW(XENMEM_remove_from_physmap, memory_call, xen_remove_from_physmap, physmap_remove),
    ROW_AT(XENMEM_get_sharing_freed_pages, memory_call, shared_pages),
    ROW_AT(XENMEM_get_sharing_shared_pages, memory_call, shared_pages),
    ROW(XENMEM_acquire_resource, memory_call, xen_mem_acquire_resource, acquire),
    ROW(XENMEM_claim_pages, memory_call, xen_memory_reservation, claim),
    ROW(XENMEM_get_vnumainfo, memory_call, xen_vnuma_topology_info, virtual_nodes),
};

long do_memory_op(unsigned long command, uint64_t arg)
{
    struct memory_call call = { (unsigned int)(command & ((1u << MEMOP_EXTENT_SHIFT) - 1)),
                                command >> MEMOP_EXTENT_SHIFT };

    return operation_call(operations, ARRAY_SIZE(operations), call.op, &call, arg, NULL);
}
