/* SPDX-License-Identifier: MIT */
/* In place of pvguest-sdk/lib/spinlock.c where a test has one thread: who waits, waits for ever. */
#include <stdlib.h>
#include <pvguest/spinlock.h>

bool several_cpus;
struct cpu first_cpu = { .self = &first_cpu, .ports = { [0 ... 63] = ~0UL } };
struct cpu *all_cpus[MOST_CPUS] = { &first_cpu };

void spin_take(struct spinlock *lock)
{
    if (lock->word++)
        abort();
}

void spin_release(struct spinlock *lock)
{
    if (lock->word-- != 1)
        abort();
}
