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
 *
 * Watches are found by their path: a change asks once for each ancestor, not each watch of each domain.
 */
#include "dom0/xenstore/internal.h"
#include "dom0/account.h"

#define BUCKETS 1024u

static struct xenstore_watch *buckets[BUCKETS];

/* FNV-1a: the hash of a path goes on to that of every longer one. */
#define HASH_OF_NOTHING 2166136261u

static uint32_t hash_on(uint32_t hash, const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)bytes[i]) * 16777619u;
    return hash;
}

static struct xenstore_watch **bucket(uint32_t hash) {
    return &buckets[(hash >> 16 ^ hash) % BUCKETS];
}

static struct xenstore_watch **bucket_of(const char *path) {
    return bucket(hash_on(HASH_OF_NOTHING, path, strlen(path)));
}

static char *duplicate(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}

static size_t fired_bytes(const struct xenstore_fired *fired) {
    return sizeof(*fired) + strlen(fired->path) + 1;
}

static size_t watch_bytes(const char *path, const char *token) {
    return sizeof(struct xenstore_watch) + strlen(path) + 1 + strlen(token) + 1;
}

static void forget_fired(struct xenstore_connection *connection, struct xenstore_watch *watch) {
    while (watch->fired) {
        struct xenstore_fired *fired = watch->fired;

        watch->fired = fired->next;
        account_credit(connection->actor.domid, HELD_EVENTS, fired_bytes(fired));
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

static void leave_bucket(struct xenstore_watch *watch) {
    struct xenstore_watch **link = bucket_of(watch->path);

    while (*link != watch)
        link = &(*link)->bucket_next;
    *link = watch->bucket_next;
}

/* One that its connection has. */
static void drop_watch(struct xenstore_connection *connection, struct xenstore_watch *watch) {
    forget_fired(connection, watch);
    leave_queue(connection, watch);
    leave_bucket(watch);
    connection->watch_count--;
    account_credit(connection->actor.domid, HELD_WATCHES, watch_bytes(watch->path, watch->token));
    tree_work++;
    free(watch->path);
    free(watch->token);
    free(watch);
}

static struct xenstore_watch *new_watch(struct xenstore_connection *connection, const char *path, const char *token) {
    struct xenstore_watch *watch = calloc(1, sizeof(*watch)), **in = bucket_of(path);

    if (!watch)
        return NULL;
    watch->connection = connection;
    watch->fired_end = &watch->fired;
    watch->path = duplicate(path);
    watch->token = duplicate(token);
    if (!watch->path || !watch->token) {
        free(watch->path);
        free(watch->token);
        free(watch);
        return NULL;
    }
    watch->bucket_next = *in;
    *in = watch;
    return watch;
}

int watch_add(struct xenstore_connection *connection, const char *path, const char *absolute, const char *token) {
    struct xenstore_watch *watch;
    int error;

    for (watch = connection->watches; watch; watch = watch->next, tree_work++)
        if (!strcmp(watch->path, absolute) && !strcmp(watch->token, token))
            return refused(-EEXIST);
    if (!connection->actor.privileged && connection->watch_count >= XENSTORE_MAX_WATCHES)
        return refused(-ENOSPC);
    error = account_charge(connection->actor.domid, HELD_WATCHES, watch_bytes(absolute, token));
    if (error)
        return error;
    watch = new_watch(connection, absolute, token);
    if (!watch) {
        account_credit(connection->actor.domid, HELD_WATCHES, watch_bytes(absolute, token));
        return refused(-ENOMEM);
    }
    watch->path_size = strlen(absolute);
    watch->shown_from = watch->path_size - strlen(path);
    watch->next = connection->watches;
    connection->watches = watch;
    connection->watch_count++;
    return 0;
}

int watch_remove(struct xenstore_connection *connection, const char *absolute, const char *token) {
    for (struct xenstore_watch **link = &connection->watches; *link; link = &(*link)->next) {
        struct xenstore_watch *watch = *link;

        tree_work++;
        if (strcmp(watch->path, absolute) || strcmp(watch->token, token))
            continue;
        *link = watch->next;
        drop_watch(connection, watch);
        return 0;
    }
    return refused(-ENOENT);
}

void watch_drop_all(struct xenstore_connection *connection) {
    while (connection->watches) {
        struct xenstore_watch *watch = connection->watches;

        connection->watches = watch->next;
        drop_watch(connection, watch);
    }
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
        account_credit(to->actor.domid, HELD_EVENTS, fired_bytes(fired));
    } else {
        watch->fired_whole = false;
    }
    if (watch->fired || watch->fired_whole)
        enter_queue(to, watch);
    send_event(to, watch, fired ? fired->path : watch->path + watch->shown_from);
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
static void fire(struct xenstore_watch *watch, const char *path) {
    struct xenstore_connection *to = watch->connection;
    const char *shown = path + watch->shown_from;
    size_t size = sizeof(struct xenstore_fired) + strlen(shown) + 1;
    struct xenstore_fired *fired = NULL;

    tree_work++;
    if (watch->fired_whole || waits_already(watch, shown))
        return;
    if (watch->fired_count < XENSTORE_MAX_FIRED_PATHS && !account_charge(to->actor.domid, HELD_EVENTS, size)) {
        fired = malloc(size);
        if (!fired)
            account_credit(to->actor.domid, HELD_EVENTS, size);
    }
    if (fired) {
        fired->next = NULL;
        memcpy(fired->path, shown, strlen(shown) + 1);
        *watch->fired_end = fired;
        watch->fired_end = &fired->next;
        watch->fired_count++;
    } else {
        watch->fired_whole = true;
    }
    if (!watch->queued)
        enter_queue(to, watch);
    xenstore_pump(to);
}

void watch_fire_first(struct xenstore_connection *connection) {
    fire(connection->watches, connection->watches->path);                       /* The newest stands first. */
}

/* --- who hears --- */

#define LOOKS_OF_A_STEP 16u

static unsigned looks;                  /* At watches, for one change. */

/* Watches on the first `size` bytes of a path, of this hash, hear of all of it, if they may read what is there, or was: `node`.
 * Who else is in that bucket costs a look, however much of his path is the same. */
static void fire_at(const char *path, size_t size, uint32_t hash, const struct tree_node *node) {
    struct xenstore_watch *watch, *next;

    for (watch = *bucket(hash); watch; watch = next) {
        next = watch->bucket_next;
        looks++;
        if (watch->path_size == size && !memcmp(watch->path, path, size) &&
            tree_allows(node, watch->connection->actor, TREE_READ))
            fire(watch, path);
    }
}

/* Everything below what is gone; `path` grows and shrinks. `now`: what is there again, made anew in the same transaction. */
static void fire_below(char *path, size_t size, uint32_t hash, const struct tree_node *gone, const struct tree_node *now) {
    for (unsigned i = 0; i < gone->child_count; i++) {
        const struct tree_node *child = gone->children[i], *again;
        size_t more = 1 + child->name_size;
        uint32_t longer;

        path[size] = '/';
        memcpy(path + size + 1, child->name, more);
        longer = hash_on(hash, path + size, more);
        again = now ? tree_child(now, child->name, more - 1) : NULL;
        fire_at(path, size + more, longer, again ? again : child);
        fire_below(path, size + more, longer, child, again);
        tree_work++;
    }
}

void watch_fire(const char *path, const struct tree_node *gone) {
    static char below[XENSTORE_ABS_PATH_MAX + 1];
    const struct tree_node *now = tree_find(xenstore_tree, path), *node = now;
    uint32_t hash = hash_on(HASH_OF_NOTHING, path, 1);
    size_t size = strlen(path);

    looks = 0;
    if (!node)
        node = gone ? gone : tree_find_nearest(xenstore_tree, path);
    fire_at(path, 1, hash, node);               /* All paths begin with that of the root. */
    for (size_t i = 1; path[1] && i <= size; i++) {
        if (path[i] == '/' || path[i] == '\0')
            fire_at(path, i, hash, node);
        hash = hash_on(hash, path + i, 1);
    }
    if (gone) {
        memcpy(below, path, size + 1);
        fire_below(below, size, hash_on(HASH_OF_NOTHING, path, size), gone, now);
    }
    tree_work += looks / LOOKS_OF_A_STEP;
}

void watch_fire_special(const char *special) {
    struct xenstore_watch *watch, *next;

    for (watch = *bucket_of(special); watch; watch = next) {
        next = watch->bucket_next;
        if (watch->connection->actor.privileged && !strcmp(watch->path, special))
            fire(watch, special);
    }
}
