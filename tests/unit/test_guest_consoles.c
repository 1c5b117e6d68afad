/* SPDX-License-Identifier: MIT */
/*
 * dom0's end of guests' consoles: what is said is logged and shown, a ring whose indices lie is
 * not served any more, nor does it harm the others; what the operator types waits for room, but
 * not for a guest that lies; a console that cannot be opened leaves nothing. The SDK is faked.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "dom0/account.h"
#include "dom0/console/guests.h"
#include "dom0/console/terminal.h"
#include "dom0/worker.h"
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <xen/io/console.h>

unsigned allocations_until_failure;

/* --- the SDK ---------------------------------------------------------------------------------- */

#define GUESTS 2u

static struct guest {
    struct xencons_interface ring;
    event_handler handler;
    void *data;
    struct guest_console *console;
    bool mapped, port_masked, port_pending;
    unsigned notified, rung;
} guest[GUESTS + 1];                    /* domains 1 and 2 */

static bool refuse_map, refuse_port;
static unsigned said;
static char terminal[32768], passed[32768];     /* as text; as it is */
static char as_written[65536];                  /* to the terminal: as it is */
static size_t written;
static uint64_t now;

void printk(const char *format, ...)
{
    said++;
}
bool events_save(void)
{
    return false;
}
void events_restore(bool was_masked)
{
}
uint64_t now_ns(void)
{
    return now;
}
void timer_set(struct timer *timer, uint64_t when, void (*handler)(void *data), void *data)
{
}
void timer_cancel(struct timer *timer)
{
}
void worker_leave(struct turn *turn)
{
    turns_leave(turn);
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    return (size_t)snprintf(to, size, "%s", from);
}

void terminal_write(const char *bytes, size_t size)
{
    strncat(terminal, bytes, size);
    assert_true(size <= sizeof(as_written) - written);
    memcpy(as_written + written, bytes, size);
    written += size;
}

static bool line_is_stuck;

bool terminal_has_room(void)
{
    return !line_is_stuck;
}

void terminal_pass(const char *bytes, size_t size)
{
    strncat(passed, bytes, size);
}

static void (*while_shown)(void);       /* once, behind its first half */

void terminal_show(void (*write)(const char *bytes, size_t size), const char *bytes, size_t size)
{
    void (*happens)(void) = while_shown;

    write(bytes, size / 2);
    while_shown = NULL;
    if (happens)
        happens();
    write(bytes + size / 2, size - size / 2);
}

void *map_frames(const unsigned long *mfns, unsigned long n, uint64_t prot, domid_t owner,
                 int *errors)
{
    assert_true(n == 1 && *mfns == 100u + owner && prot == PROT_RW && !errors);
    if (refuse_map) return ERR_PTR(-22);
    guest[owner].mapped = true;
    return &guest[owner].ring;
}

void unmap_frames(void *va, unsigned long n)
{
    struct guest *of = (struct guest *)va;

    assert_true(of->mapped && !of->handler);
    of->mapped = false;
}

int event_bind_interdomain(domid_t remote, evtchn_t remote_port, event_handler handler, void *data)
{
    if (refuse_port) return -22;
    guest[remote].handler = handler;
    guest[remote].data = data;
    guest[remote].port_masked = guest[remote].port_pending = false;
    return remote + 10;
}

void event_unbind(evtchn_t port)
{
    guest[port - 10].handler = NULL;
}

void event_hold(evtchn_t port)
{
    guest[port - 10].port_masked = true;
}

static void ring_bell(unsigned number)
{
    guest[number].port_pending = guest[number].port_masked;
    if (guest[number].port_masked) return;
    guest[number].rung++;
    guest[number].handler(number + 10, guest[number].data);
}

void event_rearm(evtchn_t port)
{
    guest[port - 10].port_masked = false;
    guest[port - 10].port_pending = false;
}

int event_send(evtchn_t port)
{
    guest[port - 10].notified++;
    return 0;
}

static const char *typed;               /* a key at a time */
static unsigned slept;

