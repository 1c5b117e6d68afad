/* SPDX-License-Identifier: MIT */
/*
 * Who takes guests from another machine: what is asked before anything is made, in which order, who
 * is told what when it cannot be had, that nothing of it is left then; and which guests have come
 * is remembered for who has heard no answer. The wire, what is restored and the toolstack are
 * played; each call is a script of what the other end says.
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
#include "dom0/network/own.h"
#include "dom0/save/save.h"
#include "dom0/save/wire.h"
#include "dom0/xc/control.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include "steps_host.h"

#define NAME "wanderer"

unsigned allocations_until_failure;
struct endpoint own_endpoint;
WAIT_QUEUE(own_changed);

/* What happens, and what goes wrong. */
static struct {
    struct move_hello hello;
    int read_hello, features, fits, check, restore, parse, check_config, make, unpause, go;
    int write_from, write;              /* which of our words cannot be said, and why */
    uint32_t go_word;
    uint64_t free_pages;
    unsigned maxmem_mib;
    bool name_bad, invalid, talks_on, unwanted;
    uint64_t talks_slowly;
} script;

static struct domain domain = { .domid = 7 };
static unsigned calls_left, reads, words, threads;
static bool locked, is_tracing;
static uint64_t clock_ns;
static char console[4096];
static struct move_answer last;
static void (*thread)(void *argument);
static void *thread_argument;
static jmp_buf nobody_calls;
static uint32_t only_is;
static bool (*has_changed)(void);

#define TRACE(...) (is_tracing ? step(__VA_ARGS__) : (void)0)

uint64_t now_ns(void)
{
    return clock_ns;
}
bool events_save(void)
{
    return false;
}
void events_restore(bool was)
{
}
bool wait_on(struct wait_queue *queue, uint64_t timeout)
{
    assert_ptr_equal(queue, &own_changed);
    longjmp(nobody_calls, 2);           /* it is not to take any */
}
struct thread *thread_create(const char *name, void (*entry)(void *argument), void *argument)
{
    if (!threads) return NULL;
    threads--;
    thread = entry;
    thread_argument = argument;
    return (struct thread *)&thread;
}
void printk(const char *format, ...)
{
    size_t length = strlen(console);
    va_list args;

    va_start(args, format);
    vsnprintf(console + length, sizeof(console) - length, format, args);
    va_end(args);
}
const char *errno_name(long error)
{
    return "?";
}

/* --- the wire --- */

static int says(struct tape *tape, const void *bytes, size_t size)
{
    assert_int_equal(size, sizeof(last));
    assert_false(locked);
    memcpy(&last, bytes, size);
    TRACE("say %u. ", last.word);
    return ++words == (unsigned)script.write_from ? script.write : 0;
}
int wire_answer(struct wire *wire, uint32_t only, bool (*give_up)(void))
{
    assert_false(give_up());
    has_changed = give_up;
    only_is = only;
    if (!calls_left--)
        longjmp(nobody_calls, 1);
    memset(wire, 0, sizeof(*wire));
    wire->tape.write = says;
    reads = words = 0;
    return 0;
}
int wire_read(struct wire *wire, void *bytes, size_t size, uint64_t patience)
{
    assert_false(locked);
    if (reads++ == 0) {
        assert_true(size == sizeof(script.hello) && patience == 5 * NS_PER_S);
        memcpy(bytes, &script.hello, size);
        return script.read_hello;
    }
    if (size == sizeof(script.go_word)) {
        TRACE("go? ");
        assert_false(has_changed());
        domain.unwanted = true;                 /* The operator may have enough of it. */
        assert_true(has_changed());
        domain.unwanted = script.unwanted;
        assert_true(patience == WIRE_PATIENCE_NS);
        memcpy(bytes, &script.go_word, size);
        return script.go;
    }
    TRACE("listen. ");
    assert_true(size == 1024 && patience && patience <= 5 * NS_PER_S);
    clock_ns += script.talks_slowly;
    return script.talks_on ? 0 : -ENOTCONN;
}
/* More than there may be nothing to send, and only for a guest that may come. */
void wire_be_patient(struct wire *wire, uint64_t patience)
{
    assert_int_equal(patience, WIRE_PATIENCE_NS + move_silence_ns(script.hello.pages));
    assert_true(script.hello.pages <= script.free_pages && words == 0);
}
void wire_end(struct wire *wire, bool in_order)
{
    TRACE("end %d.", in_order);
}
const char *wire_problem(int error)
{
    return error == -ETIMEDOUT ? "too slow" : "broken";
}
void wire_look(void)
{
    TRACE("look. ");
}

