/* SPDX-License-Identifier: MIT */
/* Runs the operations and prints their medians. What is measured is in calls.c, pagetables.c, spaces.c, traps.c, events.c,
 * grants.c and user.c. */
#include "bench.h"

#include <pvguest/console.h>
#include <pvguest/sched.h>

long run_error;

uint64_t median(uint64_t *samples, unsigned int count)
{
    for (unsigned int i = 1; i < count; i++)            /* insertion sort: 51 numbers */
        for (unsigned int j = i; j > 0 && samples[j] < samples[j - 1]; j--) {
            uint64_t swap = samples[j];

            samples[j] = samples[j - 1];
            samples[j - 1] = swap;
        }
    return samples[count / 2];
}

void report(const char *group, const char *name, const char *form, uint64_t ticks)
{
    printk("BENCH %s|%s|%s|%lu\n", group, name, form, (unsigned long)ticks);
}

void report_refused(const char *group, const char *name, const char *form, long error)
{
    printk("BENCH %s|%s|%s|refused %ld\n", group, name, form, error);
}

static uint64_t median_of(void (*run)(void))
{
    static uint64_t samples[SAMPLES];

    for (unsigned int i = 0; i < SAMPLES; i++) {
        uint64_t start = read_tsc();

        run();
        samples[i] = read_tsc() - start;
    }
    return median(samples, SAMPLES);
}

static void nothing(void)
{
}

static void measure(const struct operation *operation, uint64_t overhead)
{
    long error = operation->prepare ? operation->prepare() : 0;
    uint64_t ticks;

    if (error < 0) {
        report_refused(operation->group, operation->name, operation->form, error);
        return;
    }
    run_error = 0;
    operation->run();                                   /* once to warm up, and to see whether it works */
    ticks = run_error ? 0 : median_of(operation->run);
    if (operation->cleanup)
        operation->cleanup();
    if (run_error)
        report_refused(operation->group, operation->name, operation->form, run_error);
    else
        report(operation->group, operation->name, operation->form, (ticks - overhead) / operation->units);
}

void guest_main(void)
{
    static const struct operation *const files[] = {
        call_operations, pagetable_operations, space_operations, trap_operations, event_operations, grant_operations,
    };
    uint64_t overhead = median_of(nothing);

    lab_init();
    for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        for (const struct operation *operation = files[i]; operation->name; operation++)
            measure(operation, overhead);
    measure_user_mode();
    printk("BENCH END\n");
    poweroff();
}
