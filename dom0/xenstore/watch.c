/* SPDX-License-Identifier: MIT */
/*
 * XenStore's watches: who is told when a path changes. Called by server.c and transaction.c only.
 *
 * A watch on P hears of a change at P and everywhere below it. When a subtree is removed, watches on what was inside
 * hear of that too. A domain hears only of nodes that it may read: the fact of a change is information
 * (advisory XSA-115).
 *
 * Between firing and sending, an event waits at its watch, and the watch in its connection's queue. What waits there
 * already is not put there again, so a node that changes a thousand times before its watcher looks costs one event.
 */
#include "dom0/xenstore/internal.h"

static char *duplicate(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}

static void forget_fired(struct xenstore_connection *connection, struct xenstore_watch *watch) {
    while (watch->fired) {
        struct xenstore_fired *fired = watch->fired;

        watch->fired = fired->next;
        connection->fired_bytes -= (uint32_t)(sizeof(*fired) + strlen(fired->path) + 1);
        free(fired);
    }
    watch->fired_end = &watch->fired;
    watch->fired_count = 0;
}

static void leave_queue(struct xenstore_connection *connection, struct xenstore_watch *watch) {
    struct xenstore_watch **link = &connection->fired;

    while (*link && *link != watch)
        link = &(*link)->queue_next;
    if (!*link)
        return;
    *link = watch->queue_next;
    if (!*link)
        connection->fired_end = link;
}

static void free_watch(struct xenstore_connection *connection, struct xenstore_watch *watch) {
    forget_fired(connection, watch);
    leave_queue(connection, watch);
    free(watch->path);
    free(watch->token);
    free(watch);
}

