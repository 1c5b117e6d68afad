/* SPDX-License-Identifier: MIT */
/*
 * dom0's turns: the one place that decides whom dom0 works for next, and how much at a time.
 *
 * Whatever a guest can cause is served here and nowhere else. Its event handler only marks the
 * guest's service (`turn`) as having work. A thread (worker.c) then hands out turns: of the domains
 * that have work, to the one for which dom0 has worked least, and within a domain round robin over
 * its services, so a guest with ten cards gets no more than one with one. A turn is one call of the
 * service's `serve`, with the budget of its kind; what is left waits for another turn. What counts
 * is the time it took, whatever was asked for; so who asks for little now and then is next, whoever
 * else asks for how much, and who has just had a turn that took long waits as long. Time in which a
 * domain asks for nothing is not saved up, but for TURN_CREDIT_NS.
 *
 * If there is nothing to do behind a turn, who had it pays until the next one begins, too: for
 * falling asleep, being woken, and hearing events. Otherwise nobody waits for somebody who is late:
 * what is between two turns, and other threads' work (turns_rest), is dom0's.
 *
 * Two lanes: services in the first never sleep; the second is for work that does (back ends'
 * states, read from XenStore). The machine's own devices are domain 0's services and wait in the
 * same queue. Between any two turns every other thread of dom0 (the prompt, commands, the
 * toolstack) has its own.
 *
 * Pure but for the mask of events, under which a few pointers are changed: that, not the work, is
 * how long events wait.
 */
#ifndef DOM0_TURNS_H
#define DOM0_TURNS_H

#include "dom0/base.h"
#include <pvguest/list.h>

/* Kinds of service; their units and budgets stand in turns.c. */
enum turn_kind {
    TURN_DISK,
    TURN_CARD,
    TURN_BLOCK,
    TURN_NET,
    TURN_STORE,
    TURN_CONSOLE,
    TURN_PACE,
    TURN_STATE,
    TURN_KINDS
};

enum turn_lane { LANE_QUICK, LANE_SLEEPING, TURN_LANES };

struct turn_rule {
    const char *name, *unit;
    unsigned budget;                    /* Units in one turn. */
    enum turn_lane lane;
};

extern const struct turn_rule turn_rules[TURN_KINDS];

#define TURN_CREDIT_NS 1000000u

/* A domain, for as long as it has a service. */
struct turns_domain {
    struct list all;
    struct list waiting[TURN_LANES];    /* Among the domains that have work. */
    struct list marked[TURN_LANES];     /* Its services that have. */
    uint16_t domid;
    unsigned services;
    uint64_t turns[TURN_KINDS];
    uint64_t nanoseconds;               /* What dom0 has spent on it. */
    /* The same in each lane, less what it did not save up; in the second, turns. */
    uint64_t time[TURN_LANES];
};

/* A service of a domain; part of what is served. (Not the hypervisor's struct turn, a vCPU's.) */
struct turn {
    struct list marked;
    struct turns_domain *domain;        /* NULL: not joined. */
    enum turn_kind kind;
    /* Does at most `budget` units; true: there is more to do. */
    bool (*serve)(void *owner, unsigned budget);
    void *owner;
};

/*
 * Once. `wake` is called when a lane that had nothing to do has: safe in event handlers. `work_for`
 * is told whom dom0 works for from now on (0: for itself), and returns the nanoseconds for which it
 * has worked since it was last told. `others_wait`: has dom0 something else to do than turns?
 */
void turns_start(void (*wake)(enum turn_lane lane), uint64_t (*work_for)(uint16_t domid),
                 bool (*others_wait)(void));

/* 0 or -ENOMEM. */
int turns_join(struct turn *turn, enum turn_kind kind, uint16_t domid,
               bool (*serve)(void *owner, unsigned budget), void *owner);

/* Not while it is being served: see turns_served(). Harmless when it has not joined. */
void turns_leave(struct turn *turn);

/* There is work. Safe in event handlers, any number of times, and when it has not joined. */
void turns_mark(struct turn *turn);
void turns_wake(void *turn);            /* The same for those who know no turns: wakers, timers. */

/* One turn for whoever is next; false: nobody has work. */
bool turns_take(enum turn_lane lane);
bool turns_wanted(enum turn_lane lane);
/* dom0 works for itself from now on, until the next turn of those that never sleep. */
void turns_rest(void);

/* Who is being served in a lane now, which matters for those that sleep; NULL: nobody. */
const struct turn *turns_served(enum turn_lane lane);

/* NULL: a domain without services. */
const struct turns_domain *turns_of(uint16_t domid);

#endif