/* --- what is restored, and the toolstack --- */

bool move_hello_valid(struct move_hello *hello)
{
    return !script.invalid;
}
int move_features(struct move_hello *hello)
{
    hello->features = 4;
    return script.features;
}
int move_fits(const struct move_hello *theirs, const struct move_hello *ours,
              struct problem *problem)
{
    assert_int_equal(ours->features, 4);
    return script.fits ? problem_set(problem, script.fits, "another CPU") : 0;
}
bool config_name_valid(const char *name)
{
    assert_string_equal(name, NAME);
    return !script.name_bad;
}
uint64_t machine_free_pages(void)
{
    return script.free_pages;
}
void domains_begin(void)
{
    assert_false(locked);
    locked = true;
}
void domains_unlock(void)
{
    assert_true(locked);
    locked = false;
}
int domains_check(const struct config *config, struct problem *problem)
{
    int error = config->maxmem_mib ? script.check_config : script.check;

    assert_true(locked);
    assert_string_equal(config->name, NAME);
    TRACE("check %lu. ", (unsigned long)config->maxmem_mib);
    return error ? problem_set(problem, error, "it is there") : 0;
}
int restore_config(struct tape *tape, char **config, bool *json, struct problem *problem)
{
    assert_false(locked);
    *config = NULL;
    *json = true;
    TRACE("config. ");
    return script.restore ? problem_set(problem, script.restore, "no file") : 0;
}
int saved_parse(char *text, bool json, const char *file, struct config *config, char **said,
                struct problem *problem)
{
    assert_true(locked && json && !file);
    config->maxmem_mib = script.maxmem_mib;
    TRACE("parse. ");
    if (script.parse) return problem_set(problem, script.parse, "no sense");
    *said = strcpy(malloc(8), "said");
    return 0;
}
int saved_make(struct tape *tape, const struct config *config, const char *said,
               struct domain **made, struct problem *problem)
{
    assert_false(locked);
    assert_string_equal(said, "said");
    TRACE("make. ");
    domain.saving = true;
    *made = &domain;
    return script.make ? problem_set(problem, script.make, "not whole") : 0;
}
int domain_unpause(domid_t domid)
{
    assert_true(locked && domid == 7 && !domain.saving);
    TRACE("unpause. ");
    return script.unpause;
}
enum config_action domains_end(struct domain *d)
{
    assert_true(locked && d == &domain && !d->saving);
    TRACE("gone. ");
    return ACTION_DESTROY;
}

/* --- a call --- */

static void sane(void)
{
    memset(&script, 0, sizeof(script));
    script.hello = (struct move_hello){ .kind = MOVE_COMES, .pages = 256, .name = NAME };
    memcpy(script.hello.id, "0123456789abcdef", MOVE_ID);
    script.free_pages = 256;
    script.maxmem_mib = 64;
    script.go_word = MOVE_GO;
    *console = *steps = '\0';
    is_tracing = true;
    own_endpoint.stream.peer.address = 0x0bff7fffu;
}

static int set_up(void **state)
{
    sane();
    threads = 1;
    clock_ns += 1000 * NS_PER_S;                /* all may be told again */
    move_take(0);
    *steps = '\0';
    return 0;
}

/* So many calls, one after another, by this script. */
static void called(unsigned calls)
{
    calls_left = calls;
    if (!setjmp(nobody_calls))
        thread(thread_argument);
}

/* It is told why, and so is the console; what is done in all. */
static void refuses(const char *why, const char *want)
{
    char line[400];

    called(1);
    done(want);
    assert_int_equal(last.word, MOVE_NO);
    assert_string_equal(last.text, why);
    snprintf(line, sizeof(line), "dom0: '" NAME "' has not come from 11.255.127.255: %s\n", why);
    assert_string_equal(console, line);
    sane();
}

/* --- who takes --- */

static void no_thread(void **state)
{
    sane();
    for (unsigned i = 0; i < 2; i++) {
        allocations_until_failure = i;
        threads = i;                            /* no thread; no memory */
        assert_int_equal(move_take(0), -ENOMEM);
    }
    assert_int_equal(threads, 1);
    done("");
}

