/* SPDX-License-Identifier: MIT */
/*
 * A guest goes to another machine: who it says it is, what is waited for and how long, that GO goes
 * once and only when all is there; what is made of a NO, of silence, and of silence behind GO, when
 * it may run there already. The wire and the saver are played.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "dom0/guests/move.h"
#include "dom0/guests/saved.h"
#include "dom0/save/wire.h"
#include "dom0/xc/control.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include "steps_host.h"

#define THERE 0x0a000202u
#define S NS_PER_S

unsigned allocations_until_failure;

/* What the other end does, word by word; an error instead of a word is below 0. */
static int answers[16];
static unsigned heard;
static int call_error[16], write_error[16], save_error, info_error, features_error, wire_error;
static unsigned calls, writes;
static bool given_up, hopeless, doubtful;
static uint64_t clock_ns;
static struct move_hello hello;
static const char *no_text;
static struct problem problem;
static struct move_told told;
static char printed[200];

uint64_t now_ns(void)
{
    return clock_ns;
}
uint64_t wall_clock_ns(void)
{
    return 0x1122334455667788;
}
void thread_sleep(uint64_t ns)
{
    step("sleep %lu. ", (unsigned long)(ns / NS_PER_MS));
    clock_ns += ns;
}
void printk(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(printed, sizeof(printed), format, arguments);
    va_end(arguments);
    step("tell. ");
}
const char *errno_name(long error)
{
    return "EWHY";
}
static bool give_up(void)
{
    return given_up;
}

int domain_get_info(domid_t domid, struct xen_domctl_getdomaininfo *info)
{
    info->cpu_time = 100 * NS_PER_MS + clock_ns / 10;   /* Dom0's own: a tenth of the time. */
    info->tot_pages = 4711;
    assert_true(domid == 9 || domid == 4);
    return domid == 9 ? info_error : 0;
}
domid_t own_domid(void)
{
    return 4;
}
int move_features(struct move_hello *ours)
{
    ours->features = 3;
    ours->feature[2] = 0x99;
    return features_error;
}

/* --- the wire --- */

static int write_it(struct tape *tape, const void *bytes, size_t size)
{
    if (size == sizeof(hello)) {
        memcpy(&hello, bytes, size);
        step("hello %u. ", hello.kind);
    } else {
        assert_int_equal(size, 4);
        assert_int_equal(*(const uint32_t *)bytes, MOVE_GO);
        step("GO. ");
    }
    return write_error[writes++];
}
int wire_call(struct wire *wire, uint32_t address, bool (*give)(void))
{
    assert_true(address == THERE && give == give_up);
    memset(wire, 0, sizeof(*wire));
    wire->tape.write = write_it;
    wire->error = wire_error;
    step("call. ");
    return call_error[calls++];
}
int wire_read(struct wire *wire, void *bytes, size_t size, uint64_t patience)
{
    struct move_answer *answer = bytes;
    int what = answers[heard++];

    assert_int_equal(size, sizeof(*answer));
    memset(answer, 'x', size);
    answer->word = (unsigned)what;
    if (no_text)
        strcpy(answer->text, no_text);
    step("%lu s? ", (unsigned long)(patience / S));
    clock_ns += hopeless ? 8 * S : 0;
    return what < 0 ? what : 0;
}
void wire_end(struct wire *wire, bool in_order)
{
    step("end %d. ", in_order);
}
const char *wire_problem(int error)
{
    return error == -ETIMEDOUT ? "too slow" : "broken";
}

/* --- the saver: opens, writes, finishes, closes --- */

int saved_write(const char *name, struct saved_target *target, bool go_on, struct problem *why)
{
    static struct domain domain = { .domid = 9 };
    int error;

    assert_string_equal(name, "wanderer");
    assert_true(!go_on && target->give_up == give_up && !target->doubtful);
    /* There is waited longer. */
    assert_true(target->patience && target->patience <= move_silence_ns(0));
    strcpy(domain.config.name, "guest 9");
    error = target->open(target, &domain, why);
    if (error) return error;
    assert_ptr_equal(target->tape->write, write_it);
    step("save. ");
    if (target->live) {                 /* a round while it runs, and what there was behind it */
        target->rounds = (struct save_rounds){ .number = 1, .sent = 512, .total = 512,
                                               .pages = 700 };
        target->went_over(target, NS_PER_S / 2);
        target->rounds = (struct save_rounds){ .number = 2, .sent = 12, .total = 524 };
        target->ran = clock_ns;
        clock_ns += 3 * S;
    }
    if (save_error)
        problem_set(why, save_error, "saving");
    error = target->finish(target, save_error, why);
    doubtful = target->doubtful;
    target->close(target);
    return error;
}

