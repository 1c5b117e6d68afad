/* SPDX-License-Identifier: MIT */
/*
 * XenStore's watches: who is told when a path changes. Called by server.c and transaction.c only.
 *
 * A watch on P hears of a change at P and everywhere below it. When a subtree is removed, watches
 * on what was inside hear of that too. A domain hears only of what it could see otherwise: nodes
 * that it may read, or could until now, and those whose parent it may read, which names them. The
 * fact of a change is information (XSA-115).
 *
 * Watches hang in a tree of their own, of the places that are watched (places.h): a change goes
 * down its path there as far as that goes, and a removal through the places below, not through all
 * that is removed. At a place each connection is one listener, however many watches it has there.
 * So what a change costs, whatever guests watch, is a look at a listener of each domain for each
 * component of its path, and one for each watched place that is removed.
 *
 * Between firing and sending, an event waits at its listener, and the listener in its connection's
 * queue. What waits there already is not put there again, so a node that changes a thousand times
 * before its watcher looks costs one event. One is sent at a time, for one watch of the listener,
 * when there is room for it: that is the receiver's time.
 */
#include "dom0/xenstore/internal.h"
#include "dom0/xenstore/places.h"
#include "dom0/account.h"

/* --- listeners: a connection's watches of one place --- */

static size_t fired_bytes(const struct xenstore_fired *fired)
{
    return sizeof(*fired) + fired->size + 1;
}

/* As if nobody else watched there: its places, and what its parent has of room for each. */
static size_t watch_bytes(const char *path, const char *token)
{
    size_t places = 0, size;

    for (const char *at = path; tree_component(&at, &size), size;)
        places++;
    return sizeof(struct xenstore_watch) + strlen(token) + 1 + sizeof(struct xenstore_listener) +
           strlen(path) + 1 + places * PLACE_BYTES;
}

static void free_fired(struct xenstore_listener *listener, struct xenstore_fired *fired)
{
    if (!fired) return;
    account_credit(listener->connection->actor.domid, HELD_EVENTS, fired_bytes(fired));
    free(fired);
}

static void forget_fired(struct xenstore_listener *listener)
{
    while (listener->fired) {
        struct xenstore_fired *fired = listener->fired;

        listener->fired = fired->next;
        free_fired(listener, fired);
    }
    free_fired(listener, listener->told);
}

static void leave_queue(struct xenstore_listener *listener)
{
    struct xenstore_connection *connection = listener->connection;
    struct xenstore_listener **link = &connection->fired;

    while (*link && *link != listener)
        link = &(*link)->queue_next;
    if (!*link) return;
    *link = listener->queue_next;
    if (!*link)
        connection->fired_end = link;
}

static struct xenstore_listener *listener_at(const struct xenstore_place *place,
                                             const struct xenstore_connection *connection)
{
    struct xenstore_listener *listener = place->listeners;

    while (listener && listener->connection != connection)
        listener = listener->next;
    return listener;
}

static struct xenstore_listener *new_listener(struct xenstore_place *place,
                                              struct xenstore_connection *connection)
{
    struct xenstore_listener *listener = calloc(1, sizeof(*listener));

    if (!listener) return NULL;
    listener->place = place;
    listener->connection = connection;
    listener->fired_end = &listener->fired;
    listener->next = place->listeners;
    place->listeners = listener;
    return listener;
}

static void drop_listener(struct xenstore_listener *listener)
{
    struct xenstore_listener **link = &listener->place->listeners;

    forget_fired(listener);
    leave_queue(listener);
    while (*link != listener)
        link = &(*link)->next;
    *link = listener->next;
    free(listener);
}

/* --- watches --- */

static void end_telling(struct xenstore_listener *listener)
{
    free_fired(listener, listener->told);
    listener->told = NULL;
}

