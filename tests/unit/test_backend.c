/* SPDX-License-Identifier: MIT */
/*
 * The state machine that all back ends share, against a driver that only counts: what each state of
 * the front end does in each of ours, and that whatever fails ends in Closed with its reason in the
 * store.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <drivers/backend.h>
#include <pvguest/console.h>

static unsigned int said, published, connected, disconnected;
static int publish_result, connect_result, read_result;
static char states[200], error[32], front[64];
static char last_path[200], long_read[32];

void printk(const char *format, ...)
{
    said++;
}
const char *errno_name(long number)
{
    return number == -5 ? "EIO" : "another";
}

static int publish(struct backend *backend)
{
    published++;
    return publish_result;
}
static int connect(struct backend *backend)
{
    connected++;
    return connect_result;
}
static bool busy;                       /* something is in flight */
static bool disconnect(struct backend *backend)
{
    disconnected++;
    return !busy;
}

static int read_node(void *context, const char *path, char *value, size_t size)
{
    snprintf(last_path, sizeof last_path, "%s", path);
    if (read_result < 0) return read_result;
    snprintf(value, size, "%s", front);
    return (int)strlen(value);
}

static int write_node(void *context, const char *path, const char *value)
{
    snprintf(last_path, sizeof last_path, "%s", path);
    if (strcmp(strrchr(path, '/'), "/state") == 0)
        strcat(states, value);
    else if (strcmp(strrchr(path, '/'), "/error") == 0)
        snprintf(error, sizeof error, "%s", value);
    else
        snprintf(long_read, sizeof long_read, "%s", value);
    return 0;
}

static const struct backend_driver driver = { publish, connect, disconnect };
static const struct backend_store store = { read_node, write_node, NULL };
static struct backend backend;

static int set_up(void **state)
{
    said = published = connected = disconnected = 0;
    publish_result = connect_result = read_result = 0;
    busy = false;
    states[0] = error[0] = 0;
    assert_int_equal(backend_start(&backend, &driver, &store, "vbd", 7, 51712), 0);
    assert_string_equal(states, "2");
    states[0] = 0;
    return 0;
}

static void front_says(const char *state)
{
    strcpy(front, state);
    backend_changed(&backend);
    assert_string_equal(backend.front, "/local/domain/7/device/vbd/51712");
    assert_string_equal(backend.back, "/local/domain/0/backend/vbd/7/51712");
}

static void the_usual_life(void **state)
{
    assert_int_equal(published, 1);
    front_says("1");                            /* nothing new: we wait for it already */
    assert_string_equal(states, "");
    front_says("2");
    assert_string_equal(states, "");
    front_says("3");
    assert_string_equal(states, "4");
    front_says("4");
    front_says("4");
    assert_int_equal(connected, 1);
    assert_int_equal(disconnected, 0);
    front_says("5");
    assert_int_equal(disconnected, 1);
    assert_string_equal(states, "45");
    front_says("5");
    assert_string_equal(states, "45");
    front_says("6");
    assert_int_equal(disconnected, 3);
    assert_string_equal(states, "456");
    front_says("5");
    assert_string_equal(states, "456");         /* closed is closed */
    front_says("6");
    assert_string_equal(states, "456");
    front_says("3");                            /* not without beginning anew */
    assert_int_equal(connected, 1);
    front_says("1");
    assert_string_equal(states, "4562");
    assert_int_equal(published, 2);
    front_says("4");
    assert_string_equal(states, "45624");
    front_says("1");                      /* a kernel started by another one, in the middle of it */
    assert_string_equal(states, "456242");
    assert_int_equal(disconnected, 7);
    backend_stop(&backend);
    assert_int_equal(disconnected, 8);
    assert_string_equal(states, "4562426");
    backend_stop(&backend);
    assert_string_equal(states, "4562426");
}

/*
 * While something is in flight nobody waits for it, and nothing is said: what the front end wants
 * then, counts.
 */
static void an_end_that_takes_its_time(void **state)
{
    static const struct { const char *front, *states; } ends[] = {
        { "5", "5" }, { "6", "56" }, { "1", "52" }, { "3", "5" }, { "4", "5" }, { "7", "5" },
    };

    for (unsigned int i = 0; i < sizeof ends / sizeof *ends; i++) {
        front_says("1");
        front_says("3");
        busy = true;
        states[0] = 0;
        disconnected = 0;
        front_says(i % 2 ? "5" : "6");
        front_says(ends[i].front);
        front_says("3");
        front_says(ends[i].front);
        assert_string_equal(states, "");
        assert_int_equal(disconnected, 4);
        busy = false;
        front_says(ends[i].front);
        assert_string_equal(states, ends[i].states);
        front_says("4");
        assert_int_equal(backend.state == XenbusStateConnected, i == 2);
        front_says("6");
    }
}

