/* SPDX-License-Identifier: MIT */
/* What domains say and show to each other: event channels and grants. */
#include "privilege.h"

#define SEEN 32u                            /* ports of ours that a reset must bring back */

/* ---- ports ---- */

static void close_port(evtchn_port_t port)
{
    struct evtchn_close op = { .port = port };

    (void)HYPERVISOR_event_channel_op(EVTCHNOP_close, &op);
}

/* A port to ourselves. Its number is the SDK's business too: nobody else makes one meanwhile. */
static evtchn_port_t new_port(void)
{
    struct evtchn_bind_ipi op = { .vcpu = 0 };

    NEED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &op) == 0);
    return op.port;
}

TRY(EVTCHNOP_bind_ipi)
{
    struct evtchn_bind_ipi op = { .vcpu = 0 };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &op);

    close_port(op.port);
    return result;
}

TRY(EVTCHNOP_close)
{
    struct evtchn_close op = { .port = new_port() };

    return HYPERVISOR_event_channel_op(EVTCHNOP_close, &op);
}

TRY(EVTCHNOP_send)
{
    struct evtchn_send op = { .port = new_port() };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_send, &op);

    close_port(op.port);
    return result;
}

TRY(EVTCHNOP_unmask)
{
    struct evtchn_unmask op = { .port = new_port() };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &op);

    close_port(op.port);
    return result;
}

TRY(EVTCHNOP_bind_virq)
{
    struct evtchn_bind_virq op = { .virq = VIRQ_DEBUG, .vcpu = 0 };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &op);

    close_port(op.port);
    return result;
}

TRY(EVTCHNOP_bind_pirq)
{
    struct evtchn_bind_pirq op = { .pirq = (uint32_t)map_gsi(20) };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &op);

    if (result == 0)
        close_port(op.port);
    unmap_gsi(20);
    return result;
}

/* A port of the target's that waits: ours for anybody, the victim's for itself. A domU tries all
 * that dom0 or a neighbour may have. */
TRY(EVTCHNOP_bind_interdomain)
{
    struct evtchn_alloc_unbound waiting = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct evtchn_bind_interdomain op = { .remote_dom = target, .remote_port = VICTIM_PORT };
    long result;

    if (target == DOMID_SELF) {
        NEED(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &waiting) == 0);
        op.remote_port = waiting.port;
    }
    do {
        result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &op);
    } while (result == -EINVAL && target != DOMID_SELF && ++op.remote_port < 64);
    if (result == 0)
        close_port(op.local_port);
    if (target == DOMID_SELF)
        close_port(op.remote_port);
    return result;
}

TRY(EVTCHNOP_alloc_unbound)
{
    struct evtchn_alloc_unbound op = { .dom = target, .remote_dom = DOMID_SELF };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &op);

    if (target == DOMID_SELF)
        close_port(op.port);
    return result;
}

TRY(EVTCHNOP_bind_vcpu)
{
    struct evtchn_alloc_unbound port = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct evtchn_bind_vcpu op = { .vcpu = 0 };
    long result;

    NEED(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &port) == 0);
    op.port = port.port;
    result = HYPERVISOR_event_channel_op(EVTCHNOP_bind_vcpu, &op);
    close_port(op.port);
    return result;
}

TRY(EVTCHNOP_status)
{
    struct evtchn_status op = { .dom = target, .port = VICTIM_PORT };

    return HYPERVISOR_event_channel_op(EVTCHNOP_status, &op);
}

/* ---- a reset closes our own ports too: make again what was there, in the same order, so that it
 * has the same numbers ---- */

static evtchn_port_t bind_again(const struct evtchn_status *was)
{
    struct evtchn_bind_interdomain pair = { .remote_dom = was->u.interdomain.dom,
                                            .remote_port = was->u.interdomain.port };
    struct evtchn_bind_virq virq = { .virq = was->u.virq, .vcpu = was->vcpu };

    if (was->status == EVTCHNSTAT_interdomain)
        return HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &pair) ? 0 : pair.local_port;
    if (was->status == EVTCHNSTAT_virq)
        return HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &virq) ? 0 : virq.port;
    return new_port(); /* an IPI of the SDK's, or a place to be kept free */
}

static void bind_all_again(const struct evtchn_status *was)
{
    for (evtchn_port_t port = 1; port < SEEN; port++)
        NEED(bind_again(&was[port]) == port);
    for (evtchn_port_t port = 1; port < SEEN; port++)
        if (was[port].status == EVTCHNSTAT_closed)
            close_port(port);
}

TRY(EVTCHNOP_reset)
{
    static struct evtchn_status was[SEEN];
    struct evtchn_reset op = { .dom = target };
    long result;

    for (evtchn_port_t port = 1; port < SEEN; port++) {
        was[port] = (struct evtchn_status){ .dom = DOMID_SELF, .port = port };
        NEED(HYPERVISOR_event_channel_op(EVTCHNOP_status, &was[port]) == 0);
    }
    result = HYPERVISOR_event_channel_op(EVTCHNOP_reset, &op);
    if (target == DOMID_SELF && result == 0)
        bind_all_again(was);
    return result;
}

/* ---- grants ---- */

/* The status of a request that the call as such has taken. */
static long granted(unsigned int op, void *request, const int16_t *status)
{
    long error = HYPERVISOR_grant_table_op(op, request, 1);

    return error ? error : *status;
}

static void *page;
static grant_ref_t reference;