/* A watch that its connection has no more. */
static void leave_listener(struct xenstore_watch *watch)
{
    struct xenstore_listener *listener = watch->listener;
    struct xenstore_watch **link = &listener->watches;
    struct xenstore_place *place = listener->place;

    while (*link != watch)
        link = &(*link)->next_here;
    *link = watch->next_here;
    if (!listener->watches) {
        drop_listener(listener);
        place_prune(place);
    } else if (listener->telling == watch && !(listener->telling = watch->next_here)) {
        end_telling(listener);
        if (!listener->fired && !listener->fired_whole) {
            leave_queue(listener);
            listener->queued = false;
        }
    }
}

static void leave_new(struct xenstore_connection *connection, struct xenstore_watch *watch)
{
    struct xenstore_watch **link = &connection->fresh;

    while (*link && *link != watch)
        link = &(*link)->fresh_next;
    if (!*link) return;
    *link = watch->fresh_next;
    if (!*link)
        connection->fresh_end = link;
}

/* One that is in its connection's list no more. */
static void drop_watch(struct xenstore_connection *connection, struct xenstore_watch *watch)
{
    leave_new(connection, watch);
    leave_listener(watch);
    connection->watch_count--;
    account_credit(connection->actor.domid, HELD_WATCHES, watch->bytes);
    tree_work++;
    free(watch);
}

static struct xenstore_watch *new_watch(struct xenstore_connection *connection, const char *path,
                                        const char *token)
{
    struct xenstore_watch *watch = calloc(1, sizeof(*watch) + strlen(token) + 1);
    struct xenstore_place *place = watch ? place_make(path) : NULL;
    struct xenstore_listener *listener = place ? listener_at(place, connection) : NULL;

    if (place && !listener)
        listener = new_listener(place, connection);
    if (!listener) {
        if (place)
            place_prune(place);
        free(watch);
        return NULL;
    }
    memcpy(watch->token, token, strlen(token) + 1);
    watch->listener = listener;
    watch->next_here = listener->watches;
    listener->watches = watch;
    return watch;
}

int watch_add(struct xenstore_connection *connection, const char *path, const char *absolute,
              const char *token)
{
    const struct xenstore_place *place = place_find(absolute);
    const struct xenstore_listener *listener = place ? listener_at(place, connection) : NULL;
    struct xenstore_watch *watch;
    size_t bytes = watch_bytes(absolute, token);
    int error;

    for (watch = listener ? listener->watches : NULL; watch; watch = watch->next_here, tree_work++)
        if (!strcmp(watch->token, token))
            return refused(-EEXIST);
    if (!connection->actor.privileged && connection->watch_count >= XENSTORE_MAX_WATCHES)
        return refused(-ENOSPC);
    error = account_charge(connection->actor.domid, HELD_WATCHES, bytes);
    if (error) return error;
    watch = new_watch(connection, absolute, token);
    if (!watch) {
        account_credit(connection->actor.domid, HELD_WATCHES, bytes);
        return refused(-ENOMEM);
    }
    watch->bytes = bytes;
    watch->shown_from = strlen(absolute) - strlen(path);
    watch->next = connection->watches;
    connection->watches = watch;
    connection->watch_count++;
    return 0;
}

int watch_remove(struct xenstore_connection *connection, const char *absolute, const char *token)
{
    const struct xenstore_place *place = place_find(absolute);
    const struct xenstore_listener *listener = place ? listener_at(place, connection) : NULL;

    for (struct xenstore_watch **link = &connection->watches; *link; link = &(*link)->next) {
        struct xenstore_watch *watch = *link;

        tree_work++;
        if (watch->listener != listener || strcmp(watch->token, token))
            continue;
        *link = watch->next;
        drop_watch(connection, watch);
        return 0;
    }
    return refused(-ENOENT);
}

void watch_drop_all(struct xenstore_connection *connection)
{
    while (connection->watches) {
        struct xenstore_watch *watch = connection->watches;

        connection->watches = watch->next;
        drop_watch(connection, watch);
    }
}

/* --- events --- */

