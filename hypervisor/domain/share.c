/* SPDX-License-Identifier: MIT */
/* The arithmetic of domain/share.h. No locks: the callers'. All in O(log n) steps, whatever guests do. */
#include "domain/share.h"

void share_init(struct share *s, const struct runqueue *q)
{
    *s = (struct share){ .time = q->least + SLEEP_CREDIT_NS, .weight = SHARE_WEIGHT };
}

/* The least time of those who wait (their queue's first) or run: where newcomers start. It may seem to fall when one comes with credit. */
static uint64_t advance(uint64_t least, const struct pqueue *waiting, bool runs, uint64_t running)
{
    uint64_t now = waiting->first ? waiting->first->key : UINT64_MAX;

    if (runs) now = MIN(now, running);
    return now == UINT64_MAX ? least : MAX(least, now);
}

/* No change for who has been here all the time: such a one is among those whose least was taken. */
static uint64_t forgive(uint64_t time, uint64_t least) { return MAX(time, least - MIN(least, SLEEP_CREDIT_NS)); }

void run_wait(struct runqueue *q, struct turn *t)
{
    struct share *s = t->share;
    const struct turn *r = q->running;

    q->least = advance(q->least, &q->shares, r, r ? r->share->time : 0);
    s->least = advance(s->least, &s->waiting, r && r->share == s, r ? r->time : 0);
    s->time = forgive(s->time, q->least);
    t->time = forgive(t->time, s->least);
    pq_insert(&s->waiting, &t->node, t->time);
    if (!pq_queued(&s->node)) pq_insert(&q->shares, &s->node, s->time);
}

void run_leave(struct runqueue *q, struct turn *t)
{
    pq_remove(&t->share->waiting, &t->node);
    if (!t->share->waiting.first) pq_remove(&q->shares, &t->share->node);
}

struct turn *run_pick(struct runqueue *q)
{
    if (!q->shares.first) return NULL;
    struct share *s = container_of(q->shares.first, struct share, node);
    q->running = container_of(s->waiting.first, struct turn, node);
    run_leave(q, q->running);
    return q->running;
}

void run_stop(struct runqueue *q) { q->running = NULL; }

/* ns * SHARE_WEIGHT / weight, however long it was. */
void share_charge(struct runqueue *q, struct share *s, uint64_t ns)
{
    s->time += ns / s->weight * SHARE_WEIGHT + ns % s->weight * SHARE_WEIGHT / s->weight;
    if (!pq_queued(&s->node)) return;
    pq_remove(&q->shares, &s->node);
    pq_insert(&q->shares, &s->node, s->time);
}

void run_charge(struct runqueue *q, uint64_t ns)
{
    q->running->time += ns;
    share_charge(q, q->running->share, ns);
}

bool run_urgent(const struct runqueue *q, const struct turn *t)
{
    const struct turn *r = q->running;

    if (!r) return true;
    if (r->share == t->share) return t->time + GRANULARITY_NS < r->time;
    return t->share->time + GRANULARITY_NS < r->share->time;
}
