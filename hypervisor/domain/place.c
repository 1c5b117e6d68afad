/* SPDX-License-Identifier: MIT */
/*
 * On which CPU. Who wakes up from sleep and had less than somebody who runs, runs at once, so I/O
 * is answered without delay: on a CPU that idles, best where it ran last, or instead of who had
 * most of those on a few CPUs. It is on no CPU outside its hard affinity, and rather on those of
 * its soft one: there first it is looked for place, and who runs elsewhere goes there when one of
 * them idles.
 *
 * Lock: the policy's. Each wake-up looks at LOOKS CPUs at most, twice if it prefers some; where any
 * vCPU does, a CPU that begins to idle looks at all.
 */
#include "domain/place.h"
#include "domain/domain.h"
#include "machine/budget.h"

#define LOOKS 16u
#define COST_LOOK 40                /* instructions */

/* ---- who waits ---- */

/* The CPUs that it prefers, of those on which it may run; 0: it does not mind. */
static cpumask_t preferred(const struct turn *t)
{
    return likely(!t->prefers) ? 0 : t->prefers & run_cpus(&policy.queue, t);
}

/* Of some of these CPUs, from where t ran last on: whose runner had most, and more than t by
 * enough. One who was asked to choose again does so without us. */
static struct cpu *richest_cpu(const struct turn *t, cpumask_t may, uint64_t now)
{
    uint64_t most = GRANULARITY_NS;
    struct cpu *found = NULL;
    uint32_t id = t->last, looks = 0;

    for (uint32_t i = 0; i < cpus_online && looks < LOOKS; i++, id++) {
        if (id >= cpus_online)
            id = 0;
        if (!(may & cpu_bit(id)))
            continue;
        struct cpu *cpu = cpus[id];
        looks++;
        if (!cpu->runs || (cpu->work & WORK_RESCHEDULE))
            continue;
        account_if_late(cpu, now);
        uint64_t ahead = run_ahead(cpu->runs, t);
        if (ahead > most) {
            most = ahead;
            found = cpu;
        }
    }
    spend((int)looks * COST_LOOK);
    return found;
}

/* Best one that it prefers, and of these where it ran last. */
bool find_idle_cpu(const struct turn *t)
{
    cpumask_t fit = policy.idle & run_cpus(&policy.queue, t);
    uint32_t id;

    if (!fit) return false;
    if (unlikely(fit & preferred(t)))
        fit &= preferred(t);
    id = fit & cpu_bit(t->last) ? t->last : cpumask_first(fit);
    policy.idle &= ~cpu_bit(id);
    cpu_reschedule(cpus[id]);
    return true;
}

void find_cpu(const struct turn *t, uint64_t now)
{
    struct cpu *cpu = NULL;

    lock_needed(&policy.lock);
    if (unlikely(t->share->parked) || find_idle_cpu(t)) return;
    if (unlikely(preferred(t)))
        cpu = richest_cpu(t, preferred(t), now);
    if (!cpu)
        cpu = richest_cpu(t, run_cpus(&policy.queue, t), now);
    if (cpu)
        cpu_reschedule(cpu);
    else
        slices_end_by(now + SLICE_NS);
}

/* ---- affinity ---- */

void policy_set_affinity(struct vcpu *v, cpumask_t allowed)
{
    struct turn *t = &v->sched.turn;
    bool waits;

    spin_lock(&policy.lock);
    waits = policy_waits(t);
    if (waits)
        run_leave(&policy.queue, t);
    run_keep(&policy.queue, t, allowed, cpu_map_online());
    if (waits) {
        run_wait(&policy.queue, t);
        find_cpu(t, now_ns());
    }
    if (t->on && !run_may(&policy.queue, t, t->on->id))
        cpu_reschedule(t->on);
    spin_unlock(&policy.lock);
}

cpumask_t policy_affinity(const struct vcpu *v)
{
    cpumask_t set;

    spin_lock(&policy.lock);
    set = run_cpus(&policy.queue, &v->sched.turn) & cpu_map_online();
    spin_unlock(&policy.lock);
    return set;
}

void policy_set_preference(struct vcpu *v, cpumask_t soft)
{
    struct turn *t = &v->sched.turn;
    cpumask_t there = cpu_map_online();

    soft &= there;
    spin_lock(&policy.lock);
    policy.preferring -= t->prefers != 0;
    t->prefers = soft == there ? 0 : soft;
    policy.preferring += t->prefers != 0;
    if (t->on)
        cpu_reschedule(t->on);
    spin_unlock(&policy.lock);
}

cpumask_t policy_preference(const struct vcpu *v)
{
    return v->sched.turn.prefers ? v->sched.turn.prefers : cpu_map_online();
}

/* ---- who runs elsewhere ---- */

bool goes_home(const struct cpu *cpu, struct turn *t)
{
    cpumask_t fit = policy.idle & preferred(t);
    uint32_t id;

    if (likely(!fit) || t->prefers & cpu_bit(cpu->id)) return false;
    id = cpumask_first(fit);
    policy.idle &= ~cpu_bit(id);
    cpus[id]->comes = t;
    t->goes = cpus[id];
    cpu_reschedule(cpus[id]);
    return true;
}

struct turn *arrives(struct cpu *cpu)
{
    struct turn *t = cpu->comes;

    if (likely(!t)) return NULL;
    cpu->comes = NULL;
    t->goes = NULL;
    if (!policy_waits(t) || t->share->parked || !run_may(&policy.queue, t, cpu->id)) return NULL;
    run_leave(&policy.queue, t);
    return t;
}

void invite(const struct cpu *idle)
{
    struct cpu *cpu;

    for_each_cpu (cpu)
        if (cpu->runs && preferred(cpu->runs) & cpu_bit(idle->id) &&
            !(cpu->runs->prefers & cpu_bit(cpu->id))) {
            cpu_reschedule(cpu);
            return;
        }
}