static void send_event(const struct xenstore_watch *watch, const char *path)
{
    /* A path has at most 3 KiB, a token a quarter of that. */
    static char payload[XENSTORE_PAYLOAD_MAX];
    struct xenstore_connection *to = watch->listener->connection;
    const char *shown = path + watch->shown_from;
    size_t path_size = strlen(shown) + 1, token_size = strlen(watch->token) + 1;
    struct xsd_sockmsg header = { .type = XS_WATCH_EVENT,
                                  .len = (uint32_t)(path_size + token_size) };

    memcpy(payload, shown, path_size);
    memcpy(payload + path_size, watch->token, token_size);
    to->send(to, &header, payload);
}

static void enter_queue(struct xenstore_connection *to, struct xenstore_listener *listener)
{
    listener->queued = true;
    listener->queue_next = NULL;
    *to->fired_end = listener;
    to->fired_end = &listener->queue_next;
}

/* What waits there longest is what its watches are told next, one after the other. */
static void begin_telling(struct xenstore_listener *listener)
{
    listener->telling = listener->watches;
    listener->told = listener->fired;
    if (!listener->told) {
        listener->fired_whole = false;
        return;
    }
    listener->fired = listener->told->next;
    if (!listener->fired)
        listener->fired_end = &listener->fired;
    listener->fired_count--;
}

/* One event of the listener at the queue's head; one that has more goes behind the others. */
static void send_next(struct xenstore_connection *to)
{
    struct xenstore_listener *listener = to->fired;
    const struct xenstore_watch *watch;

    to->fired = listener->queue_next;
    if (!to->fired)
        to->fired_end = &to->fired;
    listener->queued = false;
    if (!listener->telling)
        begin_telling(listener);
    watch = listener->telling;
    listener->telling = watch->next_here;
    send_event(watch, listener->told ? listener->told->path : place_path(listener->place));
    if (!listener->telling)
        end_telling(listener);
    if (listener->telling || listener->fired || listener->fired_whole)
        enter_queue(to, listener);
}

/* The event every watch begins with. */
static void send_first(struct xenstore_connection *to)
{
    struct xenstore_watch *watch = to->fresh;

    to->fresh = watch->fresh_next;
    if (!to->fresh)
        to->fresh_end = &to->fresh;
    send_event(watch, place_path(watch->listener->place));
}

void xenstore_pump(struct xenstore_connection *to)
{
    while ((to->fresh || to->fired) && (!to->ready || to->ready(to))) {
        if (to->fresh)
            send_first(to);
        else
            send_next(to);
    }
}

void watch_fire_first(struct xenstore_connection *connection)
{
    struct xenstore_watch *watch = connection->watches;     /* The newest stands first. */

    watch->fresh_next = NULL;
    *connection->fresh_end = watch;
    connection->fresh_end = &watch->fresh_next;
    xenstore_pump(connection);
}

/* Paths may be long, and begin the same: that is counted. */
static bool waits_already(const struct xenstore_listener *listener, const char *path, size_t size)
{
    for (const struct xenstore_fired *fired = listener->fired; fired; fired = fired->next) {
        size_t same = 0;

        if (fired->size == size && !tree_compare(fired->path, size, path, size, &same)) return true;
    }
    return false;
}

static struct xenstore_fired *new_fired(const struct xenstore_listener *listener, const char *path,
                                        size_t size)
{
    uint16_t domid = listener->connection->actor.domid;
    size_t bytes = sizeof(struct xenstore_fired) + size + 1;
    struct xenstore_fired *fired;

    if (listener->fired_count == XENSTORE_MAX_FIRED_PATHS ||
        account_charge(domid, HELD_EVENTS, bytes))
        return NULL;
    fired = malloc(bytes);
    if (!fired) {
        account_credit(domid, HELD_EVENTS, bytes);
        return NULL;
    }
    *fired = (struct xenstore_fired){ .size = size };
    memcpy(fired->path, path, size + 1);
    return fired;
}