/* Ours to ourselves; of others, what nobody has granted. */
static grant_ref_t grant_of(domid_t target)
{
    int ref;

    if (target != DOMID_SELF) return NOT_GRANTED;
    NEED(page = alloc_zeroed_page());
    NEED((ref = grant_page(self, page, true)) > 0);
    return reference = (grant_ref_t)ref;
}

static void grant_done(domid_t target)
{
    if (target != DOMID_SELF) return;
    CHECK_IS(grant_end_access(reference), 0);
    free_page(page);
}

static long map(domid_t target, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = { .host_addr = (unsigned long)hole,
                                       .flags = GNTMAP_host_map | GNTMAP_readonly };
    long status;

    op.ref = grant_of(target);
    op.dom = target == DOMID_SELF ? self : target;
    status = granted(GNTTABOP_map_grant_ref, &op, &op.status);
    *handle = op.handle;
    return status;
}

static long unmap(grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref op = { .host_addr = (unsigned long)hole, .handle = handle };

    return granted(GNTTABOP_unmap_grant_ref, &op, &op.status);
}

TRY(GNTTABOP_map_grant_ref)
{
    grant_handle_t handle;
    long status = map(target, &handle);

    if (status == GNTST_okay)
        CHECK_IS(unmap(handle), 0);
    grant_done(target);
    return status;
}

TRY(GNTTABOP_unmap_grant_ref)
{
    grant_handle_t handle;
    long status;

    NEED(map(DOMID_SELF, &handle) == GNTST_okay);
    status = unmap(handle);
    grant_done(DOMID_SELF);
    return status;
}

/* The entry of another address takes the place of the grant's. */
TRY(GNTTABOP_unmap_and_replace)
{
    struct gnttab_unmap_and_replace op = { .host_addr = (unsigned long)hole };
    void *other = vspace_alloc(1), *shown = alloc_zeroed_page();
    long status;

    NEED(other && shown && map(DOMID_SELF, &op.handle) == GNTST_okay);
    NEED(HYPERVISOR_update_va_mapping((unsigned long)other, virt_to_machine(shown) | PROT_RO,
                                      UVMF_INVLPG) == 0);
    op.new_addr = (unsigned long)other;
    status = granted(GNTTABOP_unmap_and_replace, &op, &op.status);
    CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)hole, 0, UVMF_INVLPG), 0);
    vspace_free(other, 1);
    free_page(shown);
    grant_done(DOMID_SELF);
    return status;
}

TRY(GNTTABOP_copy)
{
    void *to = alloc_zeroed_page();
    struct gnttab_copy op = { .flags = GNTCOPY_source_gref, .len = 8 };
    long status;

    NEED(to);
    op.source.u.ref = grant_of(target);
    op.source.domid = target == DOMID_SELF ? self : target;
    op.dest.u.gmfn = virt_to_mfn(to);
    op.dest.domid = DOMID_SELF;
    status = granted(GNTTABOP_copy, &op, &op.status);
    grant_done(target);
    free_page(to);
    return status;
}

TRY(GNTTABOP_setup_table)
{
    xen_pfn_t frame;
    struct gnttab_setup_table op = { .dom = target, .nr_frames = 1 };

    set_xen_guest_handle(op.frame_list, &frame);
    return granted(GNTTABOP_setup_table, &op, &op.status);
}

TRY(GNTTABOP_query_size)
{
    struct gnttab_query_size op = { .dom = target };

    return granted(GNTTABOP_query_size, &op, &op.status);
}

TRY(GNTTABOP_get_version)
{
    struct gnttab_get_version op = { .dom = target };

    return HYPERVISOR_grant_table_op(GNTTABOP_get_version, &op, 1);
}

/* Refused by design: in order, but for that. */
TRY(GNTTABOP_transfer)
{
    struct gnttab_transfer op = { .mfn = INVALID_MFN, .domid = self };

    return HYPERVISOR_grant_table_op(GNTTABOP_transfer, &op, 1);
}

TRY(GNTTABOP_swap_grant_ref)
{
    struct gnttab_swap_grant_ref op = { .ref_a = 8, .ref_b = 8 };

    return HYPERVISOR_grant_table_op(GNTTABOP_swap_grant_ref, &op, 1);
}

TRY(GNTTABOP_get_status_frames)
{
    struct gnttab_get_status_frames op = { .dom = DOMID_SELF };

    return HYPERVISOR_grant_table_op(GNTTABOP_get_status_frames, &op, 1);
}

TRY(GNTTABOP_cache_flush)
{
    struct gnttab_cache_flush op = { .op = GNTTAB_CACHE_CLEAN, .length = 64 };

    op.a.dev_bus_addr = virt_to_machine(&shared_info);
    return HYPERVISOR_grant_table_op(GNTTABOP_cache_flush, &op, 1);
}

TRY(EVTCHNOP_init_control)
{
    void *block = alloc_zeroed_page();
    struct evtchn_init_control op = { .control_gfn = virt_to_mfn(block) };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_init_control, &op);

    free_page(block);
    return result;
}

TRY(EVTCHNOP_expand_array)
{
    struct evtchn_expand_array op = { .array_gfn = 0 };

    return HYPERVISOR_event_channel_op(EVTCHNOP_expand_array, &op);
}

TRY(EVTCHNOP_set_priority)
{
    struct evtchn_set_priority op = { .port = new_port() };
    long result = HYPERVISOR_event_channel_op(EVTCHNOP_set_priority, &op);

    close_port(op.port);
    return result;
}

TRY(GNTTABOP_set_version)
{
    struct gnttab_set_version op = { .version = 1 };

    return HYPERVISOR_grant_table_op(GNTTABOP_set_version, &op, 1);
}
