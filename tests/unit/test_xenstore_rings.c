/* SPDX-License-Identifier: MIT */
/*
 * XenStore over guests' rings: requests in pieces and round the ring, lengths and indices that lie,
 * guests that do not read, and that nothing is left of who is released. The SDK is faked;
 * turns are taken for as long as somebody has work.
 */
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "rings_host.h"

/* --- tests ------------------------------------------------------------------------------------ */

static void requests_in_pieces(void **state)
{
    struct guest *one = &guest[1];

    assert_string_equal(ASK_OPEN(one, XS_WRITE, "a\0value"), "OK");
    for (size_t step = 1; step < 40; step++)
        for (unsigned i = 0; i < 40; i++) {     /* round the ring, at every offset */
            assert_string_equal(ask_in(one, XS_READ, "a", 2, step), "value");
            assert_int_equal(one->header.len, 5);
        }
    assert_true(one->ring.req_cons > 10 * XENSTORE_RING_SIZE &&
                one->ring.req_cons == one->ring.req_prod);
    one->notified = 0;
    run();
    ring_bell(one);                             /* for nothing */
    run();
    assert_int_equal(one->notified, 0);
    put_request(one, XS_READ, "a", 2, 100);
    assert_true(one->notified >= 1);
}

/* Indices that are about to wrap are like others. */
static void indices_wrap(void **state)
{
    struct guest *one = &guest[1];

    assert_string_equal(release(1), "OK");
    give_home(1);
    one->ring.req_prod = one->ring.req_cons = UINT32_MAX - 20;
    one->ring.rsp_prod = one->ring.rsp_cons = UINT32_MAX - 5;
    assert_string_equal(introduce(1), "OK");
    for (unsigned i = 0; i < 100; i++)
        assert_string_equal(ASK_OPEN(one, XS_WRITE, "a\0value"), "OK");
    assert_int_equal(one->ring.error, 0);
}

/* The longest request there is, and an answer as long; one byte more ends the service, and
 * nobody else's. */
static void the_longest_request_and_one_more(void **state)
{
    struct xsd_sockmsg header = { .type = XS_WRITE, .len = XENSTORE_PAYLOAD_MAX + 1 };
    static char value[XENSTORE_PAYLOAD_MAX];
    struct guest *one = &guest[1];

    memset(value, 'v', sizeof(value));
    memcpy(value, "a", 2);
    assert_string_equal(ask_in(one, XS_WRITE, value, 2 + XENSTORE_MAX_NODE_BYTES, 4096), "OK");
    ASK(one, XS_READ, "a");
    assert_int_equal(one->header.len, XENSTORE_MAX_NODE_BYTES);
    assert_memory_equal(one->payload, value + 2, XENSTORE_MAX_NODE_BYTES);
    assert_string_equal(ask_in(one, XS_WRITE, value, sizeof(value), 4096), "ENOSPC");
    assert_int_equal(said, 0);
    write_some(one, (const char *)&header, sizeof(header));
    write_some(one, value, 100);
    run();
    assert_int_equal(one->ring.error, XENSTORE_ERROR_PROTO);
    assert_int_equal(said, 1);
    one->ring.error = 0;
    put_request(&guest[2], XS_GET_DOMAIN_PATH, "2", 2, 4096);
    assert_true(read_message(&guest[2]));
    assert_string_equal(guest[2].payload, "/local/domain/2");
    header.len = 2;
    header.type = XS_READ;
    for (unsigned i = 0; i < 10; i++) {
        write_some(one, (const char *)&header, sizeof(header));
        write_some(one, "a", 2);
        run();
    }
    assert_int_equal(one->ring.rsp_prod, one->ring.rsp_cons);   /* no answer, ever */
    assert_int_equal(said, 1);
    header.len = UINT32_MAX;
    write_some(&guest[2], (const char *)&header, sizeof(header));
    run();
    assert_int_equal(guest[2].ring.error, XENSTORE_ERROR_PROTO);
}

