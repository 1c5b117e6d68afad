/* SPDX-License-Identifier: MIT */
/*
 * The machine's console on a simulated 16550: one that takes its time, one as fast as an emulated
 * one, one that is stuck. Nothing is lost or doubled, nobody waits but who must, and typed bytes
 * wait in the UART while there is no room for them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include "machine/console.h"
#include "machine/cpu.h"
#include "machine/serial.h"
#include "ports_host.h"

/* --- the UART: sixteen bytes wait; one of them is sent at each tick --------------------------- */

static char line[1 << 20];                      /* what came out at the other end */
static size_t sent;
static char fifo[16];
static unsigned int waiting, enabled, to_receive;
static uint32_t fifo_control, modem_control;
static bool empty_is_news, absent, edge, level, fast;
static char next_typed = 'a';
static unsigned int ticks_per_look;             /* time passes while somebody polls */

static void wire(void)
{
    bool now = (enabled & 1 && to_receive) || (enabled & 2 && empty_is_news);

    edge |= now && !level;
    level = now;
}

static void tick(void)
{
    if (!waiting) return;
    line[sent++] = fifo[0];
    memmove(fifo, fifo + 1, --waiting);
    empty_is_news |= !waiting;
    wire();
}

static uint32_t read_port(uint16_t port, unsigned int bytes)
{
    assert_int_equal(bytes, 1);
    if (port == 0x3fd) {
        for (unsigned int i = 0; i < ticks_per_look; i++)
            tick();
        return absent ? 0xff : ((to_receive ? 0x01u : 0) | (waiting ? 0 : 0x20u));
    }
    assert_int_equal(port, 0x3f8);
    assert_true(to_receive);
    to_receive--;
    wire();
    return (uint8_t)next_typed++;
}

static void write_port(uint16_t port, unsigned int bytes, uint32_t value)
{
    static bool divisor;

    assert_int_equal(bytes, 1);
    if (port == 0x3fa) {
        if ((value ^ fifo_control) & 1)         /* on or off: what it holds is lost */
            to_receive = 0;
        fifo_control = value;
    }
    if (port == 0x3fc)
        modem_control = value;
    if (port == 0x3fb)
        divisor = value & 0x80;
    if (port == 0x3f9 && !divisor) {
        empty_is_news = !waiting && (value & 2) && (!(enabled & 2) || empty_is_news);
        enabled = value;
    }
    if (port == 0x3f8 && !divisor) {
        assert_true(waiting < sizeof(fifo));    /* else a byte is lost */
        fifo[waiting++] = (char)value;
        empty_is_news = false;
        while (fast && waiting)
            tick();
    }
    wire();
}

/* --- the machine ------------------------------------------------------------------------------ */

#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/vectors.h"
#include "lib/printk.h"
#include "domain/console.h"
#include "domain/timers.h"

struct acpi_facts acpi;
static void (*handler)(void *);
static unsigned int virqs;
static uint64_t clock_ns = 5000000000;

int vector_alloc(void (*fn)(void *), void *data)
{
    handler = fn;
    return 0x40;
}
static int route_refused;
int ioapic_route(uint32_t gsi, int vector, bool is_level, bool low)
{
    return route_refused;
}
void ioapic_mask(uint32_t gsi, bool mask)
{
}
void send_global_virq(unsigned int virq)
{
    virqs++;
}
uint64_t now_ns(void)
{
    return clock_ns;
}

static void (*timer_fires)(void *);
static uint64_t timer_at;
void timer_init(struct timer *t, struct domain *owner, void (*fire)(void *), void *arg)
{
    timer_fires = fire;
}
void timer_set(struct timer *t, uint64_t deadline)
{
    timer_at = deadline;
}
void printk_at(int level_, const char *format, ...)
{
}

/* Time passes: bytes go out, interrupts come. */
static void run(unsigned int ticks)
{
    for (unsigned int i = 0; i <= ticks; i++) {
        while (edge) {
            edge = false;
            handler(NULL);
        }
        tick();
        clock_ns += 87000;
    }
}

static struct cpu cpu;                          /* it pays for what is said */
static char expected[1 << 20];
static size_t expected_size;

static void say(const char *text)
{
    log_write(text, strlen(text));
    for (; *text; text++) {
        if (*text == '\n' && (!expected_size || expected[expected_size - 1] != '\r'))
            expected[expected_size++] = '\r';
        expected[expected_size++] = *text;
    }
}

