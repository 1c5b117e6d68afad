/* SPDX-License-Identifier: MIT */
/*
 * Between the server's own files: server.c (requests), transaction.c, watch.c.
 */
#ifndef DOM0_XENSTORE_INTERNAL_H
#define DOM0_XENSTORE_INTERNAL_H

#include "dom0/xenstore/server.h"

/* One change of the tree: how a transaction remembers it, and what watches are told about. */
enum change_kind { CHANGE_WRITE, CHANGE_MKDIR, CHANGE_REMOVE, CHANGE_PERMS };

struct change {
    enum change_kind kind;
    const char *path;
    const void *value;                          /* CHANGE_WRITE */
    uint32_t size;
    const struct tree_perms *perms;             /* CHANGE_PERMS */
};

/* --- server.c --- */
extern struct xenstore_connection *xenstore_connections;
extern struct tree_node *xenstore_tree;

/* --- transaction.c --- */
/* Applies a change to a version of the tree; on an error the version is as before. Quotas are checked here. */
int change_apply(struct tree_node **root, const struct change *change, struct tree_actor actor);

/* Applies a change to the tree itself, and tells the watches. */
int change_commit(const struct change *change, struct tree_actor actor);

/* 0 and the number, or -ENOSPC, -ENOMEM. */
int transaction_start(struct xenstore_connection *connection, uint32_t *number);

/* NULL: no such transaction. */
struct xenstore_transaction *transaction_find(struct xenstore_connection *connection, uint32_t number);

/* The version of the tree that a transaction sees; a look at `path` is remembered for the check at its end. */
int transaction_look(struct xenstore_transaction *transaction, const char *path, const struct tree_node **root);

int transaction_change(struct xenstore_transaction *transaction, const struct change *change,
                       struct tree_actor actor);

/* Ends it. With `commit`: -EAGAIN when somebody else changed what it looked at; then nothing has happened. */
int transaction_end(struct xenstore_connection *connection, uint32_t number, bool commit);

void transaction_drop_all(struct xenstore_connection *connection);

/* --- watch.c --- */
/* 0, -EEXIST, -ENOSPC, -ENOMEM. `path` as the client wrote it, `absolute` as the server understands it. */
int watch_add(struct xenstore_connection *connection, const char *path, const char *absolute, const char *token);
int watch_remove(struct xenstore_connection *connection, const char *absolute, const char *token);
void watch_drop_all(struct xenstore_connection *connection);

/* The event every new watch begins with. */
void watch_fire_first(struct xenstore_connection *connection);

/* Tells whoever watches a changed path. `before` is the tree as it was: what was removed is looked up there. */
void watch_fire(const char *path, enum change_kind kind, const struct tree_node *before);

/* Special watches carry no path below them; only privileged connections hear of them. */
void watch_fire_special(const char *special);

#endif