/* A message may be a header alone: it is answered at once, and the next one is the next. */
static void nothing_but_a_header(void **state)
{
    for (unsigned i = 0; i < 100; i++) {
        assert_string_equal(ask_in(&guest[1], XS_READ, "", 0, i % 20 + 1), "EINVAL");
        assert_string_equal(ASK_OPEN(&guest[1], XS_WRITE, "a\0value"), "OK");
    }
    assert_int_equal(guest[1].ring.error, 0);
}

static void indices_that_lie(void **state)
{
    uint32_t *const lies[GUESTS] = { &guest[1].ring.req_prod, &guest[2].ring.req_prod,
                                     &guest[3].ring.rsp_cons };

    for (unsigned i = 0; i < GUESTS; i++) {
        *lies[i] += i == 0 ? XENSTORE_RING_SIZE + 1 : i == 1 ? -1u : 1;
        ring_bell(&guest[i + 1]);
        run();
        assert_int_equal(said, i + 1);
        assert_int_equal(guest[i + 1].ring.error, XENSTORE_ERROR_RINGIDX);
    }
    guest[1].ring.req_prod = guest[1].ring.req_cons;
    put_request(&guest[1], XS_READ, "a", 2, 4096);
    assert_int_equal(guest[1].ring.rsp_prod, 0);
    assert_string_equal(release(1), "OK");
    prepare(1);
    assert_string_equal(introduce(1), "OK");
    assert_string_equal(ASK_OPEN(&guest[1], XS_WRITE, "a\0value"), "OK");
    /* A full ring is none. */
    for (unsigned i = 0; i < XENSTORE_RING_SIZE / 18; i++) {
        struct xsd_sockmsg header = { .type = XS_READ, .len = 2 };

        write_some(&guest[1], (const char *)&header, sizeof(header));
        write_some(&guest[1], "a", 2);
    }
    while (guest[1].ring.req_prod - guest[1].ring.req_cons < XENSTORE_RING_SIZE)
        write_some(&guest[1], "", 1);
    run();
    assert_int_equal(guest[1].ring.error, 0);
}

/* Who does not read is not asked for more, and what waits for it is bounded, however much
 * happens that it watches. */
static void a_guest_that_does_not_read(void **state)
{
    static const char long_name[] = "a-name-that-makes-its-events-longer-than-they-would-be";
    struct guest *one = &guest[1];
    size_t before;
    unsigned asked = 0;

    assert_string_equal(ASK(one, XS_WATCH, "data\0token"), "OK");
    while (read_message(one))
        ;
    assert_int_equal(one->events, 1);
    before = __sanitizer_get_current_allocated_bytes();
    for (unsigned i = 0; i < 20000; i++) {
        char payload[160];
        int size =
            snprintf(payload, sizeof(payload), "/local/domain/1/data/%s/%u", long_name, i % 500);

        dom0_asks(XS_WRITE, payload, (size_t)size + 1);
        dom0_asks(XS_RM, payload, (size_t)size + 1);
        if (i % 1000 == 0)
            run();
    }
    assert_true(__sanitizer_get_current_allocated_bytes() - before < 200 * 1024);
    for (one->events = 0; read_message(one);)
        assert_int_equal(one->header.type, XS_WATCH_EVENT);
    assert_true(one->events >= 1 && one->events < 1000);
    assert_true(__sanitizer_get_current_allocated_bytes() - before < 10 * 1024);
    /* One path that changes again and again: what waits already is not sent once more. */
    for (unsigned i = 0; i < 5000; i++)
        dom0_asks(XS_WRITE, "/local/domain/1/data/x\0v", 24);
    for (one->events = 0; read_message(one);)
        assert_string_equal(one->payload, "data/x");
    assert_true(one->events >= 1 && one->events < 40);
    /* Requests without end, answers unread: it stops, and goes on where it stopped. */
    for (; one->ring.req_prod - one->ring.req_cons < XENSTORE_RING_SIZE - 100; asked++) {
        put_request(one, XS_GET_DOMAIN_PATH, "1", 2, 4096);
        assert_true(asked < 1000);
    }
    assert_true(one->ring.rsp_prod - one->ring.rsp_cons == XENSTORE_RING_SIZE);
    assert_true(__sanitizer_get_current_allocated_bytes() - before < 10 * 1024);
    assert_string_equal(ASK(&guest[2], XS_GET_DOMAIN_PATH, "7"), "/local/domain/7");
    for (unsigned i = 0; i < asked; i++) {
        assert_true(read_message(one));
        assert_int_equal(one->header.req_id, one->request - asked + 1 + i);
        assert_string_equal(one->payload, "/local/domain/1");
    }
    assert_false(read_message(one));
}