static void who_is_taken(void **state)
{
    uint32_t from;

    sane();
    threads = 1;
    assert_false(move_takes(&from));
    assert_int_equal(move_take(0x0a000007), 0);
    assert_int_equal(threads, 0);
    assert_true(move_takes(&from) && from == 0x0a000007);
    called(0);
    assert_int_equal(only_is, 0x0a000007);
    assert_false(has_changed());
    assert_int_equal(move_take(0), 0);          /* the same thread, by what it sees */
    assert_true(has_changed());
    assert_true(move_takes(&from) && from == 0);
    called(0);
    assert_int_equal(only_is, 0);
    move_refuse();
    assert_true(has_changed());
    assert_false(move_takes(&from) || from);
    only_is = 5;
    called(0);
    assert_int_equal(only_is, 5);               /* it did not even ask */
    done("look. look. look. ");
}

/* --- one that comes --- */

#define BEGINNING "check 0. say 1. config. parse. check 64. "
#define WHOLE BEGINNING "make. say 2. go? unpause. say 3. end 1."

static void it_comes(void **state)
{
    called(1);
    done(WHOLE);
    assert_string_equal(console, "dom0: domain '" NAME "' has come from 11.255.127.255: 7\n");
    assert_string_equal(last.text, "");
    assert_false(domain.saving);
}

static void who_does_not_speak(void **state)
{
    script.read_hello = -ETIMEDOUT;
    called(1);
    done("end 0.");
    for (unsigned i = 0; i < 3; i++) {
        sane();
        script.invalid = i == 0;
        script.name_bad = i == 1;
        script.features = i == 2 ? -EIO : 0;
        called(1);
        done("say 4. listen. end 0.");
        assert_string_equal(last.text, "it does not speak as this Domus");
    }
    assert_string_equal(console, "");
}

/* Nothing is made of what cannot be had anyway. */
static void it_is_refused_first(void **state)
{
    script.fits = -EOPNOTSUPP;
    refuses("another CPU", "say 4. listen. end 0.");
    script.free_pages = 3000 * 256 - 1;
    script.hello.pages = 3000 * 256;
    refuses("too little memory: the guest has 3000 MiB, 2999 MiB are free",
            "say 4. listen. end 0.");
    script.check = -EEXIST;
    refuses("it is there", "check 0. say 4. listen. end 0.");
}

static void it_is_refused_then(void **state)
{
    script.restore = -EINVAL;
    refuses("no file", "check 0. say 1. config. say 4. listen. end 0.");
    script.parse = -EINVAL;
    refuses("no sense", "check 0. say 1. config. parse. say 4. listen. end 0.");
    script.parse = -EINVAL;                     /* whatever else stands there */
    script.maxmem_mib = 16384;
    refuses("no sense", "check 0. say 1. config. parse. say 4. listen. end 0.");
    script.check_config = -EEXIST;
    refuses("it is there", BEGINNING "say 4. listen. end 0.");
    script.maxmem_mib = 16384;
    refuses("dom0 has too little memory for a guest of 16384 MiB",
            "check 0. say 1. config. parse. check 16384. say 4. listen. end 0.");
    script.maxmem_mib = 16383;
    called(1);
    assert_int_equal(last.word, MOVE_DONE);
    sane();
    script.make = -EINVAL;
    refuses("not whole", BEGINNING "make. say 4. listen. end 0.");
}

/* Without the word that it may run it ends. */
static void it_must_not_run(void **state)
{
    script.go_word ^= 1;
    refuses("it does not speak as Domus",
            BEGINNING "make. say 2. go? gone. say 4. listen. end 0.");
    script.unpause = -EPERM;
    called(1);
    done(BEGINNING "make. say 2. go? unpause. gone. say 4. listen. end 0.");
    sane();
    script.unwanted = true;             /* Destroyed in the moment in which that came. */
    script.unpause = 0;
    refuses("it has been destroyed there",
            BEGINNING "make. say 2. go? gone. say 4. listen. end 0.");
    domain.unwanted = script.unwanted = false;
    script.go = -EPROTO;
    refuses("broken", BEGINNING "make. say 2. go? gone. say 4. listen. end 0.");
    script.write_from = 2;
    script.write = -EPROTO;
    refuses("broken", BEGINNING "make. say 2. gone. say 4. listen. end 0.");
}

