/* SPDX-License-Identifier: MIT */
/*
 * Work that one domain does for another: who has it done pays, and is as urgent as he would be
 * himself.
 */
#include "share_machine.h"

/* A server that works for one domain without a pause: that one pays, however heavy the server is,
 * and who is in a hurry does not wait. */
static void who_has_work_done_pays(void **state)
{
    machine();
    struct domain *server = add_domain(512, 1, SPIN),
                  *client = add_domain(256, 1, (struct habit){ .run = 10 * US, .sleep = 1 * MS }),
                  *honest = add_domain(256, 1, SPIN),
                  *light = add_domain(256, 1, (struct habit){ .run = 50 * US, .sleep = 2 * MS });
    server->vcpu[0].turn.client = &client->share;
    run_until(now + 100 * MS);
    light->vcpu[0].longest_wait = 0;                    /* a newcomer's */
    run_until(now + 4 * S);
    assert_part(honest, 4100 * MS, .48, .50);
    assert_true(ran(server) + ran(client) > 4100 * MS * 47 / 100);
    assert_true(longest_wait(&light->vcpu[0]) <= 2 * GRANULARITY_NS);
}

/* It is served for somebody who has had much: whoever has had little runs first; and after him the
 * server, which had little itself. */
static void the_clients_urgency(void **state)
{
    machine();
    struct domain *server = add_domain(512, 1, SPIN), *rich = add_domain(256, 1, SPIN),
                  *poor = add_domain(256, 1, SPIN);
    run_until(now + 100 * MS);
    while (on_cpu != &server->vcpu[0])
        reschedule(true);
    rich->share.time = poor->share.time + 50 * MS;
    share_moved(&queue, &rich->share);
    server->share.time = poor->share.time - 1 * MS;
    assert_false(run_for(&queue, &server->vcpu[0].turn, 0, &poor->share));
    assert_true(run_for(&queue, &server->vcpu[0].turn, 0, &rich->share));
    reschedule(false);
    assert_ptr_equal(on_cpu, &poor->vcpu[0]);
    reschedule(false);
    /* what is begun for the rich one can wait */
    assert_ptr_equal(on_cpu, &poor->vcpu[0]);
    run_hurry(&queue, &server->vcpu[0].turn);
    /* but not if somebody wants the server */
    assert_true(urgent(&server->vcpu[0].turn));
    reschedule(false);
    assert_ptr_equal(on_cpu, &server->vcpu[0]);
    assert_false(run_for(&queue, &server->vcpu[0].turn, 0, &server->share));
    assert_null(server->vcpu[0].turn.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(who_has_work_done_pays),
                                        cmocka_unit_test(the_clients_urgency) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
