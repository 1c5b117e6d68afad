/* SPDX-License-Identifier: MIT */
/*
 * The queue that timers wait in (and domains, and vCPUs): whatever is put in, moved and taken out
 * in whatever order, the first is one of the earliest, nobody is lost, and the right spines that
 * all work walks stay as short as the logarithm. A storm of operations runs beside the plainest of
 * models, an array that is searched.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "lib/pqueue.h"

#define MOST  2000
#define STEPS 300000

static struct pqueue queue;
static struct pq_node node[MOST];
static uint64_t model[MOST];                    /* the key of each, 0: not on the queue */
static unsigned int seen;

static uint64_t dice(void)
{
    static uint64_t state = 88172645463325252;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Links both ways, keys, ranks of all. By a stack of its own: left spines may be deep. */
static void check_tree(void)
{
    static struct pq_node *stack[MOST];
    unsigned int depth = 0;

    seen = 0;
    if (queue.first) {
        assert_null(queue.first->parent);
        stack[depth++] = queue.first;
    }
    while (depth) {
        struct pq_node *n = stack[--depth];
        uint32_t left = n->left ? n->left->rank : 0, right = n->right ? n->right->rank : 0;

        assert_true(left >= right);
        assert_int_equal(n->rank, right + 1);
        assert_int_equal(n->key, model[n - node]);
        seen++;
        for (int i = 0; i < 2; i++) {
            struct pq_node *child = i ? n->right : n->left;

            if (!child)
                continue;
            assert_ptr_equal(child->parent, n);
            assert_true(child->key >= n->key);
            stack[depth++] = child;
        }
    }
}

static void check_all(unsigned int size)
{
    unsigned int queued = 0;

    check_tree();
    for (unsigned int i = 0; i < size; i++) {
        assert_int_equal(pq_queued(&node[i]), model[i] != 0);
        queued += model[i] != 0;
    }
    assert_int_equal(seen, queued);             /* all are in the tree, and nobody else */
    if (queue.first)
        assert_true((1ull << queue.first->rank) <= queued + 1ull);
}

static void check_first(unsigned int size)
{
    uint64_t least = 0;

    for (unsigned int i = 0; i < size; i++)
        if (model[i] && (!least || model[i] < least))
            least = model[i];
    if (least)
        assert_int_equal(queue.first->key, least);
    else
        assert_null(queue.first);
}

static void put(unsigned int i, uint64_t key)
{
    pq_insert(&queue, &node[i], key);
    model[i] = key;
}

static void take(unsigned int i)
{
    pq_remove(&queue, &node[i]);
    model[i] = 0;
}

static void start(void)
{
    memset(node, 0, sizeof(node));
    memset(model, 0, sizeof(model));
    queue.first = NULL;
}

/* Set, moved, stopped and fired as timers are; few different deadlines, many, or ever later
 * ones. */
static void storm(unsigned int size, uint64_t spread)
{
    start();
    for (unsigned int step = 0; step < STEPS / size * 4; step++) {
        unsigned int i = (unsigned int)(dice() % size);

        if (dice() % 4 == 0) {
            if (queue.first)
                take((unsigned int)(queue.first - node));
        } else {
            if (model[i])
                take(i);
            if (dice() % 3)
                put(i, 1 + step / 2 + dice() % spread);
        }
        check_first(size);
        if (step % 16 == 0)
            check_all(size);
    }
    check_all(size);
}

static void a_storm_of_timers(void **state)
{
    for (unsigned int size = 1; size <= 512; size *= 2)
        for (uint64_t spread = 1; spread < 1000000; spread *= 31)
            storm(size, spread);
}

/* In the orders that make simple trees degenerate: up, down, all alike, by turns; and out again
 * from the middle or the front. */
static void orders_that_are_hard(void **state)
{
    for (unsigned int order = 0; order < 4; order++) {
        for (unsigned int out = 0; out < 3; out++) {
            start();
            for (unsigned int i = 0; i < MOST; i++)
                put(i, order == 0   ? i + 1
                       : order == 1 ? MOST - i
                       : order == 2 ? 7
                       : i % 2      ? i + 1
                                    : 2 * MOST - i);
            check_all(MOST);
            for (unsigned int i = 0; i < MOST; i++) {
                take(out == 0   ? i
                     : out == 1 ? (i * 7 + 3) % MOST
                                : (unsigned int)(queue.first - node));
                if (i % 8 == 0) {
                    check_first(MOST);
                    check_all(MOST);
                }
            }
            assert_null(queue.first);
        }
    }
}

static void sorting(void **state)
{
    uint64_t last = 0;

    start();
    for (unsigned int i = 0; i < MOST; i++)
        put(i, 1 + dice());
    for (unsigned int i = 0; i < MOST; i++) {
        assert_true(queue.first->key >= last);
        last = queue.first->key;
        take((unsigned int)(queue.first - node));
    }
    assert_null(queue.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorting),
        cmocka_unit_test(orders_that_are_hard),
        cmocka_unit_test(a_storm_of_timers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