/* A ring full of requests does not keep the next guest waiting: a turn is a few requests. */
static void turns_are_bounded(void **state)
{
    struct xsd_sockmsg header = { .type = XS_IS_DOMAIN_INTRODUCED, .len = 2 };
    unsigned answers = 0;

    for (unsigned i = 0; i < 40; i++)           /* Whoever asks first is served first. */
        for (int number = 3; number > 0; number -= 2) {
            write_some(&guest[number], (const char *)&header, sizeof(header));
            write_some(&guest[number], "1", 2);
        }
    guest[1].notified = 0;
    run();
    assert_in_range(taken_of_others, 1, turn_rules[TURN_STORE].budget * 18);
    while (read_message(&guest[3])) {
        answers++;
        assert_string_equal(guest[3].payload, "EACCES");
    }
    assert_int_equal(answers, 40);
}

#define CHANGES 60u

/* The end of a large transaction is many turns, between which others are served; and those who
 * watch hear of all of it, whether or not its guest takes what it is told itself. */
static void a_long_end_is_many_turns(void **state)
{
    struct guest *one = &guest[1];
    char payload[128];

    assert_string_equal(ASK(one, XS_WATCH, "data\0t"), "OK");
    assert_true(read_message(one));
    dom0_asks(XS_WATCH, "/local/domain/1/data\0t", sizeof("/local/domain/1/data\0t"));
    one->transaction = (uint32_t)atoi(ASK(one, XS_TRANSACTION_START, ""));
    for (unsigned i = 0; i < CHANGES; i++)
        assert_string_equal(ask_in(one, XS_MKDIR, payload, (size_t)sprintf(payload, "data/%0100u",
                                                                           i) + 1, 4096), "OK");
    dom0_events = 0;
    write_some(one, (const char *)&(struct xsd_sockmsg){ .type = XS_TRANSACTION_END, .len = 2,
                                                         .tx_id = one->transaction }, 16);
    write_some(one, "T", 2);
    assert_true(turns_take(LANE_QUICK));
    assert_in_range(dom0_events, 1, CHANGES / 2);
    write_some(&guest[3], (const char *)&(struct xsd_sockmsg){ .type = XS_GET_DOMAIN_PATH,
                                                               .len = 2 }, 16);
    write_some(&guest[3], "3", 2);
    while (guest[3].ring.rsp_prod == guest[3].ring.rsp_cons)
        assert_true(turns_take(LANE_QUICK));
    assert_in_range(dom0_events, 1, CHANGES / 2);
    run();
    assert_int_equal(dom0_events, CHANGES);
    one->events = 0;
    while (read_message(one) && one->header.type == XS_WATCH_EVENT)
        continue;
    assert_int_equal(one->header.type, XS_TRANSACTION_END);
    while (read_message(one))
        continue;
    assert_in_range(one->events, XENSTORE_MAX_FIRED_PATHS, CHANGES);
}

/* A guest on another CPU can ring faster than we can listen: once a turn it is heard. */
static void a_bell_rings_once_a_turn(void **state)
{
    run();
    guest[1].rung = 0;
    for (unsigned turn = 1; turn < 4; turn++) {
        for (unsigned i = 0; i < 5; i++)
            ring_bell(&guest[1]);
        assert_int_equal(guest[1].rung, turn);
        run();
        assert_false(guest[1].port_masked || guest[1].port_pending);
    }
}

