/* SPDX-License-Identifier: MIT */
/*
 * An attacker floods: a million events to its own ports and, as a domU, to the two that dom0 gave
 * it (console and XenStore); takes every port there is; sends to ports that are not its own. Others
 * must still get their share of the machine. Idea: acceptance "event floods"; XSA-317, 344.
 */
#include "../lib/test.h"

#include <pvguest/thread.h>

#define SENDS 300000

static void flood(evtchn_t port)
{
    struct evtchn_send send = { .port = port };

    for (unsigned int i = 0; i < SENDS; i++)
        if (HYPERVISOR_event_channel_op(EVTCHNOP_send, &send)) {
            test_failure(__FILE__, __LINE__, "sending to port %u fails", port);
            return;
        }
    test_passed();
}

/* Binding to ports of others that were not meant for us. */
static void others_ports(void)
{
    unsigned int bound = 0;

    for (domid_t domid = 0; domid < 6; domid++)
        for (evtchn_t port = 0; port < 200 && domid != own_domid(); port++) {
            struct evtchn_bind_interdomain bind = { .remote_dom = domid, .remote_port = port };
            bound += HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind) == 0;
        }
    CHECK_IS(bound, 0);
}

void test_main(void)
{
    int ipi = event_bind_ipi(NULL, NULL);

    NEED(ipi > 0);
    events_mask_all();
    flood((evtchn_t)ipi);
    events_unmask_all();
    flood((evtchn_t)ipi);
    if (!is_dom0()) {
        flood(start_info->console.domU.evtchn);
        flood(start_info->store_evtchn);
    }
    others_ports();
    event_unbind((evtchn_t)ipi);
}
