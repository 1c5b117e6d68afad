/* SPDX-License-Identifier: MIT */
/*
 * Changes of XenStore's tree, one by one or in transactions. Called by server.c only.
 *
 * A transaction holds two versions of the tree: `base`, as it was at the start, and `view`, with its own changes. It
 * remembers which paths it touched and which changes it made. At its end it is valid if every touched node still has
 * the generation it had in `base`; then the changes are made again on the tree itself, one after the other, and
 * either all of them stand or, by putting the old root back, none.
 */
#include "dom0/xenstore/internal.h"

/* A touched path, or a change: one allocation each, strings and values behind the structure. */
struct touched {
    struct touched *next;
    char path[];
};

struct logged_change {
    struct logged_change *next;
    struct change change;
    struct tree_perms perms;
    char bytes[];                               /* The path with its NUL, then the value. */
};

struct xenstore_transaction {
    struct xenstore_transaction *next;
    uint32_t number;
    struct tree_node *base, *view;
    unsigned touched_count;
    struct touched *touched;
    struct logged_change *changes, **last_change;
};

/* Nodes bind whoever makes more of them. Who has too many already (dom0 gave him a device, say) may still write them. */
static int within_quota(const struct tree_node *root, const struct tree_node *before, const struct change *change,
                        struct tree_actor actor) {
    unsigned count;

    if (actor.privileged)
        return 0;
    if (change->kind == CHANGE_WRITE && change->size > XENSTORE_MAX_NODE_BYTES)
        return -ENOSPC;
    count = tree_count_owned(root, actor.domid);
    return count > XENSTORE_MAX_NODES && count > tree_count_owned(before, actor.domid) ? -ENOSPC : 0;
}

int change_apply(struct tree_node **root, const struct change *change, struct tree_actor actor) {
    struct tree_node *before = tree_hold(*root);
    int error = -EINVAL;

    switch (change->kind) {
    case CHANGE_WRITE:
        error = tree_write(root, change->path, change->value, change->size, actor);
        break;
    case CHANGE_MKDIR:
        error = tree_write(root, change->path, NULL, 0, actor);
        break;
    case CHANGE_REMOVE:
        error = tree_remove(root, change->path, actor);
        break;
    case CHANGE_PERMS:
        error = tree_set_perms(root, change->path, change->perms, actor);
        break;
    }
    if (!error && change->kind != CHANGE_REMOVE)
        error = within_quota(*root, before, change, actor);
    if (error) {                                /* Also what was half done goes: nodes made on the way. */
        tree_drop(*root);
        *root = before;
        return error;
    }
    tree_drop(before);
    return 0;
}

int change_commit(const struct change *change, struct tree_actor actor) {
    struct tree_node *before = tree_hold(xenstore_tree);
    int error = change_apply(&xenstore_tree, change, actor);

    if (!error)
        watch_fire(change->path, change->kind, before);
    tree_drop(before);
    return error;
}

int transaction_start(struct xenstore_connection *connection, uint32_t *number) {
    struct xenstore_transaction *transaction;

    if (!connection->actor.privileged && connection->transaction_count >= XENSTORE_MAX_TRANSACTIONS)
        return -ENOSPC;
    transaction = calloc(1, sizeof(*transaction));
    if (!transaction)
        return -ENOMEM;
    do {                                        /* 0 means "no transaction"; numbers in use are skipped. */
        connection->last_transaction++;
    } while (!connection->last_transaction || transaction_find(connection, connection->last_transaction));
    transaction->number = connection->last_transaction;
    transaction->base = tree_hold(xenstore_tree);
    transaction->view = tree_hold(xenstore_tree);
    transaction->last_change = &transaction->changes;
    transaction->next = connection->transactions;
    connection->transactions = transaction;
    connection->transaction_count++;
    *number = transaction->number;
    return 0;
}

struct xenstore_transaction *transaction_find(struct xenstore_connection *connection, uint32_t number) {
    struct xenstore_transaction *transaction = connection->transactions;

    while (transaction && transaction->number != number)
        transaction = transaction->next;
    return transaction;
}

