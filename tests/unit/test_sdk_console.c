/* SPDX-License-Identifier: MIT */
/*
 * The SDK's console on the host: bytes through the ring, whole and in order, however full it is and
 * whatever the daemon says of it; a reader that does not come is waited for once; lines as they are
 * typed. And dom0's, by hypercall.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <xen/io/console.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/thread.h>
#include "masked_host.h"
#include <pvguest/cpu.h>

#define PORT     7u
#define PATIENCE 102u /* polls of 10 ms, until more than a second is over */

/* --- the rest of the guest, its hypervisor and the console's daemon ------------------------------
 */

static struct start_info info;
struct start_info *start_info = &info;
static struct xencons_interface *ring; /* where the guest has mapped it */
static bool refuse_map;
static uint64_t now;
static unsigned int sent, polls, wakes, sleeps, cleared;
static size_t daemon_takes; /* at each poll, or each so-manieth */
static unsigned int daemon_rests;
static event_handler handler;
static int attached, bound;
static char screen[10000], keys[100];
static size_t shown, keys_left, at_once;
static jmp_buf end;
static bool elsewhere_polls;        /* on a port that is not its to clear */

uint64_t now_ns(void)
{
    return now;
}
int event_send(evtchn_t port)
{
    assert_int_equal(port, PORT);
    sent++;
    return 0;
}
void event_clear(evtchn_t port)
{
    assert_int_equal(port, PORT);
    cleared++;
}
void wake_all(struct wait_queue *queue)
{
    wakes++;
}
void crash(void)
{
    longjmp(end, 1);
}

void event_attach(evtchn_t port, event_handler h, void *data)
{
    attached = (int)port;
    handler = h;
}

int event_bind_virq(unsigned int virq, event_handler h, void *data)
{
    bound = (int)virq;
    handler = h;
    return 3;
}

/* The console's daemon takes some bytes. */
static void take(size_t n)
{
    while (n-- && ring->out_cons != ring->out_prod)
        screen[shown++] = ring->out[MASK_XENCONS_IDX(ring->out_cons++, ring->out)];
}

static void type(const char *bytes, size_t n)
{
    while (n--)
        ring->in[MASK_XENCONS_IDX(ring->in_prod++, ring->in)] = *bytes++;
}

int vcpu_poll(const uint32_t *ports, unsigned int count, uint64_t until)
{
    assert_true(*ports == PORT && count == 1 && !cleared == elsewhere_polls);
    assert_int_equal(until, now + 10 * NS_PER_MS);
    polls++;
    cleared = 0;
    now = until;
    if (!daemon_rests || polls % daemon_rests == 0)
        take(daemon_takes);
    return 0;
}

/* Nobody else can run: a key is pressed, or the time is over. */
bool wait_on(struct wait_queue *queue, uint64_t timeout)
{
    assert_true(masked);
    sleeps++;
    if (keys_left) {
        type(keys, keys_left);
        keys_left = 0;
    }
    now += timeout ? timeout : 1;
    return true;
}

void vprintf_through(void (*write)(const char *bytes, size_t length), const char *format,
                     va_list arguments)
{
    char text[200];

    write(text, (size_t)vsnprintf(text, sizeof(text), format, arguments));
}

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    if (nr == __HYPERVISOR_update_va_mapping) {
        assert_int_equal(a % 4096, 0);
        assert_int_equal(b, 0x1234ul << 12 | PROT_RW);
        assert_int_equal(c, UVMF_INVLPG);
        ring = (struct xencons_interface *)a;
        return refuse_map ? -EINVAL : 0;
    }
    assert_int_equal(nr, __HYPERVISOR_console_io);
    if (a == CONSOLEIO_write) {
        memcpy(screen + shown, (char *)c, b);
        shown += b;
        return 0;
    }
    assert_int_equal(a, CONSOLEIO_read);
    if (!keys_left) return at_once ? -EAGAIN : 0;
    *(char *)c = keys[0];
    keys_left--;
    return 1;
}

static int begin(bool first)
{
    info.flags = first ? SIF_INITDOMAIN : 0;
    info.console.domU.mfn = 0x1234;
    info.console.domU.evtchn = PORT;
    now = 5 * NS_PER_S;
    sent = polls = wakes = sleeps = cleared = 0;
    daemon_rests = 0;
    daemon_takes = shown = keys_left = at_once = 0;
    masked = false;
    attached = bound = -1;
    console_init();
    if (!first && !refuse_map) {
        memset(ring, 0, sizeof(*ring));
        ring->out_prod = ring->out_cons = 0xffffff00;
        ring->in_prod = ring->in_cons = 0xffffff00;
        console_init_events();
        handler(PORT, NULL); /* somebody is there */
        wakes = 0;
    }
    return 0;
}

/* --- dom0's, before all others: there is no way back --------------------------------------------
 */

