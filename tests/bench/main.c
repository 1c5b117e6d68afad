/* SPDX-License-Identifier: MIT */
/* The benchmark guest's frame: the stopwatch, and the rows in the order of the table. See
 * bench.h. */
#include "bench.h"
#include <pvguest/smp.h>

static uint64_t empty_cost;

static const char *group_name;

uint64_t median(uint64_t *samples)
{
    for (unsigned int i = 1; i < RUNS; i++)
        for (unsigned int j = i; j > 0 && samples[j - 1] > samples[j]; j--) {
            uint64_t swap = samples[j];
            samples[j] = samples[j - 1];
            samples[j - 1] = swap;
        }
    return samples[RUNS / 2];
}

static uint64_t median_of(void (*before)(void), void (*run)(void))
{
    uint64_t samples[RUNS];

    for (int i = 0; i < RUNS; i++) {
        if (before)
            before();
        uint64_t start = read_tsc();
        run();
        samples[i] = read_tsc() - start;
    }
    return median(samples);
}

static void nothing(void)
{
    asm volatile("");
}

void group(const char *name)
{
    group_name = name;
}

void report(const char *operation, const char *form, uint64_t ticks)
{
    printk("BENCH %s|%s|%s|%lu\n", group_name, operation, form, ticks);
}

void measure(const char *operation, const char *form, unsigned int per, void (*before)(void),
             void (*run)(void))
{
    report(operation, form, (median_of(before, run) - empty_cost + per / 2) / per);
}

void must(long result, const char *what)
{
    if (result < 0)
        panic("benchmark failed: %s is %ld\n", what, result);
}

static void bench_all(void)
{
    events_mask_all();
    empty_cost = median_of(NULL, nothing);
    bench_calls();
    bench_tables();
    bench_spaces();
    bench_traps();
    bench_sharing();
    bench_user();
}

void guest_main(void)
{
    if (smp_count() > 1)
        bench_contention();
    else
        bench_all();
    printk("BENCH END\n");
    poweroff();
}