size_t terminal_keys(char *keys, size_t size, uint64_t timeout_ns)
{
    assert_true(*typed && size);        /* who is attached is let go by the last key */
    *keys = *typed++;
    return 1;
}

/* The guest runs meanwhile, and takes one byte. */
void thread_sleep(uint64_t ns)
{
    assert_true(++slept < 100);
    guest[1].ring.in_cons++;
    now += ns;
}

static void (*meanwhile)(void);         /* in a sleep */

void wake_all(struct wait_queue *queue)
{
}

bool wait_on(struct wait_queue *queue, uint64_t timeout_ns)
{
    now += 500;
    if (meanwhile)
        meanwhile();
    return true;
}

static void nobody_sleeps(enum turn_lane lane)
{
}

static void run(void)
{
    while (turns_take(LANE_QUICK))
        ;
}

/* --- guests ----------------------------------------------------------------------------------- */

static int open_guest(unsigned number)
{
    char name[8];

    snprintf(name, sizeof(name), "g%u", number);
    return guest_console_open((domid_t)number, name, 100 + number, 5, &guest[number].console);
}

static bool nobody_waits(void)
{
    return false;
}

static uint64_t no_time(uint16_t domid)
{
    return 0;
}

static int setup(void **state)
{
    memset(guest, 0, sizeof(guest));
    refuse_map = refuse_port = false;
    said = slept = allocations_until_failure = 0;
    written = 0;
    terminal[0] = '\0';
    now = 1000000000;
    turns_start(nobody_sleeps, no_time, nobody_waits);
    guest_consoles_show(true);
    for (unsigned i = 1; i <= GUESTS; i++)
        assert_int_equal(open_guest(i), 0);
    return 0;
}

static int teardown(void **state)
{
    for (unsigned i = 1; i <= GUESTS; i++) {
        if (guest[i].console)
            guest_console_close(guest[i].console);
        assert_false(guest[i].mapped || guest[i].handler || turns_of((uint16_t)i));
        assert_int_equal(account_held((uint16_t)i, HELD_CONSOLE), 0);
    }
    return 0;
}

static void says(unsigned number, const char *text)
{
    struct xencons_interface *ring = &guest[number].ring;

    for (; *text; text++)
        ring->out[MASK_XENCONS_IDX(ring->out_prod++, ring->out)] = *text;
    ring_bell(number);
    run();
}

/* A guest on another CPU can ring faster than we can listen: once a turn it is heard. */
static void a_bell_rings_once_a_turn(void **state)
{
    run();
    guest[1].rung = 0;
    for (unsigned turn = 1; turn < 4; turn++) {
        for (unsigned i = 0; i < 5; i++)
            ring_bell(1);
        assert_int_equal(guest[1].rung, turn);
        run();
        assert_false(guest[1].port_masked || guest[1].port_pending);
    }
}

static unsigned lines_shown(void)
{
    unsigned lines = 0;

    for (const char *at = terminal; (at = strchr(at, '\n')); at++)
        lines++;
    return lines;
}

/* The end of a line is a byte, but not as cheap, where it is shown: a turn has few. The last words
 * are taken in turns, too. */
static void many_lines_are_many_bytes(void **state)
{
    struct xencons_interface *ring = &guest[1].ring;
    const unsigned budget = turn_rules[TURN_CONSOLE].budget;

    memset(ring->out, '\n', sizeof(ring->out));
    ring->out_prod = ring->out_cons + 200;
    ring_bell(1);
    assert_true(turns_take(LANE_QUICK));
    assert_in_range(lines_shown(), 1, budget / 50);
    run();
    assert_int_equal(lines_shown(), 200);
    ring->out_prod = ring->out_cons + 200;
    assert_false(guest_console_is_drained(guest[1].console));
    assert_int_equal(lines_shown(), 200);
    run();
    assert_true(guest_console_is_drained(guest[1].console));
    assert_int_equal(lines_shown(), 400);
    guest_consoles_show(false);
    ring->out_prod = ring->out_cons + budget;
    ring_bell(1);
    assert_true(turns_take(LANE_QUICK));
    assert_int_equal(ring->out_cons, ring->out_prod);
}

