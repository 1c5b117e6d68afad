/* SPDX-License-Identifier: MIT */
/*
 * Races of several domains: the control domain's vCPUs and three neighbours do the same kinds of
 * operations on the same objects. Grants are mapped, copied and unmapped while their owner ends
 * them, ports between domains are rung while either end closes or resets them, foreign pages are
 * mapped, domains paused, asked about, ended and built anew. Beside all that a domain works: its
 * work must be right, its registers, read by others, no older than what it has written, and events
 * must reach it, at once where nobody else is there. Nothing is lost, nothing changes that nobody
 * writes, and the audit finds nothing, in the middle either. Idea: XSA-224, 227, 234, 317, 380 and
 * 387 (grants and ports of domains that end).
 * Of Xen's CPUs four come to nothing in this time, where QEMU has two to run them on.
 * on xen: SKIP
 * machine: vcpus4
 */
#include "neighbours.h"

struct neighbour neighbours[HANDS + 1];

/* One with its pages filled and granted. */
void neighbour_begin(struct neighbour *n)
{
    other_begin(&n->other, PAGES);
    for (unsigned int i = 0; i < PATTERNS; i++) {
        void *page = other_map(&n->other, OTHER_FREE + i);

        fill_page(page);
        unmap_frames(page, 1);
    }
    for (unsigned int i = 0; i < REFS; i++)
        other_grant(&n->other, FIRST_REF + i, 0, n->other.frame[OTHER_FREE + i % PATTERNS],
                    GTF_permit_access | (i & 4 ? GTF_readonly : 0));
}

static void hands_begin(void)
{
    for (unsigned int h = 0; h < HANDS; h++) {
        neighbour_begin(&neighbours[h]);
        neighbours[h].life = 1;
    }
    for (unsigned int h = 0; h < HANDS; h++) {
        struct neighbour *n = &neighbours[h];

        for (unsigned int i = 0; i < REFS; i++)
            other_grant(&n->other, FIRST_REF + REFS + i, neighbours[1 - h].other.id,
                        n->other.frame[OTHER_FREE + i % PATTERNS], GTF_permit_access);
        n->table = (grant_entry_v1_t *)(void *)grant_frames(n->other.id, 1);
    }
}

/* The calls that they were given have come to their end. */
static void hands_end(void)
{
    uint64_t until = now_ns() + 60 * NS_PER_S;

    for (unsigned int h = 0; h < HANDS; h++) {
        struct neighbour *n = &neighbours[h];

        while (!other_done(&n->other) && now_ns() < until)
            vcpu_yield();
        CHECK(other_done(&n->other));
        unmap_frames(n->table, 1);
        other_end(&n->other);
    }
}

void test_main(void)
{
    static const race_part parts[] = { hands_race, grants_race, ports_race, control_race,
                                       worker_race };

    if (!on_domus())
        test_skip("too slow on Xen in QEMU");
    events_mask_all();                  /* nobody has handlers for what will come */
    racers = MIN(vcpu_count(), RACERS);
    control_begin();
    worker_begin();
    hands_begin();
    grants_begin();
    race(NULL, parts, 5, 700);
    control_end();
    grants_unmap();
    hands_end();
    grants_end();
    worker_end();
}
