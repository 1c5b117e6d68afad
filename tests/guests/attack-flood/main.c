/* SPDX-License-Identifier: MIT */
/*
 * A domU that asks for as much of one thing as it can: flood=MODE on its command line says which;
 * with `beside`, its further vCPUs do what they can meanwhile. None of it is forbidden, and none
 * may stop anybody else: another instance, flood=neighbour, works beside it (store, disk and ping,
 * all checked) and says how long each takes. The system tests (test_floods.py, test_flood_soak.py)
 * and the flood table (tests/bench/floods.py) compare. Skips when it runs bare, without a XenStore.
 * Idea: what an audit saw stop dom0 for as long as the attack went on.
 */
#include "flood.h"

static void small_frames(void)
{
    flood_frames(60, false);
}
static void large_frames(void)
{
    flood_frames(1514, false);
}
static void frames_for_all(void)
{
    flood_frames(60, true);
}
static void store(void)
{
    flood_store("data/flood", "x");
}

/* What it is already: nothing to do, each time. */
static void state(void)
{
    char value[8];

    snprintf(value, sizeof(value), "%u", XenbusStateInitialising);
    flood_store("device/vif/0/state", value);
}

static const struct {
    const char *mode;
    void (*flood)(void);
} floods[] = {
    { "net-small", small_frames },
    { "net-large", large_frames },
    { "net-broadcast", frames_for_all },
    { "disk", flood_disk },
    { "store", store },
    { "state", state },
    { "transactions", flood_transactions },
    { "held", flood_held },
    { "deaf", flood_deaf },
    { "console", flood_console },
    { "events", flood_events },
    { "balloon", flood_balloon },
    { "tables", flood_tables },
    { "vcpus", flood_vcpus },
    { "timers", flood_timers },
};

void test_main(void)
{
    char mode[16], unused[4];

    if (!xs_available())
        test_skip("no XenStore");
    NEED(command_option("flood", mode, sizeof(mode)));
    if (!strcmp(mode, "neighbour"))
        be_the_neighbour();
    printk("attack-flood: %s\n", mode);
    if (command_option("beside", unused, sizeof(unused)))
        flood_beside();
    for (unsigned int i = 0; i < ARRAY_SIZE(floods); i++)
        if (!strcmp(mode, floods[i].mode))
            floods[i].flood();
    test_error("no flood=%s", mode);
}
