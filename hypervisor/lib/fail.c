/* SPDX-License-Identifier: MIT */
/* Where errors are born: see lib/fail.h. */
#include "lib/fail.h"
#include "lib/printk.h"
#include "domain/domain.h"

int fail_at(int error, struct refusal *place)
{
    struct vcpu *v = current;

    place->count++;
    v->last_error.place = place;
    v->last_error.error = error;
    v->last_error.hypercall = v->hypercall;
    v->counters.refused++;
    if (log_level >= LOG_DEBUG)
        log_debug("d%u: %d: %s (%s:%u)", v->domain->id, error, place->why, place->file,
                  place->line);
    return error;
}

const char *last_reason(void)
{
    return current->last_error.place ? current->last_error.place->why : "";
}
