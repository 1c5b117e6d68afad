/* SPDX-License-Identifier: MIT */
/*
 * Watches: the reader queues what fires on the watch it belongs to; a thread of its own runs
 * callbacks, so that these may make requests (whose answers the reader must stay free to receive).
 *
 * What waits is bounded, whoever writes however often: a path that waits already is not queued
 * again, and a watch that has MANY paths waiting, or for whose next one there is no memory, has
 * fired as a whole: an event of its own path comes behind those, and needs no memory until it is
 * taken. Watches have their callbacks in turn.
 */
#include <pvguest/console.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include "suspend.h"
#include "xs.h"

#define MANY 16U

struct watch_event { struct list link; char *path; };

static LIST(watches);
static WAIT_QUEUE(fired);
static WAIT_QUEUE(callback_done);
static struct xs_watch *running;        /* whose callback runs now */
static struct thread *watch_thread;

static bool waits_already(struct xs_watch *watch, const char *path)
{
    struct watch_event *event;

    list_for_each(event, &watch->events, link) {
        if (!strcmp(event->path, path)) return true;
    }
    return false;
}

static struct xs_watch *find_watch(const char *token)
{
    struct xs_watch *watch;

    list_for_each(watch, &watches, link) {
        if (!strcmp(watch->token, token)) return watch;
    }
    return NULL;
}

static bool queue_event(struct xs_watch *watch, const char *path)
{
    struct watch_event *event = watch->event_count < MANY ? malloc(sizeof(*event)) : NULL;

    if (!event) return false;
    event->path = strdup(path);
    if (!event->path) {
        free(event);
        return false;
    }
    list_append(&watch->events, &event->link);
    watch->event_count++;
    return true;
}

void xs_deliver_watch(const char *body, size_t length)
{
    const char *token = body + strlen(body) + 1;
    struct xs_watch *watch = token <= body + length ? find_watch(token) : NULL;

    if (!watch || watch->whole || waits_already(watch, body)) return;
    watch->whole = !queue_event(watch, body);
    wake_all(watch->callback ? &fired : &watch->wait);
}

static char *take_event(struct xs_watch *watch)
{
    struct watch_event *event = list_first(&watch->events, struct watch_event, link);
    char *path;

    if (!event) return NULL;
    list_remove(&event->link);
    watch->event_count--;
    path = event->path;
    free(event);
    return path;
}

static bool has_fired(const struct xs_watch *watch)
{
    return watch->whole || !list_empty(&watch->events);
}

static struct xs_watch *next_fired(void)
{
    struct xs_watch *watch;

    list_for_each(watch, &watches, link) {
        if (watch->callback && has_fired(watch)) {
            list_remove(&watch->link);      /* behind the others, for the next time */
            list_append(&watches, &watch->link);
            return watch;
        }
    }
    return NULL;
}

static void run_callbacks(void *unused)
{
    for (;;) {
        struct xs_watch *watch = NULL;
        char *path;

        wait_event(fired, (watch = next_fired()) != NULL);
        path = take_event(watch);
        if (!path)
            watch->whole = false;
        running = watch;
        watch->callback(watch, path ? path : watch->path);
        running = NULL;
        free(path);
        wake_all(&callback_done);
    }
}

int xs_start_watches(void)
{
    if (!watch_thread)
        watch_thread = thread_create("xenwatch", run_callbacks, NULL);
    return watch_thread ? 0 : refused(-ENOMEM);
}

static int watch_request(enum xsd_sockmsg_type type, const struct xs_watch *watch)
{
    struct xs_part parts[2] = {
        { watch->path, strlen(watch->path) + 1 }, { watch->token, strlen(watch->token) + 1 },
    };

    return xs_command(type, XS_NONE, parts, 2);
}

int xs_watch(struct xs_watch *watch, const char *path)
{
    static unsigned int tokens;
    int error;

    list_init(&watch->events);
    watch->event_count = 0;
    watch->whole = watch->forgotten = false;
    wait_queue_init(&watch->wait);
    snprintf(watch->token, sizeof(watch->token), "w%u", ++tokens);
    watch->path = strdup(path);
    if (!watch->path) return refused(-ENOMEM);
    /* before asking: the first event may overtake the answer */
    list_append(&watches, &watch->link);
    error = watch_request(XS_WATCH, watch);
    if (error) {
        list_remove(&watch->link);
        free(watch->path);
        watch->path = NULL;
    }
    return error;
}

int xs_unwatch(struct xs_watch *watch)
{
    int error;
    char *path;

    if (!watch->path) return refused(-EINVAL);
    error = watch_request(XS_UNWATCH, watch);
    list_remove(&watch->link);
    while ((path = take_event(watch)))
        free(path);
    /* Its callback may be asleep in the middle; the caller is about to free the struct. */
    if (thread_current() != watch_thread)
        wait_event(callback_done, running != watch);
    free(watch->path);
    watch->path = NULL;
    return error;
}

static struct xs_watch *first_forgotten(void)
{
    struct xs_watch *watch;

    list_for_each(watch, &watches, link) {
        if (watch->forgotten) return watch;
    }
    return NULL;
}

void xs_watch_again(void)
{
    struct xs_watch *watch;

    list_for_each(watch, &watches, link)
        watch->forgotten = true;
    /* they come and go while we sleep */
    while ((watch = first_forgotten())) {
        watch->forgotten = false;
        if (watch_request(XS_WATCH, watch))
            printk("pvguest: the watch of %s is lost\n", watch->path);
    }
}

#define LOOK_NS (10 * NS_PER_MS)        /* for memory, when there is none */

/* The next event; an event of the watch as a whole becomes one now, if there is memory for it. */
static char *next_event(struct xs_watch *watch)
{
    char *path = take_event(watch);

    if (path || !watch->whole) return path;
    path = strdup(watch->path);
    watch->whole = !path;
    return path;
}

char *xs_watch_wait(struct xs_watch *watch, uint64_t timeout_ns)
{
    uint64_t until = now_ns() + timeout_ns;
    char *path;

    while (!(path = next_event(watch))) {
        uint64_t now = now_ns();

        if (timeout_ns && now >= until) return NULL;
        if (watch->whole)
            thread_sleep(LOOK_NS);
        else if (!timeout_ns)
            wait_event(watch->wait, has_fired(watch));
        else
            wait_event_timeout(watch->wait, has_fired(watch), until - now);
    }
    return path;
}