static void what_is_said_is_shown(void **state)
{
    says(1, "one ");
    says(2, "two\r\n");
    says(1, "line\n\n");
    assert_string_equal(terminal, "(g2) two\n(g1) one line\n(g1) \n");
    assert_int_equal(guest[1].ring.out_cons, guest[1].ring.out_prod);
    assert_true(guest[1].notified);
    terminal[0] = '\0';
    assert_true(guest_console_show_log("g1"));
    assert_string_equal(terminal, "one line\n\n\n");
    assert_false(guest_console_show_log("g3"));
}

/* What a guest has said before its end is what its ring holds, whoever else writes there; and who
 * shows it does not wait for ever for a line that takes nothing. */
static void last_words_come_to_an_end(void **state)
{
    struct xencons_interface *ring = &guest[1].ring;
    unsigned turns = 0;
    uint64_t before;

    memset(ring->out, 'x', sizeof(ring->out));
    do
        ring->out_prod = ring->out_cons + sizeof(ring->out);
    while (!guest_console_is_drained(guest[1].console) && turns_take(LANE_QUICK) && ++turns < 20);
    assert_in_range(turns, 8, 9);
    run();
    memset(ring->out, '\n', sizeof(ring->out));
    ring->out_prod = ring->out_cons + sizeof(ring->out);
    terminal[0] = '\0';
    line_is_stuck = true;
    for (before = now; !guest_console_is_drained(guest[1].console); now += 10 * NS_PER_MS)
        run();
    line_is_stuck = false;
    assert_in_range(now - before, 400 * NS_PER_MS, 600 * NS_PER_MS);
    assert_int_equal(ring->out_cons, ring->out_prod);
    assert_in_range(lines_shown(), 1, 100);
}

/* Who goes on after all is as patient as before. */
static void not_its_last_words(void **state)
{
    struct xencons_interface *ring = &guest[1].ring;

    memset(ring->out, '\n', sizeof(ring->out));
    ring->out_prod = ring->out_cons + 200;
    line_is_stuck = true;
    assert_false(guest_console_is_drained(guest[1].console));
    guest_console_goes_on(guest[1].console);
    now += 600 * NS_PER_MS;
    ring_bell(1);
    run();
    assert_int_equal(ring->out_prod - ring->out_cons, 200);
    line_is_stuck = false;
}

/* Nor do last words wait for somebody else who writes there a byte whenever we have read one. */
static void a_neighbour_who_goes_on(void **state)
{
    struct xencons_interface *ring = &guest[1].ring;
    uint64_t before = now;

    do {
        ring->out[MASK_XENCONS_IDX(ring->out_cons, ring->out)] = 'x';
        ring->out_prod = ring->out_cons + 1;
        run();
        ring->out_prod = ring->out_cons + 1;
        now += 10 * NS_PER_MS;
    } while (!guest_console_is_drained(guest[1].console) && now - before < 10 * NS_PER_S);
    assert_in_range(now - before, NS_PER_S, 2 * NS_PER_S);
}

/* Who may say no more for now waits for no line: what he says goes to his log. */
static void what_goes_to_the_log_waits_for_nothing(void **state)
{
    struct xencons_interface *ring = &guest[1].ring;

    memset(ring->out, '\n', sizeof(ring->out));
    ring->out_prod = ring->out_cons + 200;
    line_is_stuck = true;
    ring_bell(1);
    run();
    assert_int_equal(ring->out_prod - ring->out_cons, 200);
    line_is_stuck = false;
    do {                                        /* until a line of them is missing */
        terminal[0] = '\0';
        written = 0;
        ring->out_prod = ring->out_cons + 200;
        turns_mark(guest[1].data);
        run();
    } while (lines_shown() == 200);
    line_is_stuck = true;
    ring->out_prod = ring->out_cons + sizeof(ring->out);
    turns_mark(guest[1].data);
    run();
    assert_int_equal(ring->out_cons, ring->out_prod);
    line_is_stuck = false;
}

