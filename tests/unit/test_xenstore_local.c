/* SPDX-License-Identifier: MIT */
/*
 * dom0's own connection to its XenStore: requests in pieces of any size, answers in pieces of any
 * size, who waits for room and who is told that there is some. The server is the test's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/xenstore/rings.h"
#include <pvguest/xenstore.h>

#define MOST (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)

int xenstore_local_start(void);

static const struct xs_transport *to_store;
static struct xenstore_connection *connection;
static unsigned int requests, pumps, wakes;
static struct xsd_sockmsg header;
static char payload[XENSTORE_PAYLOAD_MAX];
static bool echoes;                             /* each request is answered by itself */
static jmp_buf end;

void xenstore_connect(struct xenstore_connection *c)
{
    connection = c;
}
void xenstore_pump(struct xenstore_connection *c)
{
    assert_ptr_equal(c, connection);
    pumps++;
}
int xs_set_transport(const struct xs_transport *transport)
{
    to_store = transport;
    return 7;
}
void xs_wake(void)
{
    wakes++;
}
void panic(const char *format, ...)
{
    longjmp(end, 1);
}
static unsigned int parts, yields;              /* of a request, behind its beginning */

unsigned xenstore_go_on(struct xenstore_connection *c)
{
    assert_ptr_equal(c, connection);
    return parts ? parts-- : 0;
}
void thread_yield(void)
{
    yields++;
}
unsigned xenstore_take(struct xenstore_connection *c, const struct xsd_sockmsg *h,
                       const char *bytes)
{
    assert_ptr_equal(c, connection);
    requests++;
    header = *h;
    memcpy(payload, bytes, h->len);
    if (echoes)
        c->send(c, h, bytes);
    return 0;
}

static char message[MOST], back[8 * MOST];

/* Its bytes tell where they stand. */
static size_t make(uint32_t length)
{
    struct xsd_sockmsg h = { .type = XS_WRITE, .req_id = length, .len = length };

    memcpy(message, &h, sizeof(h));
    for (uint32_t i = 0; i < length && i < XENSTORE_PAYLOAD_MAX; i++)
        message[sizeof(h) + i] = (char)(i * 7 + length);
    return sizeof(h) + length;
}

static void write_all(size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece)
        assert_int_equal(to_store->write(to_store->data, message + at, MIN(piece, size - at)),
                         MIN(piece, size - at));
}

static int start(void **state)
{
    requests = pumps = wakes = 0;
    echoes = false;
    if (connection)                             /* as it was after the last test */
        assert_int_equal(to_store->read(to_store->data, back, sizeof(back)), 0);
    assert_int_equal(xenstore_local_start(), 7);
    assert_true(connection->actor.privileged && connection->actor.domid == 0);
    return 0;
}

static void requests_in_pieces(void **state)
{
    static const uint32_t lengths[] = { 0, 1, 100, XENSTORE_PAYLOAD_MAX };

    for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++)
        for (size_t piece = 1; piece < 40; piece++) {
            unsigned int had = requests;

            write_all(make(lengths[i]), i == 3 && piece < 39 ? MOST : piece);
            assert_int_equal(requests, had + 1);
            assert_true(header.len == lengths[i] && header.req_id == lengths[i]);
            assert_memory_equal(payload, message + sizeof(header), lengths[i]);
        }
    make(XENSTORE_PAYLOAD_MAX + 1);             /* a fault of dom0's own */
    if (setjmp(end) == 0) {
        to_store->write(to_store->data, message, sizeof(header));
        fail();
    }
}

/* What is long is finished before the next is taken; others work between its parts. */
static void others_work_meanwhile(void **state)
{
    yields = 0;
    parts = 3;
    write_all(make(10), MOST);
    assert_true(yields == 3 && !parts);
    write_all(make(10), MOST);
    assert_int_equal(yields, 3);
}

static void answers_in_pieces(void **state)
{
    echoes = true;
    for (size_t piece = 1; piece < 200; piece += 9) {
        size_t size = make(600), got = 0, n;

        write_all(size, size);
        assert_int_equal(wakes, 1);             /* there is something to read */
        wakes = pumps = 0;
        while ((n = to_store->read(to_store->data, back + got, piece)) > 0) {
            got += n;
            assert_true(n <= piece && pumps == 1 && wakes == 1);    /* and room again */
            pumps = wakes = 0;
        }
        assert_true(pumps == 0 && wakes == 0);
        assert_int_equal(got, size);
        assert_memory_equal(back, message, size);
    }
}

/* An event while a message or less waits; a request while no more than two do. */
static void who_waits_for_room(void **state)
{
    size_t size = make(XENSTORE_PAYLOAD_MAX - 1), got = 0, n;
    static char want[8 * MOST];

    echoes = true;
    assert_true(connection->ready(connection));
    write_all(size, size);
    assert_true(connection->ready(connection));
    memcpy(want, message, size);
    memcpy(want + size, message, size);
    write_all(size, size);
    assert_false(connection->ready(connection));
    memcpy(want + 2 * size, message, make(0));
    write_all(make(0), 1);                      /* two, and a little: no more than two */
    assert_int_equal(to_store->write(to_store->data, message, 1), 0);
    for (unsigned int i = 0; i < 20; i++) {     /* what is kept moves to the front */
        n = to_store->read(to_store->data, back + got, 1000);
        got += n;
        if (i % 4 == 3)
            break;
    }
    while ((n = to_store->read(to_store->data, back + got, 777)) > 0)
        got += n;
    assert_int_equal(got, 2 * size + sizeof(header));
    assert_memory_equal(back, want, got);
}

/* Many, one behind the other, while some wait: none is lost, however they lie in the buffer. */
static void a_long_time(void **state)
{
    size_t written = 0, got = 0;

    echoes = true;
    for (unsigned int i = 0; i < 3000; i++) {
        static char sent[4 * MOST];
        size_t size = make(i * 37 % 1500), n;

        if (to_store->write(to_store->data, message, size)) {
            memcpy(sent + (written - got), message, size);
            written += size;
        }
        n = to_store->read(to_store->data, back, i * 53 % 2000);
        assert_true(n <= written - got);
        assert_memory_equal(back, sent, n);
        memmove(sent, sent + n, written - got - n);
        got += n;
    }
    while (to_store->read(to_store->data, back, sizeof(back)) > 0)
        ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(answers_in_pieces, start),
        cmocka_unit_test_setup(who_waits_for_room, start),
        cmocka_unit_test_setup(others_work_meanwhile, start),
        cmocka_unit_test_setup(a_long_time, start),
        cmocka_unit_test_setup(requests_in_pieces, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
