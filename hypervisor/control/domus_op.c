/* SPDX-License-Identifier: MIT */
/*
 * Hypercall 55, our own (pvguest-sdk/include/abi/domus.h): why a call was refused, how often things
 * happened, whether the books balance. Asking why must not change the answer: what DOMUS_last_error
 * itself refuses is not written down.
 */
#include "control/audit.h"
#include "control/domctl.h"
#include "domain/domain.h"
#include "domain/schedule.h"
#include "entry/hypercall.h"
#include "lib/string.h"
#include "machine/console.h"
#include "memory/access.h"
#include "svm/svm.h"
#include <abi/domus.h>

#define COST_COUNTERS 500           /* instructions: those of a vCPU added up */

static long last_error(struct vcpu *v, uint64_t arg)
{
    const struct last_error *e = &v->last_error;
    struct domus_last_error answer;
    spend(COST_WORDS);
    if (!e->place) return -ENOENT;
    memset(&answer, 0, sizeof(answer));
    answer.error = e->error;
    answer.hypercall = e->hypercall;
    answer.line = e->place->line;
    answer.about = e->about;
    answer.level = e->level;
    answer.slot = e->slot;
    answer.frame = e->frame;
    answer.value = e->value;
    answer.refusals = v->counters.refused;
    strlcpy(answer.file, e->place->file, sizeof(answer.file));
    strlcpy(answer.reason, e->place->why, sizeof(answer.reason));
    refusal_words(v, answer.words, sizeof(answer.words));
    return write_guest(arg, &answer);
}

static long audit(struct vcpu *v, uint64_t arg)
{
    struct domus_audit answer;
    long violations = (long)memory_audit(&answer), error = arg ? ANSWER(arg, &answer) : 0;
    return error ? error : violations;
}

static void add_vcpu(struct domus_counters *sum, struct vcpu *v)
{
    const struct vcpu_counters *c = &v->counters;
    for (unsigned int i = 0; i < ARRAY_SIZE(c->hypercalls); i++)
        sum->hypercalls[i] += c->hypercalls[i];
    sum->refused += c->refused;
    sum->exceptions += c->exceptions;
    sum->emulated += c->emulated;
    sum->emulated_pte += c->emulated_pte;
    sum->events += c->events;
    sum->switches += c->switches;
    sum->continuations += c->continuations;
    sum->run_ns += vcpu_cpu_time(v);
}

static long counters(struct vcpu *caller, uint64_t arg)
{
    struct domus_counters asked, sum;
    struct domain *d;
    struct vcpu *v;

    if (read_guest(&asked, arg)) return UNREADABLE;
    d = domain_get(asked.domid);
    if (!d) return fail(-ESRCH, "there is no such domain");
    memset(&sum, 0, sizeof(sum));
    sum.domid = asked.domid;
    sum.run_ns = d->cpu_time_ns;
    for_each_vcpu (v, d) {
        add_vcpu(&sum, v);
        spend(COST_COUNTERS);
    }
    domain_put(d);
    return ANSWER(arg, &sum);
}

static long work_for(struct vcpu *v, uint64_t id)
{
    struct domain *d = id <= UINT16_MAX ? domain_get((domid_t)id) : NULL;
    return (long)vcpu_work_for(v, d);
}

static long destroy_some(struct vcpu *v, uint64_t id)
{
    return domctl_destroy_some((domid_t)MIN(id, (uint64_t)DOMID_INVALID));
}

static long console(struct vcpu *v, uint64_t unused)
{
    return console_waiting();
}

static const struct operation operations[] = {
    ROW_AT(DOMUS_last_error, vcpu, last_error),
    ROW_AT(DOMUS_audit, vcpu, audit),
    ROW_AT(DOMUS_counters, vcpu, counters),
    ROW_AT(DOMUS_work_for, vcpu, work_for),
    ROW_AT(DOMUS_destroy, vcpu, destroy_some),
    ROW_AT(DOMUS_run, vcpu, svm_run),
    ROW_AT(DOMUS_console, vcpu, console),
};

long do_domus_op(unsigned int op, uint64_t arg)
{
    return operation_call(operations, ARRAY_SIZE(operations), op, current, arg, NULL);
}

/* Performance counters for guests are not offered; Linux asks once and goes on. */
long do_xenpmu_op(unsigned int op, uint64_t arg)
{
    return expected(-EOPNOTSUPP, "there are no performance counters");
}