static int touch(struct xenstore_transaction *transaction, const char *path) {
    struct touched *touched;

    for (touched = transaction->touched; touched; touched = touched->next)
        if (!strcmp(touched->path, path))
            return 0;
    if (transaction->touched_count >= XENSTORE_MAX_TOUCHED)
        return -ENOSPC;
    touched = malloc(sizeof(*touched) + strlen(path) + 1);
    if (!touched)
        return -ENOMEM;
    memcpy(touched->path, path, strlen(path) + 1);
    touched->next = transaction->touched;
    transaction->touched = touched;
    transaction->touched_count++;
    return 0;
}

int transaction_look(struct xenstore_transaction *transaction, const char *path, const struct tree_node **root) {
    *root = transaction->view;
    return touch(transaction, path);
}

int transaction_change(struct xenstore_transaction *transaction, const struct change *change,
                       struct tree_actor actor) {
    size_t path_size = strlen(change->path) + 1, size = change->kind == CHANGE_WRITE ? change->size : 0;
    struct logged_change *logged;
    int error;

    error = touch(transaction, change->path);
    if (error)
        return error;
    /* Each logged change counts as a touch, so that writing one node again and again is bounded too. */
    if (transaction->touched_count >= XENSTORE_MAX_TOUCHED)
        return -ENOSPC;
    logged = calloc(1, sizeof(*logged) + path_size + size);
    if (!logged)
        return -ENOMEM;
    error = change_apply(&transaction->view, change, actor);
    if (error) {
        free(logged);
        return error;
    }
    logged->change = *change;
    memcpy(logged->bytes, change->path, path_size);
    logged->change.path = logged->bytes;
    if (size)
        memcpy(logged->bytes + path_size, change->value, size);
    logged->change.value = logged->bytes + path_size;
    if (change->perms)
        logged->perms = *change->perms;
    logged->change.perms = &logged->perms;
    *transaction->last_change = logged;
    transaction->last_change = &logged->next;
    transaction->touched_count++;
    return 0;
}

static void free_transaction(struct xenstore_connection *connection, struct xenstore_transaction *transaction) {
    struct xenstore_transaction **link = &connection->transactions;

    while (*link != transaction)
        link = &(*link)->next;
    *link = transaction->next;
    connection->transaction_count--;
    while (transaction->touched) {
        struct touched *touched = transaction->touched;

        transaction->touched = touched->next;
        free(touched);
    }
    while (transaction->changes) {
        struct logged_change *logged = transaction->changes;

        transaction->changes = logged->next;
        free(logged);
    }
    tree_drop(transaction->base);
    tree_drop(transaction->view);
    free(transaction);
}

static uint64_t generation_of(const struct tree_node *root, const char *path) {
    const struct tree_node *node = tree_find(root, path);

    return node ? node->generation : 0;         /* Generations begin at 1: 0 is "not there". */
}

static bool still_valid(const struct xenstore_transaction *transaction) {
    for (const struct touched *touched = transaction->touched; touched; touched = touched->next)
        if (generation_of(transaction->base, touched->path) != generation_of(xenstore_tree, touched->path))
            return false;
    return true;
}

static int commit(const struct xenstore_transaction *transaction, struct tree_actor actor) {
    struct tree_node *before = tree_hold(xenstore_tree);
    int error = 0;

    for (const struct logged_change *l = transaction->changes; l && !error; l = l->next)
        error = change_apply(&xenstore_tree, &l->change, actor);
    if (error) {
        tree_drop(xenstore_tree);
        xenstore_tree = before;
        return error;
    }
    for (const struct logged_change *l = transaction->changes; l; l = l->next)
        watch_fire(l->change.path, l->change.kind, before);
    tree_drop(before);
    return 0;
}

int transaction_end(struct xenstore_connection *connection, uint32_t number, bool commit_it) {
    struct xenstore_transaction *transaction = transaction_find(connection, number);
    int error = 0;

    if (!transaction)
        return -ENOENT;
    if (commit_it)
        error = still_valid(transaction) ? commit(transaction, connection->actor) : -EAGAIN;
    free_transaction(connection, transaction);
    return error;
}

void transaction_drop_all(struct xenstore_connection *connection) {
    while (connection->transactions)
        free_transaction(connection, connection->transactions);
}
