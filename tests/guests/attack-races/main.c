/* SPDX-License-Identifier: MIT */
/*
 * Races: several vCPUs do the same kinds of operations on the same objects at random. Event
 * channels are bound, sent to, moved and closed; grants are given, mapped, copied, unmapped, and
 * taken back while they are in use; pages are given back, had again, exchanged and mapped, with
 * flushes of all kinds; a spare vCPU goes up and down and gets timers and areas. Many requests come
 * too late and are refused, which is right. What counts: no event is lost that was sent to an open
 * port, no page and no reference is lost, what nobody wrote to stays as it was, and the audit finds
 * nothing. Idea: XSA-343 (ports closed while they are sent to), 379, 382 (grants and their
 * references), 397, 401, 402.
 * machine: vcpus4
 */
#include "races.h"

#define ROUNDS 8000             /* of the first vCPU; or as many as there is time for: */
#define TIME   (20 * NS_PER_S)

unsigned int racers;
unsigned long spare;

static struct racer everybody[RACERS];
static volatile bool stop;

unsigned int any(struct racer *r, unsigned int n)
{
    return (unsigned int)(next_random(&r->seed) % n);
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
}

static void race_once(struct racer *r)
{
    static void (*const parts[])(struct racer *) = { events_race, grants_race, memory_race,
                                                     vcpus_race };

    parts[any(r, 4)](r);
}

static void race(unsigned long id)
{
    traps_init();
    while (!stop)
        race_once(&everybody[id]);
    vcpu_end(id);
}

/* What the spare one does. */
static void idle(unsigned long id)
{
    for (unsigned int turns = 1;; turns++)
        if (turns % 100000 == 0)
            vcpu_yield();
}

static void start(void)
{
    unsigned int count = MIN(vcpu_count(), RACERS);

    spare = count > 2 ? count - 1 : 0;
    racers = spare ? count - 1 : count;
    for (unsigned int id = 0; id < RACERS; id++)
        everybody[id] = (struct racer){ .id = id, .seed = 88172645463325252UL + id };
    events_begin();
    grants_begin();
    memory_begin();
    if (spare) {
        shared_info.vcpu_info[spare].evtchn_upcall_mask = 1;
        NEED(vcpu_prepare((unsigned int)spare, idle) == 0);
    }
    NEED(vcpus_start(racers, race) == racers);
}

void test_main(void)
{
    uint64_t end;

    events_mask_all();              /* nobody has handlers for what will come */
    start();
    end = now_ns() + TIME;
    for (int i = 0; i < ROUNDS && now_ns() < end; i++)
        race_once(&everybody[0]);
    stop = true;
    vcpus_wait(racers);
    for (unsigned int id = 0; id < racers; id++) {
        const struct racer *r = &everybody[id];

        printk("vCPU %u: %u accepted, %u refused\n", id, r->accepted, r->refused);
        CHECK(r->accepted > 0 && r->refused > 0);
        if (r->wrongs)
            test_failure(__FILE__, __LINE__, "vCPU %u, %u times, first: %s", id, r->wrongs,
                         r->wrong);
    }
    vcpus_end();
    events_end();
    grants_end();
    memory_end();
}
