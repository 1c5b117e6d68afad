/* SPDX-License-Identifier: MIT */
/*
 * Between the server's own files: server.c (requests), transaction.c, watch.c.
 */
#ifndef DOM0_XENSTORE_INTERNAL_H
#define DOM0_XENSTORE_INTERNAL_H

#include "dom0/xenstore/server.h"
#include "dom0/xenstore/shadow.h"

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
/* Applies a change to the tree itself, and tells the watches. What that took out of the tree is the
 * connection's, until change_finish_some(). */
int change_commit(const struct change *change, struct xenstore_connection *by);

/*
 * What a connection's requests have left to be done, in parts: watches are told of what a
 * transaction has changed, and what is gone is freed. True: that was all.
 */
bool change_finish_some(struct xenstore_connection *connection);

/*
 * A domain is gone: so are its nodes, wherever they are, with all below them, and what others have
 * permitted it. This begins it, of one domain at a time; the other does some of it, and says
 * whether that was all.
 */
void change_forget(uint16_t domid);
bool change_forget_some(void);
uint16_t change_forgetting(void);               /* Who is being forgotten; 0: nobody. */

/* 0 and the number, or -ENOSPC, -ENOMEM. */
int transaction_start(struct xenstore_connection *connection, uint32_t *number);

/* NULL: no such transaction. */
struct xenstore_transaction *transaction_find(struct xenstore_connection *connection,
                                              uint32_t number);

/* What a transaction sees at a path that its client may read, or the error that he hears. The look
 * is remembered for the check at the end. `generation` tells two states of the node apart, within
 * the transaction too. */
int transaction_look(struct xenstore_transaction *transaction, const char *path, struct seen *seen,
                     uint64_t *generation);

int transaction_change(struct xenstore_transaction *transaction, const struct change *change);

/* Ends it, but for what change_finish_some() does. With `commit`: -EAGAIN when somebody else has
 * changed what it looked at; then nothing has happened. */
int transaction_end(struct xenstore_connection *connection, uint32_t number, bool commit);

void transaction_end_all(struct xenstore_connection *connection); /* Without commit. */

/* --- watch.c --- */
/* 0, -EEXIST, -ENOSPC, -ENOMEM. `path` as the client wrote it, `absolute` as the server understands
 * it. */
int watch_add(struct xenstore_connection *connection, const char *path, const char *absolute,
              const char *token);
int watch_remove(struct xenstore_connection *connection, const char *absolute, const char *token);
void watch_drop_all(struct xenstore_connection *connection);

/* The event every new watch begins with. */
void watch_fire_first(struct xenstore_connection *connection);

/* Tells whoever watches a changed path. `gone` is what was taken out of the tree there
 * (CHANGE_REMOVE), with all below it: watches on that hear, too. `before`: the permissions that it
 * had (CHANGE_PERMS), for who may read it no more hears of that; may be NULL. With neither
 * something gone nor a node there now nobody hears: whoever has removed it meanwhile has told of
 * that. */
void watch_fire(const char *path, const struct tree_node *gone, const struct tree_perms *before);

/* Special watches carry no path below them; only privileged connections hear of them. */
void watch_fire_special(const char *special);

#endif
