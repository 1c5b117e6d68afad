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
 * A turn is what somebody waits for who has hardly asked for anything: some ten microseconds. And
 * it is long enough for batching to pay: a vif's 8 frames are one hypercall.
 */
const struct turn_rule turn_rules[TURN_KINDS] = {
    [TURN_DISK]    = { "disk",    "finished transfers", 8,   LANE_QUICK },
    [TURN_CARD]    = { "card",    "frames",             8,   LANE_QUICK },
    [TURN_BLOCK]   = { "vbd",     "requests",           2,   LANE_QUICK },
    [TURN_NET]     = { "vif",     "frames",             8,   LANE_QUICK },
    [TURN_STORE]   = { "store",   "requests",           2,   LANE_QUICK },
    [TURN_CONSOLE] = { "console", "bytes",              256, LANE_QUICK },
    [TURN_PACE]    = { "pace",    "looks at all cards", 1,   LANE_QUICK },
    [TURN_STATE]   = { "state",   "changes",            1,   LANE_SLEEPING },
};

static LIST(domains);
static struct lane {
    struct list waiting;                /* Domains with work, by their time: who is next first. */
    const struct turn *served;
    uint64_t least;                     /* The time of who was next last; does not fall. */
} lanes[TURN_LANES] = { { LIST_INIT(lanes[0].waiting), NULL, 0 },
                        { LIST_INIT(lanes[1].waiting), NULL, 0 } };

static void (*wake_lane)(enum turn_lane lane);
static uint64_t (*work_for)(uint16_t domid);
static bool (*others_wait)(void);
static struct turns_domain *payer;      /* Of what dom0 does just now; NULL: itself. */

void turns_start(void (*wake)(enum turn_lane lane), uint64_t (*whom)(uint16_t domid),
                 bool (*others)(void))
{
    wake_lane = wake;
    work_for = whom;
    others_wait = others;
    payer = NULL;
}

/* --- who pays --- */

/* From now on. For what was until now, so many nanoseconds, who paid before. */
static uint64_t pays(struct turns_domain *domain)
{
    uint64_t ns = work_for(domain ? domain->domid : 0);

    if (payer)
        payer->nanoseconds += ns;
    payer = domain;
    return ns;
}

void turns_rest(void)
{
    if (payer)
        pays(NULL);
}

/* --- who there is --- */

static struct turns_domain *find(uint16_t domid)
{
    struct turns_domain *domain;

    list_for_each(domain, &domains, all)
        if (domain->domid == domid)
            return domain;
    return NULL;
}

const struct turns_domain *turns_of(uint16_t domid)
{
    return find(domid);
}

static struct turns_domain *new_domain(uint16_t domid)
{
    struct turns_domain *domain = calloc(1, sizeof(*domain));

    if (!domain) return NULL;
    domain->domid = domid;
    for (unsigned lane = 0; lane < TURN_LANES; lane++) {
        list_init(&domain->waiting[lane]);
        list_init(&domain->marked[lane]);
    }
    list_append(&domains, &domain->all);
    return domain;
}

int turns_join(struct turn *turn, enum turn_kind kind, uint16_t domid,
               bool (*serve)(void *owner, unsigned budget), void *owner)
{
    struct turns_domain *domain = find(domid);

    if (!domain)
        domain = new_domain(domid);
    if (!domain) return refused(-ENOMEM);
    domain->services++;
    *turn = (struct turn){ .kind = kind, .serve = serve, .owner = owner };
    list_init(&turn->marked);
    turn->domain = domain;
    return 0;
}

void turns_leave(struct turn *turn)
{
    struct turns_domain *domain = turn->domain;
    bool masked;

    if (!domain) return;
    masked = events_save();
    turn->domain = NULL;
    list_remove(&turn->marked);
    domain->services--;
    for (unsigned lane = 0; lane < TURN_LANES; lane++)
        if (list_empty(&domain->marked[lane]))
            list_remove(&domain->waiting[lane]);
    events_restore(masked);
    if (domain->services) return;
    if (payer == domain)
        turns_rest();
    list_remove(&domain->all);
    free(domain);
}

