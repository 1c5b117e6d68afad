/* SPDX-License-Identifier: MIT */
/* Where errors are born: see lib/fail.h. */
#include "lib/fail.h"
#include "lib/printk.h"
#include "domain/domain.h"

int fail_at(int error, const char *why, const char *file, uint32_t line)
{
    struct vcpu *v = current;

    v->last_error.why = why;
    v->last_error.where = file;
    v->last_error.line = line;
    v->last_error.error = error;
    v->last_error.hypercall = v->hypercall;
    v->counters.refused++;
    if (log_level >= LOG_DEBUG) log_debug("d%u: %d: %s (%s:%u)", v->domain->id, error, why, file, line);
    return error;
}
