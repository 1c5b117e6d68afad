/* SPDX-License-Identifier: MIT */
/*
 * What a transaction has made of the tree: a shadow of each node it has looked at or changed, and
 * of those on the way there. Everything else it sees as the tree is now. So it holds what it has
 * touched and nothing more, however the tree changes meanwhile; if what it has touched changes, it
 * can only fail, and what it still sees of that does not matter.
 *
 * Its end is in three steps, between which the tree must not change: is all that was touched as it
 * was (shadows_valid)? Would everything succeed, and is all memory there (shadows_prepare)? Then it
 * is done, and cannot fail (shadows_perform).
 */
#ifndef DOM0_XENSTORE_SHADOW_H
#define DOM0_XENSTORE_SHADOW_H

#include "dom0/xenstore/tree.h"

struct shadow {
    struct shadow **children;           /* By name. */
    unsigned child_count, child_room;
    /* The node as the transaction has it; NULL: as in the tree, if there. */
    struct tree_node *made;
    bool hides;                         /* What the tree has here, and below, is removed. */
    /* `made` only on the way to another node: somebody else's will do. */
    bool implied;
    bool touched;
    /* Of the tree's node when it was touched; 0: there was none. */
    uint64_t generation;
    /* At the end: the tree's node, and its place, or where it would be, among its siblings. */
    struct tree_node *live;
    unsigned at;
    struct tree_node *gone;             /* What was taken out of the tree here. */
    bool told;
    size_t name_size;
    char name[];
};

/* The tree as one transaction sees it. */
struct shadows {
    struct shadow *root;
    const struct tree_actor *actor;
    size_t charged;                     /* Bytes, to the actor's account. */
    /* That the actor would own, about: exact is only the end. */
    long more_nodes;
};

/* A node there: its value and permissions; and where its children are. `node` NULL: there is
 * none. */
struct seen {
    const struct tree_node *node, *live;
    const struct shadow *shadow;
};

/* 0, -ENOSPC, -ENOMEM. */
int shadows_open(struct shadows *shadows, const struct tree_actor *actor);

/* So many of them, and of the nodes that were taken out of the tree, at most; `*nodes` is what is
 * left of that number. True: all are gone. */
bool shadows_close_some(struct shadows *shadows, unsigned *nodes);

/* Counts bytes against the actor, as long as the transaction lives. 0, -ENOSPC, -ENOMEM. */
int shadows_charge(struct shadows *shadows, size_t bytes);

/* What is at a path; `nearest` (may be NULL): that, or the nearest ancestor. */
struct seen shadows_see(const struct shadows *shadows, const struct tree_node *tree,
                        const char *path, struct seen *nearest);

/* The shadow of a path, made if there is none, with the generation of the tree's node if this is
 * the first touch. */
int shadows_touch(struct shadows *shadows, const struct tree_node *tree, const char *path,
                  struct shadow **touched);
bool shadows_touched(const struct shadows *shadows, const char *path);

/* The changes of tree.h. `changed`: is anything different now? The path was touched. */
int shadows_write(struct shadows *shadows, const struct tree_node *tree, const char *path,
                  const void *value, uint32_t size, bool *changed);
int shadows_remove(struct shadows *shadows, const struct tree_node *tree, const char *path,
                   bool *changed);
int shadows_set_perms(struct shadows *shadows, const struct tree_node *tree, const char *path,
                      const struct tree_perms *perms);

bool shadows_valid(struct shadows *shadows, struct tree_node *tree);
int shadows_prepare(struct shadows *shadows, struct tree_node *tree);
void shadows_perform(struct shadows *shadows, struct tree_node *tree);

/* After that, for each change made: is anybody to be told of its path, and has not been? All
 * changes of a path are one, for they happen at once, and one that was only made to be `removed`
 * again is none. `gone`: what was taken out of the tree there, which goes with the shadows; NULL:
 * nothing. `before`: the permissions of what has changed there; NULL: it has not. */
bool shadow_tell(struct shadow *shadow, bool removed, const struct tree_node **gone,
                 const struct tree_perms **before);

/* The names of a node's children, one after the other, in their order; NULL behind the last. Begin
 * with zeroes. */
struct seen_children { unsigned live, shadow; };
const char *seen_next_child(const struct seen *seen, struct seen_children *at);

#endif
