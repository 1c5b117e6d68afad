/* SPDX-License-Identifier: MIT */
/*
 * XenStore's tree, copy-on-write. tree.h says what the functions promise.
 *
 * The one trick is make_private(): a node with a single reference, reached through nodes with single references,
 * belongs to this version of the tree alone and is changed in place; a shared one is replaced by a copy whose
 * children gain a reference each. Every change walks down from the root slot through make_private(), so a held
 * version never sees it.
 */
#include "dom0/xenstore/tree.h"

/* Never repeats, also across transactions: equal generations mean the same state of the node. */
static uint64_t last_generation;

static char *copy_bytes(const char *bytes, size_t size) {
    char *copy = malloc(size + 1);      /* One more: values get a NUL that is not part of them. */

    if (copy) {
        memcpy(copy, bytes, size);
        copy[size] = '\0';
    }
    return copy;
}

static struct tree_node *new_node(const char *name, size_t name_size) {
    struct tree_node *node = calloc(1, sizeof(*node));

    if (!node)
        return NULL;
    node->references = 1;
    node->generation = ++last_generation;
    node->name = copy_bytes(name, name_size);
    node->value = copy_bytes("", 0);
    if (!node->name || !node->value) {
        tree_drop(node);
        return NULL;
    }
    return node;
}

struct tree_node *tree_new(void) {
    struct tree_node *root = new_node("", 0);

    if (root) {
        root->perms.count = 1;
        root->perms.entry[0] = (struct tree_perm){ .domid = 0, .access = TREE_NONE };
    }
    return root;
}

struct tree_node *tree_hold(struct tree_node *root) {
    root->references++;
    return root;
}

void tree_drop(struct tree_node *root) {
    if (!root || --root->references)
        return;
    for (unsigned i = 0; i < root->child_count; i++)
        tree_drop(root->children[i]);
    free(root->children);
    free(root->name);
    free(root->value);
    free(root);
}

/* Makes the node in `slot` belong to this version alone. False without memory; then nothing changed. */
static bool make_private(struct tree_node **slot) {
    struct tree_node *old = *slot, *copy;

    if (old->references == 1)
        return true;
    copy = new_node(old->name, strlen(old->name));
    if (!copy)
        return false;
    free(copy->value);
    copy->value = copy_bytes(old->value, old->value_size);
    copy->children = malloc((old->child_count + 1) * sizeof(*copy->children));
    if (!copy->value || !copy->children) {
        tree_drop(copy);
        return false;
    }
    copy->generation = old->generation;         /* The same node, only somewhere else. */
    copy->perms = old->perms;
    copy->value_size = old->value_size;
    copy->child_room = old->child_count + 1;
    for (unsigned i = 0; i < old->child_count; i++)
        copy->children[copy->child_count++] = tree_hold(old->children[i]);
    old->references--;
    *slot = copy;
    return true;
}

static bool path_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '@';
}

bool tree_path_valid(const char *path) {
    unsigned depth = 0;

    if (path[0] != '/')
        return false;
    if (path[1] == '\0')
        return true;
    for (size_t i = 0; path[i]; i++) {
        if (path[i] == '/') {
            if (path[i + 1] == '/' || path[i + 1] == '\0' || ++depth > TREE_MAX_DEPTH)
                return false;
        } else if (!path_character(path[i])) {
            return false;
        }
    }
    return true;
}

/* Steps over the next component of a path: its start, its size, and `*path` moved behind it. Size 0 at the end. */
static const char *next_component(const char **path, size_t *size) {
    const char *start = *path;

    while (*start == '/')
        start++;
    *size = 0;
    while (start[*size] && start[*size] != '/')
        (*size)++;
    *path = start + *size;
    return start;
}

static struct tree_node **find_child(const struct tree_node *node, const char *name, size_t size) {
    for (unsigned i = 0; i < node->child_count; i++) {
        const char *own = node->children[i]->name;

        if (strncmp(own, name, size) == 0 && own[size] == '\0')
            return &node->children[i];
    }
    return NULL;
}

static const struct tree_node *walk(const struct tree_node *node, const char *path, bool nearest) {
    for (;;) {
        size_t size;
        const char *name = next_component(&path, &size);
        struct tree_node **child;

        if (!size)
            return node;
        child = find_child(node, name, size);
        if (!child)
            return nearest ? node : NULL;
        node = *child;
    }
}

const struct tree_node *tree_find(const struct tree_node *root, const char *path) {
    return walk(root, path, false);
}

const struct tree_node *tree_find_nearest(const struct tree_node *root, const char *path) {
    return walk(root, path, true);
}

bool tree_allows(const struct tree_node *node, struct tree_actor actor, enum tree_access access) {
    const struct tree_perms *perms = &node->perms;
    unsigned granted = perms->entry[0].access;

    if (actor.privileged || perms->entry[0].domid == actor.domid)
        return true;
    for (unsigned i = 1; i < perms->count; i++)
        if (perms->entry[i].domid == actor.domid)
            granted = perms->entry[i].access;
    return (granted & access) == (unsigned)access;
}