/* There is nobody any more who could be told. */
static void nobody_is_there(void **state)
{
    static const int lost[] = { -ENOTCONN, -ETIMEDOUT, -EAGAIN };

    for (unsigned i = 0; i < ARRAY_SIZE(lost); i++) {
        sane();
        script.go = lost[i];
        called(1);
        done(BEGINNING "make. say 2. go? gone. end 0.");
        assert_non_null(strstr(console, lost[i] == -ETIMEDOUT ? "too slow" : "broken"));
    }
    sane();
    script.write_from = 1;
    script.write = -ETIMEDOUT;
    called(1);
    done("check 0. say 1. end 0.");
    assert_non_null(strstr(console, "too slow"));
    sane();
    script.restore = -ETIMEDOUT;                /* the wire's word, not the reader's */
    called(1);
    done("check 0. say 1. config. end 0.");
    assert_non_null(strstr(console, "too slow"));
}

/* Who is told NO and goes on is heard to an end; who cannot be told is not heard. */
static void who_talks_on(void **state)
{
    script.check = -EEXIST;
    script.talks_on = true;
    is_tracing = false;
    called(1);
    assert_int_equal(reads - 1, 4 * STREAM_BUFFER / 1024);
    script.talks_slowly = 2 * NS_PER_S;         /* All of it, not each piece, has five seconds. */
    called(1);
    assert_int_equal(reads - 1, 3);
    script.write_from = 1;
    script.write = -EPROTO;
    called(1);
    assert_int_equal(reads, 1);
}

/* --- who asks what became of it --- */

static unsigned asks(const char *id)
{
    script.hello.kind = MOVE_ASKS;
    memcpy(script.hello.id, id, MOVE_ID);
    *steps = '\0';
    called(1);
    assert_non_null(strstr(steps, "end 1."));
    assert_string_equal(last.text, "");
    return last.word;
}

static void what_became_of_it(void **state)
{
    char id[MOVE_ID + 1];

    assert_int_equal(asks("0123456789abcdeF"), MOVE_NEVER_RAN);
    assert_int_equal(asks("1123456789abcdef"), MOVE_NEVER_RAN);
    assert_int_equal(asks("0123456789abcdef"), MOVE_DONE);      /* of it_comes */
    sane();
    memcpy(script.hello.id, "one that did not", MOVE_ID);
    script.go_word = 0;
    called(1);
    sane();
    assert_int_equal(asks("one that did not"), MOVE_NEVER_RAN);
    for (unsigned i = 0; i < 257; i++) {        /* more than are remembered */
        sane();
        snprintf(id, sizeof(id), "%016u", i);
        memcpy(script.hello.id, id, MOVE_ID);
        called(1);
    }
    assert_int_equal(asks("0000000000000000"), MOVE_NEVER_RAN);
    for (unsigned i = 1; i < 257; i++) {
        snprintf(id, sizeof(id), "%016u", i);
        assert_int_equal(asks(id), MOVE_DONE);
    }
}

static void nobody_has_come_yet(void **state)
{
    assert_int_equal(asks("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), MOVE_NEVER_RAN);
}

/* --- who calls again and again --- */

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *at = console; (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

static void the_console_is_slow(void **state)
{
    script.check = -EEXIST;
    is_tracing = false;
    called(50);
    assert_int_equal(lines(), 20);
    *console = '\0';
    move_take(0);                               /* that does not fill it */
    clock_ns += NS_PER_S - 1;
    called(1);
    assert_int_equal(lines(), 0);
    clock_ns += 1;
    called(2);
    assert_int_equal(lines(), 2);
    assert_non_null(strstr(console, "dom0: not told of: 31 more that have not come\n"));
    *console = '\0';
    clock_ns += NS_PER_S;
    called(1);
    assert_non_null(strstr(console, "dom0: not told of: 1 more that has not come\n"));
    *console = '\0';
    clock_ns += NS_PER_S;
    called(1);
    assert_int_equal(lines(), 1);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_thread), cmocka_unit_test(who_is_taken), TEST(nobody_has_come_yet),
        TEST(it_comes), TEST(who_does_not_speak), TEST(it_is_refused_first),
        TEST(it_is_refused_then), TEST(it_must_not_run), TEST(nobody_is_there),
        TEST(who_talks_on), TEST(what_became_of_it), TEST(the_console_is_slow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