static void by_hypercall(void **state)
{
    char c[4];

    begin(true);
    assert_null(ring);
    refuse_map = true; /* nor has one whose ring cannot be mapped */
    begin(false);
    refuse_map = false;
    console_write("abc", 3);
    printk("%d%s", 12, "x");
    assert_memory_equal(screen, "abc12x", 6);
    assert_int_equal(shown, 6);
    assert_int_equal(console_read(c, 4), 0);
    at_once = 1;
    assert_int_equal(console_read(c, 4), 0); /* an error is no number of bytes */
    keys[0] = 'k';
    keys_left = 1;
    assert_int_equal(console_read(c, 4), 1);
    assert_int_equal(c[0], 'k');
    console_init_events();
    assert_true(bound == VIRQ_CONSOLE && attached == -1);
    assert_int_equal(sent, 0);
    handler(3, NULL);
    assert_int_equal(wakes, 1);
}

/* --- a domain's ring ----------------------------------------------------------------------------
 */

static void bytes_out(void **state)
{
    static char text[5000];

    begin(false);
    assert_true(attached == (int)PORT && bound == -1);
    for (unsigned int i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7 >> 2);
    console_write(text, 100);
    assert_int_equal(sent, 1);
    assert_false(masked);
    take(1000);
    console_write(text + 100, 2048); /* all that there is room for, over the end of the numbers */
    assert_int_equal(sent, 2);
    assert_int_equal(polls, 0);
    assert_int_equal(ring->out_prod - ring->out_cons, 2048);
    daemon_takes = 600;
    console_write(text + 2148, sizeof(text) - 2148);
    assert_true(polls >= 4 && polls < 10);
    assert_int_equal(wakes, polls); /* what we took of the port may have been input */
    take(5000);
    assert_int_equal(shown, sizeof(text));
    assert_memory_equal(screen, text, sizeof(text));
    console_write(text, 0);
    assert_int_equal(ring->out_prod, ring->out_cons);
}

/* For a second, and then no more until there is one. */
static void a_reader_that_does_not_come(void **state)
{
    static char text[2048];

    begin(false);
    console_write(text, 2048);
    console_write("lost", 4);
    assert_int_equal(polls, PATIENCE);
    console_write("lost", 4);
    assert_int_equal(polls, PATIENCE);
    take(3);
    console_write("abcdef", 6); /* as much as there is room for: and somebody is there, it seems */
    assert_int_equal(polls, 2 * PATIENCE);
    take(10000);
    assert_memory_equal(screen + 2048, "abc", 3);
    assert_int_equal(shown, 2051);
    console_write(text, 2048);
    handler(PORT, NULL);
    daemon_takes = 1;
    console_write("abc", 3); /* slow, but it moves: no limit */
    assert_int_equal(polls, 2 * PATIENCE + 3);
    daemon_rests = 60;
    polls = 0;
    console_write("abc", 3); /* very slow */
    assert_int_equal(polls, 180);
    polls = 2 * PATIENCE + 3;
    daemon_rests = 0;
    daemon_takes = 0;
    console_write("d", 1);
    assert_int_equal(polls, 3 * PATIENCE + 3);
    handler(PORT, NULL); /* it is there again */
    daemon_takes = 1;
    console_write("e", 1);
    take(10000);
    assert_memory_equal(screen + shown - 4, "abce", 4);
}

/* A kernel without our threads hears whenever they are woken: of an event, and of those that output
 * has taken while it waited for room. */
static unsigned int told;

static void input_may_have_come(void)
{
    told++;
}

static void somebody_else_reads(void **state)
{
    static char text[2050];
    unsigned int before;

    begin(false);
    console_init_events();
    console_on_input(input_may_have_come);
    handler(PORT, NULL);
    assert_int_equal(told, 1);
    before = wakes;
    daemon_takes = 1;
    console_write(text, 2050);
    assert_true(wakes > before);
    assert_int_equal(told - 1, wakes - before);
    console_on_input(NULL);
    handler(PORT, NULL);
    assert_int_equal(told - 1, wakes - before - 1);
}

/* A daemon that lies about what it took: we stay in the ring, and do not hang. */
static void a_daemon_that_lies(void **state)
{
    begin(false);
    ring->out_cons = ring->out_prod + 5; /* more than there was */
    console_write("abc", 3);
    assert_int_equal(polls, PATIENCE);
    handler(PORT, NULL);
    ring->out_cons = ring->out_prod - 2049;
    console_write("abc", 3);
    assert_int_equal(polls, 2 * PATIENCE);
}

static void bytes_in(void **state)
{
    char text[2000], expected[2000];

    begin(false);
    assert_int_equal(console_read(text, 10), 0);
    assert_int_equal(sent, 0); /* nothing was taken: nobody need know */
    for (unsigned int i = 0; i < 1024; i++)
        expected[i] = (char)(i * 3 + 1);
    type(expected, 1024);
    assert_int_equal(console_read(text, 10), 10);
    assert_int_equal(sent, 1);
    assert_int_equal(ring->in_prod - ring->in_cons, 1014);
    assert_int_equal(console_read(text + 10, 1990), 1014);
    assert_int_equal(sent, 2);
    assert_memory_equal(text, expected, 1024);
    assert_int_equal(console_read(text, 10), 0);
    assert_int_equal(ring->in_prod, ring->in_cons);
}

