/* SPDX-License-Identifier: MIT */
/* The arithmetic of lib/share.h. No locks: the callers'. All in O(log n) steps, whatever guests
 * do. */
#include "lib/share.h"

/* The least time of those who wait (their queue's first) or run: where newcomers start. It does not
 * fall when one comes with credit. */
static uint64_t advance(uint64_t least, const struct pqueue *waiting, bool runs, uint64_t running)
{
    uint64_t now = waiting->first ? waiting->first->key : UINT64_MAX;

    if (runs)
        now = MIN(now, running);
    return now == UINT64_MAX ? least : MAX(least, now);
}

/* How late it is for who runs, or for the one he does it for. */
static uint64_t time_of(const struct turn *t)
{
    return MAX(t->share->time, turn_payer(t)->time);
}

static void advance_both(struct runqueue *q, struct share *s)
{
    const struct turn *r = q->running;

    q->least = advance(q->least, &q->shares, r, r ? time_of(r) : 0);
    s->least = advance(s->least, &s->waiting, r && r->share == s, r ? r->time : 0);
}

/* No change for who has been here all the time: such a one is among those whose least was taken. */
static uint64_t forgive(uint64_t time, uint64_t least)
{
    return MAX(time, least - MIN(least, SLEEP_CREDIT_NS));
}

void share_init(struct share *s, struct runqueue *q)
{
    *s = (struct share){ .weight = SHARE_WEIGHT };
    advance_both(q, s);
    s->time = q->least + SLEEP_CREDIT_NS;
}

/* Its time has changed while it was queued. */
void share_moved(struct runqueue *q, struct share *s)
{
    pq_remove(&q->shares, &s->node);
    pq_insert(&q->shares, &s->node, s->time);
}

void run_wait(struct runqueue *q, struct turn *t)
{
    struct share *s = t->share;

    advance_both(q, s);
    s->time = forgive(s->time, q->least);
    t->time = forgive(t->time, s->least);
    pq_insert(&s->waiting, &t->node, t->time);
    if (!pq_queued(&s->node) && !(q->running && q->running->share == s))
        pq_insert(&q->shares, &s->node, s->time);
}

void run_leave(struct runqueue *q, struct turn *t)
{
    struct share *s = t->share;

    pq_remove(&s->waiting, &t->node);
    if (!s->waiting.first && pq_queued(&s->node))
        pq_remove(&q->shares, &s->node);
}

struct turn *run_pick(struct runqueue *q)
{
    if (!q->shares.first) return NULL;
    struct share *s = container_of(q->shares.first, struct share, node);
    struct turn *t = container_of(s->waiting.first, struct turn, node);
    pq_remove(&q->shares, &s->node);
    pq_remove(&s->waiting, &t->node);
    return q->running = t;
}

/* Who leaves nobody behind leaves word of where he stood: the next who comes starts from there. */
void run_stop(struct runqueue *q)
{
    struct turn *t = q->running;
    struct share *s = t->share;

    q->running = NULL;
    if (s->waiting.first) {
        pq_insert(&q->shares, &s->node, s->time);
        return;
    }
    s->least = MAX(s->least, t->time);
    if (!q->shares.first)
        q->least = MAX(q->least, s->time);
}

struct turn *run_next(struct runqueue *q, bool yields)
{
    struct turn *t = q->running, *next;
    struct share *s = t->share;
    struct pq_node *sibling = s->waiting.first, *other = q->shares.first;

    /* of the same domain: it is in no queue, and stays so */
    if ((sibling || !yields) && (!other || time_of(t) <= other->key)) {
        if (!yields && (!sibling || t->time <= sibling->key)) return t;
        pq_remove(&s->waiting, sibling);
        pq_insert(&s->waiting, &t->node, t->time);
        return q->running = container_of(sibling, struct turn, node);
    }
    uint64_t key = time_of(t);
    next = run_pick(q);
    pq_insert(&s->waiting, &t->node, t->time);
    pq_insert(&q->shares, &s->node, key);
    return next;
}

bool run_urgent(const struct runqueue *q, const struct turn *t)
{
    const struct turn *r = q->running;

    if (!r) return true;
    if (r->share == t->share) return t->time + GRANULARITY_NS < r->time;
    return t->share->time + GRANULARITY_NS < time_of(r);
}

bool run_for(struct runqueue *q, struct share *client)
{
    struct turn *r = q->running;

    r->client = client == r->share ? NULL : client;
    return q->shares.first && q->shares.first->key + GRANULARITY_NS < time_of(r);
}