static void say_lines(unsigned int count)
{
    static unsigned int number;
    char text[80];

    for (; count--; number++) {
        snprintf(text, sizeof(text), "line %u of many, so that it can be seen if one is missing%s",
                 number, number % 3 ? "\n" : "\r\n");
        say(text);
    }
}

static void assert_all_sent(void)
{
    assert_int_equal(sent, expected_size);
    assert_memory_equal(line, expected, sent);
    sent = expected_size = 0;
}

/* --- tests, in this order --------------------------------------------------------------------- */

static void without_interrupts_the_sender_waits(void **state)
{
    char typed;

    take_port_faults();
    ticks_per_look = 1;
    to_receive = 1;                             /* typed before there was anybody to take it */
    serial_init(115200);
    assert_int_equal(fifo_control, 0x05);       /* does not drop what has been typed */
    assert_int_equal(modem_control, 0x0b);      /* DTR and RTS; OUT2 lets interrupts through */
    assert_int_equal(serial_read(&typed, 1), 1);
    assert_int_equal(typed, 'a');
    next_typed = 'a';
    say_lines(20);
    while (waiting)
        tick();
    assert_all_sent();
    assert_int_equal(enabled, 0);
}

static void without_interrupts_somebody_looks(void **state)
{
    take_port_faults();
    while (waiting)
        tick();
    route_refused = -22;
    console_listen();
    route_refused = 0;
    assert_int_equal(timer_at, clock_ns + 20000000);
    assert_int_equal(virqs, 0);
    to_receive = 1;
    wire();
    clock_ns = timer_at;
    timer_fires(NULL);
    assert_int_equal(virqs, 1);
    assert_int_equal(timer_at, clock_ns + 20000000);
    assert_int_equal(console_read(line, 5), 1);
    clock_ns = timer_at;
    timer_fires(NULL);
    assert_int_equal(virqs, 1);
    assert_int_equal(enabled, 0);
    edge = false;
}

static void with_interrupts_nobody_waits(void **state)
{
    take_port_faults();
    ticks_per_look = 0;
    console_listen();
    run(5);
    port_accesses = 0;
    say("short\n");
    assert_true(port_accesses < 12);
    assert_int_equal(enabled, 1);               /* nothing is left: no interrupt is asked for */
    run(20);
    assert_all_sent();
    port_accesses = 0;
    say_lines(100);
    assert_true(port_accesses < 16 + 2 + 2 * 100);
    assert_true(sent == 0 && (enabled & 2));
    run(100 * 64);
    assert_all_sent();
    assert_int_equal(enabled, 1);
}

/* Sixteen FIFOs at a time, and then the interrupt: nobody sends a long text in one go. */
static void a_fast_line_is_not_fed_for_ever(void **state)
{
    take_port_faults();
    while (waiting)
        tick();
    for (unsigned int i = 0; i < 40; i++) {     /* while it is slow, for something to be left */
        say("a text of which some more waits for the line than goes out in one go\n");
    }
    fast = true;
    port_accesses = 0;
    tick();
    while (waiting)
        tick();
    assert_true(edge);
    edge = false;
    handler(NULL);
    assert_in_range(port_accesses, 100, 16 * 16 + 16 + 8);
    assert_true(edge);                          /* at once */
    run(40 * 80 / 256);
    assert_all_sent();
    fast = false;
}

/* Whoever says it, and whoever finds the line ready for what others have said. */
static void bytes_are_paid_for(void **state)
{
    char text[101];
    int32_t before = cpu.budget;

    take_port_faults();
    memset(text, '.', 100);
    text[100] = '\0';
    say(text);
    assert_in_range(before - cpu.budget, 100 * 68 + 1, 100 * 82 - 1);
    run(200);
    assert_int_equal(before - cpu.budget, 100 * 82);
    assert_all_sent();
    before = cpu.budget;
    console_write(text, 10);                    /* as it is */
    run(20);
    assert_int_equal(before - cpu.budget, 10 * 30);
    sent = 0;
}

