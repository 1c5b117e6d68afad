/* SPDX-License-Identifier: MIT */
/*
 * XenStore's tree: nodes with a value, permissions and children. Pure: no connection, no ring, no
 * clock.
 *
 * There is one tree, changed in place; what a transaction wants to change it keeps to itself until
 * its end (shadow.h). Children stand in the order of their names, so that finding one of many is a
 * binary search. A change is checked, and everything for it allocated, before anything is touched:
 * so one that fails has changed nothing.
 *
 * Each node is charged to its owner's account, by number and in bytes (dom0/account.h).
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

/* Entry 0 names the owner (who may do everything) and what everybody not listed may do; the others
 * are exceptions. */
struct tree_perms {
    unsigned count;
    struct tree_perm entry[TREE_MAX_PERMS];
};

struct tree_node {
    /* Never repeats; changes with the value, the permissions or the list of children. */
    uint64_t generation;
    uint64_t made;              /* Its first one. */
    struct tree_perms perms;
    char *name;
    size_t name_size;
    char *value;
    uint32_t value_size;
    unsigned child_count;
    unsigned child_room;
    struct tree_node **children; /* By name. */
};

/* Who asks. Domain 0 is privileged: it may do everything and is not bound by quotas. */
struct tree_actor {
    uint16_t domid;
    bool privileged;
};

/* An empty tree: "/" owned by domain 0, readable by nobody else. NULL without memory. */
struct tree_node *tree_new(void);

/*
 * Frees a tree, or one that was taken out of it, so many nodes of it at most; `*nodes` is what is
 * left of that number. True: it is all gone.
 */
bool tree_drop_some(struct tree_node *root, unsigned *nodes);

/* A path is absolute, without empty components or a slash at its end ("/" excepted), of letters,
 * digits and - _ @. */
bool tree_path_valid(const char *path);

/* NULL when there is no such node. */
const struct tree_node *tree_find(const struct tree_node *root, const char *path);

/*
 * A walk over all that may rest between any two steps: the path, "" at first, becomes that of the
 * next node, parents before children and these by name; it comes back, with its parent. NULL behind
 * the last. What there was at the path before may be gone by now. Of what was made later than
 * `until` the topmost node is seen if its place is yet to come, and nothing below it: else the walk
 * would last for as long as somebody makes more than it takes.
 */
struct tree_node *tree_next(struct tree_node *root, char *path, uint64_t until,
                            struct tree_node **parent);

/* The latest generation of any node. */
uint64_t tree_latest(void);

bool tree_perms_allow(const struct tree_perms *perms, struct tree_actor actor,
                      enum tree_access access);
bool tree_allows(const struct tree_node *node, struct tree_actor actor, enum tree_access access);

/* What an actor may do with a path in a version of the tree: 0, -ENOENT (and it may know that), or
 * -EACCES. */
int tree_check(const struct tree_node *root, const char *path, struct tree_actor actor,
               enum tree_access access);

/*
 * Writes a value, making missing nodes on the way; these inherit their parent's permissions, but
 * belong to the actor when it is not privileged. `value` NULL makes the node only (mkdir) and
 * leaves an existing one alone. -EACCES, -ENOSPC (a quota), -ENOMEM.
 */
int tree_write(struct tree_node *root, const char *path, const void *value, uint32_t size,
               struct tree_actor actor);

/*
 * Takes a node with everything below it out of the tree: it comes back in `gone`, to be dropped by
 * the caller; NULL when there was none, which is no error if its parent exists. -EINVAL for "/".
 * Needs no memory.
 */
int tree_remove(struct tree_node *root, const char *path, struct tree_actor actor,
                struct tree_node **gone);

/* Only the owner may; only the privileged may give a node away (-EPERM). */
int tree_set_perms(struct tree_node *root, const char *path, const struct tree_perms *perms,
                   struct tree_actor actor);

/* A domain is named in these permissions no more. Its own node this is not. */
void tree_withdraw(struct tree_node *node, uint16_t domid);

/* Nodes that a domain owns: a walk over all, which accounts make unnecessary for the living. */
unsigned tree_count_owned(const struct tree_node *root, uint16_t domid);

/* --- for transactions, which make in advance what a change will need --- */

/* Steps over the next component of a path: its start, its size, and `*path` moved behind it. Size 0
 * at the end. */
const char *tree_component(const char **path, size_t *size);

/* The parent's part of a path, into a buffer at least as long as the path. "/" for a child of the
 * root. */
void tree_parent_path(const char *path, char *parent);

/*
 * Compares a name with a component: the shorter one comes first, of equal sizes as strcmp has it.
 * So numbers are in their order, and a guest that takes its disks and cards as a directory lists
 * them has the first of its configuration first, as on Xen, where they stand as they were made.
 * `*same`: how many of their first bytes are known to be the same, and then are: of a search in
 * what is in order, that of both its ends, so that it reads a long beginning twice, not each time.
 */
int tree_compare(const char *name, size_t name_size, const char *component, size_t size,
                 size_t *same);

/* A binary search among children, which stand by name: begin with .high = their number, look while
 * low < high. */
struct tree_search {
    unsigned low, high;
    /* Bytes that the names at both ends begin with like the one searched. */
    size_t same_low, same_high;
};

static inline unsigned tree_search_middle(const struct tree_search *search)
{
    return (search->low + search->high) / 2;
}

/* Looks at the name of the middle child. True: it is that one, and `low` says where; else `low` is
 * where it would be. */
bool tree_search_look(struct tree_search *search, const char *middle_name, size_t middle_size,
                      const char *name, size_t size);

/* Where a child of that name is, or would be. */
unsigned tree_place(const struct tree_node *node, const char *name, size_t size, bool *found);
struct tree_node *tree_child(const struct tree_node *node, const char *name, size_t size);

/* May these permissions be given to a node with those? 0, -EINVAL, -EACCES, -EPERM. */
int tree_perms_allowed(const struct tree_node *node, const struct tree_perms *perms,
                       struct tree_actor actor);

/* A node of no tree, charged to nobody yet. NULL without memory. */
struct tree_node *tree_make(const char *name, size_t name_size, const void *value, uint32_t size,
                            const struct tree_perms *perms);
void tree_free(struct tree_node *node);                 /* Such a one; it has no children. */
/* What it is charged with, without those below it. */
size_t tree_bytes(const struct tree_node *node);

/*
 * Room for so many more children, so that tree_link() cannot fail. It stays when these have gone,
 * or do not come. `charged`: the parent is in the tree, and the room its owner's, whoever makes the
 * children. -ENOSPC (the owner's quota), -ENOMEM.
 */
int tree_reserve(struct tree_node *parent, unsigned children, bool charged,
                 struct tree_actor actor);

/* A node made before becomes a child, at its place (tree_place), charged to its owner, who must be
 * known (account_known); and the child there is none any more. */
void tree_link(struct tree_node *parent, unsigned at, struct tree_node *child);
struct tree_node *tree_unlink(struct tree_node *parent, unsigned at);

/* Value and permissions of a node made before become those of a node of the tree, which gives its
 * own for them; both owners must be known. */
void tree_replace(struct tree_node *node, struct tree_node *made);

/* Steps of work done so far, about the same size each (some 500 instructions): nodes made, removed,
 * walked over; names compared, paths read. Wraps. */
extern unsigned tree_work;

/* Steps that an ordinary request does not reach; what takes more is done in parts of about as
 * many. */
#define TREE_WORK_OF_A_PART 16u

/* Of a path that is gone along several times, byte by byte. */
#define TREE_BYTES_OF_A_STEP 128u

#endif
