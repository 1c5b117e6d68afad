/* SPDX-License-Identifier: MIT */
/*
 * Event channels between two domains: a port can be bound by the domain that it was made for, once,
 * and by nobody else; each end hears the other; closing one end, or destroying its domain, leaves
 * the other one waiting, for the same domain only; the control domain may look at, make and reset
 * another's ports, and another domain may not do that with the control domain's. Idea: XSA-46, 47,
 * 221, 317 (reset, limits), public/event_channel.h.
 */
#include "../lib/other.h"

static struct other other;
static domid_t self;

static long op_there(unsigned int command, void *argument, size_t bytes)
{
    return other_op(&other, __HYPERVISOR_event_channel_op, command, argument, bytes);
}

/* A port of ours, unbound, for a domain. */
static evtchn_port_t port_for(domid_t remote)
{
    struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = remote };

    NEED(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &op) == 0);
    return op.port;
}

static struct evtchn_status status_of(domid_t domid, evtchn_port_t port)
{
    struct evtchn_status op = { .dom = domid, .port = port, .status = 99 };

    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_status, &op), 0);
    return op;
}

static long close_here(evtchn_port_t port)
{
    struct evtchn_close op = { .port = port };

    return HYPERVISOR_event_channel_op(EVTCHNOP_close, &op);
}

/* The other domain binds a port of ours: its own port's number, or -errno. */
static long bound_there(evtchn_port_t port)
{
    struct evtchn_bind_interdomain op = { .remote_dom = self, .remote_port = port };
    long error = op_there(EVTCHNOP_bind_interdomain, &op, sizeof(op));

    return error ? error : (long)op.local_port;
}

static long close_there(evtchn_port_t port)
{
    struct evtchn_close op = { .port = port };

    return op_there(EVTCHNOP_close, &op, sizeof(op));
}

static long send_there(evtchn_port_t port)
{
    struct evtchn_send op = { .port = port };

    return op_there(EVTCHNOP_send, &op, sizeof(op));
}

static long send_here(evtchn_port_t port)
{
    struct evtchn_send op = { .port = port };

    return HYPERVISOR_event_channel_op(EVTCHNOP_send, &op);
}

static bool is_set(const xen_ulong_t *bits, evtchn_port_t port)
{
    return bits[port / 64] >> port % 64 & 1;
}

static void pair(void)
{
    evtchn_port_t ours = port_for(other.id), theirs;
    struct shared_info *shared = other_shared_info(&other);
    struct evtchn_status status = status_of(DOMID_SELF, ours);
    long bound = bound_there(ours);

    CHECK_IS(status.status, EVTCHNSTAT_unbound);
    CHECK_IS(status.u.unbound.dom, other.id);
    CHECK(bound > 0);
    theirs = (evtchn_port_t)bound;
    status = status_of(DOMID_SELF, ours);
    CHECK_IS(status.status, EVTCHNSTAT_interdomain);
    CHECK_IS(status.u.interdomain.dom, other.id);
    CHECK_IS(status.u.interdomain.port, theirs);
    status = status_of(other.id, theirs);
    CHECK_IS(status.status, EVTCHNSTAT_interdomain);
    CHECK_IS(status.u.interdomain.dom, self);
    CHECK_IS(status.u.interdomain.port, ours);
    /* binding notifies once: what was sent before is not lost */
    CHECK(is_set(shared->evtchn_pending, theirs));

    /* bound already, by the same domain */
    CHECK_IS(bound_there(ours), -EINVAL);
    status = status_of(DOMID_SELF, ours);
    CHECK_IS(status.u.interdomain.port, theirs);

    __atomic_store_n(&shared->evtchn_pending[theirs / 64], 0, __ATOMIC_SEQ_CST);
    CHECK_IS(send_here(ours), 0);
    CHECK(is_set(shared->evtchn_pending, theirs));
    CHECK(shared->vcpu_info[0].evtchn_upcall_pending &&
          is_set(&shared->vcpu_info[0].evtchn_pending_sel, theirs / 64));
    event_mask(ours);
    CHECK(!event_pending(ours));
    CHECK_IS(send_there(theirs), 0);
    CHECK(event_pending(ours));
    CHECK_IS(send_there(theirs + 1), -EINVAL);                  /* closed */

    /* One end closes: the other waits, for the same domain; what is sent meanwhile goes nowhere. */
    CHECK_IS(close_there(theirs), 0);
    CHECK(!is_set(shared->evtchn_pending, theirs));
    CHECK_IS(close_there(theirs), -EINVAL);
    status = status_of(DOMID_SELF, ours);
    CHECK_IS(status.status, EVTCHNSTAT_unbound);
    CHECK_IS(status.u.unbound.dom, other.id);
    CHECK_IS(send_here(ours), 0);
    CHECK(!is_set(shared->evtchn_pending, theirs));
    bound = bound_there(ours);
    CHECK(bound > 0);
    CHECK_IS(close_here(ours), 0);
    CHECK(!event_pending(ours));
    CHECK_IS(status_of(other.id, (evtchn_port_t)bound).status, EVTCHNSTAT_unbound);
    CHECK_IS(close_there((evtchn_port_t)bound), 0);
    unmap_frames(shared, 1);
}

