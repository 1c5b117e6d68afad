/* SPDX-License-Identifier: MIT */
/* set_timer_op: VIRQ_TIMER for the caller, once. */
#include "domain/domain.h"
#include "domain/timers.h"
#include "entry/hypercall.h"

#define STRAY_NS    100000000ul     /* from now: when a deadline that cannot be meant is over */

/* 0 stops. A deadline long gone or absurdly far (arithmetic that went wrong: XSA-20) fires in
 * a tenth of a second, as on Xen. */
long do_set_timer_op(int64_t deadline)
{
    uint64_t now = now_ns();

    if (deadline == 0)
        vcpu_stop_singleshot(current);
    else if (deadline < 0 || (int64_t)(deadline - now) >> 50 > 0)
        vcpu_set_singleshot(current, now + STRAY_NS);
    else
        vcpu_set_singleshot(current, deadline);
    return 0;
}
