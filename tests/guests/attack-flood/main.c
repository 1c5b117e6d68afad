/* SPDX-License-Identifier: MIT */
/*
 * A domU that asks for as much of one thing as it can: flood=MODE on its command line says which. None of it is forbidden, and none
 * may stop anybody else: another instance, flood=neighbour, works beside it (store, disk and ping, all checked) and says how long
 * each takes. The system test (test_floods.py) compares. Skips when it runs bare, without a XenStore.
 * Idea: what an audit saw stop dom0 for as long as the attack went on.
 */
#include "flood.h"

static void flood(const char *mode)
{
    char state[48];

    if (!strcmp(mode, "neighbour"))
        be_the_neighbour();
    printk("attack-flood: %s\n", mode);
    if (!strcmp(mode, "net-small"))
        flood_frames(60, false);
    if (!strcmp(mode, "net-large"))
        flood_frames(1514, false);
    if (!strcmp(mode, "net-broadcast"))
        flood_frames(60, true);
    if (!strcmp(mode, "disk"))
        flood_disk();
    if (!strcmp(mode, "store"))
        flood_store("data/flood", "x");
    if (!strcmp(mode, "state")) {
        snprintf(state, sizeof(state), "%u", XenbusStateInitialising);      /* what it is already: nothing to do, each time */
        flood_store("device/vif/0/state", state);
    }
    if (!strcmp(mode, "transactions"))
        flood_transactions();
    if (!strcmp(mode, "held"))
        flood_held();
    if (!strcmp(mode, "deaf"))
        flood_deaf();
    if (!strcmp(mode, "console"))
        flood_console();
}

void test_main(void)
{
    char mode[16];

    if (!xs_available())
        test_skip("no XenStore");
    NEED(command_option("flood", mode, sizeof(mode)));
    flood(mode);
    test_error("no flood=%s", mode);
}
