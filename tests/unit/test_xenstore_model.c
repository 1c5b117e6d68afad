/* SPDX-License-Identifier: MIT */
/*
 * dom0's XenStore against another one that is a list of paths: the same requests at random, of dom0
 * and two guests, with absolute and relative paths, transactions that succeed, are given up or meet
 * a conflict, watches, and guests whose nodes are forgotten. Each answer is the same to the byte,
 * and so is who hears of what.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "xenstore_host.h"

/* --- the other one ---------------------------------------------------------------------------- */

#define NODES 400u
#define ACTORS 3u

struct perm { unsigned domid; char letter; };
struct node { char path[64], value[8]; unsigned perms; struct perm perm[4]; };
struct store { unsigned count; struct node node[NODES]; };

static struct store store, kept;        /* now; before the transaction that is open */
static const unsigned actors[ACTORS] = { 0, 5, 6 };
static struct client *const clients[ACTORS] = { &dom0, &five, &six };
static char answer[XENSTORE_PAYLOAD_MAX];
static size_t answer_size;

static struct node *find(struct store *in, const char *path)
{
    for (unsigned i = 0; i < in->count; i++)
        if (!strcmp(in->node[i].path, path))
            return &in->node[i];
    return NULL;
}

static void parent_of(const char *path, char *parent)
{
    strcpy(parent, path);
    *strrchr(parent, '/') = 0;
    if (!*parent)
        strcpy(parent, "/");
}

static struct node *nearest(struct store *in, const char *path)
{
    struct node *found = find(in, path);
    char parent[64];

    if (found) return found;
    parent_of(path, parent);
    return nearest(in, parent);
}

/* 'r' or 'w' */
static bool may(const struct node *node, unsigned actor, char wish)
{
    char letter = node->perm[0].letter;

    if (actor == 0 || node->perm[0].domid == actor) return true;
    for (unsigned i = node->perms; --i > 0;)            /* of several, the first */
        if (node->perm[i].domid == actor)
            letter = node->perm[i].letter;
    return letter == wish || letter == 'b';
}

static bool is_below(const char *path, const char *of)
{
    size_t size = strlen(of);

    if (size == 1) return path[1];
    return !strncmp(path, of, size) && path[size] == '/';
}

/* NULL, or the error's name. */
static const char *reach(struct store *in, const char *path, unsigned actor, char wish)
{
    return !may(nearest(in, path), actor, wish) ? "EACCES" : find(in, path) ? NULL : "ENOENT";
}

static struct node *make(struct store *in, const char *path, unsigned actor)
{
    struct node *made, *parent;
    char parent_path[64];

    parent_of(path, parent_path);
    parent = find(in, parent_path);
    if (!parent)
        parent = make(in, parent_path, actor);
    assert_true(in->count < NODES);
    made = &in->node[in->count++];
    *made = *parent;
    strcpy(made->path, path);
    made->value[0] = 0;
    if (actor)
        made->perm[0].domid = actor;
    return made;
}

static void remove_below(struct store *in, const char *path)
{
    unsigned kept_count = 0;

    for (unsigned i = 0; i < in->count; i++)
        if (strcmp(in->node[i].path, path) && !is_below(in->node[i].path, path))
            in->node[kept_count++] = in->node[i];
    in->count = kept_count;
}

