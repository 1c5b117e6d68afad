/* SPDX-License-Identifier: MIT */
/*
 * XenStore's requests: decode a message, ask the tree, answer. server.h says who may call what.
 *
 * Each request type has one handler; the table at the end of the file is the protocol. A handler
 * gets the payload as a cursor from which it takes NUL-terminated strings; it answers by filling
 * `reply`, or returns a negative errno, which goes back by name, as the protocol wants it.
 */
#include "dom0/xenstore/internal.h"

struct xenstore_connection *xenstore_connections;
struct tree_node *xenstore_tree;
static const struct xenstore_carrier *carrier;

struct request {
    struct xenstore_connection *from;
    uint32_t transaction;
    const char *cursor, *end;                   /* What is left of the payload. */
    char path[XENSTORE_ABS_PATH_MAX + 1];
    char reply[XENSTORE_PAYLOAD_MAX];
    uint32_t reply_size;
    bool watch_added;
};

static struct xenstore_connection *connection_of(domid_t domid)
{
    struct xenstore_connection *connection = xenstore_connections;

    while (connection && connection->actor.domid != domid)
        connection = connection->next;
    return connection;
}

/* --- what goes into a reply --- */

static int reply_bytes(struct request *request, const void *bytes, size_t size)
{
    if (size > sizeof(request->reply) - request->reply_size) return refused(-E2BIG);
    memcpy(request->reply + request->reply_size, bytes, size);
    request->reply_size += (uint32_t)size;
    return 0;
}

static int reply_string(struct request *request, const char *text)
{
    return reply_bytes(request, text, strlen(text) + 1);
}

static int reply_ok(struct request *request)
{
    return reply_string(request, "OK");
}

/* --- what comes out of a payload --- */

/* The next string; NULL when the payload ends before its NUL. */
static const char *take_string(struct request *request)
{
    const char *start = request->cursor;
    const char *nul = memchr(start, '\0', (size_t)(request->end - start));

    if (!nul) return NULL;
    request->cursor = nul + 1;
    return start;
}

static bool take_number(struct request *request, unsigned long limit, unsigned long *number)
{
    const char *text = take_string(request);
    unsigned long value = 0;

    if (!text || !*text) return refused(false);
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (limit - (unsigned long)(*text - '0')) / 10)
            return refused(false);
        value = value * 10 + (unsigned long)(*text - '0');
    }
    *number = value;
    return true;
}

/* A path as the client wrote it becomes absolute in request->path. */
static int resolve(struct request *request, const char *text)
{
    int size;

    /* What begins so is no path: see take_watched(). */
    if (text[0] == '@') return refused(-EINVAL);
    if (text[0] == '/') {
        size = snprintf(request->path, sizeof(request->path), "%s", text);
    } else {
        if (strlen(text) > XENSTORE_REL_PATH_MAX) return refused(-EINVAL);
        size = snprintf(request->path, sizeof(request->path), "/local/domain/%u/%s",
                        (unsigned)request->from->actor.domid, text);
    }
    if (size < 0 || (size_t)size >= sizeof(request->path) || !tree_path_valid(request->path))
        return refused(-EINVAL);
    return 0;
}

static int take_path(struct request *request)
{
    const char *text = take_string(request);

    return text ? resolve(request, text) : refused(-EINVAL);
}

/* --- reaching the tree, inside or outside a transaction --- */

/* What the client may read at the next path of its payload. */
static int readable_node(struct request *request, struct seen *seen, uint64_t *generation)
{
    struct xenstore_transaction *transaction;
    int error = take_path(request);

    if (!error && request->transaction) {
        transaction = transaction_find(request->from, request->transaction);
        return transaction ? transaction_look(transaction, request->path, seen, generation)
                           : refused(-ENOENT);
    }
    if (!error)
        error = tree_check(xenstore_tree, request->path, request->from->actor, TREE_READ);
    if (error) return error;
    seen->node = seen->live = tree_find(xenstore_tree, request->path);
    seen->shadow = NULL;
    *generation = seen->node->generation;
    return 0;
}

static int make_change(struct request *request, struct change *change)
{
    struct xenstore_transaction *transaction;
    int error;

    change->path = request->path;
    if (change->kind == CHANGE_WRITE && !request->from->actor.privileged &&
        change->size > XENSTORE_MAX_NODE_BYTES)
        return refused(-ENOSPC);
    if (request->transaction) {
        transaction = transaction_find(request->from, request->transaction);
        if (!transaction) return refused(-ENOENT);
        error = transaction_change(transaction, change);
    } else {
        error = change_commit(change, request->from);
    }
    return error ? error : reply_ok(request);
}