int tree_check(const struct tree_node *root, const char *path, struct tree_actor actor, enum tree_access access) {
    const struct tree_node *node = tree_find(root, path);

    if (node)
        return tree_allows(node, actor, access) ? 0 : -EACCES;
    /* Whether a node exists is a secret too: only who may use the place where it would be learns that it is not. */
    return tree_allows(tree_find_nearest(root, path), actor, access) ? -ENOENT : -EACCES;
}

/* Adds a new child that inherits the parent's permissions. The parent must be private. NULL without memory. */
static struct tree_node **add_child(struct tree_node *parent, const char *name, size_t size, struct tree_actor actor) {
    struct tree_node *child;

    if (parent->child_count == parent->child_room) {
        unsigned room = parent->child_room ? 2 * parent->child_room : 4;
        struct tree_node **bigger = malloc(room * sizeof(*bigger));

        if (!bigger)
            return NULL;
        if (parent->child_count)
            memcpy(bigger, parent->children, parent->child_count * sizeof(*bigger));
        free(parent->children);
        parent->children = bigger;
        parent->child_room = room;
    }
    child = new_node(name, size);
    if (!child)
        return NULL;
    child->perms = parent->perms;
    if (!actor.privileged)
        child->perms.entry[0].domid = actor.domid;
    parent->children[parent->child_count] = child;
    parent->generation = ++last_generation;
    return &parent->children[parent->child_count++];
}

/* The slot of a node, all private on the way to it; made where missing if `create`. NULL: no memory, or no node. */
static struct tree_node **private_path(struct tree_node **root, const char *path, bool create,
                                       struct tree_actor actor) {
    struct tree_node **slot = root;

    for (;;) {
        size_t size;
        const char *name = next_component(&path, &size);
        struct tree_node **child;

        if (!make_private(slot))
            return NULL;
        if (!size)
            return slot;
        child = find_child(*slot, name, size);
        if (!child && create)
            child = add_child(*slot, name, size, actor);
        if (!child)
            return NULL;
        slot = child;
    }
}

int tree_write(struct tree_node **root, const char *path, const void *value, uint32_t size, struct tree_actor actor) {
    int error = tree_check(*root, path, actor, TREE_WRITE);
    struct tree_node **slot;
    char *copy = NULL;

    if (error && error != -ENOENT)
        return error;
    if (!value && !error)
        return 0;
    if (value && !(copy = copy_bytes(value, size)))
        return -ENOMEM;
    slot = private_path(root, path, true, actor);
    if (!slot) {
        free(copy);
        return -ENOMEM;
    }
    if (copy) {
        free((*slot)->value);
        (*slot)->value = copy;
        (*slot)->value_size = size;
    }
    (*slot)->generation = ++last_generation;
    return 0;
}

/* The parent's part of a path, into a buffer at least as long as the path. "/" for a child of the root. */
static void parent_path(const char *path, char *parent) {
    const char *slash = strrchr(path, '/');
    size_t size = slash == path ? 1 : (size_t)(slash - path);

    memcpy(parent, path, size);
    parent[size] = '\0';
}

int tree_remove(struct tree_node **root, const char *path, struct tree_actor actor) {
    int error = tree_check(*root, path, actor, TREE_WRITE);
    char *parent = copy_bytes(path, strlen(path));
    struct tree_node **slot, **child;

    if (!parent)
        return -ENOMEM;
    parent_path(path, parent);
    if (!error && path[1] == '\0')
        error = -EINVAL;
    if (error) {
        if (error == -ENOENT && tree_find(*root, parent))
            error = 0;
        free(parent);
        return error;
    }
    slot = private_path(root, parent, false, actor);
    free(parent);
    if (!slot)
        return -ENOMEM;
    child = find_child(*slot, strrchr(path, '/') + 1, strlen(strrchr(path, '/') + 1));
    tree_drop(*child);
    (*slot)->child_count--;
    /* Close the gap instead of moving the last child in: a reader of a directory in parts relies on the order. */
    for (; child < (*slot)->children + (*slot)->child_count; child++)
        child[0] = child[1];
    (*slot)->generation = ++last_generation;
    return 0;
}

int tree_set_perms(struct tree_node **root, const char *path, const struct tree_perms *perms,
                   struct tree_actor actor) {
    const struct tree_node *node = tree_find(*root, path);
    struct tree_node **slot;
    int error = tree_check(*root, path, actor, TREE_WRITE);

    if (error)
        return error;
    if (!perms->count || perms->count > TREE_MAX_PERMS)
        return -EINVAL;
    if (!actor.privileged && node->perms.entry[0].domid != actor.domid)
        return -EACCES;
    if (!actor.privileged && perms->entry[0].domid != actor.domid)
        return -EPERM;
    slot = private_path(root, path, false, actor);
    if (!slot)
        return -ENOMEM;
    (*slot)->perms = *perms;
    (*slot)->generation = ++last_generation;
    return 0;
}

unsigned tree_count_owned(const struct tree_node *root, uint16_t domid) {
    unsigned count = root->perms.entry[0].domid == domid;

    for (unsigned i = 0; i < root->child_count; i++)
        count += tree_count_owned(root->children[i], domid);
    return count;
}
