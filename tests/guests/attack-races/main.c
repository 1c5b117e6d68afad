/* SPDX-License-Identifier: MIT */
/*
 * Races: several vCPUs do the same kinds of operations on the same objects at random. Event
 * channels are bound, sent to, moved and closed; grants are given, mapped, copied, unmapped, and
 * taken back while they are in use; pages are given back, had again, exchanged and mapped, with
 * flushes of all kinds; tables are pinned while others write there; a spare vCPU goes up and down
 * and gets timers and areas. Many requests come too late and are refused, which is right. What
 * counts: no event is lost that was sent to an open port, no page and no reference is lost, what
 * nobody wrote to stays as it was, nobody sees what was flushed, and the audit finds nothing. Idea:
 * XSA-343 (ports closed while they are sent to), 379, 382 (grants and their references), 397, 401,
 * 402.
 * machine: vcpus4
 */
#include "races.h"

unsigned long spare;

static const race_part parts[] = { events_race, grants_race, memory_race,
                                   tables_race, vcpus_race,  wakes_race, views_race };

void test_main(void)
{
    unsigned int count = MIN(vcpu_count(), RACERS);

    events_mask_all();              /* nobody has handlers for what will come */
    spare = count > 2 ? count - 1 : 0;
    racers = spare ? count - 1 : count;
    wakes_begin();
    events_begin();
    grants_begin();
    memory_begin();
    tables_begin();
    if (spare)
        shared_info.vcpu_info[spare].evtchn_upcall_mask = 1;
    race(vcpus_join, parts, 7, 1500);
    vcpus_end();
    events_end();
    grants_end();
    memory_end();
    tables_end();
    wakes_end();
}