/* --- the requests --- */

static int do_read(struct request *request)
{
    struct seen seen;
    uint64_t generation;
    int error = readable_node(request, &seen, &generation);

    return error ? error : reply_bytes(request, seen.node->value, seen.node->value_size);
}

static int do_directory(struct request *request)
{
    struct seen_children at = { 0, 0 };
    struct seen seen;
    uint64_t generation;
    int error = readable_node(request, &seen, &generation);

    for (const char *name; !error && (name = seen_next_child(&seen, &at));)
        error = reply_string(request, name);
    return error;
}

/* A long directory, from a byte offset: the generation, as many names as fit, an empty name behind
 * the last one. */
static int do_directory_part(struct request *request)
{
    struct seen_children child = { 0, 0 };
    struct seen seen;
    unsigned long offset, at = 0;
    uint64_t number;
    char generation[24];
    int error = readable_node(request, &seen, &number);

    if (error) return error;
    if (!take_number(request, UINT32_MAX, &offset)) return refused(-EINVAL);
    snprintf(generation, sizeof(generation), "%llu", (unsigned long long)number);
    reply_string(request, generation);
    for (const char *name; (name = seen_next_child(&seen, &child));) {
        if (at >= offset && reply_string(request, name)) return 0;
        at += strlen(name) + 1;
    }
    /* Does not fit: the client asks again from here, and gets it then. */
    reply_string(request, "");
    return 0;
}

static int do_write(struct request *request)
{
    struct change change = { .kind = CHANGE_WRITE };
    int error = take_path(request);

    if (error) return error;
    change.value = request->cursor;
    change.size = (uint32_t)(request->end - request->cursor);
    return make_change(request, &change);
}

static int do_mkdir(struct request *request)
{
    struct change change = { .kind = CHANGE_MKDIR };
    int error = take_path(request);

    return error ? error : make_change(request, &change);
}

static int do_rm(struct request *request)
{
    struct change change = { .kind = CHANGE_REMOVE };
    int error = take_path(request);

    return error ? error : make_change(request, &change);
}

static int do_get_perms(struct request *request)
{
    static const char letters[] = { 'n', 'r', 'w', 'b' };
    struct seen seen;
    uint64_t generation;
    int error = readable_node(request, &seen, &generation);

    for (unsigned i = 0; !error && i < seen.node->perms.count; i++) {
        char text[16];

        snprintf(text, sizeof(text), "%c%u", letters[seen.node->perms.entry[i].access & 3],
                 (unsigned)seen.node->perms.entry[i].domid);
        error = reply_string(request, text);
    }
    return error;
}

static bool parse_perm(const char *text, struct tree_perm *perm)
{
    unsigned domid = 0;

    switch (text[0]) {
    case 'n': perm->access = TREE_NONE; break;
    case 'r': perm->access = TREE_READ; break;
    case 'w': perm->access = TREE_WRITE; break;
    case 'b': perm->access = TREE_READ | TREE_WRITE; break;
    default: return refused(false);
    }
    if (!*++text) return refused(false);
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return refused(false);
        domid = domid * 10 + (unsigned)(*text - '0');
        if (domid >= DOMID_FIRST_RESERVED) return refused(false);
    }
    perm->domid = (uint16_t)domid;
    return true;
}

static int do_set_perms(struct request *request)
{
    struct tree_perms perms = { .count = 0 };
    struct change change = { .kind = CHANGE_PERMS, .perms = &perms };
    int error = take_path(request);

    while (!error && request->cursor < request->end) {
        const char *text = take_string(request);

        if (!text || !parse_perm(text, &perms.entry[perms.count])) return refused(-EINVAL);
        if (++perms.count == TREE_MAX_PERMS && request->cursor < request->end)
            return refused(-ENOSPC);
    }
    if (!error && !perms.count)
        error = refused(-EINVAL);
    return error ? error : make_change(request, &change);
}

/* Watches may also stand on special names, "@releaseDomain" and the like: one that nobody fires is
 * no mistake. */
static int take_watched(struct request *request, const char **text, const char **token)
{
    *text = take_string(request);
    *token = *text ? take_string(request) : NULL;
    if (!*token || strlen(*token) > XENSTORE_ABS_PATH_MAX / 4) return refused(-EINVAL);
    if ((*text)[0] == '@' && strlen(*text) <= XENSTORE_REL_PATH_MAX) {
        snprintf(request->path, sizeof(request->path), "%s", *text);
        return 0;
    }
    return resolve(request, *text);
}

