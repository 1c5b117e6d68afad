/* SPDX-License-Identifier: MIT */
/* The lock around ring 0, and calling CPUs to it: ring0.h. */
#include "machine/ring0.h"
#include "lib/printk.h"
#include "machine/budget.h"
#include "machine/apic.h"
#include "machine/io.h"
#include "machine/system_time.h"
#include "machine/vectors.h"

/* Nobody is in ring 0 for a thousandth of it; a host that runs us may be. */
#define PATIENCE_MS 30000ul
#define HUNGER      1000u           /* times that others came and went while we looked */

struct ring0_lock ring0_lock;
bool ring0_shared;

/* How long this CPU has waited. Between two looks a millisecond counts at most: a host that stops
 * us for an hour has stopped the others, too. */
struct patience { uint64_t looked, ticks; };

static bool ends(struct patience *p, uint64_t now, uint64_t ms)
{
    p->ticks += MIN(now - p->looked, tsc_khz());
    p->looked = now;
    return p->ticks > tsc_khz() * ms;
}

/* What the holder of the lock may be waiting for. */
static void serve(struct cpu *cpu)
{
    if (!__atomic_load_n(&cpu->flush_wanted, __ATOMIC_ACQUIRE)) return;
    write_cr3(read_cr3());
    __atomic_store_n(&cpu->flush_wanted, false, __ATOMIC_RELEASE);
}

static bool take(void)
{
    return !__atomic_exchange_n(&ring0_lock.held, 1, __ATOMIC_ACQUIRE);
}

/* Handed over, held all the while; or taken. Who was hungry is so no more: he may have said it once
 * more since it was his. */
static bool had(uint32_t me)
{
    if (__atomic_load_n(&ring0_lock.given, __ATOMIC_ACQUIRE) == me)
        ring0_lock.given = 0;
    else if (__atomic_load_n(&ring0_lock.held, __ATOMIC_RELAXED) || !take())
        return false;
    if (ring0_lock.hungry == me)
        ring0_lock.hungry = 0;
    return true;
}

void ring0_hand(void)
{
    uint32_t next = ring0_lock.hungry;

    ring0_lock.hungry = 0;
    __atomic_store_n(&ring0_lock.given, next, __ATOMIC_RELEASE);
}

void ring0_wait(void)
{
    struct cpu *cpu = this_cpu();
    uint64_t start = rdtsc(), now = start;
    struct patience p = { .looked = start };
    uint32_t uses = __atomic_load_n(&ring0_lock.uses, __ATOMIC_RELAXED), before, missed = 0, nobody;

    while (!had(cpu->id + 1)) {
        serve(cpu);
        cpu_relax();
        now = rdtsc();
        before = uses;
        uses = __atomic_load_n(&ring0_lock.uses, __ATOMIC_RELAXED);
        if (!uses)
            start = now;            /* boot has it until the first guest runs */
        if (!uses || uses != before)
            p.ticks = 0;            /* others were quicker; a host may run us seldom */
        if (ends(&p, now, PATIENCE_MS))
            panic("CPU %u has waited %lu s for another to leave ring 0", cpu->id,
                  PATIENCE_MS / 1000);
        nobody = 0;
        /* Others came in between, and often: not by the clock, for a host that does not run us, or
         * who has the lock, lets nobody in before us. Nor while boot has it, which may give up this
         * CPU: nobody would be there who is handed it. */
        if (uses != before && ++missed > HUNGER)
            __atomic_compare_exchange_n(&ring0_lock.hungry, &nobody, cpu->id + 1, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    cpu->waits++;
    cpu->longest_wait = MAX(cpu->longest_wait, now - start);
}

void ring0_enter(void)
{
    race_point();
    if (ring0_shared && !take())
        ring0_wait();
}

void ring0_leave(void)
{
    if (!ring0_shared) return;
    ring0_held();
    ring0_lock.uses++;
    if (__atomic_load_n(&ring0_lock.hungry, __ATOMIC_RELAXED))
        ring0_hand();
    else
        __atomic_store_n(&ring0_lock.held, 0, __ATOMIC_RELEASE);
    race_point();
}

#ifdef DEBUG

void ring0_held(void)
{
    if (!__atomic_load_n(&ring0_lock.held, __ATOMIC_RELAXED))
        panic("ring 0 is left by a CPU that does not hold its lock");
}

/* One time in eight it is up to a 64th of a millisecond, one in 128 up to a whole one, one in 1024
 * up to eight: so long that another CPU comes in even where a host lets one of ours run at a time.
 * The clock is chance enough. */
void race_point(void)
{
    uint64_t start = rdtsc(), chance = start * 0x9e3779b97f4a7c15ul >> 20, most = tsc_khz() * 8;

    if (!ring0_shared || chance % 8) return;
    if (chance / 8 % 16)
        most /= 512;
    else if (chance / 128 % 8)
        most /= 8;
    while (rdtsc() - start < (chance >> 10) % (most + 1))
        cpu_relax();
}

#endif

/* ---- calling others ---- */

void cpu_interrupt(struct cpu *cpu)
{
    if (cpu != this_cpu())
        lapic_send(cpu->apic_id, VECTOR_CALL);
    race_point();
}

void cpu_reschedule(struct cpu *cpu)
{
    if (cpu->work & WORK_RESCHEDULE) return;        /* it was told, or is on its way out */
    cpu->work |= WORK_RESCHEDULE;
    cpu_interrupt(cpu);
}

static void wait_for(const struct cpu *cpu)
{
    struct patience p = { .looked = rdtsc() };

    while (__atomic_load_n(&cpu->flush_wanted, __ATOMIC_ACQUIRE)) {
        cpu_relax();
        if (ends(&p, rdtsc(), PATIENCE_MS))
            panic("CPU %u (APIC %u) does not answer", cpu->id, cpu->apic_id);
    }
}

/* One that sleeps would not wait at the lock, and has no guest. */
static bool is_asked(const struct cpu *cpu, cpumask_t set)
{
    return (set & cpu_bit(cpu->id)) && cpu != this_cpu() && cpu->running != cpu->idle;
}

void cpus_flush(cpumask_t set)
{
    struct cpu *cpu;

    for_each_cpu (cpu) {
        if (!is_asked(cpu, set))
            continue;
        __atomic_store_n(&cpu->flush_wanted, true, __ATOMIC_RELEASE);
        cpu_interrupt(cpu);
        spend(COST_INTERRUPT);
    }
    for_each_cpu (cpu)
        if (is_asked(cpu, set))
            wait_for(cpu);
}
