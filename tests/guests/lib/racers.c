/* SPDX-License-Identifier: MIT */
/* See racers.h. */
#include "racers.h"

#include <pvguest/bits.h>

#define TIME (20 * NS_PER_S)
#define LATE (40 * NS_PER_S)            /* and for who has not raced by then */

unsigned int racers;

static struct racer everybody[RACERS];
static race_part joins;
static const race_part *parts;
static unsigned int part_count;
static volatile unsigned int subject;           /* the part of these days */
static volatile bool stop;

unsigned int any(struct racer *r, unsigned int n)
{
    return (unsigned int)(next_random(&r->seed) % n);
}

void linger(struct racer *r, unsigned int n)
{
    for (volatile unsigned int wait = any(r, n); wait; wait--) {}
}

void note(struct racer *r, long result)
{
    if (result < 0)
        r->refused++;
    else
        r->accepted++;
}

void note_wrong(struct racer *r, const char *what)
{
    if (r->wrongs++ == 0)
        r->wrong = what;
    stop = true;
}

static void once(struct racer *r)
{
    parts[part_count == 1 || any(r, 8) ? subject : any(r, part_count)](r);
}

static void another(unsigned long id)
{
    traps_init();
    if (joins)
        joins(&everybody[id]);
    while (!stop)
        once(&everybody[id]);
    vcpu_end(id);
}

/* Some begin late, where the machine's host has no CPU for them. */
static bool all_have_raced(void)
{
    for (unsigned int id = 0; part_count > 1 && id < racers; id++)
        if (!READ_ONCE(everybody[id].accepted) || !READ_ONCE(everybody[id].refused)) return false;
    return true;
}

static bool is_over(uint64_t done, uint64_t rounds, uint64_t end)
{
    uint64_t now = now_ns();

    if (!all_have_raced()) return now >= end + LATE;
    return done >= rounds || now >= end;
}

static void judge(const struct racer *r)
{
    printk("vCPU %lu: %u accepted, %u refused\n", r->id, r->accepted, r->refused);
    if (part_count > 1)
        CHECK(r->accepted > 0 && r->refused > 0);
    if (r->wrongs)
        test_failure(__FILE__, __LINE__, "vCPU %lu, %u times, first: %s", r->id, r->wrongs,
                     r->wrong);
}

void race(race_part join, const race_part list[], unsigned int count, uint64_t rounds)
{
    struct racer *first = &everybody[0];
    uint64_t seconds = number_option("seconds", 0), part = number_option("part", count),
             seed = number_option("seed", 88172645463325252),
             end = now_ns() + (seconds ? seconds * NS_PER_S : TIME);

    for (unsigned int id = 0; id < racers; id++)
        everybody[id] = (struct racer){ .id = id, .seed = seed + id };
    joins = join;
    parts = part < count ? list + part : list;
    part_count = part < count ? 1 : count;
    NEED(vcpus_start(racers, another) == racers);
    if (join)
        join(first);
    for (uint64_t i = 0; !stop && !is_over(i, seconds ? ~0ul : rounds, end); i++) {
        if (any(first, 30) == 0)
            subject = any(first, part_count);
        once(first);
    }
    stop = true;
    vcpus_wait(racers);
    for (unsigned int id = 0; id < racers; id++)
        judge(&everybody[id]);
}
