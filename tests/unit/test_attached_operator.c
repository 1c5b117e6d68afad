/* SPDX-License-Identifier: MIT */
/* The console daemon with an operator attached: whatever a guest does with its ring, he comes back
 * by Ctrl-]; and one that reads slowly has all that was typed. And dom0 does not wait for a serial
 * line because a guest talks. The SDK and the terminal are faked; time goes on when somebody
 * sleeps.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dom0/account.h"
#include "dom0/console/guests.h"
#include "dom0/console/terminal.h"
#include "dom0/turns.h"
#include "dom0/worker.h"
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <xen/io/console.h>

/* --- the SDK --- */

static struct xencons_interface *ring;
static event_handler ring_bell;
static void *ring_data;
static uint64_t now = NS_PER_S, began;
static const char *typed;               /* What the operator has typed, and is not taken yet. */
static size_t typed_size;
static void (*guest)(void);             /* What it does while dom0 sleeps. */

uint64_t now_ns(void)
{
    return now;
}
bool events_save(void)
{
    return false;
}
void events_restore(bool was_masked)
{
}
void printk(const char *format, ...)
{
}

/* A real serial line: 11,520 bytes a second, and behind 16 KiB of them the hypervisor lets dom0
 * wait. */
#define BYTE_NS 86805u
#define ROOM (16384u * (uint64_t)BYTE_NS)

static bool line_is_slow, hypervisor_says, others_write;
static uint64_t line_busy_until, waited, written;

void terminal_write(const char *bytes, size_t size)
{
    line_busy_until = (line_busy_until > now ? line_busy_until : now) + size * BYTE_NS;
    written += size;
    if (line_is_slow && line_busy_until > now + ROOM) {
        waited += line_busy_until - ROOM - now;
        now = line_busy_until - ROOM;
    }
}

bool terminal_has_room(void)
{
    if (others_write) return false;
    return !hypervisor_says || line_busy_until < now + 2048u * (uint64_t)BYTE_NS;
}

void terminal_pass(const char *bytes, size_t size)
{
    terminal_write(bytes, size);
}

void terminal_show(void (*write)(const char *bytes, size_t size), const char *bytes, size_t size)
{
    write(bytes, size);
}

static struct timer *alarm_clock;

void timer_set(struct timer *timer, uint64_t when, void (*handler)(void *data), void *data)
{
    *timer = (struct timer){ .when = when, .handler = handler, .data = data };
    alarm_clock = timer;
}
void timer_cancel(struct timer *timer)
{
}
void *map_frames(const unsigned long *mfns, unsigned long n, uint64_t prot, domid_t owner,
                 int *errors)
{
    return ring;
}
void unmap_frames(void *va, unsigned long n)
{
    free(va);
}
int event_bind_interdomain(domid_t remote, evtchn_t remote_port, event_handler handler, void *data)
{
    ring_bell = handler;
    ring_data = data;
    return 9;
}
void event_hold(evtchn_t port)
{
}
void event_rearm(evtchn_t port)
{
}
void event_unbind(evtchn_t port)
{
}
int event_send(evtchn_t port)
{
    return 0;
}
void worker_leave(struct turn *turn)
{
    turns_leave(turn);
}

static void sleep_a_while(uint64_t ns)
{
    now += ns;
    if (now > began + 60 * NS_PER_S)
        fail_msg("the operator is still there after a minute");
    guest();
}

void thread_sleep(uint64_t ns)
{
    sleep_a_while(ns);
}
void thread_yield(void)
{
}
void wake_all(struct wait_queue *queue)
{
}
bool wait_on(struct wait_queue *queue, uint64_t timeout_ns)
{
    return false;
}

size_t terminal_keys(char *bytes, size_t size, uint64_t timeout_ns)
{
    size_t count = size < typed_size ? size : typed_size;

    if (!count)
        sleep_a_while(timeout_ns);
    memcpy(bytes, typed, count);
    typed += count;
    typed_size -= count;
    return count;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    snprintf(to, size, "%s", from);
    return strlen(from);
}

static void wake(enum turn_lane lane)
{
}

/* --- the guest --- */

static char got[8192];
static size_t got_size;

static void idle(void)
{
}

static void lie(void)
{
    ring->in_cons = ring->in_prod - sizeof(ring->in);
}

static void read_slowly(void)
{
    for (unsigned i = 0; i < 20 && ring->in_cons != ring->in_prod; i++)
        got[got_size++] = ring->in[MASK_XENCONS_IDX(ring->in_cons++, ring->in)];
}

static struct guest_console *console;

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
    ring = calloc(1, sizeof(*ring));
    began = now;
    got_size = 0;
    turns_start(wake, no_time, nobody_waits);
    assert_int_equal(guest_console_open(5, "five", 1, 1, &console), 0);
    return 0;
}

static int teardown(void **state)
{
    if (console)
        guest_console_close(console);
    assert_int_equal(account_held(5, HELD_CONSOLE), 0);
    return 0;
}

static void attach(const char *text, size_t size, void (*does)(void))
{
    typed = text;
    typed_size = size;
    guest = does;
    guest_console_attach(console);
    assert_int_equal(typed_size, 0);
}

/* --- tests --- */