int watch_add(struct xenstore_connection *connection, const char *path, const char *absolute, const char *token) {
    struct xenstore_watch *watch;

    for (watch = connection->watches; watch; watch = watch->next)
        if (!strcmp(watch->path, absolute) && !strcmp(watch->token, token))
            return -EEXIST;
    if (!connection->actor.privileged && connection->watch_count >= XENSTORE_MAX_WATCHES)
        return -ENOSPC;
    watch = calloc(1, sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    watch->path = duplicate(absolute);
    watch->token = duplicate(token);
    watch->fired_end = &watch->fired;
    if (!watch->path || !watch->token) {
        free_watch(connection, watch);
        return -ENOMEM;
    }
    watch->relative = path[0] != '/' && path[0] != '@';
    watch->next = connection->watches;
    connection->watches = watch;
    connection->watch_count++;
    return 0;
}

int watch_remove(struct xenstore_connection *connection, const char *absolute, const char *token) {
    for (struct xenstore_watch **link = &connection->watches; *link; link = &(*link)->next) {
        struct xenstore_watch *watch = *link;

        if (strcmp(watch->path, absolute) || strcmp(watch->token, token))
            continue;
        *link = watch->next;
        connection->watch_count--;
        free_watch(connection, watch);
        return 0;
    }
    return -ENOENT;
}

void watch_drop_all(struct xenstore_connection *connection) {
    while (connection->watches) {
        struct xenstore_watch *watch = connection->watches;

        connection->watches = watch->next;
        free_watch(connection, watch);
    }
    connection->watch_count = 0;
}

/* The part of an absolute path that the owner of a relative watch expects to see. */
static const char *path_as_watched(const struct xenstore_connection *connection, const struct xenstore_watch *watch,
                                   const char *path) {
    char home[32];
    int size = snprintf(home, sizeof(home), "/local/domain/%u/", (unsigned)connection->actor.domid);

    return watch->relative && !strncmp(path, home, (size_t)size) ? path + size : path;
}

static void send_event(struct xenstore_connection *to, const struct xenstore_watch *watch, const char *path) {
    static char payload[XENSTORE_PAYLOAD_MAX];      /* A path has at most 3 KiB, a token a quarter of that. */
    size_t path_size = strlen(path) + 1, token_size = strlen(watch->token) + 1;
    struct xsd_sockmsg header = { .type = XS_WATCH_EVENT, .len = (uint32_t)(path_size + token_size) };

    memcpy(payload, path, path_size);
    memcpy(payload + path_size, watch->token, token_size);
    to->send(to, &header, payload);
}

static void enter_queue(struct xenstore_connection *to, struct xenstore_watch *watch) {
    watch->queued = true;
    watch->queue_next = NULL;
    *to->fired_end = watch;
    to->fired_end = &watch->queue_next;
}

/* One event of the watch at the queue's head; one that has more goes behind the others. */
static void send_next(struct xenstore_connection *to) {
    struct xenstore_watch *watch = to->fired;
    struct xenstore_fired *fired = watch->fired;

    to->fired = watch->queue_next;
    if (!to->fired)
        to->fired_end = &to->fired;
    watch->queued = false;
    if (fired) {
        watch->fired = fired->next;
        if (!watch->fired)
            watch->fired_end = &watch->fired;
        watch->fired_count--;
        to->fired_bytes -= (uint32_t)(sizeof(*fired) + strlen(fired->path) + 1);
    } else {
        watch->fired_whole = false;
    }
    if (watch->fired || watch->fired_whole)
        enter_queue(to, watch);
    send_event(to, watch, fired ? fired->path : path_as_watched(to, watch, watch->path));
    free(fired);
}

void xenstore_pump(struct xenstore_connection *to) {
    while (to->fired && (!to->ready || to->ready(to)))
        send_next(to);
}

static bool waits_already(const struct xenstore_watch *watch, const char *shown) {
    for (const struct xenstore_fired *fired = watch->fired; fired; fired = fired->next)
        if (!strcmp(fired->path, shown))
            return true;
    return false;
}

/* Never fails: without room or memory for the path, the watch as a whole has fired. */
static void fire(struct xenstore_connection *to, struct xenstore_watch *watch, const char *path) {
    const char *shown = path_as_watched(to, watch, path);
    size_t size = sizeof(struct xenstore_fired) + strlen(shown) + 1;
    struct xenstore_fired *fired = NULL;

    if (watch->fired_whole || waits_already(watch, shown))
        return;
    if (watch->fired_count < XENSTORE_MAX_FIRED_PATHS && to->fired_bytes + size <= XENSTORE_MAX_FIRED_BYTES)
        fired = malloc(size);
    if (fired) {
        fired->next = NULL;
        memcpy(fired->path, shown, strlen(shown) + 1);
        *watch->fired_end = fired;
        watch->fired_end = &fired->next;
        watch->fired_count++;
        to->fired_bytes += (uint32_t)size;
    } else {
        watch->fired_whole = true;
    }
    if (!watch->queued)
        enter_queue(to, watch);
    xenstore_pump(to);
}

void watch_fire_first(struct xenstore_connection *connection) {
    fire(connection, connection->watches, connection->watches->path);           /* The newest stands first. */
}

static bool may_hear(const struct xenstore_connection *connection, const char *path, const struct tree_node *before) {
    const struct tree_node *node = tree_find(xenstore_tree, path);

    if (!node)
        node = tree_find_nearest(before, path);
    return tree_allows(node, connection->actor, TREE_READ);
}

/* Is `path` the watched one or below it? */
static bool covers(const char *watched, const char *path) {
    size_t size = strlen(watched);

    if (!strcmp(watched, "/"))
        return path[0] == '/';
    return !strncmp(watched, path, size) && (path[size] == '\0' || path[size] == '/');
}

void watch_fire(const char *path, enum change_kind kind, const struct tree_node *before) {
    bool existed = tree_find(before, path);

    /* Making what there is and removing what there is not is allowed, but nothing has changed by it. */
    if ((kind == CHANGE_MKDIR && existed) || (kind == CHANGE_REMOVE && !existed))
        return;
    for (struct xenstore_connection *to = xenstore_connections; to; to = to->next) {
        for (struct xenstore_watch *watch = to->watches; watch; watch = watch->next) {
            if (covers(watch->path, path)) {
                if (may_hear(to, path, before))
                    fire(to, watch, path);
            } else if (kind == CHANGE_REMOVE && covers(path, watch->path) && tree_find(before, watch->path)) {
                if (may_hear(to, watch->path, before))
                    fire(to, watch, watch->path);
            }
        }
    }
}

void watch_fire_special(const char *special) {
    for (struct xenstore_connection *to = xenstore_connections; to; to = to->next)
        for (struct xenstore_watch *watch = to->watches; watch; watch = watch->next)
            if (to->actor.privileged && !strcmp(watch->path, special))
                fire(to, watch, special);
}
