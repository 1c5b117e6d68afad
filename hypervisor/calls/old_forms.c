/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls in the form they had before Xen 3.0.2 (2006), under their old numbers: sched_op with
 * its word in the register, event_channel_op and physdev_op with the operation in front of its
 * argument, in one structure. Kernels that were made with those headers have them to this day, GNU
 * Mach for one. They come to the same handlers, with the same rights; what sched_op and
 * event_channel_op have been given since has no old form, as on Xen.
 */
#include "domain/domain.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "memory/access.h"
#include <xen/event_channel.h>
#include <xen/physdev.h>
#include <xen/sched.h>

#define NO_OLD_FORM fail(-ENOSYS, "the operation has no old form")

long do_sched_op_compat(unsigned int cmd, uint64_t arg)
{
    if (cmd == OP(SCHEDOP_yield) || cmd == OP(SCHEDOP_block)) return do_sched_op(cmd, 0);
    if (cmd != OP(SCHEDOP_shutdown)) return NO_OLD_FORM;
    domain_shutdown(current->domain, (uint8_t)arg);
    return 0;
}

long do_event_channel_op_compat(uint64_t op)
{
    uint32_t cmd;

    if (read_guest(&cmd, op)) return UNREADABLE;
    if (cmd > OP(EVTCHNOP_unmask)) return NO_OLD_FORM;
    return do_event_channel_op(cmd, op + offsetof(struct evtchn_op, u));
}

long do_physdev_op_compat(uint64_t op)
{
    uint32_t cmd;

    if (read_guest(&cmd, op)) return UNREADABLE;
    return do_physdev_op(cmd, op + offsetof(struct physdev_op, u));
}