/* NULs too, as what they are; and nothing else. */
static void a_line_may_have_nuls(void **state)
{
    static const char said_by_it[] = "a\0b\n\0\n", shown[] = "(g1) a\0b\n" "(g1) \0\n";
    struct xencons_interface *ring = &guest[1].ring;

    for (unsigned i = 0; i < sizeof(said_by_it) - 1; i++)
        ring->out[MASK_XENCONS_IDX(ring->out_prod++, ring->out)] = said_by_it[i];
    written = 0;
    ring_bell(1);
    run();
    assert_int_equal(written, sizeof(shown) - 1);
    assert_memory_equal(as_written, shown, written);
}

/* Names that differ in their last letter only: the log is that of the one that is asked for. */
static void names_may_be_long(void **state)
{
    char name[64], other[64];

    memset(name, 'n', sizeof(name));
    name[63] = '\0';
    strcpy(other, name);
    other[62] = 'o';
    guest_console_rename(guest[1].console, name);
    guest_console_rename(guest[2].console, other);
    says(1, "one\n");
    says(2, "two\n");
    terminal[0] = '\0';
    assert_true(guest_console_show_log(name));
    assert_string_equal(terminal, "one\n\n");
    guest_console_close(guest[2].console);
    guest[2].console = NULL;
    terminal[0] = '\0';
    assert_true(guest_console_show_log(other));
    assert_string_equal(terminal, "two\n\n");
}

/* A full ring is none that lies; one byte more is. Its bytes are never looked at. */
static void rings_that_lie(void **state)
{
    struct xencons_interface *ring = &guest[1].ring;

    memset(ring->out, '\n', sizeof(ring->out));
    ring->out_prod = ring->out_cons = UINT32_MAX - 5;
    ring->out_prod += sizeof(ring->out);
    says(1, "");
    assert_int_equal(ring->out_cons, ring->out_prod);
    assert_int_equal(said, 0);
    ring->out_prod += sizeof(ring->out) + 1;
    terminal[0] = '\0';
    guest[1].notified = 0;
    says(1, "");
    assert_int_equal(said, 1);
    ring->out_prod = ring->out_cons + 5;        /* too late */
    says(1, "");
    assert_true(guest_console_is_drained(guest[1].console));
    assert_int_equal(said, 1);
    assert_int_equal(guest[1].notified, 0);
    assert_string_equal(terminal, "");
    says(2, "two\n");
    assert_string_equal(terminal, "(g2) two\n");
}

/* test_attached_operator.c has the guests that are slow to read. */
static void what_is_typed(void **state)
{
    struct xencons_interface *ring = &guest[1].ring;

    says(1, "\x1b[Hhello\n");
    terminal[0] = passed[0] = '\0';
    typed = "ab\x1d";
    guest_console_attach(guest[1].console);
    /* An attached guest has the terminal to itself. */
    assert_string_equal(passed, "\x1b[Hhello\n");
    assert_string_equal(terminal, "");
    assert_int_equal(ring->in_prod, 2);
    assert_memory_equal(ring->in, "ab", 2);
    /* A guest that has read more than there was gets nothing, and nobody waits for it. */
    ring->in_cons = ring->in_prod + 1;
    typed = "def\x1d";
    guest_console_attach(guest[1].console);
    assert_int_equal(slept, 0);
    assert_int_equal(ring->in_cons - ring->in_prod, 1);
}

/* The log is shown in pieces: what is said between them comes behind it, once; and whoever ends
 * between them does so. */
static void says_more(void)
{
    says(1, "more\n");
}

static void ends_early(void)
{
    says(1, "bye\n");
    guest_console_close(guest[1].console);
    guest[1].console = NULL;
    for (unsigned i = 0; i < 8; i++) {                  /* its last words go, too */
        open_guest(1);
        says(1, "another\n");
        guest_console_close(guest[1].console);
        guest[1].console = NULL;
    }
}