/* Never fails: without room or memory for the path, the listener's place as a whole has fired. */
static void fire(struct xenstore_listener *listener, const char *path, size_t size)
{
    struct xenstore_connection *to = listener->connection;
    struct xenstore_fired *fired;

    tree_work++;
    if (listener->fired_whole || waits_already(listener, path, size)) return;
    fired = new_fired(listener, path, size);
    if (fired) {
        *listener->fired_end = fired;
        listener->fired_end = &fired->next;
        listener->fired_count++;
    } else {
        listener->fired_whole = true;
    }
    if (!listener->queued)
        enter_queue(to, listener);
    xenstore_pump(to);
}

/* --- who hears --- */

#define LOOKS_OF_A_STEP 8u

static unsigned looks;                  /* At listeners, for one change. */

/* Of something that changes: as it is, as it was, and what it is in, or was. Each may be NULL. */
struct sight { const struct tree_perms *now, *was, *parent, *parent_was; };

static const struct tree_perms *perms_of(const struct tree_node *node)
{
    return node ? &node->perms : NULL;
}

static bool may_read(const struct tree_perms *perms, struct tree_actor actor)
{
    return perms && tree_perms_allow(perms, actor, TREE_READ);
}

/* Who listens here hears of all of the path, if he may see what has changed. */
static void fire_at(const struct xenstore_place *place, const char *path, size_t size,
                    const struct sight *sight)
{
    struct xenstore_listener *listener = place->listeners;

    for (; listener; listener = listener->next) {
        struct tree_actor actor = listener->connection->actor;

        looks++;
        if (may_read(sight->now, actor) || may_read(sight->was, actor) ||
            may_read(sight->parent, actor) || may_read(sight->parent_was, actor))
            fire(listener, path, size);
    }
}

/*
 * Everything that is watched below what is gone; `path` grows and shrinks. `now`: what is there
 * again, made anew in the same transaction, or by somebody else since.
 */
static void fire_below(const struct xenstore_place *place, char *path, size_t size,
                       const struct tree_node *gone, const struct tree_node *now)
{
    for (unsigned i = 0; i < place->child_count; i++) {
        const struct xenstore_place *below = place->children[i];
        const struct tree_node *child = tree_child(gone, below->name, below->name_size), *again;
        size_t longer = size + 1 + below->name_size;

        tree_work++;
        if (!child)
            continue;
        path[size] = '/';
        memcpy(path + size + 1, below->name, below->name_size + 1);
        again = now ? tree_child(now, below->name, below->name_size) : NULL;
        fire_at(below, path, longer, &(struct sight){ perms_of(again), perms_of(child),
                                                      perms_of(now), perms_of(gone) });
        fire_below(below, path, longer, child, again);
    }
}

void watch_fire(const char *path, const struct tree_node *gone, const struct tree_perms *before)
{
    static char below[XENSTORE_ABS_PATH_MAX + 1], parent[XENSTORE_ABS_PATH_MAX + 1];
    const struct tree_node *now = tree_find(xenstore_tree, path);
    const struct xenstore_place *place = &watched_paths;
    struct sight sight = { perms_of(now), gone ? perms_of(gone) : before, NULL, NULL };
    const char *at = path;
    size_t length = strlen(path), size;

    looks = 0;
    tree_work += (unsigned)(length / TREE_BYTES_OF_A_STEP);
    if (!now && !gone) return;
    tree_parent_path(path, parent);
    sight.parent = path[1] ? perms_of(tree_find(xenstore_tree, parent)) : NULL;
    fire_at(place, path, length, &sight);            /* All paths begin with that of the root. */
    for (const char *name; place && (name = tree_component(&at, &size), size);) {
        place = place_child(place, name, size);
        if (place)
            fire_at(place, path, length, &sight);
    }
    if (gone && place) {
        memcpy(below, path, length + 1);
        fire_below(place, below, length, gone, now);
    }
    tree_work += looks / LOOKS_OF_A_STEP;
}

void watch_fire_special(const char *special)
{
    const struct xenstore_place *place = place_find(special);
    struct xenstore_listener *listener = place ? place->listeners : NULL;

    for (; listener; listener = listener->next)
        if (listener->connection->actor.privileged)
            fire(listener, special, strlen(special));
}
