/* SPDX-License-Identifier: MIT */
/*
 * XenStore's tree: nodes with a value, permissions and children. Pure: no connection, no ring, no clock.
 *
 * The tree is copy-on-write. A node is shared by reference count; whoever holds the root (`tree_hold`) keeps that
 * version for ever, at no cost until something changes: changing a path first makes the nodes on it unshared
 * (see tree.c). So a transaction is a held root, a rollback is putting the old root back, and a watch event can ask
 * for the permissions a node had before it was removed.
 *
 * Errors are negative errnos. Sizes are bytes.
 */
#ifndef DOM0_XENSTORE_TREE_H
#define DOM0_XENSTORE_TREE_H

#include "dom0/base.h"

#define TREE_MAX_DEPTH 64       /* Components of a path; bounds every recursion over the tree. */
#define TREE_MAX_PERMS 8        /* Entries of one node's permission list. */

enum tree_access { TREE_NONE = 0, TREE_READ = 1, TREE_WRITE = 2 };

struct tree_perm {
    uint16_t domid;
    uint16_t access;            /* TREE_READ | TREE_WRITE */
};

/* Entry 0 names the owner (who may do everything) and what everybody not listed may do; the others are exceptions. */
struct tree_perms {
    unsigned count;
    struct tree_perm entry[TREE_MAX_PERMS];
};

struct tree_node {
    unsigned references;
    uint64_t generation;        /* Changes when the value, the permissions or the list of children change. */
    struct tree_perms perms;
    char *name;
    char *value;
    uint32_t value_size;
    unsigned child_count;
    unsigned child_room;
    struct tree_node **children;
};

/* Who asks. Domain 0 is privileged: it may do everything and is not bound by quotas. */
struct tree_actor {
    uint16_t domid;
    bool privileged;
};

/* An empty tree: "/" owned by domain 0, readable by nobody else. NULL without memory. */
struct tree_node *tree_new(void);

struct tree_node *tree_hold(struct tree_node *root);
void tree_drop(struct tree_node *root);

/* A path is absolute, without empty components or a slash at its end ("/" excepted), of letters, digits and - _ @. */
bool tree_path_valid(const char *path);

/* NULL when there is no such node. */
const struct tree_node *tree_find(const struct tree_node *root, const char *path);

/* The node itself or the nearest ancestor that exists: the one whose permissions govern a path yet to be made. */
const struct tree_node *tree_find_nearest(const struct tree_node *root, const char *path);

bool tree_allows(const struct tree_node *node, struct tree_actor actor, enum tree_access access);

/* What an actor may do with a path in a version of the tree: 0, -ENOENT (and it may know that), or -EACCES. */
int tree_check(const struct tree_node *root, const char *path, struct tree_actor actor, enum tree_access access);

/*
 * Writes a value, making missing nodes on the way; these inherit their parent's permissions, but belong to the actor
 * when it is not privileged. `value` NULL makes the node only (mkdir) and leaves an existing one alone.
 * -EACCES, -ENOMEM, -EINVAL.
 */
int tree_write(struct tree_node **root, const char *path, const void *value, uint32_t size, struct tree_actor actor);

/* Removes a node and everything below it. A missing node is no error if its parent exists. -EINVAL for "/". */
int tree_remove(struct tree_node **root, const char *path, struct tree_actor actor);

/* Only the owner may; only the privileged may give a node away (-EPERM). */
int tree_set_perms(struct tree_node **root, const char *path, const struct tree_perms *perms, struct tree_actor actor);

/* Nodes that a domain owns: what its quota is measured by. Counted, not book-kept: it cannot drift. */
unsigned tree_count_owned(const struct tree_node *root, uint16_t domid);

#endif