/* But all that a turn is for is answered in it, and told with one event. */
static void a_turn_answers_what_it_takes(void **state)
{
    struct xsd_sockmsg header = { .type = XS_IS_DOMAIN_INTRODUCED, .len = 2 };
    const unsigned budget = turn_rules[TURN_STORE].budget;
    struct guest *one = &guest[1];

    one->notified = 0;
    for (unsigned i = 0; i < budget + 3; i++) {
        write_some(one, (const char *)&header, sizeof(header));
        write_some(one, "1", 2);
    }
    assert_true(turns_take(LANE_QUICK));
    assert_int_equal(one->ring.req_cons, budget * (sizeof(header) + 2));
    assert_int_equal(one->ring.rsp_prod, budget * (sizeof(header) + sizeof("EACCES")));
    assert_int_equal(one->notified, 1);
}

/* In the middle of a request, with answers and events unread: all of it goes; the next one with
 * that number begins anew. */
static void release_in_the_middle(void **state)
{
    struct guest *one = &guest[1];

    assert_string_equal(ASK(one, XS_WATCH, "data\0token"), "OK");
    while (one->ring.req_prod - one->ring.req_cons < XENSTORE_RING_SIZE - 100)
        put_request(one, XS_GET_DOMAIN_PATH, "1", 2, 4096);
    dom0_asks(XS_WRITE, "/local/domain/1/data\0v", 22);
    write_some(one, "half of a header", 10);
    run();
    assert_string_equal(release(1), "OK");
    assert_false(one->mapped || one->handler);
    assert_string_equal(dom0_asks(XS_IS_DOMAIN_INTRODUCED, "1", 2), "F");
    assert_string_equal(release(1), "ENOENT");
    assert_int_equal(xenstore_rings.release(1), -ENOENT);
    dom0_asks(XS_WRITE, "/local/domain/1/data\0w", 22);
    run();
    prepare(1);
    assert_string_equal(introduce(1), "OK");
    assert_string_equal(introduce(1), "EEXIST");
    run();
    assert_false(read_message(one));            /* no event of a watch that somebody else set */
    assert_string_equal(ASK(one, XS_UNWATCH, "data\0token"), "ENOENT");
    assert_string_equal(release(2), "OK");      /* the one in the middle of the list */
    assert_string_equal(ASK(&guest[3], XS_GET_DOMAIN_PATH, "3"), "/local/domain/3");
    assert_string_equal(ASK(one, XS_GET_DOMAIN_PATH, "3"), "/local/domain/3");
}

#define DIRECTORIES 40u
#define IN_EACH 60u

/* A ring outlives its guest's vCPUs, and whoever else has its page may go on writing there: of who
 * is being released nothing more is taken, else it would never be. */
static void who_is_released_is_asked_for_no_more(void **state)
{
    struct guest *one = &guest[1];
    char payload[64];
    unsigned attempts = 0;

    for (unsigned i = 0; i < DIRECTORIES; i++) {
        size_t size = (size_t)sprintf(payload, "/shared/%u", i) + 1;

        dom0_asks(XS_MKDIR, payload, size);
        dom0_asks(XS_SET_PERMS, payload, size + (size_t)sprintf(payload + size, "b0") + 1);
        for (unsigned j = 0; j < IN_EACH; j++)
            dom0_asks(XS_MKDIR, payload, (size_t)sprintf(payload, "/shared/%u/%u", i, j) + 1);
    }
    while (!strcmp(dom0_asks(XS_IS_DOMAIN_INTRODUCED, "1", 2), "T")) {
        size_t size = (size_t)sprintf(payload, "/shared/%u", attempts++) + 1;
        struct xsd_sockmsg header = { .type = XS_RM, .len = (uint32_t)size };

        one->ring.rsp_cons = one->ring.rsp_prod;
        write_some(one, (const char *)&header, sizeof(header));
        write_some(one, payload, size);
        turns_take(LANE_QUICK);
        dom0_asks(XS_RELEASE, "1", 2);
        assert_in_range(attempts, 1, IN_EACH / TREE_WORK_OF_A_PART + 1);
    }
    assert_string_equal(release(1), "OK");
}