static void a_guest_without_room_holds_nobody(void **state)
{
    static char many[5000];

    lie();
    attach("x\035", 2, lie);
    lie();
    attach("hello?\035", 7, idle);
    memset(many, 'x', sizeof(many));
    many[sizeof(many) - 1] = '\035';
    attach(many, sizeof(many), idle);
    ring->in_cons = ring->in_prod + 1;            /* It has read what nobody wrote. */
    attach("x\035", 2, idle);
}

static void the_key_to_leave_is_not_the_guests(void **state)
{
    attach("ab\035cd", 5, idle);
    assert_int_equal(ring->in_prod, 2);
    assert_memory_equal(ring->in, "ab", 2);
}

static void end(void)
{
    guest_console_close(console);
    console = NULL;
}

/* It is destroyed while the operator is attached, with keys that wait for it or without. */
static void a_guest_that_is_gone_is_not_looked_at(void **state)
{
    attach("", 0, end);
    setup(state);
    lie();
    attach("abc", 3, end);
}

static void a_guest_that_reads_slowly_has_all(void **state)
{
    static char many[5000];

    for (size_t i = 0; i < sizeof(many); i++)
        many[i] = (char)('a' + i % 26);
    typed = many;
    many[sizeof(many) - 1] = '\035';
    attach(many, sizeof(many), read_slowly);
    while (ring->in_cons != ring->in_prod)
        read_slowly();
    /* He left before it had taken the last ones. */
    assert_true(got_size >= sizeof(many) - 1 - 256);
    assert_memory_equal(got, many, got_size);
}

/* It fills its ring whenever it is emptied, for ten seconds; how long nothing was taken of it. */
static uint64_t talk(void)
{
    uint64_t until = now + 10 * NS_PER_S, taken = now, longest = 0;

    memset(ring->out, 'x', sizeof(ring->out));
    for (unsigned i = 99; i < sizeof(ring->out); i += 100)
        ring->out[i] = '\n';
    alarm_clock = NULL;
    waited = written = 0;
    while (now < until) {
        if (ring->out_prod != ring->out_cons + sizeof(ring->out))
            taken = now;
        longest = now - taken > longest ? now - taken : longest;
        ring->out_prod = ring->out_cons + sizeof(ring->out);
        ring_bell(0, ring_data);
        now += 20000;                           /* Others' turns. */
        turns_take(LANE_QUICK);
        if (alarm_clock && alarm_clock->when <= now) {
            struct timer *timer = alarm_clock;

            alarm_clock = NULL;
            timer->handler(timer->data);
        }
    }
    return longest;
}

/* A line that is slower than a guest talks is used as it can be, and dom0 does not stand still for
 * it. */
static void a_slow_line_is_waited_for_by_the_guest(void **state)
{
    line_is_slow = true;
    guest_consoles_show(true);
    talk();
    assert_true(waited < 2 * NS_PER_S);
    assert_true(written > 9 * 11520);
    guest_consoles_show(false);
    line_is_slow = false;
}

/* A long text of the operator's, or many guests', may have the line for longer than a guest waits
 * before it throws away what nobody takes: a second. */
static void nobody_is_left_alone(void **state)
{
    line_is_slow = hypervisor_says = others_write = true;
    guest_consoles_show(true);
    assert_true(talk() < NS_PER_S / 2);
    assert_int_equal(waited, 0);
    assert_true(written < 10 * 3 * 300);
    guest_consoles_show(false);
    line_is_slow = hypervisor_says = others_write = false;
}

/* Where that is known before, by nobody at all. */
static void a_line_that_says_how_far_it_is_behind(void **state)
{
    line_is_slow = hypervisor_says = true;
    guest_consoles_show(true);
    talk();
    assert_int_equal(waited, 0);
    assert_true(written > 8 * 11520);
    guest_consoles_show(false);
    line_is_slow = hypervisor_says = false;
}

/* A guest whose words nobody sees here does not wait for the line either. */
static void but_not_by_one_that_is_not_shown(void **state)
{
    line_is_slow = true;
    guest_consoles_show(true);
    talk();
    for (XENCONS_RING_IDX before = ring->out_cons - 1; before != ring->out_cons;) {
        before = ring->out_cons;
        ring->out_prod = before + sizeof(ring->out);
        ring_bell(0, ring_data);
        turns_take(LANE_QUICK);                                 /* until the line rests */
    }
    ring->out_prod = ring->out_cons + 10;
    guest_consoles_show(false);
    ring_bell(0, ring_data);
    turns_take(LANE_QUICK);
    assert_int_equal(ring->out_cons, ring->out_prod);
    line_is_slow = false;
}

static void talk_to_the_operator(void)
{
    talk();
    typed = "\035";
    typed_size = 1;
}

static void and_by_one_whose_operator_is_there(void **state)
{
    line_is_slow = true;
    attach("", 0, talk_to_the_operator);
    assert_true(waited < 2 * NS_PER_S);
    assert_true(written > 9 * 11520);
    line_is_slow = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_guest_without_room_holds_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(the_key_to_leave_is_not_the_guests, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_is_gone_is_not_looked_at, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_line_is_waited_for_by_the_guest, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_that_says_how_far_it_is_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(but_not_by_one_that_is_not_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(and_by_one_whose_operator_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_reads_slowly_has_all, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