static int do_watch(struct request *request)
{
    const char *text, *token;
    int error = take_watched(request, &text, &token);

    if (!error)
        error = watch_add(request->from, text, request->path, token);
    request->watch_added = !error;
    return error ? error : reply_ok(request);
}

static int do_unwatch(struct request *request)
{
    const char *text, *token;
    int error = take_watched(request, &text, &token);

    if (!error)
        error = watch_remove(request->from, request->path, token);
    return error ? error : reply_ok(request);
}

static int do_reset_watches(struct request *request)
{
    watch_drop_all(request->from);
    transaction_end_all(request->from);
    return reply_ok(request);
}

static int do_transaction_start(struct request *request)
{
    uint32_t number;
    char text[16];
    int error;

    if (request->transaction)
        return refused(-EBUSY);             /* No transactions inside transactions. */
    error = transaction_start(request->from, &number);
    snprintf(text, sizeof(text), "%u", (unsigned)(error ? 0 : number));
    return error ? error : reply_string(request, text);
}

static int do_transaction_end(struct request *request)
{
    const char *text = take_string(request);
    int error;

    if (!text || (strcmp(text, "T") && strcmp(text, "F"))) return refused(-EINVAL);
    error = transaction_end(request->from, request->transaction, text[0] == 'T');
    return error ? error : reply_ok(request);
}

static int do_get_domain_path(struct request *request)
{
    unsigned long domid;
    char text[32];

    if (!take_number(request, UINT16_MAX, &domid)) return refused(-EINVAL);
    snprintf(text, sizeof(text), "/local/domain/%lu", domid);
    return reply_string(request, text);
}

static int do_is_domain_introduced(struct request *request)
{
    unsigned long domid;

    /* Who else there is, is no guest's business. */
    if (!request->from->actor.privileged) return refused(-EACCES);
    if (!take_number(request, UINT16_MAX, &domid)) return refused(-EINVAL);
    return reply_string(request, connection_of((domid_t)domid) ? "T" : "F");
}

static int do_introduce(struct request *request)
{
    unsigned long domid, mfn, port;
    int error;

    if (!request->from->actor.privileged) return refused(-EACCES);
    if (!take_number(request, DOMID_FIRST_RESERVED - 1, &domid) ||
        !take_number(request, UINT64_MAX, &mfn) || !take_number(request, UINT32_MAX, &port))
        return refused(-EINVAL);
    if (connection_of((domid_t)domid) || change_forgetting() == domid) return refused(-EEXIST);
    error = carrier->introduce((domid_t)domid, mfn, (evtchn_port_t)port);
    if (error) return error;
    watch_fire_special("@introduceDomain");
    return reply_ok(request);
}

/* Nothing more is taken from his connection, and once nothing is left to be done of what he has
 * asked for it is closed; then he begins to be forgotten. 0, -EAGAIN, -ENOENT. */
static int begin_release(domid_t domid)
{
    struct xenstore_connection *connection = connection_of(domid);
    int error;

    if (!connection) return refused(-ENOENT);
    connection->leaving = true;
    transaction_end_all(connection);
    if (!change_finish_some(connection)) return refused(-EAGAIN);
    error = carrier->release(domid);
    if (!error)
        change_forget(domid);
    return error;
}

/*
 * EAGAIN: it goes on when it is asked again, or when another's release is (change_forget). Others
 * are served meanwhile.
 */
static int do_release(struct request *request)
{
    unsigned long domid;
    bool ours;
    int error;

    if (!request->from->actor.privileged) return refused(-EACCES);
    if (!take_number(request, DOMID_FIRST_RESERVED - 1, &domid) || !domid) return refused(-EINVAL);
    error = change_forgetting() ? 0 : begin_release((domid_t)domid);
    if (error) return error;
    ours = change_forgetting() == domid;
    if (!change_forget_some()) return refused(-EAGAIN);
    watch_fire_special("@releaseDomain");
    return ours ? reply_ok(request) : refused(-EAGAIN);
}

/* For the toolstack only, and this one does without: says so to it, and to everybody else that they
 * may not ask. */
static int do_privileged(struct request *request)
{
    return request->from->actor.privileged ? refused(-ENOSYS)
                                           : refused(-EACCES);
}

