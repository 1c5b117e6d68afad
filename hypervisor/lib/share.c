/* SPDX-License-Identifier: MIT */
/* The arithmetic of lib/share.h. No locks: the callers'. All in O(log n) steps, whatever guests
 * do. */
#include "lib/share.h"

/* Who has had more than others who wait in his lane is there as one who just ran for so long. */
#define LANE_DEBT_NS 10000000ul

/* ---- clocks ---- */

/* No change for who has been here all the time: the clock does not pass who waits. */
static uint64_t forgive(uint64_t time, uint64_t clock)
{
    return MAX(time, clock - MIN(clock, SLEEP_CREDIT_NS));
}

/* How late it is for who runs, or for the one he does it for. */
static uint64_t time_of(const struct turn *t)
{
    return likely(!t->client) ? t->share->time : MAX(t->share->time, t->client->time);
}

/* The same, in its lane: near the clock there. */
static uint64_t time_in_lane(const struct turn *t)
{
    uint64_t clock = t->lane->clock;

    return MIN(forgive(time_of(t), clock),
               clock + LANE_DEBT_NS * SHARE_WEIGHT / t->share->weight);
}

static uint64_t key_of(const struct turn *t)
{
    return likely(!t->lane) ? time_of(t) : time_in_lane(t);
}

/* who may run everywhere, and comes, too, comes as late as it is here */
void lane_charged(struct runqueue *q, struct turn *t, uint64_t by)
{
    lane_tick(t->lane, by, time_of(t));
}

/* ---- shares ---- */

void share_init(struct share *s, const struct runqueue *q)
{
    *s = (struct share){ .weight = SHARE_WEIGHT, .time = q->all.clock + SLEEP_CREDIT_NS };
}

void share_moved(struct runqueue *q, struct share *s)
{
    pq_remove(&q->all.waiting, &s->node);
    pq_insert(&q->all.waiting, &s->node, s->time);
}

/* What nobody hangs below stays where it is. */
void share_older(struct runqueue *q, struct share *s)
{
    if (s->node.left)
        share_moved(q, s);
    else
        s->node.key = s->time;
}

/* To have been parked is no credit. */
void share_park(struct runqueue *q, struct share *s, bool parked)
{
    s->parked = parked;
    if (parked && pq_queued(&s->node))
        pq_remove(&q->all.waiting, &s->node);
    if (parked) return;
    s->time = MAX(s->time, q->all.clock);
    if (s->waiting.first)
        pq_insert(&q->all.waiting, &s->node, s->time);
}

/* ---- lanes ---- */

static struct mixed_lane *mixed(struct lane *lane)
{
    return container_of(lane, struct mixed_lane, lane);
}

static bool is_only(const struct runqueue *q, const struct lane *lane)
{
    return lane >= q->only && lane < q->only + MAX_CPUS;
}

cpumask_t lane_cpus(const struct runqueue *q, struct lane *lane)
{
    return is_only(q, lane) ? cpu_bit((uint32_t)(lane - q->only)) : mixed(lane)->cpus;
}

/* The lane of those CPUs, or one that nobody uses. */
static struct lane *find_mixed(struct runqueue *q, cpumask_t cpus)
{
    struct mixed_lane *found = NULL;

    for (struct mixed_lane *m = q->mixed; m < q->mixed + MIXED_LANES; m++) {
        if (m->users && m->cpus == cpus) return &m->lane;
        if (!m->users && !found)
            found = m;
    }
    if (!found) return NULL;
    *found = (struct mixed_lane){ .cpus = cpus };
    q->mixed_count = MAX(q->mixed_count, (uint32_t)(found - q->mixed) + 1);
    return &found->lane;
}

static struct lane *find_lane(struct runqueue *q, cpumask_t set)
{
    struct lane *lane = NULL;

    if (set & (set - 1))
        lane = find_mixed(q, set);
    return lane ? lane : &q->only[cpumask_first(set)];
}

void run_keep(struct runqueue *q, struct turn *t, cpumask_t cpus, cpumask_t present)
{
    if (t->lane) {
        q->kept--;
        if (!is_only(q, t->lane))
            mixed(t->lane)->users--;
    }
    cpus &= present;
    t->lane = cpus && cpus != present ? find_lane(q, cpus) : NULL;
    if (t->lane) {
        q->kept++;
        if (!is_only(q, t->lane))
            mixed(t->lane)->users++;
    }
}

/* Where nobody waits nobody has a claim against who comes from elsewhere. */
static void catch_up(const struct runqueue *q, struct lane *lane)
{
    if (!lane->waiting.first)
        lane->clock = MAX(lane->clock, q->all.clock);
}