static int set_up(void **state)
{
    static const int all[] = { MOVE_WELCOME, MOVE_READY, MOVE_DONE };

    memset(answers, 0, sizeof(answers));
    memcpy(answers, all, sizeof(all));
    memset(call_error, 0, sizeof(call_error));
    memset(write_error, 0, sizeof(write_error));
    heard = calls = writes = 0;
    save_error = info_error = features_error = wire_error = 0;
    given_up = hopeless = doubtful = false;
    no_text = NULL;
    problem.text[0] = *steps = '\0';
    return 0;
}

static void goes(int error, const char *text, const char *want)
{
    assert_int_equal(move_send("wanderer", THERE, false, give_up, &told, &problem), error);
    if (error)
        assert_string_equal(problem.text, text);
    done(want);
    set_up(NULL);
}

/* Each round is told of, and at the end what was sent while it ran and how long it stood still. */
static void it_goes_while_it_runs(void **state)
{
    assert_int_equal(move_send("wanderer", THERE, true, give_up, &told, &problem), 0);
    done("call. hello 1. 20 s? save. tell. 120 s? GO. 20 s? end 1. ");
    assert_string_equal(printed, "Round 1: 512 of 700 pages sent, in 500 ms (4.0 MiB/s)\n");
    assert_true(told.still_ns == 3 * S && told.rounds == 1 && told.pages == 512);
    assert_true(told.rest == 12 && told.worked_ns == 3 * S / 10);
}

#define OPENED "call. hello 1. 20 s? save. "