static void introductions_that_fail(void **state)
{
    assert_string_equal(release(1), "OK");
    refuse_map = true;
    assert_string_equal(introduce(1), "EINVAL");
    assert_false(guest[1].mapped);
    refuse_map = false;
    refuse_port = true;
    assert_string_equal(introduce(1), "EINVAL");
    assert_false(guest[1].mapped);
    refuse_port = false;
    allocations_until_failure = 1;
    assert_string_equal(introduce(1), "ENOMEM");
    assert_false(guest[1].mapped);
    allocations_until_failure = 2;
    assert_string_equal(introduce(1), "ENOMEM");
    assert_false(guest[1].mapped);
    allocations_until_failure = 0;
    assert_string_equal(introduce(1), "OK");
    assert_string_equal(ASK(&guest[1], XS_GET_DOMAIN_PATH, "3"), "/local/domain/3");
}

/* What arrived before the introduction is served by it. */
static void requests_from_before(void **state)
{
    struct xsd_sockmsg header = { .type = XS_GET_DOMAIN_PATH, .len = 2 };
    struct guest *one = &guest[1];

    assert_string_equal(release(1), "OK");
    prepare(1);
    memcpy(one->ring.req, &header, sizeof(header));
    memcpy(one->ring.req + sizeof(header), "1", 2);
    one->ring.req_prod = sizeof(header) + 2;
    assert_string_equal(introduce(1), "OK");
    run();
    assert_true(one->ring.rsp_prod > 0 && one->notified);
    assert_true(read_message(one));
    assert_string_equal(one->payload, "/local/domain/1");
}

/* A guest whose answer finds no memory has no store any more; it does not wait for ever in the
 * middle of one. */
static void an_answer_without_memory(void **state)
{
    struct guest *one = &guest[1];

    write_some(one, "\x0a\0\0\0" "\1\0\0\0" "\0\0\0\0" "\2\0\0\0" "1", 18);    /* GET_DOMAIN_PATH */
    allocations_until_failure = 1;
    run();
    assert_int_equal(allocations_until_failure, 0);
    assert_int_equal(one->ring.rsp_prod, 0);
    put_request(one, XS_GET_DOMAIN_PATH, "1", 2, 4096);
    assert_int_equal(one->ring.rsp_prod, 0);
    assert_string_equal(ASK(&guest[2], XS_GET_DOMAIN_PATH, "3"), "/local/domain/3");
}

/* --- a guest that runs meanwhile --- */

/* As many, or what there is time for, but some: on a host that has no two CPUs for us each round
 * lasts until the other's turn has come. */
#define MEANWHILE 5000u
#define LEAST     50u
#define SECONDS   3

static bool bell, done;

/* As Linux does: one who writes behind bytes that are not yet taken says nothing, for whoever takes
 * those will look again. */
static void write_quietly(struct guest *from, const void *bytes, size_t size)
{
    uint32_t before = from->ring.req_prod;

    for (size_t i = 0; i < size; i++)
        from->ring.req[MASK_XENSTORE_IDX(before + i)] = ((const char *)bytes)[i];
    __atomic_store_n(&from->ring.req_prod, before + (uint32_t)size, __ATOMIC_SEQ_CST);
    if (before == __atomic_load_n(&from->ring.req_cons, __ATOMIC_SEQ_CST))
        __atomic_store_n(&bell, true, __ATOMIC_SEQ_CST);
}

static const struct xsd_sockmsg question = { .type = XS_GET_DOMAIN_PATH, .len = 2 };

static void ask_quietly(void)
{
    write_quietly(&guest[1], &question.req_id, sizeof(question) - sizeof(question.type));
    write_quietly(&guest[1], "1", 2);
}

/* What comes behind our last look is found by another. */
static void a_guest_that_writes_when_we_have_looked(void **state)
{
    when_told = ask_quietly;
    write_some(&guest[1], (const char *)&question.type, sizeof(question.type));
    run();
    assert_null(when_told);
    assert_int_equal(guest[1].ring.req_cons, guest[1].ring.req_prod);
    assert_true(read_message(&guest[1]));
    assert_string_equal(guest[1].payload, "/local/domain/1");
}

