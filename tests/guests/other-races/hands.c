/* SPDX-License-Identifier: MIT */
/* What the hands do: a list of calls is put together for one, as a multicall in its data page, and
 * it makes them while we do something else. */
#include "neighbours.h"

#define CALLS     8
#define ARGUMENTS 1024          /* from there on, ARGUMENT bytes for each call */
#define ARGUMENT  128

struct call { struct multicall_entry *entry; uint8_t *argument; uint64_t where; };

/* Its argument structure goes to its data page. */
static void set(struct call *c, unsigned long number, uint64_t a0, uint64_t a1, uint64_t a2,
                uint64_t a3)
{
    *c->entry = (struct multicall_entry){ .op = number, .args = { a0, a1, a2, a3 } };
}

static void set_op(struct call *c, unsigned long number, unsigned int command, const void *argument,
                   size_t bytes)
{
    memcpy(c->argument, argument, bytes);
    set(c, number, command, c->where, 1, 0);
}

static unsigned int own_pfn(struct racer *r)
{
    return OTHER_FREE + PATTERNS + any(r, OWN_PAGES);
}

/* A grant of ours, or of the other hand. */
static void any_grant(struct racer *r, const struct neighbour *n, domid_t *domain, grant_ref_t *ref)
{
    unsigned int i = any(r, REFS);
    bool ours = any(r, 2);

    *domain = ours ? 0 : neighbours[n == &neighbours[0]].other.id;
    *ref = ours ? own_refs[i] : FIRST_REF + REFS + i;
}

static void grant_call(struct racer *r, const struct neighbour *n, struct call *c)
{
    struct gnttab_map_grant_ref map = { .host_addr = PLACE(any(r, PLACES)),
                                        .flags = GNTMAP_host_map |
                                                 (any(r, 2) ? GNTMAP_readonly : 0) };
    struct gnttab_unmap_grant_ref unmap = { .host_addr = PLACE(any(r, PLACES)),
                                            .handle = any(r, PLACES) };
    struct gnttab_copy copy = { .len = 64, .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref };

    switch (any(r, 3)) {
    case 0:
        any_grant(r, n, &map.dom, &map.ref);
        set_op(c, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &map, sizeof(map));
        break;
    case 1:
        set_op(c, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, sizeof(unmap));
        break;
    default:
        any_grant(r, n, &copy.source.domid, &copy.source.u.ref);
        any_grant(r, n, &copy.dest.domid, &copy.dest.u.ref);
        set_op(c, __HYPERVISOR_grant_table_op, GNTTABOP_copy, &copy, sizeof(copy));
    }
}

static void port_call(struct racer *r, const struct neighbour *n, struct call *c)
{
    evtchn_port_t port = 1 + any(r, REFS);
    domid_t peer = any(r, 3) ? 0 : neighbours[n == &neighbours[0]].other.id;
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = peer };
    struct evtchn_bind_interdomain bind = { .remote_dom = peer,
                                            .remote_port = peer ? port : own_ports[port - 1] };
    struct evtchn_reset reset = { .dom = DOMID_SELF };
    unsigned int kind = any(r, 16);

    if (kind == 0)
        set_op(c, __HYPERVISOR_event_channel_op, EVTCHNOP_reset, &reset, sizeof(reset));
    else if (kind < 3)
        set_op(c, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &alloc, sizeof(alloc));
    else if (kind < 7)
        set_op(c, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind, sizeof(bind));
    else                /* send, close, unmask: a port is all that they want */
        set_op(c, __HYPERVISOR_event_channel_op,
               kind < 12 ? EVTCHNOP_send : kind < 14 ? EVTCHNOP_close : EVTCHNOP_unmask, &port,
               sizeof(port));
}

static void memory_call(struct racer *r, const struct neighbour *n, struct call *c)
{
    unsigned int pfn = own_pfn(r);
    uint64_t frame = n->other.frame[pfn], entry = any(r, 3) ? frame << PAGE_SHIFT | PROT_RW : 0;
    struct xen_memory_reservation reservation = { .nr_extents = 1, .domid = DOMID_SELF };
    struct mmuext_op pin = { .cmd = any(r, 2) ? MMUEXT_UNPIN_TABLE
                                              : MMUEXT_PIN_L1_TABLE + any(r, 4),
                             .arg1.mfn = frame },
                     flush = { .cmd = any(r, 2) ? MMUEXT_TLB_FLUSH_ALL : MMUEXT_INVLPG_ALL,
                               .arg1.linear_addr = OTHER_VA(pfn) };

    switch (any(r, 5)) {
    case 0:                                             /* its number lies behind the structure */
        memcpy(c->argument + sizeof(reservation), &frame, sizeof(frame));
        reservation.extent_start.p = (void *)(uintptr_t)(c->where + sizeof(reservation));
        set_op(c, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &reservation,
               sizeof(reservation));
        break;
    case 1:
        memcpy(c->argument, &pin, sizeof(pin));
        set(c, __HYPERVISOR_mmuext_op, c->where, 1, 0, DOMID_SELF);
        break;
    case 2:
        memcpy(c->argument, &flush, sizeof(flush));
        set(c, __HYPERVISOR_mmuext_op, c->where, 1, 0, DOMID_SELF);
        break;
    default:
        set(c, __HYPERVISOR_update_va_mapping, OTHER_VA(pfn), any(r, 4) ? entry : entry & ~2UL,
            any(r, 2) ? 0 : UVMF_TLB_FLUSH | UVMF_ALL, 0);
    }
}

static void other_call_of(struct racer *r, const struct neighbour *n, struct call *c)
{
    struct vcpu_register_runstate_memory_area area = {
        .addr.p = OTHER_VA(OTHER_FREE + PATTERNS) + any(r, 64) * 8
    };
    struct vcpu_set_periodic_timer periodic = { .period_ns = NS_PER_MS };

    switch (any(r, 4)) {
    case 0:
        set(c, __HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, c->where, 0);
        memcpy(c->argument, &area, sizeof(area));
        break;
    case 1:
        set(c, __HYPERVISOR_vcpu_op, any(r, 2) ? VCPUOP_set_periodic_timer
                                               : VCPUOP_stop_periodic_timer, 0, c->where, 0);
        memcpy(c->argument, &periodic, sizeof(periodic));
        break;
    default: set(c, __HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0);
    }
}

void hand_asked(struct racer *r, struct neighbour *n)
{
    static void (*const kinds[])(struct racer *, const struct neighbour *, struct call *) = {
        grant_call, port_call, memory_call, other_call_of
    };
    struct multicall_entry *entries = (struct multicall_entry *)(void *)n->other.data;

    for (unsigned int i = 0; i < n->asked; i++)
        note(r, (long)entries[i].result);
    for (unsigned int i = 0; i < CALLS; i++) {
        struct call c = { &entries[i], n->other.data + ARGUMENTS + i * ARGUMENT,
                          OTHER_VA(OTHER_DATA) + ARGUMENTS + i * ARGUMENT };

        kinds[any(r, 4)](r, n, &c);
    }
    n->asked = CALLS;
    other_ask(&n->other, __HYPERVISOR_multicall, OTHER_VA(OTHER_DATA), CALLS, 0, 0);
}

void hands_race(struct racer *r)
{
    struct neighbour *n = &neighbours[any(r, HANDS)];

    if (__atomic_exchange_n(&n->busy, 1, __ATOMIC_ACQUIRE)) return;
    if (other_done(&n->other))
        hand_asked(r, n);
    __atomic_store_n(&n->busy, 0, __ATOMIC_RELEASE);
}
