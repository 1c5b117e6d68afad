/* SPDX-License-Identifier: MIT */
/*
 * The SDK's start of day: one thing after the other, the program on a thread of its own, and its
 * end. What is missing is said, but that dom0 has no XenStore is no news.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/thread.h>
#include <pvguest/traps.h>
#include <pvguest/xenstore.h>

static char did[400], said[400];
static int grants_error, store_error;
static bool no_thread;
static void (*thread)(void *argument);
static jmp_buf end;

static void note(const char *what)
{
    strcat(did, what);
    strcat(did, " ");
}

void start_init(struct start_info *si)
{
    note(si ? "start_info" : "nothing");
}
void console_init(void)
{
    note("console");
}
void traps_init(void)
{
    note("traps");
}
void mm_init(void)
{
    note("memory");
}
void events_init(void)
{
    note("events");
}
void time_init(void)
{
    note("time");
}
void threads_init(void)
{
    note("threads");
}
void console_init_events(void)
{
    note("input");
}
int grants_init(void)
{
    note("grants");
    return grants_error;
}
void events_unmask_all(void)
{
    note("unmask");
}
int xs_init(void)
{
    note("store");
    return store_error;
}
void guest_main(void)
{
    note("main");
}
void poweroff(void)
{
    note("off");
    longjmp(end, 1);
}
void thread_exit(void)
{
    note("exit");
    longjmp(end, 1);
}
const char *errno_name(long error)
{
    return error == -EIO ? "EIO" : "another";
}

struct thread *thread_create(const char *name, void (*entry)(void *argument), void *argument)
{
    static struct thread one;

    note("thread");
    thread = entry;
    return no_thread ? NULL : &one;
}

void printk(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(said + strlen(said), sizeof(said) - strlen(said), format, arguments);
    va_end(arguments);
}

void panic(const char *format, ...)
{
    note("panic");
    longjmp(end, 1);
}

/* The boot stack's way, and then the main thread's. */
static void starts(const char *order, const char *rest, const char *words)
{
    static struct start_info info;

    did[0] = said[0] = 0;
    if (!setjmp(end))
        guest_start(&info);
    assert_string_equal(did, order);
    did[0] = 0;
    if (rest && !setjmp(end))
        thread(NULL);
    assert_string_equal(did, rest ? rest : "");
    assert_string_equal(said, words);
}

#define ORDER "start_info console traps memory events time threads input grants unmask thread "

static void a_start(void **state)
{
    starts(ORDER "exit ", "store main off ", "");
    store_error = -ENODEV;
    starts(ORDER "exit ", "store main off ", "");
    store_error = -EIO;
    starts(ORDER "exit ", "store main off ", "pvguest: no XenStore: EIO\n");
    store_error = 0;
    grants_error = -ENOMEM;
    starts(ORDER "exit ", "store main off ", "pvguest: no grant table\n");
    grants_error = 0;
    no_thread = true;
    starts(ORDER "panic ", NULL, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_start) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