static void a_failure_that_takes_its_time(void **state)
{
    front_says("3");
    busy = true;
    backend_fail(&backend, "why");
    front_says("4");
    assert_string_equal(states, "4");
    assert_int_equal(said, 0);
    busy = false;
    backend_fail(&backend, "why");
    assert_string_equal(states, "456");
    assert_string_equal(error, "why");
    assert_int_equal(said, 1);
    front_says("4");
    assert_string_equal(states, "456");
}

static void a_front_end_that_is_gone(void **state)
{
    front_says("3");
    read_result = -2;
    front_says("4");
    assert_int_equal(disconnected, 1);
    assert_string_equal(states, "46");
}

static void nonsense_is_no_state(void **state)
{
    front_says("3");
    front_says("7");
    front_says("8");
    front_says("99");
    assert_string_equal(states, "4");
    assert_int_equal(disconnected, 0);
    front_says("5x");                           /* no number: as if there were no node */
    assert_string_equal(states, "46");
}

static void what_fails_is_said_and_closed(void **state)
{
    publish_result = -5;
    assert_int_equal(backend_start(&backend, &driver, &store, "vbd", 7, 51712), -5);
    assert_string_equal(states, "56");
    assert_string_equal(error, "EIO");
    assert_int_equal(said, 1);
    assert_int_equal(backend.state, XenbusStateClosed);
    set_up(state);
    connect_result = -5;
    front_says("3");
    assert_string_equal(states, "56");
    assert_string_equal(error, "EIO");
    assert_int_equal(disconnected, 1);
    front_says("3");
    assert_int_equal(connected, 1);
    /* Again and again: the store says it each time, the console twice. */
    for (unsigned int i = 0; i < 50; i++) {
        front_says("1");
        front_says("3");
    }
    assert_int_equal(connected, 51);
    assert_int_equal(said, 2);
    set_up(state);
    backend_fail(&backend, "why");
    assert_int_equal(disconnected, 1);
    assert_string_equal(error, "why");
    assert_string_equal(states, "56");
}

static void numbers_of_the_store(void **state)
{
    uint64_t value = 5;

    strcpy(front, "18446744073709551615");
    assert_int_equal(backend_read_number(&backend, "/a", "b", &value), 0);
    assert_true(value == UINT64_MAX);
    assert_string_equal(last_path, "/a/b");
    strcpy(front, "12");
    assert_int_equal(backend_read_number(&backend, "/a", "b", &value), 0);
    assert_int_equal(value, 12);
    strcpy(front, "12 ");
    assert_int_equal(backend_read_number(&backend, "/a", "b", &value), -EINVAL);
    strcpy(front, "");
    assert_int_equal(backend_read_number(&backend, "/a", "b", &value), -EINVAL);
    read_result = -13;
    assert_int_equal(backend_read_number(&backend, "/a", "b", &value), -13);
    backend_write_number(&backend, "n", UINT64_MAX);
    assert_string_equal(long_read, "18446744073709551615");
    assert_string_equal(last_path, "/local/domain/0/backend/vbd/7/51712/n");
}

/* Directory and key together have a limit; a path that is cut would be another node. */
static void paths_that_are_too_long(void **state)
{
    char key[200];
    uint64_t value;

    memset(key, 'k', sizeof key);
    key[sizeof backend.back + 40 - sizeof "/local/domain/0/backend/vbd/7/51712" - 1] = 0;
    strcpy(front, "1");
    assert_int_equal(backend_write(&backend, key, "1"), 0);
    assert_int_equal(strlen(last_path), sizeof backend.back + 39);
    assert_int_equal(backend_read_number(&backend, backend.back, key, &value), 0);
    strcat(key, "k");
    assert_int_equal(backend_write(&backend, key, "1"), -E2BIG);
    assert_int_equal(backend_read_number(&backend, backend.back, key, &value), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_usual_life, set_up),
        cmocka_unit_test_setup(an_end_that_takes_its_time, set_up),
        cmocka_unit_test_setup(a_failure_that_takes_its_time, set_up),
        cmocka_unit_test_setup(a_front_end_that_is_gone, set_up),
        cmocka_unit_test_setup(nonsense_is_no_state, set_up),
        cmocka_unit_test_setup(what_fails_is_said_and_closed, set_up),
        cmocka_unit_test_setup(numbers_of_the_store, set_up),
        cmocka_unit_test_setup(paths_that_are_too_long, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