static void who_waits_for_input(void **state)
{
    char text[10];

    begin(false);
    assert_int_equal(console_read_wait(text, 10, NS_PER_S), 0);
    assert_int_equal(now, 6 * NS_PER_S);
    assert_true(sleeps && !masked);
    memcpy(keys, "xyz", keys_left = 3);
    assert_int_equal(console_read_wait(text, 10, NS_PER_S), 3);
    assert_memory_equal(text, "xyz", 3);
    memcpy(keys, "\xff", keys_left = 1);
    assert_int_equal(console_getchar(), 0xff); /* no negative number */
    type("a", 1);
    sleeps = 0;
    assert_int_equal(console_read_wait(text, 10, NS_PER_S), 1);
    assert_int_equal(sleeps, 0); /* it is there already */
}

/* As typed; the line, and what the screen shows of it. */
static void lines(void **state)
{
    static const struct {
        const char *typed, *line, *shown;
        size_t room;
    } rows[] = {
        { "ab c\r", "ab c", "ab c\n", 20 },
        { "~ \n", "~ ", "~ \n", 20 },
        { "\r", "", "\n", 20 },
        { "abx\b\x7f"
          "c\r",
          "ac", "abx\b \b\b \bc\n", 20 },
        { "\b\x7f"
          "a\r",
          "a", "a\n", 20 }, /* there is nothing to be taken back */
        { "a\x1b\t\x1f\x80\xff"
          "b\r",
          "ab", "ab\n", 20 },
        { "abcdef\r", "abc", "abc\n", 4 }, /* what there is room for, with its end */
        { "abcd\be\r", "abe", "abc\b \be\n", 4 },
        { "ab\r", "", "\n", 1 },
    };

    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[21];

        memset(line, '?', sizeof(line));
        begin(false);
        type(rows[i].typed, strlen(rows[i].typed));
        type("next", 4);
        assert_int_equal(console_read_line(line, rows[i].room), strlen(rows[i].line));
        assert_string_equal(line, rows[i].line);
        assert_int_equal(line[rows[i].room], '?');
        take(10000);
        assert_int_equal(shown, strlen(rows[i].shown));
        assert_memory_equal(screen, rows[i].shown, shown);
        assert_int_equal(ring->in_prod - ring->in_cons, 4);
    }
}

static char elsewhere[100];

static void to_another_place(const char *bytes, size_t n)
{
    strncat(elsewhere, bytes, n);
}

static void output_can_go_elsewhere(void **state)
{
    begin(false);
    console_output = to_another_place;
    printk("%s!", "here");
    if (!setjmp(end))
        panic("no %s", "way");
    assert_string_equal(elsewhere, "here!no way");
    console_output = NULL;
    take(10000);
    assert_int_equal(shown, 0);
    if (!setjmp(end)) {
        panic("no %s", "way");
        assert_true(false);
    }
    take(10000);
    assert_memory_equal(screen, "no way", shown);
}

/* One vCPU prints at a time: with its events masked, but for a trap in the middle of it. */
_Thread_local struct cpu *host_cpu;
static unsigned int written;

static void trapped(const char *bytes, size_t length)
{
    assert_true(masked);
    if (written++ == 0) {
        printk("in the middle");
        console_write("!", 1);
    }
    assert_true(masked);
}

static void several_print(void **state)
{
    masked = false;
    several_cpus = true;
    host_cpu = &first_cpu;
    console_output = trapped;
    printk("a line");
    assert_int_equal(written, 3);
    assert_false(masked);
    console_write("more", 4);
    assert_int_equal(written, 4);
    assert_false(masked);
    console_output = NULL;
    several_cpus = false;
}

/* Another vCPU that waits for room leaves the port, and who waits for input, to vCPU 0. */
static void room_for_another(void **state)
{
    static struct cpu second = { .self = &second, .id = 1 };
    unsigned int woken = wakes;

    several_cpus = true;
    host_cpu = &second;
    elsewhere_polls = true;
    daemon_takes = 64;
    daemon_rests = 0;
    take(10000);
    shown = 0;
    for (unsigned int i = 0; i < 40; i++)
        printk("%0*d", 100, (int)i);
    elsewhere_polls = false;
    take(10000);
    assert_int_equal(shown, 4000);
    assert_int_equal(wakes, woken);
    several_cpus = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hypercall),
        cmocka_unit_test(bytes_out),
        cmocka_unit_test(a_reader_that_does_not_come),
        cmocka_unit_test(somebody_else_reads),
        cmocka_unit_test(a_daemon_that_lies),
        cmocka_unit_test(bytes_in),
        cmocka_unit_test(who_waits_for_input),
        cmocka_unit_test(lines),
        cmocka_unit_test(output_can_go_elsewhere),
        cmocka_unit_test(several_print),
        cmocka_unit_test(room_for_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
