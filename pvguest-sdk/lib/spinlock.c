/* SPDX-License-Identifier: MIT */
/*
 * Locks among vCPUs, <pvguest/spinlock.h>, and whether there are several vCPUs at all.
 *
 * Nobody sleeps for ever: a waiter sets its bit and sees in the same step whether the lock is held;
 * if it is, whoever unlocks it finds the bit, takes it out and rings. Who is rung, or found the
 * lock free after all, goes on to take it, and when it unlocks finds the bits of the others. A
 * newcomer may take it in between; then who was rung looks again, and sleeps again.
 */
#include <pvguest/bits.h>
#include <pvguest/hypercalls.h>
#include <pvguest/spinlock.h>

#define HELD  (1UL << 63)
#define LOOKS 500U              /* some microseconds */

bool several_cpus;
struct cpu first_cpu = { .self = &first_cpu, .ports = { [0 ... 63] = ~0UL } };
struct cpu *all_cpus[MOST_CPUS] = { &first_cpu };

static bool try_to_take(struct spinlock *lock)
{
    uint64_t word = READ_ONCE(lock->word);

    return !(word & HELD) &&
           __atomic_compare_exchange_n(&lock->word, &word, word | HELD, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* Events are masked: a handler that slept here too would take our ring for its own. */
static void sleep_until_rung(struct spinlock *lock)
{
    struct cpu *cpu = this_cpu();
    uint64_t own = 1UL << cpu->id;
    struct sched_poll op = { .nr_ports = 1 };

    set_xen_guest_handle(op.ports, &cpu->kick_port);
    clear_bit(cpu->kick_port, shared_info.evtchn_pending);      /* an old one */
    if (__atomic_fetch_or(&lock->word, own, __ATOMIC_SEQ_CST) & HELD)
        HYPERVISOR_sched_op(SCHEDOP_poll, &op);
    __atomic_fetch_and(&lock->word, ~own, __ATOMIC_SEQ_CST);
}

void spin_take(struct spinlock *lock)
{
    for (;;) {
        for (unsigned int looks = 0; looks < LOOKS; looks++) {
            if (try_to_take(lock)) return;
            cpu_relax();
        }
        sleep_until_rung(lock);
    }
}

/* Of those who sleep, the next one by number: all have their turn. */
static unsigned int next_sleeper(uint64_t sleepers)
{
    uint64_t above = sleepers & ~(((1UL << cpu_id()) << 1) - 1);

    return (unsigned int)__builtin_ctzl(above ? above : sleepers);
}

void spin_release(struct spinlock *lock)
{
    uint64_t word = HELD;
    unsigned int sleeper;
    struct evtchn_send send;

    if (__atomic_compare_exchange_n(&lock->word, &word, 0, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        return;
    sleeper = next_sleeper(word & ~HELD);
    __atomic_fetch_and(&lock->word, ~(HELD | 1UL << sleeper), __ATOMIC_SEQ_CST);
    send.port = all_cpus[sleeper]->kick_port;
    HYPERVISOR_event_channel_op(EVTCHNOP_send, &send);
}
