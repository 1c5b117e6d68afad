/* SPDX-License-Identifier: MIT */
/*
 * A domU that breaks its devices while they are at work: requests are on the rings and transfers on
 * the disk when grants are taken back (of the data, of the ring itself), event channels are closed,
 * states flap, and, with `vanish` on the command line, when the whole domain ends. Also what random
 * rings (attack-rings, attack-backends) hardly ever hit: indirect requests and chains of frames
 * that are almost right. Each time the back end must refuse or close, hold no page of ours
 * afterwards, and serve us again. The system test watches a neighbour's own traffic meanwhile. With
 * `full`: no attack, only everything that is allowed at once, so that dom0's tables have grown
 * before somebody counts its pages. Skips when it runs bare, without a XenStore. Idea: XSA-155
 * (requests that change under the back end), 365 (grants that cannot be mapped), 423 and 432
 * (unusual packets).
 */
#include "../lib/other.h"
#include "traffic.h"

#define TABLE_FRAMES 8u

grant_entry_v1_t *entries;

bool closes(const char *backend)
{
    uint64_t until = now_ns() + 10 * NS_PER_S;
    unsigned long state = 0;

    while (now_ns() < until) {
        if (xs_read_ulong(XS_NONE, backend, "state", &state) == 0 && state == XenbusStateClosed)
            return true;
        thread_sleep(5 * NS_PER_MS);
    }
    return false;
}

void flap(const char *node)
{
    static uint64_t seed = 3;

    for (unsigned int i = 0; i < 60; i++)
        xs_printf(XS_NONE, node, "state", "%u", (unsigned int)(next_random(&seed) % 9));
    xs_printf(XS_NONE, node, "state", "%u", XenbusStateClosed);
}

void test_main(void)
{
    char option[4];

    if (!xs_available())
        test_skip("no XenStore");
    entries = grant_frames(DOMID_SELF, TABLE_FRAMES);       /* the SDK keeps its own to itself */
    if (command_option("vanish", option, sizeof(option))) {
        disk_at_work();
        card_at_work();
        crash();
    }
    if (command_option("full", option, sizeof(option))) {
        disk_full();
        return;
    }
    disk_attacks();
    card_attacks();
}