static void it_goes(void **state)
{
    struct move_hello first;

    goes(0, "", OPENED "120 s? GO. 20 s? end 1. ");
    first = hello;
    assert_memory_equal(first.magic, MOVE_MAGIC, 8);
    assert_string_equal(first.name, "guest 9");
    assert_true(first.kind == MOVE_COMES && first.pages == 4711 && first.features == 3);
    assert_int_equal(first.feature[2], 0x99);
    assert_memory_equal(first.id, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
    goes(0, "", OPENED "120 s? GO. 20 s? end 1. ");
    assert_memory_not_equal(first.id, hello.id, MOVE_ID);
}

static void it_cannot_even_begin(void **state)
{
    allocations_until_failure = 1;
    goes(-ENOMEM, "dom0 has no memory left", "");
    info_error = -ESRCH;
    goes(-ESRCH, "cannot ask about 'guest 9': EWHY", "");
    features_error = -EPERM;
    goes(-EPERM, "cannot ask about 'guest 9': EWHY", "");
    call_error[0] = -ETIMEDOUT;
    goes(-ETIMEDOUT, "too slow", "call. ");
    write_error[0] = -ENOTCONN;
    goes(-ENOTCONN, "broken", "call. hello 1. end 0. ");
}

static void it_is_not_welcome(void **state)
{
    answers[0] = MOVE_NO;
    no_text = "no place";
    goes(-EACCES, "there: no place", "call. hello 1. 20 s? end 0. ");
    write_error[0] = -EACCES;                   /* they have said so before they were asked */
    answers[0] = MOVE_NO;
    no_text = "no place";
    goes(-EACCES, "there: no place", "call. hello 1. 20 s? end 0. ");
    answers[0] = -ETIMEDOUT;
    goes(-ETIMEDOUT, "too slow", "call. hello 1. 20 s? end 0. ");
    answers[0] = MOVE_READY;
    goes(-EINVAL, "it does not speak as Domus", "call. hello 1. 20 s? end 0. ");
    answers[0] = MOVE_NEVER_RAN;
    goes(-ESRCH, "it has not begun to run there", "call. hello 1. 20 s? end 0. ");
}

/* A sentence without an end has one. */
static void a_long_no(void **state)
{
    answers[0] = MOVE_NO;
    assert_int_equal(move_send("wanderer", THERE, false, give_up, &told, &problem), -EACCES);
    assert_int_equal(strlen(problem.text), strlen("there: ") + 187);
    set_up(NULL);
}

static void saving_fails(void **state)
{
    save_error = -EIO;                          /* the guest's: nobody is asked */
    goes(-EIO, "saving", OPENED "end 0. ");
    save_error = wire_error = -ETIMEDOUT;
    goes(-ETIMEDOUT, "too slow", OPENED "end 0. ");
    save_error = wire_error = -EACCES;          /* theirs: why */
    answers[1] = MOVE_NO;
    no_text = "it is full";
    goes(-EACCES, "there: it is full", OPENED "120 s? end 0. ");
    save_error = wire_error = -EACCES;          /* READY, of what is not whole? */
    goes(-EACCES, "broken", OPENED "120 s? end 0. ");
    save_error = -EACCES;                       /* not of the wire */
    goes(-EACCES, "saving", OPENED "end 0. ");
}

static void it_is_not_ready(void **state)
{
    answers[1] = MOVE_NO;
    no_text = "bad tables";
    goes(-EACCES, "there: bad tables", OPENED "120 s? end 0. ");
    answers[1] = -ENOTCONN;
    goes(-ENOTCONN, "broken", OPENED "120 s? end 0. ");
    write_error[1] = -ETIMEDOUT;                /* GO has not gone */
    goes(-ETIMEDOUT, "too slow", OPENED "120 s? GO. end 0. ");
    answers[2] = MOVE_NO;                       /* it was ended there */
    no_text = "not unpaused";
    goes(-EACCES, "there: not unpaused", OPENED "120 s? GO. 20 s? end 0. ");
    assert_false(doubtful);
}

/* --- GO has gone, and nothing comes --- */

#define GONE OPENED "120 s? GO. 20 s? end 0. tell. "

static void it_ran(void **state)
{
    answers[2] = -ETIMEDOUT;
    answers[3] = MOVE_DONE;
    goes(0, "", GONE "call. hello 2. 20 s? end 1. ");
    answers[2] = MOVE_READY;                    /* no sense is as good as nothing */
    answers[3] = MOVE_DONE;
    goes(0, "", GONE "call. hello 2. 20 s? end 1. ");
}

static void it_never_ran(void **state)
{
    answers[2] = -ENOTCONN;
    answers[3] = -ENOTCONN;
    answers[4] = MOVE_NEVER_RAN;
    call_error[2] = -ETIMEDOUT;
    goes(-ESRCH, "it has not begun to run there",
         GONE "call. hello 2. 20 s? end 0. sleep 1000. call. sleep 1000. "
              "call. hello 2. 20 s? end 0. ");
    assert_false(doubtful);
}

static void nobody_says(void **state)
{
    answers[2] = -ENOTCONN;
    for (unsigned i = 3; i < 16; i++)
        answers[i] = -ETIMEDOUT;
    hopeless = true;
    clock_ns = 5 * S;
    assert_int_equal(move_send("wanderer", THERE, false, give_up, &told, &problem), -EBUSY);
    assert_true(doubtful);
    assert_string_equal(problem.text, "nobody says whether 'guest 9' runs there now: here it stays "
                        "suspended. Look there; then `destroy guest 9` or `resume guest 9` here");
    /* three answers until then, and ninety seconds */
    assert_int_equal(heard, 3 + 10);
    assert_int_equal(clock_ns, 5 * S + 3 * 8 * S + 90 * S);
    set_up(NULL);
    answers[2] = -ENOTCONN;
    given_up = true;
    assert_int_equal(move_send("wanderer", THERE, false, give_up, &told, &problem), -EBUSY);
    assert_true(doubtful && heard == 3);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_goes), TEST(it_goes_while_it_runs), TEST(it_cannot_even_begin),
        TEST(it_is_not_welcome), TEST(a_long_no),
        TEST(saving_fails), TEST(it_is_not_ready), TEST(it_ran), TEST(it_never_ran),
        TEST(nobody_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
