/* SPDX-License-Identifier: MIT */
/* See turns.h. */
#include "dom0/turns.h"
#if __STDC_HOSTED__                     /* A test plays the events, too. */
bool events_save(void);
void events_restore(bool was_masked);
#else
#include <pvguest/events.h>
#endif

/*
 * A turn shall cost about the same whatever it is spent on, some hundred microseconds at most, and be long enough for
 * batching to pay: a vif's 32 frames are one hypercall.
 */
const struct turn_rule turn_rules[TURN_KINDS] = {
    [TURN_DISK]    = { "disk",    "finished transfers", 32,  LANE_QUICK },
    [TURN_CARD]    = { "card",    "frames",             32,  LANE_QUICK },
    [TURN_BLOCK]   = { "vbd",     "requests",           8,   LANE_QUICK },
    [TURN_NET]     = { "vif",     "frames",             32,  LANE_QUICK },
    [TURN_STORE]   = { "store",   "requests",           4,   LANE_QUICK },
    [TURN_CONSOLE] = { "console", "bytes",              512, LANE_QUICK },
    [TURN_PACE]    = { "pace",    "looks at all cards", 1,   LANE_QUICK },
    [TURN_STATE]   = { "state",   "changes",            1,   LANE_SLEEPING },
};

static LIST(domains);
static struct lane {
    struct list waiting;                /* Domains with work, who is next first. */
    const struct turn *served;
} lanes[TURN_LANES] = { { LIST_INIT(lanes[0].waiting), NULL }, { LIST_INIT(lanes[1].waiting), NULL } };

static void (*wake_lane)(enum turn_lane lane);
static uint64_t (*now)(void);

void turns_start(void (*wake)(enum turn_lane lane), uint64_t (*clock)(void)) {
    wake_lane = wake;
    now = clock;
}

/* --- who there is --- */

static struct turns_domain *find(uint16_t domid) {
    struct turns_domain *domain;

    list_for_each(domain, &domains, all)
        if (domain->domid == domid)
            return domain;
    return NULL;
}

const struct turns_domain *turns_of(uint16_t domid) {
    return find(domid);
}

static struct turns_domain *new_domain(uint16_t domid) {
    struct turns_domain *domain = calloc(1, sizeof(*domain));

    if (!domain)
        return NULL;
    domain->domid = domid;
    for (unsigned lane = 0; lane < TURN_LANES; lane++) {
        list_init(&domain->waiting[lane]);
        list_init(&domain->marked[lane]);
    }
    list_append(&domains, &domain->all);
    return domain;
}

int turns_join(struct turn *turn, enum turn_kind kind, uint16_t domid, bool (*serve)(void *owner, unsigned budget), void *owner) {
    struct turns_domain *domain = find(domid);

    if (!domain)
        domain = new_domain(domid);
    if (!domain)
        return refused(-ENOMEM);
    domain->services++;
    *turn = (struct turn){ .kind = kind, .serve = serve, .owner = owner };
    list_init(&turn->marked);
    turn->domain = domain;
    return 0;
}

void turns_leave(struct turn *turn) {
    struct turns_domain *domain = turn->domain;
    bool masked;

    if (!domain)
        return;
    masked = events_save();
    turn->domain = NULL;
    list_remove(&turn->marked);
    domain->services--;
    for (unsigned lane = 0; lane < TURN_LANES && !domain->services; lane++)
        list_remove(&domain->waiting[lane]);
    events_restore(masked);
    if (domain->services)
        return;
    list_remove(&domain->all);
    free(domain);
}

/* --- who has work --- */

void turns_mark(struct turn *turn) {
    struct turns_domain *domain = turn->domain;
    enum turn_lane lane = turn_rules[turn->kind].lane;
    bool masked, first;

    if (!domain)
        return;
    masked = events_save();
    first = list_empty(&lanes[lane].waiting);
    if (list_empty(&turn->marked))
        list_append(&domain->marked[lane], &turn->marked);
    if (list_empty(&domain->waiting[lane]))
        list_append(&lanes[lane].waiting, &domain->waiting[lane]);
    events_restore(masked);
    if (first)
        wake_lane(lane);
}

void turns_charge(struct turn *turn, unsigned units) {
    turn->debt += units;
}

bool turns_wanted(enum turn_lane lane) {
    return !list_empty(&lanes[lane].waiting);
}

const struct turn *turns_served(enum turn_lane lane) {
    return lanes[lane].served;
}

/* --- the turns --- */

/* The first service of the first domain, marked no more; the domain waits on, behind the others, if another one is. */
static struct turn *next_turn(enum turn_lane lane) {
    struct turn *turn = NULL;
    bool masked = events_save();
    struct list *first = lanes[lane].waiting.next;

    if (first != &lanes[lane].waiting) {
        struct turns_domain *domain = container_of(first - lane, struct turns_domain, waiting);

        turn = list_first(&domain->marked[lane], struct turn, marked);
        list_remove(first);
        if (turn)
            list_remove(&turn->marked);
        if (!list_empty(&domain->marked[lane]))
            list_append(&lanes[lane].waiting, first);
    }
    events_restore(masked);
    return turn;
}

/* A budget's worth of an old debt is paid instead of a turn. */
static bool pays(struct turn *turn, unsigned budget) {
    if (!turn->debt)
        return false;
    turn->debt -= turn->debt < budget ? turn->debt : budget;
    return true;
}

bool turns_take(enum turn_lane lane) {
    struct turn *turn = next_turn(lane);
    unsigned budget;
    bool more = true;

    if (!turn)
        return turns_wanted(lane);
    budget = turn_rules[turn->kind].budget;
    if (!pays(turn, budget)) {
        struct turns_domain *domain = turn->domain;
        uint64_t start = now();

        domain->turns[turn->kind]++;
        lanes[lane].served = turn;
        more = turn->serve(turn->owner, budget);
        lanes[lane].served = NULL;
        if (lane == LANE_QUICK)                 /* Who sleeps lets others work meanwhile. */
            domain->nanoseconds += now() - start;
    }
    if (more)
        turns_mark(turn);
    return true;
}
