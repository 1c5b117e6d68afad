/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the front ends share: an SDK that is faked call by call and counts what it
 * gave, and a back end that is the test: it sees the rings as the real one would, and may put into
 * them what it likes.
 */
#ifndef TESTS_UNIT_FRONTENDS_HOST_H
#define TESTS_UNIT_FRONTENDS_HOST_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/suspend.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <pvguest/xenbus.h>
#include "masked_host.h"

static unsigned int said;
static char last_said[200];

void printk(const char *format, ...)
{
    va_list arguments;

    said++;
    va_start(arguments, format);
    vsnprintf(last_said, sizeof last_said, format, arguments);
    va_end(arguments);
}

const char *errno_name(long error)
{
    return "an error";
}

/* The C library here has none. */
size_t strlcpy(char *to, const char *from, size_t size)
{
    return (size_t)snprintf(to, size, "%s", from);
}

/* Who wants to know when the guest is saved. */
static struct suspend_hook *hooked;

void suspend_hook(struct suspend_hook *hook)
{
    assert_null(hooked);
    hooked = hook;
}

void suspend_unhook(struct suspend_hook *hook)
{
    assert_true(!hooked || hooked == hook);
    hooked = NULL;
}

/* --- one event channel ------------------------------------------------------------------------ */

static event_handler handler;
static void *handler_data;
static unsigned int sent;
static bool refuse_port;

int event_alloc_unbound(domid_t remote, event_handler function, void *data)
{
    assert_int_equal(remote, 3);
    assert_null(handler);
    if (refuse_port) return -28;
    handler = function;
    handler_data = data;
    return 9;
}

void event_unbind(evtchn_t number)
{
    assert_int_equal(number, 9);
    assert_non_null(handler);
    handler = NULL;
}

int event_send(evtchn_t number)
{
    assert_int_equal(number, 9);
    sent++;
    return 0;
}

static void ring_bell(void)
{
    masked = true;
    if (handler)
        handler(9, handler_data);
    masked = false;
}

/* --- grants ----------------------------------------------------------------------------------- */

#define GRANTS 400u

static struct { bool used, readonly, busy; unsigned long mfn; } grant[GRANTS];
static unsigned int granted, grants_left = GRANTS;
static unsigned int refused_grant;              /* the how-manieth next one fails, alone */

int grant_access(domid_t domid, unsigned long mfn, bool readonly)
{
    unsigned int ref = 8;

    assert_int_equal(domid, 3);
    if (grants_left == 0 || (refused_grant && --refused_grant == 0)) return -28;
    grants_left--;
    while (grant[ref].used)
        ref++;
    grant[ref].used = true;
    grant[ref].readonly = readonly;
    grant[ref].mfn = mfn;
    granted++;
    return (int)ref;
}

int grant_end_access(grant_ref_t ref)
{
    assert_true(ref < GRANTS && grant[ref].used);
    if (grant[ref].busy) return -16;
    grant[ref].used = false;
    granted--;
    return 0;
}

static inline uint8_t *granted_page(grant_ref_t ref)
{
    assert_true(ref < GRANTS && grant[ref].used);
    return (uint8_t *)(grant[ref].mfn << 12);
}

/* --- the store -------------------------------------------------------------------------------- */

static struct { char path[80], value[64]; } node[40];
static unsigned int nodes;
static char states[32];                 /* what the front end went through */
static const char *refused_node;        /* cannot be written */
static struct xs_watch *watch;          /* there is one at most, */
static bool fired, refuse_watch;        /* and it has fired */
static unsigned int writes_until_refusal;       /* 0: none is refused */

static char *value_of(const char *path)
{
    for (unsigned int i = 0; i < nodes; i++)
        if (strcmp(node[i].path, path) == 0)
            return node[i].value;
    return NULL;
}

static void set_node(const char *path, const char *value)
{
    char *old = value_of(path);

    if (!old) {
        snprintf(node[nodes].path, sizeof node->path, "%s", path);
        old = node[nodes++].value;
    }
    snprintf(old, sizeof node->value, "%s", value);
    if (watch && strcmp(path, watch->path) == 0)
        fired = true;
}

static inline void remove_node(const char *path)
{
    strcpy(value_of(path) - sizeof node->path, "gone");
    fired = watch && strcmp(path, watch->path) == 0;
}

static void (*while_reading)(void);     /* happens then, once */

