/* SPDX-License-Identifier: MIT */
/*
 * memory_op: what memory there is, and whose. The operations that move frames are in reservation.c
 * and exchange.c. A guest of ours has no translated physical map, so the operations on one are
 * refused as Xen refuses them to PV guests.
 */
#include "calls/reservation.h"
#include "memory/access.h"
#include "machine/boot_info.h"
#include "entry/hypercall.h"
#include "lib/fail.h"

#define M2P_CHUNK (1UL << 21)           /* XENMEM_machphys_mfn_list counts in pieces of 2 MiB */

struct e820_entry { uint64_t start, size; uint32_t type; } __attribute__((packed));

static long reservation_size(unsigned int op, uint64_t arg)
{
    struct domain *d;
    domid_t id;
    long result;

    if (read_guest(&id, arg)) return fail(-EFAULT, "the domain's number");
    result = reservation_domain(id, &d);
    if (result) return result;
    if (op == OP(XENMEM_current_reservation))
        result = (long)d->memory.page_count;
    else
        result = (long)MIN(d->memory.max_pages, ~0UL >> 1);
    reservation_put(d);
    return result;
}

/* Copy the first entries of a map of `count`, and how many. */
static long give_map(uint64_t arg, const struct e820_entry *entries, unsigned int count)
{
    struct xen_memory_map m;

    if (read_guest(&m, arg)) return fail(-EFAULT, "the memory map");
    m.nr_entries = MIN(m.nr_entries, count);
    if (copy_to_guest(VADDR(m.buffer.p), entries, m.nr_entries * sizeof(entries[0])) ||
        write_guest(arg, &m))
        return fail(-EFAULT, "the memory map");
    return 0;
}

/* What a guest sees as its machine: one piece of RAM, as much as it may ever have (balloons grow
 * into it). Today it may have less than it may ever, and than once. */
static long memory_map(uint64_t arg)
{
    const struct domain *d = current->domain;
    uint64_t most = MAX(d->memory.max_pages, d->memory.most_pages);
    uint64_t pages = most < max_frame ? MAX(most, d->memory.page_count) : d->memory.page_count;
    struct e820_entry ram = { 0, pages << PAGE_SHIFT, 1 };

    return give_map(arg, &ram, 1);
}

static long machine_memory_map(uint64_t arg)
{
    struct e820_entry entries[BOOT_MAX_REGIONS];

    for (uint32_t i = 0; i < boot_info.region_count; i++) {
        const struct region *r = &boot_info.regions[i];

        entries[i] = (struct e820_entry){ r->start, r->end - r->start, r->type };
    }
    return give_map(arg, entries, boot_info.region_count);
}

static long machphys_mapping(uint64_t arg)
{
    struct xen_machphys_mapping m = { MACH2PHYS_VIRT_START, MACH2PHYS_VIRT_END, max_frame - 1 };

    return write_guest(arg, &m) ? fail(-EFAULT, "the mapping") : 0;
}

/* The frames of the M2P itself, for tools that map it (as DOMID_XEN's, read-only). */
static long machphys_mfn_list(uint64_t arg)
{
    uint64_t chunks = ROUND_UP(max_frame * sizeof(uint64_t), M2P_CHUNK) / M2P_CHUNK;
    struct xen_machphys_mfn_list list;

    if (read_guest(&list, arg)) return fail(-EFAULT, "the list");
    list.nr_extents = (unsigned int)MIN(list.max_extents, chunks);
    spend((int)list.nr_extents * COST_ENTRY);
    for (uint64_t i = 0; i < list.nr_extents; i++)
        if (write_guest_u64((uint64_t)list.extent_start.p + i * sizeof(xen_pfn_t),
                            virt_to_mfn((char *)m2p_table + i * M2P_CHUNK).n))
            return fail(-EFAULT, "the list");
    return write_guest(arg, &list) ? fail(-EFAULT, "the list") : 0;
}

/* Whom a call about a physical map is for: each has its domain at another place. */
static int physmap_domain(unsigned int op, uint64_t arg, domid_t *id)
{
    union {
        struct xen_add_to_physmap add;
        struct xen_add_to_physmap_batch batch;
        struct xen_remove_from_physmap remove;
    } u;
    size_t size = op == OP(XENMEM_add_to_physmap)         ? sizeof(u.add)
                  : op == OP(XENMEM_add_to_physmap_batch) ? sizeof(u.batch)
                                                          : sizeof(u.remove);

    if (copy_from_guest(&u, VADDR(arg), size)) return -EFAULT;
    *id = op == OP(XENMEM_add_to_physmap)         ? u.add.domid
          : op == OP(XENMEM_add_to_physmap_batch) ? u.batch.domid
                                                  : u.remove.domid;
    return 0;
}

static long physmap(unsigned int op, uint64_t arg)
{
    struct domain *d;
    domid_t id;

    if (physmap_domain(op, arg, &id)) return fail(-EFAULT, "the change of a physical map");
    int error = reservation_domain(id, &d);
    if (error) return error;
    reservation_put(d);
    return fail(-EACCES, "a PV guest keeps its own physical map");
}

long do_memory_op(unsigned long command, uint64_t arg)
{
    unsigned int op = (unsigned int)(command & ((1u << MEMOP_EXTENT_SHIFT) - 1));

    switch (op) {
    CASE(XENMEM_increase_reservation)
    ALSO(XENMEM_decrease_reservation)
    ALSO(XENMEM_populate_physmap) return memory_reservation(op, command >> MEMOP_EXTENT_SHIFT, arg);
    CASE(XENMEM_exchange) return memory_exchange(arg);
    CASE(XENMEM_maximum_ram_page) return (long)max_frame;
    CASE(XENMEM_current_reservation)
    ALSO(XENMEM_maximum_reservation) return reservation_size(op, arg);
    CASE(XENMEM_memory_map) return memory_map(arg);
    CASE(XENMEM_machine_memory_map) return machine_memory_map(arg);
    CASE(XENMEM_machphys_mapping) return machphys_mapping(arg);
    CASE(XENMEM_machphys_mfn_list) return machphys_mfn_list(arg);
    CASE(XENMEM_add_to_physmap)
    ALSO(XENMEM_add_to_physmap_batch)
    ALSO(XENMEM_remove_from_physmap) return physmap(op, arg);
    default: return fail(-ENOSYS, "no such memory operation");
    }
}