/* --- who has work --- */

/* Behind those who have had as little. Who asked for nothing for a while has some credit, and no
 * more. */
static void queue_up(struct lane *lane, struct turns_domain *domain, enum turn_lane number)
{
    uint64_t least = lane->least - (lane->least < TURN_CREDIT_NS ? lane->least : TURN_CREDIT_NS);
    struct list *at = lane->waiting.next;

    if (domain->time[number] < least)
        domain->time[number] = least;
    while (at != &lane->waiting &&
           container_of(at - number, struct turns_domain, waiting)->time[number] <=
               domain->time[number])
        at = at->next;
    list_append(at, &domain->waiting[number]);
}

void turns_mark(struct turn *turn)
{
    struct turns_domain *domain = turn->domain;
    enum turn_lane lane = turn_rules[turn->kind].lane;
    bool masked, first;

    if (!domain) return;
    masked = events_save();
    first = list_empty(&lanes[lane].waiting);
    if (list_empty(&turn->marked))
        list_append(&domain->marked[lane], &turn->marked);
    if (list_empty(&domain->waiting[lane]))
        queue_up(&lanes[lane], domain, lane);
    events_restore(masked);
    if (first)
        wake_lane(lane);
}

void turns_wake(void *turn)
{
    turns_mark(turn);
}

bool turns_wanted(enum turn_lane lane)
{
    return !list_empty(&lanes[lane].waiting);
}

const struct turn *turns_served(enum turn_lane lane)
{
    return lanes[lane].served;
}

/* --- the turns --- */

static struct turns_domain *first_domain(enum turn_lane lane)
{
    struct list *first = lanes[lane].waiting.next;

    return first == &lanes[lane].waiting ? NULL
                                         : container_of(first - lane, struct turns_domain, waiting);
}

/* Whose turn it is, once dom0 works for it. Saying so may let a guest run that wants something,
 * too, and is next then. */
static struct turns_domain *choose(enum turn_lane lane)
{
    struct turns_domain *domain = first_domain(lane);

    for (; lane == LANE_QUICK && domain && domain != payer; domain = first_domain(lane))
        pays(domain);
    return domain;
}

/* Its first service, marked no more; the domain waits no more either. */
static struct turn *take(struct turns_domain *domain, enum turn_lane lane)
{
    struct turn *turn;
    bool masked = events_save();

    turn = list_first(&domain->marked[lane], struct turn, marked);
    list_remove(&turn->marked);
    list_remove(&domain->waiting[lane]);
    if (lanes[lane].least < domain->time[lane])
        lanes[lane].least = domain->time[lane];
    events_restore(masked);
    return turn;
}

/* It has had so much. If it has more to do, in this service or another, it waits again. */
static void had(struct turns_domain *domain, enum turn_lane lane, uint64_t ns)
{
    bool masked = events_save();

    domain->time[lane] += ns;
    /* It may have been marked meanwhile, by what it had before. */
    list_remove(&domain->waiting[lane]);
    if (!list_empty(&domain->marked[lane]))
        queue_up(&lanes[lane], domain, lane);
    events_restore(masked);
}

bool turns_take(enum turn_lane lane)
{
    struct turns_domain *domain = choose(lane);
    struct turn *turn;
    uint64_t ns = 1;
    bool more;

    if (!domain) return false;
    turn = take(domain, lane);
    domain->turns[turn->kind]++;
    lanes[lane].served = turn;
    more = turn->serve(turn->owner, turn_rules[turn->kind].budget);
    /* Who sleeps lets others work meanwhile: there, a turn is a turn. Elsewhere he pays on if
     * nobody waits, or who has us woken for nothing would have it for nothing. */
    if (lane == LANE_QUICK)
        ns = pays(turns_wanted(lane) || others_wait() ? NULL : domain);
    lanes[lane].served = NULL;
    if (more)
        turns_mark(turn);
    had(domain, lane, ns);
    return true;
}