char *xs_read_node(xs_transaction t, const char *directory, const char *name)
{
    char path[128];
    void (*happens)(void) = while_reading;

    assert_false(masked);
    while_reading = NULL;
    if (happens)
        happens();
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return value_of(path) ? strdup(value_of(path)) : ERR_PTR(-2);
}

int xs_read_ulong(xs_transaction t, const char *directory, const char *name, unsigned long *value)
{
    char *text = xs_read_node(t, directory, name);

    if (IS_ERR(text)) return (int)PTR_ERR(text);
    *value = strtoul(text, NULL, 10);
    free(text);
    return 0;
}

int xs_printf(xs_transaction t, const char *directory, const char *name, const char *format, ...)
{
    char path[128], value[64];
    va_list arguments;

    assert_false(masked);
    if (writes_until_refusal && --writes_until_refusal == 0) return -28;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    if (refused_node && strcmp(name, refused_node) == 0) return -28;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    set_node(path, value);
    if (strcmp(name, "state") == 0)
        strcat(states, value);
    return 0;
}

int xs_watch(struct xs_watch *new, const char *path)
{
    assert_null(watch);
    assert_false(masked);
    if (refuse_watch) return -12;
    watch = new;
    watch->path = strdup(path);
    fired = true;                       /* as they all do, at once */
    return 0;
}

int xs_unwatch(struct xs_watch *old)
{
    assert_ptr_equal(old, watch);
    assert_false(masked);
    free(old->path);
    old->path = NULL;
    watch = NULL;
    return 0;
}

/* --- time: whenever the front end sleeps, the back end has its turn, then the watch ----------- */

static uint64_t clock_ns;
static unsigned int sleeps;             /* for a while: not for a state, it has a watch for that */
static void (*back_end)(void);

uint64_t now_ns(void)
{
    return clock_ns;
}

/* True: something has happened. */
static bool others_run(void)
{
    bool was = masked, happened;

    masked = false;
    if (back_end)
        back_end();
    happened = fired;
    fired = false;
    if (happened)
        watch->callback(watch, watch->path);
    masked = was;
    return happened;
}

void thread_sleep(uint64_t ns)
{
    assert_false(masked);
    assert_true(ns && sleeps++ < 100000);
    clock_ns += ns;
    others_run();
}

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

void wake_all(struct wait_queue *queue)
{
}

bool wait_on(struct wait_queue *queue, uint64_t timeout_ns)
{
    bool happened = others_run();

    assert_true(timeout_ns);            /* for ever: for a back end? */
    clock_ns += happened ? NS_PER_MS : timeout_ns;
    return happened;
}

/* A back end that does its duty: it answers each state of the front end with its own. */
static const char *back_path, *front_path;
static char stuck_before;               /* ... but does not come to this one */

static void dutiful(void)
{
    char path[80];
    const char *front;
    char next;

    snprintf(path, sizeof path, "%s/state", front_path);
    front = value_of(path);
    next = !front                               ? 0
           : front[0] == '1'                    ? '2'
           : front[0] == '3' || front[0] == '4' ? '4'
           : front[0] == '5'                    ? '5'
                                                : '6';
    if (!next || next == stuck_before) return;
    snprintf(path, sizeof path, "%s/state", back_path);
    if (!value_of(path) || value_of(path)[0] != next)
        set_node(path, (char[]){ next, 0 });
}

static inline void back_end_is(char state)
{
    char path[80];

    back_end = NULL;
    snprintf(path, sizeof path, "%s/state", back_path);
    if (state)
        set_node(path, (char[]){ state, 0 });
    else
        remove_node(path);
    others_run();
}

/* Once the front end has published all. */
static char instead;                    /* of connecting, the back end is this; 0: gone */

static inline void refuses(void)
{
    char path[80];

    dutiful();
    snprintf(path, sizeof path, "%s/state", back_path);
    if (!value_of(path) || value_of(path)[0] != '4') return;
    back_end = NULL;
    if (instead)
        set_node(path, (char[]){ instead, 0 });
    else
        remove_node(path);
}

static void forget_all(const char *front, const char *back)
{
    front_path = front;
    back_path = back;
    back_end = dutiful;
    nodes = said = sent = sleeps = 0;
    states[0] = stuck_before = 0;
    refused_node = NULL;
    while_reading = NULL;
    refuse_port = refuse_watch = fired = masked = false;
    writes_until_refusal = 0;
    assert_null(watch);
    clock_ns = 5;
    grants_left = GRANTS;
    refused_grant = 0;
    assert_int_equal(granted, 0);
    assert_null(handler);
}

#endif