/* Ports of ours that are not for it: of each kind, and those that do not exist. */
static void not_for_them(void)
{
    evtchn_port_t alone = port_for(self), elsewhere = port_for((domid_t)(other.id + 1)),
                  closed = port_for(other.id);
    struct evtchn_bind_ipi ipi = { .vcpu = 0 };
    struct evtchn_bind_virq virq = { .virq = VIRQ_DEBUG, .vcpu = 0 };
    struct evtchn_bind_interdomain own = { .remote_dom = DOMID_SELF, .remote_port = alone };

    NEED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &ipi) == 0 &&
         HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &virq) == 0);
    NEED(close_here(closed) == 0);
    CHECK_IS(bound_there(alone), -EINVAL);
    CHECK_IS(bound_there(elsewhere), -EINVAL);
    CHECK_IS(bound_there(closed), -EINVAL);
    CHECK_IS(bound_there(ipi.port), -EINVAL);
    CHECK_IS(bound_there(virq.port), -EINVAL);
    CHECK_IS(bound_there(0), -EINVAL);
    CHECK_IS(bound_there(4096), -EINVAL);
    CHECK_IS(bound_there(~0u), -EINVAL);
    /* it was ours to bind */
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &own), 0);
    CHECK_IS(bound_there(alone), -EINVAL);
    CHECK_IS(bound_there(own.local_port), -EINVAL);
    CHECK_IS(status_of(DOMID_SELF, elsewhere).u.unbound.dom, other.id + 1);
    CHECK_IS(close_here(own.local_port), 0);
    CHECK_IS(close_here(alone), 0);
    CHECK_IS(close_here(elsewhere), 0);
    CHECK_IS(close_here(ipi.port), 0);
    CHECK_IS(close_here(virq.port), 0);
}

/* What the control domain may do with another's ports, and another not with the control
 * domain's. */