static int (*const handlers[XS_TYPE_COUNT])(struct request *) = {
    [XS_DIRECTORY] = do_directory,
    [XS_READ] = do_read,
    [XS_GET_PERMS] = do_get_perms,
    [XS_WATCH] = do_watch,
    [XS_UNWATCH] = do_unwatch,
    [XS_TRANSACTION_START] = do_transaction_start,
    [XS_TRANSACTION_END] = do_transaction_end,
    [XS_INTRODUCE] = do_introduce,
    [XS_RELEASE] = do_release,
    [XS_GET_DOMAIN_PATH] = do_get_domain_path,
    [XS_WRITE] = do_write,
    [XS_MKDIR] = do_mkdir,
    [XS_RM] = do_rm,
    [XS_SET_PERMS] = do_set_perms,
    [XS_IS_DOMAIN_INTRODUCED] = do_is_domain_introduced,
    [XS_RESET_WATCHES] = do_reset_watches,
    [XS_DIRECTORY_PART] = do_directory_part,
    [XS_CONTROL] = do_privileged,
    [XS_SET_TARGET] = do_privileged,
    [XS_RESUME] = do_privileged,
};

/* Clients expect the error's name, and only one of the protocol's list. */
static const char *error_name(int error)
{
    static const struct { int number; const char *name; } names[] = {
        { EINVAL, "EINVAL" }, { EACCES, "EACCES" }, { EEXIST, "EEXIST" }, { ENOENT, "ENOENT" },
        { ENOMEM, "ENOMEM" }, { ENOSPC, "ENOSPC" }, { ENOSYS, "ENOSYS" }, { EBUSY, "EBUSY" },
        { EAGAIN, "EAGAIN" }, { E2BIG, "E2BIG" },   { EPERM, "EPERM" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].number == -error)
            return names[i].name;
    return "EIO";
}

/* Of what was done since there were so many steps. */
static unsigned cost_since(unsigned before)
{
    return (tree_work - before) / TREE_WORK_OF_A_PART;
}

static void answer(struct xenstore_connection *to, struct xsd_sockmsg header, int error,
                   const char *reply, uint32_t size)
{
    if (error) {
        header.type = XS_ERROR;
        reply = error_name(error);
        size = (uint32_t)strlen(reply) + 1;
    }
    header.len = size;
    to->send(to, &header, reply);
}

unsigned xenstore_take(struct xenstore_connection *from, const struct xsd_sockmsg *header,
                       const char *payload)
{
    /* 8 KiB: too much for a stack; dom0 serves one request at a time. */
    static struct request request;
    unsigned before = tree_work;
    int error;

    tree_work += header->len / TREE_BYTES_OF_A_STEP;
    request.from = from;
    request.transaction = header->tx_id;
    request.cursor = payload;
    request.end = payload + header->len;
    request.reply_size = 0;
    request.watch_added = false;
    if (header->type < XS_TYPE_COUNT && handlers[header->type])
        error = handlers[header->type](&request);
    else
        error = refused(-ENOSYS);
    if (change_finish_some(from)) {
        answer(from, *header, error, request.reply, request.reply_size);
    } else {
        from->owed = *header;
        from->owed_error = error;
        from->owes_answer = true;
    }
    if (request.watch_added)
        watch_fire_first(from);
    return 1 + cost_since(before);
}

unsigned xenstore_go_on(struct xenstore_connection *from)
{
    unsigned before = tree_work;

    if (change_finish_some(from) && from->owes_answer) {
        from->owes_answer = false;
        /* What is done in parts has nothing else to say. */
        answer(from, from->owed, from->owed_error, "OK", sizeof("OK"));
    }
    return cost_since(before);
}

/* --- connections --- */

int xenstore_start(const struct xenstore_carrier *carried_by)
{
    static const char *const first[] = { "/local/domain", "/vm", "/libxl", "/tool" };
    struct tree_actor dom0 = { .domid = 0, .privileged = true };
    int error = 0;

    carrier = carried_by;
    xenstore_tree = tree_new();
    if (!xenstore_tree) return refused(-ENOMEM);
    for (size_t i = 0; i < ARRAY_SIZE(first) && !error; i++)
        error = tree_write(xenstore_tree, first[i], NULL, 0, dom0);
    return error;
}

void xenstore_connect(struct xenstore_connection *connection)
{
    connection->fired_end = &connection->fired;
    connection->fresh_end = &connection->fresh;
    connection->next = xenstore_connections;
    xenstore_connections = connection;
}

void xenstore_disconnect(struct xenstore_connection *connection)
{
    struct xenstore_connection **link = &xenstore_connections;

    watch_drop_all(connection);
    transaction_end_all(connection);
    while (!change_finish_some(connection))
        continue;
    while (*link && *link != connection)
        link = &(*link)->next;
    if (*link)
        *link = connection->next;
}