static void forget_domain(struct store *in, unsigned domid)
{
    for (unsigned i = 0; i < in->count; i++) {
        struct node *node = &in->node[i];
        unsigned kept_count = 1;

        for (unsigned j = 1; j < node->perms; j++)
            if (node->perm[j].domid != domid)
                node->perm[kept_count++] = node->perm[j];
        node->perms = kept_count;
        if (node->perm[0].domid == domid) {
            char path[64];

            strcpy(path, node->path);
            remove_below(in, path);
            i--;
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_place(const void *a, const void *b)
{
    return stands_before(*(char *const *)a, *(char *const *)b) ? -1 : 1;
}

static void add_answer(const char *text)
{
    strcpy(answer + answer_size, text);
    answer_size += strlen(text) + 1;
}

static void answer_children(struct store *in, const char *path)
{
    const char *names[NODES];
    unsigned count = 0;
    char parent[64];

    for (unsigned i = 0; i < in->count; i++) {
        if (in->node[i].path[1] == 0)
            continue;
        parent_of(in->node[i].path, parent);
        if (!strcmp(parent, path))
            names[count++] = strrchr(in->node[i].path, '/') + 1;
    }
    qsort(names, count, sizeof *names, by_place);
    for (unsigned i = 0; i < count; i++)
        add_answer(names[i]);
}

/* --- watches, and what is heard --------------------------------------------------------------- */

#define WATCHES 40u

static struct watch {
    bool used, relative;
    unsigned actor;
    char path[64], token[8];
} watches[WATCHES];
static char expected_events[40000], events[40000];

static void add_event(char *to, unsigned actor, const char *path, const char *token)
{
    sprintf(to + strlen(to), "%u %s %s\n", actor, path, token);
}

static const char *shown(const struct watch *watch, const char *path)
{
    return watch->relative ? path + strlen("/local/domain/5/") : path;
}

/* Could he have seen it there otherwise: by reading it, or the names of what is beside it? */
static bool may_see(struct store *in, const char *path, unsigned actor)
{
    const struct node *node = find(in, path);
    char parent[64];

    if (!node || may(node, actor, 'r')) return node;
    parent_of(path, parent);
    return path[1] && may(find(in, parent), actor, 'r');
}

/* A change at the path; what is gone with it. `before`: as it was. */
static void tell(const char *path, struct store *before)
{
    for (unsigned i = 0; i < WATCHES; i++) {
        const struct watch *watch = &watches[i];

        if (!watch->used)
            continue;
        if (!strcmp(path, watch->path) || is_below(path, watch->path)) {
            if (may_see(&store, path, watch->actor) || may_see(before, path, watch->actor))
                add_event(expected_events, watch->actor, shown(watch, path), watch->token);
        } else if (is_below(watch->path, path) && !find(&store, watch->path) &&
                   may_see(before, watch->path, watch->actor)) {
            add_event(expected_events, watch->actor, shown(watch, watch->path), watch->token);
        }
    }
}

static void hear(struct xenstore_connection *to, const struct xsd_sockmsg *header,
                 const void *payload)
{
    const char *path = payload;

    if (header->type == XS_WATCH_EVENT)
        add_event(events, to->actor.domid, path, path + strlen(path) + 1);
    else
        receive(to, header, payload);
}

static void sort_lines(char *text)
{
    static char copy[sizeof events];
    char *lines[2000], *line;
    unsigned count = 0;

    strcpy(copy, text);
    for (line = strtok(copy, "\n"); line; line = strtok(NULL, "\n"))
        lines[count++] = line;
    qsort(lines, count, sizeof *lines, by_text);
    *text = 0;
    for (unsigned i = 0; i < count; i++)
        strcat(strcat(text, lines[i]), "\n");
}

/* --- one request, to both --------------------------------------------------------------------- */

static uint64_t seed = 1;

static unsigned random_below(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

static void random_path(char *path)
{
    static const char *const roots[] = { "/w", "/w", "/local/domain/5", "", "/local/domain/6" };
    static const char *const names[] = { "a", "b", "c", "ab", "a-" };

    strcpy(path, roots[random_below(5)]);
    for (unsigned depth = random_below(4); depth || !*path; depth -= depth > 0)
        strcat(strcat(path, "/"), names[random_below(5)]);
}

static uint32_t transaction;            /* 0: none is open */
static char payload[400];
static size_t payload_size;

static void add_payload(const char *text, bool with_nul)
{
    memcpy(payload + payload_size, text, strlen(text) + 1);
    payload_size += strlen(text) + with_nul;
}

/* What the other one makes of it: answer and changes. */
static const char *change(unsigned type, const char *path, unsigned actor, const struct node *wish)
{
    static struct store before;
    struct node *node = find(&store, path);
    const char *error = reach(&store, path, actor, 'w');
    char parent[64];

    if (error && (strcmp(error, "ENOENT") || type == XS_SET_PERMS)) return error;
    before = store;
    if (type == XS_SET_PERMS) {
        if (actor && node->perm[0].domid != actor) return "EACCES";
        if (actor && wish->perm[0].domid != actor) return "EPERM";
        memcpy(node->perm, wish->perm, sizeof node->perm);
        node->perms = wish->perms;
    } else if (type == XS_RM) {
        if (path[1] == 0) return "EINVAL";
        parent_of(path, parent);
        if (!node) return find(&store, parent) ? NULL : "ENOENT";
        remove_below(&store, path);
    } else if (type == XS_MKDIR && node) {
        return NULL;
    } else {
        if (!node)
            node = make(&store, path, actor);
        if (type == XS_WRITE)
            strcpy(node->value, wish->value);
    }
    if (!transaction)
        tell(path, &before);
    return NULL;
}

static const char *look(unsigned type, const char *path, unsigned actor)
{
    const char *error = reach(&store, path, actor, 'r');
    const struct node *node = find(&store, path);
    char text[12];

    if (error) return error;
    if (type == XS_READ) {
        answer_size = strlen(node->value);
        memcpy(answer, node->value, answer_size);
    } else if (type == XS_DIRECTORY) {
        answer_children(&store, path);
    } else {
        for (unsigned i = 0; i < node->perms; i++) {
            sprintf(text, "%c%u", node->perm[i].letter, node->perm[i].domid);
            add_answer(text);
        }
    }
    return NULL;
}

static unsigned watch_count(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < WATCHES; i++)
        count += watches[i].used;
    return count;
}

static const char *watch_or_not(unsigned type, const char *path, bool relative, unsigned actor,
                                const char *token)
{
    struct watch *found = NULL, *room = NULL;

    for (unsigned i = 0; i < WATCHES; i++)
        if (!watches[i].used)
            room = &watches[i];
        else if (watches[i].actor == actor && !strcmp(watches[i].path, path) &&
                 !strcmp(watches[i].token, token))
            found = &watches[i];
    if (type == XS_UNWATCH) {
        if (found)
            found->used = false;
        return found ? NULL : "ENOENT";
    }
    if (found) return "EEXIST";
    assert_non_null(room);              /* one_request() leaves one */
    *room = (struct watch){ .used = true, .relative = relative, .actor = actor };
    strcpy(room->path, path);
    strcpy(room->token, token);
    add_event(expected_events, actor, shown(room, path), token);
    return NULL;
}

static void assert_same(unsigned type, unsigned who, const char *error)
{
    struct client *client = clients[who];
    bool well = ask(client, type, transaction, payload, payload_size);

    if (error) {
        assert_false(well);
        assert_string_equal(client->payload, error);
        return;
    }
    if (!well)
        fail_msg("%s", client->payload);
    if (!answer_size && type != XS_READ && type != XS_DIRECTORY)
        add_answer("OK");
    assert_int_equal(client->answer.len, answer_size);
    assert_memory_equal(client->payload, answer, answer_size);
}

static void one_request(unsigned who)
{
    static const uint8_t types[] = { XS_READ, XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_WRITE,
                                     XS_WRITE, XS_WRITE, XS_MKDIR, XS_RM, XS_SET_PERMS,
                                     XS_WATCH, XS_UNWATCH };
    unsigned type = types[random_below(transaction ? 10 : 12)], actor = actors[who];
    struct node wish = { .perms = 1 + random_below(3) };
    const char *error;
    bool relative;
    char path[64], token[8], text[12];

    random_path(path);
    relative = actor == 5 && is_below(path, "/local/domain/5") && random_below(2);
    payload_size = answer_size = 0;
    add_payload(relative ? path + strlen("/local/domain/5/") : path, true);
    if (type == XS_WRITE) {
        sprintf(wish.value, "%u", random_below(1000));
        add_payload(wish.value, false);
        error = change(type, path, actor, &wish);
    } else if (type == XS_SET_PERMS) {
        for (unsigned i = 0; i < wish.perms; i++) {     /* some more than once */
            unsigned owner = random_below(4) ? who : random_below(ACTORS);

            wish.perm[i].domid = actors[i ? random_below(ACTORS) : owner];
            wish.perm[i].letter = "nrwb"[random_below(4)];
            sprintf(text, "%c%u", wish.perm[i].letter, wish.perm[i].domid);
            add_payload(text, true);
        }
        error = change(type, path, actor, &wish);
    } else if (type == XS_MKDIR || type == XS_RM) {
        error = change(type, path, actor, &wish);
    } else if (type == XS_WATCH || type == XS_UNWATCH) {
        sprintf(token, "t%u", random_below(2));
        add_payload(token, true);
        if (type == XS_WATCH && watch_count() == WATCHES) return;
        error = watch_or_not(type, path, relative, actor, token);
    } else {
        error = look(type, path, actor);
    }
    assert_same(type, who, error);
}

/* --- more than one ---------------------------------------------------------------------------- */

static void everything_is_the_same(const char *path)
{
    char below[64];
    char names[XENSTORE_PAYLOAD_MAX];
    size_t size;

    for (unsigned i = 0; i < 3; i++) {
        static const uint8_t types[] = { XS_READ, XS_GET_PERMS, XS_DIRECTORY };

        payload_size = answer_size = 0;
        add_payload(path, true);
        assert_null(look(types[i], path, 0));
        assert_same(types[i], 0, NULL);
    }
    size = answer_size;
    memcpy(names, answer, size);
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        strcpy(below, path[1] ? path : "");
        strcat(strcat(below, "/"), name);
        everything_is_the_same(below);
    }
}

static void end_transaction(unsigned who, const char *how, const char *error)
{
    payload_size = answer_size = 0;
    add_payload(how, true);
    assert_same(XS_TRANSACTION_END, who, error);
    transaction = 0;
}

/* With nobody else's change but one that has nothing to do with it, or one that has. */
static void one_transaction(unsigned who)
{
    unsigned kind = random_below(4);
    char path[64];

    kept = store;
    transaction = begin(clients[who]);
    for (unsigned n = random_below(8); n; n--)
        one_request(who);
    if (kind == 0) {
        store = kept;
        end_transaction(who, "F", NULL);
    } else if (kind == 1) {                     /* what was looked at is written meanwhile */
        strcpy(path, kept.node[random_below(kept.count)].path);
        payload_size = answer_size = 0;
        add_payload(path, true);
        assert_same(XS_READ, who, look(XS_READ, path, actors[who]));
        store = kept;
        strcpy(find(&store, path)->value, "other");
        add_payload("other", false);
        assert_true(ask(&dom0, XS_WRITE, 0, payload, payload_size));
        end_transaction(who, "T", "EAGAIN");
    } else {
        if (kind == 2)
            assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/vm\0value"));
        end_transaction(who, "T", NULL);
        if (kind == 2)
            strcpy(find(&store, "/vm")->value, "value");
    }
}

static void release_domain(const char *domid)
{
    while (!ask(&dom0, XS_RELEASE, 0, domid, strlen(domid) + 1))
        assert_string_equal(dom0.payload, "EAGAIN");
    forget_domain(&store, (unsigned)atoi(domid));
}

/* A place where everybody may write. */
static void open_w(void)
{
    struct node *node = make(&store, "/w", 0);

    node->perms = 1;
    node->perm[0] = (struct perm){ 0, 'b' };
    assert_true(ASK(&dom0, XS_MKDIR, 0, "/w"));
    assert_true(ASK(&dom0, XS_SET_PERMS, 0, "/w\0b0"));
}

static void begin_store(void)
{
    static const char *const first[] = { "/", "/local", "/local/domain", "/vm", "/libxl", "/tool",
                                         "/local/domain/5" };

    memset(&store, 0, sizeof store);
    for (unsigned i = 0; i < sizeof first / sizeof *first; i++) {
        store.node[store.count] = (struct node){ .perms = 1, .perm = { { 0, 'n' } } };
        strcpy(store.node[store.count++].path, first[i]);
    }
    find(&store, "/local/domain/5")->perm[0].domid = 5;
    open_w();
    for (unsigned i = 0; i < ACTORS; i++)
        clients[i]->connection.send = hear;
}

static void two_stores_say_the_same(void **state)
{
    begin_store();
    for (unsigned step = 0; step < 40000; step++) {
        unsigned kind = random_below(60);

        events[0] = expected_events[0] = 0;
        if (kind < 56) {
            one_request(random_below(ACTORS));
            sort_lines(events);
            sort_lines(expected_events);
            assert_string_equal(events, expected_events);
        } else if (kind < 59) {
            one_transaction(random_below(ACTORS));
        } else if (!random_below(10)) {
            release_domain(random_below(2) ? "5" : "6");
        }
        if (step % 100 == 0)
            everything_is_the_same("/");
        if (step % 500 == 499) {                /* room, so that there is always something new */
            assert_true(ASK(&dom0, XS_RM, 0, "/w"));
            remove_below(&store, "/w");
            open_w();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_stores_say_the_same, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
