/* SPDX-License-Identifier: MIT */
/*
 * Event channels: three bits a port in the shared page. A sender sets pending[port]; if mask[port]
 * is clear, it sets the port's word in evtchn_pending_sel and evtchn_upcall_pending; if
 * evtchn_upcall_mask is clear too, the hypervisor calls event_entry. We undo it in the opposite
 * order, so that nothing set meanwhile is lost.
 *
 * Pending and mask bits are the domain's, selector and upcall bytes a vCPU's. With several vCPUs
 * each takes only those ports of a selected word that ring there (struct cpu); the others' are
 * selected for who has them, too.
 */
#include <pvguest/bits.h>
#include <pvguest/cpu.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/refuse.h>
#include <pvguest/start.h>
#include <pvguest/traps.h>
#include "entry.h"
#include "suspend.h"

/* Written by whoever has the port, while another vCPU may be about to handle an event of its old
 * life: the version is odd meanwhile. */
static struct binding {
    event_handler handler;
    void *data;
    uint32_t version;
} bindings[EVENT_PORTS];

uint64_t event_upcalls, event_handled;
bool event_storms = true;
const char *sleepless;

void events_init(void)
{
    events_mask_all();
    for (unsigned int i = 0; i < 64; i++)
        shared_info.evtchn_mask[i] = ~0UL;
}

/* Which vCPU takes it. While it changes the port is masked. */
static void assign(evtchn_t port, unsigned int id)
{
    for (unsigned int i = 0; i < MOST_CPUS && several_cpus; i++) {
        if (all_cpus[i] && i != id)
            clear_bit(port, all_cpus[i]->ports);
        else if (all_cpus[i])
            set_bit(port, all_cpus[i]->ports);
    }
}

void events_resume(void)
{
    events_init();
    for (unsigned int port = 0; port < EVENT_PORTS; port++) {
        bindings[port].handler = NULL;
        assign(port, 0);
    }
}

/* Nothing is handled here meanwhile, which would wait for us. Stores of x86 are seen in order, and
 * its loads are made in order: only the compiler has to be told. */
static void bind_handler(evtchn_t port, event_handler handler, void *data)
{
    struct binding *binding = &bindings[port];
    bool masked = events_save();

    WRITE_ONCE(binding->version, binding->version + 1);
    barrier();
    binding->handler = handler;
    binding->data = data;
    barrier();
    WRITE_ONCE(binding->version, binding->version + 1);
    events_restore(masked);
}

static struct binding binding_of(evtchn_t port)
{
    const struct binding *binding = &bindings[port];
    struct binding found;

    do {
        found.version = READ_ONCE(binding->version);
        barrier();
        found.handler = binding->handler;
        found.data = binding->data;
        barrier();
    } while (found.version % 2 || found.version != READ_ONCE(binding->version));
    return found;
}

/* ---- delivery ---- */

static void handle_port(evtchn_t port)
{
    struct binding binding = binding_of(port);

    /* before the handler: an event during it counts anew */
    clear_bit(port, shared_info.evtchn_pending);
    event_handled++;
    if (binding.handler)
        binding.handler(port, binding.data);
    else
        event_mask(port);                           /* nobody's: would ring for ever */
}

static void handle_all(struct vcpu_info *info, const unsigned long *mine)
{
    do {
        unsigned long words;

        WRITE_ONCE(info->evtchn_upcall_pending, 0);
        words = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
        for (; words; words &= words - 1) {
            unsigned int word = (unsigned int)__builtin_ctzl(words);
            unsigned long ports = READ_ONCE(shared_info.evtchn_pending[word]) &
                                  ~READ_ONCE(shared_info.evtchn_mask[word]) &
                                  READ_ONCE(mine[word]);

            for (; ports; ports &= ports - 1)
                handle_port(word * 64 + (unsigned int)__builtin_ctzl(ports));
        }
    } while (READ_ONCE(info->evtchn_upcall_pending));
}

void events_poll(void)
{
    const struct cpu *cpu = this_cpu();
    const char *interrupted;

    if (cpu != &first_cpu) {            /* no threads here: nobody sleeps anyway */
        handle_all(cpu_info(), cpu->ports);
        return;
    }
    interrupted = sleepless;
    sleepless = "an event handler";
    handle_all(cpu_info(), cpu->ports);
    sleepless = interrupted;
}

void event_dispatch(struct trap_frame *frame)
{
    event_upcalls++;
    events_poll();
}

/* ---- the whole vCPU ---- */

void events_mask_all(void)
{
    WRITE_ONCE(cpu_info()->evtchn_upcall_mask, 1);
    barrier();
}

