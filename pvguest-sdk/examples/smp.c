/* SPDX-License-Identifier: MIT */
/*
 * All vCPUs of the guest count primes: each takes the next hundred numbers under a lock, and tells
 * its share. In the middle vCPU 0 asks each, by a call, where it is.
 */
#include <pvguest/console.h>
#include <pvguest/smp.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/time.h>

#define PIECE 100UL

static struct spinlock lock;                    /* of next and primes */
static unsigned long limit = 200000, next, primes;
static unsigned long pieces[MOST_CPUS];         /* each vCPU's own */

static bool is_prime(unsigned long n)
{
    for (unsigned long d = 2; d * d <= n; d++)
        if (n % d == 0) return false;
    return n > 1;
}

static unsigned long take_piece(unsigned long found)
{
    bool masked = spin_lock(&lock);
    unsigned long from = next;

    primes += found;
    next += PIECE;
    spin_unlock(&lock, masked);
    return from;
}

static void count(void *unused)
{
    unsigned long found = 0, from;

    while ((from = take_piece(found)) < limit) {
        found = 0;
        for (unsigned long n = from; n < from + PIECE && n < limit; n++)
            found += is_prime(n);
        pieces[cpu_id()]++;
    }
}

static void report(void *unused)
{
    printk("smp: vCPU %u has done %lu pieces\n", cpu_id(), pieces[cpu_id()]);
}

void guest_main(void)
{
    unsigned int vcpus = smp_count();
    uint64_t start = now_ns();
    char option[16];

    if (command_option("limit", option, sizeof(option)))
        limit = strtoul(option, NULL, 10);
    for (unsigned int id = 1; id < vcpus; id++) {
        int error = smp_start(id, count, NULL);

        if (error)
            printk("smp: vCPU %u does not start: %s\n", id, errno_name(error));
    }
    for (unsigned int id = 1; id < vcpus; id++)
        smp_call(id, report, NULL);             /* refused where it has ended */
    count(NULL);
    for (unsigned int id = 1; id < vcpus; id++)
        smp_wait(id);
    printk("smp: %lu primes below %lu, in %lu us\n", primes, limit, (now_ns() - start) / NS_PER_US);
    for (unsigned int id = 0; id < vcpus; id++)
        printk("smp: vCPU %u did %lu pieces\n", id, pieces[id]);
}