static struct pq_node *lesser(struct pq_node *a, const struct lane *lane)
{
    struct pq_node *b = lane->waiting.first;

    return !a || (b && b->key < a->key) ? b : a;
}

struct pq_node *run_first_kept(const struct runqueue *q, uint32_t cpu)
{
    struct pq_node *first = lesser(q->all.waiting.first, &q->only[cpu]);

    for (const struct mixed_lane *m = q->mixed; m < q->mixed + q->mixed_count; m++)
        if (m->users && (m->cpus & cpu_bit(cpu)))
            first = lesser(first, &m->lane);
    return first;
}

/* ---- who waits ---- */

/* It ran, or is as one who did. */
static void queue(struct runqueue *q, struct turn *t, uint64_t key)
{
    struct share *s = t->share;

    if (unlikely(t->lane && !s->parked)) {
        pq_insert(&t->lane->waiting, &t->node, key);
        return;
    }
    pq_insert(&s->waiting, &t->node, t->time);
    if (!pq_queued(&s->node) && likely(!s->parked))
        pq_insert(&q->all.waiting, &s->node, key);
}

/* Where it comes to wait nobody has saved up time, be it by sleep or for want of vCPUs. */
static void settle(struct runqueue *q, struct turn *t)
{
    struct share *s = t->share;

    if (s->waiting.first)
        s->clock = MAX(s->clock, s->waiting.first->key);
    t->time = forgive(t->time, s->clock);
    s->time = forgive(s->time, likely(!t->lane) ? q->all.clock : t->lane->clock);
    if (pq_queued(&s->node) && s->time > s->node.key)
        share_older(q, s);
}

void run_wait(struct runqueue *q, struct turn *t)
{
    if (unlikely(t->lane))
        catch_up(q, t->lane);
    settle(q, t);
    queue(q, t, likely(!t->lane) ? t->share->time : time_in_lane(t));
}

void run_leave(struct runqueue *q, struct turn *t)
{
    struct share *s = t->share;

    if (unlikely(t->lane && !s->parked)) {
        pq_remove(&t->lane->waiting, &t->node);
        return;
    }
    pq_remove(&s->waiting, &t->node);
    if (!s->waiting.first && pq_queued(&s->node))
        pq_remove(&q->all.waiting, &s->node);
}

/* ---- who is next ---- */

/* the turn that the first is, or of that share the first; it waits no more */
static struct turn *take(struct runqueue *q, struct pq_node *first)
{
    struct turn *t;

    if (likely(first == q->all.waiting.first))
        t = container_of(container_of(first, struct share, node)->waiting.first, struct turn,
                         node);
    else
        t = container_of(first, struct turn, node);
    run_leave(q, t);
    return t;
}

struct turn *run_pick(struct runqueue *q, uint32_t cpu)
{
    struct pq_node *first = run_first(q, cpu);

    return first ? take(q, first) : NULL;
}

/* Another of its domain waits, which is the first: the domain waits on, whoever of it does. */
static struct turn *next_of_share(struct turn *t, bool yields)
{
    struct share *s = t->share;
    struct pq_node *sibling = s->waiting.first;

    if (!yields && t->time <= sibling->key) return t;
    pq_remove(&s->waiting, sibling);
    pq_insert(&s->waiting, &t->node, t->time);
    return container_of(sibling, struct turn, node);
}

struct turn *run_next(struct runqueue *q, struct turn *t, uint32_t cpu, bool yields)
{
    struct pq_node *first = run_first(q, cpu);
    struct turn *next;
    bool own, stays;

    if (!first) return t;
    own = first == &t->share->node;
    if (own && likely(!t->lane && !t->client)) return next_of_share(t, yields);
    if (unlikely(t->lane))
        catch_up(q, t->lane);
    stays = key_of(t) <= first->key && (!own || t->time <= t->share->waiting.first->key);
    if (stays && !yields) return t;
    next = take(q, first);
    settle(q, t);
    queue(q, t, key_of(t));
    return next;
}

uint64_t run_ahead(const struct turn *r, const struct turn *t)
{
    uint64_t had = r->time, has = t->time;

    if (r->share != t->share) {
        had = key_of(r);
        has = likely(!t->lane) ? t->share->time : t->node.key;
    }
    return had > has ? had - has : 0;
}

bool run_for(const struct runqueue *q, struct turn *t, uint32_t cpu, struct share *client)
{
    const struct pq_node *first;

    t->client = client == t->share ? NULL : client;
    first = run_first(q, cpu);
    return first && first->key + GRANULARITY_NS < key_of(t);
}