void events_unmask_all(void)
{
    struct vcpu_info *info = cpu_info();

    STORE_RELEASE(info->evtchn_upcall_mask, 0);
    /* What came while we were masked does not ring again: take it here, which spares a
     * hypercall. */
    while (READ_ONCE(info->evtchn_upcall_pending)) {
        events_mask_all();
        events_poll();
        STORE_RELEASE(info->evtchn_upcall_mask, 0);
    }
}

bool events_masked(void)
{
    return READ_ONCE(cpu_info()->evtchn_upcall_mask);
}

bool events_save(void)
{
    bool masked = events_masked();

    events_mask_all();
    return masked;
}

void events_restore(bool was_masked)
{
    if (!was_masked)
        events_unmask_all();
}

/* ---- one port ---- */

void event_mask(evtchn_t port)
{
    set_bit(port, shared_info.evtchn_mask);
}

void event_unmask(evtchn_t port)
{
    bool masked;

    if (!test_bit(port, this_cpu()->ports)) {
        struct evtchn_unmask unmask = { .port = port };

        HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &unmask);
        return;
    }
    masked = events_save();
    clear_bit(port, shared_info.evtchn_mask);
    /* A sender that saw the mask left only the pending bit: do the rest of its work. */
    if (test_bit(port, shared_info.evtchn_pending)) {
        set_bit(port / 64, &cpu_info()->evtchn_pending_sel);
        WRITE_ONCE(cpu_info()->evtchn_upcall_pending, 1);
    }
    events_restore(masked);
}

bool event_pending(evtchn_t port)
{
    return test_bit(port, shared_info.evtchn_pending);
}

void event_clear(evtchn_t port)
{
    clear_bit(port, shared_info.evtchn_pending);
}

void event_hold(evtchn_t port)
{
    if (event_storms)
        event_mask(port);
}

void event_rearm(evtchn_t port)
{
    if (!event_storms) return;
    event_clear(port);
    event_unmask(port);
}

int event_send(evtchn_t port)
{
    struct evtchn_send send = { .port = port };

    return (int)HYPERVISOR_event_channel_op(EVTCHNOP_send, &send);
}

/* ---- binding ---- */

void event_attach(evtchn_t port, event_handler handler, void *data)
{
    bind_handler(port, handler, data);
    event_unmask(port);
}

void event_unbind(evtchn_t port)
{
    struct evtchn_close close = { .port = port };

    event_mask(port);
    bind_handler(port, NULL, NULL);
    assign(port, 0);
    /* That takes back what is pending; and then the port may be another vCPU's at once. */
    HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
}

int event_move(evtchn_t port, unsigned int id)
{
    struct evtchn_bind_vcpu op = { .port = port, .vcpu = id };
    bool masked;
    long error;

    if (id >= MOST_CPUS || !all_cpus[id]) return refused(-EINVAL);
    masked = test_and_set_bit(port, shared_info.evtchn_mask);
    error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_vcpu, &op);
    if (!error)
        assign(port, id);
    if (!masked)
        event_unmask(port);
    return (int)error;
}

int event_alloc_unbound(domid_t remote, event_handler handler, void *data)
{
    struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = remote };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &op);

    if (error) return (int)error;
    event_attach(op.port, handler, data);
    return (int)op.port;
}

int event_bind_interdomain(domid_t remote, evtchn_t remote_port, event_handler handler, void *data)
{
    struct evtchn_bind_interdomain op = { .remote_dom = remote, .remote_port = remote_port };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &op);

    if (error) return (int)error;
    event_attach(op.local_port, handler, data);
    return (int)op.local_port;
}

int event_bind_virq_on(unsigned int id, unsigned int virq, event_handler handler, void *data)
{
    struct evtchn_bind_virq op = { .virq = virq, .vcpu = id };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &op);

    if (error) return (int)error;
    assign(op.port, id);
    event_attach(op.port, handler, data);
    return (int)op.port;
}

int event_bind_virq(unsigned int virq, event_handler handler, void *data)
{
    return event_bind_virq_on(0, virq, handler, data);
}

int event_bind_pirq(unsigned int pirq, unsigned int flags, event_handler handler, void *data)
{
    struct evtchn_bind_pirq op = { .pirq = pirq, .flags = flags };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &op);

    if (error) return (int)error;
    event_attach(op.port, handler, data);
    return (int)op.port;
}

int event_bind_ipi_on(unsigned int id, event_handler handler, void *data)
{
    struct evtchn_bind_ipi op = { .vcpu = id };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &op);

    if (error) return (int)error;
    assign(op.port, id);
    event_attach(op.port, handler, data);
    return (int)op.port;
}

int event_bind_ipi(event_handler handler, void *data)
{
    return event_bind_ipi_on(0, handler, data);
}
