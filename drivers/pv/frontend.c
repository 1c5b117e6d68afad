/* SPDX-License-Identifier: MIT */
/*
 * See frontend.h. However often a back end changes its mind, a wait ends in time: with the state
 * that was waited for, with one from which there is no way to it, or when the time is up.
 */
#include "frontend.h"
#include <pvguest/console.h>
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>

#define PATIENCE (10 * NS_PER_S)

#define IS(state) (1u << XenbusState##state)
#define GONE      (IS(Unknown) | IS(Closed))

/* The state that came, or -ETIMEDOUT, and then it is said who is waited for in vain. */
static int wait_for(struct xenbus_device *bus, unsigned int states)
{
    int state = xenbus_wait_state(bus, states, PATIENCE);

    if (state < 0)
        printk("%s: %s does not answer: it stays %s\n", bus->path, bus->other_path,
               xenbus_state_name(bus->other_state));
    return state;
}

int frontend_open(struct xenbus_device *bus, const char *node)
{
    int error = xenbus_attach_front(bus, node);

    if (error) return error;
    /* Whatever an earlier owner left there: the back end shall look again. */
    bus->state = XenbusStateUnknown;
    error = xenbus_switch_state(bus, XenbusStateInitialising);
    if (!error) {
        /* One that was closed opens again now: only here is that no answer. */
        int state = wait_for(bus, IS(InitWait));

        error = state < 0 ? state : 0;
    }
    if (error)
        xenbus_detach(bus);
    return error;
}

/* Some say so. */
static void say_why(struct xenbus_device *bus)
{
    char *why = xs_read_node(XS_NONE, bus->other_path, "error");

    printk("%s: %s does not connect: %s\n", bus->path, bus->other_path,
           IS_ERR(why) ? xenbus_state_name(bus->other_state) : why);
    if (!IS_ERR(why))
        free(why);
}

int frontend_connect(struct xenbus_device *bus, enum xenbus_state state)
{
    int error = xenbus_switch_state(bus, state), other;

    if (error) return error;
    other = wait_for(bus, IS(Connected) | IS(Closing) | GONE);
    if (other < 0) return other;
    if (other == XenbusStateConnected) return 0;
    say_why(bus);
    return refused(-ECONNREFUSED);
}

void frontend_close(struct xenbus_device *bus)
{
    if (!bus->path) return;
    xenbus_switch_state(bus, XenbusStateClosing);
    wait_for(bus, IS(Closing) | GONE);
    xenbus_switch_state(bus, XenbusStateClosed);
    wait_for(bus, GONE);
    xenbus_detach(bus);
}

bool frontend_serves(enum xenbus_state state)
{
    return state == XenbusStateConnected || state == XenbusStateClosing ||
           state == XenbusStateReconfiguring || state == XenbusStateReconfigured;
}

int frontend_publish(struct xenbus_device *bus, const char *key, uint64_t value)
{
    return xs_printf(XS_NONE, bus->path, key, "%llu", (unsigned long long)value);
}

uint64_t frontend_feature(struct xenbus_device *bus, const char *key, uint64_t missing)
{
    unsigned long value;

    return xs_read_ulong(XS_NONE, bus->other_path, key, &value) ? missing : value;
}