static void while_the_log_is_shown(void **state)
{
    says(1, "hello\n");
    terminal[0] = passed[0] = '\0';
    while_shown = says_more;
    typed = "\x1d";
    guest_console_attach(guest[1].console);
    assert_string_equal(passed, "hello\nmore\n");
    assert_string_equal(terminal, "");
    while_shown = says_more;
    assert_true(guest_console_show_log("g1"));
    assert_string_equal(terminal, "hello(g1) more\n\nmore\n\n");
    terminal[0] = passed[0] = '\0';
    while_shown = ends_early;
    typed = "\x1d";
    guest_console_attach(guest[1].console);             /* and it frees what is left */
    assert_string_equal(passed, "hello\nmore\nmore\nbye\n");
    open_guest(1);
    says(1, "hello\n");
    terminal[0] = '\0';
    while_shown = ends_early;
    assert_true(guest_console_show_log("g1"));
    assert_non_null(strstr(terminal, "lo\n"));
    open_guest(1);
    says(1, "hello\n");
    guest_console_close(guest[1].console);
    guest[1].console = NULL;
    open_guest(1);
    while_shown = ends_early;
    assert_true(guest_console_show_log("g1"));
}

static void echoes(void)
{
    says(1, "#");
}
static void says_something_else(void)
{
    says(1, "?");
}
static void others_echo(void)
{
    says(2, "#");
}

static void ends(void)
{
    guest_console_close(guest[1].console);
    guest[1].console = NULL;
}

/* A key counts as echoed when its own guest says it, and before the time is up; a guest that ends
 * meanwhile is not looked at any more. */
static void how_a_key_is_echoed(void **state)
{
    uint64_t start = now;

    meanwhile = echoes;
    assert_true(guest_console_type(guest[1].console, '#', 1000));
    assert_int_equal(guest[1].ring.in[0], '#');
    assert_int_equal(now, start + 500);
    assert_false(guest_console_type(guest[1].console, '!', 1000));
    meanwhile = says_something_else;
    assert_false(guest_console_type(guest[1].console, '#', 1000));
    meanwhile = others_echo;
    assert_false(guest_console_type(guest[1].console, '#', 1000));
    meanwhile = ends;
    assert_false(guest_console_type(guest[1].console, '#', 1000));
    meanwhile = NULL;
    assert_int_equal(open_guest(1), 0);
}

static void consoles_that_do_not_open(void **state)
{
    guest_console_close(guest[1].console);
    guest[1].console = NULL;
    for (unsigned i = 0; i < 5; i++) {
        /* The console, its account, its turns: none is left over from the time before. */
        static const unsigned allocation[] = { 0, 0, 1, 2, 3 };

        refuse_map = i == 0;
        refuse_port = i == 1;
        allocations_until_failure = allocation[i];
        assert_int_equal(open_guest(1), i < 2 ? -22 : -ENOMEM);
        assert_false(guest[1].mapped || guest[1].handler || turns_of(1));
        assert_int_equal(account_held(1, HELD_CONSOLE), 0);
    }
    allocations_until_failure = 0;
    assert_int_equal(open_guest(1), 0);
    says(1, "again\n");
    assert_string_equal(terminal, "(g1) again\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_said_is_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(last_words_come_to_an_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_neighbour_who_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(not_its_last_words, setup, teardown),
        cmocka_unit_test_setup_teardown(what_goes_to_the_log_waits_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_may_have_nuls, setup, teardown),
        cmocka_unit_test_setup_teardown(many_lines_are_many_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bell_rings_once_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(names_may_be_long, setup, teardown),
        cmocka_unit_test_setup_teardown(rings_that_lie, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_typed, setup, teardown),
        cmocka_unit_test_setup_teardown(while_the_log_is_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(how_a_key_is_echoed, setup, teardown),
        cmocka_unit_test_setup_teardown(consoles_that_do_not_open, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