static void of_another_domain(void)
{
    struct evtchn_alloc_unbound made = { .dom = other.id, .remote_dom = DOMID_SELF },
                                wanted = { .dom = self, .remote_dom = other.id };
    struct evtchn_bind_interdomain bind = { .remote_dom = other.id };
    struct evtchn_status status = { .dom = self };
    struct evtchn_reset reset = { .dom = self };
    evtchn_port_t ours = port_for(other.id);

    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &made), 0);
    CHECK_IS(status_of(other.id, made.port).status, EVTCHNSTAT_unbound);
    CHECK_IS(status_of(other.id, made.port).u.unbound.dom, self);
    bind.remote_port = made.port;
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind), 0);
    CHECK_IS(status_of(other.id, made.port).u.interdomain.port, bind.local_port);

    CHECK_IS(op_there(EVTCHNOP_alloc_unbound, &wanted, sizeof(wanted)), -EPERM);
    status.port = ours;
    CHECK_IS(op_there(EVTCHNOP_status, &status, sizeof(status)), -EPERM);
    CHECK_IS(op_there(EVTCHNOP_reset, &reset, sizeof(reset)), -EPERM);
    CHECK_IS(status_of(DOMID_SELF, ours).status, EVTCHNSTAT_unbound);
    CHECK_IS(status_of(DOMID_SELF, bind.local_port).status, EVTCHNSTAT_interdomain);

    reset.dom = other.id;
    /* it runs, and could be using them */
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_reset, &reset), -EINVAL);
    CHECK_IS(status_of(other.id, made.port).status, EVTCHNSTAT_interdomain);
    other_pause(&other, true);
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_reset, &reset), 0);
    other_pause(&other, false);
    CHECK_IS(status_of(other.id, made.port).status, EVTCHNSTAT_closed);
    CHECK_IS(status_of(DOMID_SELF, bind.local_port).status, EVTCHNSTAT_unbound);
    CHECK_IS(status_of(DOMID_SELF, ours).status, EVTCHNSTAT_unbound);
    CHECK_IS(close_here(bind.local_port), 0);
    CHECK_IS(close_here(ours), 0);

    /* Its own, by itself. */
    made = (struct evtchn_alloc_unbound){ .dom = DOMID_SELF, .remote_dom = self };
    CHECK_IS(op_there(EVTCHNOP_alloc_unbound, &made, sizeof(made)), 0);
    reset.dom = DOMID_SELF;
    CHECK_IS(op_there(EVTCHNOP_reset, &reset, sizeof(reset)), 0);
    CHECK_IS(status_of(other.id, made.port).status, EVTCHNSTAT_closed);
}

/* DOMID_SELF as the remote domain is the caller, not the domain that the port is in. Then all are
 * gone: the numbers are used again. */
static void the_lowest_free_port(void)
{
    evtchn_port_t one = port_for(other.id), two = port_for(other.id);

    CHECK(two > one);
    CHECK_IS(close_here(one), 0);
    CHECK_IS(port_for(other.id), one);
    CHECK_IS(close_here(one), 0);
    CHECK_IS(close_here(two), 0);
}

/* It has ports, and no vCPU yet: whoever begins there will find them pending. */
static void send_where_nobody_is(domid_t id, evtchn_port_t port)
{
    struct evtchn_bind_interdomain bind = { .remote_dom = id, .remote_port = port };

    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind), 0);
    CHECK_IS(send_here(bind.local_port), 0);
    CHECK_IS(close_here(bind.local_port), 0);
}

/* The port limit that the domain was created with is its limit. */
static void as_many_as_it_may_have(void)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain };
    struct evtchn_alloc_unbound made = { .remote_dom = DOMID_SELF };
    unsigned int count = 0;

    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 20;
    op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = -1;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    NEED(domctl(&op) == 0);
    made.dom = op.domain;
    if (on_domus())             /* Xen wants a vCPU first */
        for (; HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &made) == 0 && count < 5000;
             count++)
            CHECK(made.port > 0 && made.port <= 20);
    CHECK_IS(count, on_domus() ? 20 : 0);
    /* behind its limit there is no port, not a closed one */
    for (evtchn_port_t port = 21; port < 40 && on_domus(); port++) {
        struct evtchn_status status = { .dom = op.domain, .port = port };
        CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_status, &status), -EINVAL);
    }
    if (on_domus())
        send_where_nobody_is(op.domain, 20);
    domain_unmake(op.domain);
}

static void their_domain_ends(void)
{
    evtchn_port_t ours = port_for(other.id), waiting = port_for(other.id);
    struct evtchn_status status;

    CHECK(bound_there(ours) > 0);
    other_end(&other);
    status = status_of(DOMID_SELF, ours);
    CHECK_IS(status.status, EVTCHNSTAT_unbound);
    CHECK_IS(send_here(ours), 0);
    CHECK_IS(close_here(ours), 0);
    CHECK_IS(status_of(DOMID_SELF, waiting).status, EVTCHNSTAT_unbound);
    CHECK_IS(close_here(waiting), 0);
}

void test_main(void)
{
    self = own_domid();
    other_begin(&other, 16);
    pair();
    not_for_them();
    of_another_domain();
    the_lowest_free_port();
    as_many_as_it_may_have();
    their_domain_ends();
}