static void *ask_meanwhile(void *unused)
{
    const struct xsd_sockmsg header = { .type = XS_GET_DOMAIN_PATH, .len = 2 };
    struct guest *one = &guest[1];
    const uint32_t answer = sizeof(header) + sizeof("/local/domain/1");
    const time_t end = time(NULL) + SECONDS;

    for (unsigned i = 0; i < MEANWHILE && (i < LEAST || time(NULL) <= end); i++) {
        write_quietly(one, &header, sizeof(header));
        write_quietly(one, "1", 2);
        for (time_t begin = time(NULL);
             __atomic_load_n(&one->ring.rsp_prod, __ATOMIC_SEQ_CST) - one->ring.rsp_cons < answer;
             sched_yield())
            if (time(NULL) > begin + 60)
                return "no answer";
        __atomic_store_n(&one->ring.rsp_cons, one->ring.rsp_cons + answer, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void *ask_and_say_so(void *unused)
{
    void *trouble = ask_meanwhile(NULL);

    __atomic_store_n(&done, true, __ATOMIC_SEQ_CST);
    return trouble;
}

/* Headers and bodies come at any moment of our looking: none is forgotten. */
static void a_guest_that_writes_while_we_look(void **state)
{
    pthread_t thread;
    void *trouble;

    bell = done = false;
    assert_int_equal(pthread_create(&thread, NULL, ask_and_say_so, NULL), 0);
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) {
        if (__atomic_exchange_n(&bell, false, __ATOMIC_SEQ_CST))
            ring_bell(&guest[1]);
        run();
        sched_yield();
    }
    pthread_join(thread, &trouble);
    assert_null(trouble);
}

/* Takes all there is, at any moment. */
static void *read_meanwhile(void *unused)
{
    struct guest *one = &guest[1];

    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
        __atomic_store_n(&one->ring.rsp_cons,
                         __atomic_load_n(&one->ring.rsp_prod, __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
    return NULL;
}

/* Two thousand events wait for a guest that reads as fast as they are written: it has them in many
 * turns. */
static void a_guest_that_reads_while_we_write(void **state)
{
    static char payload[512];
    struct guest *one = &guest[1];
    uint32_t most = 0, event = sizeof(struct xsd_sockmsg) + sizeof("data/a") + 300;
    pthread_t thread;

    memset(payload, 't', sizeof(payload));
    memcpy(payload, "data", 5);
    payload[5 + 299] = '\0';
    for (unsigned i = 0; i < XENSTORE_MAX_WATCHES; i++) {
        payload[5 + sprintf(payload + 5, "%u", i)] = '-';
        assert_string_equal(ask_in(one, XS_WATCH, payload, 5 + 300, 4096), "OK");
    }
    while (read_message(one))
        ;
    for (char name = 'a'; name < 'a' + 16; name++)
        dom0_asks(XS_WRITE, payload, (size_t)sprintf(payload, "/local/domain/1/data/%c", name) + 1);
    done = false;
    assert_int_equal(pthread_create(&thread, NULL, read_meanwhile, NULL), 0);
    for (time_t begin = time(NULL); account_held(1, HELD_EVENTS) && time(NULL) < begin + 60;) {
        uint32_t before = one->ring.rsp_prod, sent;

        ring_bell(one);
        turns_take(LANE_QUICK);
        sent = one->ring.rsp_prod - before;
        most = sent > most ? sent : most;
    }
    __atomic_store_n(&done, true, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    assert_int_equal(account_held(1, HELD_EVENTS), 0);
    assert_true(most <= 20 * event + XENSTORE_RING_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(indices_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(the_longest_request_and_one_more, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_but_a_header, setup, teardown),
        cmocka_unit_test_setup_teardown(indices_that_lie, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_does_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(turns_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_end_is_many_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bell_rings_once_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(a_turn_answers_what_it_takes, setup, teardown),
        cmocka_unit_test_setup_teardown(release_in_the_middle, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_released_is_asked_for_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(introductions_that_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_from_before, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_without_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_writes_when_we_have_looked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_writes_while_we_look, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_reads_while_we_write, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