static void what_is_typed_waits_for_room(void **state)
{
    char typed[400];
    size_t had = 0, n;

    take_port_faults();
    virqs = 0;
    next_typed = 0;
    say_lines(30);
    for (unsigned int i = 0; i < 300; i++) {    /* while it sends, too */
        to_receive++;
        wire();
        run(1);
    }
    assert_true(virqs > 0);
    assert_int_equal(to_receive, 300 - 256);
    run(100 * 80);
    assert_all_sent();
    assert_int_equal(enabled, 0);           /* no storm of interrupts for what cannot be taken */
    while ((n = console_read(typed + had, 100)) != 0) {
        had += n;
        run(1);
    }
    assert_int_equal(had, 300);
    for (unsigned int i = 0; i < 300; i++)
        assert_int_equal((uint8_t)typed[i], (uint8_t)i);
    assert_int_equal(enabled, 1);
    virqs = 0;
    to_receive = 1;
    wire();
    run(1);
    assert_int_equal(virqs, 1);
    assert_int_equal(console_read(typed, 1), 1);
}

static void dom0_waits_at_half_of_the_log(void **state)
{
    take_port_faults();
    assert_true(console_has_room());
    while (console_has_room())
        say("................................................................");
    assert_in_range(expected_size, 16384, 16384 + 128);
    run(100);
    assert_true(console_has_room());
    run(17000);
    assert_all_sent();
}

/* More than the log holds: the rest of it is waited for, and nothing is lost. */
static void who_outruns_the_log_waits(void **state)
{
    take_port_faults();
    ticks_per_look = 1;
    say_lines(1000);
    run(34000);
    assert_all_sent();
    ticks_per_look = 0;
}

static void a_stuck_line_stops_nobody(void **state)
{
    take_port_faults();
    say("heard\n");
    run(20);
    assert_all_sent();
    clock_ns += 10000000000;                    /* a long silence is no reason to give up at once */
    say_lines(10);
    assert_true(enabled & 2);
    while (console_has_room())
        say("unheard\n");
    assert_true(waiting == 16 && !console_has_room());
    clock_ns += 900000000;
    assert_false(console_has_room());
    clock_ns += 200000000;
    assert_true(console_has_room());
    assert_false(enabled & 2);
    run(20);
    sent = expected_size = 0;
    say("it moves again\n");
    run(20);
    assert_all_sent();
}

static void the_log_has_it_all(void **state)
{
    char text[40] = "";
    uint32_t index = 0, start;

    assert_int_equal(log_read(text, 0, &index), 0);
    assert_true(index != 0);                    /* what was first has been overwritten */
    start = index;
    while (log_read(text, sizeof(text), &index))
        ;
    assert_int_equal(index - start, 32768);
    index -= 15;
    assert_int_equal(log_read(text, sizeof(text), &index), 15);
    assert_memory_equal(text, "it moves again\n", 15);
    take_port_faults();
    console_write("from dom0\n", 10);            /* is on the line only */
    run(20);
    sent = expected_size = 0;
    index -= 15;
    assert_int_equal(log_read(text, sizeof(text), &index), 15);
    log_clear();
    index -= 15;
    assert_int_equal(log_read(text, sizeof(text), &index), 0);
}

static void the_end_is_heard(void **state)
{
    take_port_faults();
    say_lines(50);
    ticks_per_look = 1;
    console_end();
    assert_int_equal(sent + waiting, expected_size);    /* the machine may be off now */
    say("the last words\n");
    while (waiting)
        tick();
    assert_all_sent();
}

static void no_uart(void **state)
{
    take_port_faults();
    absent = true;
    serial_init(9600);
    port_accesses = 0;
    console_write("nobody", 6);
    assert_int_equal(port_accesses, 0);
    assert_int_equal(console_read(line, 5), 0);
    assert_true(console_has_room());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_interrupts_the_sender_waits),
        cmocka_unit_test(without_interrupts_somebody_looks),
        cmocka_unit_test(with_interrupts_nobody_waits),
        cmocka_unit_test(a_fast_line_is_not_fed_for_ever),
        cmocka_unit_test(bytes_are_paid_for),
        cmocka_unit_test(what_is_typed_waits_for_room),
        cmocka_unit_test(dom0_waits_at_half_of_the_log),
        cmocka_unit_test(who_outruns_the_log_waits), cmocka_unit_test(a_stuck_line_stops_nobody),
        cmocka_unit_test(the_log_has_it_all), cmocka_unit_test(the_end_is_heard),
        cmocka_unit_test(no_uart),
    };

    cpu.self = &cpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
